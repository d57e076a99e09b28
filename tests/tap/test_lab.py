"""`mailhub lab`, which is `make run`."""

from __future__ import annotations

import email
import email.policy
import imaplib
import subprocess
import sys
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from mailhub.lab import demo
from tests.server import PASSWORD, Server, scratch


class Lab(Server):
    """The lab in place of twistd."""

    @property
    def command(self) -> list[str]:
        files = ["--data", str(self.data), "--ready-file", str(self.ready_file)]
        ports = [word for service in ("imap", "imaps", "pop3", "pop3s", "lmtp") for word in (f"--{service}", "0")]
        return [sys.executable, "-m", "mailhub.cli.main", "lab", *files, *ports]


class Running(SynchronousTestCase):
    def test_demo_account(self) -> None:
        """The demo account is there when the ready file is: its mailboxes, special uses, flags and keywords; it says
        what to point a client at. A second start leaves it as it is."""
        lab = Lab(scratch(self)).start()
        self.addCleanup(lab.kill)
        client = imaplib.IMAP4_SSL("localhost", lab.port("imaps"), ssl_context=lab.tls())
        self.addCleanup(client.shutdown)
        client.login(demo.USER, PASSWORD)
        listing = b"\n".join(client.list()[1])
        for name in (b"INBOX", b"Drafts", b"Sent", b"Archive.2025", b"Lists.python-dev", b"R&AOk-unions"):
            self.assertIn(name, listing)
        self.assertRegex(listing, rb'\\Drafts\) "." "?Drafts')
        expected = demo.messages()
        inbox = [message for message in expected if message.mailbox == ("INBOX",)]
        self.assertEqual(client.select("INBOX")[1], [b"%d" % len(inbox)])
        flags = b"\n".join(client.fetch("1:*", "(FLAGS)")[1])
        for flag in (b"\\Seen", b"\\Flagged", b"\\Answered", b"$Important", b"$Forwarded"):
            self.assertIn(flag, flags)
        client.append("INBOX", None, None, b"Subject: more\r\n\r\n")
        said = lab.text()
        for service in ("imap", "imaps", "pop3", "pop3s", "lmtp"):
            self.assertIn(f"port {lab.port(service)}\n", said)
        self.assertIn(str(lab.ca), said)
        lab.restart()
        again = imaplib.IMAP4("localhost", lab.port("imap"))
        self.addCleanup(again.shutdown)
        again.login(demo.USER, PASSWORD)
        self.assertEqual(again.select("INBOX")[1], [b"%d" % (len(inbox) + 1)])
        lab.stop()

    def test_port_in_use(self) -> None:
        """A lab that cannot listen says so in a sentence, with status 1."""
        server = Server(scratch(self), "--store", "memory").start()
        self.addCleanup(server.stop)
        command = [*Lab(scratch(self)).command, "--imap", str(server.port("imap"))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another program listens there", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


class Mail(SynchronousTestCase):
    def test_varied(self) -> None:
        """A few dozen messages that differ: alternatives, attachments, nesting, many scripts, threads, broken ones."""
        messages = demo.messages(datetime(2026, 1, 1, tzinfo=UTC))
        self.assertGreater(len(messages), 40)
        parsed = [email.message_from_bytes(message.data, policy=email.policy.default) for message in messages]
        kinds = {part.get_content_type() for message in parsed for part in message.walk()}
        for kind in (
            "text/plain",
            "text/html",
            "text/csv",
            "text/calendar",
            "image/png",
            "message/rfc822",
            "multipart/alternative",
            "multipart/related",
            "multipart/mixed",
        ):
            self.assertIn(kind, kinds)
        self.assertTrue(any(message["In-Reply-To"] for message in parsed))
        self.assertTrue(all(message.date < datetime(2026, 1, 1, tzinfo=UTC).timestamp() for message in messages))
        self.assertEqual(messages, demo.messages(datetime(2026, 1, 1, tzinfo=UTC)))
        self.assertLessEqual({message.mailbox for message in messages}, {("INBOX",), *demo.LEVELS})
