"""mailboxes.lock in the mail root: held by Dovecot and by us while mailboxes are made, deleted or renamed.

It is a file with a lock of the kernel on it, and so is never left behind locked by a crash. Whoever makes it locks it
first and then links it into place; whoever finds it waits for the kernel's lock, and begins anew if the file was
removed meanwhile.

Dovecot's lock belongs to its process. Ours belongs to the open file (F_OFD_SETLK, which keeps out the other kind too),
so that two threads keep each other out as well, and closing another descriptor of the file does not lose it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import struct
import time

from mailhub.maildir.disk import Disk
from mailhub.store.errors import Busy

FILE = b"mailboxes.lock"
POLL_SECONDS = 0.02
_TEMPORARY = re.compile(re.escape(FILE) + rb"[0-9a-f]{16}")

_WHOLE_FILE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""struct flock of fcntl(2)."""


class ListLock:
    """The right to change the mailbox list of the mail root `directory`, as a context manager.

    It may be released by another thread than the one that acquired it. seconds: how long to wait for another's."""

    def __init__(self, disk: Disk, directory: bytes, seconds: float) -> None:
        self._disk = disk
        self._path = os.path.join(directory, FILE)
        self._seconds = seconds
        self._fd = -1

    def acquire(self) -> None:
        """Raises Busy, OSError. Threads only."""
        deadline = time.monotonic() + self._seconds
        while (fd := self._taken()) is None:
            if time.monotonic() >= deadline:
                raise Busy("Mailbox list is locked by another program")
            time.sleep(POLL_SECONDS)
        self._fd = fd

    def release(self) -> None:
        """Let the lock go. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            if _same(self._path, fd):
                os.unlink(self._path)  # not through the disk layer: a failing disk must not leave locks
        finally:
            os.close(fd)

    def __enter__(self) -> ListLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _taken(self) -> int | None:
        """Try once; return the descriptor that holds the lock."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return _made(self._disk, self._path)
        if _locked(fd) and _same(self._path, fd):
            return fd
        os.close(fd)
        return None


def _made(disk: Disk, path: bytes) -> int | None:
    temporary = path + secrets.token_hex(8).encode("ascii")
    try:
        os.close(disk.create(temporary))
    except FileNotFoundError:
        # Somebody removed the whole account; it is made anew as it is used.
        disk.makedirs(os.path.dirname(path))
        return None
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


def remove_temporary(directory: bytes, before: float) -> None:
    """Remove what was to become the lock of the mail root `directory`, left by processes that ended before it did,
    if its last change was before the clock said `before`. Never raises. Threads only."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if _TEMPORARY.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_ctime < before:
                    os.unlink(entry.path)
    except OSError:
        pass  # somebody else cleans, or it is not ours to remove


def _locked(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
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
