"""The mailbox tree of an account on the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk, storing
from mailhub.maildir.layout import LAYOUTS
from mailhub.maildir.names import LevelCodec
from mailhub.maildir.tree import Tree
from mailhub.store.errors import (
    BadMailboxName,
    HasChildren,
    MailboxExists,
    NoSuchMailbox,
    NotAllowed,
    OverQuota,
    TooMany,
    Unavailable,
)
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot


class TreeCase(SynchronousTestCase):
    layout = "maildir++"
    delimiter = "."

    def setUp(self) -> None:
        self.base = scratch(self)
        self.root = self.base / "mail" / "u"
        self.disk: Disk = Disk(fsync=False)
        self.tree = self.make_tree()
        self.tree.prepare()

    def make_tree(self, limit: int = 100, disk: Disk | None = None, **more: bytes) -> Tree:
        layout = LAYOUTS[self.layout](octets(self.root), self.delimiter, LevelCodec())
        return Tree(disk or self.disk, layout, limit, 0.1, **more)  # type: ignore[arg-type]

    def create(self, *names: str) -> None:
        for name in names:
            self.tree.create(self.tree.layout.checked_new(name))

    def rename(self, old: str, new: str) -> None:
        pairs = self.tree.renames(old, new)
        for before, after in pairs if self.layout == "maildir++" else pairs[:1]:
            self.tree.rename(before, after)

    def names(self) -> list[str]:
        return [info.name + ("" if info.selectable else "-") for info in self.tree.mailboxes()]

    def files(self, path: Path) -> set[str]:
        return {os.path.relpath(os.path.join(top, name), path) for top, _, found in os.walk(path) for name in found}


class MaildirPlusPlusTests(TreeCase):
    def test_create(self) -> None:
        """A new mailbox is as Dovecot makes it, with a UIDVALIDITY of its own."""
        self.create("A.B", "C")
        self.assertEqual(self.names(), ["INBOX", "A-", "A.B", "C"])
        made = self.root / ".A.B"
        self.assertEqual(sorted(os.listdir(made)), ["cur", "dovecot-uidlist", "maildirfolder", "new", "tmp"])
        self.assertEqual((made / "maildirfolder").read_bytes(), b"")
        self.assertEqual({(made / part).stat().st_mode & 0o777 for part in ("cur", "new", "tmp", ".")}, {0o700})
        self.assertEqual({(made / name).stat().st_mode & 0o777 for name in self.files(made)}, {0o600})
        first = (made / "dovecot-uidlist").read_text()
        self.assertRegex(first, r"\A3 V\d+ N1 G[0-9a-f]{32}\n\Z")
        second = (self.root / ".C" / "dovecot-uidlist").read_text()
        self.assertEqual(int(second.split()[1][1:]), int(first.split()[1][1:]) + 1)

    def test_create_refused(self) -> None:
        """What is there is not made again, and there are not more than the limit."""
        self.create("A")
        for name in ("INBOX", "A"):
            self.assertRaises(MailboxExists, self.tree.create, name)
        self.assertRaises(TooMany, self.make_tree(limit=2).create, "B")

    def test_uidvalidity_grows(self) -> None:
        """A mailbox that is deleted and made again has a greater UIDVALIDITY (RFC 3501 section 2.3.1.1)."""
        values = []
        for _ in range(3):
            self.create("A")
            values.append(int((self.root / ".A" / "dovecot-uidlist").read_text().split()[1][1:]))
            self.tree.delete("A")
        self.assertEqual(values, sorted(set(values)))

    def test_delete(self) -> None:
        """The mailbox goes with its mail, inferiors stay; nothing is left of it."""
        self.create("A", "A.B")
        (self.root / ".A" / "cur" / "1.x:2,").write_bytes(b"x")
        self.tree.delete("A")
        self.assertEqual(self.names(), ["INBOX", "A-", "A.B"])
        self.assertEqual([name for name in os.listdir(self.root) if name.startswith(".")], [".A.B"])

    def test_delete_refused(self) -> None:
        """INBOX stays; a level and what does not exist are no mailboxes."""
        self.create("A.B")
        self.assertRaises(NotAllowed, self.tree.delete, "INBOX")
        self.assertRaises(HasChildren, self.tree.delete, "A")
        self.assertRaises(NoSuchMailbox, self.tree.delete, "nope")

    def test_delete_over_old_trash(self) -> None:
        """What a crash left in the way of a deletion does not stop it, and goes at a listing when it is old."""
        trash = self.root / "..DOVECOT-TRASHED"
        (trash / "cur").mkdir(parents=True)
        (trash / "cur" / "x").touch()
        self.create("A")
        self.tree.delete("A")
        self.assertFalse(trash.exists())
        trash.mkdir()
        self.tree.mailboxes()
        self.assertTrue(trash.exists())
        late = Tree(self.disk, self.tree.layout, 10, 0.1, clock=lambda: time.time() + 4000)
        late.mailboxes()
        self.assertFalse(trash.exists())

    def test_rename(self) -> None:
        """Inferiors come along, each with its UIDs; others whose names only begin alike do not."""
        self.create("A", "A.B.C", "Ab")
        kept = (self.root / ".A.B.C" / "dovecot-uidlist").read_bytes()
        self.rename("A", "X.Y")
        self.assertEqual(self.names(), ["INBOX", "Ab", "X-", "X.Y", "X.Y.B-", "X.Y.B.C"])
        self.assertEqual((self.root / ".X.Y.B.C" / "dovecot-uidlist").read_bytes(), kept)

    def test_rename_level(self) -> None:
        """A level that does not exist is renamed through what lies below it."""
        self.create("A.B", "A.C")
        self.rename("A", "Z")
        self.assertEqual(self.names(), ["INBOX", "Z-", "Z.B", "Z.C"])

    def test_rename_refused(self) -> None:
        """Targets that exist, under the mailbox itself, or impossible; sources that do not exist."""
        self.create("A", "A.B", "C", "D.B")
        for target in ("C", "A", "INBOX", "D"):
            self.assertRaises(MailboxExists, self.tree.renames, "A", target)
        self.assertRaises(BadMailboxName, self.tree.renames, "A", "A.B.C")
        self.assertRaises(NoSuchMailbox, self.tree.renames, "nope", "X")
        self.assertRaises(BadMailboxName, self.tree.renames, "A", "x" * 254)
        self.assertEqual(self.names(), ["INBOX", "A", "A.B", "C", "D-", "D.B"])

    def test_others(self) -> None:
        """What other programs make or remove is seen by the next listing, also within the same moment."""
        for number in range(5):
            (self.root / f".new{number}").mkdir()
            self.assertIn(f"new{number}", self.names())
        (self.root / ".new3").rmdir()
        self.assertNotIn("new3", self.names())

    def test_kept_listing(self) -> None:
        """A directory that has not changed for a while is not scanned again."""
        old = time.time() - 100
        os.utime(self.root, (old, old))
        listing = self.tree.listing()
        self.assertIs(self.tree.listing(), listing)
        self.assertIs(self.tree.mailboxes(), self.tree.mailboxes())
        (self.root / ".x").mkdir()
        self.assertIn("x", self.tree.listing())

    def test_open(self) -> None:
        """Parts of a mailbox that are missing are made; a mailbox that is missing is not."""
        (self.root / ".bare").mkdir()
        place = self.tree.open("bare")
        self.assertEqual(sorted(os.listdir(place.directory)), [b"cur", b"new", b"tmp"])
        self.assertRaises(NoSuchMailbox, self.tree.open, "nope")

    def test_special_use(self) -> None:
        """A use given at CREATE (RFC 6154 section 3) stays with the mailbox; well-known names have theirs unless
        another was given it."""

        def uses() -> dict[str, set[str]]:
            return {info.name: set(info.special_use) for info in self.tree.mailboxes() if info.special_use}

        self.create("Sent", "Trash", "sent")
        self.assertEqual(uses(), {"Sent": {"\\Sent"}, "Trash": {"\\Trash"}})
        self.tree.create("Gesendet.Neu", special_use=frozenset({"\\Sent", "\\Archive"}))
        self.assertEqual(uses(), {"Gesendet.Neu": {"\\Sent", "\\Archive"}, "Trash": {"\\Trash"}})
        content = (self.root / "mailhub-special-use").read_bytes()
        self.assertEqual(content, b"\\Archive \\Sent\tGesendet\tNeu\n")
        self.rename("Gesendet", "Weg")
        self.assertEqual(uses()["Weg.Neu"], {"\\Sent", "\\Archive"})
        self.tree.delete("Weg.Neu")
        self.assertEqual(uses(), {"Sent": {"\\Sent"}, "Trash": {"\\Trash"}})

    def test_control(self) -> None:
        """CONTROL= holds uidlists in a tree of the same form, INBOX a directory among the others."""
        self.root = self.base / "mail" / "other"
        self.tree = self.make_tree(control=octets(self.base / "control"), index=octets(self.base / "index"))
        self.tree.prepare()
        self.create("A")
        self.tree.open("INBOX")
        self.assertEqual(self.files(self.root), {".A/maildirfolder"})
        self.assertIn(".A/dovecot-uidlist", self.files(self.base / "control"))
        self.assertTrue((self.base / "control" / ".INBOX").is_dir())
        self.rename("A", "B")
        self.assertIn(".B/dovecot-uidlist", self.files(self.base / "control"))
        self.tree.delete("B")
        self.assertEqual(sorted(os.listdir(self.base / "control"))[:1], [".INBOX"])
        with self.tree.lock():
            self.assertEqual(os.listdir(self.base / "index"), ["mailboxes.lock"])

    def failing_at(self, nth: int) -> Tree:
        """Return the tree on a disk whose nth operation fails."""
        left = [nth]

        class Failing(Disk):
            def before(self, operation: str, path: bytes) -> None:
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(28, "No space left on device")

        return self.make_tree(disk=Failing(fsync=False))

    def test_failing_delete(self) -> None:
        """Whichever operation of a deletion fails: the mailbox is there with its mail, or it is gone; and the next
        deletion works."""
        for nth in range(1, 100):
            self.create("A")
            (self.root / ".A" / "cur" / "1.x:2,").write_bytes(b"x")
            try:
                with storing():
                    self.failing_at(nth).delete("A")
            except OverQuota:
                if "A" in self.names():
                    self.assertTrue((self.root / ".A" / "cur" / "1.x:2,").exists())
                    self.tree.delete("A")
                continue
            self.assertGreater(nth, 5)
            self.assertFalse((self.root / "..DOVECOT-TRASHED").exists())
            return
        self.fail("deleting a mailbox takes too many operations")

    def test_failing_rename(self) -> None:
        """Whichever operation of a rename fails, the mailbox has one of the two names, and all of its mail."""
        self.create("A")
        (self.root / ".A" / "cur" / "1.x:2,").write_bytes(b"x")
        for nth in range(1, 100):
            try:
                with storing():
                    self.failing_at(nth).rename("A", "B")
            except OverQuota:
                [name] = set(self.names()) - {"INBOX"}
                self.assertTrue((self.root / f".{name}" / "cur" / "1.x:2,").exists())
                if name == "B":
                    self.tree.rename("B", "A")
                continue
            self.assertGreater(nth, 1)
            self.assertEqual(self.names(), ["INBOX", "B"])
            return
        self.fail("renaming a mailbox takes too many operations")

    def test_full_disk(self) -> None:
        """Whichever operation fails, the error is the store's, and no half of a mailbox is left."""
        for nth in range(1, 100):
            try:
                with storing():
                    self.failing_at(nth).create("A", special_use=frozenset({"\\Sent"}))
            except OverQuota:
                self.assertEqual(self.names(), ["INBOX"])
                continue
            self.assertGreater(nth, 10)
            self.assertEqual(self.names(), ["INBOX", "A"])
            return
        self.fail("creating a mailbox takes too many operations")

    def test_unavailable(self) -> None:
        """A disk error is no fault of the client."""

        class Broken(Disk):
            def before(self, operation: str, path: bytes) -> None:
                raise OSError(5, "Input/output error")

        tree = self.make_tree(disk=Broken())

        def work() -> None:
            with storing():
                tree.create("A")

        self.assertNotIn(str(self.root), str(self.assertRaises(Unavailable, work)))

    def test_many(self) -> None:
        """Listing costs less than 0.1 ms a mailbox, so that 5,000 are listed well under a second."""
        for number in range(500):
            os.mkdir(self.root / f".level{number % 50}.box{number}")
        began = time.process_time()
        self.assertEqual(len(self.tree.mailboxes()), 551)
        self.assertLess(time.process_time() - began, 0.1)

    def test_dovecot(self) -> None:
        """Dovecot opens what we made, with our UIDVALIDITY, and we list what it made."""
        self.create("A.B", "caf\u00e9")
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        dovecot.own(self.base / "mail")
        commands = (
            b"STATUS A.B (UIDVALIDITY UIDNEXT)",
            b"CREATE x.y",
            b"RENAME A.B x.z",
            b"DELETE caf&AOk-",
            b"LOGOUT",
        )
        script = b"".join(b"a " + command + b"\r\n" for command in commands)
        uidvalidity = (self.root / ".A.B" / "dovecot-uidlist").read_text().split()[1][1:]
        answer = dovecot.run("imap", "u", script)
        self.assertIn(f"* STATUS A.B (UIDNEXT 1 UIDVALIDITY {uidvalidity})".encode(), answer)
        self.assertEqual(self.names(), ["INBOX", "x-", "x.y", "x.z"])


