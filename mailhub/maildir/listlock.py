"""mailboxes.lock in the mail root: held by Dovecot and by us while mailboxes are made, deleted or renamed.

It is a file with a lock of the kernel on it, and so is never left behind locked by a crash. Whoever makes it locks it
first and then links it into place; whoever finds it waits for the kernel's lock, and begins anew if the file was
removed meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mailhub.maildir.disk import Disk
from mailhub.store.errors import Busy

FILE = b"mailboxes.lock"
POLL_SECONDS = 0.02


@contextmanager
def list_lock(disk: Disk, directory: bytes, seconds: float) -> Iterator[None]:
    """Hold the lock of the mail root `directory`; wait up to `seconds` for it. Raises Busy, OSError. Threads only."""
    path = os.path.join(directory, FILE)
    deadline = time.monotonic() + seconds
    while (fd := _taken(disk, path)) is None:
        if time.monotonic() >= deadline:
            raise Busy("Mailbox list is locked by another program")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        try:
            if _same(path, fd):
                os.unlink(path)  # not through the disk layer: a failing disk must not leave locks
        finally:
            os.close(fd)


def _taken(disk: Disk, path: bytes) -> int | None:
    """Try once; return the descriptor that holds the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return _made(disk, path)
    if _locked(fd) and _same(path, fd):
        return fd
    os.close(fd)
    return None


def _made(disk: Disk, path: bytes) -> int | None:
    temporary = path + secrets.token_hex(8).encode("ascii")
    os.close(disk.create(temporary))
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CLOEXEC)
        if _locked(fd):
            try:
                disk.link(temporary, path)
            except FileExistsError:
                pass
            else:
                return fd
        os.close(fd)
        return None
    finally:
        os.unlink(temporary)


def _locked(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


def _same(path: bytes, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
