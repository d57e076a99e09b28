"""Hearing of what other programs do, so that an idle client is told at once.

inotify watches cur/ and new/ of mailboxes that somebody listens to. The kernel only says that something happened; what
it was, a look at the disk tells. So events are not taken apart: thousands of them, as a bulk change makes, cost one
read and one look. Changes of our own cause events too; the look then finds everything as it should be.

The Watcher is one for a process: the kernel limits how many there may be. Where it has no room for a watch, or there is
no inotify, the mailbox is looked at every half minute.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger
from twisted.python.filepath import FilePath

POLL_SECONDS = 30.0
_EVENT = struct.Struct("=iIII")
_READ = 65536


class Watcher:
    """Calls back when something in a directory changed. Reactor thread only."""

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._inotify: Any = None
        self._calls: dict[int, Callable[[], None]] = {}
        self._told = False

    def watch(self, directories: list[bytes], call: Callable[[], None]) -> list[int] | None:
        """Call `call` after names in `directories` appeared, vanished or changed; return what unwatch() takes, or
        None if that is not possible."""
        inotify = self._opened()
        if inotify is None:
            return None
        handles: list[int] = []
        for directory in directories:
            try:
                handles.append(inotify.add(directory))
            except OSError as error:
                self._tell(str(error))
                self.unwatch(handles)
                return None
            self._calls[handles[-1]] = call
        return handles

    def unwatch(self, handles: list[int]) -> None:
        """Stop that."""
        for handle in handles:
            if self._calls.pop(handle, None) is not None:
                self._inotify.remove(handle)

    def poll(self) -> None:
        """Call back for what happened up to now. The kernel queues an event before the call that caused it returns, so
        if nobody is called, nothing happened; that costs a microsecond, and a look at the disk ten."""
        if self._inotify is not None:
            self._inotify.doRead()

    def close(self) -> None:
        """Let go of all watches."""
        self._calls.clear()
        if self._inotify is not None:
            self._inotify.connectionLost(None)
            self._inotify = None

    def _opened(self) -> Any:
        if self._inotify is None and IReactorFDSet.providedBy(self._reactor):
            try:
                self._inotify = _open(self._reactor, self._happened)
            except Exception as error:  # whatever it is, mail is served without
                self._tell(str(error))
        return self._inotify

    def _happened(self, handles: set[int]) -> None:
        calls = {call for handle in handles if (call := self._calls.get(handle)) is not None}
        for call in calls:
            call()

    def _tell(self, error: str) -> None:
        if not self._told:
            self._told = True
            self._log.warn("Changes by other programs are looked for every {seconds} s only: {error}",
                           seconds=int(POLL_SECONDS), error=error)  # fmt: skip


def _open(reactor: Any, happened: Callable[[set[int]], None]) -> Any:
    """Return Twisted's inotify reader, made to read events in bulk."""
    from twisted.internet import inotify as twisted_inotify

    mask = (
        twisted_inotify.IN_CREATE
        | twisted_inotify.IN_DELETE
        | twisted_inotify.IN_MOVED_FROM
        | twisted_inotify.IN_MOVED_TO
    )

    class Reader(twisted_inotify.INotify):
        """Twisted's calls back once an event, which for 10,000 renames takes longer than the renames."""

        def add(self, directory: bytes) -> int:
            """Watch a directory; return its number."""
            try:
                return int(cast("Any", self).watch(FilePath(directory), mask=mask))
            except Exception as error:  # Twisted's INotifyError, which has no public name
                raise OSError("a directory cannot be watched") from error

        def remove(self, handle: int) -> None:
            """Stop watching."""
            path = self._watchpoints.get(handle)
            if path is not None:
                try:
                    cast("Any", self).ignore(path.path)
                except Exception:  # the kernel let go of it already, with the directory
                    self._watchpoints.pop(handle, None)
                    self._watchpaths.pop(path.path, None)

        def doRead(self) -> None:
            seen: set[int] = set()
            fd: int = cast("Any", self).fileno()
            while True:
                try:
                    data = os.read(fd, _READ)
                except (BlockingIOError, InterruptedError):
                    break
                at = 0
                while at < len(data):
                    handle, _, _, length = _EVENT.unpack_from(data, at)
                    seen.add(handle)
                    at += _EVENT.size + length
                if len(data) < _READ // 2:
                    break
            # The queue of the kernel ran over (-1): anything may have happened.
            if seen:
                happened(set(self._watchpoints) if -1 in seen else seen)

    reader: Any = cast("Any", Reader)(reactor)
    reader.startReading()
    return reader
