"""Modified UTF-7, the spelling of mailbox names (RFC 3501 section 5.1.3).

Printable US-ASCII stands for itself, "&" is "&-", and every run of other characters is "&", the base64 of its
UTF-16BE with "," for "/" and no padding, "-". Each name has exactly one such spelling, and only that one is
decoded: so a name cannot reach the store in two forms, and encode(decode(x)) == x for every x that decodes.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

CACHED_LENGTH = 256
"""Longer names are converted each time, so that the cache holds at most about a megabyte."""

_PLAIN = re.compile(rb"[\x20-\x25\x27-\x7e]*\Z")
_TO_ENCODE = re.compile(r"&|[^\x20-\x7e]+")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")


def decode(name: bytes) -> str:
    """Return the name in Unicode; ValueError if `name` is not canonical modified UTF-7."""
    return _decode_cached(name) if len(name) <= CACHED_LENGTH else _decode(name)


def encode(name: str) -> bytes:
    """Return the modified UTF-7 of `name`; UnicodeEncodeError (a ValueError) for a lone surrogate."""
    return _encode_cached(name) if len(name) <= CACHED_LENGTH else _encode(name)


def _decode(name: bytes) -> str:
    if _PLAIN.match(name):
        return name.decode("ascii")
    pieces = []
    end = 0
    for shift in _SHIFTED.finditer(name):
        pieces.append(name[end : shift.start()].decode("ascii"))
        pieces.append(_unshift(shift.group(1)))
        end = shift.end()
    pieces.append(name[end:].decode("ascii"))
    decoded = "".join(pieces)
    # One comparison refuses all the rest: stray "&", controls, "&-" spelled in base64, printable characters or
    # non-zero padding bits inside a shift, two shifts in a row.
    if _encode(decoded) != name:
        raise ValueError("not canonical modified UTF-7")
    return decoded


def _unshift(base64: bytes) -> str:
    if not base64:
        return "&"
    padded = base64.replace(b",", b"/") + b"=" * (-len(base64) % 4)
    try:
        return a2b_base64(padded).decode("utf-16-be")
    except Base64Error as error:
        raise ValueError("bad base64 in modified UTF-7") from error


def _shift(run: re.Match[str]) -> str:
    text = run.group()
    if text == "&":
        return "&-"
    base64 = b2a_base64(text.encode("utf-16-be"), newline=False)
    return "&" + base64.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def _encode(name: str) -> bytes:
    return _TO_ENCODE.sub(_shift, name).encode("ascii")


_decode_cached = lru_cache(maxsize=1024)(_decode)
_encode_cached = lru_cache(maxsize=1024)(_encode)
