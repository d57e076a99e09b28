"""The network side of an IMAP session: a transport, its backpressure and its timeouts; and the factory."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Connection as TcpConnection
from twisted.python.failure import Failure
from zope.interface import implementer

from mailhub.auth.interfaces import ILogin, Peer
from mailhub.concurrency.conversation import tls_fault
from mailhub.concurrency.flow import Gate
from mailhub.concurrency.pool import InlinePool, IThreads
from mailhub.config.settings import ImapSettings
from mailhub.imap.capabilities import Capabilities
from mailhub.imap.session import Session, Surroundings
from mailhub.wire.imap.connection import ImapConnection

OUTPUT = 65536
"""Octets of answers after which they are written at once."""
AT_ONCE = 128 * 1024
"""Octets up to which a write is tried at once: what Twisted gives to the system in one call."""
READ_AHEAD = 256 * 1024
"""Octets a client may send ahead of a busy session before it is read no further."""
LINGER = 30.0
"""Seconds a client may take to read the end of a closed session."""
HURRY = 1.0
"""The same when the server stops, and for a client that was silent for too long: it may hang in a TLS handshake."""
READ_TIMEOUT = 300.0
"""Seconds a client may leave answers unread."""


@implementer(IHalfCloseableProtocol)
class ImapProtocol(Protocol):
    """Carries octets between a transport and a session, and joins the answers of a turn into one write."""

    transport: Any

    def __init__(self, factory: ImapFactory) -> None:
        self.factory: ImapFactory = factory
        self.in_turn = False
        self.secure = False
        self.gone: Deferred[None] = Deferred()
        """Fires when the connection is gone and its session has let go of everything."""
        self._clock = factory.around.reactor
        self._gate = Gate()
        self._parts: list[bytes] = []
        self._size = 0
        self._reading = True
        self._linger = LINGER
        self._resumed = 0
        self._connected = False
        self._began = self._active = 0.0
        self._timer: Any = None
        settings = factory.around.settings
        self.connection = ImapConnection(
            line_limit=settings.line_limit,
            literal_limit=settings.literal_limit,
            message_limit=factory.around.message_limit or None,
        )
        self.session: Session | None = None

    # What the transport calls.

    def connectionMade(self) -> None:
        self._connected = True
        self._gate.attach(self.transport)
        if isinstance(self.transport, TcpConnection):
            self.transport.setTcpNoDelay(True)
        self.secure = ISSLTransport.providedBy(self.transport)
        self.session = Session(self.factory.around, self.connection, _peer(self.transport), self._gate, self)
        self.factory.sessions.add(self.session)
        self.factory.protocols.add(self)
        self._began = self._active = self._clock.seconds()
        self._timer = self._clock.callLater(self.factory.around.settings.login_timeout, self._check)
        self.in_turn = True
        Deferred.fromCoroutine(self.session.run()).addBoth(self._ended)
        self.in_turn = False
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        session = self.session
        if session is None:
            return
        self._active = self._clock.seconds()
        self.in_turn = True
        session.data_received(data)
        session.suspended()
        self.in_turn = False
        if self._size:
            self.flush()
        if self._reading and not session.waiting and self.connection.buffered > READ_AHEAD:
            self._reading = False
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The client closed its end, as `printf ... | nc` does: it may still read."""
        self.in_turn = True
        if self.session is not None:
            self.session.input_over()
        self.in_turn = False
        self.flush()

    def writeConnectionLost(self) -> None:
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._connected = False
        fault = tls_fault(reason)
        if fault:
            host = self.session.peer.host if self.session is not None else "a client"
            Session.log.info("TLS with {host} failed: {fault}", host=host or "unix", fault=fault)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._gate.stopProducing()
        if self.session is not None:
            self.session.lost()
        self.factory.protocols.discard(self)
        self._settle()

    # What the session calls.

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > OUTPUT:
            self.flush()

    def flush(self) -> None:
        parts = self._parts
        if not parts:
            return
        self._parts, self._size = [], 0
        if self._connected:
            _send(self.transport, parts[0] if len(parts) == 1 else b"".join(parts))

    def caught_up(self) -> None:
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()

    def start_tls(self) -> None:
        self.flush()
        self.transport.startTLS(self.factory.around.tls)

    # The end, and the clock.

    def _ended(self, result: Any) -> None:
        session, self.session = self.session, None
        if session is not None:
            self.factory.sessions.discard(session)
        self.flush()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._connected:
            self.transport.unregisterProducer()
            self._timer = self._clock.callLater(self._linger, self._abort)
            self.transport.loseConnection()
        self._settle()
        if isinstance(result, Failure):
            Session.log.failure("IMAP session ended badly", failure=result)

    def _settle(self) -> None:
        if not self._connected and self.session is None and not self.gone.called:
            self.gone.callback(None)

    def hurry(self) -> None:
        """The server stops: a client that does not read or close its end has little time left."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.callLater(HURRY, self._abort)

    def _abort(self) -> None:
        if self._connected:
            self.transport.abortConnection()

    def _check(self) -> None:
        """End the session if its client was silent for too long (RFC 3501 section 5.4); look again when that could
        be so. One timer a connection, never touched while commands come."""
        session, settings, now = self.session, self.factory.around.settings, self._clock.seconds()
        if session is None:
            return
        if session.account is None:
            due = self._began + settings.login_timeout
        elif session.idling or not session.waiting:
            if self._gate.resumed != self._resumed:
                self._resumed, self._active = self._gate.resumed, now
            due = now + settings.idle_timeout if self._gate.open else self._active + READ_TIMEOUT
        else:
            due = self._active + settings.idle_timeout
        if due > now:
            self._timer = self._clock.callLater(due - now, self._check)
        elif self._gate.open:
            self._linger = HURRY
            session.close("Disconnected for inactivity.")
        else:
            self._abort()


class ImapFactory(Factory):
    """Makes a session for each connection, and ends them all on shutdown()."""

    noisy = False

    def __init__(
        self,
        *,
        reactor: Any,
        login: ILogin,
        settings: ImapSettings,
        tls: Any = None,
        message_limit: int = 0,
        threads: IThreads | None = None,
    ) -> None:
        """`tls` is the context factory for STARTTLS, or None where that is not offered (also on ports that begin
        with TLS); `message_limit` in octets is announced by APPENDLIMIT and enforced, 0 for none;
        `threads` are for sorting and threading large mailboxes, which are done in place without."""
        capabilities = Capabilities(settings.capabilities_off, message_limit)
        self.around = Surroundings(
            reactor, login, settings, capabilities, message_limit, tls, InlinePool() if threads is None else threads
        )
        self.sessions: set[Session] = set()
        self.protocols: set[ImapProtocol] = set()
        self._closing = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.protocols)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return None if self._closing else ImapProtocol(self)

    def shutdown(self) -> Deferred[None]:
        """Say BYE to every client once its command is done. Fires when all connections are gone."""
        self._closing = True
        gone = [protocol.gone for protocol in self.protocols]
        for session in list(self.sessions):
            session.close("Server shutting down.")
        for protocol in list(self.protocols):
            protocol.hurry()
        return DeferredList(gone).addCallback(lambda _: None)


def _send(transport: Any, data: bytes) -> None:
    """Write, at once where the transport has nothing waiting: Twisted would ask the poller first, and two more
    system calls and a turn of the reactor are a third of what a short command costs.

    Only ever past a bare TCP transport: what wraps one, or carries TLS by startTLS, shows the attributes of the socket
    below it, and octets written there would leave in the clear."""
    if (
        isinstance(transport, TcpConnection)
        and not transport.TLS
        and len(data) <= AT_ONCE
        and not transport._tempDataBuffer
        and not transport.dataBuffer
        and not transport.disconnecting
    ):
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        # An exception instance: the reactor shall find out by itself that the connection is gone.
        if isinstance(sent, int) and sent > 0:
            data = data[sent:]
    transport.write(data)


def _peer(transport: Any) -> Peer:
    address = transport.getPeer()
    secure = ISSLTransport.providedBy(transport)
    if isinstance(address, UNIXAddress):
        return Peer("", True, "imap", local=True)
    host = getattr(address, "host", "")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    return Peer(host, secure, "imap", local)
