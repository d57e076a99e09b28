"""A place in a framed command, and the terminals of the grammar that are read there (RFC 3501 section 9).

Reading goes forward only: a method either takes what it names or leaves the place as it was and returns None or
False; the ones that must succeed raise CommandError. A literal stands at the end of each line but the last.

Leniencies, all of them Dovecot's, which clients have come to rely on:
  SPACES   one or more spaces where the ABNF has one SP, and any number before the end of the line and on the inner
           side of parentheses. Hand-written clients send "a SELECT INBOX " and "(FLAGS )".
  ASTRING  an unquoted astring may hold % * and \\. Passwords and folder names are sent so by scripts.
  QUOTED   a quoted string may hold 8-bit octets, and a backslash may stand before any character.
  ZEROS    numbers may begin with zeros.
"""

from __future__ import annotations

import re

from mailhub.wire.imap.framer import CommandError

MISSING = "Missing argument"
INVALID = "Invalid argument"

ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
"""atom = 1*ATOM-CHAR: any CHAR but "(" ")" "{" SP CTL "%" "*" DQUOTE "\\" "]"."""
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]++|\\[^\r\n])*+)"')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_NUMBER = re.compile(rb"0*([0-9]{1,19})(?![0-9])")
_SPACES = re.compile(rb" +")
_WORD = re.compile(rb"[A-Za-z0-9.=_-]+")

MAX_NUMBER = 2**32 - 1
MAX_NUMBER64 = 2**63 - 1


class Cursor:
    """Reads one command; `lines` and `literals` as the framer cut them."""

    __slots__ = ("_index", "_lines", "_literals", "keys", "line", "pos")

    def __init__(self, lines: list[bytes], literals: list[bytes], pos: int = 0) -> None:
        self._lines = lines
        self._literals = literals
        self._index = 0
        self.line = lines[0]
        self.pos = pos
        self.keys = 0
        """How many search keys were read; see search_grammar.py."""

    def match(self, pattern: re.Pattern[bytes]) -> bytes | None:
        """Take what `pattern` matches here."""
        found = pattern.match(self.line, self.pos)
        if found is None:
            return None
        self.pos = found.end()
        return found.group()

    def skip(self, text: bytes) -> bool:
        """Take `text` if it stands here, in this very case."""
        if self.line.startswith(text, self.pos):
            self.pos += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        """Take `text`, which must stand here."""
        if not self.skip(text):
            raise CommandError(f'Missing "{text.decode("ascii")}"')

    def peek(self) -> bytes:
        """Return the next octet, or b"" at the end of a line (where a literal may follow)."""
        return self.line[self.pos : self.pos + 1]

    def rest(self) -> bytes | None:
        """Return the rest of the command if no literal is in it."""
        return self.line[self.pos :] if self._index == len(self._literals) else None

    def finish(self) -> None:
        """Go to the end of the line; for who has taken the rest."""
        self.pos = len(self.line)

    # SP

    def space(self) -> None:
        """SP; leniency SPACES."""
        line, pos = self.line, self.pos
        if line[pos : pos + 1] != b" ":
            raise CommandError(INVALID if pos < len(line) or self.at_literal() else MISSING)
        pos += 1
        if line[pos : pos + 1] == b" ":
            pos = _SPACES.match(line, pos).end()  # type: ignore[union-attr]
        self.pos = pos

    def spaces(self) -> bool:
        """Take any number of spaces; say if there were some."""
        return self.match(_SPACES) is not None

    def end(self) -> None:
        """The end of the command; leniency SPACES."""
        if self.pos < len(self.line):
            self.spaces()
        if self.pos < len(self.line) or self.at_literal():
            raise CommandError("Too many arguments")

    # Parentheses

    def open(self) -> bool:
        """ "(" with the spaces after it; leniency SPACES."""
        if self.peek() != b"(":
            return False
        self.pos += 1
        self.spaces()
        return True

    def close(self) -> bool:
        """ ")" with the spaces before it; leniency SPACES. Where more of the list follows, SP is taken."""
        spaced = self.spaces()
        if self.peek() == b")":
            self.pos += 1
            return True
        if not spaced:
            raise CommandError('Missing ")"' if self.pos == len(self.line) else INVALID)
        return False

    # Strings

    def at_literal(self) -> bool:
        """Say if a literal stands here."""
        return self.pos == len(self.line) and self._index < len(self._literals)

    def literal(self) -> bytes | None:
        """literal = "{" number "}" CRLF *CHAR8"""
        if not self.at_literal():
            return None
        data = self._literals[self._index]
        self._index += 1
        self.line = self._lines[self._index]
        self.pos = 0
        return data

    def quoted(self) -> bytes | None:
        """quoted = DQUOTE *QUOTED-CHAR DQUOTE; leniency QUOTED."""
        if self.peek() != b'"':
            return None
        found = _QUOTED.match(self.line, self.pos)
        if found is None:
            raise CommandError("Missing '\"'")
        self.pos = found.end()
        text = found.group(1)
        return _ESCAPE.sub(rb"\1", text) if b"\\" in text else text

    def string(self) -> bytes | None:
        """string = quoted / literal"""
        text = self.quoted()
        return self.literal() if text is None else text

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string; leniency ASTRING."""
        text = self.match(_ASTRING)
        if text is None:
            text = self.string()
            if text is None:
                raise CommandError(self._fault())
        return text

    def nstring(self) -> bytes | None:
        """nstring = string / nil. Leniency: any other astring is taken as a string."""
        text = self.string()
        if text is None:
            text = self.astring()
            if text.upper() == b"NIL":
                return None
        return text

    def atom(self) -> str:
        """atom = 1*ATOM-CHAR"""
        text = self.match(ATOM)
        if text is None:
            raise CommandError(self._fault())
        return text.decode("ascii")

    def word(self) -> str:
        """The name of an item or option, in upper case; "" if none stands here."""
        text = self.match(_WORD)
        return "" if text is None else text.decode("ascii").upper()

    # Numbers

    def number(self, largest: int = MAX_NUMBER, least: int = 0) -> int:
        """number = 1*DIGIT; nz-number with least=1. Leniency ZEROS."""
        found = _NUMBER.match(self.line, self.pos)
        if found is None:
            raise CommandError("Invalid number")
        value = int(found.group(1))
        if not least <= value <= largest:
            raise CommandError("Number out of range")
        self.pos = found.end()
        return value

    def _fault(self) -> str:
        if self.pos >= len(self.line):
            return MISSING
        return "8bit data in atom" if self.line[self.pos] >= 0x80 else INVALID
