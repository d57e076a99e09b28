"""ENVELOPE as octets ready to send (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from mailhub.message.addresses import Address, parse_addresses
from mailhub.message.headers import Field, field_value
from mailhub.message.quote import human_string, nstring, unfolded

_ADDRESSES = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))
_TEXTS = frozenset((b"date", b"subject", b"in-reply-to", b"message-id"))
_WANTED = _ADDRESSES | _TEXTS
EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def envelope(fields: list[Field]) -> bytes:
    """Return the parenthesized ENVELOPE of a header.

    As Dovecot: several address fields of one name are one list, of several others the last counts; without Sender or
    Reply-To, From stands there (RFC 3501)."""
    texts: dict[bytes, bytes] = {}
    lists: dict[bytes, list[Address]] = {}
    for name, raw in fields:
        if name not in _WANTED:
            continue
        value = field_value(raw)
        if name in _TEXTS:
            texts[name] = value
        elif name in lists:
            lists[name] = lists[name] + parse_addresses(value)
        else:
            lists[name] = parse_addresses(value)
    if not texts and not lists:
        return EMPTY
    sent = _addresses(lists.get(b"from"))
    subject = texts.get(b"subject")
    return b" ".join(
        (
            b"(" + nstring(unfolded(texts.get(b"date"))),
            b"NIL" if subject is None else human_string(subject),
            sent,
            _addresses(lists.get(b"sender")) if lists.get(b"sender") else sent,
            _addresses(lists.get(b"reply-to")) if lists.get(b"reply-to") else sent,
            _addresses(lists.get(b"to")),
            _addresses(lists.get(b"cc")),
            _addresses(lists.get(b"bcc")),
            nstring(unfolded(texts.get(b"in-reply-to"))),
            nstring(unfolded(texts.get(b"message-id"))) + b")",
        )
    )


def _addresses(found: list[Address] | None) -> bytes:
    if not found:
        return b"NIL"
    return b"(%s)" % b"".join(
        [
            b"(%s %s %s %s)"
            % (
                b"NIL" if name is None else human_string(name),
                b"NIL" if route is None else nstring(route),
                nstring(mailbox),
                nstring(domain),
            )
            for name, route, mailbox, domain in found
        ]
    )
