"""Logging in through the portal, onto a memory store."""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mailhub.auth import names
from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.credentials import ApopCredentials, PasswordCredentials
from mailhub.auth.interfaces import (
    AuthenticationFailed,
    AuthorizationFailed,
    IExchange,
    ILogin,
    LoginUnavailable,
    MalformedResponse,
    NoSuchMechanism,
    Peer,
    PrivacyRequired,
)
from mailhub.auth.login import Login
from mailhub.auth.passwdfile import PasswdFile
from mailhub.auth.users import IUserSource, UserSources
from mailhub.concurrency.pool import InlinePool
from mailhub.config.settings import AuthSettings, StoreSettings
from mailhub.memory.store import MemoryStore
from mailhub.store.errors import Unavailable
from mailhub.store.interfaces import IUserDirectory
from tests.server import scratch

HERE = Peer("127.0.0.1", False, "imap", True)
FAR = Peer("192.0.2.1", False, "imap")
FAR_TLS = evolve(FAR, secure=True)


class LoginCase(SynchronousTestCase):
    """A login on a memory store, any user with the password "pass"."""

    settings = AuthSettings(password="pass")

    def setUp(self) -> None:
        self.clock = Clock()
        self.store: Any = MemoryStore(clock=self.clock, settings=StoreSettings())
        self.login = self.made(AnyPassword("pass"))

    def made(self, users: Any, **changes: Any) -> Login:
        settings = evolve(self.settings, **changes)
        return Login(reactor=self.clock, store=self.store, users=users, settings=settings)

    def name(self, waiting: Deferred[Any]) -> str:
        account = self.successResultOf(waiting)
        account.release()
        found: str = account.user.name
        return found


class Passwords(LoginCase):
    def test_contracts(self) -> None:
        """The objects are what their interfaces say."""
        verifyObject(ILogin, self.login)
        verifyObject(IUserSource, AnyPassword("x"))
        verifyObject(IUserDirectory, UserSources([AnyPassword("x")]))
        for mechanism in ("PLAIN", "LOGIN"):
            verifyObject(IExchange, self.login.exchange(mechanism, HERE))

    def test_any_user(self) -> None:
        """Any safe name gets its account with the one password, in lower case as Dovecot takes it; another password
        does not."""
        self.assertEqual(self.name(self.login.password(b"Ann@Example.org", b"pass", HERE)), "ann@example.org")
        self.failureResultOf(self.login.password(b"ann", b"Pass", HERE), AuthenticationFailed)
        self.failureResultOf(self.login.password(b"ann", b"", HERE), AuthenticationFailed)
        kept = self.made(AnyPassword("pass", lowercase=False), lowercase=False)
        self.assertEqual(self.name(kept.password(b"Ann", b"pass", HERE)), "Ann")

    def test_unsafe_names(self) -> None:
        """A name that could leave its folder, or is none, fails like a wrong password."""
        for user in (
            b"",
            b"x" * 256,
            b"a\0b",
            b"a/b",
            b"..",
            b"a..b",
            b".",
            b".hidden",
            b"~root",
            b"\xff",
            b"a\nb",
            b"a b",
        ):
            self.failureResultOf(self.login.password(user, b"pass", HERE), AuthenticationFailed)
        self.assertEqual(self.name(self.login.password("é".encode() + b"x" * 253, b"pass", HERE)), "é" + "x" * 253)

    def test_plaintext_policy(self) -> None:
        """auth.plaintext_without_tls says where a password may be sent in clear (RFC 5530 PRIVACYREQUIRED); where it
        may not, no mechanism is offered."""
        allowed = {
            "never": {HERE: False, FAR: False, FAR_TLS: True},
            "loopback": {HERE: True, FAR: False, FAR_TLS: True},
            "always": {HERE: True, FAR: True, FAR_TLS: True},
        }
        for rule, peers in allowed.items():
            login = self.made(AnyPassword("pass"), plaintext_without_tls=rule)
            for peer, may in peers.items():
                self.assertEqual(login.plaintext_allowed(peer), may)
                self.assertEqual(tuple(login.mechanisms(peer)), ("PLAIN", "LOGIN") if may else ())
                if may:
                    self.name(login.password(b"ann", b"pass", peer))
                else:
                    self.failureResultOf(login.password(b"ann", b"pass", peer), PrivacyRequired)
                    self.assertRaises(PrivacyRequired, login.exchange, "PLAIN", peer)

    def test_failure_delay(self) -> None:
        """A refusal waits for auth.failure_delay; a success does not."""
        login = self.made(AnyPassword("pass"), failure_delay=2.0)
        self.name(login.password(b"ann", b"pass", HERE))
        waiting = login.password(b"ann", b"x", HERE)
        self.assertNoResult(waiting)
        self.clock.advance(2)
        self.failureResultOf(waiting, AuthenticationFailed)

    def test_several_sources(self) -> None:
        """A user of the file needs the file's password; other names have the shared one."""
        path = scratch(self) / "users"
        path.write_text("ann:{PLAIN}secret\n")
        login = self.made(UserSources([PasswdFile(path, InlinePool()), AnyPassword("pass")]))
        self.name(login.password(b"ann", b"secret", HERE))
        self.failureResultOf(login.password(b"ann", b"pass", HERE), AuthenticationFailed)
        self.name(login.password(b"bob", b"pass", HERE))

    def test_store_trouble(self) -> None:
        """A store or a users file that fails is not a wrong password (RFC 5530 UNAVAILABLE)."""
        missing = self.made(PasswdFile(scratch(self) / "none", InlinePool()))
        self.failureResultOf(missing.password(b"ann", b"pass", HERE), LoginUnavailable)

        def broken(user: object) -> None:
            raise Unavailable("disk")

        self.store.account = broken
        self.failureResultOf(self.login.password(b"ann", b"pass", HERE), LoginUnavailable)

    def test_our_fault_is_logged(self) -> None:
        """An error of ours is unavailable to the client and a traceback in the log."""

        def broken(user: object) -> None:
            raise ZeroDivisionError

        self.store.account = broken
        self.failureResultOf(self.login.password(b"ann", b"pass", HERE), LoginUnavailable)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_client_left(self) -> None:
        """A client that goes away during a login gets its account released when it comes."""
        opened: Deferred[Any] = Deferred()
        self.store.account = lambda user: opened
        waiting = self.login.password(b"ann", b"pass", HERE)
        waiting.addErrback(lambda _: None)
        waiting.cancel()

        class Account:
            released = 0

            def release(self) -> None:
                self.released += 1

        account = Account()
        opened.callback(account)
        self.assertEqual(account.released, 1)

    def test_no_secrets(self) -> None:
        """Neither log lines nor reprs hold a password; the log says who came, how and from where."""
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.name(self.login.password(b"ann", b"pass", HERE))
        self.failureResultOf(self.login.password(b"ann", b"hidden", HERE), AuthenticationFailed)
        self.failureResultOf(self.login.password(b"a\r\nb", b"hidden", HERE), AuthenticationFailed)
        lines = [event["log_format"].format(**event) for event in events]
        self.assertIn("imap login: user=ann method=password from=127.0.0.1 tls=False", lines)
        self.assertFalse([line for line in lines if "hidden" in line or "pass=" in line or "\n" in line])
        for credentials in (PasswordCredentials("a", b"hidden", HERE), ApopCredentials("a", b"", b"hidden", HERE)):
            self.assertNotIn("hidden", repr(credentials))

    def test_names(self) -> None:
        """Directory lookup follows the same rules as login."""
        users = AnyPassword("pass")
        self.assertEqual(self.successResultOf(users.lookup("Ann")).name, "ann")
        self.assertIsNone(self.successResultOf(users.lookup("../ann")))
        self.assertIsNone(names.decode(b"\xc3"))


