"""The same mail to Dovecot's LMTP and to ours: the same codes, and the same lines above the message."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from mailhub.auth.anypassword import AnyPassword
from mailhub.delivery.delivery import Delivery
from mailhub.lmtp.factory import LmtpFactory
from tests.lmtp.house import LmtpTestCase
from tests.peer import free_port, program

SCRIPT = Path(__file__).parents[3] / "shared" / "bench" / "dovecot.sh"
CODE = re.compile(rb"^[0-9]{3} [245]\.[0-9]+\.[0-9]+|^354", re.MULTILINE)
MASK = re.compile(rb"(?<=\tid )[^\n]*|(?<=; )\w\w\w, [^\n]*|(?<=\tby )[^ ]*")
MARK = b"252 2.3.3 Try RCPT instead\r\n"
END = b"Subject: x\r\n\r\ny\r\n.\r\n"


class DovecotTests(LmtpTestCase):
    def setUp(self) -> None:
        super().setUp()
        program("dovecot")
        if os.getuid() or not SCRIPT.exists():
            raise unittest.SkipTest("needs root and the script that starts Dovecot")
        self.base = Path(tempfile.mkdtemp(prefix="mh-"))
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.base.chmod(0o755)
        self.port = free_port()
        ports = [str(free_port()), str(free_port()), str(self.port)]
        # Its processes keep what it prints to open: a pipe would never end.
        start = ["sh", str(SCRIPT), "start", str(self.base), *ports]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        self.addCleanup(subprocess.run, ["sh", str(SCRIPT), "stop", str(self.base)], timeout=60)
        self.factory = LmtpFactory(
            reactor=self.clock,
            delivery=Delivery(store=self.store, users=AnyPassword("pass")),
            settings=self.settings,
            message_limit=self.message_limit,
        )

    def ask(self, steps: list[bytes]) -> list[bytes]:
        """Return what Dovecot says to each step."""
        answers = []
        with socket.create_connection(("127.0.0.1", self.port), 20) as client:
            client.settimeout(20)
            client.recv(1000)
            for step in steps:
                # VRFY behind each step marks the end of its answer.
                client.sendall(step if step == b"DATA\r\n" else step + b"VRFY x\r\n")
                answer = b""
                while not (answer.endswith(MARK) or answer.startswith(b"354 ")):
                    piece = client.recv(10_000)
                    if not piece:
                        break
                    answer += piece
                answers.append(answer.removesuffix(MARK))
        return answers

    def check(self, *steps: bytes) -> None:
        """Compare the codes of both to each step."""
        theirs = self.ask(list(steps))
        client = self.connect()
        for step, their in zip(steps, theirs, strict=True):
            self.assertEqual(CODE.findall(client(step)), CODE.findall(their), (step, their))

    def test_codes(self) -> None:
        """Codes and enhanced codes are the same, also for what is refused."""
        self.check(
            b"HELO x\r\n",
            b"LHLO client.example.org\r\n",
            b"RCPT TO:<ann>\r\n",
            b"DATA x\r\n",
            b"MAIL <a@b>\r\n",
            b"MAIL FROM:a@b\r\n",
            b"MAIL FROM:<a@b> FOO=bar\r\n",
            b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
            b"MAIL FROM:<a@b> BODY=8BITMIME\r\n",
            b"MAIL FROM:<a@b>\r\n",
            b"BDAT x\r\n",
            b"RSET\r\n",
            b"MAIL FROM:<>\r\n",
            b"RCPT TO:<>\r\n",
            b"RCPT TO:<a b>\r\n",
            b"RCPT TO:<ann@>\r\n",
            b"RCPT TO: <ann>\r\n",
            b"RCPT TO:<a/b>\r\n",
            b'RCPT TO:<"u 4"@example.org>\r\n',
            b"RCPT TO:<@x,@y:ann@example.org>\r\n",
            b"RCPT TO:<bob> NOTIFY=NEVER\r\n",
            b"RCPT TO:<bob>\r\n",
            b"RCPT TO:<bob>\r\n",
            b"DATA\r\n",
            END,
            b"VRFY\r\n",
            b"RSET x\r\n",
            b"MAIL FROM:<>\r\nRCPT TO:<bob>\r\nBDAT 4\r\na: b",
            b"BDAT 2\r\n\r\n",
            b"BDAT 0 LAST\r\n",
            b"MAIL FROM:<>\r\nBDAT 4\r\na: b",
            b"LHLO again.example.org\r\n",
            b"MAIL  FROM:<>\r\n",
            b"NO\x01OP\r\n",
            b"FOO\r\n",
            b"\r\n",
        )

    def test_trace_lines(self) -> None:
        """Return-Path, Delivered-To, Received: with one recipient and with several, detail, quoting, case."""
        for sender, recipients, users in (
            ("s@example.org", ["ann"], ["ann"]),
            ("", ["Carl+detail"], ["carl"]),
            ('"a b"@c', ["ann+d@example.org"], ["ann@example.org"]),
            ("s@t", ["ann", "bob"], ["ann", "bob"]),
            ("s@t", ["bob", "bob"], ["bob"]),
            ("s@t", ["bob", "a/b"], ["bob"]),
        ):
            steps = [b"LHLO client.example.org\r\n", f"MAIL FROM:<{sender}>\r\n".encode()]
            steps += [f"RCPT TO:<{recipient}>\r\n".encode() for recipient in recipients]
            self.check(*steps, b"DATA\r\n", END)
            for user in users:
                folder = self.base / "mail" / user / "Maildir" / "new"
                (file,) = folder.iterdir()
                (ours,) = self.mail(user)
                theirs = MASK.sub(b"*", file.read_bytes())
                self.assertEqual(MASK.sub(b"*", ours.replace(b"\r\n", b"\n")), theirs)
                shutil.rmtree(self.base / "mail" / user)
            self.store._accounts.clear()
