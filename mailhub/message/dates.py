"""The Date: field (RFC 5322 section 3.3, 4.3), as liberal as Dovecot and as strict.

A date that cannot be read counts as the first of January 1970 where SEARCH SENTxx compares it, and is replaced by the
INTERNALDATE where SORT and THREAD do (as in Dovecot; RFC 5256 section 2.2 asks for the latter).
"""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from datetime import date

from attrs import frozen

from mailhub.message.rfc822 import BROKEN, END, MORE, Scanner

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_USUAL = re.compile(
    rb"[ \t\n]*(?:[A-Za-z]{3},[ \t\n]*)?([0-9]{1,2})[ \t\n]+([A-Za-z]{3})[A-Za-z]*[ \t\n]+([0-9]{4})[ \t\n]+"
    rb"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?[ \t\n]+([+-][0-9]{4}|GMT|UT)(?:[ \t\n]|\Z)"
)
_ZONES = {b"e": -300, b"c": -360, b"m": -420, b"p": -480}


@frozen
class SentDate:
    """When a message says it was sent."""

    day: date
    """The date as written, whatever its time zone: what SENTBEFORE, SENTON and SENTSINCE compare (RFC 3501)."""
    seconds: int
    """The moment, in seconds since the epoch, UTC: what SORT compares."""


BROKEN_DAY = date(1970, 1, 1)
"""The date of a message without a Date: that can be read."""


def parse_date(value: bytes) -> SentDate | None:
    """Parse the value of a Date field; None if it cannot be read."""
    usual = _USUAL.match(value)
    if usual is not None:
        day, month, year, hour, minute, second, zone = usual.groups()
        offset = 0
        if zone[:1] in b"+-":
            offset = int(zone[1:3]) * 60 + int(zone[3:])
            offset = -offset if zone[:1] == b"-" else offset
        number = _MONTHS.get(month.lower())
        if number is None:
            return None
        return _date((int(year), number, int(day)), (int(hour), int(minute), int(second or 0)), offset)
    return _parse_odd_date(value)


def _date(day: tuple[int, int, int], time: tuple[int, int, int], offset: int) -> SentDate | None:
    """Check and put together; `offset` is minutes east of UTC."""
    year, month, number = day
    hour, minute, second = time
    if not 1900 <= year <= 9999 or not 1 <= number <= monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    seconds = timegm((year, month, number, hour, minute, min(second, 59)))
    return SentDate(date(year, month, number), seconds - offset * 60)


def _parse_odd_date(value: bytes) -> SentDate | None:
    """date-time = [day-name ","] day month-name year hour ":" minute [":" second] [zone]"""
    scanner = Scanner(value)
    scanner.skip()
    token, state = scanner.atom()
    if len(token) == 3 and state == MORE:
        if scanner.peek() != b",":
            return None
        scanner.pos += 1
        scanner.skip()
        token, state = scanner.atom()
    day = _number(token, 1, 2)
    token, state = scanner.atom()
    month = _MONTHS.get(token[:3].lower())
    token, state = scanner.atom()
    year = _number(token, 2, 4) if len(token) != 3 else None
    if day is None or month is None or year is None or state != MORE:
        return None
    if len(token) == 2:
        year += 1900 if year >= 70 else 2000
    token, state = scanner.atom()
    hour = _number(token, 1, 2)
    minute, state = _after_separator(scanner)
    second: int | None = 0
    if scanner.peek() in (b":", b"."):
        second, state = _after_separator(scanner)
    if hour is None or minute is None or second is None:
        return None
    zone = b""
    if scanner.pos < scanner.size:
        zone, state = scanner.atom()
        if state == BROKEN:
            return None
    return _date((year, month, day), (hour, minute, second), _offset(zone))


def _after_separator(scanner: Scanner) -> tuple[int | None, int]:
    """Read a separator and two digits."""
    if scanner.peek() not in (b":", b"."):
        return None, BROKEN
    scanner.pos += 1
    if scanner.skip() <= END:
        return None, BROKEN
    token, state = scanner.atom()
    return _number(token, 2, 2), state


def _number(token: bytes, least: int, most: int) -> int | None:
    return int(token) if least <= len(token) <= most and token.isdigit() else None


def _offset(zone: bytes) -> int:
    """Return the minutes east of UTC of a zone; unknown ones are UTC."""
    if len(zone) == 5 and zone[:1] in b"+-" and zone[1:].isdigit():
        offset = int(zone[1:3]) * 60 + int(zone[3:])
        return -offset if zone[:1] == b"-" else offset
    if len(zone) == 1:
        upper, code = zone.upper(), zone[0]
        # Military letters; the lower-case ones come out odd, but so does Dovecot's sort order.
        if upper < b"J":
            return (code - 0x41 + 1) * 60
        if upper <= b"M":
            return 0 if upper == b"J" else (code - 0x41) * 60
        return (0x4D - code) * 60 if upper < b"Z" else 0
    if len(zone) == 3 and zone[2:] == b"T" and zone[:1].lower() in _ZONES:
        base = _ZONES[zone[:1].lower()]
        return {b"D": base + 60, b"S": base}.get(zone[1:2].upper(), 0)
    return 0
