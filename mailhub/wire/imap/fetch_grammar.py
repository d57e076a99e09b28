"""FETCH and its items (RFC 3501 section 6.4.5, RFC 3516 section 4.1)."""

from __future__ import annotations

import re
from functools import lru_cache

from mailhub.wire.imap.commands import Fetch
from mailhub.wire.imap.cursor import MAX_NUMBER, MISSING, Cursor
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.types import (
    FetchAttribute,
    FetchBinarySize,
    FetchItem,
    FetchSection,
    Section,
    SectionText,
)
from mailhub.wire.imap.values import number_set

_CACHED_LENGTH = 256
_PART = re.compile(rb"[1-9][0-9]*(?:\.[1-9][0-9]*)*")
_SECTION_WORD = re.compile(rb"[A-Za-z.]+")

_FAST = (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.SIZE)
_MACROS: dict[str, tuple[FetchAttribute, ...]] = {
    "FAST": _FAST,
    "ALL": (*_FAST, FetchItem.ENVELOPE),
    "FULL": (*_FAST, FetchItem.ENVELOPE, FetchItem.BODY),
}
_ITEMS = {item.value: item for item in FetchItem if item is not FetchItem.MODSEQ}
"""Not MODSEQ: its syntax comes with CONDSTORE (RFC 7162 section 3.1.5)."""
_TEXTS = {text.value: text for text in SectionText if text.value}


def fetch(cursor: Cursor, uid: bool = False) -> Fetch:
    """fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")"""
    cursor.space()
    numbers = number_set(cursor)
    cursor.space()
    rest = cursor.rest()
    if rest is not None and len(rest) <= _CACHED_LENGTH:
        cursor.finish()
        return Fetch(numbers, _items_cached(rest), uid)
    items = _items(cursor)
    cursor.end()
    return Fetch(numbers, items, uid)


@lru_cache(maxsize=512)
def _items_cached(text: bytes) -> tuple[FetchAttribute, ...]:
    """Clients ask for the same few lists all day; most of the cost of FETCH's grammar goes away here."""
    cursor = Cursor([text], [])
    items = _items(cursor)
    cursor.end()
    return items


def _items(cursor: Cursor) -> tuple[FetchAttribute, ...]:
    if cursor.open():
        # Each item once: a repeated one would be answered twice, which costs the sender nothing and us the reading.
        items: dict[FetchAttribute, None] = {}
        while True:
            items[_attribute(cursor, cursor.word())] = None
            if cursor.close():
                return tuple(items)
    word = cursor.word()
    macro = _MACROS.get(word)
    # Macros stand alone (RFC 3501 section 6.4.5), never in a list; so says Dovecot too.
    return macro if macro is not None else (_attribute(cursor, word),)


def _attribute(cursor: Cursor, word: str) -> FetchAttribute:
    """fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
    "BODY" ["STRUCTURE"] / "UID" / "BODY" section ["<" number "." nz-number ">"] /
    "BODY.PEEK" section ["<" number "." nz-number ">"]                                  (RFC 3501)
    fetch-att =/ "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary    (RFC 3516)
    """
    if cursor.peek() == b"[":
        if word in ("BODY", "BODY.PEEK"):
            return FetchSection(_section(cursor), word == "BODY.PEEK", _partial(cursor))
        if word in ("BINARY", "BINARY.PEEK"):
            return FetchSection(_section_binary(cursor), word == "BINARY.PEEK", _partial(cursor), binary=True)
        if word == "BINARY.SIZE":
            return FetchBinarySize(_section_binary(cursor))
    item = _ITEMS.get(word)
    if item is None:
        raise CommandError(f"Unknown parameter {word}" if word else MISSING)
    return item


def _section(cursor: Cursor) -> Section:
    """section = "[" [section-spec] "]"
    section-spec = section-msgtext / (section-part ["." section-text])
    section-text = section-msgtext / "MIME"
    section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
    """
    cursor.expect(b"[")
    path = _part(cursor)
    if path and not cursor.skip(b"."):
        cursor.expect(b"]")
        return Section(path)
    word = (cursor.match(_SECTION_WORD) or b"").decode("ascii").upper()
    if not word and not path:
        cursor.expect(b"]")
        return Section()
    text = _TEXTS.get(word)
    if text is None or (text is SectionText.MIME and not path):
        raise CommandError("Invalid BODY[..] section")
    fields: tuple[str, ...] = ()
    if text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
        cursor.space()
        fields = _header_list(cursor)
    cursor.expect(b"]")
    return Section(path, text, fields)


def _section_binary(cursor: Cursor) -> Section:
    """section-binary = "[" [section-part] "]" """
    cursor.expect(b"[")
    path = _part(cursor)
    cursor.expect(b"]")
    return Section(path)


def _part(cursor: Cursor) -> tuple[int, ...]:
    """section-part = nz-number *("." nz-number)"""
    text = cursor.match(_PART)
    if text is None:
        return ()
    numbers = text.split(b".")
    if any(len(number) > 10 for number in numbers):
        raise CommandError("Invalid BODY[..] section")
    return tuple(map(int, numbers))


def _header_list(cursor: Cursor) -> tuple[str, ...]:
    """header-list = "(" header-fld-name *(SP header-fld-name) ")"; header-fld-name = astring

    A name that no header can have (8-bit, control characters, ":") is read and will match nothing."""
    if not cursor.open():
        raise CommandError("Invalid BODY[..] section")
    names: list[str] = []
    while True:
        names.append(cursor.astring().decode("latin-1"))
        if cursor.close():
            return tuple(names)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    """partial = "<" number "." nz-number ">"

    Leniency: the length may be 0, which clients compute at the end of a body; it answers an empty string (Dovecot)."""
    if not cursor.skip(b"<"):
        return None
    offset = cursor.number()
    cursor.expect(b".")
    length = cursor.number(MAX_NUMBER)
    cursor.expect(b">")
    return offset, length
