"""The contract of changing flags and expunging, and of who hears of it when."""

from __future__ import annotations

from array import array

from twisted.internet.defer import gatherResults

from mailhub.store.changes import Added, Flagged, Removed
from mailhub.store.errors import NoSuchMailbox, TooMany
from mailhub.store.model import FlagEdit, FlagOp, Uid
from tests.store.base import HELLO, START, Listener, StoreCase, limited

ADD, REMOVE, REPLACE = FlagOp.ADD, FlagOp.REMOVE, FlagOp.REPLACE


class ChangesContract(StoreCase):
    """Flags, expunges, modseqs, \\Recent, listeners."""

    async def test_open_is_shared(self) -> None:
        """All sessions share one object a mailbox."""
        mailbox, _ = await self.watched()
        self.case.assertIs(await self.inbox(), mailbox)
        self.case.assertFalse(mailbox.read_only)

    async def test_refresh(self) -> None:
        """Looking again gives the latest snapshot, and no news where there is none."""
        inbox, listener = await self.watched()
        self.case.assertIs(await inbox.refresh(), inbox.snapshot)
        await self.add()
        self.case.assertIs(await inbox.refresh(), inbox.snapshot)
        self.case.assertEqual(len(listener.batches), 1)

    async def test_snapshot_columns(self) -> None:
        """A snapshot's columns run parallel, ascending by UID."""
        await self.add(b"1", b"2", b"3", flags=frozenset(["\\Seen"]))
        inbox = await self.inbox()
        await inbox.expunge([Uid(2)])
        await self.edit(inbox, [Uid(3)], ADD, "Work")
        now = inbox.snapshot
        self.case.assertEqual(list(now.uids), [1, 3])
        self.case.assertTrue(all(isinstance(column, array) for column in (now.uids, now.flag_numbers, now.modseqs)))
        self.case.assertEqual((len(now.flag_numbers), len(now.modseqs), len(now)), (2, 2, 2))
        self.case.assertEqual([now.flags(1), now.flags(2), now.flags(3)], [{"\\Seen"}, None, {"\\Seen", "Work"}])
        self.case.assertEqual([now.index(1), now.index(2), now.index(3)], [0, None, 1])
        self.case.assertEqual(now.uidnext, 4)
        self.case.assertEqual(now.keywords, ("Work",))

    async def test_snapshots_do_not_change(self) -> None:
        """Whoever holds a snapshot sees the mailbox as it was."""
        uids = await self.add(b"1", b"2")
        inbox = await self.inbox()
        held = inbox.snapshot
        before = (held.uids[:], held.flag_numbers[:], held.modseqs[:], held.flags(1), held.keywords, held.uidnext)
        await self.edit(inbox, uids, ADD, "\\Seen", "New")
        await inbox.expunge(uids[:1])
        await self.add()
        after = (held.uids, held.flag_numbers, held.modseqs, held.flags(1), held.keywords, held.uidnext)
        self.case.assertEqual(before, after)

    async def test_add_remove_replace(self) -> None:
        """The three forms of STORE (RFC 3501 section 6.4.6)."""
        (uid,) = await self.add(flags=frozenset(["\\Seen", "Work"]))
        inbox = await self.inbox()
        for op, flags, after in (
            (ADD, {"\\Flagged", "\\Seen"}, {"\\Seen", "\\Flagged", "Work"}),
            (REMOVE, {"Work", "\\Draft"}, {"\\Seen", "\\Flagged"}),
            (REPLACE, {"\\Answered", "\\Deleted", "Home"}, {"\\Answered", "\\Deleted", "Home"}),
            (REPLACE, set(), set()),
        ):
            outcome = await self.edit(inbox, [uid], op, *flags)
            self.case.assertEqual((list(outcome.changed), list(outcome.gone)), ([uid], []))
            self.case.assertEqual(inbox.snapshot.flags(uid), after)

    async def test_outcome_names_only_what_changed(self) -> None:
        """A flag that does not change takes no modseq (law 4)."""
        uids = await self.add(b"1") + await self.add(b"2", flags=frozenset(["\\Seen"]))
        inbox, listener = await self.watched()
        before = inbox.snapshot
        outcome = await self.edit(inbox, uids, ADD, "\\Seen")
        self.case.assertEqual(list(outcome.changed), uids[:1])
        self.case.assertEqual(outcome.modseq, inbox.snapshot.modseqs[0])
        self.case.assertEqual(inbox.snapshot.modseqs[1], before.modseqs[1])
        self.case.assertEqual(listener.uids(Flagged), uids[:1])
        again = await self.edit(inbox, uids, ADD, "\\Seen")
        self.case.assertEqual((list(again.changed), again.modseq), ([], None))
        self.case.assertEqual(len(listener.batches), 1)

    async def test_one_edit_one_modseq(self) -> None:
        """All messages of one STORE share a modseq; each edit has its own, in one commit (RFC 7162 section 3.1)."""
        uids = await self.add(b"1", b"2", b"3")
        inbox, listener = await self.watched()
        first, second, third = await inbox.change(
            [
                FlagEdit(uids, ADD, frozenset(["\\Seen"])),
                FlagEdit(uids[:1], ADD, frozenset(["\\Seen"])),
                FlagEdit(uids[1:], ADD, frozenset(["\\Flagged"])),
            ]
        )
        self.case.assertEqual([list(each.changed) for each in (first, second, third)], [uids, [], uids[1:]])
        self.case.assertIsNone(second.modseq)
        self.case.assertLess(first.modseq, third.modseq)
        self.case.assertEqual(list(inbox.snapshot.modseqs), [first.modseq, third.modseq, third.modseq])
        self.case.assertEqual(inbox.snapshot.highest_modseq, third.modseq)
        (batch,) = listener.batches
        self.case.assertEqual(batch.modseq, third.modseq)
        self.case.assertEqual(sorted(set(listener.uids(Flagged))), uids)

    async def test_unchanged_since(self) -> None:
        """Messages with a later modseq are left alone and told (RFC 7162 section 3.1.3)."""
        uids = await self.add(b"1", b"2", b"3")
        inbox = await self.inbox()
        known = inbox.snapshot.highest_modseq
        await self.edit(inbox, uids[1:2], ADD, "\\Seen")
        outcome = await self.edit(inbox, uids, ADD, "\\Deleted", unchanged_since=known)
        self.case.assertEqual((list(outcome.changed), list(outcome.modified)), ([1, 3], [2]))
        self.case.assertEqual(inbox.snapshot.flags(2), {"\\Seen"})
        late = await self.edit(inbox, uids, ADD, "\\Draft", unchanged_since=0)
        self.case.assertEqual((list(late.changed), list(late.modified), late.modseq), ([], uids, None))

    async def test_change_of_the_gone(self) -> None:
        """Messages that are gone are told, the others changed (RFC 2180 section 4.2)."""
        uids = await self.add(b"1", b"2", b"3")
        inbox = await self.inbox()
        await inbox.expunge(uids[1:2])
        outcome = await self.edit(inbox, [*uids, Uid(77)], ADD, "\\Seen")
        self.case.assertEqual((list(outcome.changed), list(outcome.gone)), ([1, 3], [2, 77]))
        outcome = await self.edit(inbox, [Uid(2)], ADD, "\\Seen")
        self.case.assertEqual((list(outcome.changed), list(outcome.gone), outcome.modseq), ([], [2], None))

    async def test_keywords_compare_without_case(self) -> None:
        """A keyword is spelled as it first was in its mailbox (RFC 3501 section 2.3.2)."""
        (uid,) = await self.add(flags=frozenset(["ToDo"]))
        inbox, listener = await self.watched()
        outcome = await self.edit(inbox, [uid], ADD, "TODO")
        self.case.assertEqual(list(outcome.changed), [])
        await self.edit(inbox, [uid], REPLACE, "todo", "$Junk", "\\Seen")
        self.case.assertEqual(inbox.snapshot.flags(uid), {"ToDo", "$Junk", "\\Seen"})
        self.case.assertEqual(inbox.snapshot.keywords, ("ToDo", "$Junk"))
        await self.edit(inbox, [uid], REMOVE, "tOdO", "never")
        self.case.assertEqual(inbox.snapshot.flags(uid), {"$Junk", "\\Seen"})
        self.case.assertEqual(inbox.snapshot.keywords, ("ToDo", "$Junk"), "a keyword stays known; removing makes none")
        self.case.assertEqual(listener.batches[-1].snapshot.keywords, ("ToDo", "$Junk"))

    @limited(keyword_limit=2)
    async def test_too_many_keywords(self) -> None:
        """At the limit no keyword can be made, and a refused STORE changes nothing."""
        uids = await self.add(b"1", b"2")
        inbox, listener = await self.watched()
        self.case.assertTrue(inbox.snapshot.more_keywords)
        await self.refused(TooMany, self.edit(inbox, uids, ADD, "\\Seen", "a", "b", "c"))
        edits = [FlagEdit(uids, ADD, frozenset([keyword])) for keyword in ("x", "y", "z")]
        await self.refused(TooMany, inbox.change(edits))
        self.case.assertEqual((listener.batches, inbox.snapshot.flags(1)), ([], frozenset()))
        await self.edit(inbox, uids, ADD, "one", "Two")
        self.case.assertFalse(inbox.snapshot.more_keywords)
        outcome = await self.edit(inbox, uids, REPLACE, "TWO", "\\Seen")
        self.case.assertEqual(list(outcome.changed), uids)

    async def test_expunge(self) -> None:
        """Messages go, whatever their flags; UIDs stay taken (RFC 3501 sections 6.4.3 and 2.3.1.1)."""
        uids = await self.add(b"1", b"2", b"3")
        inbox, listener = await self.watched()
        before = inbox.snapshot
        self.case.assertEqual(list(await inbox.expunge([uids[1], uids[2], Uid(50)], origin=self)), uids[1:])
        self.case.assertEqual(list(inbox.snapshot.uids), uids[:1])
        self.case.assertEqual(inbox.snapshot.uidnext, before.uidnext)
        self.case.assertGreater(inbox.snapshot.highest_modseq, before.highest_modseq)
        self.case.assertEqual((listener.uids(Removed), listener.batches[0].origin), (uids[1:], self))
        self.case.assertEqual(await self.add(), [4])

    async def test_expunge_nothing(self) -> None:
        """What is not there cannot go, and nobody hears of it."""
        inbox, listener = await self.watched()
        (uid,) = await self.add()
        await inbox.expunge([uid])
        self.case.assertEqual(len(listener.batches), 2)
        self.case.assertEqual(list(await inbox.expunge([uid])), [])
        self.case.assertEqual(list(await inbox.expunge([])), [])
        self.case.assertEqual(len(listener.batches), 2)

    async def test_two_sessions_expunge(self) -> None:
        """Each message is removed by one of them."""
        uids = await self.add(b"1", b"2", b"3")
        inbox, listener = await self.watched()
        first, second = await gatherResults([inbox.expunge(uids[:2]), inbox.expunge(uids[1:])])
        self.case.assertEqual(sorted([*first, *second]), uids)
        self.case.assertEqual(sorted(listener.uids(Removed)), uids)

    async def test_recent_goes_to_one(self) -> None:
        """Each message is \\Recent in exactly one session (RFC 3501 section 2.3.2)."""
        await self.add(b"1", b"2")
        inbox = await self.inbox()
        self.case.assertEqual(inbox.snapshot.recent_from, 1)
        self.case.assertEqual((await self.account.status("INBOX")).recent, 2)
        first, second = await gatherResults([inbox.claim_recent(Uid(3)), inbox.claim_recent(Uid(3))])
        self.case.assertEqual(sorted([first, second]), [1, 3])
        self.case.assertEqual(inbox.snapshot.recent_from, 3)
        self.case.assertEqual((await self.account.status("INBOX")).recent, 0)
        await self.add(b"3", b"4")
        self.case.assertEqual((await self.account.status("INBOX")).recent, 2)
        self.case.assertEqual(await inbox.claim_recent(Uid(4)), 3)
        self.case.assertEqual(await inbox.claim_recent(Uid(3)), 3)
        self.case.assertEqual(await inbox.claim_recent(Uid(5)), 4)

    async def test_claiming_recent_is_no_change(self) -> None:
        """Messages, flags and modseqs stay as they are, and can be read afterwards."""
        (uid,) = await self.add(flags=frozenset(["\\Seen"]))
        inbox, listener = await self.watched()
        before = inbox.snapshot
        await inbox.claim_recent(inbox.snapshot.uidnext)
        self.case.assertEqual(listener.batches, [])
        self.case.assertEqual(inbox.snapshot.highest_modseq, before.highest_modseq)
        self.case.assertEqual(await self.octets(inbox, uid), HELLO)
        outcome = await self.edit(inbox, [uid], REMOVE, "\\Seen")
        self.case.assertEqual(list(outcome.changed), [uid])

    async def test_modseq_never_goes_back(self) -> None:
        """Every commit has a higher modseq, at least the time in microseconds (law 4, RFC 7162)."""
        await self.account.create("a")
        inbox, listener = await self.watched()
        self.case.assertGreaterEqual(inbox.snapshot.highest_modseq, START * 1_000_000)
        start = inbox.snapshot.highest_modseq
        for _ in range(3):
            uids = await self.add(b"1", b"2", b"3")
            await self.edit(inbox, uids, ADD, "\\Seen")
            await inbox.move(uids[:1], "a")
            await inbox.copy(uids[1:2], "INBOX")
            await inbox.expunge(uids[1:2])
            self.clock.advance(0.5)
        modseqs = [batch.modseq for batch in listener.batches]
        self.case.assertEqual(len(modseqs), 15)
        self.case.assertEqual(sorted(set(modseqs)), modseqs)
        self.case.assertGreater(modseqs[0], start)
        for batch in listener.batches:
            self.case.assertEqual(batch.snapshot.highest_modseq, batch.modseq)
            self.case.assertLessEqual(max(batch.snapshot.modseqs), batch.modseq)
        self.case.assertEqual((await self.account.status("INBOX")).highest_modseq, modseqs[-1])

    async def test_published_before_fired(self) -> None:
        """Listeners have heard of a write when its Deferred fires (law 1)."""
        await self.account.create("a")
        inbox, here = await self.watched()
        target, there = await self.watched("a")
        heard: list[tuple[str, int, int]] = []
        uids = await self.add(b"1", b"2", b"3", b"4")
        for name, made in (
            ("change", lambda: inbox.change([FlagEdit(uids, ADD, frozenset(["\\Seen"]))])),
            ("copy", lambda: inbox.copy(uids[:1], "a")),
            ("move", lambda: inbox.move(uids[:1], "a")),
            ("expunge", lambda: inbox.expunge(uids[1:2])),
        ):

            def note(result: object, name: str = name) -> object:
                heard.append((name, len(here.batches), len(there.batches)))
                return result

            await made().addCallback(note)
        self.case.assertEqual(heard, [("change", 2, 0), ("copy", 2, 1), ("move", 3, 2), ("expunge", 4, 2)])
        self.case.assertIs(here.batches[-1].snapshot, inbox.snapshot)
        self.case.assertIs(there.batches[-1].snapshot, target.snapshot)

    async def test_order_without_waiting(self) -> None:
        """Writes that are not waited for happen, and are told, in the order in which they were asked."""
        uids = await self.add(b"1", b"2")
        inbox, listener = await self.watched()
        fired: list[int] = []
        deferreds = [
            inbox.change([FlagEdit(uids, ADD, frozenset([f"k{number}"]))]).addCallback(
                lambda _, number=number: fired.append(number)
            )
            for number in range(5)
        ]
        await gatherResults(deferreds)
        self.case.assertEqual(fired, [0, 1, 2, 3, 4])
        self.case.assertEqual(
            [batch.snapshot.flags(1) for batch in listener.batches],
            [{f"k{number}" for number in range(count)} for count in range(1, 6)],
        )

    async def test_cancel_does_not_undo(self) -> None:
        """A client that goes away does not take its write with it (law 5)."""
        (uid,) = await self.add()
        inbox, listener = await self.watched()
        waiting = inbox.change([FlagEdit([uid], ADD, frozenset(["\\Seen"]))])
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        await self.edit(inbox, [uid], ADD, "\\Flagged")
        self.case.assertEqual(inbox.snapshot.flags(uid), {"\\Seen", "\\Flagged"})
        self.case.assertEqual(len(listener.batches), 2)

    async def test_all_listeners_hear_the_same(self) -> None:
        """Two sessions on one mailbox get the same batches in the same order."""
        inbox, first = await self.watched()
        _, second = await self.watched()
        uids = await self.add(b"1", b"2")
        await self.edit(inbox, uids, ADD, "\\Seen")
        await inbox.expunge(uids)
        self.case.assertEqual(len(first.batches), 3)
        self.case.assertEqual(first.batches, second.batches)

    async def test_unsubscribe(self) -> None:
        """Who unsubscribes hears no more, also in the middle of a fan-out."""
        inbox, kept = await self.watched()

        class Leaver(Listener):
            def mailboxChanged(self, batch: object) -> None:
                super().mailboxChanged(batch)  # type: ignore[arg-type]
                inbox.unsubscribe(self)
                inbox.unsubscribe(later)

        leaver, later = Leaver(), Listener()
        inbox.subscribe(leaver)
        inbox.subscribe(later)
        await self.add()
        await self.add()
        inbox.unsubscribe(later)
        self.case.assertEqual([len(each.batches) for each in (kept, leaver, later)], [2, 1, 0])

    async def test_failing_listener(self) -> None:
        """A listener that raises is logged and unsubscribed; the others and the write go on."""
        inbox, before = await self.watched()

        class Broken(Listener):
            def mailboxChanged(self, batch: object) -> None:
                super().mailboxChanged(batch)  # type: ignore[arg-type]
                raise ZeroDivisionError

        broken = Broken()
        inbox.subscribe(broken)
        _, after = await self.watched()
        await self.add()
        await self.add()
        self.case.assertEqual(len(self.case.flushLoggedErrors(ZeroDivisionError)), 1)
        self.case.assertEqual([len(each.batches) for each in (before, broken, after)], [2, 1, 2])

    async def test_derived(self) -> None:
        """What readers derive from content stays over flag changes and goes when messages come or go."""
        uids = await self.add(b"1", b"2")
        inbox = await self.inbox()
        derived = inbox.snapshot.derived
        derived["sorted"] = True
        await self.edit(inbox, uids, ADD, "\\Seen")
        self.case.assertIs(inbox.snapshot.derived, derived)
        await self.add()
        self.case.assertEqual(inbox.snapshot.derived, {})
        inbox.snapshot.derived["sorted"] = True
        await inbox.expunge(uids)
        self.case.assertEqual(inbox.snapshot.derived, {})

    async def test_changes_reach_other_sessions_of_the_account(self) -> None:
        """What one session appends, copies and flags, another that has the mailbox open sees, in one snapshot."""
        other = await self.open_account()
        theirs = await other.open("INBOX")
        listener = Listener()
        theirs.subscribe(listener)
        (uid,) = await self.add(flags=frozenset(["\\Seen"]))
        mine = await self.inbox()
        await mine.copy([uid], "INBOX")
        await self.edit(mine, [uid], REMOVE, "\\Seen")
        self.case.assertEqual(listener.uids(Added), [1, 2])
        self.case.assertEqual(listener.uids(Flagged), [1])
        self.case.assertEqual(theirs.snapshot.flags(1), frozenset())
        self.case.assertEqual(theirs.snapshot.flags(2), {"\\Seen"})
        theirs.unsubscribe(listener)

    async def test_failed_append_tells_nobody(self) -> None:
        """What did not happen is not told."""
        _, listener = await self.watched()
        before = await self.account.status("INBOX")
        await self.refused(NoSuchMailbox, self.account.append("nope", []))
        self.case.assertEqual(listener.batches, [])
        self.case.assertEqual(await self.account.status("INBOX"), before)
