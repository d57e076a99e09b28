"""Building the next snapshot of a mailbox from the last one.

Both stores call these. Everything works on whole columns and shares what did not change, so that a flag
change in a mailbox of 100,000 messages copies two arrays and touches no others, and costs no Python object a
message. `uids` and `derived` are shared by all snapshots between which no message came or went.

Typical use by a store, with the mailbox's lane held:

    table = FlagTable(settings.keyword_limit)            # one a mailbox, kept as long as its snapshots
    now = first(mailbox_id, uidvalidity, table, modseq)
    now = with_added(now, table, uids, [table.number(flags) ...], modseq)
    plan = plan_edits(now, table, edits, next_modseq)    # changes nothing yet
    now = with_flags(now, table, plan.uids, plan.numbers, plan.modseqs)
    now = with_removed(now, table, uids, modseq)

Sets of flags are interned in a FlagTable: a mailbox has few combinations, and a comparison, a rendering or a search
is then done once a combination.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import cast

from attrs import evolve, frozen

from mailhub.store.changes import Added, Flagged, MailboxChange, Removed
from mailhub.store.errors import TooMany
from mailhub.store.model import (
    DELETED,
    NO_FLAGS,
    SEEN,
    SYSTEM_FLAGS,
    FlagEdit,
    FlagOp,
    FlagOutcome,
    Flags,
    MailboxId,
    MailboxStatus,
    ModSeq,
    Snapshot,
    Uid,
)

UIDS = "I"
"""Array typecode of Snapshot.uids."""
NUMBERS = "I"
"""Array typecode of Snapshot.flag_numbers."""
MODSEQS = "Q"
"""Array typecode of Snapshot.modseqs."""

_SYSTEM = {flag.lower(): flag for flag in SYSTEM_FLAGS}
_RUNS = 1024
"""Up to so many messages are cut out of a column by slices; with more, a mask over the column is quicker."""


ROOM = 2_000_000
"""Flags that the sets of a FlagTable may hold in all before clients can make no further sets with keywords. A mailbox
of 100,000 messages stays far below; a client that invents combinations all day does not (design law 8)."""


def next_modseq(last: int, now: float) -> ModSeq:
    """Return the modseq of the next commit: above `last`, and at least `now` (seconds since the epoch) in
    microseconds, so that it never goes back even where the last one was lost (design law 4)."""
    return ModSeq(max(last + 1, int(now * 1_000_000)))


class FlagTable:
    """The keywords and the sets of flags a mailbox has known. Only grows, so all its snapshots may share it.

    Only the holder of the mailbox's lane may add to it; `sets` may be read from anywhere at any time."""

    def __init__(self, keyword_limit: int, keywords: Iterable[str] = ()) -> None:
        """Begin with `keywords`, in the order of their creation."""
        self.sets: list[Flags] = [NO_FLAGS]
        self.keywords: tuple[str, ...] = ()
        self._limit = keyword_limit
        self._held = 0
        self._numbers: dict[Flags, int] = {NO_FLAGS: 0}
        self._spelled: dict[str, str] = {}
        self._grow(keywords)

    @property
    def full(self) -> bool:
        """Whether no further keyword can be created."""
        return len(self.keywords) >= self._limit

    @property
    def crowded(self) -> bool:
        """Whether there are more sets than any mailbox needs."""
        return self._held > ROOM

    def learn(self, flags: Iterable[str]) -> None:
        """Create the keywords among `flags` that are new, all or none. Raises TooMany."""
        fresh: dict[str, str] = {}
        for flag in sorted(flags):
            key = flag.lower()
            if not key.startswith("\\") and key not in self._spelled:
                fresh.setdefault(key, flag)
        if fresh:
            if len(self.keywords) + len(fresh) > self._limit:
                raise TooMany("Maximum number of keywords reached")
            self._grow(fresh.values())

    def spell(self, flags: Iterable[str]) -> Flags:
        """Return `flags` as this mailbox spells them (RFC 3501 section 2.3.2: keywords compare without case),
        without \\Recent and without keywords it does not know (see learn)."""
        return frozenset(
            known for flag in flags if (known := _SYSTEM.get(key := flag.lower()) or self._spelled.get(key)) is not None
        )

    def number(self, flags: Flags) -> int:
        """Return the index of `flags`, as spell() gives them, in `sets`."""
        number = self._numbers.get(flags)
        if number is None:
            number = self._numbers[flags] = len(self.sets)
            self.sets.append(flags)
            self._held += len(flags)
        return number

    def _grow(self, keywords: Iterable[str]) -> None:
        for keyword in keywords:
            if keyword.lower() not in self._spelled:
                self._spelled[keyword.lower()] = keyword
                self.keywords += (keyword,)


