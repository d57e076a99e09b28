"""The lexical tokens of structured fields: atoms, quoted strings, comments (RFC 5322 section 3.2, 4.1).

Lenient as Dovecot is: every octet above 127 is text, comments nest, folds vanish. Each method moves on past
what it read and the space and comments behind it, and tells what comes then: MORE, END of the value, or BROKEN.
"""

from __future__ import annotations

import re

BROKEN = -1
END = 0
MORE = 1

_ATEXT = rb"!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~\x80-\xff"
_ATOM = re.compile(rb"[" + _ATEXT + rb"]+")
_DOTS = re.compile(rb"\.+")
_ATOM_DOTS = re.compile(rb"[" + _ATEXT + rb".]*")
_TOKEN = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]*")
_SPACE = re.compile(rb"[ \t\r\n]*")
_IN_COMMENT = re.compile(rb"[()\\]")
_IN_QUOTES = re.compile(rb'["\\\n]')
_IN_LITERAL = re.compile(rb"[\]\\]")
_NO_SPACE = re.compile(rb"[^; \t\r\n]*")
_WORD_START = frozenset(bytes([c]) for c in range(256) if _ATOM.match(bytes([c]))) | {b'"', b"."}
NUL_TEXT = b"\xef\xbf\xbd"


class Scanner:
    """Reads tokens from `data`, beginning at `pos`."""

    __slots__ = ("comment", "data", "pos", "size")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.size = len(data)
        self.comment = b""
        """The text of the last comment that skip() passed."""

    def peek(self) -> bytes:
        """Return the next octet, or b"" at the end."""
        return self.data[self.pos : self.pos + 1]

    def skip(self) -> int:
        """Skip space and comments."""
        while True:
            space = _SPACE.match(self.data, self.pos)
            if space is not None:
                self.pos = space.end()
            if self.pos >= self.size:
                return END
            if self.data[self.pos] != 0x28:
                return MORE
            if not self._skip_comment():
                return BROKEN

    def _skip_comment(self) -> bool:
        level, start = 0, self.pos + 1
        text: list[bytes] = []
        at = self.pos
        while True:
            found = _IN_COMMENT.search(self.data, at)
            if found is None:
                break
            at, char = found.end(), found[0]
            if char == b"(":
                level += 1
            elif char == b")":
                level -= 1
                if level == 0:
                    text.append(self.data[start : at - 1])
                    self.comment = b"".join(text).replace(b"\0", NUL_TEXT)
                    self.pos = at
                    return True
            else:
                text.append(self.data[start : at - 1])
                start, at = at, at + 1
                if at > self.size:
                    break
        self.comment = b"".join(text)
        self.pos = self.size
        return False

    def _token(self, pattern: re.Pattern[bytes]) -> tuple[bytes, int]:
        match = pattern.match(self.data, self.pos)
        if match is None:
            return b"", BROKEN
        self.pos = match.end()
        return match[0], self.skip()

    def atom(self) -> tuple[bytes, int]:
        """Read an atom; BROKEN if there is none."""
        return self._token(_ATOM)

    def mime_token(self) -> tuple[bytes, int]:
        """Read a token (RFC 2045 section 5.1), which may be empty."""
        return self._token(_TOKEN)

    def until_space(self) -> bytes:
        """Read up to ";" or space, but do not skip that."""
        match = _NO_SPACE.match(self.data, self.pos)
        if match is None:
            return b""
        self.pos = match.end()
        return match[0]

    def dot_atom(self) -> tuple[bytes, int]:
        """Read atoms joined by dots, with or without space around those (dot-atom, obs-domain)."""
        text, state = self._token(_ATOM)
        if state != MORE or self.data[self.pos] != 0x2E:
            return text, state
        pieces = [text]
        while state == MORE and self.data[self.pos] == 0x2E:
            self.pos += 1
            pieces.append(b".")
            if self.skip() != MORE:
                return b"".join(pieces), BROKEN
            text, state = self._token(_ATOM)
            pieces.append(text)
        return b"".join(pieces), state

    def dotted_local(self) -> tuple[bytes, int]:
        """Read a local part in which dots may stand anywhere, such as ".a..b.", but no space behind them."""
        pieces, state = [], BROKEN
        while True:
            dots = _DOTS.match(self.data, self.pos)
            if dots is not None:
                pieces.append(dots[0])
                self.pos, state = dots.end(), MORE
                if self.pos >= self.size:
                    return b"".join(pieces), END
            if self.data[self.pos] == 0x40:
                break
            text, state = self._token(_ATOM)
            pieces.append(text)
            if state != MORE or self.data[self.pos] != 0x2E:
                break
        return b"".join(pieces), state

    def quoted(self) -> tuple[bytes, int]:
        """Read a quoted string, whose quotes, backslashes and folds are taken away."""
        start, at = self.pos + 1, self.pos + 1
        text: list[bytes] = []
        while True:
            found = _IN_QUOTES.search(self.data, at)
            if found is None:
                self.pos = self.size
                return b"".join(text).replace(b"\0", NUL_TEXT), BROKEN
            at, char = found.end(), found[0]
            if char == b'"':
                text.append(self.data[start : at - 1])
                self.pos = at
                return b"".join(text).replace(b"\0", NUL_TEXT), self.skip()
            if char == b"\n":
                piece = self.data[start : at - 1]
                text.append(piece[:-1] if piece.endswith(b"\r") else piece)
                start = at
            else:
                text.append(self.data[start : at - 1])
                start, at = at, at + 1
                if at > self.size:
                    self.pos = self.size
                    return b"".join(text).replace(b"\0", NUL_TEXT), BROKEN

    def phrase(self) -> tuple[bytes, int]:
        """Read words, joined by one space; there may be none (phrase, obs-phrase)."""
        if self.pos >= self.size:
            return b"", END
        if self.peek() == b".":
            return b"", BROKEN
        words = []
        while True:
            word, state = self.quoted() if self.data[self.pos] == 0x22 else self._token(_ATOM_DOTS)
            words.append(word)
            if state != MORE or self.peek() not in _WORD_START:
                return b" ".join(words), state

    def domain(self) -> tuple[bytes, int]:
        """Read "@" and a domain or a domain literal."""
        self.pos += 1
        if self.skip() != MORE:
            return b"", BROKEN
        if self.data[self.pos] != 0x5B:
            return self.dot_atom()
        start = at = self.pos
        while True:
            found = _IN_LITERAL.search(self.data, at)
            if found is None:
                self.pos = self.size
                return b"", BROKEN
            at = found.end()
            if found[0] == b"]":
                self.pos = at
                return self.data[start:at].replace(b"\0", NUL_TEXT), self.skip()
            at += 1


def is_atom(text: bytes) -> bool:
    """Tell whether `text` is an atom, or empty."""
    return not text or _ATOM.fullmatch(text) is not None
