"""An open mailbox, on the reactor thread: what sessions hold.

Changes and looks at the disk are jobs in the mailbox's lane (apply.py, save.py, sync.py do them); when a job ends,
what it did is published here while the lane is still held, so that everybody hears of commits in their order (design
law 1), also of those found on the way. Reading (reading.py, bodies.py) goes past the lane: a file that is not where it
was a moment ago is looked for again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailhub.concurrency.lanes import Lane
from mailhub.maildir import apply, save
from mailhub.maildir.bodies import Bodies
from mailhub.maildir.disk import storing
from mailhub.maildir.draft import Draft
from mailhub.maildir.means import Means, Place
from mailhub.maildir.reading import Reader
from mailhub.maildir.save import Missed, Source
from mailhub.maildir.state import CUR, NEW, State
from mailhub.maildir.sync import ensure_current, sound, synchronise, verify_at
from mailhub.maildir.watch import POLL_SECONDS
from mailhub.store import snapshots
from mailhub.store.changes import MailboxLost, Removed
from mailhub.store.errors import MailboxGone, Unavailable
from mailhub.store.interfaces import IChangeListener, IMailbox, IMessageBody
from mailhub.store.model import (
    Addition,
    Appended,
    Copied,
    FlagEdit,
    FlagOutcome,
    MailboxStatus,
    Records,
    Snapshot,
    Uid,
    Wanted,
)
from mailhub.store.notifier import MailboxNotifier
from mailhub.store.query import Query
from mailhub.store.searching import evaluate

T = TypeVar("T")
U = TypeVar("U")

_COPY_TRIES = 6

STILL_SECONDS = 1.0
"""How long the watcher's silence is believed without a look at the disk."""


