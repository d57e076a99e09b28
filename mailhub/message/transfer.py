"""Content-Transfer-Encoding undone (RFC 2045 section 6), strictly for BINARY and leniently for search."""

from __future__ import annotations

import binascii
import re
from enum import Enum

from mailhub.message.headers import Field, field_value
from mailhub.message.rfc822 import END, MORE, Scanner

_SPACE = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64 = _ALPHABET + b"=" + _SPACE
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/ \t\r\n]")
_TRAILING_SPACE = re.compile(rb"[ \t]+(?=\r\n|\Z)")
_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n|\Z)")


class Encoding(Enum):
    IDENTITY = "7bit"
    """7bit, 8bit, binary, or none named."""
    BASE64 = "base64"
    QUOTED = "quoted-printable"
    UNKNOWN = ""


_KNOWN = {
    b"7bit": Encoding.IDENTITY,
    b"8bit": Encoding.IDENTITY,
    b"binary": Encoding.IDENTITY,
    b"base64": Encoding.BASE64,
    b"quoted-printable": Encoding.QUOTED,
}


def encoding_of(fields: list[Field]) -> Encoding:
    """Return what the last Content-Transfer-Encoding among `fields` says. A MIME-Version is not asked for.

    A ";" may stand behind the word, anything else makes it unknown (as in Dovecot's decoder; BODYSTRUCTURE differs)."""
    for name, raw in reversed(fields):
        if name == b"content-transfer-encoding":
            value = field_value(raw)
            known = _KNOWN.get(value.lower())
            return _odd_encoding(value) if known is None else known
    return Encoding.IDENTITY


def _odd_encoding(value: bytes) -> Encoding:
    scanner = Scanner(value)
    scanner.skip()
    token, state = scanner.mime_token()
    if state == END or (state == MORE and scanner.peek() == b";"):
        return _KNOWN.get(token.lower(), Encoding.UNKNOWN)
    return Encoding.UNKNOWN


def decode_strictly(data: bytes, encoding: Encoding) -> bytes | None:
    """Decode a body; None if it breaks the encoding's rules or the encoding is unknown."""
    if encoding is Encoding.IDENTITY:
        return data
    if encoding is Encoding.BASE64:
        end = data.find(b"=")
        if data.translate(None, _BASE64) or (end >= 0 and data[end:].translate(None, b"=" + _SPACE)):
            return None
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            return None
    if encoding is Encoding.QUOTED:
        data = _without_trailing_space(data)
        return None if _BAD_QUOTED.search(data) else binascii.a2b_qp(data)
    return None


def decode_leniently(data: bytes, encoding: Encoding) -> bytes:
    """Decode what can be decoded: base64 up to its first wrong octet; nothing of an unknown encoding."""
    if encoding is Encoding.IDENTITY:
        return data
    if encoding is Encoding.BASE64:
        return decode_base64(data)
    if encoding is Encoding.QUOTED:
        return binascii.a2b_qp(_without_trailing_space(data))
    return b""


def decode_base64(data: bytes) -> bytes:
    """Decode base64 up to the first octet that is none; padding may be missing."""
    if data.translate(None, _ALPHABET + _SPACE):
        end = _NOT_BASE64.search(data)
        if end is not None:
            data = data[: end.start()]
    count = len(data) if data.isalnum() else len(data.translate(None, _SPACE))
    if count % 4:
        data = data.translate(None, _SPACE)
        data = data[:-1] if count % 4 == 1 else data + b"=" * (-count % 4)
    return binascii.a2b_base64(data)


def _without_trailing_space(data: bytes) -> bytes:
    """Take away space at line ends, which transport may have added (RFC 2045 section 6.7 rule 3)."""
    if b" \r\n" in data or b"\t\r\n" in data or data[-1:] in (b" ", b"\t"):
        return _TRAILING_SPACE.sub(b"", data)
    return data
