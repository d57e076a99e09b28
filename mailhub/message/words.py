"""Encoded words and raw 8-bit octets in header fields (RFC 2047), and character sets by name.

Never fails: an unknown character set is read as UTF-8, octets that do not fit become U+FFFD, an encoded word with
an unknown encoding stays as it is. Words may stand anywhere, also inside quoted strings (as the world does).
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import lru_cache

from mailhub.message.transfer import decode_base64

_WORD = re.compile(rb"=\?([^?]*)\?([qQbB])[^?]*\?([^?]*)\?=")
_NOT_TEXT = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))
_NOT_ASCII = (
    "utf-16",
    "utf-32",
    "utf-7",
    "iso2022",
    "hz",
    "cp037",
    "cp1026",
    "cp1140",
    "cp273",
    "cp424",
    "cp500",
    "cp875",
)


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Return the name of the codec for a MIME charset, "utf-8" if there is none."""
    try:
        info = codecs.lookup(charset)
    except (LookupError, ValueError):
        return "utf-8"
    if not info._is_text_encoding or info.name in _NOT_TEXT or info.name == "ascii":
        return "utf-8"
    return info.name


def codec_of(charset: bytes) -> str:
    """Return the name of the codec for a MIME charset (RFC 2978); US-ASCII and unknown ones are UTF-8."""
    return _codec(charset[:64].decode("latin-1").strip().replace("\0", ""))


def is_ascii_superset(codec: str) -> bool:
    """Tell whether octets below 128 mean ASCII in this codec, whatever stands beside them."""
    return not codec.startswith(_NOT_ASCII)


def decode_charset(data: bytes, codec: str) -> str:
    """Decode octets; what does not fit becomes U+FFFD."""
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, ValueError, LookupError):
        return data.decode("utf-8", "replace")


def decode_words(value: bytes) -> str:
    """Decode a field value to text. Folds are undone; space between two encoded words goes (RFC 2047 section 6.2)."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    if b"=?" not in value:
        return value.decode("utf-8", "replace").replace("\0", "\ufffd")
    pieces: list[str] = []
    run, run_codec = b"", ""
    at = 0
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        if not (at and not between.strip(b" \t\r\n")) and between:
            pieces.append(decode_charset(run, run_codec or "utf-8"))
            pieces.append(between.decode("utf-8", "replace"))
            run, run_codec = b"", ""
        codec = codec_of(word[1].partition(b"*")[0])
        if codec != run_codec:
            pieces.append(decode_charset(run, run_codec or "utf-8"))
            run = b""
        # A character may be cut between two words of one character set, so those are decoded together.
        run, run_codec = run + _decode_word(word[2], word[3]), codec
        at = word.end()
    pieces.append(decode_charset(run, run_codec or "utf-8"))
    pieces.append(value[at:].decode("utf-8", "replace"))
    return "".join(pieces).replace("\0", "\ufffd")


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    return decode_base64(text) if encoding in b"bB" else binascii.a2b_qp(text, header=True)
