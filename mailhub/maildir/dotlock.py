"""Dovecot's lock files: `X.lock` beside a file X that several programs change.

Whoever makes the file has the lock. There are two uses, and Dovecot reads and breaks both by the same rules:

- A plain lock holds "<pid>:<host>" and is removed in the end (dovecot-uidlist).
- A replacing lock is held while a new version of X is made (dovecot-keywords, subscriptions). Dovecot writes the new
  version into the lock itself, which then does not tell whose it is: after a crash all wait for `stale` seconds. Ours
  names its owner too, and the new version is a file of its own.

A lock left by a crash must not stop mail for ever. It is taken for dead if its process, on this host, no longer
exists, or started only after the lock was made (a process number used again, common in containers, where a server
restarted after a crash meets its own number; clocks may be set, so we also see it lie there for a while); or if nothing
is known of its process and the file has not been touched for `stale` seconds. A holder at work for long therefore calls
keep(). A process that lives keeps its lock.

Breaking a dead lock has a race: two waiters see it dead, one removes it and makes its own, the other removes that.
So the file is first renamed aside, and only if it still is the dead one is it removed; else it is put back. Files are
told apart by inode; they are held open meanwhile, so that no number is used again.

Locks wait by polling, as nobody tells of a removal that works on every file system. Threads only.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

from mailhub.maildir.disk import Disk
from mailhub.store.errors import Busy

STALE_SECONDS = 120.0
TOUCH_SECONDS = 10.0
"""How often a lock that is held for long is touched."""

WATCH_SECONDS = 2.0
"""How long we see a lock unchanged before we believe that its process is not the one that made it."""

TEMPORARY = b".tmp"
"""Added to the name of a file whose new version is written; the next one who does so overwrites what a crash left."""

POLL_SECONDS = (0.002, 0.25)
"""First and longest pause between two tries."""

_ASIDE = re.compile(rb"\.[0-9]+\.[0-9]+")
_OWNER = re.compile(rb"([1-9][0-9]{0,9}):(.+)", re.DOTALL)


class DotLock:
    """The right to change file `path`, as a context manager. Not reentrant; used by one thread at a time.

    seconds: how long to wait for another's lock.
    stale: seconds after which an untouched lock of an unknown process is dead.
    clock, pause: for tests.
    """

    def __init__(
        self,
        disk: Disk,
        path: bytes,
        seconds: float,
        stale: float = STALE_SECONDS,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._disk = disk
        self._path = path
        self._lock = path + b".lock"
        self._seconds = seconds
        self._stale = stale
        self._clock = clock
        self._pause = pause
        self._host = socket.gethostname().encode("utf-8", "surrogateescape")
        self._fd = -1
        self._touched = 0.0
        self._seen: tuple[int, int] | None = None
        self._seen_since = 0.0

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def acquire(self) -> None:
        """Take the lock, to be ended with release() or replace(). Raises Busy after `seconds`, OSError."""
        self._take(b"%d:%b" % (os.getpid(), self._host))

    def keep(self) -> None:
        """Say that the holder lives; costs next to nothing when called often."""
        now = self._clock()
        if self._fd >= 0 and now - self._touched >= TOUCH_SECONDS:
            self._touched = now
            self._disk.utime(self._lock, now)

    def replace(self, data: bytes) -> None:
        """Make `data` the content of the file, durably, and let the lock go. Raises OSError; the lock is then still
        held."""
        self._disk.store(self._path, data, self._path + TEMPORARY)
        self.release()

    def release(self) -> None:
        """Let the lock go. Idempotent. A lock that another program broke meanwhile is not ours to remove."""
        if self._fd < 0:
            return
        try:
            if os.path.samestat(os.lstat(self._lock), os.fstat(self._fd)):
                os.unlink(self._lock)  # not through the disk layer: a failing disk must not leave locks
        except FileNotFoundError:
            pass
        finally:
            self._close()

    def __enter__(self) -> DotLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _take(self, content: bytes) -> None:
        deadline = time.monotonic() + self._seconds
        pause, longest = POLL_SECONDS
        while not self._make(content):
            if self._dead():
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise Busy("Mailbox is locked by another program")
            self._pause(min(pause, left))
            pause = min(pause * 2, longest)

    def _make(self, content: bytes) -> bool:
        if os.path.lexists(self._lock):
            return False
        # It comes into being with its owner in it: an empty one, left by a crash, would stop all for `stale` seconds.
        temporary = self._aside()
        fd = self._disk.create(temporary)
        try:
            self._disk.write(fd, content, temporary)
            self._disk.link(temporary, self._lock)
        except FileExistsError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        finally:
            os.unlink(temporary)
        self._fd = fd
        self._touched = self._clock()
        return True

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _dead(self) -> bool:
        """Remove the lock in our way if it is dead; say whether to try again at once."""
        try:
            with open(self._lock, "rb", buffering=0) as file:
                if not self._is_dead(os.fstat(file.fileno()), file.read(256)):
                    return False
                self._remove(file.fileno())
        except FileNotFoundError:
            pass
        except PermissionError:
            return False  # another account's; it may live
        return True

    def _is_dead(self, status: os.stat_result, content: bytes) -> bool:
        if self._seen != (status.st_ino, status.st_mtime_ns):
            self._seen, self._seen_since = (status.st_ino, status.st_mtime_ns), time.monotonic()
        made = max(status.st_mtime, status.st_ctime)
        owner = _OWNER.fullmatch(content.strip())
        if owner is None or owner[2] != self._host:
            return self._clock() - made >= self._stale
        started = process_started(int(owner[1]))
        if started is None:
            return True
        # A second of slack: both times are rounded.
        return started > made + 1.0 and time.monotonic() - self._seen_since >= WATCH_SECONDS

    def _remove(self, dead: int) -> None:
        aside = self._aside()
        os.rename(self._lock, aside)
        try:
            if not os.path.samestat(os.lstat(aside), os.fstat(dead)):
                os.link(aside, self._lock)
        except FileExistsError:
            pass
        finally:
            os.unlink(aside)
        self._clean()

    def _aside(self) -> bytes:
        """Return a name beside the lock that nobody else uses."""
        return b"%b.%d.%d" % (self._lock, threading.get_native_id(), time.monotonic_ns())

    def _clean(self) -> None:
        """Remove what others who broke this lock left beside it when they ended at that very moment."""
        directory, name = os.path.split(self._lock)
        for other in os.listdir(directory):
            if other.startswith(name) and _ASIDE.fullmatch(other, len(name)):
                path = os.path.join(directory, other)
                try:
                    if self._clock() - os.lstat(path).st_ctime >= self._stale:
                        os.unlink(path)
                except OSError:
                    pass  # somebody else did, or it is not ours to remove


def process_started(pid: int) -> float | None:
    """Return when process `pid` of this host started, seconds since the epoch; None if there is no such process,
    0.0 if it lives but its start cannot be told."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as file:
            uptime = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
