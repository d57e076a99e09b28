"""Changes of a Maildir mailbox beside other processes, with a failing disk, and without its index."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.python.failure import Failure

from mailhub.maildir.index import FILE_NAME
from mailhub.store.changes import Flagged, Removed
from mailhub.store.errors import OverQuota, StoreError
from mailhub.store.model import Addition, FlagEdit, FlagOp, Uid, Wanted
from tests.maildir.boxes import MAIL, BoxCase, HookedDisk


class Together(BoxCase):
    """Two stores on one Maildir, as two processes would have it."""

    def test_append_in_turn(self) -> None:
        """UIDs are given once, in one order, and both see all messages."""
        one, two = self.inbox(), self.inbox()
        uids = [self.add(one), self.add(two), self.add(two), self.add(one)]
        self.assertEqual(uids, [1, 2, 3, 4])
        self.assertEqual(self.flags(one), self.flags(two))
        self.assertEqual(sorted(self.flags(self.inbox())), uids)

    def test_flags(self) -> None:
        """Flags, keywords and expunges of one are published by the other, with the same modseq."""
        one, two = self.inbox(), self.inbox()
        for _ in range(3):
            self.add(one)
        self.get(two.refresh())
        listener = self.watch(two)
        outcome = self.edit(one, [1, 2], FlagOp.ADD, "\\Seen", "$Label1")
        self.assertEqual(self.flags(two), {1: {"\\Seen", "$Label1"}, 2: {"\\Seen", "$Label1"}, 3: set()})
        self.assertEqual(listener.uids(Flagged), [1, 2])
        self.assertEqual(list(two.snapshot.modseqs[:2]), [outcome.modseq] * 2)
        self.get(one.expunge([2]))
        self.assertEqual(sorted(self.flags(two)), [1, 3])
        self.assertEqual(listener.uids(Removed), [2])

    def test_both_edits_count(self) -> None:
        """Two edits of one message made at the same time both last, whoever renames first."""
        one, two = self.inbox(), self.inbox()
        self.add(one, flags=["\\Seen"])
        self.get(two.refresh())
        self.edit(one, [1], FlagOp.ADD, "\\Flagged")
        self.edit(two, [1], FlagOp.ADD, "work")
        self.assertEqual(self.flags(one), {1: {"\\Seen", "\\Flagged", "work"}})
        self.assertEqual(self.flags(two), self.flags(one))

    def test_recent_once(self) -> None:
        """Each message is recent to exactly one session, across processes (RFC 3501 section 2.3.2)."""
        one, two = self.inbox(), self.inbox()
        self.add(one)
        self.get(two.refresh())
        firsts = [self.get(box.claim_recent(Uid(2))) for box in (one, two, self.inbox())]
        self.assertEqual(firsts, [1, 2, 2])
        self.add(two)
        self.assertEqual(self.get(self.inbox().claim_recent(Uid(3))), 2)
        self.get(one.refresh())
        self.assertEqual(self.get(one.claim_recent(Uid(3))), 3)

    def test_keywords_past_26(self) -> None:
        """Keywords without a letter are seen by others too, also after a restart."""
        one, two = self.inbox(), self.inbox()
        self.add(one)
        words = {f"word{n:02}" for n in range(30)}
        self.edit(one, [1], FlagOp.ADD, *words)
        self.assertEqual(self.flags(two), {1: words})
        self.edit(two, [1], FlagOp.REMOVE, "word00", "WORD29")
        self.assertEqual(self.flags(one), {1: words - {"word00", "word29"}})
        self.assertEqual(self.flags(self.inbox()), {1: words - {"word00", "word29"}})


class Races(BoxCase):
    """Another program acts between our look at the disk and our change."""

    def race(self, operation: str, action: object) -> HookedDisk:
        """Return a disk that calls `action` once, before the first `operation`."""
        disk = HookedDisk()

        def hook(name: str, path: bytes) -> None:
            if name == operation and b"/cur/" in path:
                disk.hook(None)
                action()  # type: ignore[operator]

        disk.hook(hook)
        return disk

    def test_renamed_before_our_rename(self) -> None:
        """Their flags and our edit both count; what they removed is not set again."""
        path = self.put("1.a:2,S")
        self.put("2.a:2,")
        disk = self.race("rename", lambda: path.rename(path.with_name("1.a:2,R")))
        mailbox = self.inbox(disk)
        outcome = self.edit(mailbox, [1, 2], FlagOp.ADD, "\\Flagged")
        self.assertEqual(list(outcome.changed), [1, 2])
        self.assertEqual(self.names(), ["1.a:2,FR", "2.a:2,F"])
        self.assertEqual(self.flags(mailbox), {1: {"\\Answered", "\\Flagged"}, 2: {"\\Flagged"}})

    def test_removed_before_our_rename(self) -> None:
        """A message that vanishes is told as gone; the others are changed."""
        path = self.put("1.a:2,S")
        self.put("2.a:2,")
        mailbox = self.inbox(self.race("rename", path.unlink))
        outcome = self.edit(mailbox, [1, 2], FlagOp.ADD, "\\Flagged")
        self.assertEqual((list(outcome.changed), list(outcome.gone)), ([2], [1]))

    def test_unchanged_since(self) -> None:
        """A message that another program changes at that moment is not changed by a conditional STORE (RFC 7162)."""
        path = self.put("1.a:2,S")
        mailbox = self.inbox(self.race("rename", lambda: path.rename(path.with_name("1.a:2,R"))))
        modseq = mailbox.snapshot.highest_modseq
        outcome = self.edit(mailbox, [1], FlagOp.ADD, "\\Flagged", unchanged_since=modseq)
        self.assertEqual((list(outcome.changed), list(outcome.modified), outcome.modseq), ([], [1], None))
        self.assertEqual(self.names(), ["1.a:2,R"])

    def test_renamed_before_our_expunge(self) -> None:
        """An expunge finds the file under its new name."""
        path = self.put("1.a:2,T")
        mailbox = self.inbox(self.race("unlink", lambda: path.rename(path.with_name("1.a:2,ST"))))
        self.assertEqual(self.get(mailbox.expunge([1])), [1])
        self.assertEqual(self.names(), [])

    def test_renamed_before_our_read(self) -> None:
        """A body and facts are read from where the file is now."""
        path = self.put("1.a:2,")
        mailbox = self.inbox()
        stamp = os.stat(self.maildir / "cur").st_mtime_ns
        path.rename(path.with_name("1.a:2,S"))
        os.utime(self.maildir / "cur", ns=(stamp, stamp))
        self.assertEqual(self.text(mailbox, 1), MAIL.replace(b"\n", b"\r\n"))
        path.with_name("1.a:2,S").rename(path)
        self.assertEqual(self.sizes(mailbox), [len(MAIL) + 3])

    def test_renamed_before_our_copy(self) -> None:
        """A copy follows a rename, and leaves nothing behind when a source is gone."""
        paths = [self.put(f"{n}.a:2,") for n in (1, 2)]

        def act() -> None:
            paths[0].rename(paths[0].with_name("1.a:2,S"))
            paths[1].unlink()

        account = self.account(self.race("link", act))
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        copied = self.get(mailbox.copy([Uid(1), Uid(2)], "Archive"))
        self.assertEqual((list(copied.sources), list(copied.targets)), ([1], [1]))
        self.assertEqual(self.names("cur", ".Archive") + self.names("new", ".Archive"), ["1.a:2,S"])


class Broken(BoxCase):
    """The disk fails at the Nth operation, for every N (conventions: fail until none fails)."""

    def failing(self, action: object, check: object) -> int:
        """Run `action(store's account)` with the Nth change failing, for N = 1, 2, ...; `check` after each."""
        for number in range(1, 200):
            disk = HookedDisk()
            account = self.account(disk)
            mailbox = self.get(account.open("INBOX"))
            count = 0

            def hook(operation: str, path: bytes, number: int = number) -> None:
                nonlocal count
                count += 1
                if count == number and operation not in ("unlink", "sync_directory"):
                    raise OSError(errno.ENOSPC, "full")

            disk.hook(hook)
            try:
                action(account, mailbox)  # type: ignore[operator]
                failed = False
            except StoreError as error:
                self.assertIsInstance(error, OverQuota)
                failed = True
            disk.hook(None)
            check(mailbox, failed)  # type: ignore[operator]
            if not failed and count < number:
                return number
        raise AssertionError("fails for ever")

    def test_append(self) -> None:
        """An append fails as a whole or works as a whole; nothing is left in tmp/, and the next one works."""
        self.put("1.a:2,")
        there = 1

        def act(account: object, mailbox: object) -> None:
            drafts = [mailbox.draft() for _ in range(2)]  # type: ignore[attr-defined]
            for draft in drafts:
                draft.write(MAIL)
            done = mailbox.append([Addition(drafts[0]), Addition(drafts[1], frozenset({"\\Seen", "kw"}))])  # type: ignore[attr-defined]
            self.get_or_raise(done)

        def check(mailbox: object, failed: bool) -> None:
            nonlocal there
            there += 0 if failed else 2
            self.assertEqual(len(self.flags(mailbox)), there)  # type: ignore[arg-type]
            self.assertEqual(sorted(self.flags(self.inbox())), sorted(self.flags(mailbox)))  # type: ignore[arg-type]
            self.assertEqual(self.names("tmp"), [])

        self.assertGreater(self.failing(act, check), 5)

    def test_copy(self) -> None:
        """A copy fails as a whole or works as a whole."""
        for n in (1, 2, 3):
            self.put(f"{n}.a:2,S")
        self.get(self.account().create("Archive"))
        there = 0

        def act(account: object, mailbox: object) -> None:
            self.get_or_raise(mailbox.copy([1, 2, 3], "Archive"))  # type: ignore[attr-defined]

        def check(mailbox: object, failed: bool) -> None:
            nonlocal there
            there += 0 if failed else 3
            self.assertEqual(len(self.names("cur", ".Archive")), there)
            self.assertEqual(sorted(self.flags(mailbox)), [1, 2, 3])  # type: ignore[arg-type]

        self.assertGreater(self.failing(act, check), 3)

    def test_flags(self) -> None:
        """What was renamed before the disk failed is published; memory and disk agree."""
        for n in (1, 2, 3):
            self.put(f"{n}.a:2,")

        def act(account: object, mailbox: object) -> None:
            self.get_or_raise(mailbox.change([FlagEdit([1, 2, 3], FlagOp.ADD, frozenset({"\\Seen", "kw"}))]))  # type: ignore[attr-defined]

        def check(mailbox: object, failed: bool) -> None:
            known = {uid: set(mailbox.snapshot.flags(uid)) for uid in mailbox.snapshot.uids}  # type: ignore[attr-defined]
            self.assertEqual(known, self.flags(self.inbox()))
            self.get(mailbox.change([FlagEdit([1, 2, 3], FlagOp.REPLACE, frozenset())]))  # type: ignore[attr-defined]

        self.assertGreater(self.failing(act, check), 3)

    def get_or_raise(self, deferred: object) -> None:
        caught: list[Failure] = []
        deferred.addErrback(caught.append)  # type: ignore[attr-defined]
        if caught:
            caught[0].raiseException()


class WithoutIndex(BoxCase):
    """The index is a cache: deleted or damaged, no UID, flag or keyword with a letter changes (design, "Maildir")."""

    def index(self) -> Path:
        return self.maildir / os.fsdecode(FILE_NAME)

    def filled(self) -> dict[int, set[str]]:
        mailbox = self.inbox()
        self.add(mailbox, flags=["\\Seen", "kw"])
        self.add(mailbox)
        self.edit(mailbox, [2], FlagOp.ADD, "\\Flagged")
        return self.flags(mailbox)

    def test_deleted_between(self) -> None:
        """UIDs and flags stay, modseqs only rise (law 4)."""
        before = self.filled()
        modseq = self.inbox().snapshot.highest_modseq
        self.index().unlink()
        mailbox = self.inbox()
        self.assertEqual(self.flags(mailbox), before)
        self.assertGreater(mailbox.snapshot.highest_modseq, modseq)

    def test_deleted_while_open(self) -> None:
        """Everything goes on, and modseqs rise still."""
        self.filled()
        mailbox = self.inbox()
        self.sizes(mailbox)
        for ending in ("", "-wal", "-shm"):
            path = self.index().with_name(self.index().name + ending)
            if path.exists():
                path.unlink()
        before = mailbox.snapshot.highest_modseq
        outcome = self.edit(mailbox, [1], FlagOp.ADD, "\\Answered")
        self.assertGreater(outcome.modseq, before)
        self.assertEqual(self.get(mailbox.expunge([2])), [2])
        self.assertEqual(self.add(mailbox), 3)
        self.assertEqual(self.flags(self.inbox()), self.flags(mailbox))

    def test_garbage(self) -> None:
        """A file that is no database is moved aside and made again."""
        before = self.filled()
        for garbage in (b"", b"garbage" * 1000, self.index().read_bytes()[:5000]):
            for ending in ("-wal", "-shm"):
                path = self.index().with_name(self.index().name + ending)
                if path.exists():
                    path.unlink()
            self.index().write_bytes(garbage)
            mailbox = self.inbox()
            self.assertEqual(self.flags(mailbox), before)
            self.edit(mailbox, [1], FlagOp.ADD, "\\Answered")
            self.edit(mailbox, [1], FlagOp.REMOVE, "\\Answered")
            self.assertEqual(self.sizes(mailbox), [len(MAIL) + 3] * 2)

    def test_unwritable(self) -> None:
        """Where no index can be made the mailbox works all the same."""
        self.put("1.a:2,")
        self.index().mkdir()
        mailbox = self.inbox()
        self.edit(mailbox, [1], FlagOp.ADD, "\\Seen")
        self.add(mailbox)
        self.assertEqual(self.flags(mailbox), {1: {"\\Seen"}, 2: set()})
        self.assertEqual(self.sizes(mailbox), [len(MAIL) + 3] * 2)

    def test_changed_while_closed(self) -> None:
        """Flags that another program changed while nobody looked have a new modseq (RFC 7162 section 3.1.2)."""
        self.filled()
        mailbox = self.inbox()
        modseq = mailbox.snapshot.highest_modseq
        self.assertEqual(self.inbox().snapshot.highest_modseq, modseq)
        (name,) = (name for name in self.names() if name.endswith("Sa"))
        os.rename(self.maildir / "cur" / name, self.maildir / "cur" / name.replace("Sa", "RSa"))
        again = self.inbox()
        self.assertGreater(again.snapshot.modseqs[0], modseq)


class Sizes(BoxCase):
    """RFC822.SIZE agrees with what is sent, whatever a file name states."""

    def test_wrong_sizes(self) -> None:
        """A wrong ,S= or ,W= is mended when the message is read: the file is renamed as Dovecot does, UIDs stay."""
        self.put("1.a,S=5,W=6:2,S")
        self.put("2.a,S=30,W=999:2,")
        mailbox, other = self.inbox(), self.inbox()
        whole = MAIL.replace(b"\n", b"\r\n")
        self.assertEqual([self.text(mailbox, uid) for uid in (1, 2)], [whole, whole])
        self.assertEqual(self.names(), [f"1.a,S={len(MAIL)}:2,S", f"2.a,S={len(MAIL)}:2,"])
        for box in (mailbox, other, self.inbox()):
            self.assertEqual(self.flags(box), {1: {"\\Seen"}, 2: set()})
            self.assertEqual(self.sizes(box), [len(whole)] * 2)

    def test_large(self) -> None:
        """A large message is read in pieces, in any order, with the size that its name, the index or counting tells."""
        lines = b"".join(b"line %d\n" % n for n in range(100_000))
        data = b"Subject: x\n\n" + lines + b"a\r\nb\r\r\nc\r"
        whole = b"Subject: x\r\n\r\n" + lines.replace(b"\n", b"\r\n") + b"a\r\nb\r\r\nc\r"
        self.put("1.a:2,", data)
        mailbox = self.inbox()
        (body,) = self.get(mailbox.bodies([Uid(1)]))
        assert body is not None
        self.addCleanup(body.close)
        self.assertIsNone(body.whole)
        self.assertEqual(body.size, len(whole))
        for start, length in ((0, 10), (500_000, 300_000), (100, 1000), (len(whole) - 5, 100), (0, 2**30)):
            self.assertEqual(self.get(body.read(start, length)), whole[start : start + length])
        self.assertEqual(self.sizes(mailbox), [len(whole)])

    def test_dates(self) -> None:
        """INTERNALDATE is the modification time; a copy shares it, and knows when it was saved (RFC 8514)."""
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.add(mailbox, internal_date=1_000_000_000)  # type: ignore[arg-type]
        self.get(account.create("Archive"))
        self.get(mailbox.copy([Uid(1)], "Archive"))
        archive = self.get(account.open("Archive"))
        records = self.get(archive.read([Uid(1)], Wanted(dates=True, save_dates=True)))
        self.assertEqual(list(records.dates), [1_000_000_000])
        self.assertGreater(records.save_dates[0], 1_700_000_000)
