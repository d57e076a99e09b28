"""ENVELOPE as octets ready to send (RFC 3501 section 7.4.2)."""

from __future__ import annotations

import re

from mailhub.message.addresses import Address, parse_addresses
from mailhub.message.headers import Field, field_value
from mailhub.message.quote import human_string, nstring, unfolded

_ADDRESSES = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))
_TEXTS = frozenset((b"date", b"subject", b"in-reply-to", b"message-id"))
_WANTED = _ADDRESSES | _TEXTS
_ATOM = rb"[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+"
_DOTS = _ATOM + rb"(?:\." + _ATOM + rb")*"
_PRINTED = rb"[!#-\[\]-~]+"
_USUAL = re.compile(
    rb"(?:(?:\"(" + _PRINTED + rb"(?: " + _PRINTED + rb")*)\" |(" + _ATOM + rb"(?: " + _ATOM + rb")*) )?"
    rb"<(" + _DOTS + rb")@(" + _DOTS + rb")>|(" + _DOTS + rb")@(" + _DOTS + rb"))(?:,[ \n\t]+|,(?=[^,\s])|\Z)"
)
"""Addresses that can be shown as they are written, without looking at them twice."""
EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def envelope(fields: list[Field]) -> bytes:
    """Return the parenthesized ENVELOPE of a header.

    As Dovecot: several address fields of one name are one list, of several others the last counts; without Sender or
    Reply-To, From stands there (RFC 3501)."""
    texts: dict[bytes, bytes] = {}
    lists: dict[bytes, bytes] = {}
    for name, raw in fields:
        if name not in _WANTED:
            continue
        value = field_value(raw)
        if name in _TEXTS:
            texts[name] = value
        else:
            lists[name] = lists.get(name, b"") + _addresses(value)
    if not texts and not lists:
        return EMPTY
    sent = _list(lists.get(b"from"))
    subject = texts.get(b"subject")
    return b" ".join(
        (
            b"(" + nstring(unfolded(texts.get(b"date"))),
            b"NIL" if subject is None else human_string(subject),
            sent,
            _list(lists.get(b"sender")) if lists.get(b"sender") else sent,
            _list(lists.get(b"reply-to")) if lists.get(b"reply-to") else sent,
            _list(lists.get(b"to")),
            _list(lists.get(b"cc")),
            _list(lists.get(b"bcc")),
            nstring(unfolded(texts.get(b"in-reply-to"))),
            nstring(unfolded(texts.get(b"message-id"))) + b")",
        )
    )


def _list(addresses: bytes | None) -> bytes:
    return b"(%s)" % addresses if addresses else b"NIL"


def _addresses(value: bytes) -> bytes:
    """Render the addresses of a field, without the parentheses around all."""
    shown, pos, size = [], 0, len(value)
    while pos < size:
        usual = _USUAL.match(value, pos)
        if usual is None:
            break
        quoted, words, mailbox, domain, bare_mailbox, bare_domain = usual.groups()
        name = quoted or words
        if name is not None:
            shown.append(b'("%s" NIL "%s" "%s")' % (name, mailbox, domain))
        else:
            shown.append(b'(NIL NIL "%s" "%s")' % (mailbox or bare_mailbox, domain or bare_domain))
        pos = usual.end()
    if pos < size:
        shown += [_address(entry) for entry in parse_addresses(value, pos)]
    return b"".join(shown)


def _address(entry: Address) -> bytes:
    name, route, mailbox, domain = entry
    shown = b"NIL" if name is None else human_string(name)
    return b"(%s %s %s %s)" % (shown, nstring(route), nstring(mailbox), nstring(domain))
