"""What other programs do to a Maildir is found, and nobody loses mail, UIDs or flags by it."""

from __future__ import annotations

import os
import socket

from mailhub.maildir import sync
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.store.changes import Added, Flagged, Removed
from mailhub.store.errors import MailboxGone
from mailhub.store.model import FlagOp
from tests.maildir.boxes import MAIL, BoxCase, HookedDisk


class OtherPrograms(BoxCase):
    """Files come, go and are renamed (design, "Maildir": other writers are normal)."""

    def test_numbered_by_arrival(self) -> None:
        """Files without UIDs get them in the order second, microsecond, name, as Dovecot numbers them."""
        for name in (
            "1700000001.M9P1.a",
            "1700000001.M10P1.a",
            "1700000000.M500P1.a",
            "999.M1P1.a",
            "odd",
            "1700000001.b",
        ):
            self.put(name + ":2,S")
        self.inbox()
        records = [line.split(" :")[1] for line in self.uidlist().splitlines()[1:]]
        self.assertEqual(
            records,
            ["odd", "999.M1P1.a", "1700000000.M500P1.a", "1700000001.b", "1700000001.M9P1.a", "1700000001.M10P1.a"],
        )

    def test_same_seconds(self) -> None:
        """Of many messages in one second the microseconds decide, whatever their number of digits."""
        for micros in (7, 70, 8, 100, 99):
            self.put(f"1700000000.M{micros}P1.a:2,")
        self.inbox()
        self.assertEqual(
            [line.split("M")[1].split("P")[0] for line in self.uidlist().splitlines()[1:]],
            ["7", "8", "70", "99", "100"],
        )

    def test_added(self) -> None:
        """A file in new/ or cur/ is a message; it is recent (RFC 3501 section 2.3.2)."""
        mailbox = self.inbox()
        listener = self.watch(mailbox)
        self.put("1.a", folder="new")
        self.put("2.b:2,FS")
        self.assertEqual(self.flags(mailbox), {1: set(), 2: {"\\Flagged", "\\Seen"}})
        self.assertEqual(listener.uids(Added), [1, 2])
        self.assertEqual(self.get(mailbox.claim_recent(mailbox.snapshot.uidnext)), 1)
        self.assertEqual(self.names("new"), [])
        self.assertEqual(self.names(), ["1.a:2,", "2.b:2,FS"])

    def test_renamed(self) -> None:
        """A rename changes flags, once and with one modseq; the UID stays."""
        path = self.put("1.a:2,S")
        mailbox = self.inbox()
        listener = self.watch(mailbox)
        before = mailbox.snapshot.highest_modseq
        path.rename(path.with_name("1.a:2,RS"))
        self.assertEqual(self.flags(mailbox), {1: {"\\Answered", "\\Seen"}})
        self.get(mailbox.refresh())
        (batch,) = listener.batches
        self.assertEqual((listener.uids(Flagged), batch.origin), ([1], None))
        self.assertGreater(batch.modseq, before)
        self.assertEqual(batch.snapshot.modseqs[0], batch.modseq)

    def test_moved_to_cur(self) -> None:
        """A file that another program moves from new/ to cur/ stays the message it was."""
        path = self.put("1.a", folder="new")
        mailbox = self.inbox()
        path.rename(self.maildir / "cur" / "1.a:2,S")
        self.assertEqual(self.flags(mailbox), {1: {"\\Seen"}})

    def test_removed(self) -> None:
        """A file that is gone is an expunged message."""
        paths = [self.put(f"{n}.a:2,") for n in (1, 2, 3)]
        mailbox = self.inbox()
        listener = self.watch(mailbox)
        paths[1].unlink()
        self.assertEqual(sorted(self.flags(mailbox)), [1, 3])
        self.assertEqual(listener.uids(Removed), [2])

    def test_came_back(self) -> None:
        """An expunged message that comes back is new: its UID is not used again (RFC 3501 section 2.3.1.1)."""
        path = self.put("1.a:2,")
        self.put("2.b:2,")
        mailbox = self.inbox()
        data = path.read_bytes()
        path.unlink()
        self.assertEqual(sorted(self.flags(mailbox)), [2])
        path.write_bytes(data)
        self.assertEqual(sorted(self.flags(mailbox)), [2, 3])
        self.assertEqual(sorted(self.flags(self.inbox())), [2, 3])

    def test_came_back_while_closed(self) -> None:
        """The same when nobody looked in between: the expunge log of the index remembers the UID."""
        path = self.put("1.a:2,")
        self.put("2.b:2,")
        mailbox = self.inbox()
        self.get(mailbox.expunge([1]))
        path.write_bytes(MAIL)
        self.assertEqual(sorted(self.flags(self.inbox())), [2, 3])

    def test_hidden_behind_our_change(self) -> None:
        """A change by another program at the very moment of our own is found soon after, though no stamp tells."""
        first = self.put("1.a:2,")
        self.put("2.b:2,")
        mailbox = self.inbox()
        self.edit(mailbox, [2], FlagOp.ADD, "\\Seen")
        stamp = os.stat(self.maildir / "cur").st_mtime_ns
        first.rename(first.with_name("1.a:2,F"))
        os.utime(self.maildir / "cur", ns=(stamp, stamp))
        self.patch(sync, "VERIFY_PAUSE", 0)
        self.patch(sync, "VERIFY_SHARE", 0)
        self.assertEqual(self.flags(mailbox), {1: {"\\Flagged"}, 2: {"\\Seen"}})

    def test_unchanged_is_not_listed(self) -> None:
        """A look at an unchanged mailbox, and one after a change of our own, list no directory."""
        self.put("1.a:2,")
        for folder in ("cur", "new"):
            os.utime(self.maildir / folder, (1, 1))
        mailbox = self.inbox()
        self.edit(mailbox, [1], FlagOp.ADD, "\\Seen")
        self.patch(sync, "compare", lambda state: self.fail("listed"))
        self.get(mailbox.refresh())
        self.edit(mailbox, [1], FlagOp.ADD, "\\Flagged")

    def test_index_written_for_others(self) -> None:
        """What is noted in the index about another mailbox, or facts, makes nobody list directories."""
        self.put("1.a:2,")
        for folder in ("cur", "new"):
            os.utime(self.maildir / folder, (1, 1))
        account = self.account()
        mailbox: MaildirMailbox = self.get(account.open("INBOX"))  # type: ignore[assignment]
        self.get(account.create("Other"))
        other: MaildirMailbox = self.get(account.open("Other"))  # type: ignore[assignment]
        self.add(other)
        self.patch(sync, "compare", lambda state: self.fail("listed"))
        self.sizes(mailbox)
        self.edit(mailbox, [1], FlagOp.ADD, "\\Seen")
        self.add(mailbox)


