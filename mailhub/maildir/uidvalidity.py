"""dovecot-uidvalidity: where new mailboxes of an account get their UIDVALIDITY.

    dovecot-uidvalidity             8 hex digits: the value given last
    dovecot-uidvalidity.6b03fce0    empty; its name is the value given last

A mailbox that is deleted and made again must have a greater UIDVALIDITY than before (RFC 3501 section 2.3.1.1), so
values come from a counter of the account. Taking the next one is a rename of the empty file to the name plus one:
whoever wins the rename has the value, without a lock. The first file only saves a directory scan and may lag behind.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from mailhub.maildir.disk import Disk, read_file
from mailhub.store.errors import Busy

FILE = b"dovecot-uidvalidity"
MODE = 0o444

_TRIES = 100
"""Lost races after which something other than a race must be wrong."""

_VALUE = re.compile(rb"[0-9a-f]{8}")


def next_uidvalidity(disk: Disk, directory: bytes, clock: Callable[[], float] = time.time) -> int:
    """Take and return the next UIDVALIDITY of the account whose control files lie in `directory`.

    The first ever is the time, seconds since the epoch. Raises OSError, Busy."""
    path = os.path.join(directory, FILE)
    current = _noted(path)
    for _ in range(_TRIES):
        if current is not None:
            following = current + 1 if current < 2**32 - 1 else 1
            try:
                disk.rename(_counter(path, current), _counter(path, following))
            except FileNotFoundError:
                pass  # another program was quicker, or the noted value was old
            else:
                _note(disk, path, following)
                return following
        current = _counted(disk, directory)
        if current is None:
            first = max(1, int(clock()))
            try:
                fd = disk.create(_counter(path, first))
            except FileExistsError:
                continue
            try:
                os.fchmod(fd, MODE)
            finally:
                os.close(fd)
            if _counted(disk, directory) == first:
                _note(disk, path, first)
                return first
    raise Busy("Too many programs create mailboxes at once")


def _counter(path: bytes, value: int) -> bytes:
    return b"%b.%08x" % (path, value)


def _noted(path: bytes) -> int | None:
    try:
        data = read_file(path)
    except FileNotFoundError:
        return None
    return int(data, 16) or None if _VALUE.fullmatch(data) else None


def _note(disk: Disk, path: bytes, value: int) -> None:
    """Write the value over the old one, in place as Dovecot does: it is only a hint."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, disk.file_mode)
    try:
        disk.write(fd, b"%08x" % value, path)
    finally:
        os.close(fd)
    disk.sync_directory(os.path.dirname(path))


def _counted(disk: Disk, directory: bytes) -> int | None:
    """Return the greatest counter there is, and remove smaller ones that a race left."""
    prefix = FILE + b"."
    found = sorted(
        int(name[len(prefix) :], 16)
        for name in os.listdir(directory)
        if name.startswith(prefix) and _VALUE.fullmatch(name[len(prefix) :])
    )
    for value in found[:-1]:
        disk.unlink_quietly(_counter(os.path.join(directory, FILE), value))
    return found[-1] if found else None