def first(mailbox_id: MailboxId, uidvalidity: int, table: FlagTable, modseq: ModSeq, uidnext: int = 1) -> Snapshot:
    """Return the snapshot of a mailbox without messages."""
    return Snapshot(
        mailbox_id=mailbox_id,
        uidvalidity=uidvalidity,
        uidnext=Uid(uidnext),
        highest_modseq=modseq,
        recent_from=Uid(uidnext),
        uids=array(UIDS),
        flag_numbers=array(NUMBERS),
        modseqs=array(MODSEQS),
        flag_sets=table.sets,
        keywords=table.keywords,
        more_keywords=not table.full,
    )


def with_added(
    last: Snapshot,
    table: FlagTable,
    uids: Sequence[int],
    numbers: Sequence[int],
    modseqs: int | Sequence[int],
    uidnext: int | None = None,
) -> Snapshot:
    """Append messages: `uids` ascending, above all of `last`, with the flag numbers `numbers`.

    `modseqs` is one for all, or one each; `uidnext` is the last UID + 1 unless given."""
    seqs = array(MODSEQS, [modseqs]) * len(uids) if isinstance(modseqs, int) else array(MODSEQS, modseqs)
    after = max(last.uidnext, uids[-1] + 1 if uids else 0, uidnext or 0)
    return evolve(
        last,
        uidnext=Uid(after),
        highest_modseq=ModSeq(max(last.highest_modseq, max(seqs, default=0))),
        uids=last.uids + array(UIDS, uids),
        flag_numbers=last.flag_numbers + array(NUMBERS, numbers),
        modseqs=last.modseqs + seqs,
        keywords=table.keywords,
        more_keywords=not table.full,
        derived={},
    )


def with_flags(
    last: Snapshot,
    table: FlagTable,
    uids: Sequence[int],
    numbers: Sequence[int],
    modseqs: int | Sequence[int],
) -> Snapshot:
    """Give messages `uids` (ascending) the flag numbers `numbers` and `modseqs` (one for all, or one each).
    UIDs that are not in `last` are passed over."""
    if not uids:
        return evolve(last, keywords=table.keywords, more_keywords=not table.full)
    single = isinstance(modseqs, int)
    seqs: Sequence[int] = (modseqs,) * len(uids) if isinstance(modseqs, int) else modseqs
    places, gone = positions(last, uids)
    if gone:
        lost = set(gone)
        kept = [uid not in lost for uid in uids]
        numbers, seqs = list(compress(numbers, kept)), list(compress(seqs, kept))
    new_numbers, new_seqs = last.flag_numbers[:], last.modseqs[:]
    if isinstance(places, range):
        new_numbers[places.start : places.stop] = array(NUMBERS, numbers)
        new_seqs[places.start : places.stop] = (
            array(MODSEQS, seqs[:1]) * len(places) if single else array(MODSEQS, seqs)
        )
    else:
        for place, number, seq in zip(places, numbers, seqs, strict=True):
            new_numbers[place] = number
            new_seqs[place] = seq
    return evolve(
        last,
        highest_modseq=ModSeq(max(last.highest_modseq, max(seqs, default=0))),
        flag_numbers=new_numbers,
        modseqs=new_seqs,
        keywords=table.keywords,
        more_keywords=not table.full,
    )


def with_removed(last: Snapshot, uids: Sequence[int], modseq: int) -> Snapshot:
    """Take messages `uids` (ascending) out; those that are not in `last` are passed over."""
    places, _ = positions(last, uids)
    if not places:
        return last
    kept, numbers, seqs = _without((last.uids, last.flag_numbers, last.modseqs), places)
    return evolve(
        last,
        highest_modseq=ModSeq(max(last.highest_modseq, modseq)),
        uids=kept,
        flag_numbers=numbers,
        modseqs=seqs,
        derived={},
    )


def with_recent(last: Snapshot, recent_from: int) -> Snapshot:
    """Note that messages below UID `recent_from` have been claimed as \\Recent."""
    return evolve(last, recent_from=Uid(recent_from))


@frozen(eq=False)
class EditPlan:
    """What edits would do to a snapshot; columns ready for with_flags()."""

    outcomes: Sequence[FlagOutcome]
    uids: Sequence[Uid]
    """Messages that any edit changes, ascending, each once."""
    numbers: Sequence[int]
    """Their flag numbers after all edits."""
    modseqs: int | Sequence[int]
    """Theirs: one where all share it, else one each."""


