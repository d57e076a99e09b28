"""POP3 on the wire: lines in, commands out; messages out as multi-line responses. RFC 1939, 2449, 5034.

The session asks for what it can use next: `next_command()` in general, `next_line()` while a SASL exchange runs.
Nothing is looked at ahead of its turn, so pipelined octets behind STLS can be dropped (RFC 2595 section 4).
"""

from __future__ import annotations

import binascii
import re

from attrs import field, frozen

from mailhub.wire.lines import TOO_LONG, LineBuffer, LongLine

LINE_LIMIT = 12288
"""Octets of a line. RFC 2449 section 4 asks for 255; RFC 5034 section 4 for 12288 in a SASL exchange."""

END = b".\r\n"
"""Ends a multi-line response."""

_NUMBER = re.compile(rb"[0-9]+")


class BadArgument(Exception):
    """An argument breaks the command's syntax; the message is for the client, worded as Dovecot words it."""


@frozen
class Command:
    """One command line: `keyword [SP argument]`, RFC 1939 section 3."""

    keyword: str
    """In upper case."""
    argument: bytes = field(repr=False)
    """All after the space that ends the keyword, as sent; b"" if there is none."""
    text: str
    """The keyword for error messages: printable, at most 40 characters."""


class Pop3Input:
    """What a POP3 client sends."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._lines = LineBuffer(limit)

    def __len__(self) -> int:
        """Return how many octets wait."""
        return len(self._lines)

    def feed(self, data: bytes) -> None:
        """Take what the network gave."""
        self._lines.feed(data)

    def next_command(self) -> Command | LongLine | None:
        """Return the next command, TOO_LONG in the place of a line over the limit, None if more data is needed."""
        line = self._lines.next_line()
        if line is None or line is TOO_LONG:
            return line
        keyword, _, argument = line.partition(b" ")
        text = keyword[:40].upper().decode("ascii", "replace")
        return Command(keyword.decode("latin-1").upper(), argument, text if text.isprintable() else "?")

    def next_line(self) -> bytes | LongLine | None:
        """Return the next line whatever it says: a SASL response. As next_command() otherwise."""
        return self._lines.next_line()

    def drop(self) -> int:
        """Forget what was pipelined behind STLS; return how many octets that were."""
        return self._lines.clear()


def read_number(argument: bytes) -> int:
    """Read `msg`, the only argument of RETR, DELE, LIST, UIDL: 1*DIGIT (RFC 1939 section 3).

    Leniency: leading zeros, as Dovecot, and trailing blanks."""
    number, rest = _number(argument)
    if rest.strip(b" "):
        raise BadArgument(f"Noise after message number: {_shown(rest)}")
    return number


def read_top(argument: bytes) -> tuple[int, int]:
    """Read `msg n`, the arguments of TOP (RFC 1939 section 7)."""
    number, rest = _number(argument)
    if not rest.startswith(b" "):
        raise BadArgument("Number of lines missing.")
    rest = rest.strip(b" ")
    lines = _NUMBER.match(rest)
    if lines is None:
        raise BadArgument(f"Invalid size: {_shown(rest)}")
    if lines.end() != len(rest):
        raise BadArgument(f"Noise after size: {_shown(rest[lines.end() :])}")
    if lines.end() > 18:
        raise BadArgument(f"Size too large: {_shown(rest)}")
    return number, int(rest)


def read_apop(argument: bytes) -> tuple[bytes, bytes]:
    """Read `name digest`, the arguments of APOP (RFC 1939 section 7): the digest is 32 lower-case hex digits,
    and a name may hold blanks."""
    name, _, digest = argument.strip(b" ").rpartition(b" ")
    if not name or not re.fullmatch(rb"[0-9a-fA-F]{32}", digest):
        raise BadArgument("Invalid parameters.")
    return name, digest.lower()


def read_auth(argument: bytes) -> tuple[str, bytes | None]:
    """Read `mechanism [initial-response]`, the arguments of AUTH (RFC 5034 section 4): "=" is an empty one."""
    mechanism, blank, response = argument.strip(b" ").partition(b" ")
    name = mechanism.decode("latin-1").upper()
    if not blank:
        return name, None
    return name, b"" if response == b"=" else read_base64(response)


def read_base64(line: bytes) -> bytes:
    """Decode a SASL response, strictly (RFC 4648 section 3.3)."""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise BadArgument("[AUTH] Invalid base64 in response") from None


def _number(argument: bytes) -> tuple[int, bytes]:
    digits = _NUMBER.match(argument)
    if digits is None:
        raise BadArgument(f"Invalid message number: {_shown(argument)}")
    rest = argument[digits.end() :]
    if rest and not rest.startswith(b" "):
        raise BadArgument(f"Noise after message number: {_shown(rest)}")
    if digits.end() > 18:
        raise BadArgument(f"Message number too large: {_shown(digits[0])}")
    return int(digits[0]), rest


def _shown(octets: bytes) -> str:
    """Return a client's octets so that they can stand in a response line."""
    text = octets[:60].decode("ascii", "replace")
    return text if text.isprintable() else "?"


class DotStuffer:
    """A message as the body of a multi-line response (RFC 1939 section 3), piece by piece.

    Pieces have CRLF line ends; they may be cut anywhere."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, piece: bytes) -> bytes:
        """Return `piece` with a dot put before each line that begins with one."""
        if not piece:
            return b""
        tail = self._tail
        self._tail = piece[-2:] if len(piece) > 1 else tail[-1:] + piece
        if b"\r\n." in piece:
            stuffed = piece.replace(b"\r\n.", b"\r\n..")
        else:
            stuffed = piece
        if tail == b"\r\n" and piece[0] == 0x2E:
            return b"." + stuffed
        if tail[-1] == 0x0D and piece[:2] == b"\n.":
            return b"\n.." + stuffed[2:]
        return stuffed

    def finish(self) -> bytes:
        """Return the end of the response; a message whose last line has no end gets one."""
        return END if self._tail == b"\r\n" else b"\r\n" + END


def stuffed(message: bytes) -> bytes:
    """Return a whole message as the body and end of a multi-line response."""
    body = message.replace(b"\r\n.", b"\r\n..") if b"\r\n." in message else message
    if message[:1] == b".":
        body = b"." + body
    return body + (END if not message or message.endswith(b"\r\n") else b"\r\n" + END)


class TopCutter:
    """The header of a message, the blank line, and the first `lines` lines of its body (RFC 1939 TOP)."""

    __slots__ = ("_held", "_in_header", "_left", "done")

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._in_header = True
        self._held = b"\r\n"
        """The last octets before what comes next: enough to see a blank line that a cut divides. At the
        beginning a line end, so that a message that begins with a blank line has an empty header."""
        self.done = False
        """True once nothing more of the message is wanted."""

    def feed(self, piece: bytes) -> bytes:
        """Return what of `piece` belongs to the response."""
        if self.done:
            return b""
        at = 0
        if self._in_header:
            seen = self._held + piece
            end = seen.find(b"\r\n\r\n")
            if end < 0:
                self._held = seen[-3:]
                return piece
            self._in_header = False
            at = end + 4 - len(self._held)
        while self._left:
            end = piece.find(b"\n", at)
            if end < 0:
                return piece
            at = end + 1
            self._left -= 1
        self.done = True
        return piece[:at]
