"""A POP3 server on the memory store."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.config.settings import AuthSettings, Pop3Settings, StoreSettings
from mailhub.memory.store import MemoryStore
from mailhub.pop3.factory import Pop3Factory
from mailhub.store.model import NO_FLAGS, Addition, Flags, UserEntry
from tests.talk import Talk

LOCAL = IPv4Address("TCP", "127.0.0.1", 50000)
REMOTE = IPv4Address("TCP", "192.0.2.1", 50000)


class Pop3TestCase(SynchronousTestCase):
    """Sets up a store with one user, ann, and her account."""

    settings = Pop3Settings()
    auth = AuthSettings(password="pass")
    tls: Any = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.store = MemoryStore(clock=self.clock, settings=StoreSettings())
        users = AnyPassword("pass")
        login = Login(reactor=self.clock, store=self.store, users=users, settings=self.auth)
        self.factory = Pop3Factory(reactor=self.clock, login=login, settings=self.settings, tls=self.tls)
        self.account: Any = self.successResultOf(self.store.account(UserEntry("ann")))

    def add(self, *messages: bytes, flags: Flags = NO_FLAGS) -> None:
        """Put messages into ann's INBOX."""
        for message in messages:
            draft = self.successResultOf(self.account.draft())
            draft.write(message)
            self.successResultOf(self.account.append("INBOX", [Addition(draft, flags)]))

    def flags(self) -> list[set[str]]:
        """Return the flags of ann's INBOX as another session sees them."""
        snapshot = self.successResultOf(self.account.open("INBOX")).snapshot
        return [set(snapshot.flags(uid)) for uid in snapshot.uids]

    def connect(self, address: Any = LOCAL, full_at: int = 1 << 60) -> Talk:
        """Return a client in the AUTHORIZATION state."""
        return Talk(self.factory, self.clock, address, full_at)

    def login(self, **how: Any) -> Talk:
        """Return a client in the TRANSACTION state."""
        client = self.connect(**how)
        self.assertEqual(client(b"USER ann\r\nPASS pass\r\n"), b"+OK\r\n+OK Logged in.\r\n")
        return client

    def tearDown(self) -> None:
        self.assertEqual(self.flushLoggedErrors(), [])
