"""A connection as one coroutine sees it: await input, send output, be told when it is over.

The session is a coroutine that takes commands off a sans-IO buffer and sends answers. What stands between it and the
transport is here, once for all protocols with one coroutine a connection:

- input is read only as fast as the session uses it, and output is produced only as fast as the peer reads (design
  law 8);
- answers are gathered and written together, before the session waits for anything of the peer;
- after some hundred pipelined commands the reactor gets its turn (law 6);
- silence, a lost connection and a stop of the server all arrive as Ended, at the place where the session waits for
  the peer, and nowhere else: what it does with the store is never interrupted (law 5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar
from typing import Protocol as Shape

from OpenSSL import SSL
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailhub.concurrency.flow import Gate

T = TypeVar("T")

INPUT_MARK = 128 * 1024
"""Octets received and not used at which the peer is made to wait."""

OUTPUT_MARK = 64 * 1024
"""Octets of gathered answers that are written without waiting for more."""

COMMANDS_A_TURN = 256
"""Pipelined commands after which the reactor gets its turn."""

CLOSE_SECONDS = 10.0
"""How long the peer may take to read the last answers before the connection is cut."""

SILENT_SECONDS = 1.0
"""The same for a peer that was silent for too long: it may hang in a TLS handshake."""


class Reason(Enum):
    """Why a conversation is over."""

    LOST = "the connection was lost"
    IDLE = "the peer was silent for too long"
    STOPPING = "the server stops"


class Ended(Exception):
    """There is nothing more to come from the peer."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Input(Shape):
    """A sans-IO buffer, as in mailhub.wire."""

    def __len__(self) -> int: ...
    def feed(self, data: bytes) -> None: ...
    def drop(self) -> int: ...


