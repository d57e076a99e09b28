"""A conversation with the server in memory: client lines in, exact answers out, several sessions on one store.

Timings in tagged answers are Dovecot's form "(0.001 + 0.000 secs)."; said() takes them off.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.concurrency.pool import InlinePool
from mailhub.config.settings import AuthSettings, ImapSettings, StoreSettings
from mailhub.imap.protocol import ImapFactory
from mailhub.maildir.store import MaildirStore
from mailhub.memory.store import MemoryStore
from mailhub.store.interfaces import IMessageStore

_TIMING = re.compile(rb" \([0-9. +]+ secs\)\.(?=\r\n)")
_NUMBERS = re.compile(rb"UIDVALIDITY [0-9]+|(?<=UID )[0-9]{9,}")


class Wire(StringTransport):
    """A StringTransport whose other end can go away and which notes how it was closed."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__()
        self.host = host
        self.aborted = False
        self.paused_reading = False

    def getPeer(self) -> Any:
        from twisted.internet.address import IPv4Address

        return IPv4Address("TCP", self.host, 4000)

    def pauseProducing(self) -> None:
        self.paused_reading = True

    def resumeProducing(self) -> None:
        self.paused_reading = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class Client:
    """One connection."""

    def __init__(self, world: World, host: str = "127.0.0.1") -> None:
        self.world = world
        self.wire = Wire(host)
        protocol = world.factory.buildProtocol(None)
        assert protocol is not None
        self.protocol = protocol
        self.protocol.makeConnection(self.wire)

    def raw(self) -> bytes:
        """Everything the server said since the last time."""
        said = self.wire.value()
        self.wire.clear()
        return said

    def said(self) -> list[str]:
        """The same as lines without timings; octets of literals stay in their lines."""
        text = _TIMING.sub(b"", self.raw()).decode("utf-8", "surrogateescape")
        return text.removesuffix("\r\n").split("\r\n") if text else []

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)
        self.world.clock.advance(0)

    def line(self, text: str) -> list[str]:
        """Send a line and return the answer."""
        self.send(text.encode("utf-8") + b"\r\n")
        return self.said()

    def ok(self, text: str) -> list[str]:
        """Send a command, which must end well; return the untagged lines."""
        answer = self.line(f"a {text}")
        assert answer, f"no answer to {text}"
        assert answer[-1].startswith("a OK"), answer
        return answer[:-1]

    def tagged(self, text: str) -> str:
        """Send a command and return its tagged answer without the tag."""
        return self.line(f"a {text}")[-1].removeprefix("a ")

    def append(self, data: str, mailbox: str = "INBOX", flags: str = "") -> str:
        octets = data.encode("utf-8")
        self.send(b"a APPEND %s %s{%d+}\r\n" % (mailbox.encode(), flags.encode(), len(octets)) + octets + b"\r\n")
        return self.said()[-1].removeprefix("a ")

    def drop(self) -> None:
        """The connection breaks."""
        self.protocol.connectionLost(Failure(ConnectionLost()))


class World:
    """A store with a server before it."""

    def __init__(self, imap: ImapSettings | None = None, tls: Any = None, **store: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_600_000_000)
        self.store_settings = StoreSettings(**store)
        self.store = self.make_store()
        auth = AuthSettings(password="pass")
        self.login = Login(reactor=self.clock, store=self.store, users=AnyPassword("pass"), settings=auth)
        self.factory = ImapFactory(
            reactor=self.clock,
            login=self.login,
            settings=imap or ImapSettings(),
            tls=tls,
            message_limit=self.store_settings.message_limit,
        )

    def make_store(self) -> IMessageStore:
        """Make the store that the server stands before."""
        return MemoryStore(clock=self.clock, settings=self.store_settings)

    def connect(self, host: str = "127.0.0.1") -> Client:
        """Connect; the greeting is not read yet."""
        return Client(self, host)

    def close(self) -> None:
        """Break all connections, so that no session is left waiting: a coroutine that the garbage collector finds in
        the middle of a later test is logged there."""
        for protocol in list(self.factory.protocols):
            protocol.connectionLost(Failure(ConnectionLost()))
        self.clock.pump([0.0] * 10)

    def user(self, name: str = "u", mailbox: str | None = None) -> Client:
        """Connect and log in; select `mailbox` if given."""
        client = self.connect()
        client.ok(f"LOGIN {name} pass")
        client.raw()
        if mailbox is not None:
            client.ok(f"SELECT {mailbox}")
        return client


class MaildirWorld(World):
    """The same on a Maildir store under `folder`, whose threads run in place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(fsync="never")

    def make_store(self) -> IMessageStore:
        return MaildirStore(
            reactor=self.clock, threads=InlinePool(), settings=self.store_settings, data=str(self.folder)
        )


class Conversation(SynchronousTestCase):
    """Base of tests that talk to the server."""

    settings = ImapSettings()

    def setUp(self) -> None:
        self.world = World(self.settings)

    @property
    def world(self) -> World:
        """The server of this test; a test may put another in its place."""
        return self._world

    @world.setter
    def world(self, world: World) -> None:
        self._world = world
        self.addCleanup(world.close)

    def session(self, mailbox: str | None = "INBOX") -> Client:
        return self.world.user("u", mailbox)

    def filled(self, count: int = 3) -> Client:
        """A session in an INBOX with `count` messages, none of them recent any more."""
        client = self.session(None)
        for number in range(1, count + 1):
            client.append(f"Subject: message {number}\r\n\r\nbody {number}\r\n")
        client.ok("SELECT INBOX")
        client.ok("UNSELECT")
        client.ok("SELECT INBOX")
        client.raw()
        return client
