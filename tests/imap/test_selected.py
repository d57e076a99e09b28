"""The client's numbers over snapshots: one table of what it is told, without a server."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.imap import selected as selected_module
from mailhub.imap.selected import BadNumbers, Selected
from mailhub.store import snapshots
from mailhub.store.changes import Added, ChangeBatch, Flagged, Removed
from mailhub.store.model import FlagEdit, FlagOp, MailboxId, ModSeq, Snapshot, Uid
from mailhub.wire.imap.types import STAR, NumberSet


class Box:
    """A mailbox that only has flags, and the views on it."""

    def __init__(self, count: int) -> None:
        self.table = snapshots.FlagTable(100)
        self.modseq = 1
        self.now = snapshots.first(MailboxId("0" * 32), 1, self.table, ModSeq(1))
        self.views: list[Selected] = []
        if count:
            self.add(count)

    def view(self) -> Selected:
        view = Selected(self.now, "INBOX", False, lambda: None)
        view.add_recent(self.now.uidnext, self.now.uidnext)
        self.views.append(view)
        return view

    def _publish(self, now: Snapshot, change: Added | Flagged | Removed, origin: object) -> None:
        self.now = now
        for view in self.views:
            view.mailboxChanged(ChangeBatch(now, (change,), ModSeq(self.modseq), origin))

    def add(self, count: int, origin: object = None) -> None:
        self.modseq += 1
        uids = [Uid(uid) for uid in range(self.now.uidnext, self.now.uidnext + count)]
        self._publish(snapshots.with_added(self.now, self.table, uids, [0] * count, self.modseq), Added(uids), origin)

    def remove(self, *numbers: int, origin: object = None) -> None:
        self.modseq += 1
        uids = [Uid(uid) for uid in numbers]
        self._publish(snapshots.with_removed(self.now, uids, self.modseq), Removed(uids), origin)

    def flag(self, uids: Sequence[int], *flags: str, origin: object = None) -> None:
        self.modseq += 1
        edit = FlagEdit([Uid(uid) for uid in uids], FlagOp.REPLACE, frozenset(flags))
        plan = snapshots.plan_edits(self.now, self.table, [edit], lambda _: self.modseq)
        now = snapshots.with_flags(self.now, self.table, plan.uids, plan.numbers, plan.modseqs)
        self._publish(now, Flagged(plan.uids), origin)


def told(view: Selected, expunge: bool = True) -> list[str]:
    """What flush() says, as lines."""
    return view.flush(expunge).decode().split("\r\n")[:-1]


class FlushTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """Nothing happened, nothing is said."""
        self.assertEqual(told(Box(3).view()), [])

    def test_expunge_is_held(self) -> None:
        """EXPUNGE is not sent while it is not allowed, and the numbers stay (RFC 3501 section 7.4.1)."""
        box = Box(3)
        view = box.view()
        box.remove(1, 3)
        self.assertEqual(told(view, False), [])
        self.assertEqual(view.resolve(NumberSet(((3, 3),)), False).uids[0], 3)
        self.assertEqual(told(view), ["* 3 EXPUNGE", "* 1 EXPUNGE"])
        self.assertEqual(list(view.uids), [2])

    def test_exists_while_expunge_is_held(self) -> None:
        """New messages get numbers behind the held ones (RFC 3501 section 7.3.1)."""
        box = Box(2)
        view = box.view()
        box.remove(1)
        box.add(1)
        self.assertEqual(told(view, False), ["* 3 EXISTS"])
        self.assertEqual(list(view.uids), [1, 2, 3])
        self.assertEqual(told(view), ["* 1 EXPUNGE"])
        self.assertEqual(list(view.uids), [2, 3])

    def test_came_and_went(self) -> None:
        """A message that comes and goes between two flushes was never there: no EXISTS overtakes its EXPUNGE."""
        box = Box(1)
        view = box.view()
        box.add(1)
        box.remove(2)
        self.assertEqual(told(view), [])
        box.add(1)
        self.assertEqual(told(view), ["* 2 EXISTS"])
        self.assertEqual(list(view.uids), [1, 3])

    def test_expunge_before_fetch_before_exists(self) -> None:
        """Flags are told with the numbers that hold after the EXPUNGE, and EXISTS comes last."""
        box = Box(3)
        view = box.view()
        box.flag([3], "\\Seen")
        box.remove(1)
        box.add(2)
        self.assertEqual(told(view), ["* 1 EXPUNGE", "* 2 FETCH (FLAGS (\\Seen))", "* 4 EXISTS"])

    def test_own_changes_are_not_echoed(self) -> None:
        """What the session did itself it answers itself; others are told (RFC 3501 section 6.4.6)."""
        box = Box(1)
        one, other = box.view(), box.view()
        box.flag([1], "\\Flagged", origin=one)
        self.assertEqual(told(one), [])
        self.assertEqual(told(other), ["* 1 FETCH (FLAGS (\\Flagged))"])

    def test_new_keyword(self) -> None:
        """FLAGS and PERMANENTFLAGS come before a keyword the client does not know (RFC 3501 section 7.2.6)."""
        box = Box(1)
        view = box.view()
        box.flag([1], "work")
        said = told(view)
        self.assertEqual(said[0], "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)")
        self.assertTrue(said[1].startswith("* OK [PERMANENTFLAGS ("))
        self.assertEqual(said[2], "* 1 FETCH (FLAGS (work))")

    def test_flags_of_a_ghost(self) -> None:
        """An expunged message that still has its number shows the flags it had."""
        box = Box(2)
        view = box.view()
        box.flag([1], "\\Deleted")
        box.remove(1)
        self.assertEqual(view.flag_column(view.resolve(NumberSet(((1, 2),)), False)), [b"\\Deleted", b""])

    def test_overflow(self) -> None:
        """Many changed messages are found again by their modseqs."""
        self.patch(selected_module, "FLAGGED_LIMIT", 3)
        box = Box(10)
        view = box.view()
        box.flag([2, 3], "\\Seen")
        box.flag([5, 7], "\\Draft")
        box.flag([2], "\\Flagged")
        self.assertEqual(
            told(view),
            [
                "* 2 FETCH (FLAGS (\\Flagged))",
                "* 3 FETCH (FLAGS (\\Seen))",
                "* 5 FETCH (FLAGS (\\Draft))",
                "* 7 FETCH (FLAGS (\\Draft))",
            ],
        )
        self.assertEqual(told(view), [])

    def test_recent(self) -> None:
        """RECENT is told when the count changes."""
        box = Box(1)
        view = box.view()
        box.add(2)
        view.add_recent(2, 4)
        self.assertEqual(told(view), ["* 3 EXISTS", "* 2 RECENT"])
        self.assertEqual(
            view.flag_column(view.resolve(NumberSet(((1, STAR),)), False)), [b"", b"\\Recent", b"\\Recent"]
        )
        box.remove(3)
        self.assertEqual(told(view), ["* 3 EXPUNGE", "* 1 RECENT"])


class ResolveTests(SynchronousTestCase):
    def resolve(
        self, count: int, *ranges: tuple[int, int], uid: bool = False, removed: Sequence[int] = ()
    ) -> list[int]:
        box = Box(count)
        if removed:
            box.remove(*removed)
        return list(box.view().resolve(NumberSet(ranges), uid).numbers)

    def test_numbers(self) -> None:
        """Order and overlaps do not matter; "*" is the last (RFC 3501 section 9, sequence-set)."""
        self.assertEqual(self.resolve(5, (STAR, STAR)), [5])
        self.assertEqual(self.resolve(5, (4, 2), (3, 3), (1, 1)), [1, 2, 3, 4])
        self.assertEqual(self.resolve(5, (STAR, 4)), [4, 5])

    def test_bad_numbers(self) -> None:
        """A number beyond the mailbox is BAD, as in Dovecot."""
        for ranges in ((6, 6), (5, 6), (1, 4294967295)):
            self.assertRaises(BadNumbers, self.resolve, 5, ranges)
        self.assertRaises(BadNumbers, self.resolve, 0, (1, STAR))

    def test_uids(self) -> None:
        """UIDs that are not there are passed over (RFC 3501 section 6.4.8); "n:*" always has the last."""
        self.assertEqual(self.resolve(5, (2, 4), uid=True, removed=[3]), [2, 3])
        self.assertEqual(self.resolve(5, (99, STAR), uid=True), [5])
        self.assertEqual(self.resolve(5, (99, 100), uid=True), [])
        self.assertEqual(self.resolve(0, (1, 4294967295), uid=True), [])
        self.assertEqual(self.resolve(0, (STAR, STAR), uid=True), [])


class ModelTests(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("add"), st.integers(1, 3)),
                st.tuples(st.just("remove"), st.integers(0, 30)),
                st.tuples(st.just("flush"), st.booleans()),
            ),
            max_size=30,
        )
    )
    def test_client_that_counts(self, steps: list[tuple[str, int]]) -> None:
        """A client that only follows EXPUNGE and EXISTS ends with the mailbox (RFC 3501 section 7.4.1)."""
        box = Box(3)
        view = box.view()
        client: list[int | None] = [1, 2, 3]
        for what, value in [*steps, ("flush", 1)]:
            if what == "add":
                box.add(value)
            elif what == "remove" and len(box.now):
                box.remove(box.now.uids[value % len(box.now)])
            elif what == "flush":
                for line in told(view, bool(value)):
                    number = int(line.split()[1])
                    if line.endswith("EXPUNGE"):
                        self.assertTrue(value)
                        del client[number - 1]
                    else:
                        self.assertGreater(number, len(client))
                        client += [None] * (number - len(client))
                self.assertEqual(len(client), len(view))
                for at, uid in enumerate(view.uids):
                    self.assertIn(client[at], (None, uid))
                    client[at] = uid
        self.assertEqual(client, list(box.now.uids))
        self.assertIs(view.uids, box.now.uids)