@implementer(IMailbox)
class MaildirMailbox:
    """One object a process and mailbox; see means.py for what the account calls."""

    _log = Logger()

    def __init__(self, name: str, place: Place, means: Means) -> None:
        self.name = name
        self.read_only = False
        self._means = means
        self._state = State(place, means)
        self.snapshot: Snapshot = self._state.snapshot
        self._notifier = MailboxNotifier()
        self._lane = Lane(means.threads)
        self._reads = Lane(means.threads)
        self._reader = Reader(self._state, self._reads, self._look_again, self._pause)
        self._bodies = Bodies(self._state, self._reads, means.threads, self._look_again, self._mend)
        self._lost: str | None = None
        self._watches: list[int] | None = None
        self._timer: Any = None
        self._heard = False
        self._still_until = 0.0

    # Being open

    @property
    def held(self) -> bool:
        """Whether somebody listens or work is under way, so that the object must stay the one for this mailbox."""
        return bool(len(self._notifier)) or self._lane.busy or self._reads.busy

    @property
    def messages(self) -> int:
        """How many messages are kept in memory."""
        return len(self.snapshot)

    def opened(self) -> Deferred[MaildirMailbox]:
        """Look at the disk for the first time, if that was not done yet. Raises MailboxGone, Busy, Unavailable."""
        if self._state.opened and self._lost is None:
            return succeed(self)
        return self._job(lambda: self)

    def refresh(self) -> Deferred[Snapshot]:
        if self._lost is not None:
            return fail(MailboxGone(self._lost))
        if not self._lane.busy and self._state.opened and (self._quiet() or self._unchanged()):
            return succeed(self.snapshot)
        return self._job(lambda: ensure_current(self._state), lambda _: self.snapshot)

    def subscribe(self, listener: IChangeListener) -> None:
        self._notifier.subscribe(listener)
        if self._lost is None:
            self._watch()

    def unsubscribe(self, listener: IChangeListener) -> None:
        self._notifier.unsubscribe(listener)
        if not len(self._notifier):
            self._unwatch()

    def renamed(self, name: str, place: Place) -> None:
        """The mailbox has another name, and its directory lies elsewhere now."""
        self.name = name
        self._state.move_to(place)

    def lose(self, reason: str) -> None:
        """The mailbox is no more: tell those who have it open, and refuse what they ask for from now on."""
        if self._lost is None:
            self._lost = reason
            self._state.forget()
            self._unwatch()
            self._notifier.lost(MailboxLost(reason))

    def exclusively(self, work: Callable[[], T], then: Callable[[T], U] | None = None) -> Deferred[U]:
        """Run `work` in a thread and `then` on the reactor while nothing else changes the mailbox."""
        return self._lane.run(work, then)

    async def _closed(self) -> None:
        await self._lane.drained()
        await self._reads.drained()

    def close(self) -> Deferred[None]:
        """Let go of watches; the Deferred fires when what is under way has ended."""
        self._unwatch()
        return Deferred.fromCoroutine(self._closed())

    # Reading

    def read(self, uids: Sequence[Uid], wanted: Wanted) -> Deferred[Records]:
        return Deferred.fromCoroutine(self._reader.read(uids, wanted))

    def bodies(self, uids: Sequence[Uid]) -> Deferred[Sequence[IMessageBody | None]]:
        return self._bodies.open(uids)

    def search(self, query: Query, within: Snapshot) -> Deferred[Sequence[Uid]]:
        return evaluate(query, within, self, self._pause)

    def status(self, size: bool = False) -> Deferred[MailboxStatus]:
        """Do as IAccount.status says."""
        return Deferred.fromCoroutine(self._status(size))

    async def _status(self, size: bool) -> MailboxStatus:
        await self.opened()
        snapshot = await self.refresh()
        octets = None
        if size:
            records = await self.read(cast("Sequence[Uid]", snapshot.uids), Wanted(sizes=True))
            octets = sum(records.sizes)
        return snapshots.status(snapshot, octets)

    # Changing

    def claim_recent(self, below: Uid) -> Deferred[Uid]:
        if self.snapshot.recent_from >= below and not self._state.new and self._lost is None:
            return succeed(below)
        return self._job(lambda: apply.claim_recent(self._state, below))

    def change(self, edits: Sequence[FlagEdit], origin: object = None) -> Deferred[Sequence[FlagOutcome]]:
        return self._job(lambda: apply.change(self._state, edits, origin))

    def expunge(self, uids: Sequence[Uid], origin: object = None) -> Deferred[Sequence[Uid]]:
        return self._job(lambda: apply.expunge(self._state, uids, origin))

    def draft(self) -> Draft:
        """Begin a message that is meant for this mailbox."""
        return Draft(self._means, self._state.place.directory)

    def append(self, additions: Sequence[Addition], origin: object = None) -> Deferred[Appended]:
        """Do as IAccount.append says."""

        def told(uids: Sequence[Uid]) -> Appended:
            return Appended(self.snapshot.uidvalidity, uids)

        if not additions:
            return self._job(lambda: (), told)
        return self._job(lambda: save.append(self._state, additions, origin), told)

    def copy(self, uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        return _going_on(self._copy(uids, target, origin))

    def move(self, uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        return _going_on(self._move(uids, target, origin))

    async def _copy(self, uids: Sequence[Uid], target: str, origin: object) -> Copied:
        into = await self._means.find(target)
        await into.opened()
        for _ in range(_COPY_TRIES):
            await self.refresh()
            sources = self._sources(uids)
            if not sources:
                return Copied(into.snapshot.uidvalidity, (), ())
            try:
                targets = await into.take(sources, self._state.key, origin)
            except Missed:
                await self._look_again()
                continue
            return Copied(into.snapshot.uidvalidity, [source.uid for source in sources], targets)
        raise Unavailable("Messages are being changed by another program")

    async def _move(self, uids: Sequence[Uid], target: str, origin: object) -> Copied:
        copied = await self._copy(uids, target, origin)
        if copied.sources:
            await self.expunge(copied.sources, origin)
        return copied

    def take(self, sources: Sequence[Source], key: str, origin: object) -> Deferred[list[Uid]]:
        """Copy messages of another mailbox into this one. Raises Missed, and as IMailbox.copy."""
        return self._job(lambda: save.copy(self._state, sources, key, origin))

    def _sources(self, uids: Sequence[Uid]) -> list[Source]:
        snapshot, path = self.snapshot, self._state.path
        numbers, sets, have = snapshot.flag_numbers, snapshot.flag_sets, snapshot.uids
        places, _ = snapshots.positions(snapshot, uids)
        return [
            Source(Uid(have[place]), where, sets[numbers[place]])
            for place in places
            if (where := path(have[place])) is not None
        ]

    def _mend(self, uid: Uid, on_disk: int, size: int) -> None:
        """A message's name states a wrong size: correct that."""
        self._reader.sizes[uid] = size
        self._job(lambda: apply.correct_size(self._state, uid, on_disk, size)).addErrback(self._failed)

    # Jobs

    def _job(self, work: Callable[[], T], then: Callable[[T], U] | None = None) -> Deferred[Any]:
        """Run `work` in the lane on a mailbox that was looked at, then publish what it did, also if it failed."""
        state = self._state

        def guarded() -> tuple[T | None, Exception | None]:
            try:
                if self._lost is not None:
                    raise MailboxGone(self._lost)
                with storing():
                    if not state.opened:
                        synchronise(state)
                        self.read_only = not os.access(state.directory + CUR, os.W_OK)
                    return work(), None
            except Exception as error:
                return None, error

        def published(outcome: tuple[T | None, Exception | None]) -> Any:
            result, error = outcome
            self._publish()
            if error is not None:
                if isinstance(error, MailboxGone) and state.opened:
                    self.lose(str(error))
                raise error
            return result if then is None else then(cast("T", result))

        return self._lane.run(guarded, published)

    def _publish(self) -> None:
        state = self._state
        batches, state.batches = state.batches, []
        for batch in batches:
            for change in batch.changes:
                if isinstance(change, Removed):
                    self._reader.forget(change.uids)
            self.snapshot = batch.snapshot
            self._notifier.publish(batch)
        self.snapshot = state.snapshot
        if self._watches is not None:
            if self._heard:
                # The job that ends now still holds the lane.
                self._heard = False
                self._means.reactor.callLater(0, self._touched)
            if state.unverified:
                self._look_later((verify_at(state) - time.time_ns()) / 1e9)

    def _quiet(self) -> bool:
        """Whether the watcher has told of nothing since the last look, which is not long ago. What it does not tell
        of is a change of the index by another process, and of the uidlist alone."""
        watcher, state = self._means.watcher, self._state
        if not self._watches or watcher is None or time.monotonic() > self._still_until:
            return False
        watcher.poll()
        return self._still_until > 0 and state.index.stamp() == state.seen.index

    def _unchanged(self) -> bool:
        """Whether the disk looks as it did. The lane is free."""
        state = self._state
        self._still_until = time.monotonic() + STILL_SECONDS
        seen = state.look()
        if not sound(state, seen):
            self._still_until = 0.0
            return False
        if seen.index != state.seen.index:
            # Somebody wrote the index: this mailbox's part of it?
            modseq, recent = state.index.standing_now(state.key)
            if modseq > self.snapshot.highest_modseq or recent > self.snapshot.recent_from:
                self._still_until = 0.0
                return False
            state.seen = evolve(state.seen, index=seen.index)
        return True

    def _look_again(self) -> Deferred[Snapshot]:
        """A file was not where it should be."""
        self._state.distrust()
        self._still_until = 0.0
        return self.refresh()

    def _pause(self) -> Deferred[None]:
        """Let the reactor serve others; where threads are none, there are no others."""
        return self._means.threads.call(_nothing)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(MailboxGone):
            self._log.failure("Looking at mailbox {name} failed", failure, name=self.name)

    # Hearing of other programs

    def _watch(self) -> None:
        if self._watches is not None:
            return
        watcher, state = self._means.watcher, self._state
        handles = None
        if watcher is not None:
            handles = watcher.watch([state.directory + CUR, state.directory + NEW], self._touched)
        self._watches = handles or []
        if handles is None:
            self._look_later(POLL_SECONDS)

    def _unwatch(self) -> None:
        watches, self._watches = self._watches, None
        if watches and self._means.watcher is not None:
            self._means.watcher.unwatch(watches)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, seconds: float) -> None:
        if self._timer is None and self._means.watcher is not None:
            self._timer = self._means.reactor.callLater(max(0.05, seconds), self._time_to_look)

    def _time_to_look(self) -> None:
        self._timer = None
        self._touched()
        if not self._watches:
            self._look_later(POLL_SECONDS)

    def _touched(self) -> None:
        """Something happened in the folders. If we are at work there, it was most likely we: look when that is done."""
        self._still_until = 0.0
        if self._lane.busy:
            self._heard = True
            return
        self._heard = False
        if self._lost is None and not self._unchanged():
            self.refresh().addCallbacks(lambda _: None, self._failed)


def _nothing() -> None:
    pass


def _going_on(work: Coroutine[Any, Any, T] | Awaitable[T]) -> Deferred[T]:
    """Run `work` to its end even if the Deferred that is returned is cancelled (design law 5)."""
    waiter: Deferred[T] = Deferred(lambda _: None)

    def tell(result: T | Failure) -> None:
        if waiter.called:
            return
        if isinstance(result, Failure):
            waiter.errback(result)
        else:
            waiter.callback(result)

    running: Deferred[T] = Deferred.fromCoroutine(cast("Coroutine[Any, Any, T]", work))
    running.addBoth(tell)
    return waiter
