"""Command lines for protocols that have one command a line (POP3, LMTP): bounded, and never out of step.

A line over the limit is read to its end and handed out as TOO_LONG, so that its octets can never be taken for
commands and the next line is the next command.
"""

from __future__ import annotations

from enum import Enum

from mailhub.wire.buffer import ReceiveBuffer


class LongLine(Enum):
    """Stands in the place of a line that was longer than allowed."""

    TOO_LONG = "too long"


TOO_LONG = LongLine.TOO_LONG


class LineBuffer(ReceiveBuffer):
    """A ReceiveBuffer that hands out lines of at most `limit` octets, line end not counted."""

    __slots__ = ("_dropping", "limit")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._dropping = False

    def next_line(self) -> bytes | LongLine | None:
        """Return the next line without its LF or CRLF, TOO_LONG in the place of one over the limit, or None if
        more data is needed."""
        line = self.take_line()
        if line is None:
            # One octet more than the limit may be the CR of a CRLF whose LF is on its way.
            if len(self) > self.limit + 1:
                self._dropping = True
                self.clear()
            return None
        if self._dropping or len(line) > self.limit:
            self._dropping = False
            return TOO_LONG
        return line

    def give_back(self, octets: bytes) -> None:
        """Put `octets` back in front of what waits: the end of the latest take()."""
        if octets:
            self._head = octets + self._head[self._pos :]
            self._pos = self._head_scanned = 0
