"""Opening messages for reading, in batches that the store's read budget bounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred, succeed

from mailhub.concurrency.lanes import Lane
from mailhub.concurrency.pool import IThreads
from mailhub.maildir.body import LargeBody, NotCached, SmallBody, counted, open_file, read_cached, read_small
from mailhub.maildir.filenames import stated_sizes
from mailhub.maildir.state import State
from mailhub.message.message import canonical
from mailhub.store.interfaces import IMessageBody
from mailhub.store.model import Snapshot, Uid

READ_BUDGET = 256 * 1024
"""Octets of messages that open() reads at once, about: as many as the processor keeps at hand until they are sent."""
READ_MOST = 64
"""And how many."""
_TRIES = 6

Opened = Sequence[IMessageBody | None]
_Piece = tuple[bytes, bytes] | tuple[bytes, int, int] | OSError | None
"""What a thread brings of a message: path and octets, or path, descriptor and size, or why not."""


class Bodies:
    """IMailbox.bodies of one mailbox. Reactor thread.

    lane: where files that are not in the page cache are read. look_again: find out where files went. mend(uid, octets
    on the disk, size): a name states a wrong size."""

    def __init__(
        self,
        state: State,
        lane: Lane,
        threads: IThreads,
        look_again: Callable[[], Deferred[Snapshot]],
        mend: Callable[[Uid, int, int], None],
    ) -> None:
        self._state = state
        self._lane = lane
        self._threads = threads
        self._look_again = look_again
        self._mend = mend

    def open(self, uids: Sequence[Uid]) -> Deferred[Opened]:
        """Do as IMailbox.bodies says."""
        opened: list[IMessageBody | None] = []
        octets = 0
        for uid in uids[:READ_MOST]:
            path = self._state.path(uid)
            if path is None:
                opened.append(None)
                continue
            try:
                data = read_cached(path)
            except (NotCached, OSError):
                break
            if data is None:
                break
            opened.append(self._small(uid, path, data))
            octets += len(data)
            if octets >= READ_BUDGET:
                break
        if opened or not uids:
            return succeed(opened)
        return Deferred.fromCoroutine(self._slowly(uids[:READ_MOST]))

    def _small(self, uid: Uid, path: bytes, data: bytes) -> SmallBody:
        whole = canonical(data)
        self._check(uid, path, len(data), len(whole))
        return SmallBody(uid, whole, self._threads)

    def _check(self, uid: Uid, path: bytes, on_disk: int, virtual: int) -> None:
        """See whether the sizes in the name are right."""
        stated, stated_virtual = stated_sizes(path)
        if stated not in (None, on_disk) or stated_virtual not in (None, virtual):
            self._mend(uid, on_disk, virtual)

    async def _slowly(self, uids: Sequence[Uid]) -> Opened:
        """Read in a thread: what the page cache lacks, large files, and files that moved."""
        for _ in range(_TRIES):
            paths = [(uid, path) for uid in uids if (path := self._state.path(uid)) is not None]
            if not paths or paths[0][0] != uids[0]:
                return [None]
            pieces: list[_Piece] = await self._lane.run(partial(self._work, paths))
            if not isinstance(pieces[0], FileNotFoundError):
                return [self._body(uid, piece) for (uid, _), piece in zip(paths, pieces, strict=False)]
            await self._look_again()
        return [None]

    def _work(self, paths: list[tuple[Uid, bytes]]) -> list[_Piece]:
        pieces: list[_Piece] = []
        octets = 0
        for uid, path in paths:
            try:
                data = read_small(path)
                if data is None:
                    if not pieces:
                        pieces.append(self._large(uid, path))
                    break
            except FileNotFoundError as error:
                if not pieces:
                    pieces.append(error)
                break
            except OSError as error:
                pieces.append(error)
                continue
            pieces.append((path, data))
            octets += len(data)
            if octets >= READ_BUDGET:
                break
        return pieces

    def _large(self, uid: Uid, path: bytes) -> _Piece:
        fd, status = open_file(path)
        try:
            on_disk = status.st_size
            size, virtual = stated_sizes(path)
            # A name that is wrong about one size is not believed about the other.
            return path, fd, virtual if virtual is not None and size == on_disk else counted(fd)
        except OSError:
            os.close(fd)
            raise

    def _body(self, uid: Uid, piece: _Piece) -> IMessageBody | None:
        if piece is None or isinstance(piece, OSError):
            self._state.tell("broken", "A message cannot be read")
            return None
        if len(piece) == 2:
            return self._small(uid, piece[0], piece[1])
        path, fd, size = piece
        self._check(uid, path, os.fstat(fd).st_size, size)
        return LargeBody(uid, fd, size, self._threads)
