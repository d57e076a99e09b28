"""Finding sizes, dates and facts of messages: from memory, from the index, at last from the files.

Memory and index are asked on the reactor thread, 512 messages at a time. What neither knows is computed in a thread:
one read of a file gives all that is wanted of it, and a batch of messages is one job and one transaction, so that next
time the index has it. These jobs run in a lane of their own: a first look at a large mailbox does not hold up changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from attrs import Factory, define
from twisted.internet.defer import Deferred

from mailhub.concurrency.lanes import Lane
from mailhub.maildir.body import open_file
from mailhub.maildir.filenames import stated_sizes
from mailhub.maildir.index import SizeRow, Transaction
from mailhub.maildir.state import State
from mailhub.message.facts import Fact
from mailhub.message.message import Message, canonical
from mailhub.store.model import Records, Snapshot, Uid, Wanted

BATCH = 512
"""Messages looked up at a time."""
WORK = 128
"""Messages read in one job."""
WORK_OCTETS = 4 * 1024 * 1024
"""And their octets at most, but for one."""
_TRIES = 5


@define(eq=False)
class _Read:
    """What a job found out."""

    rows: list[SizeRow] = Factory(list)
    facts: dict[int, list[bytes]] = Factory(dict)
    missing: list[int] = Factory(list)
    """UIDs of files that were not where they should be."""
    broken: list[int] = Factory(list)


class Reader:
    """IMailbox.read of one mailbox. Reactor thread."""

    def __init__(
        self, state: State, lane: Lane, refresh: Callable[[], Deferred[Snapshot]], pause: Callable[[], Deferred[None]]
    ) -> None:
        self._state = state
        self._lane = lane
        self._refresh = refresh
        self._pause = pause
        self.sizes: dict[int, int] = {}
        self._dates: dict[int, int] = {}
        self._saved: dict[int, int] = {}

    def forget(self, uids: Sequence[int]) -> None:
        """Messages were expunged."""
        for column in (self.sizes, self._dates, self._saved):
            if column:
                for uid in uids:
                    column.pop(uid, None)

    async def read(self, uids: Sequence[Uid], wanted: Wanted) -> Records:
        """Do as IMailbox.read says."""
        names = self._state.names
        columns: list[list[bytes]] = [[] for _ in wanted.facts]
        gone: set[int] = set()
        for start in range(0, len(uids), BATCH):
            if start:
                await self._pause()
            batch = [uid for uid in uids[start : start + BATCH] if uid in names]
            lost, facts = await self._batch(batch, wanted)
            gone |= lost
            for column, values in zip(columns, facts, strict=True):
                column += [values.get(uid, b"") for uid in batch if uid not in lost]
        here: Sequence[Uid] = uids
        kept = [uid for uid in uids if uid in names and uid not in gone]
        if len(kept) < len(uids) or (columns and len(columns[0]) != len(kept)):
            here = kept
        sizes, dates, saved = self.sizes, self._dates, self._saved
        return Records(
            uids=here,
            sizes=[sizes.get(uid, 0) for uid in here] if wanted.sizes else (),
            dates=[dates.get(uid, 0) for uid in here] if wanted.dates else (),
            save_dates=[saved.get(uid, 0) for uid in here] if wanted.save_dates else (),
            facts=tuple(columns),
            gone=_without(uids, here) if here is not uids else (),
        )

    async def _batch(self, batch: Sequence[Uid], wanted: Wanted) -> tuple[set[int], list[dict[int, bytes]]]:
        """See to it that all that is wanted of some messages is known; return those that are gone, and their facts."""
        facts = self._from_index(batch, wanted)
        gone: set[int] = set()
        for _ in range(_TRIES):
            todo = self._unknown(batch, wanted, facts, gone)
            if not todo:
                break
            missing = await self._from_files(todo, wanted, facts)
            if missing:
                # Renamed by another program, or removed: a look at the folders tells.
                await self._refresh()
                gone |= {uid for uid in missing if uid not in self._state.names}
        else:
            gone |= set(self._unknown(batch, wanted, facts, gone))
        return gone, facts

    def _from_index(self, batch: Sequence[Uid], wanted: Wanted) -> list[dict[int, bytes]]:
        state, ascending = self._state, sorted(batch)
        sizes, dates, saved = self.sizes, self._dates, self._saved
        if wanted.sizes:
            for uid in batch:
                if uid not in sizes:
                    stated = stated_sizes(state.names.get(uid, b""))[1]
                    if stated is not None:
                        sizes[uid] = stated
        need = [
            uid
            for uid in ascending
            if (wanted.sizes and uid not in sizes)
            or (wanted.dates and uid not in dates)
            or (wanted.save_dates and uid not in saved)
        ]
        if need:
            names = state.names
            for at, size, date, save in state.index.sizes(state.key, need):
                if at in names:
                    if size is not None and at not in sizes:
                        sizes[at] = size
                    if date is not None:
                        dates[at] = date
                    if save is not None:
                        saved[at] = save
        return [state.index.facts(state.key, fact.key, ascending) if fact.keep else {} for fact in wanted.facts]

    def _unknown(
        self, batch: Sequence[Uid], wanted: Wanted, facts: list[dict[int, bytes]], gone: set[int]
    ) -> list[Uid]:
        columns: list[dict[int, int] | dict[int, bytes]] = [*facts]
        if wanted.sizes:
            columns.append(self.sizes)
        if wanted.dates:
            columns.append(self._dates)
        if wanted.save_dates:
            columns.append(self._saved)
        if all(all(map(column.__contains__, batch)) for column in columns):
            return []
        return [uid for uid in batch if uid not in gone and not all(uid in column for column in columns)]

    async def _from_files(self, uids: Sequence[Uid], wanted: Wanted, facts: list[dict[int, bytes]]) -> list[int]:
        """Compute what is unknown of messages; return those whose files were not found."""
        state = self._state
        missing: list[int] = []
        for chunk in self._chunks(uids):
            paths = [(uid, path) for uid in chunk if (path := state.path(uid)) is not None]
            missing += [uid for uid in chunk if uid not in state.names]
            absent = [
                fact
                for fact, values in zip(wanted.facts, facts, strict=True)
                if any(uid not in values for uid in chunk)
            ]
            content = bool(absent) or (wanted.sizes and any(uid not in self.sizes for uid in chunk))
            found: _Read = await self._lane.run(partial(self._work, paths, absent, content))
            self._take(found, absent, wanted, facts)
            missing += found.missing
        return missing

    def _chunks(self, uids: Sequence[Uid]) -> list[list[Uid]]:
        """Divide messages into jobs of limited size."""
        chunks: list[list[Uid]] = [[]]
        octets = 0
        for uid in uids:
            size = stated_sizes(self._state.names.get(uid, b""))[0] or 0
            if chunks[-1] and (len(chunks[-1]) >= WORK or octets + size > WORK_OCTETS):
                chunks.append([])
                octets = 0
            chunks[-1].append(uid)
            octets += size
        return chunks

    def _work(self, paths: list[tuple[Uid, bytes]], facts: Sequence[Fact], content: bool) -> _Read:
        """Read files and note in the index what was found; a thread."""
        found = _Read()
        for uid, path in paths:
            try:
                row, values = _read_one(uid, path, facts, content)
            except FileNotFoundError:
                found.missing.append(uid)
                continue
            except OSError:
                found.broken.append(uid)
                message = Message(b"")
                row, values = (uid, 0, 0, 0), [fact.make(message) for fact in facts]
            else:
                found.rows.append(row)
            found.facts[uid] = values
        if found.rows:
            state = self._state
            broken = set(found.broken)

            def note(transaction: Transaction) -> None:
                transaction.measured(found.rows)
                for at, fact in enumerate(facts):
                    if fact.keep:
                        transaction.keep(
                            fact.key, [(uid, values[at]) for uid, values in found.facts.items() if uid not in broken]
                        )

            state.index.write(state.key, state.snapshot.highest_modseq, note)
        return found

    def _take(self, found: _Read, absent: Sequence[Fact], wanted: Wanted, facts: list[dict[int, bytes]]) -> None:
        state = self._state
        rows = list(found.rows)
        for uid in found.broken:
            state.tell("broken", "A message cannot be read")
            rows.append((uid, 0, 0, 0))
        for uid, size, date, saved in rows:
            if size is not None:
                self.sizes[uid] = size
            if date is not None:
                self._dates[uid] = date
            if saved is not None:
                self._saved.setdefault(uid, saved)
        for fact, values in zip(wanted.facts, facts, strict=True):
            if fact in absent:
                at = absent.index(fact)
                values.update((uid, results[at]) for uid, results in found.facts.items())


def _without(uids: Sequence[Uid], here: Sequence[Uid]) -> list[Uid]:
    found = {*here}
    return [uid for uid in uids if uid not in found]


def _read_one(uid: int, path: bytes, facts: Sequence[Fact], content: bool) -> tuple[SizeRow, list[bytes]]:
    """Return what one file says. Raises OSError."""
    fd, status = open_file(path)
    try:
        date, saved = int(status.st_mtime), int(status.st_ctime)
        if not content:
            return (uid, None, date, saved), []
        # One octet more than the size tells the end in one call.
        data = os.read(fd, status.st_size + 1)
        while len(data) < status.st_size:
            more = os.read(fd, status.st_size + 1 - len(data))
            if not more:
                break
            data += more
    finally:
        os.close(fd)
    data = canonical(data)
    message = Message(data)
    return (uid, len(data), date, saved), [fact.make(message) for fact in facts]
