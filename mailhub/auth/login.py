"""Logging in: credentials go through the cred portal, an account comes out, and the log says who came.

Refusals are all alike to the client: it never learns whether a user exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.cred.error import LoginFailed
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailhub.auth import names
from mailhub.auth.credentials import ApopCredentials, PasswordCredentials
from mailhub.auth.interfaces import (
    AuthenticationFailed,
    AuthorizationFailed,
    IExchange,
    ILogin,
    LoginError,
    LoginUnavailable,
    NoSuchMechanism,
    Peer,
    PrivacyRequired,
)
from mailhub.auth.realm import MailRealm
from mailhub.auth.sasl import MECHANISMS
from mailhub.auth.users import IUserSource
from mailhub.config.settings import AuthSettings
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IAccount, IMessageStore


@implementer(ILogin)
class Login:
    """The one way in, for all protocols."""

    log = Logger()

    def __init__(self, *, reactor: Any, store: IMessageStore, users: IUserSource, settings: AuthSettings) -> None:
        self._reactor = reactor
        self._users = users
        self._settings = settings
        self._portal = Portal(MailRealm(store), [users])

    def plaintext_allowed(self, peer: Peer) -> bool:
        rule = self._settings.plaintext_without_tls
        return peer.secure or rule == "always" or (rule == "loopback" and peer.local)

    def mechanisms(self, peer: Peer) -> Sequence[str]:
        return self._settings.mechanisms if self.plaintext_allowed(peer) else ()

    def apop_possible(self) -> bool:
        return self._users.apop_possible

    def password(self, user: bytes, password: bytes, peer: Peer) -> Deferred[IAccount]:
        return self.plain(user, password, peer, "password")

    def plain(self, user: bytes, password: bytes, peer: Peer, method: str, authzid: bytes = b"") -> Deferred[IAccount]:
        """As password(); `method` is for the log. `authzid` is whom the client wants to act as (RFC 4616), which
        nobody may but the user themselves."""
        if not self.plaintext_allowed(peer):
            return self._refused(user, peer, method, PrivacyRequired("Use TLS before you send a password."))
        name = names.decode(user, self._settings.lowercase)
        if name is None:
            return self._refused(user, peer, method, AuthenticationFailed("Authentication failed."))
        if authzid and names.decode(authzid, self._settings.lowercase) != name:
            return self._refused(user, peer, method, AuthorizationFailed("You may not act for another user."))
        return _kept(Deferred.fromCoroutine(self._enter(PasswordCredentials(name, password, peer), method)))

    def apop(self, user: bytes, timestamp: bytes, digest: bytes, peer: Peer) -> Deferred[IAccount]:
        name = names.decode(user, self._settings.lowercase)
        if name is None:
            return self._refused(user, peer, "APOP", AuthenticationFailed("Authentication failed."))
        return _kept(Deferred.fromCoroutine(self._enter(ApopCredentials(name, timestamp, digest, peer), "APOP")))

    def exchange(self, mechanism: str, peer: Peer) -> IExchange:
        make = MECHANISMS.get(mechanism.upper())
        if make is None or mechanism.upper() not in self._settings.mechanisms:
            raise NoSuchMechanism("No such mechanism here.")
        if not self.plaintext_allowed(peer):
            raise PrivacyRequired("Use TLS before you send a password.")
        return make(self, peer)

    async def _enter(self, credentials: PasswordCredentials | ApopCredentials, method: str) -> IAccount:
        name, peer = credentials.username, credentials.peer
        try:
            _, account, _ = await self._portal.login(credentials, None, IAccount)
        except LoginFailed:
            return await self._refused(name.encode(), peer, method, AuthenticationFailed("Authentication failed."))
        except StoreError as error:
            self.log.warn("login of {user} failed for now: {error}", user=name, error=error)
            raise LoginUnavailable("Mail is not available at the moment.") from None
        except CancelledError:
            raise
        except Exception:
            self.log.failure("login of {user} failed", user=name)
            raise LoginUnavailable("Mail is not available at the moment.") from None
        self.log.info(
            "{protocol} login: user={user} method={method} from={host} tls={secure}",
            protocol=peer.protocol,
            user=name,
            method=method,
            host=peer.host or "unix",
            secure=peer.secure,
        )
        entered: IAccount = account  # type: ignore[assignment]
        return entered

    async def _refuse(self, user: bytes, peer: Peer, method: str, error: LoginError) -> IAccount:
        self.log.info(
            "{protocol} login refused ({kind}): user={user} method={method} from={host} tls={secure}",
            protocol=peer.protocol,
            kind=type(error).__name__,
            user=ascii(user[: names.LONGEST].decode("utf-8", "replace"))[1:-1],
            method=method,
            host=peer.host or "unix",
            secure=peer.secure,
        )
        if self._settings.failure_delay and isinstance(error, AuthenticationFailed):
            await deferLater(self._reactor, self._settings.failure_delay)
        raise error

    def _refused(self, user: bytes, peer: Peer, method: str, error: LoginError) -> Deferred[IAccount]:
        return Deferred.fromCoroutine(self._refuse(user, peer, method, error))


def _kept(inner: Deferred[IAccount]) -> Deferred[IAccount]:
    """Let a caller who cancels go, while the login itself runs on: an account that nobody waits for any more is
    released, which cancelling the work half way could not promise."""
    outer: Deferred[IAccount] = Deferred(lambda _: None)

    def arrived(result: Any) -> None:
        if outer.called:
            if not isinstance(result, Failure):
                result.release()
        elif isinstance(result, Failure):
            outer.errback(result)
        else:
            outer.callback(result)

    inner.addBoth(arrived)
    return outer
