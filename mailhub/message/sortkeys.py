"""What SORT compares (RFC 5256 section 3, RFC 5957), computed once for a message and kept.

Of several fields with one name the first counts. Keys are folded, so that their octets sort as the text does.
"""

from __future__ import annotations

from attrs import frozen

from mailhub.message.addresses import parse_addresses
from mailhub.message.dates import SentDate, parse_date
from mailhub.message.folding import fold, fold_bytes
from mailhub.message.headers import field_value
from mailhub.message.message import Message
from mailhub.message.subject import base_subject
from mailhub.message.words import decode_words

_SEPARATOR = b"\0"


@frozen
class SortKeys:
    subject: bytes
    """Base subject."""
    sender: bytes
    """Mailbox (local part) of the first From address; of To and Cc likewise. A group counts with its name."""
    to: bytes
    cc: bytes
    display_from: bytes
    """Display name of the first From address, or its address (RFC 5957)."""
    display_to: bytes
    sent: int | None
    """The Date field in seconds since the epoch, UTC; None: sort by INTERNALDATE (RFC 5256 section 2.2)."""


def sort_keys(message: Message) -> bytes:
    """Return SortKeys as octets to keep; read them with parse_sort_keys()."""
    first: dict[bytes, bytes] = {}
    for name, raw in message.fields:
        if name in _WANTED and name not in first:
            first[name] = field_value(raw)
    sent = parse_date(first.get(b"date", b""))
    author, author_shown = _first_mailbox(first.get(b"from"))
    to, to_shown = _first_mailbox(first.get(b"to"))
    return _SEPARATOR.join(
        (
            base_subject(first.get(b"subject", b"")).text,
            author,
            to,
            _first_mailbox(first.get(b"cc"))[0],
            author_shown,
            to_shown,
            b"" if sent is None else b"%d" % sent.seconds,
        )
    )


def parse_sort_keys(data: bytes) -> SortKeys:
    """Read what sort_keys() returned."""
    subject, author, to, cc, author_shown, to_shown, sent = data.split(_SEPARATOR)
    return SortKeys(subject, author, to, cc, author_shown, to_shown, int(sent) if sent else None)


def sent_date(message: Message) -> SentDate | None:
    """Return what the first Date field says, or None."""
    for name, raw in message.fields:
        if name == b"date":
            return parse_date(field_value(raw))
    return None


_WANTED = frozenset((b"date", b"from", b"to", b"cc", b"subject"))


def _first_mailbox(value: bytes | None) -> tuple[bytes, bytes]:
    """Return the sort key and the display sort key of the first address."""
    if not value:
        return b"", b""
    found = parse_addresses(value, most=1)
    if not found:
        return b"", b""
    name, _, mailbox, domain = found[0]
    key = fold_bytes(mailbox or b"")
    if name:
        return key, fold(decode_words(name)).replace(b"\0", b"")
    return key, key + b"@" + fold_bytes(domain) if domain else key
