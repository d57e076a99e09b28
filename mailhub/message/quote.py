"""IMAP strings: quoted where that is possible and short, else literals (RFC 3501 section 4.3)."""

from __future__ import annotations

import re

_MAX_ESCAPES = 4
"""With more quoted-specials than this a literal is shorter (Dovecot's rule too)."""

SAFE = re.compile(rb'[^\x00\r\n"\\\x80-\xff]*\Z')
"""What can stand between quotes as it is."""
_LITERAL = re.compile(rb"[\x00\r\n\x80-\xff]")
_TIDY = re.compile(rb'(?:[^\x00\t\r\n "\\\x80-\xff]+ )*[^\x00\t\r\n "\\\x80-\xff]+\Z')
_SPACES = re.compile(rb"[ \t\r\n]+")


def nstring(value: bytes | None) -> bytes:
    """Render a value as NIL, quoted string or literal."""
    if value is None:
        return b"NIL"
    if SAFE.match(value):
        return b'"%s"' % value
    if _LITERAL.search(value) or value.count(b'"') + value.count(b"\\") > _MAX_ESCAPES:
        return b"{%d}\r\n%s" % (len(value), value)
    return b'"%s"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def unfolded(value: bytes | None) -> bytes | None:
    """Take the line ends out of a field value, make a lone CR a space, and show NUL as U+FFFD."""
    if value is None:
        return None
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"").replace(b"\r", b" ")
    return value.replace(b"\0", b"\xef\xbf\xbd") if b"\0" in value else value


def human_string(value: bytes) -> bytes:
    """Render text for people: space collapsed and trimmed; a literal if that changed anything (as Dovecot)."""
    if _TIDY.match(value):
        return b'"%s"' % value
    value = _SPACES.sub(b" ", value.replace(b"\0", b"\xef\xbf\xbd")).strip(b" ")
    return b"{%d}\r\n%s" % (len(value), value) if value else b'""'
