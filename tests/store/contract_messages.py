"""The contract of appending, reading and copying messages."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mailhub.message.facts import Fact
from mailhub.store.changes import Added, Removed
from mailhub.store.errors import MessageGone, NoSuchMailbox, StoreError, TooBig, TooMany
from mailhub.store.model import Addition, FlagOp, Uid, Wanted
from tests.store.base import HELLO, START, StoreCase, limited

BIG = b"Subject: big\r\n\r\n" + b"".join(b"%07d 0123456789abcdef0123456789abcdef\r\n" % i for i in range(122_000))
"""A little over 5 MiB."""

MIXED = [
    (b"", b""),
    (b"no newline", b"no newline"),
    (b"a\nb\n", b"a\r\nb\r\n"),
    (b"a\r\nb\nc\r\n", b"a\r\nb\r\nc\r\n"),
    (b"\n\n", b"\r\n\r\n"),
    (b"a\rb\r\n", b"a\rb\r\n"),
    (b"ends in CR\r", b"ends in CR\r"),
    (b"NUL \0 and \xff\x80\n", b"NUL \0 and \xff\x80\r\n"),
]
"""Octets that come in, and what is kept: bare LF becomes CRLF, everything else stays."""

UPPER = Fact("test-upper/1", lambda message: message.data.upper())
LENGTH = Fact("test-length/1", lambda message: b"%d" % len(message.data), keep=False)


class MessagesContract(StoreCase):
    """Messages coming in, being read, copied and moved."""

    async def test_append(self) -> None:
        """A message comes in with flags and date, and gets the next UID (RFC 3501 section 6.3.11, 4315)."""
        inbox, listener = await self.watched()
        draft = await self.draft(HELLO)
        self.case.assertEqual(draft.size, len(HELLO))
        appended = await self.account.append(
            "inbox", [Addition(draft, frozenset(["\\Seen", "Work"]), START - 5)], origin=self
        )
        self.case.assertEqual(appended.uidvalidity, inbox.snapshot.uidvalidity)
        self.case.assertEqual(list(appended.uids), [1])
        self.case.assertEqual(list(inbox.snapshot.uids), [1])
        self.case.assertEqual(inbox.snapshot.uidnext, 2)
        self.case.assertEqual(inbox.snapshot.flags(1), {"\\Seen", "Work"})
        self.case.assertEqual(await self.dates(inbox, [Uid(1)]), [START - 5])
        self.case.assertEqual(await self.octets(inbox, Uid(1)), HELLO)
        (batch,) = listener.batches
        self.case.assertIs(batch.origin, self)
        self.case.assertIs(batch.snapshot, inbox.snapshot)
        self.case.assertEqual(batch.modseq, inbox.snapshot.highest_modseq)
        self.case.assertEqual(listener.uids(Added), [1])

    async def test_append_dates_itself(self) -> None:
        """Without a date the message has the current one (RFC 3501 section 6.3.11)."""
        (given_,) = await self.add(date=0)
        (uid,) = await self.add()
        inbox = await self.inbox()
        earliest, now = await self.dates(inbox, [given_, uid])
        self.case.assertEqual(earliest, 0)
        self.case.assertGreaterEqual(now, START)

    async def test_multiappend(self) -> None:
        """Several messages come in one commit, in their order (RFC 3502)."""
        inbox, listener = await self.watched()
        first = await self.add(b"one", b"two", b"three")
        second = await self.add(b"four")
        self.case.assertEqual([*first, *second], [1, 2, 3, 4])
        self.case.assertEqual([await self.octets(inbox, uid) for uid in first], [b"one", b"two", b"three"])
        self.case.assertEqual(len(listener.batches), 2)
        self.case.assertEqual(listener.uids(Added), [1, 2, 3, 4])

    async def test_append_nothing(self) -> None:
        """No additions, no change."""
        inbox, listener = await self.watched()
        self.case.assertEqual(list((await self.account.append("INBOX", [])).uids), [])
        self.case.assertEqual((listener.batches, len(inbox.snapshot)), ([], 0))

    @limited(keyword_limit=1)
    async def test_multiappend_is_all_or_none(self) -> None:
        """If one message cannot come in, none does (RFC 3502 section 4)."""
        inbox, listener = await self.watched()
        additions = [Addition(await self.draft(b"m"), frozenset([keyword])) for keyword in ("one", "two")]
        await self.refused(TooMany, self.account.append("INBOX", additions))
        self.case.assertEqual(listener.batches, [])
        self.case.assertEqual(list((await inbox.refresh()).uids), [])
        self.case.assertEqual((await self.account.status("INBOX")).messages, 0)
        self.case.assertEqual(await self.add(flags=frozenset(["ONE"])), [inbox.snapshot.uidnext - 1])

    async def test_line_ends(self) -> None:
        """What a client reads has CRLF line ends and the size that was said (RFC 3501 section 6.4.5)."""
        inbox = await self.inbox()
        for data, kept in MIXED:
            draft = await self.draft(data)
            self.case.assertEqual(draft.size, len(kept), data)
            (uid,) = await self.add(data)
            self.case.assertEqual(await self.octets(inbox, uid), kept)
            records = await inbox.read([uid], Wanted(sizes=True))
            self.case.assertEqual(list(records.sizes), [len(kept)])

    async def test_chunks_do_not_matter(self) -> None:
        """However a draft is cut into chunks, the same message comes out."""
        inbox = await self.inbox()
        data = b"A: b\r\n\r\nline\nlast\r\n\r\r\n\0\r"
        kept = b"A: b\r\n\r\nline\r\nlast\r\n\r\r\n\0\r"
        for width in (1, 2, 3, 7):
            draft = await self.draft(*(data[at : at + width] for at in range(0, len(data), width)), b"")
            self.case.assertEqual(draft.size, len(kept))
            (uid,) = (await self.account.append("INBOX", [Addition(draft)])).uids
            self.case.assertEqual(await self.octets(inbox, uid), kept)

    async def test_big_message(self) -> None:
        """A message of 5 MiB comes in in chunks and is read in pieces, from anywhere."""
        inbox = await self.inbox()
        draft = await self.draft(*(BIG[at : at + 65_521] for at in range(0, len(BIG), 65_521)))
        self.case.assertEqual(draft.size, len(BIG))
        (uid,) = (await self.account.append("INBOX", [Addition(draft)])).uids
        self.case.assertEqual(await self.octets(inbox, uid), BIG)
        (body,) = await inbox.bodies([uid])
        self.case.assertIsNone(body.whole)
        for offset, length in (
            (3_000_001, 10),
            (0, 1),
            (len(BIG) - 5, 100),
            (len(BIG), 10),
            (len(BIG) + 9, 10),
            (7, 0),
        ):
            self.case.assertEqual(await body.read(offset, length), BIG[offset : offset + length])
        self.case.assertEqual(len(await body.read(1, 1024 * 1024)), 1024 * 1024)
        body.close()

    async def test_big_message_with_bare_line_feeds(self) -> None:
        """Offsets count octets with CRLF, whatever the disk holds."""
        inbox = await self.inbox()
        (uid,) = await self.add(BIG.replace(b"\r\n", b"\n"))
        (body,) = await inbox.bodies([uid])
        self.case.assertEqual(body.size, len(BIG))
        for offset in (4_000_003, 17, 1_000_000, len(BIG) - 30):
            self.case.assertEqual(await body.read(offset, 30), BIG[offset : offset + 30])
        body.close()

    @limited(message_limit=100)
    async def test_too_big(self) -> None:
        """A message over the limit is refused while it comes; one at the limit is not."""
        draft = await self.draft(b"x" * 98 + b"\n")
        self.case.assertEqual(draft.size, 100)
        await self.account.append("INBOX", [Addition(draft)])
        for chunks in ((b"x" * 101,), (b"x" * 99, b"\n"), (b"x" * 60, b"y" * 60)):
            draft = await self.draft(*chunks[:-1])

            async def write(draft: object = draft, last: bytes = chunks[-1]) -> None:
                written = draft.write(last)  # type: ignore[attr-defined]
                if isinstance(written, Deferred):
                    await written

            await self.refused(TooBig, write)
            await self.refused(TooBig, lambda draft=draft: self.account.append("INBOX", [Addition(draft)]))
        self.case.assertEqual((await self.account.status("INBOX")).messages, 1)

    async def test_one_draft_to_many(self) -> None:
        """A draft may go to several accounts; each has its own message (LMTP, RFC 2033)."""
        draft = await self.draft(b"one\ntwo\n")
        bob = await self.open_account("bob")
        await self.account.append("INBOX", [Addition(draft)])
        await bob.append("INBOX", [Addition(draft, frozenset(["\\Seen"]))])
        await self.account.append("INBOX", [Addition(draft)])
        draft.discard()
        mine, his = await self.inbox(), await bob.open("INBOX")
        self.case.assertEqual((len(mine.snapshot), len(his.snapshot)), (2, 1))
        await mine.expunge([Uid(1)])
        self.case.assertEqual(await self.octets(mine, Uid(2)), b"one\r\ntwo\r\n")
        self.case.assertEqual(await self.octets(his, Uid(1)), b"one\r\ntwo\r\n")
        self.case.assertEqual(his.snapshot.flags(1), {"\\Seen"})

    async def test_discard(self) -> None:
        """A draft may be thrown away at any time, more than once; then it is of no more use."""
        draft = await self.draft(HELLO)
        draft.discard()
        draft.discard()
        await self.refused(StoreError, lambda: self.account.append("INBOX", [Addition(draft)]))
        self.case.assertEqual((await self.account.status("INBOX")).messages, 0)

    async def test_same_message_twice(self) -> None:
        """The same octets may come in any number of times."""
        uids = await self.add(HELLO, HELLO)
        inbox = await self.inbox()
        await inbox.expunge(uids[:1])
        self.case.assertEqual(await self.octets(inbox, uids[1]), HELLO)

    async def test_read_columns(self) -> None:
        """Columns come in the order asked; those not asked for are empty; the gone are told."""
        uids = await self.add(b"a\n", b"bb\n", b"ccc\n", date=START - 60)
        inbox = await self.inbox()
        await inbox.expunge(uids[1:2])
        asked = [uids[2], uids[1], uids[0], Uid(99)]
        records = await inbox.read(asked, Wanted(sizes=True, dates=True, save_dates=True, facts=(LENGTH, UPPER)))
        self.case.assertEqual(list(records.uids), [uids[2], uids[0]])
        self.case.assertEqual(list(records.gone), [uids[1], 99])
        self.case.assertEqual(list(records.sizes), [5, 3])
        self.case.assertEqual(list(records.dates), [START - 60] * 2)
        self.case.assertEqual(len(records.save_dates), 2)
        self.case.assertGreaterEqual(min(records.save_dates), START)
        self.case.assertEqual([list(column) for column in records.facts], [[b"5", b"3"], [b"CCC\r\n", b"A\r\n"]])
        sizes = await inbox.read(uids[:1], Wanted(sizes=True))
        self.case.assertEqual((list(sizes.sizes), list(sizes.dates), list(sizes.save_dates)), ([3], [], []))
        self.case.assertEqual((sizes.facts, list(sizes.gone)), ((), []))

    async def test_read_nothing(self) -> None:
        """No messages, empty columns, as many as facts."""
        inbox = await self.inbox()
        records = await inbox.read([], Wanted(sizes=True, facts=(UPPER, LENGTH)))
        self.case.assertEqual((list(records.uids), list(records.sizes)), ([], []))
        self.case.assertEqual([list(column) for column in records.facts], [[], []])

    async def test_facts_are_of_their_message(self) -> None:
        """A kept fact is the same when asked again, and never that of another message."""
        uids = await self.add(b"one", b"two")
        inbox = await self.inbox()
        for asked in (uids[:1], uids, uids[::-1]):
            records = await inbox.read(asked, Wanted(facts=(UPPER,)))
            self.case.assertEqual(list(records.facts[0]), [[b"ONE", b"TWO"][uid - 1] for uid in asked])
        (body,) = await inbox.bodies(uids[1:])
        self.case.assertEqual(list(await body.facts([LENGTH, UPPER])), [b"3", b"TWO"])
        body.close()

    async def test_read_many(self) -> None:
        """Any number may be asked for; the columns stay parallel."""
        uids = await self.add(*(b"x" * size for size in range(700)))
        records = await (await self.inbox()).read(uids, Wanted(sizes=True, facts=(LENGTH,)))
        self.case.assertEqual(list(records.sizes), list(range(700)))
        self.case.assertEqual(list(records.facts[0]), [b"%d" % size for size in range(700)])

    async def test_bodies(self) -> None:
        """As many are opened as the budget allows, at least one; None stands for the gone."""
        uids = await self.add(*(b"m%d" % number for number in range(100)))
        inbox = await self.inbox()
        await inbox.expunge(uids[3:4])
        rest, seen = list(uids), []
        while rest:
            opened = await inbox.bodies(rest)
            self.case.assertTrue(0 < len(opened) <= len(rest))
            for uid, body in zip(rest, opened, strict=False):
                if body is None:
                    self.case.assertEqual(uid, uids[3])
                else:
                    self.case.assertEqual(body.uid, uid)
                    seen.append(await body.read(0, 10))
                    body.close()
                    body.close()
            rest = rest[len(opened) :]
        self.case.assertEqual(seen, [b"m%d" % number for number in range(100) if number != 3])
        self.case.assertEqual(list(await inbox.bodies([])), [])

    async def test_bodies_in_big_messages(self) -> None:
        """Big messages are opened few at a time, but at least one."""
        uids = await self.add(BIG, BIG)
        opened = await (await self.inbox()).bodies(uids)
        self.case.assertEqual([body.size for body in opened if body is not None], [len(BIG)])
        for body in opened:
            body.close()

    async def test_body_after_expunge(self) -> None:
        """A message that is expunged while it is read is read to its end, or MessageGone."""
        (uid,) = await self.add(BIG)
        inbox = await self.inbox()
        (body,) = await inbox.bodies([uid])
        await body.read(0, 10)
        await inbox.expunge([uid])
        try:
            self.case.assertEqual(await body.read(10, 10), BIG[10:20])
        except MessageGone:
            pass
        body.close()

    async def test_copy(self) -> None:
        """COPY keeps flags, keywords and internal date (RFC 3501 section 6.4.7); COPYUID's columns run parallel."""
        await self.account.create("a")
        await self.add(b"in the way", mailbox="a")
        uids = await self.add(b"one", b"two", b"three", flags=frozenset(["\\Seen", "Work"]), date=START - 99)
        inbox, here = await self.watched()
        target, there = await self.watched("a")
        copied = await inbox.copy([uids[0], uids[2]], "a", origin=self)
        self.case.assertEqual(copied.uidvalidity, target.snapshot.uidvalidity)
        self.case.assertEqual((list(copied.sources), list(copied.targets)), ([uids[0], uids[2]], [2, 3]))
        self.case.assertEqual([await self.octets(target, uid) for uid in copied.targets], [b"one", b"three"])
        self.case.assertEqual([target.snapshot.flags(uid) for uid in copied.targets], [{"\\Seen", "Work"}] * 2)
        self.case.assertEqual(await self.dates(target, copied.targets), [START - 99] * 2)
        self.case.assertEqual((there.uids(Added), here.batches), ([2, 3], []))
        self.case.assertIs(there.batches[0].origin, self)
        self.case.assertEqual(list(inbox.snapshot.uids), uids)

    async def test_copies_are_apart(self) -> None:
        """Changing or expunging one leaves the other alone."""
        await self.account.create("a")
        (uid,) = await self.add(HELLO)
        inbox, target = await self.inbox(), await self.account.open("a")
        (copy,) = (await inbox.copy([uid], "a")).targets
        await self.edit(target, [copy], FlagOp.ADD, "\\Deleted")
        self.case.assertEqual(inbox.snapshot.flags(uid), frozenset())
        await inbox.expunge([uid])
        self.case.assertEqual(await self.octets(target, copy), HELLO)

    async def test_copy_into_itself(self) -> None:
        """The target may be the same mailbox: the copies are new messages."""
        uids = await self.add(b"one", b"two", flags=frozenset(["Work"]))
        inbox, listener = await self.watched()
        copied = await inbox.copy(uids, "INBOX")
        self.case.assertEqual(list(copied.targets), [3, 4])
        self.case.assertEqual(list(inbox.snapshot.uids), [1, 2, 3, 4])
        self.case.assertEqual([await self.octets(inbox, uid) for uid in copied.targets], [b"one", b"two"])
        self.case.assertEqual(listener.uids(Added), [3, 4])
        await inbox.expunge(uids)
        self.case.assertEqual([await self.octets(inbox, uid) for uid in copied.targets], [b"one", b"two"])

    async def test_copy_refused(self) -> None:
        """A target that is missing is no reason to make one (RFC 3501 section 6.4.7)."""
        uids = await self.add()
        inbox, listener = await self.watched()
        for call in (inbox.copy, inbox.move):
            await self.refused(NoSuchMailbox, call(uids, "nope"))
        self.case.assertEqual((listener.batches, list(inbox.snapshot.uids)), ([], uids))
        self.case.assertEqual(len(await self.account.mailboxes()), 1)

    @limited(keyword_limit=1)
    async def test_copy_is_all_or_none(self) -> None:
        """If one message cannot be copied, none is (RFC 3501 section 6.4.7)."""
        await self.account.create("a")
        await self.add(flags=frozenset(["Other"]), mailbox="a")
        uids = await self.add(b"plain") + await self.add(b"marked", flags=frozenset(["Work"]))
        inbox = await self.inbox()
        for call in (inbox.copy, inbox.move):
            await self.refused(TooMany, call(uids, "a"))
            self.case.assertEqual((await self.account.status("a")).messages, 1)
            self.case.assertEqual(list(inbox.snapshot.uids), uids)

    async def test_copy_of_the_gone(self) -> None:
        """Messages that are gone are left out; if all are, nothing happens."""
        await self.account.create("a")
        uids = await self.add(b"one", b"two")
        inbox = await self.inbox()
        _, there = await self.watched("a")
        await inbox.expunge(uids[:1])
        for call in (inbox.copy, inbox.move):
            copied = await call(uids[:1], "a")
            self.case.assertEqual((list(copied.sources), list(copied.targets)), ([], []))
        self.case.assertEqual(there.batches, [])
        copied = await inbox.copy(uids, "a")
        self.case.assertEqual((list(copied.sources), list(copied.targets)), (uids[1:], [1]))

    async def test_move(self) -> None:
        """MOVE is a copy and an expunge (RFC 6851 section 3.3); others see both."""
        await self.account.create("a")
        uids = await self.add(b"one", b"two", flags=frozenset(["\\Deleted", "Work"]), date=START - 7)
        inbox, here = await self.watched()
        target, there = await self.watched("a")
        moved = await inbox.move(uids[1:], "a", origin=self)
        self.case.assertEqual((list(moved.sources), list(moved.targets)), (uids[1:], [1]))
        self.case.assertEqual((here.uids(Removed), there.uids(Added)), (uids[1:], [1]))
        self.case.assertEqual((here.batches[0].origin, there.batches[0].origin), (self, self))
        self.case.assertEqual(list(inbox.snapshot.uids), uids[:1])
        self.case.assertEqual(await self.octets(target, Uid(1)), b"two")
        self.case.assertEqual(target.snapshot.flags(1), {"\\Deleted", "Work"})
        self.case.assertEqual(await self.dates(target, [Uid(1)]), [START - 7])

    async def test_move_into_itself(self) -> None:
        """Moving to the same mailbox gives the messages new UIDs."""
        uids = await self.add(b"one", b"two", b"three")
        inbox, listener = await self.watched()
        moved = await inbox.move(uids[:2], "inbox")
        self.case.assertEqual((list(moved.sources), list(moved.targets)), ([1, 2], [4, 5]))
        self.case.assertEqual(list(inbox.snapshot.uids), [3, 4, 5])
        self.case.assertEqual([await self.octets(inbox, uid) for uid in moved.targets], [b"one", b"two"])
        self.case.assertEqual((listener.uids(Added), listener.uids(Removed)), ([4, 5], [1, 2]))

    async def test_move_and_back(self) -> None:
        """A message that returns has a new UID (RFC 3501 section 2.3.1.1)."""
        await self.account.create("a")
        (uid,) = await self.add(HELLO)
        inbox, other = await self.inbox(), await self.account.open("a")
        (there,) = (await inbox.move([uid], "a")).targets
        (back,) = (await other.move([there], "INBOX")).targets
        self.case.assertGreater(back, uid)
        self.case.assertEqual(await self.octets(inbox, back), HELLO)
        self.case.assertEqual(len(other.snapshot), 0)
