"""Building snapshots: against the same done message by message."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.store import snapshots
from mailhub.store.changes import Added, Flagged, MailboxChange, Removed
from mailhub.store.errors import TooMany
from mailhub.store.model import SYSTEM_FLAGS, FlagEdit, FlagOp, MailboxId, ModSeq, Snapshot
from mailhub.store.snapshots import FlagTable, diff, plan_edits, with_added, with_flags, with_recent, with_removed

FLAGS = ("\\Seen", "\\Flagged", "Work", "home")
flag_sets = st.frozensets(st.sampled_from(FLAGS))
uid_lists = st.frozensets(st.integers(1, 45)).map(sorted)


def mailbox(*flags: frozenset[str], modseq: int = 10) -> tuple[Snapshot, FlagTable]:
    """Return a snapshot with messages 1, 2, ... that have these flags."""
    table = FlagTable(100, FLAGS[2:])
    empty = snapshots.first(MailboxId("0" * 32), 7, table, ModSeq(5))
    return with_added(empty, table, range(1, len(flags) + 1), [table.number(each) for each in flags], modseq), table


def as_dict(snapshot: Snapshot) -> dict[int, tuple[frozenset[str], int]]:
    """Return UID -> flags and modseq."""
    rows = zip(snapshot.uids, snapshot.flag_numbers, snapshot.modseqs, strict=True)
    return {uid: (snapshot.flag_sets[number], modseq) for uid, number, modseq in rows}


class FlagTableTests(SynchronousTestCase):
    def test_spelling(self) -> None:
        """Keywords compare without case and keep their first spelling; \\Recent is never kept (RFC 3501 2.3.2)."""
        table = FlagTable(5, ["ToDo"])
        table.learn(["TODO", "New", "\\Seen"])
        self.assertEqual(table.keywords, ("ToDo", "New"))
        self.assertEqual(
            table.spell(["todo", "NEW", "\\SEEN", "\\Recent", "unknown"]), frozenset(["ToDo", "New", "\\Seen"])
        )

    def test_limit(self) -> None:
        """All keywords are learned or none; those known already take no room."""
        table = FlagTable(2)
        with self.assertRaises(TooMany):
            table.learn(["a", "b", "c"])
        self.assertEqual(table.keywords, ())
        table.learn(["a", "A", *SYSTEM_FLAGS])
        self.assertFalse(table.full)
        table.learn(["a", "b"])
        self.assertTrue(table.full)
        table.learn(["B"])

    def test_numbers_stay(self) -> None:
        """A set of flags has one number for good; 0 is no flags."""
        table = FlagTable(2)
        seen = frozenset(["\\Seen"])
        self.assertEqual((table.number(frozenset()), table.number(seen), table.number(seen)), (0, 1, 1))
        self.assertEqual(table.sets, [frozenset(), seen])


class SnapshotTests(SynchronousTestCase):
    def test_next_modseq(self) -> None:
        """The modseq is the time in microseconds, or one more than the last (law 4)."""
        self.assertEqual(snapshots.next_modseq(5, 2.5), 2_500_000)
        self.assertEqual(snapshots.next_modseq(2_500_000, 2.5), 2_500_001)

    def test_shared_columns(self) -> None:
        """A flag change shares UIDs and what was derived; neither input changes."""
        last, table = mailbox(frozenset(), frozenset())
        held = as_dict(last)
        now = with_flags(last, table, [2], [table.number(frozenset(["\\Seen"]))], 20)
        self.assertIs(now.uids, last.uids)
        self.assertIs(now.derived, last.derived)
        self.assertIs(now.flag_sets, last.flag_sets)
        self.assertEqual(as_dict(last), held)
        self.assertEqual(as_dict(now), {1: held[1], 2: (frozenset(["\\Seen"]), 20)})
        self.assertEqual((now.highest_modseq, last.highest_modseq), (20, 10))

    def test_added(self) -> None:
        """Messages are added at the end; uidnext may be further on."""
        last, table = mailbox(frozenset())
        now = with_added(last, table, [4, 9], [0, 0], [11, 12], uidnext=20)
        self.assertEqual(list(now.uids), [1, 4, 9])
        self.assertEqual(list(now.modseqs), [10, 11, 12])
        self.assertEqual((now.uidnext, now.highest_modseq, now.recent_from), (20, 12, 1))
        self.assertEqual(with_added(now, table, [], [], 30, uidnext=25).uidnext, 25)
        self.assertIsNot(now.derived, last.derived)

    def test_recent(self) -> None:
        """Claiming \\Recent moves one number and nothing else."""
        last, _ = mailbox(frozenset())
        now = with_recent(last, 2)
        self.assertEqual((now.recent_from, now.uids, now.derived), (2, last.uids, last.derived))

    def test_flags_of_the_gone(self) -> None:
        """UIDs that are not there are passed over, with their columns."""
        last, table = mailbox(frozenset(), frozenset(), frozenset())
        seen, work = table.number(frozenset(["\\Seen"])), table.number(frozenset(["Work"]))
        now = with_flags(with_removed(last, [2], 11), table, [1, 2, 3], [seen, 0, work], [20, 21, 22])
        self.assertEqual(as_dict(now), {1: (frozenset(["\\Seen"]), 20), 3: (frozenset(["Work"]), 22)})

    @given(st.lists(flag_sets, max_size=40), uid_lists)
    def test_removed(self, flags: list[frozenset[str]], uids: list[int]) -> None:
        """Removing takes just those out, whether few or many, adjacent or not."""
        last, _ = mailbox(*flags)
        kept = {uid: row for uid, row in as_dict(last).items() if uid not in uids}
        for runs in (0, 1024):
            self.patch(snapshots, "_RUNS", runs)
            now = with_removed(last, uids, 11)
            self.assertEqual(as_dict(now), kept)
            self.assertEqual((now.uidnext, now.uids.typecode), (last.uidnext, last.uids.typecode))

    @given(st.integers(0, 60), uid_lists, uid_lists)
    def test_positions(self, count: int, removed: list[int], uids: list[int]) -> None:
        """Positions are found for those that are there, also for long runs of them."""
        last = with_removed(mailbox(*[frozenset[str]()] * count)[0], removed, 11)
        here = list(last.uids)
        for asked in (uids, here, here[3:], here[:-3], here[2:20], array("I", here), range(1, count + 1)):
            places, gone = snapshots.positions(last, asked)
            self.assertEqual([here[place] for place in places], [uid for uid in asked if uid in here])
            self.assertEqual(list(gone), [uid for uid in asked if uid not in here])

    def test_adjacent_positions_are_a_range(self) -> None:
        """A run costs no list, so that STORE 1:* is done by slices."""
        last, _ = mailbox(*[frozenset[str]()] * 100)
        self.assertEqual(snapshots.positions(last, range(11, 91))[0], range(10, 90))


class PlanTests(SynchronousTestCase):
    @given(
        st.lists(flag_sets, max_size=40),
        st.lists(
            st.tuples(uid_lists, st.sampled_from(FlagOp), flag_sets, st.one_of(st.none(), st.integers(9, 13))),
            max_size=4,
        ),
        st.booleans(),
    )
    @hypothesis_settings(max_examples=200)
    def test_as_message_by_message(
        self,
        flags: list[frozenset[str]],
        edits: list[tuple[list[int], FlagOp, frozenset[str], int | None]],
        whole: bool,
    ) -> None:
        """A plan does to columns what the edits, one after the other, do to each message."""
        last, table = mailbox(*flags)
        made = [
            FlagEdit(list(range(1, len(flags) + 1)) if whole else uids, op, names, since and ModSeq(since))
            for uids, op, names, since in edits
        ]
        model, highest = as_dict(last), last.highest_modseq
        outcomes = []
        for edit in made:
            here = [uid for uid in edit.uids if uid in model]
            modified = [uid for uid in here if edit.unchanged_since and model[uid][1] > edit.unchanged_since]
            after = {
                uid: {
                    FlagOp.ADD: model[uid][0] | edit.flags,
                    FlagOp.REMOVE: model[uid][0] - edit.flags,
                    FlagOp.REPLACE: edit.flags,
                }[edit.op]
                for uid in here
                if uid not in modified
            }
            changed = [uid for uid, new in after.items() if new != model[uid][0]]
            if changed:
                highest = ModSeq(highest + 1)
            model.update({uid: (after[uid], highest) for uid in changed})
            outcomes.append(
                (changed, modified, [uid for uid in edit.uids if uid not in here], highest if changed else None)
            )
        plan = plan_edits(last, table, made, lambda modseq: modseq + 1)
        self.assertEqual(
            [(list(each.changed), list(each.modified), list(each.gone), each.modseq) for each in plan.outcomes],
            outcomes,
        )
        held = as_dict(last)
        now = with_flags(last, table, plan.uids, plan.numbers, plan.modseqs)
        self.assertEqual(as_dict(now), model)
        self.assertEqual(as_dict(last), held)
        self.assertEqual(now.highest_modseq, highest)
        self.assertEqual(list(plan.uids), sorted({uid for each in plan.outcomes for uid in each.changed}))

    def test_too_many_combinations(self) -> None:
        """A client cannot make sets of keywords without end (law 8); system flags go on."""
        last, table = mailbox(frozenset(), frozenset())
        self.patch(snapshots, "ROOM", 3)
        combinations = [frozenset(["Work"]), frozenset(["home"]), frozenset(["Work", "home"])]
        for flags in combinations:
            plan_edits(last, table, [FlagEdit([1], FlagOp.REPLACE, flags)], lambda modseq: modseq + 1)
        for op in FlagOp:
            with self.assertRaises(TooMany):
                plan_edits(last, table, [FlagEdit([1], op, frozenset(["Work"]))], lambda modseq: modseq + 1)
        plan = plan_edits(last, table, [FlagEdit([1], FlagOp.ADD, frozenset(["\\Deleted"]))], lambda modseq: modseq + 1)
        self.assertEqual(list(plan.uids), [1])

    def test_new_keywords(self) -> None:
        """The table learns keywords that are set, none that are removed, and none when there are too many."""
        last, _ = mailbox(frozenset())
        table = FlagTable(1)
        with self.assertRaises(TooMany):
            plan_edits(
                last, table, [FlagEdit([1], FlagOp.ADD, frozenset([name])) for name in "ab"], lambda modseq: modseq + 1
            )
        plan = plan_edits(last, table, [FlagEdit([1], FlagOp.REMOVE, frozenset(["x"]))], lambda modseq: modseq + 1)
        self.assertEqual((table.keywords, list(plan.uids)), ((), []))
        plan = plan_edits(last, table, [FlagEdit([1], FlagOp.ADD, frozenset(["x"]))], lambda modseq: modseq + 1)
        now = with_flags(last, table, plan.uids, plan.numbers, plan.modseqs)
        self.assertEqual((now.keywords, now.more_keywords), (("x",), False))


class DiffTests(SynchronousTestCase):
    def told(self, changes: tuple[MailboxChange, ...]) -> list[tuple[type, list[int]]]:
        return [(type(change), list(change.uids)) for change in changes]

    def test_nothing(self) -> None:
        """Two equal snapshots have no difference, whether they share arrays or not."""
        last, _ = mailbox(frozenset(), frozenset(["\\Seen"]))
        other, _ = mailbox(frozenset(), frozenset(["\\Seen"]))
        self.assertEqual(diff(last, last), ())
        self.assertEqual(diff(last, other), ())

    def test_each_kind(self) -> None:
        """Removed, Flagged and Added come in this order, each with its messages."""
        last, table = mailbox(*[frozenset[str]()] * 5)
        flagged = with_flags(last, table, [1, 4], [table.number(frozenset(["Work"]))] * 2, 20)
        removed = with_removed(flagged, [2, 4], 21)
        added = with_added(removed, table, [6, 8], [0, 0], 22)
        self.assertEqual(self.told(diff(last, flagged)), [(Flagged, [1, 4])])
        self.assertEqual(self.told(diff(flagged, removed)), [(Removed, [2, 4])])
        self.assertEqual(self.told(diff(removed, added)), [(Added, [6, 8])])
        self.assertEqual(self.told(diff(last, added)), [(Removed, [2, 4]), (Flagged, [1]), (Added, [6, 8])])

    def test_flags_that_came_back(self) -> None:
        """A message whose modseq moved on is told, though its flags are as they were (RFC 7162)."""
        last, table = mailbox(frozenset(), frozenset())
        self.assertEqual(self.told(diff(last, with_flags(last, table, [2], [0], 20))), [(Flagged, [2])])

    def test_other_flag_table(self) -> None:
        """Snapshots of another table, after a restart, are compared by flags."""
        last, _ = mailbox(frozenset(["\\Seen"]), frozenset(["Work"]), frozenset())
        again, _ = mailbox(frozenset(["Work"]), frozenset(["Work"]), frozenset(["home", "Work"]))
        self.assertEqual(self.told(diff(last, again)), [(Flagged, [1, 3])])

    @given(st.lists(flag_sets, max_size=30), uid_lists, uid_lists, st.lists(flag_sets, max_size=3))
    def test_any(
        self, flags: list[frozenset[str]], removed: list[int], seen: list[int], added: list[frozenset[str]]
    ) -> None:
        """The difference is that of the two, message by message."""
        last, table = mailbox(*flags)
        plan = plan_edits(last, table, [FlagEdit(seen, FlagOp.ADD, frozenset(["\\Seen"]))], lambda modseq: modseq + 1)
        now = with_removed(with_flags(last, table, plan.uids, plan.numbers, plan.modseqs), removed, 30)
        now = with_added(
            now, table, range(len(flags) + 1, len(flags) + len(added) + 1), [table.number(each) for each in added], 31
        )
        before, after = as_dict(last), as_dict(now)
        expected = [
            (Removed, [uid for uid in before if uid not in after]),
            (Flagged, [uid for uid in before if uid in after and before[uid] != after[uid]]),
            (Added, [uid for uid in after if uid not in before]),
        ]
        self.assertEqual(self.told(diff(last, now)), [each for each in expected if each[1]])


class StatusTests(SynchronousTestCase):
    def test_counts(self) -> None:
        """STATUS counts by sets of flags, few or many (RFC 3501 section 6.3.10)."""
        last, table = mailbox(frozenset(["\\Seen"]), frozenset(["\\Deleted", "Work"]), frozenset())
        status = snapshots.status(with_recent(last, 3), 99)
        self.assertEqual((status.messages, status.unseen, status.deleted, status.recent, status.size), (3, 2, 1, 1, 99))
        self.assertEqual((status.uidnext, status.uidvalidity, status.highest_modseq), (4, 7, 10))
        table.learn(f"k{number}" for number in range(20))
        sets = [frozenset(["\\Seen", f"k{number}"]) for number in range(20)]
        more = with_added(last, table, range(4, 24), [table.number(each) for each in sets], 11)
        self.assertEqual(snapshots.count(more, "\\Seen"), 21)
        self.assertEqual(snapshots.count(more, "K3"), 1)
        self.assertEqual(snapshots.count(more, "never"), 0)
