"""Header blocks cut into fields (RFC 5322 section 2.2, with all that the world gets wrong).

A block ends at the first empty line or at the end of the octets. A line that begins with a space or a tab
continues the field before it. A line without a colon is a field without a value; it does not end the header
(as in Dovecot). Space before the colon is allowed (RFC 5322 section 4.5).
"""

from __future__ import annotations

import re

Field = tuple[bytes, bytes]
"""A field: its name in lower case (empty if its first line has no colon), and all its octets without the last CRLF."""

HEADER_LIMIT = 2 * 1024 * 1024
"""Octets of all headers of a message that are looked at. Objects made of fields, addresses or parameters take up to
forty times the memory of their octets, so a message that is all header would take gigabytes."""

_FIELD_END = re.compile(rb"\r\n(?![ \t])")

_COMMON = {
    name: name.lower()
    for name in (
        b"Received Return-Path Delivered-To X-Original-To Date From Sender Reply-To To Cc CC Bcc Subject Message-ID "
        b"Message-Id In-Reply-To References MIME-Version Mime-Version Content-Type Content-Transfer-Encoding "
        b"Content-Disposition Content-ID Content-Description Content-Language Content-Location List-Id List-Post "
        b"List-Unsubscribe List-Unsubscribe-Post List-Help List-Archive List-Subscribe Precedence Errors-To "
        b"DKIM-Signature Authentication-Results Received-SPF ARC-Seal ARC-Message-Signature "
        b"ARC-Authentication-Results User-Agent X-Mailer X-Priority Importance Auto-Submitted Feedback-ID"
    ).split()
}
"""Names as nearly all mail spells them, so that those need not be looked at closer."""


def header_end(data: bytes, start: int = 0) -> int:
    """Return the offset behind the empty line that ends the header beginning at `start`, or len(data)."""
    if data.startswith(b"\r\n", start):
        return start + 2
    found = data.find(b"\r\n\r\n", start)
    return len(data) if found < 0 else found + 4


def split_fields(data: bytes, start: int, end: int, limit: int = HEADER_LIMIT) -> list[Field]:
    """Cut data[start:end], a header with or without its empty line, into fields, in order.

    What is behind the first `limit` octets is passed over."""
    return split_block(data[start : min(end, start + limit)])


def split_block(block: bytes) -> list[Field]:
    """Cut a header with or without its empty line into fields, in order."""
    if block == b"\r\n":
        return []
    if block.endswith(b"\r\n\r\n"):
        block = block[:-4]
    elif block.endswith(b"\r\n"):
        block = block[:-2]
    if not block:
        return []
    fields = []
    known = _COMMON.get
    for raw in _FIELD_END.split(block):
        at = raw.find(b":")
        name = (at > 0 and known(raw[:at])) or _name(raw, at)
        fields.append((name, raw))
    return fields


def _name(raw: bytes, at: int) -> bytes:
    """Return the name of a field whose first colon is at `at`, or empty if that is not in its first line.

    A NUL ends the name (as in Dovecot)."""
    name = raw[:at].lower() if at >= 0 else b""
    return b"" if b"\n" in name else name.rstrip(b" \t").partition(b"\0")[0]


def field_value(raw: bytes) -> bytes:
    """Return the value of a field with leading space removed and its folds as bare LF.

    If the first line of the value is nothing but space, only one
    octet of that goes (as in Dovecot)."""
    return tidy_value(raw.partition(b":")[2])


def tidy_value(value: bytes) -> bytes:
    """Do as field_value() with what stands behind the colon."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"\n")
        rest = value.lstrip(b" \t")
        if rest[:1] == b"\n":
            return value[1:] if value[:1] != b"\n" else value
        return rest
    return value.lstrip(b" \t") or value[1:]


def values(fields: list[Field], name: bytes) -> list[bytes]:
    """Return the values of all fields called `name` (lower case), in order."""
    return [field_value(raw) for found, raw in fields if found == name]
