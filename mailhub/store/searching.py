"""Evaluating a search, for all stores.

The question is which of a mailbox's messages match a tree of keys whose costs differ by six orders of magnitude: a flag
is one look-up in a table, a body may have to be read and decoded. So the tree is run once for each level of cost, over
whole columns, with three values for each message: true, false, not known yet. What the columns of the snapshot
decide is decided for all messages in one pass; only the undecided ones have sizes and dates read, only
those still undecided their header text, and so on. The same is done in batches, so that what is held in memory
and how long the reactor is held depend on neither the mailbox nor the query (design laws 6 and 8).

A set of messages is an int with one octet (0 or 1) for each message, the first one lowest: Python then intersects
sets of 100,000 in microseconds, and bytes.translate makes one from the flag column without a loop.

The tree becomes a flat program before: no depth of nesting can exhaust the stack.
"""

from __future__ import annotations

import sys
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from enum import Enum
from itertools import compress
from typing import Any, Protocol, cast

from attrs import define, field
from twisted.internet.defer import Deferred

from mailhub.message import known
from mailhub.message.dates import BROKEN_DAY, SentDate
from mailhub.message.facts import Fact
from mailhub.message.folding import fold
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
from mailhub.store.snapshots import numbers_with

BATCH = 512
"""Most messages whose sizes, dates and facts are asked for at once."""
BODIES = 128
"""And where the text of bodies is, which is long."""
VALUES = 16_384
"""Most facts asked for at once: a query with many header names gets smaller batches."""
WORK = 150_000
"""Messages times keys that are looked at between two pauses, weighed by _WEIGHT: a few milliseconds."""

OCTETS = 16 * 1024 * 1024
"""Octets of messages whose text is held at a time; of a larger message, all."""
OCTETS_OF_WORK = 32
"""Octets of text that are searched in one unit of WORK."""

_NO_DATE = SentDate(BROKEN_DAY, 0)

Pause = Callable[[], "Deferred[None]"]
"""Gives a Deferred that fires when the reactor has served others."""


class Readable(Protocol):
    """As much of IMailbox as is needed here."""

    def read(self, uids: Sequence[Uid], wanted: Wanted) -> Deferred[Records]: ...


def evaluate(
    query: Query, snapshot: Snapshot, mailbox: Readable, pause: Pause | None = None
) -> Deferred[Sequence[Uid]]:
    """Return the messages of `snapshot` that match `query`, ascending (see IMailbox.search).

    `mailbox` is asked for what the snapshot does not tell, in batches; `pause` is awaited between them. A
    message that is gone by then does not match."""
    return Deferred.fromCoroutine(_evaluate(query, snapshot, mailbox, pause))


async def _evaluate(query: Query, snapshot: Snapshot, mailbox: Readable, pause: Pause | None) -> Sequence[Uid]:
    search = _Search(_compiled(query), snapshot, pause)
    rows = _Rows(snapshot.uids, snapshot.flag_numbers, snapshot.modseqs)
    true, unsure = await search.run(rows, Level.COLUMNS)
    found = cast("list[Uid]", list(compress(snapshot.uids, _octets(true, rows.count))))
    if not unsure:
        return found
    places = list(compress(range(rows.count), _octets(unsure, rows.count)))
    for start in range(0, len(places), search.batch):
        found += await search.decide(places[start : start + search.batch], mailbox)
        if pause is not None:
            await pause()
    found.sort()
    return found


class Level(Enum):
    """What a key needs to know of a message, from the cheapest to the dearest."""

    COLUMNS = 0
    RECORDS = 1
    HEADER = 2
    BODY = 3


_WEIGHT = {Level.COLUMNS: 1, Level.RECORDS: 1, Level.HEADER: 5, Level.BODY: 50}
"""What looking at one message costs, in tens of nanoseconds or so."""


class _Op(Enum):
    LEAF = "leaf"
    NOT = "not"
    AND_BEGIN = "and"
    AND_STEP = "and,"
    OR_BEGIN = "or"
    OR_STEP = "or,"
    END = "end"


Leaf = (
    All
    | UidIn
    | HasFlag
    | DateIs
    | Larger
    | Smaller
    | HeaderContains
    | BodyContains
    | TextContains
    | ModSeqAtLeast
    | Younger
    | Older
)


