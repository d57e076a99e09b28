"""Lanes: where disk work runs, one piece at a time for each subject.

A lane belongs to a mailbox (or another subject) and runs its jobs in order, each in a thread of the shared
pool. A job has two halves: `work` runs in the thread, gets values and returns a value; `then` runs on the
reactor thread with that value while the lane is still held. That is the place to publish: the next job
cannot start, and so cannot commit, before `then` returned (design law 1).

A caller may cancel the Deferred it got; the job itself goes on and publishes (law 5), because what a thread
does cannot be undone and others must hear of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailhub.concurrency.pool import IThreads

T = TypeVar("T")
U = TypeVar("U")


class _Job(Generic[T, U]):
    __slots__ = ("then", "waiter", "work")

    def __init__(self, work: Callable[[], T], then: Callable[[T], U] | None) -> None:
        self.work = work
        self.then = then
        # The waiter is apart from the job: its canceller does nothing but let the caller go.
        self.waiter: Deferred[U] = Deferred(lambda _: None)


class Lane:
    """Runs jobs one after the other."""

    _log = Logger()

    def __init__(self, threads: IThreads) -> None:
        self._threads = threads
        self._waiting: deque[_Job[Any, Any]] = deque()
        self._under_way = False
        self._advancing = False
        self._idle: list[Deferred[None]] = []

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._under_way or bool(self._waiting)

    def run(self, work: Callable[[], T], then: Callable[[T], U] | None = None) -> Deferred[U]:
        """Run `work()` in a thread when its turn comes, then `then(result)` on the reactor thread.

        Returns a Deferred with what `then` returned (or `work`, without `then`), fired after the lane was let
        go; it fails with what either raised."""
        job = _Job(work, then)
        self._waiting.append(job)
        self._advance()
        return job.waiter

    def drained(self) -> Deferred[None]:
        """Return a Deferred that fires once no job runs or waits."""
        done: Deferred[None] = Deferred()
        if self.busy:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    def _advance(self) -> None:
        """Begin the next job if none is under way. A loop, because a job may be finished as soon as it is begun."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._waiting and not self._under_way:
                self._under_way = True
                job = self._waiting.popleft()
                self._threads.call(job.work).addBoth(self._finished, job)
        finally:
            self._advancing = False

    def _finished(self, result: Any, job: _Job[Any, Any]) -> None:
        if not isinstance(result, Failure) and job.then is not None:
            try:
                result = job.then(result)
            except BaseException:
                result = Failure()
        self._under_way = False
        self._advance()
        if not self.busy:
            idle, self._idle = self._idle, []
            for done in idle:
                done.callback(None)
        if job.waiter.called:  # cancelled: nobody waits
            if isinstance(result, Failure):
                self._log.warn("Work that nobody waited for any more failed: {error!r}", error=result.value)
        elif isinstance(result, Failure):
            job.waiter.errback(result)
        else:
            job.waiter.callback(result)
