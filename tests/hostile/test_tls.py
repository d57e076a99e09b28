"""TLS that does not come about: handshakes cut short, garbage in their place, clients that hang in them."""

from __future__ import annotations

import os
import ssl
import time

from tests.hostile.attack import MIB, PORTS, SECRET, Attacked, Wire, repeated


def client_hello() -> bytes:
    """Return the first flight of a handshake."""
    out = ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class BrokenTls(Attacked):
    """TLS ports, and STARTTLS of the others."""

    log_limit = 130
    config = "imap.login_timeout = 2.0\npop3.login_timeout = 2.0\nlmtp.timeout = 2.0\n" + PORTS

    def begun(self) -> list[Wire]:
        """Connections of all kinds of which the server expects a handshake now."""
        wires = [Wire(self.server.port(service), greeted=False) for service in ("imaps", "pop3s")]
        for service, command, ready in (
            ("imap", b"q STARTTLS\r\n", rb"q OK [^\n]*\n"),
            ("pop3", b"STLS\r\n", rb"\+OK [^\n]*\n"),
            ("lmtp", b"LHLO here\r\nSTARTTLS\r\n", rb"220 2[^\n]*\n"),
        ):
            wire = self.wire(service)
            wire.send(command)
            self.assertTrue(wire.until(ready))
            wires.append(wire)
        for wire in wires:
            self.addCleanup(wire.close)
        return wires

    def test_cut_short(self) -> None:
        """A client that goes away at any point of its first flight leaves nothing behind."""
        hello = client_hello()
        files = len(os.listdir(f"/proc/{self.server.pid}/fd"))
        for length in (0, 1, 5, 40, len(hello) - 1, len(hello)):
            for number, wire in enumerate(self.begun()):
                wire.send(hello[:length])
                (wire.reset if number % 2 else wire.close)()
        self.settled(files)

    def test_garbage(self) -> None:
        """Anything that is no handshake ends the connection at once, without a traceback."""
        for rubbish in (
            b"GET / HTTP/1.0\r\n\r\n",
            b'a LOGIN eve "%b"\r\n' % SECRET.encode(),
            b"\0" * 100_000,
            b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000,
            client_hello()[:60] + b"\0" * 5_000,
            b"\x15\x03\x01\x00\x02\x02\x28",
        ):
            for wire in self.begun():
                try:
                    wire.send(rubbish)
                except ConnectionError:
                    continue
                self.assertNotIn(b"OK", wire.rest())
        for wire in self.begun():
            wire.stuff(repeated(b"\x17\x03\x03\x40\x00" + b"\0" * 0x4000, 20 * MIB))

    def test_garbage_behind_the_handshake(self) -> None:
        """A record that cannot be decrypted ends the session."""
        for service in ("imaps", "pop3s"):
            wire = self.wire(service)
            os.write(wire.socket.fileno(), b"\x17\x03\x03\x00\x40" + b"\0" * 0x40)
            with self.assertRaises(ssl.SSLError):
                wire.rest()

    def test_hanging(self) -> None:
        """Clients that stop in the middle of their handshake are cut off when the time to log in is over; hundreds of
        them hold nobody up."""
        files = len(os.listdir(f"/proc/{self.server.pid}/fd"))
        hello = client_hello()
        wires = [wire for _ in range(40) for wire in self.begun()]
        for number, wire in enumerate(wires):
            wire.send(hello[: number % len(hello)])
        began = time.monotonic()
        wire = self.imap("eve", "imaps")
        self.assertIn(b"q OK", wire.ask(b"NOOP"))
        self.assertLess(time.monotonic() - began, 2.0)
        wire.ask(b"LOGOUT")
        for wire in wires:
            try:
                wire.rest()
            except OSError as error:
                self.fail(f"not cut off: {error}")
        self.settled(files + 1)

    def test_an_octet_now_and_then_before_login(self) -> None:
        """The time to log in is not drawn out by sending."""
        for service in ("imap", "pop3"):
            wire = self.wire(service)
            wire.socket.settimeout(0.2)
            began = time.monotonic()
            while time.monotonic() - began < 10:
                try:
                    wire.send(b"x")
                    if not wire.socket.recv(1000):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            self.assertLess(time.monotonic() - began, 6.0, service)

    def settled(self, files: int) -> None:
        """Assert that the server soon has no more than so many files open."""
        probe = self.wire("imap")
        deadline = time.monotonic() + 15
        while len(os.listdir(f"/proc/{self.server.pid}/fd")) > files + 1:
            self.assertLess(time.monotonic(), deadline, "connections are left")
            probe.ask(b"CAPABILITY")
