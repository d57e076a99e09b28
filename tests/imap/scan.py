"""A place in an IMAP answer and what can be read there; for reader.py."""

from __future__ import annotations

import re
from collections.abc import Callable

Value = None | int | str | bytes | list["Value"]

ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+|\\\*")
_NUMBER = re.compile(rb"[0-9]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
_LITERAL_HEAD = re.compile(rb"(~?)\{([0-9]+)\}\r\n")
_WORD = re.compile(rb"[A-Za-z0-9.-]+")


class BadAnswer(Exception):
    """The octets are not what the grammar allows; says where."""


class Scan:
    """A place in one answer."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0

    def bad(self, wanted: str) -> BadAnswer:
        return BadAnswer(
            f"no {wanted} at octet {self.pos}: {self.data[: self.pos]!r} >>> {self.data[self.pos :][:200]!r}"
        )

    def at(self, text: bytes) -> bool:
        return self.data.startswith(text, self.pos)

    def skip(self, text: bytes) -> bool:
        if self.at(text):
            self.pos += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        if not self.skip(text):
            raise self.bad(repr(text))

    def take(self, pattern: re.Pattern[bytes], name: str) -> bytes:
        found = pattern.match(self.data, self.pos)
        if found is None:
            raise self.bad(name)
        self.pos = found.end()
        return found.group()

    def space(self) -> None:
        self.expect(b" ")

    def end(self) -> None:
        self.expect(b"\r\n")
        if self.pos != len(self.data):
            raise self.bad("end")

    def word(self) -> str:
        return self.take(_WORD, "word").decode("ascii").upper()

    def try_number(self) -> int | None:
        return self.number() if _NUMBER.match(self.data, self.pos) else None

    def number(self, least: int = 0) -> int:
        value = int(self.take(_NUMBER, "number"))
        if not least <= value < 2**63:
            raise self.bad("number in range")
        return value

    def try_string(self) -> bytes | None:
        """string = quoted / literal; literal8 of RFC 3516 too"""
        if self.at(b'"'):
            return re.sub(rb'\\(["\\])', rb"\1", self.take(_QUOTED, "quoted")[1:-1])
        found = _LITERAL_HEAD.match(self.data, self.pos)
        if found is None:
            return None
        start = found.end()
        self.pos = start + int(found.group(2))
        text = self.data[start : self.pos]
        if len(text) != int(found.group(2)):
            raise self.bad("whole literal")
        if b"\0" in text and not found.group(1):
            raise self.bad("CHAR8 (a literal holds NUL)")
        return text

    def string(self) -> bytes:
        text = self.try_string()
        if text is None:
            raise self.bad("string")
        return text

    def nstring(self) -> bytes | None:
        if self.data[self.pos : self.pos + 3].upper() == b"NIL":
            self.pos += 3
            return None
        return self.string()

    def astring(self) -> bytes:
        text = self.try_string()
        return self.take(_ASTRING, "astring") if text is None else text

    def list_of(self, rule: Callable[[], Value], least: int = 0) -> list[Value]:
        """ "(" [rule *(SP rule)] ")" """
        self.expect(b"(")
        values: list[Value] = []
        if not least and self.skip(b")"):
            return values
        while True:
            values.append(rule())
            if self.skip(b")"):
                return values
            self.space()

    def flag(self) -> str:
        return self.take(_FLAG, "flag").decode("ascii")

    def value(self) -> Value:
        """Anything: for extensions' data."""
        if self.at(b"("):
            return self.list_of(self.value)
        text = self.try_string()
        if text is not None:
            return text
        word = self.take(_FLAG, "atom").decode("ascii")
        if word.upper() == "NIL":
            return None
        return int(word) if word.isdigit() else word
