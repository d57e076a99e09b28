"""IMAP on the Maildir store: what other programs do to the files while sessions are open."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.imap.conversation import Client, MaildirWorld


class OtherProgramsTests(SynchronousTestCase):
    def setUp(self) -> None:
        base = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, base, True)
        self.world = MaildirWorld(base)
        self.addCleanup(self.world.store.close)
        self.maildir = base / "mail" / "u" / "Maildir"

    def filled(self, count: int = 3) -> Client:
        client = self.world.user("u")
        for number in range(count):
            client.append(f"Subject: {number}\r\n\r\nbody {number}\r\n", flags="(\\Seen) ")
        client.ok("SELECT INBOX")
        client.raw()
        return client

    def files(self) -> list[Path]:
        """Messages in cur/, by age."""
        return sorted((self.maildir / "cur").iterdir(), key=lambda path: path.name)

    def touch(self) -> None:
        """Move the folder's time on: what happens within one tick of the clock is looked for by other means."""
        for name in ("cur", "new"):
            os.utime(self.maildir / name, ns=(1_700_000_000_000_000_000,) * 2)

    def test_delivery(self) -> None:
        """A file put into new/ is a new message at the next NOOP, \\Recent for this session."""
        client = self.filled()
        (self.maildir / "new" / "1700000000.M1P1.other").write_bytes(b"Subject: new\n\nx\n")
        self.touch()
        self.assertEqual(client.ok("NOOP"), ["* 4 EXISTS", "* 4 RECENT"])
        self.assertEqual(client.ok("FETCH 4 (FLAGS RFC822.SIZE)"), ["* 4 FETCH (FLAGS (\\Recent) RFC822.SIZE 19)"])

    def test_flags_by_rename(self) -> None:
        """A file renamed in cur/ is a flag change."""
        client = self.filled()
        first = self.files()[0]
        first.rename(first.with_name(first.name.replace(":2,S", ":2,FS")))
        self.touch()
        self.assertEqual(client.ok("NOOP"), ["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))"])

    def test_lost_file(self) -> None:
        """A file that is gone is an expunge, also when a FETCH finds out first."""
        client = self.filled()
        self.files()[1].unlink()
        self.touch()
        answer = client.line("a FETCH 1:3 BODY.PEEK[TEXT]")
        self.assertEqual(next(line for line in answer if "FETCH (" in line), "* 1 FETCH (BODY[TEXT] {8}")
        self.assertEqual(answer[-1], "a NO [EXPUNGEISSUED] Some messages were already expunged")
        self.assertIn("* 2 EXPUNGE", client.ok("NOOP"))

    def test_unreadable_file(self) -> None:
        """A file that cannot be read costs its own answer only."""
        client = self.filled()
        second = self.files()[1]
        second.unlink()
        second.mkdir()
        answer = client.line("a FETCH 1:3 BODY.PEEK[TEXT]")
        self.assertEqual(len([line for line in answer if "FETCH (" in line]), 2)
        self.assertRegex(answer[-1], r"^a NO \[(CORRUPTION|EXPUNGEISSUED)\]")
        client.ok("NOOP")
        self.flushLoggedErrors()

    def test_large_message(self) -> None:
        """A large file is streamed with CRLF line ends."""
        client = self.filled(0)
        body = "0123456789abcde\r\n" * 60_000
        client.append("Subject: large\r\n\r\n" + body)
        client.send(b"a UID FETCH 1 (RFC822.SIZE BODY.PEEK[TEXT])\r\n")
        said = client.raw().decode()
        self.assertIn(f"BODY[TEXT] {{{len(body)}}}\r\n{body})\r\n", said)
        self.assertIn(f"RFC822.SIZE {len(body) + 18} ", said)
