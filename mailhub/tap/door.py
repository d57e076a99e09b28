"""How many connections there may be: beyond the limit new ones are closed at once, so that files can still be opened
for those who are there, and the log says so once a minute and not once a connection."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

RESERVE = 256
"""Descriptors kept for messages, indexes, locks and the process itself."""
LEAST = 32
QUIET = 60.0
"""Seconds for which the log is spared after it was told."""


def allowed(configured: int) -> int:
    """Return the limit: what is configured, or for 0 what the limit of open files leaves room for."""
    if configured:
        return configured
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 31 if files == resource.RLIM_INFINITY else max(LEAST, files - RESERVE)


class Crowd:
    """Knows how many connections all services have together."""

    log = Logger()

    def __init__(self, reactor: Any, limit: int, count: Callable[[], int]) -> None:
        self._reactor = reactor
        self._limit = limit
        self._count = count
        self._told: float | None = None

    def full(self) -> bool:
        """Return whether there is room for no more, and say so in the log."""
        if self._count() < self._limit:
            return False
        now = self._reactor.seconds()
        if self._told is None or now - self._told >= QUIET:
            self._told = now
            self.log.warn("{limit} connections are open: others are turned away", limit=self._limit)
        return True


class Door(ServerFactory):
    """Stands before the factory of a port; it takes no part in connections that it lets in."""

    noisy = False

    def __init__(self, inner: Any, crowd: Crowd) -> None:
        self._inner = inner
        self._crowd = crowd

    def doStart(self) -> None:
        self._inner.doStart()

    def doStop(self) -> None:
        self._inner.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return None if self._crowd.full() else self._inner.buildProtocol(addr)