class Apop(LoginCase):
    def test_any_password(self) -> None:
        """Any-user mode knows its password, so APOP is possible (RFC 1939 section 7)."""
        self.assertTrue(self.login.apop_possible())
        digest = hashlib.md5(b"<1@x>pass").hexdigest().encode()
        self.assertEqual(self.name(self.login.apop(b"ann", b"<1@x>", digest.upper(), FAR)), "ann")
        self.failureResultOf(self.login.apop(b"ann", b"<2@x>", digest, FAR), AuthenticationFailed)
        self.failureResultOf(self.login.apop(b"../x", b"<1@x>", digest, FAR), AuthenticationFailed)


class Sasl(LoginCase):
    def test_plain(self) -> None:
        """PLAIN with and without initial response (RFC 4616); the empty challenge asks for it."""
        exchange = self.login.exchange("plain", HERE)
        self.assertEqual(self.successResultOf(exchange.start(None)), b"")
        self.assertEqual(self.name(exchange.respond(b"\0ann\0pass")), "ann")
        self.assertEqual(exchange.user, "ann")
        self.assertEqual(self.name(self.login.exchange("PLAIN", HERE).start(b"ann\0Ann\0pass")), "ann")

    def test_plain_refused(self) -> None:
        """A wrong password, acting for another, and broken messages are told apart (RFC 4616 section 2)."""
        for message, error in (
            (b"\0ann\0x", AuthenticationFailed),
            (b"bob\0ann\0pass", AuthorizationFailed),
            (b"", MalformedResponse),
            (b"ann\0pass", MalformedResponse),
            (b"\0ann\0pass\0", MalformedResponse),
            (b"\0\0pass", MalformedResponse),
            (b"\0ann\0", MalformedResponse),
        ):
            self.failureResultOf(self.login.exchange("PLAIN", HERE).start(message), error)

    def test_login(self) -> None:
        """LOGIN prompts for user and password; clients that send the user at once are understood."""
        exchange = self.login.exchange("LOGIN", HERE)
        self.assertEqual(self.successResultOf(exchange.start(None)), b"Username:")
        self.assertEqual(self.successResultOf(exchange.respond(b"ann")), b"Password:")
        self.assertEqual(self.name(exchange.respond(b"pass")), "ann")
        exchange = self.login.exchange("LOGIN", HERE)
        self.assertEqual(self.successResultOf(exchange.start(b"ann")), b"Password:")
        self.failureResultOf(exchange.respond(b"x"), AuthenticationFailed)

    def test_offered(self) -> None:
        """What is unknown or not configured is not to be had."""
        self.assertRaises(NoSuchMechanism, self.login.exchange, "CRAM-MD5", HERE)
        self.assertRaises(NoSuchMechanism, self.made(AnyPassword("x"), mechanisms=("PLAIN",)).exchange, "LOGIN", HERE)
