"""Mailbox names and where they lie on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.layout import Found, Fs, Layout, MaildirPlusPlus
from mailhub.maildir.names import LevelCodec
from mailhub.store.errors import BadMailboxName
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot


class NameTests(SynchronousTestCase):
    def layout(self, kind: type[Layout] = MaildirPlusPlus, delimiter: str = ".", utf8: bool = False) -> Layout:
        return kind(b"/m", delimiter, LevelCodec(utf8))

    def test_maildir_plus_plus(self) -> None:
        """`.A.B` in the root, INBOX the root itself, levels below INBOX like any others."""
        layout = self.layout()
        self.assertEqual(layout.directory("INBOX"), b"/m")
        self.assertEqual(layout.directory("A.B"), b"/m/.A.B")
        self.assertEqual(layout.directory("INBOX.B"), b"/m/.INBOX.B")
        self.assertEqual(layout.directory("caf\u00e9.&"), b"/m/.caf&AOk-.&-")
        self.assertEqual(layout.directory("INBOX", b"/control"), b"/control/.INBOX")
        self.assertEqual(self.layout(utf8=True).directory("caf\u00e9"), b"/m/.caf\xc3\xa9")
        inbox = MaildirPlusPlus(b"/m", ".", LevelCodec(), b"/inbox")
        self.assertEqual((inbox.directory("INBOX"), inbox.directory("A")), (b"/inbox", b"/m/.A"))

    def test_fs(self) -> None:
        """`A/B` in the root."""
        layout = self.layout(Fs, "/")
        self.assertEqual(layout.directory("A/b.c"), b"/m/A/b.c")
        self.assertEqual(layout.directory("INBOX/B"), b"/m/INBOX/B")
        self.assertEqual(layout.directory("INBOX", b"/control"), b"/control/INBOX")

    def test_other_delimiter(self) -> None:
        """The client's delimiter need not be the disk's; then the disk's is in no level."""
        layout = self.layout(delimiter="/")
        self.assertEqual(layout.directory("A/B"), b"/m/.A.B")
        self.assertEqual(layout.name((b"A", b"B")), "A/B")
        error = self.assertRaises(BadMailboxName, layout.checked, "A.B")
        self.assertEqual(str(error), "Character not allowed in mailbox name: '.'")
        self.assertEqual(self.layout(Fs, ".").directory("A.B"), b"/m/A/B")

    def refused(self, layout: Layout, name: str) -> str:
        return str(self.assertRaises(BadMailboxName, layout.checked_new, name))

    def test_refused(self) -> None:
        """Names that cannot be are refused in Dovecot's words."""
        layout = self.layout()
        invalid = "Invalid mailbox name: "
        for name, text in {
            "a/b": invalid + "Name must not have '/' characters",
            ".a": invalid + "Begins with hierarchy separator",
            "a..b": invalid + "Has adjacent hierarchy separators",
            "~a": invalid + "Begins with '~'",
            "": invalid + "Name is empty",
            ".": invalid + "Name is empty",
            "a\x01": "Control characters not allowed in new mailbox names",
            "x" * 256: "Mailbox name too long",
            "x" * 200 + "." + "y" * 60: "Mailbox name too long",
            "\u00e9" * 120: "Mailbox name too long",
            "\ud800": "Mailbox name is not valid Unicode",
        }.items():
            self.assertEqual(self.refused(layout, name), text)

    def test_escapes(self) -> None:
        """No name leads out of the root or to a file that is not a mailbox."""
        fs = self.layout(Fs, "/")
        for name in ("../x", "a/../b", "a/./b", "..", "/x", "a//b", "~root", "a\0b"):
            self.refused(fs, name)
            self.refused(self.layout(delimiter="/"), name)
        for name in ("cur", "a/new", "tmp/x", "subscriptions", "dovecot-uidlist", "a/dovecot.index.log"):
            self.assertEqual(self.refused(fs, name), "Invalid mailbox name: Contains reserved name")
        for name in ("dovecot", "mailhub", "dovecot-devel", ".hidden"):
            fs.checked_new(name)
        self.assertEqual(self.layout().directory(self.layout().checked_new("cur")), b"/m/.cur")

    def test_inbox_in_any_case(self) -> None:
        """INBOX is case-insensitive (RFC 3501 section 5.1), also as the first level."""
        layout = self.layout()
        self.assertEqual(layout.directory(layout.checked("inbox")), b"/m")
        self.assertEqual(layout.checked("Inbox.Work"), "INBOX.Work")
        self.assertIsNone(layout.name((b"inbox", b"x")))

    def test_unreachable_directories(self) -> None:
        """A directory whose name is not how a mailbox name is written has no name."""
        layout = self.layout()
        for name in (b"a&b", b"&AGE-", b"r\xc3\xa9", b"\xff", b"~x", b"", b"a\n", b"&AAk-"):
            self.assertIsNone(layout.name((name,)), name)
        self.assertEqual(self.layout(utf8=True).name((b"r\xc3\xa9",)), "r\u00e9")
        self.assertIsNone(self.layout(utf8=True).name((b"r\xe9",)))

    levels = st.text(st.characters(exclude_characters="./~\x7f", exclude_categories=["C"]), min_size=1, max_size=8)

    @given(st.lists(levels, min_size=1, max_size=4), st.sampled_from([MaildirPlusPlus, Fs]), st.booleans())
    def test_round_trip(self, levels: list[str], kind: type[Layout], utf8: bool) -> None:
        """A name that is not refused is found again under its directory, and lies below the root."""
        layout = self.layout(kind, "/", utf8)
        try:
            name = layout.checked_new("/".join(levels))
        except BadMailboxName:
            return
        self.assertEqual(layout.name(layout.levels(name)), name)
        self.assertTrue(os.path.normpath(layout.directory(name)).startswith(b"/m"))


class ScanTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.root = self.base / "mail" / "u"

    def make(self, *names: str) -> None:
        for name in names:
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def maildir(self, path: Path) -> None:
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True)

    def test_maildir_plus_plus(self) -> None:
        """Directories with a leading dot are mailboxes; levels that only lead to others do not exist."""
        self.make(
            "cur", ".A", ".B.C.D", ".caf&AOk-", "..DOVECOT-TRASHED", "no", ".inbox", ".INBOX", ".a&b", "..x", ".e."
        )
        (self.root / ".file").touch()
        (self.root / ".link").symlink_to(self.root / ".A")
        layout = MaildirPlusPlus(octets(self.root), ".", LevelCodec())
        level = Found(False, exists=False)
        self.assertEqual(
            layout.scan(),
            {
                "INBOX": Found(True),
                "A": Found(True),
                "link": Found(True),
                "caf\u00e9": Found(True),
                "B": level,
                "B.C": level,
                "B.C.D": Found(True),
            },
        )

    def test_fs(self) -> None:
        """Directories are levels, those with cur/ mailboxes; cur, new, tmp and our files are neither."""
        self.make("cur", "A/cur/sub", "A/B/C/cur", "D", "INBOX/x/cur", ".DOVECOT-TRASHED/cur", "dovecot.index.x")
        layout = Fs(octets(self.root), "/", LevelCodec())
        level = Found(False)
        self.assertEqual(
            layout.scan(),
            {
                "INBOX": Found(True),
                "A": Found(True),
                "A/B": level,
                "A/B/C": Found(True),
                "D": level,
                "INBOX/x": Found(True),
            },
        )

    def test_fs_loop(self) -> None:
        """A link that leads back up does not keep the listing going for ever."""
        self.make("A/cur")
        (self.root / "A" / "up").symlink_to(self.root)
        self.assertIn("A", Fs(octets(self.root), "/", LevelCodec()).scan())

    def test_changed(self) -> None:
        """A new mailbox changes what the listing depends on; in fs also one deep down."""
        self.make("cur", ".A", "X/Y/cur")
        for kind, new in ((MaildirPlusPlus, ".B"), (Fs, "X/Y/Z")):
            layout = kind(octets(self.root), "/", LevelCodec())
            layout.scan()
            before = layout.changed()
            self.assertEqual(layout.changed(), before)
            self.make(new)
            self.assertNotEqual(layout.changed(), before)

    def listed_by_dovecot(self, template: str) -> set[bytes]:
        dovecot = Dovecot(self.base, template)
        dovecot.own(self.base / "mail")
        answer = dovecot.run("imap", "u", b'1 LIST "" *\r\n2 LOGOUT\r\n')
        lines = [line for line in answer.split(b"\r\n") if line.startswith(b"* LIST")]
        return {(b"-" if b"\\Noselect" in line else b"") + line.split(b'" ', 1)[1] for line in lines}

    def test_as_dovecot(self) -> None:
        """Dovecot lists the same mailboxes and levels in the same places, in both layouts."""
        self.maildir(self.root)
        for name in (".A", ".B.C", ".caf&AOk-", ".INBOX.x", ".sp ace"):
            self.maildir(self.root / name)
        layout: Layout = MaildirPlusPlus(octets(self.root), ".", LevelCodec())
        listed = self.listed_by_dovecot(f"maildir:{self.base}/mail/%u")
        self.assertEqual(listed, {b"INBOX", b"A", b"-B", b"B.C", b"caf&AOk-", b"INBOX.x", b'"sp ace"'})
        self.assertEqual(set(layout.scan()), {"INBOX", "A", "B", "B.C", "caf\u00e9", "INBOX.x", "sp ace"})

    def test_fs_as_dovecot(self) -> None:
        """The same for fs."""
        self.maildir(self.root)
        for name in ("A", "A/B/C", "x.y"):
            self.maildir(self.root / name)
        self.make("only")
        listed = self.listed_by_dovecot(f"maildir:{self.base}/mail/%u:LAYOUT=fs")
        found = Fs(octets(self.root), "/", LevelCodec()).scan()
        shown = {(b"" if each.selectable else b"-") + name.encode() for name, each in found.items()}
        self.assertEqual(listed, shown)
