"""Connections that come in floods, or go at the worst moment."""

from __future__ import annotations

import os
import resource
import socket
import time

from tests.hostile.attack import PORTS, SECRET, Attacked, Wire

WORD = SECRET.encode()


class Connections(Attacked):
    """RFC 1939 section 6 and RFC 3501 section 3.4: a connection may be lost in any state."""

    config = "server.connection_limit = 1200\n" + PORTS

    @classmethod
    def setUpClass(cls) -> None:
        # The test holds as many sockets as the server.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super().setUpClass()

    def test_flood(self) -> None:
        """1,000 connections opened at once and dropped, to every port: the next client is served at once."""
        files = self.files()
        for service in ("imap", "imaps", "pop3", "pop3s", "lmtp"):
            wires = [socket.create_connection(("127.0.0.1", self.server.port(service)), 30) for _ in range(1_000)]
            for wire in wires:
                wire.close()
            began = time.monotonic()
            self.imap("eve").ask(b"LOGOUT")
            self.assertLess(time.monotonic() - began, 3.0)
        self.settled(files)

    def test_flood_that_stays(self) -> None:
        """1,000 open connections that say nothing cost little, and nobody else is kept from logging in."""
        files = self.files()
        port = self.server.port("imap")
        wires = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(1_000)]
        for wire in wires:
            self.assertEqual(wire.recv(4), b"* OK")
        self.assertIn(b"q OK", self.imap("eve").ask(b"LOGOUT"))
        for wire in wires:
            wire.close()
        self.settled(files)

    def test_too_many(self) -> None:
        """More clients than the limit are turned away, those who are there go on, and once there is room again others
        are let in. The log says so once."""
        for service in ("imap", "imaps", "pop3"):
            port = self.server.port(service)
            wires = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(2_500)]
            turned_away = 0
            for wire in wires[1_500:]:
                wire.settimeout(30)
                try:
                    turned_away += wire.recv(4) == b""
                except ConnectionResetError:
                    turned_away += 1
            self.assertEqual(turned_away, 1_000)
            for wire in wires:
                wire.close()
            self.settled(20)
            self.assertIn(b"q OK", self.imap("eve").ask(b"LOGOUT"))
        self.assertEqual(self.log().count("others are turned away"), 1)

    def test_gone_in_every_state(self) -> None:
        """A client that breaks off, or half closes, after every third octet of a whole conversation leaves nothing."""
        files = self.files()
        talks = {
            "imap": b'a LOGIN gone "%b"\r\nb SELECT INBOX\r\nc APPEND INBOX {12+}\r\nSubject: x\r\n\r\n'
            b"d FETCH 1 BODY[]\r\ne IDLE\r\nDONE\r\nf SEARCH SUBJECT {1+}\r\nx\r\ng LOGOUT\r\n" % WORD,
            "pop3": b"USER gone\r\nPASS %b\r\nRETR 1\r\nLIST\r\nTOP 1 0\r\nAUTH PLAIN\r\n" % WORD,
            "lmtp": b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<gone>\r\nBDAT 3\r\na:b\r\nRSET\r\n"
            b"MAIL FROM:<>\r\nRCPT TO:<gone>\r\nDATA\r\nSubject: x\r\n\r\n",
        }
        for service, talk in talks.items():
            for end in range(0, len(talk), 3):
                wire = Wire(self.server.port(service), greeted=bool(end % 2))
                wire.send(talk[:end])
                if end % 4 == 0:
                    wire.reset()
                elif end % 4 == 1:
                    wire.socket.shutdown(socket.SHUT_WR)
                    wire.rest()
                    wire.close()
                else:
                    wire.close()
        self.settled(files)
        self.assertIn(b"q OK", self.imap("gone", mailbox="INBOX").ask(b"NOOP"))

    def test_a_lost_connection_deletes_nothing(self) -> None:
        """DELE without QUIT deletes nothing, however the connection ends (RFC 1939 section 6)."""
        self.deliver("kept", b"Subject: kept\r\n\r\n")
        for end in (b"", b"QUI", b"QUIT", b"NONSENSE\r\n" * 30):
            wire = self.pop3("kept")
            wire.send(b"DELE 1\r\n")
            self.assertEqual(wire.line()[:3], b"+OK")
            wire.send(end)
            if len(end) > 4:
                wire.rest()
            wire.reset()
        wire = self.pop3("kept")
        wire.send(b"STAT\r\n")
        self.assertEqual(wire.line()[:6], b"+OK 1 ")

    def files(self) -> int:
        """How many files and sockets the server has open."""
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def settled(self, files: int) -> None:
        """Assert that the server soon has no more than so many open."""
        probe = self.wire("imap")
        deadline = time.monotonic() + 15
        while self.files() > files + 1:
            self.assertLess(time.monotonic(), deadline, "connections are left")
            probe.ask(b"CAPABILITY")
