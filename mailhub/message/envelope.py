"""ENVELOPE as octets ready to send (RFC 3501 section 7.4.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from mailhub.message.addresses import Address, parse_addresses
from mailhub.message.headers import tidy_value
from mailhub.message.quote import SAFE, human_string, nstring, unfolded

_TEXTS = frozenset((b"date", b"subject", b"in-reply-to", b"message-id"))
_FIELDS = re.compile(
    rb"(?i)\n(date|from|sender|reply-to|to|cc|bcc|subject|in-reply-to|message-id)(?:[ \t]*|\0[^:\n]*):"
    rb"([^\n]*(?:\n[ \t][^\n]*)*)"
)
"""The fields an ENVELOPE is made of, among lines that end with CRLF; the last CR counts as part of the value."""
_ATOM = rb"[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+"
_DOTS = _ATOM + rb"(?:\." + _ATOM + rb")*"
_PRINTED = rb"[!#-\[\]-~]+"
_USUAL = re.compile(
    rb"(?:(?:\"(" + _PRINTED + rb"(?: " + _PRINTED + rb")*)\" |(" + _ATOM + rb"(?: " + _ATOM + rb")*) )?"
    rb"<(" + _DOTS + rb")@(" + _DOTS + rb")>|(" + _DOTS + rb")@(" + _DOTS + rb"))(?:,[ \n\t]+|,(?=[^,\s])|\Z)"
)
"""Addresses that can be shown as they are written, without looking at them twice."""
_SHORT = 100
"""Octets of an address list up to which its form is remembered: most of a user's mail is from and to the same few."""
EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def envelope(header: bytes) -> bytes:
    """Return the parenthesized ENVELOPE of a header with CRLF line ends, with or without its empty line.

    As Dovecot: several address fields of one name are one list, of several others the last counts; without Sender or
    Reply-To, From stands there (RFC 3501)."""
    texts: dict[bytes, bytes] = {}
    lists: dict[bytes, bytes] = {}
    for name, value in _FIELDS.findall(b"\n" + header if header.endswith(b"\n") else b"\n%s\r\n" % header):
        name = name.lower()
        value = tidy_value(value[:-1]) if b"\n" in value else value[:-1].lstrip(b" \t") or value[1:-1]
        if name in _TEXTS:
            texts[name] = value
        else:
            addresses = _remembered(value) if len(value) <= _SHORT else _addresses(value)
            lists[name] = lists[name] + addresses if name in lists else addresses
    if not texts and not lists:
        return EMPTY
    sent = _list(lists.get(b"from"))
    subject = texts.get(b"subject")
    return b" ".join(
        (
            b"(" + _text(texts.get(b"date")),
            b"NIL" if subject is None else human_string(subject),
            sent,
            _list(lists.get(b"sender")) if lists.get(b"sender") else sent,
            _list(lists.get(b"reply-to")) if lists.get(b"reply-to") else sent,
            _list(lists.get(b"to")),
            _list(lists.get(b"cc")),
            _list(lists.get(b"bcc")),
            _text(texts.get(b"in-reply-to")),
            _text(texts.get(b"message-id")) + b")",
        )
    )


def _text(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    return b'"%s"' % value if SAFE.match(value) else nstring(unfolded(value))


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


_remembered = lru_cache(maxsize=4096)(_addresses)


def _address(entry: Address) -> bytes:
    name, route, mailbox, domain = entry
    shown = b"NIL" if name is None else human_string(name)
    return b"(%s %s %s %s)" % (shown, nstring(route), nstring(mailbox), nstring(domain))
