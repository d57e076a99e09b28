"""`mailhub fsck`: what it finds, what it mends, and that Dovecot and our server agree with the result."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.command import Done, mailhub
from tests.peer import Dovecot
from tests.server import scratch

MESSAGE = b"From: ann@example.org\nSubject: %d\n\nhello\n"


class Fsck(SynchronousTestCase):
    """An account with three messages in INBOX."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.data = self.base / "data"
        for number in range(3):
            self.assertEqual(self.command("deliver", "ann", stdin=MESSAGE % number).status, 0)
        self.mail = self.data / "mail" / "ann" / "Maildir"
        self.uidlist = self.mail / "dovecot-uidlist"

    def command(self, *arguments: str, stdin: bytes = b"") -> Done:
        done = mailhub(*arguments, "--data", str(self.data), stdin=stdin)
        self.assertNotIn("Traceback", done.error)
        return done

    def problems(self, *arguments: str) -> list[str]:
        done = self.command("fsck", *arguments)
        lines = done.out.decode().splitlines()
        found = [line for line in lines if ": problem: " in line]
        self.assertEqual(done.status, 1 if found else 0)
        return found

    def mends(self, text: str) -> None:
        """Assert that a problem with `text` is found, mended by --repair, and not found again."""
        (found,) = self.problems()
        self.assertIn(text, found)
        repaired = self.command("fsck", "--repair", "ann")
        self.assertEqual(repaired.status, 0, repaired)
        self.assertIn(": mended: ", repaired.out.decode())
        self.assertEqual(self.problems(), [])

    def test_sound(self) -> None:
        """A sound account has no problems; a user that does not exist has no account (67)."""
        self.assertEqual(self.problems(), [])
        self.assertEqual(self.problems("ann"), [])
        self.assertEqual(self.command("fsck", "../x").status, 67)

    def test_order(self) -> None:
        """UIDs out of order: what ascends keeps its UIDs, and the next UID is above every number seen."""
        header, *records = self.uidlist.read_text().splitlines()
        moved = records[0].replace("1 ", "9 ", 1)
        self.uidlist.write_text("\n".join([header, records[1], moved, records[2]]) + "\n")
        self.mends("do not ascend")
        header, *kept = self.uidlist.read_text().splitlines()
        self.assertEqual(kept, [records[1], moved])
        self.assertIn(" N10 ", header + " ")

    def test_header(self) -> None:
        """A header without GUID or with half a line after it keeps UIDVALIDITY and UIDs."""
        before = self.uidlist.read_text()
        header, *records = before.splitlines()
        words = [word for word in header.split() if not word.startswith("G")]
        self.uidlist.write_text("\n".join([" ".join(words), *records, "7 :17"]))
        self.mends("ends in half a line, or is of an old version")
        after = self.uidlist.read_text().splitlines()
        self.assertEqual(after[1:], records)
        self.assertEqual(after[0].split()[1], header.split()[1])

    def test_missing(self) -> None:
        """A uidlist that is gone is made again."""
        self.uidlist.unlink()
        self.mends("dovecot-uidlist is missing")

    def test_twice(self) -> None:
        """A file with two UIDs keeps the later one."""
        header, *records = self.uidlist.read_text().splitlines()
        again = "8 " + records[0].split(" ", 1)[1]
        self.uidlist.write_text("\n".join([header, *records, again]) + "\n")
        self.mends("1 records of files that it has already")
        self.assertEqual(self.uidlist.read_text().splitlines()[1:], [*records[1:], again])

    def test_gone(self) -> None:
        """Records of messages that are gone are only a note; --repair takes them out and gives their UIDs to nobody."""
        record = self.uidlist.read_text().splitlines()[3]
        (path,) = self.mail.glob(f"*/{record.split(':', 1)[1]}*")
        path.unlink()
        self.assertIn("note: 1 records are of messages that are gone", self.command("fsck").out.decode())
        self.assertEqual(self.problems("--repair"), [])
        header, *records = self.uidlist.read_text().splitlines()
        self.assertEqual(len(records), 2)
        self.assertIn(" N4 ", header)

    def test_keywords(self) -> None:
        """Letters without a name get one, lines without sense go."""
        path = next(self.mail.glob("new/*"))
        path.rename(self.mail / "cur" / f"{path.name}:2,Sb")
        (self.mail / "dovecot-keywords").write_text("0 work\nnonsense\n")
        found = self.problems()
        self.assertEqual(len(found), 2)
        self.assertEqual(self.problems("--repair"), [])
        self.assertEqual((self.mail / "dovecot-keywords").read_text(), "0 work\n1 unknown-1\n")

    def test_index(self) -> None:
        """A damaged index is put away; the server makes another."""
        (index,) = self.mail.glob("*.sqlite")
        for name in ("-wal", "-shm"):
            Path(f"{index}{name}").unlink(missing_ok=True)
        index.write_bytes(b"no database " * 1000)
        self.mends("the index is damaged")
        self.assertEqual(self.command("mailbox", "status", "ann").status, 0)
        with sqlite3.connect(index) as database:
            self.assertEqual(database.execute("PRAGMA quick_check").fetchone(), ("ok",))

    def test_folders_and_sizes(self) -> None:
        """A missing folder is made; wrong sizes in names are told."""
        (self.mail / "tmp").rmdir()
        path = next(self.mail.glob("new/*"))
        with path.open("ab") as file:
            file.write(b"more\n")
        self.assertEqual(len(self.problems()), 1)  # opening the account makes the folder

    def test_dovecot_agrees(self) -> None:
        """After a repair Dovecot shows the messages that were kept, under the same UIDs."""
        dovecot = Dovecot(self.base / "dovecot", f"maildir:{self.data}/mail/%u/Maildir")
        header, *records = self.uidlist.read_text().splitlines()
        self.uidlist.write_text("\n".join([header, records[0], "x", records[1], records[2]]) + "\n")
        self.mends("a line is not a record")
        dovecot.own(self.data)
        answer = dovecot.run("imap", "ann", b"a SELECT INBOX\r\nb FETCH 1:* UID\r\nc LOGOUT\r\n")
        for number in (1, 2, 3):
            self.assertIn(b"* %d FETCH (UID %d)" % (number, number), answer)
