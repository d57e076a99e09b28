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

    def __init__(self, threads: IThreads) -> None:
        self._threads = threads
        self._waiting: deque[_Job[Any, Any]] = deque()
        self._busy = False
        self._idle: list[Deferred[None]] = []

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._busy

    def run(self, work: Callable[[], T], then: Callable[[T], U] | None = None) -> Deferred[U]:
        """Run `work()` in a thread when its turn comes, then `then(result)` on the reactor thread.

        Returns a Deferred with what `then` returned (or `work`, without `then`), fired after the lane was let
        go; it fails with what either raised."""
        job = _Job(work, then)
        self._waiting.append(job)
        if not self._busy:
            self._busy = True
            self._next()
        return job.waiter

    def drained(self) -> Deferred[None]:
        """Return a Deferred that fires once no job runs or waits."""
        done: Deferred[None] = Deferred()
        if self._busy:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    def _next(self) -> None:
        job = self._waiting.popleft()
        self._threads.call(job.work).addBoth(self._finished, job)

    def _finished(self, result: Any, job: _Job[Any, Any]) -> None:
        if not isinstance(result, Failure) and job.then is not None:
            try:
                result = job.then(result)
            except BaseException:
                result = Failure()
        waiter = job.waiter
        if self._waiting:
            self._next()
        else:
            self._busy = False
            idle, self._idle = self._idle, []
            for done in idle:
                done.callback(None)
        if waiter.called:
            return  # cancelled: nobody waits, and there is nobody to tell of an error but the log
        if isinstance(result, Failure):
            waiter.errback(result)
        else:
            waiter.callback(result)