class FsTests(TreeCase):
    layout = "fs"
    delimiter = "/"

    def test_create(self) -> None:
        """Levels are directories without cur/; no maildirfolder."""
        self.create("A/B")
        self.assertEqual(self.names(), ["INBOX", "A-", "A/B"])
        self.assertEqual(sorted(os.listdir(self.root / "A" / "B")), ["cur", "dovecot-uidlist", "new", "tmp"])
        self.create("A")
        self.assertEqual(self.names(), ["INBOX", "A", "A/B"])

    def test_level_only(self) -> None:
        """A name that ends in the delimiter declares a level (RFC 3501 section 6.3.3), which can become a mailbox."""
        info = self.tree.create("A", level_only=True)
        self.assertFalse(info.selectable)
        self.assertRaises(MailboxExists, self.tree.create, "A", True)
        self.assertRaises(NoSuchMailbox, self.tree.open, "A")
        self.create("A")
        self.assertEqual(self.names(), ["INBOX", "A"])

    def test_delete(self) -> None:
        """Inferiors stay; a level that is empty can be deleted, one that is not cannot."""
        self.create("A", "A/B")
        (self.root / "A" / "new" / "1.x").write_bytes(b"x")
        self.tree.delete("A")
        self.assertEqual(self.names(), ["INBOX", "A-", "A/B"])
        self.assertEqual(os.listdir(self.root / "A"), ["B"])
        self.assertRaises(HasChildren, self.tree.delete, "A")
        self.tree.delete("A/B")
        self.tree.delete("A")
        self.assertEqual(self.names(), ["INBOX"])
        self.assertFalse((self.root / ".DOVECOT-TRASHED").exists())

    def test_rename(self) -> None:
        """One rename moves all below; levels left empty go."""
        self.create("A/B", "A/B/C")
        self.rename("A/B", "X/Y/Z")
        self.assertEqual(self.names(), ["INBOX", "X-", "X/Y-", "X/Y/Z", "X/Y/Z/C"])
        self.create("A/B")
        self.assertRaises(MailboxExists, self.tree.renames, "X", "A")

    def test_dovecot(self) -> None:
        """Both list and open what the other made."""
        self.create("A/B")
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u:LAYOUT=fs")
        dovecot.own(self.base / "mail")
        answer = dovecot.run("imap", "u", b"1 STATUS A/B (UIDNEXT)\r\n2 CREATE x/y\r\n3 DELETE A/B\r\n4 LOGOUT\r\n")
        self.assertIn(b"* STATUS A/B (UIDNEXT 1)", answer)
        self.assertIn("x/y", self.names())
        self.assertNotIn("A/B", self.names())