@define(eq=False)
class _Step:
    """One instruction. `end` is where an And or Or that is decided goes on: at its END."""

    op: _Op
    leaf: Leaf | None = None
    level: Level = Level.COLUMNS
    needle: bytes = b""
    fact: Fact | None = None
    end: _End | None = None


@define(eq=False)
class _End:
    at: int = 0


def _compiled(query: Query) -> list[_Step]:
    """Return the tree as a program in the order of evaluation."""
    program: list[_Step] = []
    todo: list[Query | _Step] = [query]
    while todo:
        item = todo.pop()
        if isinstance(item, _Step):
            program.append(item)
        elif isinstance(item, Not):
            todo += (_Step(_Op.NOT), item.key)
        elif isinstance(item, And | Or):
            begin, after = (_Op.AND_BEGIN, _Op.AND_STEP) if isinstance(item, And) else (_Op.OR_BEGIN, _Op.OR_STEP)
            end = _End()
            program.append(_Step(begin))
            todo.append(_Step(_Op.END, end=end))
            for key in reversed(item.keys):
                todo += (_Step(after, end=end), key)
        else:
            program.append(_leaf(item))
    for at, step in enumerate(program):
        if step.op is _Op.END and step.end is not None:
            step.end.at = at
    return program


def _leaf(leaf: Leaf) -> _Step:
    """Return the step of one key."""
    match leaf:
        case HeaderContains(name, text):
            return _Step(_Op.LEAF, leaf, Level.HEADER, fold(text), known.header_text(name))
        case BodyContains(text):
            return _Step(_Op.LEAF, leaf, Level.BODY, fold(text), known.BODY_TEXT)
        case TextContains(text):
            return _Step(_Op.LEAF, leaf, Level.BODY, fold(text), known.FULL_TEXT)
        case DateIs(DateField.SENT):
            return _Step(_Op.LEAF, leaf, Level.HEADER, fact=known.SENT_DATE)
        case DateIs() | Larger() | Smaller() | Younger() | Older():
            return _Step(_Op.LEAF, leaf, Level.RECORDS)
        case _:
            return _Step(_Op.LEAF, leaf)


@define(eq=False)
class _Rows:
    """Columns of some messages: all of a snapshot, or a batch with what was read of it."""

    uids: Sequence[int]
    numbers: Sequence[int]
    modseqs: Sequence[int]
    sizes: Sequence[int] = ()
    dates: Sequence[int] = ()
    save_dates: Sequence[int] = ()
    facts: dict[str, Sequence[bytes]] = field(factory=dict)

    @property
    def count(self) -> int:
        return len(self.uids)

    def only(self, messages: int) -> _Rows:
        """Return the rows of a set of messages."""
        mask = _octets(messages, self.count)

        def cut(column: Sequence[Any]) -> list[Any]:
            return list(compress(column, mask))

        return _Rows(
            uids=cut(self.uids),
            numbers=cut(self.numbers),
            modseqs=cut(self.modseqs),
            sizes=cut(self.sizes),
            dates=cut(self.dates),
            save_dates=cut(self.save_dates),
            facts={key: cut(column) for key, column in self.facts.items()},
        )


