"""The thin layer through which every write of the store goes to the disk.

Three things need one place: whether writes are made durable (`fsync`), the modes of what is made, and a point where a
test can let the Nth operation fail as a full or broken disk would. Reads of many small things (listing, stat) go to
`os` directly; they change nothing.

Paths are bytes throughout the store: a file name on Linux is bytes, 100,000 of them list and split about a third
faster than text, and no name that another program made can fail to decode.

Methods raise plain OSError, because callers tell FileNotFoundError and FileExistsError apart; `storing()` turns what
remains into the errors of mailhub.store.errors where a piece of work ends. Everything here blocks: threads only.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mailhub.store.errors import BadMailboxName, OverQuota, ReadOnly, StoreError, Unavailable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def store_error(error: OSError, refused: type[StoreError] = ReadOnly) -> StoreError:
    """Return what `error` is in the store's words; `refused` stands for missing permission.

    The text is for clients and so holds no path."""
    if error.errno in NO_ROOM:
        return OverQuota("Not enough disk space")
    if error.errno in REFUSED:
        return refused("Permission denied")
    if error.errno == errno.ENAMETOOLONG:
        return BadMailboxName("Name is too long")
    return Unavailable(f"Storage fails: {os.strerror(error.errno or errno.EIO)}")


@contextmanager
def storing(refused: type[StoreError] = ReadOnly) -> Iterator[None]:
    """Turn an OSError of the block into a StoreError, whose __cause__ it is (for the log)."""
    try:
        yield
    except OSError as error:
        raise store_error(error, refused) from error


class Disk:
    """Writes to the disk.

    fsync: whether sync() and sync_directory() do anything.
    directory_mode, file_mode: permissions of what is made, whatever the umask takes away from group and others.
    """

    def __init__(self, fsync: bool = True, directory_mode: int = 0o700, file_mode: int = 0o600) -> None:
        self.fsync = fsync
        self.directory_mode = directory_mode
        self.file_mode = file_mode

    def like(self, directory: bytes) -> Disk:
        """Return a Disk that makes directories with the mode of `directory`, and files with what of that makes
        sense for files, as Dovecot does below a mail root that a group shares."""
        mode = os.stat(directory).st_mode & 0o777
        other = copy.copy(self)
        other.directory_mode = mode | 0o700
        other.file_mode = (mode & 0o666) | 0o600
        return other

    def before(self, operation: str, path: bytes) -> None:
        """Called before each change with the name of the method; a test overrides it to raise an OSError."""

    def create(self, path: bytes) -> int:
        """Make a file that must not exist; return a descriptor for writing. Raises FileExistsError."""
        self.before("create", path)
        return self._opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def overwrite(self, path: bytes) -> int:
        """Make a file or empty the one that is there; return a descriptor for writing."""
        self.before("overwrite", path)
        return self._opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def append(self, path: bytes) -> int:
        """Open an existing file for writing at its end."""
        self.before("append", path)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def write(self, fd: int, data: bytes | memoryview, path: bytes = b"") -> None:
        """Write all of `data`. `path` only tells a test what is written."""
        self.before("write", path)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def sync(self, fd: int, path: bytes = b"") -> None:
        """Make what was written to `fd` durable."""
        self.before("sync", path)
        if self.fsync:
            os.fsync(fd)

    def sync_directory(self, path: bytes) -> None:
        """Make names made, renamed or removed in directory `path` durable."""
        self.before("sync_directory", path)
        if self.fsync:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename, replacing what is at `new`."""
        self.before("rename", new)
        os.rename(old, new)

    def link(self, old: bytes, new: bytes) -> None:
        """Give file `old` a second name. Raises FileExistsError."""
        self.before("link", new)
        os.link(old, new)

    def unlink(self, path: bytes) -> None:
        self.before("unlink", path)
        os.unlink(path)

    def truncate(self, path: bytes, size: int) -> None:
        """Cut a file to `size` octets."""
        self.before("truncate", path)
        os.truncate(path, size)

    def mkdir(self, path: bytes) -> None:
        """Make one directory. Raises FileExistsError."""
        self.before("mkdir", path)
        os.mkdir(path, self.directory_mode)
        if self.directory_mode & 0o077:
            os.chmod(path, self.directory_mode)

    def makedirs(self, path: bytes) -> None:
        """Make a directory and those above it, as far as they are missing."""
        try:
            self.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
        except FileNotFoundError:
            self.makedirs(os.path.dirname(path))
            self.makedirs(path)

    def rmdir(self, path: bytes) -> None:
        self.before("rmdir", path)
        os.rmdir(path)

    def remove_tree(self, path: bytes) -> None:
        """Remove a directory with all that is in it; what vanishes meanwhile is no error."""
        try:
            with os.scandir(path) as entries:
                found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for name, is_directory in found:
                if is_directory:
                    self.remove_tree(name)
                else:
                    self.unlink_quietly(name)
            self.rmdir(path)
        except FileNotFoundError:
            pass

    def unlink_quietly(self, path: bytes) -> None:
        """Remove a file; that it is gone already is no error."""
        try:
            self.unlink(path)
        except FileNotFoundError:
            pass

    def utime(self, path: bytes, seconds: float) -> None:
        """Set access and modification time, seconds since the epoch."""
        self.before("utime", path)
        os.utime(path, (seconds, seconds))

    def store(self, path: bytes, data: bytes, temporary: bytes) -> None:
        """Write `data` to `temporary`, make it durable and rename it to `path`: readers see the old or the new."""
        fd = self.overwrite(temporary)
        try:
            self.write(fd, data, temporary)
            self.sync(fd, temporary)
        finally:
            os.close(fd)
        self.rename(temporary, path)
        self.sync_directory(os.path.dirname(path))

    def _opened(self, path: bytes, flags: int) -> int:
        fd = os.open(path, flags | os.O_CLOEXEC, self.file_mode)
        if self.file_mode & 0o077:
            os.fchmod(fd, self.file_mode)
        return fd


def read_file(path: bytes) -> bytes:
    """Return all octets of a file. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return file.read()
