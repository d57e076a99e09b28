"""Evaluating queries: against message by message, and what is read and when for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from mailhub.message.message import Message
from mailhub.store import searching
from mailhub.store.errors import Unavailable
from mailhub.store.model import Records, Snapshot, Uid, Wanted
from mailhub.store.query import (
    All,
    And,
    BodyContains,
    DateField,
    DateIs,
    DateTest,
    HasFlag,
    HeaderContains,
    Larger,
    ModSeqAtLeast,
    Not,
    Older,
    Or,
    Query,
    Smaller,
    TextContains,
    UidIn,
    Younger,
)
from mailhub.store.searching import evaluate
from mailhub.store.snapshots import with_added
from tests.store.test_snapshots import mailbox

SEEN = frozenset(["\\Seen"])
NONE: frozenset[str] = frozenset()


class Shelf:
    """What a search reads from: messages by UID; notes what was asked."""

    def __init__(self, messages: dict[int, bytes]) -> None:
        self.messages = messages
        self.asked: list[tuple[list[int], Wanted]] = []

    def read(self, uids: Sequence[Uid], wanted: Wanted) -> Deferred[Records]:
        self.asked.append((list(uids), wanted))
        here = [uid for uid in uids if uid in self.messages]
        parsed = [Message(self.messages[uid]) for uid in here]
        return succeed(
            Records(
                uids=here,
                sizes=[len(self.messages[uid]) for uid in here] if wanted.sizes else (),
                dates=[uid * 86400 for uid in here] if wanted.dates else (),
                save_dates=[0 for _ in here] if wanted.save_dates else (),
                facts=tuple([fact.make(message) for message in parsed] for fact in wanted.facts),
                gone=[uid for uid in uids if uid not in self.messages],
            )
        )


def shelved(count: int) -> tuple[Snapshot, Shelf]:
    """Return a mailbox whose message N has N % 5 letters as subject, \\Seen where N is even."""
    snapshot, _ = mailbox(*(SEEN if uid % 2 == 0 else NONE for uid in range(1, count + 1)))
    texts = {uid: b"Subject: %s\r\n\r\nbody %d\r\n" % (b"abcde"[: uid % 5], uid) for uid in snapshot.uids}
    return snapshot, Shelf(texts)


def naive(query: Query, uid: int, snapshot: Snapshot, message: bytes | None) -> bool:
    """Tell whether a message matches, the plain way."""
    match query:
        case And(keys):
            return all(naive(key, uid, snapshot, message) for key in keys)
        case Or(keys):
            return any(naive(key, uid, snapshot, message) for key in keys)
        case Not(key):
            return not naive(key, uid, snapshot, message)
        case UidIn(ranges):
            return any(low <= uid <= high for low, high in ranges)
        case HasFlag(flag):
            return flag.lower() in {each.lower() for each in snapshot.flags(uid) or ()}
        case ModSeqAtLeast(modseq):
            return modseq <= 10
        case Larger(octets):
            return message is not None and len(message) > octets
        case Smaller(octets):
            return message is not None and len(message) < octets
        case Younger(seconds, now):
            return uid * 86400 >= now - seconds
        case Older(seconds, now):
            return uid * 86400 <= now - seconds
        case HeaderContains(_, text):
            return message is not None and text.lower().encode() in message.partition(b"\r\n")[0][9:]
        case BodyContains(text):
            return message is not None and text.lower().encode() in message.partition(b"\r\n\r\n")[2]
    return True


leaves = st.one_of(
    st.just(All()),
    st.builds(HasFlag, st.sampled_from(["\\Seen", "work", "Never"])),
    st.builds(UidIn, st.sampled_from([[(1, 7)], [(3, 3), (20, 900)], []])),
    st.builds(ModSeqAtLeast, st.sampled_from([9, 11])),
    st.builds(Larger, st.sampled_from([0, 22, 99])),
    st.builds(Smaller, st.sampled_from([0, 22, 99])),
    st.builds(Younger, st.just(10 * 86400), st.just(20 * 86400)),
    st.builds(Older, st.just(10 * 86400), st.just(20 * 86400)),
    st.builds(HeaderContains, st.just("Subject"), st.sampled_from(["a", "BC", "abcd"])),
    st.builds(BodyContains, st.sampled_from(["1", "body", "nothing"])),
)
queries = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=4).map(tuple)),
    ),
    max_leaves=12,
)


class SearchingTests(SynchronousTestCase):
    def found(self, query: Query, snapshot: Snapshot, shelf: Shelf) -> list[int]:
        return list(self.successResultOf(evaluate(query, snapshot, shelf)))

    @given(queries)
    @hypothesis_settings(max_examples=300, deadline=None)
    def test_as_message_by_message(self, query: Query) -> None:
        """Any tree finds what looking at each message finds, in any size of batch."""
        snapshot, shelf = shelved(30)
        expected = [uid for uid in snapshot.uids if naive(query, uid, snapshot, shelf.messages[uid])]
        for batch in (512, 7):
            self.patch(searching, "BATCH", batch)
            self.patch(searching, "BODIES", batch)
            self.assertEqual(self.found(query, snapshot, shelf), expected)

    def test_flags_read_nothing(self) -> None:
        """What the snapshot tells is not read."""
        snapshot, shelf = shelved(100)
        query = And((Not(HasFlag("\\Seen")), UidIn([(1, 9)]), Or((ModSeqAtLeast(1), Larger(5)))))
        self.assertEqual(self.found(query, snapshot, shelf), [1, 3, 5, 7, 9])
        self.assertEqual(shelf.asked, [])

    def test_cheap_keys_first(self) -> None:
        """Dear keys look only at the messages that cheaper ones leave undecided, wherever they stand."""
        snapshot, shelf = shelved(10)
        query = And((BodyContains("body 4"), HeaderContains("Subject", "c"), Larger(22), HasFlag("\\Seen")))
        self.assertEqual(self.found(query, snapshot, shelf), [4])
        sizes, header, body = shelf.asked
        self.assertEqual((sizes[0], sizes[1].sizes, sizes[1].facts), ([2, 4, 6, 8, 10], True, ()))
        self.assertEqual((header[0], len(header[1].facts)), ([2, 4, 8], 1))
        self.assertEqual((body[0], len(body[1].facts)), ([4, 8], 1))

    def test_or_is_short(self) -> None:
        """A message that one key of an Or has found is not looked at for the others."""
        snapshot, shelf = shelved(6)
        self.assertEqual(self.found(Or((TextContains("nothing"), HasFlag("\\Seen"))), snapshot, shelf), [2, 4, 6])
        self.assertEqual([uids for uids, wanted in shelf.asked if wanted.facts], [[1, 3, 5]])

    def test_each_fact_once(self) -> None:
        """Keys of one kind are read together, each column once."""
        snapshot, shelf = shelved(5)
        keys = tuple(HeaderContains(name, "x") for name in ("Subject", "subject", "From", "To"))
        self.found(Or((*keys, BodyContains("x"), BodyContains("y"))), snapshot, shelf)
        self.assertEqual([len(wanted.facts) for _, wanted in shelf.asked if wanted.facts], [3, 1])

    def test_text_is_held_of_few(self) -> None:
        """The text of no more than OCTETS of messages is asked for at a time, so that large ones do not add up."""
        snapshot, shelf = shelved(5)
        self.patch(searching, "OCTETS", 50)
        everything = self.found(Not(BodyContains("nothing")), snapshot, shelf)
        self.assertEqual(everything, [1, 2, 3, 4, 5])
        self.assertEqual([len(uids) for uids, wanted in shelf.asked if wanted.facts], [2, 2, 1])

    def test_batches(self) -> None:
        """Never are more than a batch of messages asked for, fewer where many facts are wanted (law 8)."""
        snapshot, shelf = shelved(1200)
        self.found(HeaderContains("Subject", "x"), snapshot, shelf)
        self.assertEqual([len(uids) for uids, _ in shelf.asked], [512, 512, 176])
        shelf.asked.clear()
        self.found(Or(tuple(HeaderContains(f"X-{number}", "x") for number in range(200))), snapshot, shelf)
        self.assertTrue(all(len(uids) * len(wanted.facts) <= searching.VALUES for uids, wanted in shelf.asked))

    def test_pauses_between_batches(self) -> None:
        """Others are served between two batches (law 6)."""
        snapshot, shelf = shelved(1200)
        paused: list[Deferred[None]] = []

        def pause() -> Deferred[None]:
            paused.append(Deferred())
            return paused[-1]

        searched = evaluate(Larger(0), snapshot, shelf, pause)
        for count in (1, 2, 3):
            self.assertNoResult(searched)
            self.assertEqual((len(shelf.asked), len(paused)), (count, count))
            paused[-1].callback(None)
        self.assertEqual(len(self.successResultOf(searched)), 1200)

    def test_pauses_over_many_keys(self) -> None:
        """So they are in a long query that reads nothing."""
        snapshot, shelf = shelved(1200)
        paused: list[None] = []

        def pause() -> Deferred[None]:
            return succeed(paused.append(None))

        keys = tuple(UidIn([(number, number)]) for number in range(2000, 4000))
        self.assertEqual(list(self.successResultOf(evaluate(Or(keys), snapshot, shelf, pause))), [])
        self.assertGreater(len(paused), 4)

    def test_gone(self) -> None:
        """A message that is gone does not match where its content decides, whatever the key says."""
        snapshot, shelf = shelved(6)
        del shelf.messages[2], shelf.messages[3]
        for key in (Larger(0), BodyContains("body"), Not(BodyContains("nothing")), Not(Larger(999))):
            self.assertEqual(self.found(key, snapshot, shelf), [1, 4, 5, 6])
        self.assertEqual(self.found(Or((HasFlag("\\Seen"), BodyContains("body"))), snapshot, shelf), [1, 2, 4, 5, 6])

    def test_all_gone(self) -> None:
        """A mailbox that vanished is searched without harm."""
        snapshot, _ = shelved(600)
        self.assertEqual(self.found(And((Larger(0), TextContains("x"))), snapshot, Shelf({})), [])

    def test_failure(self) -> None:
        """What reading raises comes out."""
        snapshot, shelf = shelved(3)
        shelf.read = lambda *_: fail(Unavailable("disk"))  # type: ignore[method-assign]
        self.failureResultOf(evaluate(Larger(0), snapshot, shelf), Unavailable)

    def test_many_flag_sets(self) -> None:
        """Flags are found whether the mailbox has few combinations of them or more than an octet counts."""
        sets = [frozenset([f"k{number % 20}", f"j{number // 20}"]) for number in range(300)]
        snapshot, table = mailbox(*[NONE] * 3)
        table.learn(keyword for flags in sets for keyword in flags)
        more = with_added(snapshot, table, range(4, 304), [table.number(each) for each in sets], 11)
        self.assertEqual(self.found(And((HasFlag("K19"), HasFlag("j14"))), more, Shelf({})), [303])
        self.assertEqual(len(self.found(Not(HasFlag("k0")), more, Shelf({}))), 288)

    def test_time_zone(self) -> None:
        """INTERNALDATE keys count days in the server's time zone, as FETCH shows them."""
        snapshot, shelf = shelved(3)
        for uid in (1, 2, 3):
            self.assertEqual(
                self.found(DateIs(DateField.INTERNAL, DateTest.ON, date.fromtimestamp(uid * 86400)), snapshot, shelf),
                [uid],
            )
