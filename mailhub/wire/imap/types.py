"""Values of the IMAP grammar that commands are made of (RFC 3501 section 9 and its extensions)."""

from __future__ import annotations

from datetime import date
from enum import Enum

from attrs import frozen

STAR = 0
"""Stands for "*" in a NumberSet; 0 is no valid message number or UID."""


@frozen
class NumberSet:
    """sequence-set: ranges as written, each (low, high) with STAR for "*"; a single number is (n, n).

    `saved` is "$" (RFC 5182): the result of the last SEARCH RETURN (SAVE)."""

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False


@frozen
class MailboxName:
    """A mailbox argument. `name` is Unicode; INBOX in any case is "INBOX". `raw` is what the client sent.

    `valid` is False if the octets are neither mUTF-7 nor, where allowed, UTF-8: the session answers
    NO [CANNOT], since the command's syntax was fine."""

    name: str
    raw: bytes
    valid: bool = True


class SectionText(Enum):
    """What of a part BODY[...] names."""

    ALL = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    FIELDS_NOT = "HEADER.FIELDS.NOT"
    MIME = "MIME"
    TEXT = "TEXT"


@frozen
class Section:
    """section: BODY[path.text (fields)]. An empty path is the whole message."""

    path: tuple[int, ...] = ()
    text: SectionText = SectionText.ALL
    fields: tuple[str, ...] = ()
    """Header field names as the client wrote them."""


class FetchItem(Enum):
    """FETCH items without parameters; macros are expanded by the grammar."""

    FLAGS = "FLAGS"
    UID = "UID"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    RFC822 = "RFC822"
    RFC822_HEADER = "RFC822.HEADER"
    RFC822_TEXT = "RFC822.TEXT"


@frozen
class FetchSection:
    """BODY[section]<offset.length> or BODY.PEEK[...]; with `binary`, BINARY[...] (RFC 3516)."""

    section: Section
    peek: bool = False
    partial: tuple[int, int] | None = None
    binary: bool = False


@frozen
class FetchBinarySize:
    """BINARY.SIZE[path]."""

    section: Section


FetchAttribute = FetchItem | FetchSection | FetchBinarySize


class StatusItem(Enum):
    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    APPENDLIMIT = "APPENDLIMIT"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"


# search-key. Dates are calendar days; strings are decoded with the command's CHARSET.


@frozen
class KeyAll:
    pass


@frozen
class KeyAnd:
    keys: tuple[SearchKey, ...]


@frozen
class KeyOr:
    left: SearchKey
    right: SearchKey


@frozen
class KeyNot:
    key: SearchKey


@frozen
class KeyNumbers:
    """A sequence set, or with `uid` a UID set."""

    numbers: NumberSet
    uid: bool = False


@frozen
class KeyFlag:
    """ANSWERED, UNSEEN, KEYWORD x, ...: the flag is set, or with `absent` not set."""

    flag: str
    absent: bool = False


@frozen
class KeyRecent:
    """RECENT; with `absent` OLD. (NEW is grammar for RECENT UNSEEN.)"""

    absent: bool = False


@frozen
class KeyDate:
    """BEFORE, ON, SINCE and their SENT forms."""

    field: str
    """"internal" or "sent"."""
    test: str
    """"<", "=" or ">="."""
    day: date


@frozen
class KeySize:
    """LARGER n, or with `smaller` SMALLER n."""

    octets: int
    smaller: bool = False


@frozen
class KeyHeader:
    """HEADER name text; BCC, CC, FROM, SUBJECT and TO are the same with their name."""

    name: str
    text: str


@frozen
class KeyText:
    """TEXT; with `body` BODY."""

    text: str
    body: bool = False


@frozen
class KeyWithin:
    """YOUNGER, or OLDER, seconds (RFC 5032)."""

    seconds: int
    older: bool = False


SearchKey = (
    KeyAll
    | KeyAnd
    | KeyOr
    | KeyNot
    | KeyNumbers
    | KeyFlag
    | KeyRecent
    | KeyDate
    | KeySize
    | KeyHeader
    | KeyText
    | KeyWithin
)
