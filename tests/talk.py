"""A conversation with a protocol in memory: what the client sends, exactly what the server answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class Transport(StringTransport):
    """Keeps what is written; may refuse to take more, as the socket of a peer that does not read."""

    aborted = False

    def __init__(self, address: Any = None, full_at: int = 1 << 60) -> None:
        super().__init__(peerAddress=address)
        self._full_at = full_at
        self.reading = True
        self.most = 0
        """The most octets that ever waited for the peer."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self.most = max(self.most, len(self.value()))
        if self.producer is not None and len(self.value()) >= self._full_at:
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class Talk:
    """One client of a protocol made by `factory`, whose clock is `clock`."""

    def __init__(self, factory: Any, clock: Any, address: Any = None, full_at: int = 1 << 60) -> None:
        self.clock = clock
        self.protocol = factory.buildProtocol(None)
        self.transport = Transport(address, full_at)
        self.closed = False
        self.protocol.makeConnection(self.transport)
        self.greeting = self.read()

    def read(self) -> bytes:
        """Return what the server sent since the last time; notice if it closed the connection."""
        out = bytes(self.transport.value())
        self.transport.clear()
        if self.transport.disconnecting and not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(ConnectionDone()))
        elif self.transport.producer is not None and self.transport.producer.open is False:
            self.transport.producer.resumeProducing()
        return out

    def __call__(self, *chunks: bytes) -> bytes:
        """Send chunks, let the server have its turns, and return what it said."""
        for chunk in chunks:
            if not self.transport.disconnecting:
                self.protocol.dataReceived(chunk)
        out = self.read()
        while not self.closed and any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
            out += self.read()
        return out

    def lose(self) -> None:
        """The connection breaks."""
        self.closed = True
        self.protocol.connectionLost(Failure(ConnectionLost()))
