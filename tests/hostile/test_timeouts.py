"""Clients that send an octet a second, or nothing: how long they may stay, on a clock of our own."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.config.settings import AuthSettings, ImapSettings, LmtpSettings, Pop3Settings, StoreSettings
from mailhub.delivery.delivery import Delivery
from mailhub.imap.protocol import ImapFactory
from mailhub.lmtp.factory import LmtpFactory
from mailhub.memory.store import MemoryStore
from mailhub.pop3.factory import Pop3Factory
from tests.talk import Talk

LOCAL = IPv4Address("TCP", "127.0.0.1", 50_000)
LOGIN = b"a LOGIN ann pass\r\n"
LOGIN_POP3 = b"USER ann\r\nPASS pass\r\n"


class Slow(SynchronousTestCase):
    """The default timeouts, with the memory store."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        store = MemoryStore(clock=self.clock, settings=StoreSettings())
        users = AnyPassword("pass")
        login = Login(reactor=self.clock, store=store, users=users, settings=AuthSettings(password="pass"))
        clock: Any = self.clock
        self.factories: dict[str, Any] = {
            "imap": ImapFactory(reactor=clock, login=login, settings=ImapSettings()),
            "pop3": Pop3Factory(reactor=clock, login=login, settings=Pop3Settings()),
            "lmtp": LmtpFactory(
                reactor=clock,
                delivery=Delivery(store=store, users=users),
                settings=LmtpSettings(),
                message_limit=1_000_000,
            ),
        }

    def drip(self, service: str, before: bytes, octet: bytes, most: int) -> tuple[int, bytes]:
        """Send an octet a second for `most` seconds, or until the server hangs up; return how long that was and the
        last it said."""
        talk = Talk(self.factories[service], self.clock, LOCAL)
        talk(before)
        said = b""
        for second in range(most):
            if talk.closed:
                return second, said
            self.clock.advance(1)
            said = (talk(octet) if octet else talk()) or said
        talk.lose()
        return most, said

    def test_an_octet_a_second_before_login(self) -> None:
        """Sending does not draw the time to log in out: 180 seconds, as Dovecot has it."""
        seconds, said = self.drip("imap", b"", b"x", 400)
        self.assertIn(seconds, range(179, 184))
        self.assertEqual(said, b"* BYE Disconnected for inactivity.\r\n")
        seconds, _ = self.drip("pop3", b"", b"x", 400)
        self.assertIn(seconds, range(179, 184))

    def test_an_octet_a_second_after_login(self) -> None:
        """After login it is silence that counts (RFC 3501 section 5.4, RFC 1939 section 3): who sends may stay."""
        self.assertEqual(self.drip("imap", LOGIN, b"x", 2_500)[0], 2_500)
        self.assertEqual(self.drip("pop3", LOGIN_POP3, b"x", 900)[0], 900)
        self.assertEqual(self.drip("lmtp", b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\n", b"x", 900)[0], 900)

    def test_silence(self) -> None:
        """Silence ends a session: IMAP after 30 minutes with BYE, POP3 after 10 with nothing (RFC 1939 section 3), LMTP
        after 5 with 421."""
        for service, before, least, end in (
            ("imap", LOGIN, 1800, b"* BYE Disconnected for inactivity.\r\n"),
            ("pop3", LOGIN_POP3, 600, b""),
            ("lmtp", b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nSubject: x\r\n", 300, b"421 4.4.2 "),
        ):
            seconds, said = self.drip(service, before, b"", least + 100)
            self.assertIn(seconds, range(least - 1, least + 4), service)
            self.assertTrue(said.startswith(end), said)

    def test_a_client_that_reads_slowly(self) -> None:
        """A client that takes half an hour for a large message may stay; one that stops reading is cut off."""
        talk = Talk(self.factories["imap"], self.clock, LOCAL, full_at=100_000)
        message = b"Subject: x\r\n\r\n" + b"x" * 900_000
        talk(LOGIN + b"b APPEND INBOX {%d+}\r\n" % len(message) + message + b"\r\nc SELECT INBOX\r\n")
        talk.protocol.dataReceived(b"d FETCH 1 BODY[]\r\n" * 8)
        taken = 0
        while taken < 6 * len(message):
            self.clock.advance(50)
            self.assertFalse(talk.closed, taken)
            taken += len(talk.read())
        self.assertGreater(self.clock.seconds(), 1_000_000_000 + 1_800)
        for _ in range(80):
            self.clock.advance(50)
        self.assertTrue(talk.transport.aborted)
        talk.lose()  # as a transport tells a protocol that aborted it
