"""Stage 1 of the grammar: cut the octets of a connection into the lines and literals of one command.

A line that ends in "{n}", "{n+}" or "~{n}" is followed by n octets of literal and then by more of the same command;
any other line ends it. That is all this stage knows, and it is enough to keep sync: a command that the grammar will
refuse is framed like any other, and the octets of a literal are never read as a command. What goes over a limit is
dropped as it comes, with only its end kept, since that tells whether a literal follows.

    literal   = "{" number "}" CRLF *CHAR8          RFC 3501 section 9
    literal   = "{" number ["+"] "}" CRLF *CHAR8    RFC 7888
    literal8  = "~{" number ["+"] "}" CRLF *OCTET   RFC 3516 section 4.4
"""

from __future__ import annotations

import re

from attrs import frozen

from mailhub.wire.buffer import ReceiveBuffer

_LITERAL = re.compile(rb"(~?)\{([0-9]+)(\+?)\}\Z")
_TORN_LITERAL = re.compile(rb"[0-9]*\+\}\Z")
LARGEST_LITERAL = 2**63 - 1
_KEPT_HEAD = 1024
_KEPT_END = 64


class CommandError(Exception):
    """Why a command cannot be carried out, before anything was done: what Refused says (see events.py)."""

    def __init__(self, text: str, code: str | None = None, *, no: bool = False, fatal: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.no = no
        self.fatal = fatal


@frozen
class LiteralHead:
    """What a line announces at its end."""

    size: int
    synchronising: bool
    binary: bool = False


class Framer:
    """Reads lines and literals of one command after the other from a buffer, within limits.

    The caller begins a command with begin(), reads a line, looks at `literal` and `flaw`, and reads, skips or hands
    on the literal before it reads the next line. Methods return False (None, b"") while more data is needed."""

    __slots__ = (
        "_buffer",
        "_end",
        "_gathered",
        "_prefix",
        "flaw",
        "line_limit",
        "line_octets",
        "lines",
        "literal",
        "literal_octets",
        "literals",
        "overlong",
        "remaining",
    )

    def __init__(self, buffer: ReceiveBuffer, line_limit: int) -> None:
        self._buffer = buffer
        self.line_limit = line_limit
        self.begin()

    def begin(self) -> None:
        """Forget the command before."""
        self.lines: list[bytes] = []
        self.literals: list[bytes] = []
        self.line_octets = 0
        self.literal_octets = 0
        self.flaw: CommandError | None = None
        self.literal: LiteralHead | None = None
        self.remaining = 0
        self._gathered: list[bytes] = []
        self.overlong = False
        """Whether a line over the limit is being dropped and its end has not come."""
        self._prefix = b""
        self._end = b""

    def read_text(self) -> bytes | None:
        """Return a line as it is. If it is over the limit, `flaw` is set and only its beginning is returned."""
        line = self._buffer.take_line()
        if line is None:
            # Two more than the limit, since a CRLF of which half is here is not part of the line.
            if self.overlong or len(self._buffer) > self.line_limit - self.line_octets + 2:
                self._drop_line()
            return None
        if self.overlong:
            self.overlong = False
            self._end = (self._end + line)[-_KEPT_END:]
            return self._prefix
        self._end = line
        self.line_octets += len(line)
        if self.line_octets > self.line_limit:
            self._object("Too long command line")
            return line[: self._kept()]
        return line

    def read_line(self) -> bool:
        """Read a line into `lines`, without the literal it announces; that goes to `literal`."""
        line = self.read_text()
        if line is None:
            return False
        self._accept(line)
        return True

    def first_line(self, line: bytes) -> None:
        """The same as read_line() for the first line of a command, which the caller took from the buffer itself."""
        self._end = line
        self.line_octets = len(line)
        if self.line_octets > self.line_limit:
            self._object("Too long command line")
            line = line[: self._kept()]
        self._accept(line)

    def read_literal(self) -> bool:
        """Gather the announced literal whole into `literals`."""
        while self.remaining:
            piece = self.read_piece()
            if not piece:
                return False
            self._gathered.append(piece)
        data = b"".join(self._gathered)
        self._gathered = []
        if b"\0" in data:
            # CHAR8 is %x01-ff.
            self._object("NUL in literal")
        self.literals.append(data)
        return True

    def skip_literal(self) -> bool:
        """Read the announced literal and drop it."""
        while self.remaining:
            if not self.read_piece():
                return False
        return True

    def read_piece(self) -> bytes:
        """Return the next octets of the announced literal, as many as there are; b"" if there are none."""
        piece = self._buffer.take(self.remaining)
        self.remaining -= len(piece)
        return piece

    def _kept(self) -> int:
        """How much of the beginning of a line over the limit is kept, for its tag."""
        return min(_KEPT_HEAD, self.line_limit)

    def _object(self, text: str) -> None:
        """The first thing that is wrong is what the client is told."""
        if self.flaw is None:
            self.flaw = CommandError(text)

    def _accept(self, line: bytes) -> None:
        self.literal = self._announced() if self._end.endswith(b"}") else None
        if b"\0" in line:
            # CHAR is %x01-7F.
            self._object("NUL in command line")
        if self.flaw is not None:
            # Refused already: nothing more is kept than the beginning, for its tag.
            if not self.lines:
                self.lines.append(line)
            return
        if self.literal is not None:
            line = line[: line.rindex(b"{") - self.literal.binary]
        self.lines.append(line)

    def _drop_line(self) -> None:
        """Drop what came of a line over the limit, but not its beginning and its end.

        The last octet stays in the buffer: it may be the CR of a CRLF."""
        while data := self._buffer.take(len(self._buffer) - 1):
            if not self.overlong:
                self.overlong = True
                self._object("Too long command line")
                self._prefix = self._end = b""
            self._prefix = (self._prefix + data[:_KEPT_HEAD])[: self._kept()]
            self._end = (self._end + data)[-_KEPT_END:]

    def _announced(self) -> LiteralHead | None:
        """Return what the end of the last line announces; a size that cannot be skipped costs the sync."""
        end = self._end
        found = _LITERAL.search(end, max(end.rfind(b"{") - 1, 0))
        if found is None:
            if self.flaw is not None and _TORN_LITERAL.match(end):
                self.flaw = CommandError("Literal size out of range", fatal=True)
            return None
        digits = found.group(2).lstrip(b"0")
        size = int(digits or b"0") if len(digits) < 20 else LARGEST_LITERAL + 1
        if size > LARGEST_LITERAL and found.group(3):
            self.flaw = CommandError("Literal size out of range", fatal=True)
            return None
        self.remaining = size
        self.literal_octets += size
        return LiteralHead(size, not found.group(3), bool(found.group(1)))
