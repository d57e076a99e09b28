"""A receive buffer that cuts lines and counted octets in linear time, however the peer slices its bytes.

Two stores: `_head`, an immutable chunk that is read by moving an index, and `_tail`, where later chunks are
gathered. The tail becomes the head only when it holds what is asked for, so an octet is copied a fixed number
of times at most, and the place up to which a line feed was looked for is remembered, so none is looked at twice.
A chunk that arrives on an empty buffer is read in place, without any copy.
"""

from __future__ import annotations


class ReceiveBuffer:
    """Octets received and not yet taken. It never refuses any: whoever feeds it watches len() and pauses the peer."""

    __slots__ = ("_head", "_head_scanned", "_pos", "_tail", "_tail_scanned")

    def __init__(self) -> None:
        self._head = b""
        self._pos = 0
        self._head_scanned = 0
        self._tail = bytearray()
        self._tail_scanned = 0

    def __len__(self) -> int:
        return len(self._head) - self._pos + len(self._tail)

    def feed(self, data: bytes) -> None:
        """Append what the network gave."""
        if self._pos == len(self._head) and not self._tail:
            self._head = data
            self._pos = self._head_scanned = 0
        else:
            self._tail += data

    def take_line(self) -> bytes | None:
        """Return the next line without its LF or CRLF, or None if there is no LF yet.

        Leniency: a bare LF ends a line too (RFC 3501 section 2.2 wants CRLF); test scripts written with a
        here-document send that, and Dovecot takes it."""
        head = self._head
        end = head.find(b"\n", self._head_scanned)
        if end < 0:
            self._head_scanned = len(head)
            end = self._tail.find(b"\n", self._tail_scanned)
            if end < 0:
                self._tail_scanned = len(self._tail)
                return None
            end += len(head) - self._pos
            self._promote()
            head = self._head
        line = head[self._pos : end]
        self._pos = self._head_scanned = end + 1
        if self._pos == len(head):
            self._drop_head()
        return line[:-1] if line.endswith(b"\r") else line

    def take(self, most: int) -> bytes:
        """Return between 1 and `most` octets, whatever is at hand; b"" if nothing is, or if `most` is not positive."""
        if most <= 0:
            return b""
        if self._pos == len(self._head) and self._tail:
            self._promote()
        start = self._pos
        if start == 0 and most >= len(self._head):
            data = self._head
        else:
            data = self._head[start : start + most]
        self._pos = start + len(data)
        if self._pos == len(self._head):
            self._drop_head()
        elif self._head_scanned < self._pos:
            self._head_scanned = self._pos
        return data

    def clear(self) -> int:
        """Drop everything; return how many octets that were."""
        dropped = len(self)
        self._head = b""
        self._pos = self._head_scanned = self._tail_scanned = 0
        self._tail = bytearray()
        return dropped

    def _drop_head(self) -> None:
        """An idle connection is not to hold on to the last chunk it got."""
        self._head = b""
        self._pos = self._head_scanned = 0

    def _promote(self) -> None:
        """Make what is left of the head, and the tail, the new head."""
        self._head = self._head[self._pos :] + bytes(self._tail)
        self._pos = self._head_scanned = 0
        self._tail_scanned = 0
        self._tail = bytearray()
