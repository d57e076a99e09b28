"""Arguments that many commands share: mailbox names, number sets, flags, dates, charsets (RFC 3501 section 9)."""

from __future__ import annotations

import re
from datetime import date
from encodings.aliases import aliases
from functools import lru_cache

from mailhub.wire.imap import mutf7
from mailhub.wire.imap.cursor import INVALID, MAX_NUMBER, MISSING, Cursor
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.types import STAR, MailboxName, NumberSet

_CACHED_LENGTH = 256
_NUMBER_SET = re.compile(rb"[0-9*:,]+")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})(\1)')
_DATE_TIME = re.compile(
    rb"[ ]?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})\Z"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), 1
    )
}
_EPOCH = date(1970, 1, 1).toordinal()

SYSTEM_FLAGS = {
    flag.upper().encode("ascii"): flag for flag in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
}
"""RFC 3501 section 2.3.2, by their upper-case octets. \\Recent cannot be altered by a client."""


def mailbox(cursor: Cursor) -> MailboxName:
    """mailbox = "INBOX" / astring"""
    return mailbox_name(cursor.astring())


def list_mailbox(cursor: Cursor) -> MailboxName:
    """list-mailbox = 1*list-char / string

    list-char is ATOM-CHAR, the wildcards "%" and "*", or "]": what leniency ASTRING takes anyway."""
    return mailbox_name(cursor.astring())


def mailbox_name(raw: bytes) -> MailboxName:
    """Return the name that `raw` spells; not valid if it is not modified UTF-7 (raw UTF-8 is not allowed here)."""
    return _mailbox_name_cached(raw) if len(raw) <= _CACHED_LENGTH else _mailbox_name(raw)


def _mailbox_name(raw: bytes) -> MailboxName:
    if raw.upper() == b"INBOX":
        return MailboxName("INBOX", raw)
    try:
        return MailboxName(mutf7.decode(raw), raw)
    except ValueError:
        return MailboxName(raw.decode("utf-8", "replace"), raw, valid=False)


_mailbox_name_cached = lru_cache(maxsize=1024)(_mailbox_name)


def number_set(cursor: Cursor) -> NumberSet:
    """sequence-set = (seq-number / seq-range) *("," sequence-set)
    seq-range = seq-number ":" seq-number; seq-number = nz-number / "*"
    """
    text = cursor.match(_NUMBER_SET)
    if text is None:
        raise CommandError(MISSING if not cursor.peek() else "Invalid message set")
    return _number_set_cached(text) if len(text) <= _CACHED_LENGTH else _number_set(text)


def _number_set(text: bytes) -> NumberSet:
    ranges = []
    for piece in text.split(b","):
        low, colon, high = piece.partition(b":")
        first = _set_number(low)
        ranges.append((first, _set_number(high) if colon else first))
    return NumberSet(tuple(ranges))


_number_set_cached = lru_cache(maxsize=1024)(_number_set)


def _set_number(text: bytes) -> int:
    """nz-number / "*"; leniency ZEROS."""
    if text == b"*":
        return STAR
    if text.isdigit():
        digits = text.lstrip(b"0")
        if 0 < len(digits) <= 10 and (value := int(digits)) <= MAX_NUMBER:
            return value
    raise CommandError("Invalid message set")


def flag(cursor: Cursor) -> str:
    """flag = "\\Answered" / ... / flag-keyword / flag-extension

    Returns system flags in canonical case. A flag-extension ("\\" atom) is refused: none is defined."""
    text = cursor.match(_FLAG)
    if text is None:
        raise CommandError(MISSING if not cursor.peek() else "Invalid flag")
    if text[0] != 0x5C:
        return text.decode("ascii")
    known = SYSTEM_FLAGS.get(text.upper())
    if known is None:
        raise CommandError(f"Invalid system flag {text.decode('ascii')}")
    return known


def flag_list(cursor: Cursor) -> tuple[str, ...]:
    """flag-list = "(" [flag *(SP flag)] ")", the "(" being next. Each flag is returned once."""
    cursor.open()
    flags: dict[str, None] = {}
    if cursor.skip(b")"):
        return ()
    while True:
        flags[flag(cursor)] = None
        if cursor.close():
            return tuple(flags)


def calendar_date(cursor: Cursor) -> date:
    """date = date-text / DQUOTE date-text DQUOTE; date-text = date-day "-" date-month "-" date-year"""
    found = _DATE.match(cursor.line, cursor.pos)
    if found is None:
        raise CommandError("Invalid date" if cursor.peek() else MISSING)
    cursor.pos = found.end()
    return _day(found.group(4), found.group(3), found.group(2))


def date_time(text: bytes) -> int:
    """Return the seconds since the epoch of what stands between the quotes of a date-time.

    date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
    Leniency: a day of one digit needs no space before it (Dovecot)."""
    found = _DATE_TIME.match(text)
    if found is None:
        raise CommandError("Invalid internal date")
    day, month, year, hours, minutes, seconds, sign, zone_hours, zone_minutes = found.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds) > 60 or int(zone_minutes) > 59:
        raise CommandError("Invalid internal date")
    days = _day(year, month, day).toordinal() - _EPOCH
    offset = int(zone_hours) * 3600 + int(zone_minutes) * 60
    moment = days * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return moment + offset if sign == b"-" else moment - offset


def _day(year: bytes, month: bytes, day: bytes) -> date:
    try:
        return date(int(year), _MONTHS[month.upper()], int(day))
    except (KeyError, ValueError):
        raise CommandError("Invalid date") from None


_CODECS = """
    ascii utf_8 utf_7 latin_1 gb2312 gbk gb18030 hz big5 big5hkscs shift_jis euc_jp euc_kr johab tis_620 ptcp154 kz1048
    iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_kr koi8_r koi8_u koi8_t mac_roman mac_cyrillic mac_greek mac_latin2
    mac_turkish mac_iceland iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10
    iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 cp437 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861
    cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257
    cp1258
"""
_CHARSETS = frozenset(_CODECS.split())
"""Codecs of Python that decode text and nothing else (no zlib, rot13, idna or unicode_escape). Not UTF-16, whose
octets are no CHAR8 of a literal."""


def charset(cursor: Cursor) -> str:
    """charset = atom / quoted (RFC 5256 section 5; astring in RFC 3501). Refused with BADCHARSET if unknown."""
    name = cursor.astring()
    try:
        text = name.decode("ascii").upper()
    except UnicodeDecodeError:
        raise CommandError(INVALID) from None
    codec(text)
    return text


@lru_cache(maxsize=64)
def codec(charset: str | None) -> str:
    """Return the Python codec for a charset's name; CommandError with BADCHARSET if it is none we know.

    Leniency: without CHARSET, and with US-ASCII, strings may be UTF-8 (Dovecot), which clients send unsaid."""
    if charset is None:
        return "utf_8"
    name = charset.lower().replace("-", "_").replace(":", "_")
    name = aliases.get(name, name)
    if name not in _CHARSETS:
        raise CommandError("Unknown charset", "BADCHARSET", no=True)
    return "utf_8" if name == "ascii" else name
