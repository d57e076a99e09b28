"""Over real sockets: imaplib in clear, by STARTTLS and on TLS; what goes over the wire is encrypted."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.config.settings import AuthSettings, ImapSettings, StoreSettings
from mailhub.imap.protocol import ImapFactory
from mailhub.memory.store import MemoryStore
from tests.loopback import LoopbackTestCase


class LoopbackTests(LoopbackTestCase):
    timeout = 30

    def client(self, work: Callable[[int], Any], tls: bool = False) -> Deferred[Any]:
        """Run a blocking client against a server."""
        context = self.certificate()
        store = MemoryStore(clock=reactor, settings=StoreSettings(kind="memory"))
        login = Login(reactor=reactor, store=store, users=AnyPassword("pass"), settings=AuthSettings(password="pass"))
        self.factory = ImapFactory(reactor=reactor, login=login, settings=ImapSettings(), tls=context)
        return self.thread(work, self.listen(self.factory, context if tls else None))

    def converse(self, client: imaplib.IMAP4) -> None:
        """What every client does."""
        self.assertEqual(client.login("u", "pass")[0], "OK")
        large = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 100_000
        self.assertEqual(client.append("INBOX", "\\Seen", None, large)[0], "OK")
        self.assertEqual(client.append("INBOX", "", None, b"Subject: two\r\n\r\nx\r\n")[0], "OK")
        self.assertEqual(client.select()[1], [b"2"])
        self.assertEqual(client.fetch("1", "(BODY.PEEK[])")[1][0][1], large)  # type: ignore[index]
        self.assertEqual(client.search(None, "UNSEEN")[1], [b"2"])
        self.assertEqual(client.store("2", "+FLAGS", "\\Deleted")[1], [b"2 (FLAGS (\\Deleted \\Recent))"])
        self.assertEqual(client.expunge()[1], [b"2"])
        self.assertEqual(client.create("box")[0], "OK")
        self.assertEqual(client.copy("1", "box")[0], "OK")
        self.assertEqual(client.status("box", "(MESSAGES)")[1], [b"box (MESSAGES 1)"])
        self.assertEqual(client.close()[0], "OK")
        self.assertEqual(client.logout()[0], "BYE")

    def test_clear(self) -> Deferred[Any]:
        """imaplib on a plain connection."""
        return self.client(lambda port: self.converse(imaplib.IMAP4("127.0.0.1", port, 20)))

    def test_tls(self) -> Deferred[Any]:
        """imaplib on a port that begins with TLS; STARTTLS is not offered there."""

        def work(port: int) -> None:
            client = imaplib.IMAP4_SSL("localhost", port, ssl_context=self.trust, timeout=20)
            self.assertNotIn("STARTTLS", client.capabilities)
            self.converse(client)

        return self.client(work, True)

    def test_starttls(self) -> Deferred[Any]:
        """imaplib after STARTTLS (RFC 3501 section 6.2.1), which is then offered no more."""

        def work(port: int) -> None:
            client = imaplib.IMAP4("localhost", port, 20)
            self.assertIn("STARTTLS", client.capabilities)
            client.starttls(self.trust)
            self.assertNotIn("STARTTLS", client.capabilities)
            self.converse(client)

        return self.client(work)

    def test_nothing_in_clear(self) -> Deferred[Any]:
        """After STARTTLS every octet is a TLS record, and what was pipelined behind the command is forgotten."""

        def work(port: int) -> None:
            with socket.create_connection(("127.0.0.1", port), 20) as raw:
                reader = raw.makefile("rb")
                reader.readline()
                raw.sendall(b"a STARTTLS\r\nb LOGIN u pass\r\nc NOOP\r\n")
                self.assertEqual(reader.readline(), b"a OK Begin TLS negotiation now.\r\n")
                wire = _Recorder(raw, self.trust)
                wire.handshake()
                wire.send(b"d NOOP\r\n")
                self.assertEqual(wire.line(), b"d OK NOOP completed.\r\n")
                self.assertNotIn(b"NOOP", bytes(wire.received))

        return self.client(work)

    def test_handshake_cut_short(self) -> Deferred[Any]:
        """A client that goes away in the handshake, or sends no TLS at all, leaves nothing behind."""

        def work(port: int) -> None:
            for garbage in (b"", b"\x16\x03\x01", b"a NOOP\r\n" * 10):
                with socket.create_connection(("127.0.0.1", port), 20) as raw:
                    reader = raw.makefile("rb")
                    reader.readline()
                    raw.sendall(b"a STARTTLS\r\n")
                    reader.readline()
                    raw.sendall(garbage)
            imaplib.IMAP4("127.0.0.1", port, 20).logout()

        def gone(_: Any) -> None:
            self.assertLessEqual(len(self.factory.sessions), 3)

        return self.client(work).addCallback(gone)


class _Recorder:
    """A TLS client on a socket that keeps what came over the wire."""

    def __init__(self, raw: socket.socket, trust: ssl.SSLContext) -> None:
        self.raw = raw
        self.received = bytearray()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trust.wrap_bio(self._in, self._out, server_hostname="localhost")

    def handshake(self) -> None:
        self._until(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self.raw.sendall(self._out.read())

    def line(self) -> bytes:
        data: bytes = self._until(lambda: self._tls.read(65536))
        return data

    def _until(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
                self.raw.sendall(self._out.read())
                return result
            except ssl.SSLWantReadError:
                self.raw.sendall(self._out.read())
                data = self.raw.recv(65536)
                self.received += data
                self._in.write(data)
