"""An LMTP server on the memory store."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mailhub.config.settings import LmtpSettings, StoreSettings
from mailhub.delivery.delivery import Delivery
from mailhub.lmtp.factory import LmtpFactory
from mailhub.memory.store import MemoryStore
from mailhub.store.errors import Unavailable
from mailhub.store.interfaces import IUserDirectory
from mailhub.store.model import UserEntry
from tests.talk import Talk

LOCAL = IPv4Address("TCP", "127.0.0.1", 50000)


@implementer(IUserDirectory)
class Directory:
    """Knows some names; asking for "broken" fails."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.asked: list[str] = []

    def lookup(self, name: str) -> Deferred[UserEntry | None]:
        self.asked.append(name)
        if name == "broken":
            return fail(Unavailable("The user database is away."))
        return succeed(UserEntry(name) if name in self._names else None)


class LmtpTestCase(SynchronousTestCase):
    """Sets up users ann, bob and carl@example.org."""

    settings = LmtpSettings(hostname="mail.example.org")
    message_limit = 100_000
    tls: Any = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.store = MemoryStore(clock=self.clock, settings=StoreSettings(message_limit=self.message_limit + 1000))
        delivery = Delivery(store=self.store, users=Directory("ann", "bob", "carl@example.org"))
        self.factory = LmtpFactory(
            reactor=self.clock,
            delivery=delivery,
            settings=self.settings,
            message_limit=self.message_limit,
            tls=self.tls,
        )

    def connect(self, address: Any = LOCAL) -> Talk:
        return Talk(self.factory, self.clock, address)

    def hello(self, address: Any = LOCAL) -> Talk:
        """Return a client that has said LHLO."""
        client = self.connect(address)
        self.assertEqual(client(b"LHLO client.example.org\r\n")[-2:], b"\r\n")
        return client

    def envelope(self, *recipients: str, sender: str = "s@example.org") -> Talk:
        """Return a client whose transaction has these recipients."""
        client = self.hello()
        client(f"MAIL FROM:<{sender}>\r\n".encode())
        for recipient in recipients:
            self.assertEqual(client(f"RCPT TO:<{recipient}>\r\n".encode())[:4], b"250 ")
        return client

    def mail(self, user: str) -> list[bytes]:
        """Return the messages in a user's INBOX."""
        account = self.successResultOf(self.store.account(UserEntry(user)))
        mailbox: Any = self.successResultOf(account.open("INBOX"))
        bodies = self.successResultOf(mailbox.bodies(list(mailbox.snapshot.uids))) if mailbox.snapshot.uids else []
        return [body.whole for body in bodies]

    def contents(self, user: str) -> list[bytes]:
        """Return the messages in a user's INBOX without what delivery put above them."""
        return [message.split(b" +0000\r\n", 1)[1] for message in self.mail(user)]

    def tearDown(self) -> None:
        self.assertEqual(self.flushLoggedErrors(), [])