@implementer(IHalfCloseableProtocol)
class Conversation(Protocol):
    """Base of protocols whose session is the coroutine converse()."""

    log = Logger()
    transport: Any
    host = ""
    """The peer's address; "" on a unix socket."""
    tls = False
    """TLS is on."""
    secure = False
    """Nobody can overhear: TLS is on, or it is a unix socket."""
    local = False
    """The peer is on this machine."""

    def __init__(self, *, reactor: Any, source: Input, timeout: float, ended: Callable[[], None]) -> None:
        """`timeout` is how many seconds of silence end the conversation; `ended` is called once, when the session has
        finished its work and the connection is gone."""
        self.gate = Gate()
        self.stopping = False
        self.deadline: float | None = None
        """When the conversation ends, whatever the peer says: in seconds of the reactor's clock. Set it before
        connectionMade(), or to None at any time."""
        self._reactor = reactor
        self._source = source
        self._timeout = timeout
        self._ended = ended
        self._out: list[bytes] = []
        self._out_size = 0
        self._waiter: Deferred[None] | None = None
        self._reading = True
        self._input_over = False
        self._lost = False
        self._done = False
        self._turns = 0
        self._close_seconds = CLOSE_SECONDS
        self._active = 0.0
        self._timer: Any = None

    async def converse(self) -> None:
        """The session. Lets Ended pass, or catches it to say goodbye; the connection is closed when it returns."""
        raise NotImplementedError

    # --- for the session ---

    async def next(self, take: Callable[[], T | None]) -> T:
        """Return the first result of `take` that is not None, waiting for input between its calls. Raises Ended."""
        self._turns += 1
        if self._lost or self.stopping or not self.gate.open or self._turns >= COMMANDS_A_TURN:
            await self._turn()
        while (item := take()) is None:
            await self.more()
        return item

    def more(self) -> Deferred[None]:
        """Send what was gathered, and return a Deferred that fires when there is more input. It fails with Ended."""
        self.flush()
        self._turns = 0
        if self._lost or self._input_over:
            return fail(Ended(Reason.LOST))
        if self.stopping:
            return fail(Ended(Reason.STOPPING))
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()
        self._waiter = Deferred()
        return self._waiter

    def send(self, data: bytes) -> None:
        """Send `data` with the next flush."""
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > OUTPUT_MARK:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the transport."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            if not self._lost:
                self.transport.write(data)

    async def ready(self) -> None:
        """Wait until the peer has read enough for more to be sent. Raises Ended."""
        if self.gate.open and not self._lost:
            return
        try:
            await self.gate.passage()
        except ConnectionDone:
            raise Ended(Reason.LOST) from None
        self._active = self._reactor.seconds()

    def start_tls(self, context: Any) -> None:
        """Send what was gathered, drop what the peer pipelined behind its command, and begin TLS."""
        self.flush()
        dropped = self._source.drop()
        if dropped:
            self.log.warn(
                "{host} sent {count} octets in the clear behind its wish for TLS", host=self.host, count=dropped
            )
        self.transport.startTLS(context)
        self.tls = self.secure = True

    # --- for the factory ---

    def stop(self) -> None:
        """End the conversation as soon as the command under way is done."""
        self.stopping = True
        if self._waiter is not None:
            self._interrupt(Reason.STOPPING)
        elif not self.gate.open or self._done:
            self.transport.abortConnection()

    # --- from Twisted ---

    def connectionMade(self) -> None:
        peer = self.transport.getPeer()
        self.host, self.local = whence(peer)
        self.tls = ISSLTransport.providedBy(self.transport)
        self.secure = self.tls or isinstance(peer, UNIXAddress)
        if hasattr(self.transport, "setTcpNoDelay"):
            # Answers are gathered here: Nagle's algorithm would only hold the end of a large one back, for 40 ms.
            self.transport.setTcpNoDelay(True)
        self.gate.attach(self.transport)
        self._active = self._reactor.seconds()
        self._timer = self._reactor.callLater(self._left(), self._tick)
        session = Deferred.fromCoroutine(self.converse())
        session.addErrback(self._failed).addBoth(self._close)

    def dataReceived(self, data: bytes) -> None:
        if self._done:
            # A peer on TLS can send on until it has seen the end.
            return
        self._active = self._reactor.seconds()
        self._source.feed(data)
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)
        if self._reading and len(self._source) > INPUT_MARK and not self._lost and not self._done:
            self._reading = False
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The peer sends no more, but may still read: answer what it has sent."""
        self._input_over = True
        if self._waiter is not None:
            self._interrupt(Reason.LOST)

    def writeConnectionLost(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        fault = tls_fault(reason)
        if fault:
            self.log.info("TLS with {host} failed: {fault}", host=self.host or "unix", fault=fault)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.gate.stopProducing()
        if self._waiter is not None:
            self._interrupt(Reason.LOST)
        if self._done:
            self._ended()

    # --- inside ---

    def _failed(self, failure: Failure) -> None:
        if failure.check(Ended) is None:
            self.log.failure("session with {host} failed", failure, host=self.host)

    async def _turn(self) -> None:
        if self._lost:
            raise Ended(Reason.LOST)
        if self.stopping:
            self.flush()
            raise Ended(Reason.STOPPING)
        await self.ready()
        if self._turns >= COMMANDS_A_TURN:
            self._turns = 0
            self.flush()
            turn: Deferred[None] = Deferred()
            self._reactor.callLater(0, turn.callback, None)
            await turn

    def _interrupt(self, reason: Reason) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.errback(Ended(reason))

    def _tick(self) -> None:
        left = self._left()
        waits = self._waiter is not None or not self.gate.open
        if left > 0 or not waits:
            # While the server is at work, the silence is its own.
            self._timer = self._reactor.callLater(left if left > 0 else self._timeout, self._tick)
        elif self._waiter is not None:
            self._close_seconds = SILENT_SECONDS
            self._interrupt(Reason.IDLE)
        else:
            self.transport.abortConnection()

    def _left(self) -> float:
        """Return how many seconds the peer still has."""
        due = self._active + self._timeout
        if self.deadline is not None:
            due = min(due, self.deadline)
        now: float = self._reactor.seconds()
        return due - now

    def _close(self, _: object) -> None:
        self._done = True
        self.flush()
        if self._timer.active():
            self._timer.cancel()
        if self._lost:
            self._ended()
            return
        self._timer = self._reactor.callLater(self._close_seconds, self.transport.abortConnection)
        self.transport.unregisterProducer()
        self.transport.loseConnection()


def tls_fault(reason: Failure) -> str:
    """Return what was wrong with TLS if that is why a connection was lost; "" otherwise."""
    error = reason.value
    # Its subclasses say that the peer closed TLS, or the connection.
    if type(error) is not SSL.Error:
        return ""
    return ", ".join(str(fault[-1]) for fault in error.args[0]) if error.args else "unknown"


def whence(peer: Any) -> tuple[str, bool]:
    """Return the address of a peer as text, and whether it is on this machine."""
    if isinstance(peer, UNIXAddress):
        return "", True
    host = str(getattr(peer, "host", ""))
    try:
        return host, ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host, False


class ConversationFactory(ServerFactory):
    """Knows the conversations that are open, so that they can be ended."""

    noisy = False

    def __init__(self) -> None:
        self.conversations: set[Conversation] = set()
        self._waiting: list[Deferred[None]] = []

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.conversations)

    def shutdown(self) -> Deferred[None]:
        """End every conversation: idle ones now, busy ones after the command under way, those whose peer does not
        read by cutting the connection. Fires when all are gone and their work is done."""
        for conversation in list(self.conversations):
            conversation.stop()
        if not self.conversations:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        return done

    def opened(self, conversation: Conversation) -> None:
        """Note a new conversation."""
        self.conversations.add(conversation)

    def closed(self, conversation: Conversation) -> None:
        """Forget it."""
        self.conversations.discard(conversation)
        if not self.conversations:
            waiting, self._waiting = self._waiting, []
            for done in waiting:
                done.callback(None)