class Uidlist(BoxCase):
    """dovecot-uidlist lost, changed or damaged."""

    def setUp(self) -> None:
        super().setUp()
        for n in (1, 2, 3):
            self.put(f"{n}.a:2,")

    def test_removed_while_open(self) -> None:
        """A uidlist removed while the mailbox is open is written again: UIDs and UIDVALIDITY stay (law 3)."""
        mailbox = self.inbox()
        before = self.uidlist()
        (self.maildir / "dovecot-uidlist").unlink()
        self.put("4.a:2,")
        self.assertEqual(sorted(self.flags(mailbox)), [1, 2, 3, 4])
        self.assertEqual(self.uidlist().split(" ")[1], before.split(" ")[1])
        self.assertEqual(sorted(self.flags(self.inbox())), [1, 2, 3, 4])

    def test_new_uidvalidity(self) -> None:
        """Where UIDVALIDITY changed, sessions are told that their mailbox is no more; the next open shows the new."""
        mailbox = self.inbox()
        listener = self.watch(mailbox)
        (self.maildir / "dovecot-uidlist").write_text("3 V77 N9 G" + "a" * 32 + "\n7 :1.a\n8 :2.a\n")
        self.failureResultOf(mailbox.refresh(), MailboxGone)
        self.assertEqual(len(listener.lost), 1)
        again = self.inbox()
        self.assertEqual((again.snapshot.uidvalidity, list(again.snapshot.uids)), (77, [7, 8, 9]))

    def test_records_by_others(self) -> None:
        """UIDs that another program gave are taken over, with a header that is out of date."""
        mailbox = self.inbox()
        self.put("9.b:2,")
        self.put("8.b:2,")
        with open(self.maildir / "dovecot-uidlist", "a") as file:
            file.write("10 :9.b\n")
        self.assertEqual(sorted(self.flags(mailbox)), [1, 2, 3, 10, 11])

    def test_damaged(self) -> None:
        """Whatever stands in the file, a mailbox opens with all its messages, and no client sees an error."""
        self.inbox()
        whole = self.uidlist()
        for number, text in enumerate(
            ("", "\0\xff\n", whole[:-9], whole + "1 :x\n", "2 V1 N1\n", whole.replace("\n", ""))
        ):
            (self.maildir / "dovecot-uidlist").write_text(text)
            mailbox = self.inbox()
            self.assertEqual(len(self.flags(mailbox)), 3, text)
            self.put(f"1{number}.c", folder="new")
            self.assertEqual(len(self.flags(mailbox)), 4, text)
            (self.maildir / "new" / f"1{number}.c").unlink()

    def test_damaged_while_open(self) -> None:
        """Damage while it is open: UIDs stay as they are known."""
        mailbox = self.inbox()
        (self.maildir / "dovecot-uidlist").write_text("rubbish")
        self.put("7.c", folder="new")
        self.assertEqual(sorted(self.flags(mailbox)), [1, 2, 3, 4])
        self.assertEqual(sorted(self.flags(self.inbox())), [1, 2, 3, 4])


