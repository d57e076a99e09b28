"""The thread pool for disk work: its lifecycle, and a stand-in that runs everything in place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import Interface, implementer

T = TypeVar("T")

SWITCH_INTERVAL = 0.0005
"""Seconds a thread may keep the interpreter while the reactor waits for it; Python's default of 5 ms would
let a directory scan delay every client by that much, again and again."""


class IThreads(Interface):
    """Runs a function off the reactor thread."""

    def call(work: Callable[[], Any]) -> Deferred[Any]:
        """Run `work()`; return its result, on the reactor thread."""


@implementer(IThreads)
class Threads:
    """A Twisted thread pool of `size` threads, started on first use."""

    def __init__(self, reactor: Any, size: int = 8) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, size, "disk")
        # Daemon threads: a process that gives up waiting for one (a lock that another program keeps) can end.
        self._pool.threadFactory = partial(ThreadPool.threadFactory, daemon=True)  # type: ignore[assignment]
        self._started = False

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        if not self._started:
            self._started = True
            sys.setswitchinterval(SWITCH_INTERVAL)
            self._pool.start()
        return deferToThreadPool(self._reactor, self._pool, work)

    def stop(self) -> None:
        """Wait for the work under way and end the threads. Call after the reactor let its clients go."""
        if self._started:
            self._started = False
            self._pool.stop()


@implementer(IThreads)
class InlinePool:
    """Runs work at once on the calling thread: for tests, and for commands that have no reactor."""

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        return execute(work)
