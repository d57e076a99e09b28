"""The file `subscriptions` in the mail root: names that a user subscribed to.

    V<TAB>2

    Work<TAB>Projects
    INBOX

Version 2 joins the levels of a name by TAB, each escaped; version 1, without the first two lines, has them joined by
the separator of the disk layout. A file keeps its version, a new one gets 2. Levels are octets as they stand in
directory names (see names.py); lines that cannot be understood survive every change, because another program may know
what they mean.

The file is replaced under subscriptions.lock, which is the next version of it.
"""

from __future__ import annotations

import os
import re

from attrs import evolve, frozen

from mailhub.maildir.disk import Disk, read_file
from mailhub.maildir.dotlock import DotLock

FILE = b"subscriptions"
STALE_SECONDS = 30.0
"""After this long, Dovecot and we take a lock of the file for dead."""

HEADER = b"V\t2\n\n"

Levels = tuple[bytes, ...]

_ESCAPES = {b"0": b"\0", b"1": b"\1", b"t": b"\t", b"r": b"\r", b"n": b"\n"}
_ESCAPED = re.compile(rb"\x01(.?)", re.DOTALL)
_SPECIAL = re.compile(rb"[\0\1\t\r\n]")
_SPELLINGS = {value: b"\1" + key for key, value in _ESCAPES.items()}


@frozen
class Subscriptions:
    """What the file says."""

    names: tuple[Levels, ...] = ()
    """In the order of the file, each once."""
    version: int = 2


def parse_subscriptions(data: bytes, separator: bytes) -> Subscriptions:
    """Understand the file; `separator` is that of version 1."""
    first, _, rest = data.partition(b"\n")
    if first.startswith(b"V\t"):
        lines = [tuple(map(unescape, line.split(b"\t"))) for line in rest.split(b"\n") if line]
        return Subscriptions(tuple(dict.fromkeys(lines)))
    lines = [tuple(line.split(separator)) for line in data.split(b"\n") if line]
    return Subscriptions(tuple(dict.fromkeys(lines)), version=1 if lines else 2)


def format_subscriptions(subscriptions: Subscriptions, separator: bytes) -> bytes:
    """Return the octets of the file."""
    if subscriptions.version == 1:
        return b"".join(separator.join(levels) + b"\n" for levels in subscriptions.names)
    return HEADER + b"".join(b"\t".join(map(escape, levels)) + b"\n" for levels in subscriptions.names)


def escape(level: bytes) -> bytes:
    """Return a level with NUL, SOH, TAB, CR and LF spelled as two octets each."""
    return _SPECIAL.sub(lambda found: _SPELLINGS[found[0]], level)


def unescape(level: bytes) -> bytes:
    """Undo escape(); an unknown octet after SOH stands for itself."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), level)


class SubscriptionsFile:
    """The file of one account. Blocks: threads only.

    directory: the mail root (or CONTROL=); separator: that of the disk layout; lock_seconds: how long to wait."""

    def __init__(self, disk: Disk, directory: bytes, separator: bytes, lock_seconds: float) -> None:
        self._disk = disk
        self._path = os.path.join(directory, FILE)
        self._separator = separator
        self._lock_seconds = lock_seconds

    def load(self) -> Subscriptions:
        """Read the file; without one nothing is subscribed. Raises OSError."""
        try:
            return parse_subscriptions(read_file(self._path), self._separator)
        except FileNotFoundError:
            return Subscriptions()

    def change(self, name: Levels, subscribed: bool) -> bool:
        """Subscribe or unsubscribe one name, durably; say whether that changed anything. Raises Busy, OSError."""
        if (name in self.load().names) == subscribed:
            return False
        lock = DotLock(self._disk, self._path, self._lock_seconds, STALE_SECONDS)
        lock.acquire()
        try:
            before = self.load()
            if (name in before.names) == subscribed:
                return False
            names = (*before.names, name) if subscribed else tuple(each for each in before.names if each != name)
            lock.replace(format_subscriptions(evolve(before, names=names), self._separator))
        finally:
            lock.release()
        return True
