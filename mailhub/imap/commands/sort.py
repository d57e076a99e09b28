"""SORT and THREAD (RFC 5256).

The order of a whole mailbox depends on nothing that can change but the set of its messages, so it is kept in
Snapshot.derived, shared by all sessions; the order of some messages is then that order without the others.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve

from mailhub.imap.commands.search import found_uids, spaced
from mailhub.imap.selected import Selected
from mailhub.message import known, threads
from mailhub.message.sortkeys import SortKeys, parse_sort_keys
from mailhub.message.threads import ThreadKeys, parse_thread_keys
from mailhub.store.model import Records, Snapshot, Uid, Wanted
from mailhub.wire.imap import commands as wire

if TYPE_CHECKING:
    from mailhub.imap.session import Session

T = TypeVar("T")

BATCH = 512
"""Messages read at a time."""
MANY = 2000
"""From so many messages on sorting and threading leave the reactor."""
KEPT = 8
"""Orders and answers kept of one mailbox."""
FEW = 50
"""Up to one in so many messages are sorted by themselves, though the order of all is known."""
_BY_KEYS: dict[str, Callable[[SortKeys], Any]] = {
    "SUBJECT": lambda keys: keys.subject,
    "FROM": lambda keys: keys.sender,
    "TO": lambda keys: keys.to,
    "CC": lambda keys: keys.cc,
}
_ALGORITHMS = {"REFERENCES": threads.references, "ORDEREDSUBJECT": threads.ordered_subject}


async def sort(session: Session, command: wire.Sort) -> bytes:
    """RFC 5256 section 3, "BASE.6.4.SORT"."""
    view = session.view
    assert view is not None
    uids = await found_uids(session, command.key)
    snapshot = view.latest
    answers = _Kept(snapshot.derived, "sort answers")
    whole = _is_whole(view, snapshot, uids)
    text = answers.get((command.criteria, command.uid)) if whole else None
    if text is None:
        order = await _order(session, snapshot, uids, command.criteria)
        text = spaced(order if command.uid else view.numbered(order))
        if whole and len(order) == len(uids):
            answers.keep((command.criteria, command.uid), text)
    session.write(b"* SORT%b\r\n" % text)
    return b"Sort completed"


async def thread(session: Session, command: wire.Thread) -> bytes:
    """RFC 5256 section 3, "BASE.6.4.THREAD"; thread-data = "THREAD" [SP 1*thread-list], so no space without threads."""
    view = session.view
    assert view is not None
    uids = await found_uids(session, command.key)
    snapshot = view.latest
    answers = _Kept(snapshot.derived, "thread answers")
    whole = _is_whole(view, snapshot, uids)
    text: bytes | None = answers.get((command.algorithm, command.uid)) if whole else None
    if text is None:
        rows, present = await _thread_rows(session, uids)
        numbers = present if command.uid else view.numbered(present)
        algorithm = _ALGORITHMS[command.algorithm]

        def rendered() -> bytes:
            return threads.render(algorithm(rows), numbers.__getitem__)

        text = await _worked_out(session, len(rows), rendered)
        if whole and len(present) == len(uids):
            answers.keep((command.algorithm, command.uid), text)
    session.write(b"* THREAD%b\r\n" % (b" " + text if text else b""))
    return b"Thread completed"


class _Kept:
    """A few results about all messages of a mailbox, kept with its snapshot."""

    def __init__(self, derived: dict[Hashable, Any], what: str) -> None:
        self._kept: dict[Hashable, Any] = derived.setdefault(what, {})
        self.get = self._kept.get

    def keep(self, key: Hashable, value: object) -> None:
        """Keep `value`, in place of the oldest where there are many."""
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value


def _is_whole(view: Selected, snapshot: Snapshot, uids: Sequence[int]) -> bool:
    """Whether `uids` are all messages of the mailbox and have its own numbers for this client."""
    return view.uids is snapshot.uids and len(uids) == len(snapshot)


async def _order(
    session: Session, snapshot: Snapshot, uids: Sequence[int], criteria: tuple[tuple[str, bool], ...]
) -> Sequence[int]:
    """Return `uids` in the order asked, by the order of all messages where that is known."""
    orders = _Kept(snapshot.derived, "sort orders")
    known_order: Sequence[int] | None = orders.get(criteria)
    if known_order is not None and len(uids) * FEW >= len(snapshot):
        wanted = set(uids)
        return [uid for uid in known_order if uid in wanted]
    order = await _sorted(session, uids, criteria)
    if len(order) == len(snapshot) and order and uids[-1] == snapshot.uids[-1]:
        orders.keep(criteria, order)
    return order


async def _sorted(session: Session, uids: Sequence[int], criteria: Sequence[tuple[str, bool]]) -> array[int]:
    """Return `uids` in the order asked; equal ones in the order of the mailbox (RFC 5256 section 3)."""
    columns: list[list[Any]] = [[] for _ in criteria]
    present = array("I")
    async for records in _records(session, uids, _wanted(criteria)):
        present.extend(records.uids)
        keys = [parse_sort_keys(data) for data in records.facts[0]] if records.facts else []
        for column, (name, _) in zip(columns, criteria, strict=True):
            column.extend(_column(name, records, keys))

    def in_order() -> array[int]:
        order = list(range(len(present)))
        for column, (_, reverse) in reversed(list(zip(columns, criteria, strict=True))):
            # A stable sort by the last criterion first; reverse=True keeps the order of equal ones.
            order.sort(key=column.__getitem__, reverse=reverse)
        return array("I", [present[at] for at in order])

    return await _worked_out(session, len(present), in_order)


async def _worked_out(session: Session, messages: int, work: Callable[[], T]) -> T:
    """Return what `work()` returns; for many messages it is done in a thread, since it may take a second."""
    if messages < MANY:
        return work()
    result: T = await session.around.threads.call(work)
    return result


def _wanted(criteria: Sequence[tuple[str, bool]]) -> Wanted:
    names = {name for name, _ in criteria}
    return Wanted(
        sizes="SIZE" in names,
        dates=bool(names & {"ARRIVAL", "DATE"}),
        facts=(known.SORT_KEYS,) if names - {"SIZE", "ARRIVAL"} else (),
    )


def _column(name: str, records: Records, keys: Sequence[SortKeys]) -> Sequence[Any]:
    if name == "SIZE":
        return records.sizes
    if name == "ARRIVAL":
        return records.dates
    if name == "DATE":
        pairs = zip(keys, records.dates, strict=True)
        return [arrived if key.sent is None else key.sent for key, arrived in pairs]
    return [_BY_KEYS[name](key) for key in keys]


async def _thread_rows(session: Session, uids: Sequence[int]) -> tuple[list[ThreadKeys], Sequence[int]]:
    rows: list[ThreadKeys] = []
    present = array("I")
    async for records in _records(session, uids, Wanted(dates=True, facts=(known.THREAD_KEYS,))):
        present.extend(records.uids)
        for data, arrived in zip(records.facts[0], records.dates, strict=True):
            keys = parse_thread_keys(data)
            rows.append(keys if keys.sent is not None else evolve(keys, sent=arrived))
    return rows, present


async def _records(session: Session, uids: Sequence[int], wanted: Wanted) -> AsyncIterator[Records]:
    """Read in batches, letting others run between them."""
    assert session.mailbox is not None
    mailbox = session.mailbox
    for start in range(0, len(uids), BATCH):
        yield await mailbox.read([Uid(uid) for uid in uids[start : start + BATCH]], wanted)
        await session.breathe()
