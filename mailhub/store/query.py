"""What to look for in a mailbox: the tree that SEARCH and its kin become.

Protocol-free: sequence numbers, "$" and \\Recent have been resolved to UIDs by the session before.
Strings are Unicode; matching is a case-insensitive substring match (RFC 3501 section 6.4.4) over decoded text.
Days are counted in the time zone the RFC says for each key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum

from attrs import frozen

from mailhub.store.model import ModSeq


@frozen
class All:
    """Every message."""


@frozen
class And:
    keys: tuple[Query, ...]


@frozen
class Or:
    keys: tuple[Query, ...]


@frozen
class Not:
    key: Query


@frozen
class UidIn:
    """The UID lies in one of these closed ranges, ascending and disjoint."""

    ranges: Sequence[tuple[int, int]]


@frozen
class HasFlag:
    flag: str
    """A system flag as in SYSTEM_FLAGS, or a keyword in any case."""


class DateField(Enum):
    """Which date is compared."""

    INTERNAL = "internal"
    """INTERNALDATE, in the server's time zone (its date part as FETCH shows it)."""
    SENT = "sent"
    """The Date: header, its date as written, disregarding time and zone."""
    SAVED = "saved"


class DateTest(Enum):
    BEFORE = "<"
    ON = "="
    SINCE = ">="


@frozen
class DateIs:
    which: DateField
    test: DateTest
    day: date


@frozen
class Larger:
    octets: int


@frozen
class Smaller:
    octets: int


@frozen
class HeaderContains:
    """A header field named `name` exists and contains `text`; an empty text matches any (RFC 3501)."""

    name: str
    text: str


@frozen
class BodyContains:
    text: str


@frozen
class TextContains:
    """Header or body contains `text`."""

    text: str


@frozen
class ModSeqAtLeast:
    modseq: ModSeq


@frozen
class Younger:
    """INTERNALDATE within the last `seconds` of `now` (RFC 5032)."""

    seconds: int
    now: int


@frozen
class Older:
    seconds: int
    now: int


Query = (
    All
    | And
    | Or
    | Not
    | UidIn
    | HasFlag
    | DateIs
    | Larger
    | Smaller
    | HeaderContains
    | BodyContains
    | TextContains
    | ModSeqAtLeast
    | Younger
    | Older
)