class Damage(BoxCase):
    """Things in cur/ and new/ that are no mail, and names that clash."""

    def test_no_messages(self) -> None:
        """Directories, sockets, broken links, hidden files and names with line ends are passed over and left alone."""
        self.put("1.a:2,")
        cur = self.maildir / "cur"
        (cur / "directory").mkdir()
        (cur / "link").symlink_to("nowhere")
        (cur / ".hidden").write_text("x")
        (cur / "line\nend").write_text("x")
        (cur / ":2,S").write_text("x")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(cur / "socket"))
        names = self.names()
        mailbox = self.inbox()
        self.put("2.b:2,")
        self.assertEqual(sorted(self.flags(mailbox)), [1, 2])
        self.assertEqual(self.names(), sorted([*names, "2.b:2,"]))

    def test_two_files_one_name(self) -> None:
        """Two different files with one base name are two messages; none is removed."""
        self.put("1.a:2,", b"Subject: one\n\n")
        mailbox = self.inbox()
        self.put("1.a:2,S", b"Subject: two\n\n")
        self.get(mailbox.refresh())
        uids = sorted(self.flags(mailbox))
        self.assertEqual(len(uids), 2)
        self.assertEqual({self.text(mailbox, uid) for uid in uids}, {b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n"})

    def test_one_file_two_names(self) -> None:
        """A second link to a message is no second message, and stays."""
        path = self.put("1.a:2,")
        mailbox = self.inbox()
        os.link(path, path.with_name("1.a:2,S"))
        self.get(mailbox.refresh())
        self.assertEqual(len(self.flags(mailbox)), 1)
        self.assertEqual(len(self.names()), 2)

    def test_old_temporary_files(self) -> None:
        """What was left in tmp/ 36 hours ago is removed when the mailbox is opened; newer files may be in use."""
        path = self.put("1.a", folder="tmp")
        self.inbox()
        self.assertEqual(self.names("tmp"), ["1.a"])
        self.patch(sync, "TEMPORARY_SECONDS", -60)
        self.inbox()
        self.assertFalse(path.exists())

    def test_folders_missing(self) -> None:
        """cur/, new/ and tmp/ are made again while the mailbox's directory is there."""
        mailbox = self.inbox()
        for name in ("cur", "new", "tmp"):
            os.rmdir(self.maildir / name)
        self.assertEqual(self.flags(mailbox), {})
        self.assertEqual(self.add(mailbox), 1)

    def test_unreadable(self) -> None:
        """A message that cannot be read has no body and the facts of an empty one; the others are not touched by it."""
        path = self.put("1.a:2,")
        self.put("2.a:2,")
        mailbox = self.inbox()
        path.unlink()
        path.symlink_to("/proc/self/mem")  # a file that cannot be read, whoever asks
        self.assertEqual(self.text(mailbox, 1), None)
        self.assertEqual(self.sizes(mailbox), [0, len(MAIL) + 3])
        self.assertEqual(self.text(mailbox, 2), MAIL.replace(b"\n", b"\r\n"))

    def test_keywords_damaged(self) -> None:
        """Letters that nothing explains are keywords "unknown-N", as Dovecot calls them, and are kept."""
        self.put("1.a:2,Sac")
        (self.maildir / "dovecot-keywords").write_bytes(b"\0\xff rubbish\n2 fine\n")
        mailbox = self.inbox()
        self.assertEqual(self.flags(mailbox), {1: {"\\Seen", "unknown-0", "fine"}})
        self.edit(mailbox, [1], FlagOp.REMOVE, "\\Seen")
        self.assertEqual(self.names(), ["1.a:2,ac"])


class Letters(BoxCase):
    """Dovecot renames files first and says then what a new letter stands for; a look may fall between the two."""

    def begin(self) -> MaildirMailbox:
        self.put("1.a:2,")
        mailbox = self.inbox()
        (self.maildir / "cur" / "1.a:2,").rename(self.maildir / "cur" / "1.a:2,a")
        self.assertEqual(self.flags(mailbox), {1: {"unknown-0"}})
        (self.maildir / "dovecot-keywords").write_text("0 theirs\n")
        return mailbox

    def test_explained(self) -> None:
        """The name is seen although no folder changed after."""
        self.assertEqual(self.flags(self.begin()), {1: {"theirs"}})

    def test_new_keyword(self) -> None:
        """A keyword that is added meanwhile takes nothing away from theirs."""
        mailbox = self.begin()
        self.edit(mailbox, [1], FlagOp.ADD, "ours")
        self.assertEqual(self.flags(mailbox), {1: {"theirs", "ours"}})
        self.assertEqual((self.names(), self.flags(self.inbox())), (["1.a:2,ab"], {1: {"theirs", "ours"}}))

    def test_new_keyword_at_that_moment(self) -> None:
        """The same if the name is written while the change waits for the lock."""
        disk = HookedDisk()
        self.put("1.a:2,a")
        mailbox = self.inbox(disk)

        def explain(operation: str, path: bytes) -> None:
            if path.endswith(b"dovecot-uidlist.lock"):
                (self.maildir / "dovecot-keywords").write_text("0 theirs\n")
                disk.hook(None)

        (self.maildir / "dovecot-keywords").unlink(missing_ok=True)
        self.flags(mailbox)
        disk.hook(explain)
        self.edit(mailbox, [1], FlagOp.ADD, "ours")
        self.assertEqual((self.names(), self.flags(self.inbox())), (["1.a:2,ab"], {1: {"theirs", "ours"}}))


class Shortened(BoxCase):
    """The uidlist is written anew once most of its messages are expunged."""

    def test_others_wrote_it_meanwhile(self) -> None:
        """What another program added while we waited for the lock keeps its UID (RFC 3501 section 2.3.1.1)."""
        disk = HookedDisk()
        for number in range(8):
            self.put(f"{number + 1}.a:2,")
        mailbox, others = self.inbox(disk), self.inbox()

        def meanwhile(operation: str, path: bytes) -> None:
            if path.endswith(b"dovecot-uidlist.lock"):
                disk.hook(None)
                self.get(others.expunge(others.snapshot.uids[:1]))  # type: ignore[arg-type]
                uidlist = self.maildir / "dovecot-uidlist"
                fresh = self.maildir / "fresh"
                fresh.write_text(uidlist.read_text())
                fresh.rename(uidlist)
                self.assertEqual(self.add(others), 9)

        disk.hook(meanwhile)
        self.get(mailbox.expunge(mailbox.snapshot.uids[1:7]))  # type: ignore[arg-type]
        self.assertEqual([*self.flags(mailbox)], [8, 9])
        self.assertEqual([*self.flags(self.inbox())], [8, 9])
