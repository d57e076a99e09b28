"""SEARCH, SORT and THREAD (RFC 3501 section 6.4.4, RFC 4731, RFC 5032, RFC 5256).

A search program is a tree that other rooms walk recursively, so it is kept shallow here: parentheses nest up to
MAX_DEPTH, NOT NOT is nothing, and a chain of OR, which clients write one inside the other for a hundred Message-IDs,
becomes a balanced tree. The number of keys is limited as well: each is a pass over the mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mailhub.wire.imap.commands import Search, Sort, Thread
from mailhub.wire.imap.cursor import MAX_NUMBER64, MISSING, Cursor
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.types import (
    KeyAll,
    KeyAnd,
    KeyDate,
    KeyFlag,
    KeyHeader,
    KeyNot,
    KeyNumbers,
    KeyOr,
    KeyRecent,
    KeySize,
    KeyText,
    KeyWithin,
    SearchKey,
)
from mailhub.wire.imap.values import SYSTEM_FLAGS, calendar_date, charset, codec, flag, number_set

MAX_DEPTH = 50
MAX_KEYS = 1000

_SEARCH_RETURNS = frozenset(("MIN", "MAX", "ALL", "COUNT"))
_SORT_KEYS = frozenset(("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"))
_THREAD_ALGORITHMS = frozenset(("ORDEREDSUBJECT", "REFERENCES"))
_CHARSET = re.compile(rb"CHARSET +", re.IGNORECASE)
_RETURN = re.compile(rb"RETURN +(?=\()", re.IGNORECASE)


def search(cursor: Cursor, uid: bool = False) -> Search:
    """search = "SEARCH" [SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"]
    [SP "CHARSET" SP astring] 1*(SP search-key)                             (RFC 3501, RFC 4731)
    """
    cursor.space()
    returns = _returns(cursor) if cursor.match(_RETURN) else None
    name = None
    if cursor.match(_CHARSET):
        name = charset(cursor)
        cursor.space()
    return Search(_program(cursor, name), returns, name, uid)


def sort(cursor: Cursor, uid: bool = False) -> Sort:
    """sort = "SORT" SP sort-criteria SP search-criteria; search-criteria = charset 1*(SP search-key)

    sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"; sort-criterion = ["REVERSE" SP] sort-key
    """
    cursor.space()
    if not cursor.open():
        raise CommandError("Missing sort criteria")
    criteria = []
    reverse = False
    while True:
        word = cursor.word()
        if word == "REVERSE" and not reverse:
            reverse = True
        elif word in _SORT_KEYS:
            criteria.append((word, reverse))
            reverse = False
        else:
            raise CommandError(f"Unknown sort criterion {word}" if word else MISSING)
        if cursor.close():
            break
    if reverse:
        raise CommandError("REVERSE without a sort criterion")
    cursor.space()
    name = charset(cursor)
    cursor.space()
    return Sort(tuple(criteria), _program(cursor, name), name, uid)


def thread(cursor: Cursor, uid: bool = False) -> Thread:
    """thread = "THREAD" SP thread-alg SP search-criteria"""
    cursor.space()
    algorithm = cursor.atom().upper()
    if algorithm not in _THREAD_ALGORITHMS:
        raise CommandError("Unknown thread algorithm")
    cursor.space()
    name = charset(cursor)
    cursor.space()
    return Thread(algorithm, _program(cursor, name), name, uid)


def _returns(cursor: Cursor) -> tuple[str, ...]:
    """search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" (RFC 4731 section 4)"""
    cursor.open()
    options: dict[str, None] = {}
    if not cursor.skip(b")"):
        while True:
            option = cursor.word()
            if option not in _SEARCH_RETURNS:
                raise CommandError("Unknown SEARCH return option")
            options[option] = None
            if cursor.close():
                break
    cursor.space()
    return tuple(options)


def _program(cursor: Cursor, name: str | None) -> SearchKey:
    """1*(SP search-key) to the end of the command."""
    encoding = codec(name)
    keys = [_key(cursor, encoding, 0)]
    while cursor.spaces() and (cursor.peek() or cursor.at_literal()):
        keys.append(_key(cursor, encoding, 0))
    cursor.end()
    return keys[0] if len(keys) == 1 else KeyAnd(tuple(keys))


def _key(cursor: Cursor, encoding: str, depth: int) -> SearchKey:
    """search-key = ... / "NOT" SP search-key / "OR" SP search-key SP search-key / sequence-set /
    "(" search-key *(SP search-key) ")"
    """
    if depth > MAX_DEPTH:
        raise CommandError("Search keys nested too deep", "LIMIT", no=True)
    negated = False
    while True:
        cursor.keys += 1
        if cursor.keys > MAX_KEYS:
            raise CommandError("Too many search keys", "LIMIT", no=True)
        head = cursor.peek()
        if head == b"(":
            key = _list(cursor, encoding, depth + 1)
        elif head == b"*" or head.isdigit():
            key = KeyNumbers(number_set(cursor))
        else:
            word = cursor.word()
            if word == "NOT":
                negated = not negated
                cursor.space()
                continue
            key = _or(cursor, encoding, depth) if word == "OR" else _named(cursor, word, encoding)
        return KeyNot(key) if negated else key


def _list(cursor: Cursor, encoding: str, depth: int) -> SearchKey:
    """ "(" search-key *(SP search-key) ")", the "(" being next."""
    cursor.open()
    keys: list[SearchKey] = []
    while True:
        keys.append(_key(cursor, encoding, depth))
        if cursor.close():
            return keys[0] if len(keys) == 1 else KeyAnd(tuple(keys))


_OR = re.compile(rb"OR +", re.IGNORECASE)


def _or(cursor: Cursor, encoding: str, depth: int) -> SearchKey:
    """ "OR" SP search-key SP search-key, the word being read, with all that are directly inside it.

    In prefix notation each further OR asks for one operand more, wherever it stands."""
    cursor.space()
    operands: list[SearchKey] = []
    wanted = 2
    while True:
        if cursor.match(_OR):
            cursor.keys += 1
            wanted += 1
            continue
        operands.append(_key(cursor, encoding, depth + 1))
        if len(operands) == wanted:
            return _balanced(operands)
        cursor.space()


def _balanced(operands: list[SearchKey]) -> SearchKey:
    if len(operands) == 1:
        return operands[0]
    half = len(operands) // 2
    return KeyOr(_balanced(operands[:half]), _balanced(operands[half:]))


def _named(cursor: Cursor, word: str, encoding: str) -> SearchKey:
    key = _PLAIN_KEYS.get(word)
    if key is not None:
        return key
    rule = _KEYS_WITH_ARGUMENT.get(word)
    if rule is None:
        raise CommandError(f"Unknown search key {word}" if word else _fault(cursor))
    cursor.space()
    return rule(cursor, word, encoding)


def _fault(cursor: Cursor) -> str:
    if cursor.peek() == b")":
        return "No search key inside parentheses"
    return "Unexpected string as search key" if cursor.peek() == b'"' or cursor.at_literal() else "Missing search key"


def _text(cursor: Cursor, encoding: str) -> str:
    """astring in the command's charset"""
    raw = cursor.astring()
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise CommandError("Search string is not in its charset") from None


def _header_of(name: str) -> Rule:
    return lambda cursor, word, encoding: KeyHeader(name, _text(cursor, encoding))


def _header(cursor: Cursor, word: str, encoding: str) -> SearchKey:
    """ "HEADER" SP header-fld-name SP astring; header-fld-name = astring"""
    name = cursor.astring().decode("latin-1")
    cursor.space()
    return KeyHeader(name, _text(cursor, encoding))


def _keyword(cursor: Cursor, word: str, encoding: str) -> SearchKey:
    """("KEYWORD" / "UNKEYWORD") SP flag-keyword; flag-keyword = atom

    Leniency: quoted, or a system flag (Dovecot)."""
    quoted = cursor.quoted()
    inner = cursor if quoted is None else Cursor([quoted], [])
    name = flag(inner)
    if inner is not cursor and inner.peek():
        raise CommandError("Invalid flag")
    return KeyFlag(name, word == "UNKEYWORD")


def _date_of(kind: str, test: str) -> Rule:
    """("BEFORE" / "ON" / "SINCE" / "SENTBEFORE" / "SENTON" / "SENTSINCE") SP date"""
    return lambda cursor, word, encoding: KeyDate(kind, test, calendar_date(cursor))


def _size(cursor: Cursor, word: str, encoding: str) -> SearchKey:
    """("LARGER" / "SMALLER") SP number; number64 is taken too (RFC 9051 section 9)."""
    return KeySize(cursor.number(MAX_NUMBER64), word == "SMALLER")


def _within(cursor: Cursor, word: str, encoding: str) -> SearchKey:
    """("OLDER" / "YOUNGER") SP nz-number (RFC 5032 section 5)"""
    return KeyWithin(cursor.number(least=1), word == "OLDER")


Rule = Callable[[Cursor, str, str], SearchKey]

_PLAIN_KEYS: dict[str, SearchKey] = {
    "ALL": KeyAll(),
    "NEW": KeyAnd((KeyRecent(), KeyFlag("\\Seen", absent=True))),
    "OLD": KeyRecent(absent=True),
    "RECENT": KeyRecent(),
}
for _name, _flag in SYSTEM_FLAGS.items():
    _PLAIN_KEYS[_name[1:].decode("ascii")] = KeyFlag(_flag)
    _PLAIN_KEYS["UN" + _name[1:].decode("ascii")] = KeyFlag(_flag, absent=True)

_KEYS_WITH_ARGUMENT: dict[str, Rule] = {
    "BCC": _header_of("Bcc"),
    "BEFORE": _date_of("internal", "<"),
    "BODY": lambda cursor, word, encoding: KeyText(_text(cursor, encoding), body=True),
    "CC": _header_of("Cc"),
    "FROM": _header_of("From"),
    "HEADER": _header,
    "KEYWORD": _keyword,
    "LARGER": _size,
    "OLDER": _within,
    "ON": _date_of("internal", "="),
    "SENTBEFORE": _date_of("sent", "<"),
    "SENTON": _date_of("sent", "="),
    "SENTSINCE": _date_of("sent", ">="),
    "SINCE": _date_of("internal", ">="),
    "SMALLER": _size,
    "SUBJECT": _header_of("Subject"),
    "TEXT": lambda cursor, word, encoding: KeyText(_text(cursor, encoding)),
    "TO": _header_of("To"),
    "UID": lambda cursor, word, encoding: KeyNumbers(number_set(cursor), uid=True),
    "UNKEYWORD": _keyword,
    "YOUNGER": _within,
}
