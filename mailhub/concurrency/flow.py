"""Backpressure between what a session produces and what its client reads.

A Gate stands between a coroutine and a transport: the coroutine awaits `gate.passage()` between pieces, and a client
that does not read simply stops being produced for (design law 8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

PIECE = 128 * 1024
"""Octets of a body read and written at a time."""


class Readable(Protocol):
    """As store.interfaces.IMessageBody, of which only this much is needed here."""

    size: int
    whole: bytes | None

    def read(self, offset: int, length: int) -> Deferred[bytes]: ...


@implementer(IPushProducer)
class Gate:
    """Open while the transport takes data; register it as the transport's streaming producer."""

    def __init__(self) -> None:
        self.open = True
        self.closed = False
        self.resumed = 0
        """How often the client made room: it reads, however slowly, while this grows."""
        self._waiters: list[Deferred[None]] = []

    def attach(self, transport: Any) -> None:
        """Become the producer of `transport`."""
        transport.registerProducer(self, True)

    def passage(self) -> Deferred[None]:
        """Return a Deferred that fires when more may be written; it fails with ConnectionDone once the
        connection is gone."""
        waiter: Deferred[None] = Deferred(self._forget)
        if self.closed:
            waiter.errback(ConnectionDone())
        elif self.open:
            return succeed(None)
        else:
            self._waiters.append(waiter)
        return waiter

    def _forget(self, waiter: Deferred[None]) -> None:
        self._waiters.remove(waiter)

    def pauseProducing(self) -> None:
        self.open = False

    def resumeProducing(self) -> None:
        self.open = True
        self.resumed += 1
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def stopProducing(self) -> None:
        self.closed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(ConnectionDone())


async def pump(body: Readable, offset: int, length: int, write: Callable[[bytes], Any], gate: Gate) -> None:
    """Write exactly `length` octets of `body` from `offset`, a piece at a time as the client reads.

    Raises whatever body.read() raises, EOFError if the body turns out shorter, ConnectionDone."""
    end = offset + length
    while offset < end:
        piece = await body.read(offset, min(PIECE, end - offset))
        if not piece:
            raise EOFError("message is shorter than its size says")
        offset += len(piece)
        write(piece)
        if not gate.open:
            await gate.passage()