def plan_edits(last: Snapshot, table: FlagTable, edits: Sequence[FlagEdit], modseq: Callable[[int], int]) -> EditPlan:
    """Work out what `edits`, in their order, do to `last`.

    Changes nothing but the table, which learns new keywords. `modseq(last)` gives the next one; it is called
    once for each edit that changes anything. Raises TooMany (keywords, or sets of them)."""
    if table.crowded and any(flag[:1] != "\\" for edit in edits for flag in edit.flags):
        raise TooMany("Too many combinations of keywords")
    table.learn([flag for edit in edits if edit.op is not FlagOp.REMOVE for flag in edit.flags])
    numbers, seqs = last.flag_numbers, last.modseqs
    highest: int = last.highest_modseq
    if len(edits) == 1:  # the usual case, which needs no copy of the columns
        outcome, places, new = _plan(last, numbers, seqs, table, edits[0])
        if places:
            highest = modseq(highest)
            outcome = evolve(outcome, modseq=ModSeq(highest))
        return EditPlan([outcome], outcome.changed, new, highest)
    outcomes = []
    touched: set[int] = set()
    for edit in edits:
        outcome, places, new = _plan(last, numbers, seqs, table, edit)
        if places:
            if numbers is last.flag_numbers:
                numbers, seqs = numbers[:], seqs[:]
            highest = modseq(highest)
            _put(numbers, places, new)
            _put(seqs, places, (highest,) * len(places))
            touched.update(places)
            outcome = evolve(outcome, modseq=ModSeq(highest))
        outcomes.append(outcome)
    changed = sorted(touched)
    uids = cast("Sequence[Uid]", _take(last.uids, changed))
    return EditPlan(outcomes, uids, _take(numbers, changed), _take(seqs, changed))


def positions(snapshot: Snapshot, uids: Sequence[int]) -> tuple[Sequence[int], list[Uid]]:
    """Return the 0-based positions of `uids` (ascending) in `snapshot`, a range where they are adjacent, and
    the UIDs that are not in it."""
    have = snapshot.uids
    if not uids or not have:
        return (), [Uid(uid) for uid in uids]
    if len(uids) > 8:
        at = snapshot.index(uids[0])
        if at is not None:
            run = have[at : at + len(uids)]
            if run[-1] == uids[-1] and len(run) == len(uids) and run == array(UIDS, uids):
                return range(at, at + len(uids)), []
    if len(uids) * 8 < len(have):
        found, gone = [], []
        for uid in uids:
            place = snapshot.index(uid)
            if place is None:
                gone.append(Uid(uid))
            else:
                found.append(place)
        return found, gone
    wanted = set(uids)
    found = [place for place, uid in enumerate(have) if uid in wanted]
    if len(found) == len(uids):
        return found, []
    here = set(_take(have, found))
    return found, [Uid(uid) for uid in uids if uid not in here]


def diff(old: Snapshot, new: Snapshot) -> tuple[MailboxChange, ...]:
    """Return what leads from `old` to `new`, a later snapshot of the same mailbox and UIDVALIDITY: Removed, then
    Flagged (flags or modseq differ), then Added, each at most once and none empty."""
    removed: list[int] = []
    uids, numbers, seqs = old.uids, old.flag_numbers, old.modseqs
    if uids is not new.uids and new.uids[: len(uids)] != uids:
        after = set(new.uids)
        gone = [place for place, uid in enumerate(uids) if uid not in after]
        removed = [uids[place] for place in gone]
        uids, numbers, seqs = _without((uids, numbers, seqs), gone)
    # Added messages have UIDs above all that were known, so those in both stand at the same places now.
    common = len(uids)
    added = new.uids[common:]
    flagged = _flagged(
        new, common, seqs, numbers if old.flag_sets is new.flag_sets else _renumbered(numbers, old.flag_sets, new)
    )
    changes: list[MailboxChange] = []
    if removed:
        changes.append(Removed(cast("list[Uid]", removed)))
    if flagged:
        changes.append(Flagged(cast("list[Uid]", flagged)))
    if added:
        changes.append(Added(cast("Sequence[Uid]", added)))
    return tuple(changes)


def numbers_with(snapshot: Snapshot, flag: str) -> set[int]:
    """Return the flag numbers whose sets hold `flag`, a system flag or a keyword in any case."""
    key = flag.lower()
    name = _SYSTEM.get(key) or next((keyword for keyword in snapshot.keywords if keyword.lower() == key), None)
    return set() if name is None else {number for number, flags in enumerate(snapshot.flag_sets) if name in flags}


def count(snapshot: Snapshot, flag: str) -> int:
    """Return how many messages have `flag`."""
    numbers = numbers_with(snapshot, flag)
    if len(numbers) <= 8:
        return sum(snapshot.flag_numbers.count(number) for number in numbers)
    return sum(number in numbers for number in snapshot.flag_numbers)