class _Search:
    """A program at work on one snapshot."""

    def __init__(self, program: Sequence[_Step], snapshot: Snapshot, pause: Pause | None) -> None:
        self._program = program
        self._snapshot = snapshot
        self._pause = pause
        self._numbers: dict[str, set[int]] = {}
        self._work = 0
        self._wanted = [
            (level, wanted)
            for level in (Level.RECORDS, Level.HEADER, Level.BODY)
            if (wanted := _wanted(step for step in program if step.op is _Op.LEAF and step.level is level)) is not None
        ]
        most = max((len(wanted.facts) for _, wanted in self._wanted), default=0)
        limit = BODIES if any(level is Level.BODY for level, _ in self._wanted) else BATCH
        self.batch = max(1, min(limit, VALUES // max(1, most)))

    async def decide(self, places: Sequence[int], mailbox: Readable) -> list[Uid]:
        """Return which of the messages at `places` match, reading of each no more than it takes."""
        last = self._snapshot
        rows = _Rows(
            [last.uids[place] for place in places],
            [last.flag_numbers[place] for place in places],
            [last.modseqs[place] for place in places],
        )
        found: list[Uid] = []
        for level, wanted in self._wanted:
            if level is Level.BODY:
                return found + await self._bodies(rows, wanted, mailbox)
            rows = await _read(rows, wanted, mailbox)
            true, unsure = await self.run(rows, level)
            found += cast("list[Uid]", list(compress(rows.uids, _octets(true, rows.count))))
            if not unsure:
                break
            rows = rows.only(unsure)
        return found

    async def _bodies(self, rows: _Rows, wanted: Wanted, mailbox: Readable) -> list[Uid]:
        """Return which of `rows` match, holding the text of no more than OCTETS of messages at a time."""
        if len(rows.sizes) != rows.count:
            rows = await _read(rows, Wanted(sizes=True), mailbox)
        found: list[Uid] = []
        start = 0
        while start < rows.count:
            end, octets = start + 1, rows.sizes[start]
            while end < rows.count and octets + rows.sizes[end] <= OCTETS:
                octets += rows.sizes[end]
                end += 1
            chosen = bytes(start) + b"\1" * (end - start) + bytes(rows.count - end)
            part = await _read(rows.only(_set(chosen)), wanted, mailbox)
            true, _ = await self.run(part, Level.BODY)
            found += cast("list[Uid]", list(compress(part.uids, _octets(true, part.count))))
            start = end
        return found

    async def run(self, rows: _Rows, level: Level) -> tuple[int, int]:
        """Run the program with all keys up to `level`; return the sets of messages that match and of those
        that are not decided."""
        among = everything = _set(b"\1" * rows.count)
        true = false = 0
        frames: list[list[int]] = []  # messages known as true, as false, and those asked about before
        program, at = self._program, 0
        while at < len(program):
            step = program[at]
            at += 1
            if step.op is _Op.LEAF:
                true = false = 0
                if step.level.value <= level.value:
                    true = self._matching(step, rows) & among
                    false = among ^ true
                    await self._rest(_work(step, rows))
            elif step.op is _Op.NOT:
                true, false = false, true
            elif step.op is _Op.AND_BEGIN:
                frames.append([among, 0, among])
            elif step.op is _Op.OR_BEGIN:
                frames.append([0, among, among])
            elif step.op is _Op.END:
                true, false, among = frames.pop()
            else:
                frame = frames[-1]
                if step.op is _Op.AND_STEP:
                    frame[0] &= true
                    frame[1] |= false
                    among = frame[2] & ~frame[1]
                else:
                    frame[0] |= true
                    frame[1] &= false
                    among = frame[2] & ~frame[0]
                if not among and step.end is not None:
                    at = step.end.at
        return true, everything & ~(true | false)

    async def _rest(self, work: int) -> None:
        """Pause if enough was done since the last time."""
        self._work += work + 100  # a key costs something on no messages, too
        if self._work > WORK:
            self._work = 0
            if self._pause is not None:
                await self._pause()

    def _matching(self, step: _Step, rows: _Rows) -> int:
        """Return the set of messages that match one key."""
        match step.leaf:
            case All():
                return _set(b"\1" * rows.count)
            case UidIn(ranges):
                return _in_ranges(rows.uids, ranges)
            case HasFlag(flag):
                numbers = self._numbers.get(flag)
                if numbers is None:
                    numbers = self._numbers[flag] = numbers_with(self._snapshot, flag)
                return 0 if not numbers else _with_numbers(rows.numbers, numbers, len(self._snapshot.flag_sets))
            case ModSeqAtLeast(modseq):
                return _set(bytes([seq >= modseq for seq in rows.modseqs]))
            case Larger(octets):
                return _set(bytes([size > octets for size in rows.sizes]))
            case Smaller(octets):
                return _set(bytes([size < octets for size in rows.sizes]))
            case Younger(seconds, now):
                return _set(bytes([when >= now - seconds for when in rows.dates]))
            case Older(seconds, now):
                return _set(bytes([when <= now - seconds for when in rows.dates]))
            case DateIs(which, test, day):
                if step.fact is not None:
                    return _set(_sent(rows.facts[step.fact.key], test, day))
                return _set(_dated(rows.dates if which is DateField.INTERNAL else rows.save_dates, test, day))
            case _:
                return _set(_containing(step, rows))


def _work(step: _Step, rows: _Rows) -> int:
    """Return what it costs to look at `rows` for one key, in the unit of WORK."""
    work = rows.count * _WEIGHT[step.level]
    if step.level is Level.BODY and step.fact is not None:
        work += sum(map(len, rows.facts[step.fact.key])) // OCTETS_OF_WORK
    return work


def _set(octets: bytes | bytearray) -> int:
    return int.from_bytes(octets, "little")


def _octets(messages: int, count: int) -> bytes:
    return messages.to_bytes(count, "little")


def _in_ranges(uids: Sequence[int], ranges: Sequence[tuple[int, int]]) -> int:
    octets = bytearray(len(uids))
    for low, high in ranges:
        start, stop = bisect_left(uids, low), bisect_right(uids, high)
        if start < stop:
            octets[start:stop] = b"\1" * (stop - start)
    return _set(octets)


def _with_numbers(column: Sequence[int], numbers: set[int], sets: int) -> int:
    """Return the set of messages whose flag number is one of `numbers`."""
    if isinstance(column, array) and sets <= 256:
        # The low octet of each number is all of it: take every nth octet of the array and translate it.
        low = 0 if sys.byteorder == "little" else column.itemsize - 1
        table = bytearray(256)
        for number in numbers:
            table[number] = 1
        return _set(column.tobytes()[low :: column.itemsize].translate(table))
    return _set(bytes([number in numbers for number in column]))


def _containing(step: _Step, rows: _Rows) -> bytes:
    needle = step.needle
    column = rows.facts[step.fact.key] if step.fact is not None else ()
    if not needle and isinstance(step.leaf, HeaderContains):
        return bytes([value != b"" for value in column])
    return bytes([needle in value for value in column])


def _dated(column: Sequence[int], test: DateTest, day: date) -> bytes:
    start = _midnight(day)
    if test is DateTest.BEFORE:
        return bytes([when < start for when in column])
    if test is DateTest.SINCE:
        return bytes([when >= start for when in column])
    end = start + 86400 if day == date.max else _midnight(day + timedelta(days=1))
    return bytes([start <= when < end for when in column])


def _midnight(day: date) -> float:
    """Return when `day` begins in the server's time zone, seconds since the epoch."""
    try:
        return time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1))
    except (OverflowError, ValueError):
        return (day - date(1970, 1, 1)).days * 86400.0


