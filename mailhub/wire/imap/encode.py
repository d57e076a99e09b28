"""Values to the octets of answers (RFC 3501 section 9). What cannot be quoted becomes a literal.

Spelled as Dovecot spells the same values, since test scripts compare answers as text.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, compress
from operator import sub

from mailhub.wire.imap import mutf7

NIL = b"NIL"
SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "\\Recent")
"""In the order in which they are listed."""

_BARE = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+\Z")
"""1*ASTRING-CHAR"""
_PLAIN = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]*\Z")
"""What stands between quotes as it is: TEXT-CHAR without quoted-specials."""
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*\Z")
_SPECIAL = re.compile(rb"([\"\\])")
_NOT_TEXT = re.compile(rb"[\x00-\x1f\x7f]+")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_RANK = {flag: rank for rank, flag in enumerate(SYSTEM_FLAGS)}
_LAST_MOMENT = timegm((9999, 12, 30, 0, 0, 0))
_FIRST_MOMENT = timegm((1, 1, 2, 0, 0, 0))
_CACHED_LENGTH = 256


def quoted(value: bytes) -> bytes:
    """quoted = DQUOTE *QUOTED-CHAR DQUOTE, or a literal where `value` holds CR, LF, NUL or 8-bit octets."""
    if _PLAIN.match(value):
        return b'"%b"' % value
    if _QUOTABLE.match(value):
        return b'"%b"' % _SPECIAL.sub(rb"\\\1", value)
    return literal(value)


def literal(value: bytes) -> bytes:
    """literal = "{" number "}" CRLF *CHAR8. A NUL, which is no CHAR8, becomes 0x80 as in Dovecot."""
    if b"\0" in value:
        value = value.replace(b"\0", b"\x80")
    return b"{%d}\r\n%b" % (len(value), value)


def literal8(value: bytes) -> bytes:
    """literal8 = "~{" number "}" CRLF *OCTET (RFC 3516 section 7)"""
    return b"~{%d}\r\n%b" % (len(value), value)


def string(value: bytes) -> bytes:
    """string = quoted / literal

    A literal also where a backslash would be needed: not every client takes it off again, and Dovecot does so."""
    return b'"%b"' % value if _PLAIN.match(value) else literal(value)


def nstring(value: bytes | None) -> bytes:
    """nstring = string / nil"""
    return NIL if value is None else string(value)


def astring(value: bytes) -> bytes:
    """astring = 1*ASTRING-CHAR / string: bare where that is possible. "NIL" is quoted, for clients that confuse it."""
    if _BARE.match(value) and value.upper() != NIL:
        return value
    return quoted(value)


def mailbox(name: str) -> bytes:
    """mailbox = "INBOX" / astring, in modified UTF-7. UnicodeEncodeError for a name with lone surrogates."""
    return _mailbox_cached(name) if len(name) <= _CACHED_LENGTH else astring(mutf7.encode(name))


@lru_cache(maxsize=1024)
def _mailbox_cached(name: str) -> bytes:
    return astring(mutf7.encode(name))


def paren(items: Iterable[bytes]) -> bytes:
    """A parenthesized list of values that are encoded already (RFC 3501 section 4.4)."""
    return b"(%b)" % b" ".join(items)


def flag_list(flags: Iterable[str]) -> bytes:
    """flag-list = "(" [flag *(SP flag)] ")": system flags in Dovecot's order, then keywords in the order given."""
    ordered = sorted(flags, key=lambda flag: _RANK.get(flag, len(_RANK)))
    return b"(%b)" % " ".join(ordered).encode("utf-8", "replace")


def number_set(numbers: Sequence[int]) -> bytes:
    """sequence-set of strictly ascending numbers, as short as it can be: b"1:3,5"; b"" for none.

    Linear, with the pass over all numbers in C: 100,000 of them take a few milliseconds, one run of them nothing."""
    size = len(numbers)
    if not size:
        return b""
    if numbers[-1] - numbers[0] == size - 1:
        return b"%d:%d" % (numbers[0], numbers[-1]) if size > 1 else b"%d" % numbers[0]
    # A number that is not its predecessor plus one begins a run, and the predecessor ends one.
    listed = list(numbers)
    breaks = list(map((1).__ne__, map(sub, listed[1:], listed)))
    firsts = compress(listed, chain((True,), breaks))
    lasts = compress(listed, chain(breaks, (True,)))
    runs = [f"{first}:{last}" if first != last else str(first) for first, last in zip(firsts, lasts, strict=True)]
    return ",".join(runs).encode("ascii")


def internal_date(moment: int) -> bytes:
    """date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE

    `moment` is in seconds since the epoch; the zone is this server's at that moment. Years outside 1 to 9999, which
    have no spelling, become the nearest that has. The day has two digits, as Dovecot writes it."""
    moment = min(max(moment, _FIRST_MOMENT), _LAST_MOMENT)
    # Whole minutes: local mean times of long ago have seconds, which a zone cannot say.
    offset = time.localtime(moment).tm_gmtoff // 60
    days, second = divmod(moment + offset * 60, 86400)
    return b'"%b %02d:%02d:%02d %b"' % (_day(days), second // 3600, second // 60 % 60, second % 60, _zone(offset))


@lru_cache(maxsize=4096)
def _day(days: int) -> bytes:
    year, month, day = time.gmtime(days * 86400)[:3]
    return b"%02d-%b-%04d" % (day, _MONTHS[month - 1], year)


@lru_cache(maxsize=128)
def _zone(minutes: int) -> bytes:
    """zone = ("+" / "-") 4DIGIT"""
    hours, minutes_left = divmod(abs(minutes), 60)
    return b"%b%02d%02d" % (b"-" if minutes < 0 else b"+", hours, minutes_left)


def text(words: str) -> bytes:
    """text = 1*TEXT-CHAR: one line, never empty, so that a reason cannot end the answer it stands in."""
    return _NOT_TEXT.sub(b" ", words.encode("utf-8", "replace")) or b"-"
