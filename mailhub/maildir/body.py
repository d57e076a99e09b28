"""The octets of messages, with CRLF line ends, from files that usually have bare LF.

Small files, which is nearly all of them, are read whole and at once on the reactor thread if the page cache has them
(RWF_NOWAIT): a thread hop costs more than the read. What the cache does not have is read in a thread.

A large file is never held whole. It is read in order, block by block, and line ends are made on the way; marks remember
which octet of the file is which octet of the message, so that a client that asks for pieces in ascending order costs
one pass, and one that goes back does not begin at the top again. Its size is counted once, if no ,W= or index tells.
"""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred, execute, fail, succeed
from zope.interface import implementer

from mailhub.concurrency.lanes import Lane
from mailhub.concurrency.pool import IThreads
from mailhub.maildir.disk import storing
from mailhub.message.facts import Fact
from mailhub.message.message import Message, canonical
from mailhub.store.errors import MessageGone
from mailhub.store.interfaces import IMessageBody
from mailhub.store.model import Uid

SMALL = 256 * 1024
"""Octets on the disk up to which a message is read whole."""
BLOCK = 256 * 1024
"""Octets of a large file read at a time."""
MARK_EVERY = 1024 * 1024

_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)
_scratch = bytearray(SMALL + 1)
_view = memoryview(_scratch)


class NotCached(Exception):
    """The page cache does not hold the file; ask in a thread."""


def open_file(path: bytes) -> tuple[int, os.stat_result]:
    """Open a message's file; return its descriptor and status.

    Whoever can write into the Maildir can put a FIFO in the place of a known message, or a link to a device: neither
    is waited for or read. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "Not a regular file", os.fsdecode(path))
    return fd, status


def read_cached(path: bytes) -> bytes | None:
    """Return the octets of a small file as they are on the disk, or None if it is large. Reactor thread.

    Raises NotCached, OSError."""
    if not _NOWAIT:
        raise NotCached
    fd, status = open_file(path)
    try:
        size = status.st_size
        if size > SMALL:
            return None
        got = os.preadv(fd, [_view[: size + 1]], 0, _NOWAIT)
        if got < size:
            raise NotCached
        return bytes(_view[:got])
    except BlockingIOError:
        raise NotCached from None
    finally:
        os.close(fd)


def read_small(path: bytes) -> bytes | None:
    """As read_cached(), from the disk: threads only."""
    fd, status = open_file(path)
    with open(fd, "rb", buffering=0) as file:
        return None if status.st_size > SMALL else file.read()


@implementer(IMessageBody)
class SmallBody:
    """A message at hand."""

    __slots__ = ("_threads", "size", "uid", "whole")

    def __init__(self, uid: Uid, whole: bytes, threads: IThreads) -> None:
        self.uid = uid
        self.whole: bytes | None = whole
        self.size = len(whole)
        self._threads = threads

    def read(self, offset: int, length: int) -> Deferred[bytes]:
        return succeed((self.whole or b"")[offset : offset + length])

    def facts(self, wanted: Sequence[object]) -> Deferred[Sequence[bytes]]:
        message = Message(self.whole or b"")
        return execute(lambda: [fact.make(message) for fact in cast("Sequence[Fact]", wanted)])

    def close(self) -> None:
        pass


def counted(fd: int) -> int:
    """Return the size of an open file with CRLF line ends; threads only."""
    return sum(len(block) for _, block in _Blocks(fd, 0, False))


class _Blocks:
    """Reads a file from an offset on and gives (octets taken from the file, octets with CRLF) for each block."""

    def __init__(self, fd: int, at: int, after_cr: bool) -> None:
        self._fd = fd
        self.at = at
        self.after_cr = after_cr

    def __iter__(self) -> _Blocks:
        return self

    def __next__(self) -> tuple[int, bytes]:
        data = os.pread(self._fd, BLOCK, self.at)
        if not data:
            raise StopIteration
        taken = len(data)
        self.at += taken
        whole = canonical(data)
        if self.after_cr and data.startswith(b"\n"):
            whole = whole[1:]  # its CR ended the block before
        self.after_cr = data.endswith(b"\r")
        return taken, whole


@implementer(IMessageBody)
class LargeBody:
    """A message that is read in pieces. The file stays open, so that a rename or an expunge does not matter."""

    whole: bytes | None = None

    def __init__(self, uid: Uid, fd: int, size: int, threads: IThreads) -> None:
        self.uid = uid
        self.size = size
        self._fd = fd
        self._lane = Lane(threads)
        self._closed = False
        self._piece = b""
        self._piece_at = 0
        self._blocks = _Blocks(fd, 0, False)
        self._marks: list[tuple[int, int, bool]] = [(0, 0, False)]

    def read(self, offset: int, length: int) -> Deferred[bytes]:
        if self._closed:
            return fail(MessageGone("Message was closed"))
        return self._lane.run(lambda: self._read(offset, length))

    def facts(self, wanted: Sequence[object]) -> Deferred[Sequence[bytes]]:
        if self._closed:
            return fail(MessageGone("Message was closed"))
        return self._lane.run(lambda: self._facts(cast("Sequence[Fact]", wanted)))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._lane.run(lambda: os.close(self._fd))

    def _read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if offset < self._piece_at:
            self._seek(offset)
        found: list[bytes] = []
        with storing():
            while offset < end:
                begin = offset - self._piece_at
                if begin < len(self._piece):
                    taken = self._piece[begin : begin + end - offset]
                    found.append(taken)
                    offset += len(taken)
                elif not self._next():
                    break
        return found[0] if len(found) == 1 else b"".join(found)

    def _next(self) -> bool:
        """Go to the next block."""
        self._piece_at += len(self._piece)
        blocks = self._blocks
        if self._piece_at >= self._marks[-1][0] + MARK_EVERY:
            self._marks.append((self._piece_at, blocks.at, blocks.after_cr))
        _, self._piece = next(blocks, (0, b""))
        return bool(self._piece)

    def _seek(self, offset: int) -> None:
        """Go back to the last mark at or before `offset`."""
        place = bisect_right(self._marks, (offset, 2**63, True)) - 1
        self._piece_at, at, after_cr = self._marks[place]
        self._piece = b""
        self._blocks = _Blocks(self._fd, at, after_cr)

    def _facts(self, wanted: Sequence[Fact]) -> list[bytes]:
        message = Message(self._read(0, self.size))
        return [fact.make(message) for fact in wanted]
