"""Search keys of the grammar -> the store's query tree: numbers and \\Recent become UIDs."""

from __future__ import annotations

from mailhub.imap.selected import Selected
from mailhub.store.query import (
    All,
    And,
    BodyContains,
    DateField,
    DateIs,
    DateTest,
    HasFlag,
    HeaderContains,
    Larger,
    Not,
    Older,
    Or,
    Query,
    Smaller,
    TextContains,
    UidIn,
    Younger,
)
from mailhub.wire.imap.types import (
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

_FIELDS = {"internal": DateField.INTERNAL, "sent": DateField.SENT}


def query_of(key: SearchKey, view: Selected, now: int) -> Query:
    """Return the query for a search key; `now` in seconds since the epoch. The grammar keeps keys shallow."""
    if isinstance(key, KeyAnd):
        return And(tuple(query_of(inner, view, now) for inner in key.keys))
    if isinstance(key, KeyOr):
        return Or((query_of(key.left, view, now), query_of(key.right, view, now)))
    if isinstance(key, KeyNot):
        return Not(query_of(key.key, view, now))
    if isinstance(key, KeyNumbers):
        return UidIn(view.uid_ranges(key.numbers, key.uid))
    if isinstance(key, KeyFlag):
        return _unless(key.absent, HasFlag(key.flag))
    if isinstance(key, KeyRecent):
        return _unless(key.absent, UidIn(view.recent_ranges()))
    return _leaf(key, now)


def _leaf(key: SearchKey, now: int) -> Query:
    if isinstance(key, KeyDate):
        return DateIs(_FIELDS[key.field], DateTest(key.test), key.day)
    if isinstance(key, KeySize):
        return Smaller(key.octets) if key.smaller else Larger(key.octets)
    if isinstance(key, KeyHeader):
        return HeaderContains(key.name, key.text)
    if isinstance(key, KeyText):
        return BodyContains(key.text) if key.body else TextContains(key.text)
    if isinstance(key, KeyWithin):
        return Older(key.seconds, now) if key.older else Younger(key.seconds, now)
    return All()


def _unless(absent: bool, query: Query) -> Query:
    return Not(query) if absent else query
