"""A message on its way in.

Most messages are small: they are kept in memory and written once, by the job that appends them. A large one goes to a
file in tmp/ of the mailbox it is meant for as it comes, so that it is never held whole.

Files have bare LF line ends, as Dovecot writes them. What a client sends is converted as it comes, whatever the borders
of the pieces; a CR that stands alone stays. So does the CR LF of CR CR LF: without its CR, reading would make
CR LF of what is left, one octet less than was sent.
"""

from __future__ import annotations

import os
import re
import threading

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailhub.concurrency.lanes import Lane
from mailhub.maildir.disk import storing
from mailhub.maildir.means import Means
from mailhub.store.errors import OverQuota, StoreError, TooBig
from mailhub.store.interfaces import IDraft

IN_MEMORY = 256 * 1024
"""Octets up to which a draft is kept in memory."""

_LINE_END = re.compile(rb"(?<!\r)\r\n")


class LineEnds:
    """Turns CR LF into LF, piece by piece.

    stored: octets given out. size: octets that a reader will see, with CRLF line ends."""

    def __init__(self) -> None:
        self.stored = 0
        self.size = 0
        self._held = b""

    def convert(self, data: bytes, last: bool = False) -> bytes:
        """Return what is to be stored so far; CRs at the end wait for what follows them, unless it is the `last`."""
        if self._held:
            data = self._held + data
            self._held = b""
        if not last and data.endswith(b"\r"):
            keep = 2 if data.endswith(b"\r\r") else 1
            data, self._held = data[:-keep], data[-keep:]
        kept = 0
        if b"\r\r\n" in data:
            data = _LINE_END.sub(b"\n", data)
            kept = data.count(b"\r\n")
        else:
            data = data.replace(b"\r\n", b"\n")
        self.stored += len(data)
        self.size += len(data) + data.count(b"\n") - kept
        return data

    @property
    def waiting(self) -> int:
        """Octets held back."""
        return len(self._held)


@implementer(IDraft)
class Draft:
    """See the top of this module. Reactor thread, but for what appending calls."""

    def __init__(self, means: Means, directory: bytes) -> None:
        """`directory` is that of the mailbox it is meant for, with a tmp/ in it."""
        self._means = means
        self._temporary = os.path.join(directory, b"tmp")
        self._limit = means.settings.message_limit
        self._ends = LineEnds()
        self._pieces: list[bytes] = []
        self._lane: Lane | None = None
        self._fd = -1
        # It may be thrown away in one thread while another appends it.
        self._file = threading.Lock()
        self._failed: StoreError | None = None
        self._discarded = False
        self.spooled: bytes | None = None
        """The file of a large draft."""
        self.spooled_date: int | None = None
        """Its modification time."""
        self.shared: bytes | None = None
        """Where a durable file with this content lies, once it was appended; others may link it while it is there."""
        self.date: int | None = None
        """The modification time of that file."""

    @property
    def size(self) -> int:
        return self._ends.size + self._ends.waiting

    @property
    def stored(self) -> int:
        """Octets on the disk."""
        return self._ends.stored

    def write(self, data: bytes) -> Deferred[None] | None:
        if self._failed is not None:
            raise self._failed
        piece = self._ends.convert(data)
        if self.size > self._limit:
            self._failed = TooBig("Message is too big")
            self._pieces.clear()
            raise self._failed
        if piece:
            self._pieces.append(piece)
        if self._lane is None and self._ends.stored <= IN_MEMORY:
            return None
        return self._spool()

    def finish(self, date: int) -> bytes | None:
        """Return the whole content to be stored, or None if it lies in `spooled`. Called by the job that appends it;
        may be called again. `date`, seconds since the epoch, becomes the modification time of a spooled file, as
        durable as its content. Raises what an earlier write did, OSError."""
        with self._file:
            # The pieces first: discard(), on the reactor thread, says that it failed before it takes them away.
            pieces = self._pieces
            if self._failed is not None:
                raise self._failed
            rest = self._ends.convert(b"", last=True)
            if self._lane is None:
                pieces[:] = [b"".join([*pieces, rest])]
                return pieces[0]
            if self._fd >= 0:
                self._complete(rest, date)
            return None

    def _complete(self, rest: bytes, date: int) -> None:
        """Write the end of the spooled file and make it durable. If that fails no later recipient gets half of it."""
        assert self.spooled is not None
        try:
            with storing():
                self._means.disk.write(self._fd, rest, self.spooled)
                self._means.disk.utime(self.spooled, date)
                self._means.disk.sync(self._fd, self.spooled)
        except StoreError as error:
            self._failed = error
            raise
        else:
            self.spooled_date = date
        finally:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        if self._discarded:
            return
        self._discarded = True
        self._failed = self._failed or OverQuota("Draft was thrown away")
        self._pieces = []
        if self._lane is not None:
            self._lane.run(self._remove).addErrback(lambda _: None)

    def _spool(self) -> Deferred[None]:
        if self._lane is None:
            self._lane = Lane(self._means.threads)
        pieces, self._pieces = self._pieces, []
        return self._lane.run(lambda: self._append(pieces))

    def _append(self, pieces: list[bytes]) -> None:
        disk = self._means.disk
        try:
            with storing():
                if self._fd < 0:
                    path = os.path.join(self._temporary, self._means.names.make())
                    self._fd = disk.create(path)
                    self.spooled = path
                disk.write(self._fd, b"".join(pieces), self.spooled or b"")
        except StoreError as error:
            self._failed = error
            raise

    def _remove(self) -> None:
        with self._file:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            if self.spooled is not None:
                self._means.disk.unlink_quietly(self.spooled)
