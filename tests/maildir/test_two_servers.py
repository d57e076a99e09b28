"""Two server processes and Dovecot work in one mailbox at the same moment."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.hostile.attack import Wire
from tests.peer import Dovecot
from tests.server import PASSWORD, Server, scratch

SHARED = 12
"""Messages whose keywords all change."""

ROUNDS = 25 if os.environ.get("MAILHUB_SOAK") == "1" else 15  # odd: the keyword is on all messages before the last step
TIMEOUT = 60.0
AGREED_SECONDS = 15.0
"""Until when all must see the same; a bound for a test that fails."""

_FLAGS = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)")


class Client:
    """Adds and removes a keyword of its own on all messages, appends and expunges messages of its own."""

    def __init__(self, name: bytes, ask: Callable[[bytes], bytes]) -> None:
        self.name = name
        self.ask = ask
        self.given: list[int] = []
        """UIDs of its messages, in the order in which they were given."""
        self.kept: list[int] = []
        self.answers: list[bytes] = []
        """What came that was not OK."""

    def work(self) -> None:
        for turn in range(ROUNDS):
            message = b"Subject: %b\r\n\r\nx\r\n" % self.name
            answer = self.said(b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))
            uid = int(re.findall(rb"APPENDUID \d+ (\d+)", answer)[0])
            self.given.append(uid)
            self.said(b"UID STORE 1:%d %bFLAGS.SILENT (%b)" % (SHARED, b"-" if turn % 2 else b"+", self.name))
            if turn % 3:
                self.kept.append(uid)
            else:
                self.said(b"NOOP")
                self.said(rb"UID STORE %d +FLAGS.SILENT (\Deleted)" % uid)
                self.said(b"UID EXPUNGE %d" % uid)
        self.said(b"UID STORE %d:%d -FLAGS.SILENT (%b)" % (SHARED // 2 + 1, SHARED, self.name))

    def said(self, command: bytes) -> bytes:
        answer = self.ask(command)
        if not re.search(rb"(?:\A|\n)q OK", answer):
            self.answers.append(command + b": " + answer)
        return answer

    def flags(self) -> dict[int, set[bytes]]:
        """Look at all messages."""
        self.said(b"NOOP")
        rows = _FLAGS.findall(self.said(b"UID FETCH 1:* (UID FLAGS)"))
        return {int(uid): {*flags.split()} - {b"\\Recent"} for uid, flags in rows}


class Pipe:
    """A conversation with Dovecot's imap on its standard input and output."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.line()

    def line(self) -> bytes:
        assert self._process.stdout is not None
        line: bytes = self._process.stdout.readline()
        return line

    def ask(self, command: bytes) -> bytes:
        assert self._process.stdin is not None
        self._process.stdin.write(b"q " + command + b"\r\n")
        self._process.stdin.flush()
        said = line = self.line()
        while line and not line.startswith(b"q "):
            line = self.line()
            said += line
        return said


class TwoServers(SynchronousTestCase):
    """Design, "Scale": correctness rests on the locks and on seeing changes, never on which process has the session."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.dovecot = Dovecot(self.base, f"maildir:{self.base}/first/data/mail/%u/Maildir")
        self.maildir: Path = self.base / "first" / "data" / "mail" / "ann" / "Maildir"
        for name in ("", "cur", "new", "tmp"):
            (self.maildir / name).mkdir(parents=True)
        for folder in (self.maildir, *self.maildir.iterdir(), *list(self.maildir.parents)[:4]):
            # Whoever writes, root or Dovecot's account, makes files with the mode of the directory.
            folder.chmod(0o777)

    def server(self, name: str) -> Server:
        server = Server(self.base / name)
        server.data = self.base / "first" / "data"
        self.addCleanup(server.kill)
        return server.start()

    def session(self, server: Server) -> Callable[[bytes], bytes]:
        wire = Wire(server.port("imap"))
        self.addCleanup(wire.close)
        self.assertIn(b"q OK", wire.ask(b"LOGIN ann %b" % PASSWORD.encode()))
        self.assertIn(b"q OK", wire.ask(b"SELECT INBOX"))
        return wire.ask

    def pipe(self) -> Callable[[bytes], bytes]:
        process = self.dovecot.popen("imap", "ann")
        self.addCleanup(process.communicate)
        pipe = Pipe(process)
        self.assertIn(b"q OK", pipe.ask(b"SELECT INBOX"))
        return pipe.ask

    def test_at_once(self) -> None:
        """No change of a keyword is lost, each message has one UID that nobody else was given, UIDs rise for each
        client (RFC 3501 section 2.3.1.1), and after NOOPs all see the same."""
        servers = [self.server("first"), self.server("second")]
        for number in range(SHARED):
            (self.maildir / "cur" / f"{number + 1}.M1P1.a:2,").write_bytes(b"Subject: shared\n\nx\n")
        self.dovecot.own(self.maildir / "cur")
        clients = [
            Client(b"s%d%d" % (at, number), self.session(server))
            for at, server in enumerate(servers)
            for number in range(2)
        ]
        clients += [Client(b"d%d" % number, self.pipe()) for number in range(2)]
        failures: list[BaseException] = []

        def work(client: Client) -> None:
            try:
                client.work()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        self.assertEqual([thread for thread in threads if thread.is_alive()], [])
        self.assertEqual(failures, [])
        self.assertEqual([answer for client in clients for answer in client.answers], [])
        seen = [client.flags() for client in clients]
        # A change that hides behind one of our own, in the same tick, is found when that is verified: a second later.
        deadline = time.monotonic() + AGREED_SECONDS
        while any(other != seen[0] for other in seen) and time.monotonic() < deadline:
            seen = [client.flags() for client in clients]
        for other in seen[1:]:
            self.assertEqual(other, seen[0])
        names = {client.name for client in clients}
        for uid in range(1, SHARED + 1):
            self.assertEqual(seen[0][uid], names if uid <= SHARED // 2 else set(), uid)
        kept = sorted(uid for client in clients for uid in client.kept)
        log = self.base / "dovecot.log"
        said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        self.assertEqual([uid for uid in seen[0] if uid > SHARED], kept, said)
        given = [uid for client in clients for uid in client.given]
        self.assertEqual(len(given), len({*given}))
        for client in clients:
            self.assertEqual(client.given, sorted(client.given))
        for server in servers:
            server.stop()
            self.assertNotIn("Traceback", server.text())
