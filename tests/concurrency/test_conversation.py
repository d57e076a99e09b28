"""A connection as one coroutine sees it: design laws 5, 6 and 8."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.concurrency.conversation import (
    CLOSE_SECONDS,
    INPUT_MARK,
    Conversation,
    ConversationFactory,
    Ended,
    whence,
)
from mailhub.wire.lines import LineBuffer
from tests.talk import Talk


class Lines(LineBuffer):
    """Lines as the input of a conversation."""

    def drop(self) -> int:
        return self.clear()


class Echo(Conversation):
    """Says each line again; "wait" takes as long as the test wants, "big" answers much, "bye" ends."""

    def __init__(self, clock: Clock, ended: Any) -> None:
        self.lines = Lines(1 << 20)
        super().__init__(reactor=clock, source=self.lines, timeout=60, ended=ended)
        self.work: Deferred[None] = Deferred()
        self.reason: object = None

    async def converse(self) -> None:
        self.send(b"hello\n")
        try:
            while (line := await self.next(self.lines.next_line)) != b"bye":
                if line == b"wait":
                    await self.work
                if line == b"fail":
                    raise ZeroDivisionError
                for _ in range(100 if line == b"big" else 1):
                    self.send(bytes(line) * (1000 if line == b"big" else 1) + b"\n")  # type: ignore[arg-type]
                    await self.ready()
        except Ended as ended:
            self.reason = ended.reason.name
            self.send(b"ended\n")


class EchoFactory(ConversationFactory):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def buildProtocol(self, addr: object) -> Echo:
        echo = Echo(self._clock, lambda: self.closed(echo))
        self.opened(echo)
        return echo


class ConversationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = EchoFactory(self.clock)

    def connect(self, full_at: int = 1 << 60) -> Talk:
        client = Talk(self.factory, self.clock, full_at=full_at)
        self.assertEqual(client.greeting, b"hello\n")
        return client

    def test_answers_are_gathered(self) -> None:
        """What is said to several commands that came together is written together."""
        client = self.connect()
        writes: list[bytes] = []
        self.patch(client.transport, "write", writes.append)
        client.protocol.dataReceived(b"a\nb\nc\n")
        self.assertEqual(writes, [b"a\nb\nc\n"])

    def test_others_get_their_turn(self) -> None:
        """After some hundred commands the reactor runs (law 6)."""
        client = self.connect()
        client.protocol.dataReceived(b"a\n" * 1000)
        self.assertLess(len(client.transport.value()), 1000)
        self.assertEqual(client(), b"a\n" * 1000)

    def test_silence(self) -> None:
        """Silence of the peer ends the conversation; that of the server does not."""
        client = self.connect()
        self.clock.advance(59)
        client(b"wait\n")
        for _ in range(10):
            self.clock.advance(61)
        self.assertFalse(client.transport.disconnecting)
        client.protocol.work.callback(None)
        self.assertEqual(client.read(), b"wait\n")
        self.clock.advance(61)
        self.assertEqual((client.read(), client.closed, client.protocol.reason), (b"ended\n", True, "IDLE"))

    def test_lost_while_at_work(self) -> None:
        """Work is never interrupted (law 5); the session ends where it would next wait for the peer."""
        client = self.connect()
        client(b"wait\nmore\n")
        client.lose()
        self.assertEqual(len(self.factory.conversations), 1)
        client.protocol.work.callback(None)
        self.assertEqual(client.protocol.reason, "LOST")
        self.assertEqual(self.factory.conversations, set())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_input_is_bounded(self) -> None:
        """A peer that sends while the session is at work is made to wait (law 8)."""
        client = self.connect()
        client(b"wait\n")
        for _ in range(3):
            client(b"x" * (INPUT_MARK // 3) + b"\n")
        self.assertFalse(client.transport.reading)
        client.protocol.work.callback(None)
        client()
        self.assertTrue(client.transport.reading)

    def test_output_is_bounded(self) -> None:
        """A peer that does not read is not produced for (law 8), and is cut off when it stays so."""
        client = self.connect(full_at=200_000)
        client.protocol.dataReceived(b"big\n" * 100)
        self.assertLess(len(client.transport.value()), 600_000)
        self.clock.advance(61)
        self.assertTrue(client.transport.aborted)

    def test_slow_reader_is_no_silence(self) -> None:
        """A peer that takes an hour to read what it asked for is not silent."""
        client = self.connect(full_at=200_000)
        client.protocol.dataReceived(b"big\n" * 20)
        received = b""
        while len(received) < 20 * 100 * 3001:
            self.clock.advance(50)
            received += client.read()
            self.assertFalse(client.closed)

    def test_bye_to_one_who_does_not_read(self) -> None:
        """The last words wait for the peer a while, then the connection is cut."""
        client = self.connect()
        client.protocol.dataReceived(b"bye\n")
        self.assertTrue(client.transport.disconnecting)
        self.assertIsNone(client.transport.producer)
        self.clock.advance(CLOSE_SECONDS)
        self.assertTrue(client.transport.aborted)

    def test_half_close(self) -> None:
        """A peer that has sent all it will gets its answers; then the conversation ends."""
        client = self.connect()
        client(b"wait\nx\n")
        client.protocol.readConnectionLost()
        client.protocol.work.callback(None)
        self.assertEqual((client.read(), client.closed), (b"wait\nx\nended\n", True))

    def test_stop(self) -> None:
        """shutdown() ends idle conversations now, busy ones after their work, and cuts off who does not read."""
        idle, busy, deaf = self.connect(), self.connect(), self.connect(full_at=1000)
        busy(b"wait\n")
        deaf.protocol.dataReceived(b"big\nbig\n")
        done = self.factory.shutdown()
        self.assertEqual(idle.read(), b"ended\n")
        self.assertTrue(deaf.transport.aborted)
        deaf.read()
        self.assertNoResult(done)
        busy.protocol.work.callback(None)
        self.assertEqual(busy.read(), b"wait\nended\n")
        self.successResultOf(done)
        self.successResultOf(self.factory.shutdown())

    def test_mistake(self) -> None:
        """An exception in the session is logged and closes the connection."""
        client = self.connect()
        client(b"fail\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(client.closed)

    def test_whence(self) -> None:
        """Where a peer is."""
        for address, wanted in (
            (IPv4Address("TCP", "127.0.0.5", 1), ("127.0.0.5", True)),
            (IPv4Address("TCP", "192.0.2.1", 1), ("192.0.2.1", False)),
            (IPv6Address("TCP", "::1", 1), ("::1", True)),
            (IPv6Address("TCP", "fe80::1%eth0", 1), ("fe80::1%eth0", False)),
            (UNIXAddress(None), ("", True)),
        ):
            self.assertEqual(whence(address), wanted)
