"""Backpressure: a client that does not read is not produced for (design law 8)."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mailhub.concurrency.flow import PIECE, Gate, pump


class Bytes:
    """A body in memory that notes what was read of it."""

    whole = None

    def __init__(self, data: bytes, size: int | None = None) -> None:
        self.data = data
        self.size = len(data) if size is None else size
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> Deferred[bytes]:
        self.reads.append((offset, length))
        return succeed(self.data[offset : offset + length])


class GateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gate = Gate()
        self.transport = StringTransport()
        self.gate.attach(self.transport)

    def test_is_a_streaming_producer(self) -> None:
        """The gate registers as the transport's push producer."""
        verifyObject(IPushProducer, self.gate)
        self.assertIs(self.transport.producer, self.gate)
        self.assertTrue(self.transport.streaming)

    def test_open_and_shut(self) -> None:
        """Passage is free while the transport takes data, and waits while it does not."""
        self.successResultOf(self.gate.passage())
        self.gate.pauseProducing()
        first, second = self.gate.passage(), self.gate.passage()
        self.assertNoResult(first)
        self.gate.resumeProducing()
        self.successResultOf(first)
        self.successResultOf(second)
        self.successResultOf(self.gate.passage())

    def test_connection_gone(self) -> None:
        """Who waits, or comes later, hears that the connection is gone."""
        self.gate.pauseProducing()
        waiting = self.gate.passage()
        self.gate.stopProducing()
        self.failureResultOf(waiting, ConnectionDone)
        self.failureResultOf(self.gate.passage(), ConnectionDone)

    def test_cancel(self) -> None:
        """Who cancels is not waited for any more."""
        self.gate.pauseProducing()
        waiting, other = self.gate.passage(), self.gate.passage()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.gate.resumeProducing()
        self.successResultOf(other)

    def test_shut_again_while_opening(self) -> None:
        """A waiter that writes may shut the gate again at once; it is shut for those who come then."""
        self.gate.pauseProducing()
        first = self.gate.passage()
        first.addCallback(lambda _: self.gate.pauseProducing())
        self.gate.resumeProducing()
        self.successResultOf(first)
        self.assertNoResult(self.gate.passage())


class PumpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gate = Gate()
        self.written: list[bytes] = []

    def pump(self, body: Bytes, offset: int, length: int) -> Deferred[None]:
        return Deferred.fromCoroutine(pump(body, offset, length, self.written.append, self.gate))

    def test_exactly_the_octets(self) -> None:
        """The octets asked for are written, in pieces of bounded size."""
        body = Bytes(bytes(range(256)) * 2048)
        self.successResultOf(self.pump(body, 100, len(body.data) - 200))
        self.assertEqual(b"".join(self.written), body.data[100:-100])
        self.assertEqual(max(map(len, self.written)), PIECE)
        self.assertEqual(max(length for _, length in body.reads), PIECE)

    def test_nothing(self) -> None:
        """No octets, no reads."""
        body = Bytes(b"abc")
        self.successResultOf(self.pump(body, 1, 0))
        self.assertEqual((self.written, body.reads), ([], []))

    def test_stops_for_a_client_that_does_not_read(self) -> None:
        """With the gate shut at most one piece more is read; it goes on when the gate opens."""
        body = Bytes(b"x" * (4 * PIECE))
        self.gate.pauseProducing()
        done = self.pump(body, 0, body.size)
        self.assertNoResult(done)
        self.assertEqual(len(body.reads), 1)
        self.gate.resumeProducing()
        self.successResultOf(done)
        self.assertEqual(sum(map(len, self.written)), body.size)

    def test_client_goes_away(self) -> None:
        """A connection that is lost meanwhile ends the pump."""
        body = Bytes(b"x" * (4 * PIECE))
        self.gate.pauseProducing()
        done = self.pump(body, 0, body.size)
        self.gate.stopProducing()
        self.failureResultOf(done, ConnectionDone)
        self.assertEqual(len(body.reads), 1)

    def test_short_body(self) -> None:
        """A message that turns out shorter than its size raises EOFError after what there is."""
        done = self.pump(Bytes(b"abc", size=10), 0, 10)
        self.failureResultOf(done, EOFError)
        self.assertEqual(self.written, [b"abc"])
