"""Ground for tests that do the server harm, or try to: one running server a class, and a bystander.

A test attacks; what must hold whatever it did is checked here at its end:

- a session that was open before goes on, and was never kept waiting for longer than PATIENCE;
- the server's memory never rose by more than `memory_limit` octets over what it was when the test began (the peak that
  the kernel notes, not a sample);
- the log has no traceback, not the password, and fewer than `log_limit` lines more, besides EVERYDAY ones.

    wire = self.imap("eve")          # logged in
    wire.ask(b"NOOP")                # lines up to the tagged answer
    wire.pour(pieces)                # send and read at once, until the server hangs up
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.server import Server

SECRET = "Sesam-0ffne-D1ch"
"""The password of all users: a word that must never stand in a log."""
TIMEOUT = 20
"""Seconds that end a test which hangs."""
PATIENCE = 4.0
"""Seconds that the bystander may wait for a NOOP: generous, since the machine may do other things as well."""
MIB = 1024 * 1024
PIECE = 65536
TAIL = 65536
"""Octets of the longest thing that is looked for in what comes."""

PORTS = """
    [listen]
    imap = ["0"]
    imaps = ["0"]
    pop3 = ["0"]
    pop3s = ["0"]
    lmtp = ["0"]
"""
"""Of a server with a configuration file: each port chosen by the kernel."""

EVERYDAY = re.compile(r" (?:login|pop3 logout): user=| lmtp \S+: from=.* saved for [1-9]")
"""Lines of the log that every session and delivery makes."""


class Wire:
    """A raw connection to a server."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, greeted: bool = True) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        if context is not None:
            self.wrap(context)
        self.greeting = self.line() if greeted else b""

    def wrap(self, context: ssl.SSLContext) -> None:
        """Begin TLS."""
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """Return the next line without its CRLF, b"" if the server hung up."""
        return self.until(rb"\r\n").removesuffix(b"\r\n")

    def ask(self, command: bytes, tag: bytes = b"q") -> bytes:
        """Send an IMAP command and return what came up to and with its tagged answer, without the tag."""
        self.send(tag + b" " + command + b"\r\n")
        return self.answer(tag)

    def answer(self, tag: bytes = b"q") -> bytes:
        """Return what comes up to and with the answer to a tag; what was there if the server hangs up."""
        return self.until(rb"(?:\A|\n)%b (?:OK|NO|BAD)[^\n]*\n" % tag)

    def until(self, pattern: bytes) -> bytes:
        """Return what comes up to and with the end of the first match of a pattern that is at most TAIL octets long;
        all there was if the server hangs up."""
        wanted = re.compile(pattern)
        at = 0
        while True:
            found = wanted.search(self._buffer, at)
            if found is not None:
                return self._cut(found.end())
            at = max(len(self._buffer) - TAIL, 0)
            piece = self._receive()
            if not piece:
                return self._cut(len(self._buffer))
            self._buffer += piece

    def _cut(self, end: int) -> bytes:
        said = bytes(memoryview(self._buffer)[:end])
        del self._buffer[:end]
        return said

    def rest(self) -> bytes:
        """Return all that comes until the server hangs up. Raises TimeoutError if it does not."""
        while piece := self._receive():
            self._buffer += piece
        return self._cut(len(self._buffer))

    def pour(self, pieces: Iterable[bytes], until: bytes | None = None) -> bytes:
        """Send pieces while reading what comes back, until a pattern has come or the server hangs up; return all that
        was read. Raises AssertionError if neither happens in time."""
        source: Iterator[bytes] = iter(pieces)
        wanted = None if until is None else re.compile(until)
        said, waiting, more = bytearray(self._cut(len(self._buffer))), memoryview(b""), True
        at = 0
        deadline = time.monotonic() + TIMEOUT
        self.socket.setblocking(False)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
                while wanted is None or not wanted.search(said, at):
                    at = max(len(said) - TAIL, 0)
                    if more and not waiting:
                        waiting = memoryview(next(source, b""))
                        more = len(waiting) > 0
                        if not more:
                            selector.modify(self.socket, selectors.EVENT_READ)
                    for _, mask in selector.select(1.0):
                        if mask & selectors.EVENT_READ:
                            piece = self._take()
                            if piece == b"":
                                return bytes(said)
                            said += piece or b""
                        if mask & selectors.EVENT_WRITE and waiting:
                            waiting = waiting[self._put(waiting) :]
                    if time.monotonic() > deadline:
                        raise AssertionError(f"no end after {TIMEOUT} s; the last was {bytes(said[-200:])!r}")
        finally:
            self.socket.settimeout(TIMEOUT)
        return bytes(said)

    def stuff(self, pieces: Iterable[bytes], quiet: float = 0.5) -> int:
        """Send pieces without ever reading, until the server takes no more for `quiet` seconds; return how many
        octets it took."""
        sent = 0
        self.socket.settimeout(quiet)
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    count = self.socket.send(left)
                    sent += count
                    left = left[count:]
        except (TimeoutError, ssl.SSLError, OSError):
            pass
        finally:
            self.socket.settimeout(TIMEOUT)
        return sent

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Break the connection off (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(PIECE)
        except (ConnectionError, ssl.SSLEOFError):
            return b""

    def _take(self) -> bytes | None:
        """Return what there is, None if there is nothing now, b"" at the end."""
        try:
            return self.socket.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""

    def _put(self, data: memoryview) -> int:
        try:
            return self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            # The server hung up; what it said before can still be read.
            return len(data)


class Bystander(threading.Thread):
    """Asks NOOP all the time on a session of its own, and notes the longest wait."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.wire = Wire(port)
        self.worst = 0.0
        self.trouble = ""
        self._over = threading.Event()
        self.wire.ask(b'LOGIN bystander "%b"' % SECRET.encode())
        said = self.wire.ask(b"SELECT INBOX")
        if b"q OK" not in said:
            raise AssertionError(said)

    def run(self) -> None:
        while not self._over.wait(0.02) and not self.trouble:
            began = time.monotonic()
            try:
                said = self.wire.ask(b"NOOP")
            except OSError as error:
                said = repr(error).encode()
            self.worst = max(self.worst, time.monotonic() - began)
            if b"q OK" not in said:
                self.trouble = f"NOOP was answered with {said!r}"

    def finish(self) -> None:
        self._over.set()
        self.join(TIMEOUT)
        self.wire.close()


class Attacked(SynchronousTestCase):
    """A server for all tests of a class, and the bystander for each."""

    options: ClassVar[tuple[str, ...]] = ("--store", "memory")
    config: ClassVar[str | None] = None
    memory_limit = 64 * MIB
    """Octets that the server's memory may rise by during a test."""
    log_limit = 12
    """Lines that may come into the log during a test, besides those of logins and deliveries."""
    server: ClassVar[Server]
    base: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.base = Path(tempfile.mkdtemp(prefix="mailhub-"))
        cls.server = Server(cls.base, "--password", SECRET, *cls.options, config=cls.config).start()

    @classmethod
    def tearDownClass(cls) -> None:
        try:
            cls.server.stop()
        finally:
            shutil.rmtree(cls.base, ignore_errors=True)

    def setUp(self) -> None:
        self._log_at = len(self.server.text())
        self.begin()

    def begin(self) -> None:
        """Have the bystander begin on the server as it is now, and measure memory from now on."""
        self.bystander = Bystander(self.server.port("imap"))
        Path(f"/proc/{self.server.pid}/clear_refs").write_text("5")
        self._memory = memory(self.server.pid, "VmRSS")
        self.bystander.start()

    def tearDown(self) -> None:
        self.bystander.finish()
        grown = memory(self.server.pid, "VmHWM") - self._memory
        log = self.log()
        events = [line for line in log.splitlines() if not EVERYDAY.search(line)]
        wait = self.bystander.worst
        print(f"{self.id()}: wait {wait:.2f} s, memory +{grown / MIB:.1f} MiB, {len(events)} lines")
        self.assertEqual(self.bystander.trouble, "")
        self.assertLess(self.bystander.worst, PATIENCE)
        self.assertLess(grown, self.memory_limit)
        self.assertNotIn("Traceback", log)
        self.assertNotIn("Unhandled", log)
        self.assertNotIn(SECRET, log)
        self.assertLess(len(events), self.log_limit, "\n".join(events[:20]))
        self.assertLess(max(map(len, log.split("\n"))), 2000, "a line of the log is huge")

    def log(self) -> str:
        """What was logged since the test began."""
        return self.server.text()[self._log_at :]

    def wire(self, service: str, greeted: bool = True) -> Wire:
        """A connection, over TLS where the service wants it."""
        context = self.server.tls() if service.endswith("s") else None
        wire = Wire(self.server.port(service), context, greeted)
        self.addCleanup(wire.close)
        return wire

    def imap(self, user: str, service: str = "imap", mailbox: str = "") -> Wire:
        """An IMAP session of a user, with a mailbox selected if one is named."""
        wire = self.wire(service)
        self.assertIn(b"q OK", wire.ask(b'LOGIN %b "%b"' % (user.encode(), SECRET.encode())))
        if mailbox:
            self.assertIn(b"q OK", wire.ask(b"SELECT " + mailbox.encode()))
        return wire

    def pop3(self, user: str, service: str = "pop3") -> Wire:
        """A POP3 session of a user."""
        wire = self.wire(service)
        wire.send(b"USER %b\r\nPASS %b\r\n" % (user.encode(), SECRET.encode()))
        self.assertEqual(wire.line()[:3], b"+OK")
        self.assertEqual(wire.line()[:3], b"+OK")
        return wire

    def lmtp(self, *lines: bytes) -> Wire:
        """An LMTP session after LHLO and more commands, each of which must be granted."""
        wire = self.wire("lmtp")
        wire.send(b"LHLO here\r\n")
        wire.until(rb"250 [^\n]*\n")
        for line in lines:
            wire.send(line + b"\r\n")
            self.assertIn(wire.line()[:1], (b"2", b"3"))
        return wire

    def append(self, wire: Wire, message: bytes, mailbox: bytes = b"INBOX") -> None:
        """Put a message into a mailbox."""
        wire.send(b"p APPEND %b {%d+}\r\n" % (mailbox, len(message)) + message + b"\r\n")
        self.assertIn(b"p OK", wire.answer(b"p"))

    def deliver(self, user: str, message: bytes) -> None:
        """Have a message (CRLF line ends, no line ".") delivered."""
        wire = self.lmtp(b"MAIL FROM:<>", b"RCPT TO:<%b>" % user.encode())
        wire.send(b"BDAT %d LAST\r\n" % len(message) + message)
        self.assertEqual(wire.line()[:3], b"250")
        wire.close()


def memory(pid: int, what: str) -> int:
    """Return octets of memory of a process: VmRSS now, VmHWM at most since the last reset."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    if found is None:
        raise AssertionError(status)
    return int(found[1]) * 1024


def repeated(data: bytes, octets: int) -> Iterator[bytes]:
    """Yield pieces of `data` over and over, about so many octets."""
    piece = data * max(1, PIECE // len(data))
    for _ in range(max(1, octets // len(piece))):
        yield piece