def status(snapshot: Snapshot, size: int | None = None) -> MailboxStatus:
    """Return how a mailbox stands."""
    return MailboxStatus(
        mailbox_id=snapshot.mailbox_id,
        uidvalidity=snapshot.uidvalidity,
        uidnext=snapshot.uidnext,
        messages=len(snapshot),
        recent=len(snapshot) - bisect_left(snapshot.uids, snapshot.recent_from),
        unseen=len(snapshot) - count(snapshot, SEEN),
        deleted=count(snapshot, DELETED),
        highest_modseq=snapshot.highest_modseq,
        size=size,
    )


def _flagged(new: Snapshot, count: int, seqs: array[int], numbers: array[int]) -> list[int]:
    """Return which of the first `count` messages of `new` have other modseqs or flag numbers than those given."""
    new_seqs, new_numbers = new.modseqs[:count], new.flag_numbers[:count]
    if new_seqs == seqs and new_numbers == numbers:
        return []
    rows = zip(new.uids, new_seqs, seqs, new_numbers, numbers, strict=False)
    return [uid for uid, a, b, x, y in rows if a != b or x != y]


def _renumbered(numbers: array[int], sets: Sequence[Flags], new: Snapshot) -> array[int]:
    """Return the flag numbers as `new` would have them; one that it has not, for flags it does not know."""
    known = {flags: number for number, flags in enumerate(new.flag_sets)}
    unknown = len(new.flag_sets)
    becomes = {number: known.get(sets[number], unknown) for number in set(numbers)}
    return array(NUMBERS, [becomes[number] for number in numbers])


def _plan(
    last: Snapshot, numbers: array[int], seqs: array[int], table: FlagTable, edit: FlagEdit
) -> tuple[FlagOutcome, Sequence[int], Sequence[int]]:
    """Return the outcome of one edit (without modseq), the positions it changes and their new flag numbers."""
    places, gone = positions(last, edit.uids)
    modified: list[Uid] = []
    if edit.unchanged_since is not None:
        limit = edit.unchanged_since
        modified = [cast("Uid", last.uids[place]) for place in places if seqs[place] > limit]
        if modified:
            places = [place for place in places if seqs[place] <= limit]
    old = _take(numbers, places)
    flags = table.spell(edit.flags)
    becomes = {number: _edited(table, number, edit.op, flags) for number in set(old)}
    moved = {number for number, after in becomes.items() if number != after}
    if len(moved) < len(becomes):
        mask = [number in moved for number in old]
        places, old = list(compress(places, mask)), list(compress(old, mask))
    changed = cast("Sequence[Uid]", _take(last.uids, places))
    return FlagOutcome(changed, modified, gone), places, [becomes[number] for number in old]


def _edited(table: FlagTable, number: int, op: FlagOp, flags: Flags) -> int:
    old = table.sets[number]
    if op is FlagOp.ADD:
        return table.number(old | flags)
    if op is FlagOp.REMOVE:
        return table.number(old - flags)
    return table.number(flags)


def _take(column: array[int], places: Sequence[int]) -> Sequence[int]:
    if isinstance(places, range):
        return column[places.start : places.stop]
    return [column[place] for place in places]


def _put(column: array[int], places: Sequence[int], values: Sequence[int]) -> None:
    if isinstance(places, range):
        column[places.start : places.stop] = array(column.typecode, values)
    else:
        for place, value in zip(places, values, strict=True):
            column[place] = value


def _without(columns: Sequence[array[int]], places: Sequence[int]) -> list[array[int]]:
    """Return copies of `columns` without the values at `places` (ascending)."""
    count = len(columns[0])
    if isinstance(places, range) or len(places) <= _RUNS:
        runs = _runs_between(places, count)
        cut = []
        for column in columns:
            kept = array(column.typecode)
            for start, stop in runs:
                kept += column[start:stop]
            cut.append(kept)
        return cut
    mask = bytearray(b"\1") * count
    for place in places:
        mask[place] = 0
    return [array(column.typecode, compress(column, mask)) for column in columns]


def _runs_between(places: Sequence[int], end: int) -> list[tuple[int, int]]:
    """Return the runs (start, stop) of positions below `end` that are not in `places`."""
    if isinstance(places, range):
        return [run for run in ((0, places.start), (places.stop, end)) if run[0] < run[1]]
    runs = []
    start = 0
    for place in places:
        if start < place:
            runs.append((start, place))
        start = place + 1
    if start < end:
        runs.append((start, end))
    return runs