def _sent(column: Sequence[bytes], test: DateTest, day: date) -> bytes:
    """Compare the dates of Date: fields as they are written, whatever their zone."""
    wanted = day.toordinal()
    days = [(known.parse_sent_date(value) or _NO_DATE).day.toordinal() for value in column]
    if test is DateTest.BEFORE:
        return bytes([each < wanted for each in days])
    if test is DateTest.SINCE:
        return bytes([each >= wanted for each in days])
    return bytes([each == wanted for each in days])


def _wanted(steps: Iterable[_Step]) -> Wanted | None:
    """Return what keys of one level need to have read, or None if there are no keys."""
    steps = list(steps)
    if not steps:
        return None
    leaves = [step.leaf for step in steps]
    dates = [leaf for leaf in leaves if isinstance(leaf, DateIs)]
    return Wanted(
        sizes=any(isinstance(leaf, Larger | Smaller) for leaf in leaves),
        dates=any(isinstance(leaf, Younger | Older) for leaf in leaves)
        or any(leaf.which is DateField.INTERNAL for leaf in dates),
        save_dates=any(leaf.which is DateField.SAVED for leaf in dates),
        facts=tuple({step.fact.key: step.fact for step in steps if step.fact is not None}.values()),
    )


async def _read(rows: _Rows, wanted: Wanted, mailbox: Readable) -> _Rows:
    """Return the rows, without messages that are gone, with the columns that were `wanted`."""
    records = await mailbox.read(cast("list[Uid]", rows.uids), wanted)
    if records.gone:
        gone = set(records.gone)
        rows = rows.only(_set(bytes([uid not in gone for uid in rows.uids])))
    if wanted.sizes:
        rows.sizes = records.sizes
    if wanted.dates:
        rows.dates = records.dates
    if wanted.save_dates:
        rows.save_dates = records.save_dates
    for fact, column in zip(wanted.facts, records.facts, strict=True):
        rows.facts[fact.key] = column
    return rows
