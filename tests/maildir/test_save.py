"""How messages come into a Maildir: drafts, appended files, copies."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.draft import IN_MEMORY, LineEnds
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.message.message import canonical
from mailhub.store.errors import TooMany
from mailhub.store.model import Addition, Flags, Uid, UserEntry
from tests.maildir.boxes import MAIL, BoxCase

PIECES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", b"\r\r", b"\0"]), max_size=12)


class Conversion(SynchronousTestCase):
    """CRLF becomes LF on the disk, whatever the borders of what comes."""

    @settings(max_examples=500, deadline=None)
    @given(PIECES)
    def test_nothing_is_lost(self, pieces: list[bytes]) -> None:
        """Reading what was stored gives the octets that were sent, with each bare LF made CRLF; sizes say the same."""
        ends = LineEnds()
        stored = b"".join([*(ends.convert(piece) for piece in pieces), ends.convert(b"", last=True)])
        whole = b"".join(pieces)
        self.assertEqual(canonical(stored), canonical(whole))
        self.assertEqual((ends.stored, ends.size, ends.waiting), (len(stored), len(canonical(whole)), 0))
        if b"\r\r\n" not in whole:
            self.assertNotIn(b"\r\n", stored)


class Append(BoxCase):
    """Files as Dovecot would have made them."""

    def test_names(self) -> None:
        """Without flags to new/, with flags to cur/; sizes in the name; LF on the disk; the date is the file's."""
        mailbox = self.inbox()
        self.add(mailbox, MAIL.replace(b"\n", b"\r\n"), internal_date=1_000_000_000)
        self.add(mailbox, MAIL, flags=["\\Seen", "\\Flagged", "kw"])
        (new,) = self.names("new")
        (cur,) = self.names("cur")
        self.assertRegex(new, rf"^\d+\.M\d+P\d+\.[^,]+,S={len(MAIL)},W={len(MAIL) + 3}$")
        self.assertRegex(cur, r":2,FSa$")
        path = self.maildir / "new" / new
        self.assertEqual((path.read_bytes(), path.stat().st_mtime), (MAIL, 1_000_000_000))
        self.assertEqual((self.maildir / "dovecot-keywords").read_text(), "0 kw\n")
        self.assertEqual(
            [line.split(" :")[1] for line in self.uidlist().splitlines()[1:]], [new, cur.partition(":")[0]]
        )

    def test_large(self) -> None:
        """A large draft goes to the disk as it comes, and is gone from tmp/ after."""
        mailbox = self.inbox()
        data = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * (IN_MEMORY // 8)
        draft = mailbox.draft()
        for start in range(0, len(data), 50_001):
            written = draft.write(data[start : start + 50_001])
            if written is not None:
                self.get(written)
        self.assertEqual(len(self.names("tmp")), 1)
        self.get(mailbox.append([Addition(draft, frozenset({"\\Seen"}))]))
        draft.discard()
        self.assertEqual(self.names("tmp"), [])
        self.assertEqual(self.text(mailbox, 1), data)

    def test_discarded(self) -> None:
        """A large draft that is thrown away leaves nothing."""
        draft = self.inbox().draft()
        self.get(draft.write(b"x" * (IN_MEMORY + 1)))  # type: ignore[arg-type]
        draft.discard()
        self.assertEqual(self.names("tmp"), [])

    def test_one_draft_to_several(self) -> None:
        """Recipients of one draft share its file by hard link, small or large (RFC 2033 needs an outcome each)."""
        store = self.store()
        for size in (10, IN_MEMORY + 10):
            boxes: list[MaildirMailbox] = [
                self.get(self.get(store.account(UserEntry(user))).open("INBOX"))  # type: ignore[misc]
                for user in ("ann", "bob", "eve")
            ]
            draft = boxes[0].draft()
            written = draft.write(b"A: b\n\n" + b"x" * size)
            if written is not None:
                self.get(written)
            uids = [self.get(box.append([Addition(draft)])).uids[0] for box in boxes]
            draft.discard()
            inodes = {os.stat(box._state.path(uid) or b"").st_ino for box, uid in zip(boxes, uids, strict=True)}
            self.assertEqual(len(inodes), 1)
            for box, uid in zip(boxes, uids, strict=True):
                self.assertEqual(self.text(box, uid), b"A: b\r\n\r\n" + b"x" * size)
                self.assertEqual(os.listdir(box._state.directory + b"tmp"), [])

    def test_quota_file(self) -> None:
        """Where maildirsize is kept, what comes and goes is noted in it (Maildir++)."""
        mailbox = self.inbox()
        (self.maildir / "maildirsize").write_text("1000S,10C\n0 0\n")
        uid = self.add(mailbox)
        self.get(mailbox.copy([uid], "INBOX"))
        self.get(mailbox.expunge([uid]))
        size = len(MAIL)
        self.assertEqual(
            (self.maildir / "maildirsize").read_text(), f"1000S,10C\n0 0\n{size} 1\n{size} 1\n-{size} -1\n"
        )


class Copy(BoxCase):
    """Copies are hard links with flags and date of the original."""

    def test_names(self) -> None:
        """The base name stays where it is free; else the record says which message it was (G)."""
        self.put("1700000000.M1P1.a,S=30:2,FS", MAIL)
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        self.get(mailbox.copy([Uid(1)], "Archive"))
        self.get(mailbox.copy([Uid(1)], "Archive"))
        names = self.names("cur", ".Archive")
        self.assertEqual(names[0], "1700000000.M1P1.a,S=30:2,FS")
        self.assertRegex(names[1], r",S=30:2,FS$")
        records = self.uidlist(".Archive").splitlines()[1:]
        self.assertEqual(records[0], "1 :1700000000.M1P1.a,S=30")
        self.assertEqual(records[1], "2 G1700000000.M1P1.a,S=30 :" + names[1].partition(":")[0])
        self.assertEqual(os.stat(self.maildir / ".Archive" / "cur" / names[0]).st_nlink, 3)

    def test_keywords(self) -> None:
        """Keywords keep their names where the target has other letters for them, and those without a letter too."""
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        archive = self.get(account.open("Archive"))
        words: Flags = frozenset(f"w{n:02}" for n in range(28))
        self.add(archive, flags=["other", "w05"])  # type: ignore[arg-type]
        self.add(mailbox, flags=sorted(words))  # type: ignore[arg-type]
        self.get(mailbox.copy([Uid(1)], "Archive"))
        self.assertEqual(archive.snapshot.flags(2), words)
        self.assertEqual(self.get(self.account().open("Archive")).snapshot.flags(2), words)

    def test_too_many_keywords(self) -> None:
        """A copy that needs more keywords than there may be is refused as a whole."""
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        archive = self.get(account.open("Archive"))
        for base in (0, 500):
            self.add(archive, flags=[f"a{n}" for n in range(base, base + 499)])  # type: ignore[arg-type]
        self.add(mailbox)  # type: ignore[arg-type]
        self.add(mailbox, flags=["x", "y", "z"])  # type: ignore[arg-type]
        self.failureResultOf(mailbox.copy([Uid(1), Uid(2)], "Archive"), TooMany)
        self.assertEqual(len(archive.snapshot), 2)

    def test_move(self) -> None:
        """A message that is moved and moved back keeps its file name; its UID is new each time."""
        self.put("1.a:2,S")
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        archive = self.get(account.open("Archive"))
        self.get(mailbox.move([Uid(1)], "Archive"))
        self.assertEqual((self.names(), self.names("cur", ".Archive")), ([], ["1.a:2,S"]))
        moved = self.get(archive.move([Uid(1)], "INBOX"))
        self.assertEqual(list(moved.targets), [2])
        self.assertEqual(len(self.names()), 1)
