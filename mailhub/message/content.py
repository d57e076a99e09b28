"""What the Content- fields of one header say, read once for all headers that are alike (RFC 2045).

Most parts have a header of two or three lines that thousands of other parts have too, and of the header of a whole
message only few lines matter here. So those lines are taken out first, and what they say is remembered by their octets.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailhub.message.headers import Field, field_value, split_block
from mailhub.message.params import ContentType, parse_content_type
from mailhub.message.transfer import Encoding, encoding_of

_SHORT = 256
"""Octets up to which a header is remembered."""

_LINES = re.compile(rb"(?i)\n((?:content-|mime-version)[^\n]*(?:\n[ \t][^\n]*)*)")


class Content:
    """Never changes; shared by all parts that have the same fields."""

    __slots__ = ("encoding", "fields", "last_type", "main", "mime", "shown", "sub", "type")

    def __init__(self, fields: list[Field]) -> None:
        self.fields = fields
        """The Content- fields, and perhaps others."""
        types = [raw for name, raw in fields if name == b"content-type"]
        self.mime = bool(types) or any(name == b"mime-version" for name, _ in fields)
        """Whether there is a MIME-Version or a Content-Type."""
        self.type: ContentType | None = parse_content_type(field_value(types[0])) if types else None
        self.last_type = parse_content_type(field_value(types[-1])) if len(types) > 1 else self.type
        """Of several Content-Type fields the last one."""
        self.main = b"" if self.type is None else self.type.main.lower()
        self.sub = b"" if self.type is None else self.type.sub.lower()
        self.encoding: Encoding = encoding_of(fields)
        self.shown: tuple[bytes, bytes] | None = None
        """What BODYSTRUCTURE says of a leaf before and behind its size, once somebody wanted that."""


NOTHING = Content([])
"""That of a header without any of these fields."""


def content_of(header: bytes) -> Content:
    """Return what a header with CRLF line ends says, with or without its empty line."""
    if len(header) > _SHORT:
        if not header.endswith(b"\n"):
            header += b"\r\n"
        header = b"\n".join(_LINES.findall(b"\n" + header)) + b"\n"
        if header == b"\n":
            return NOTHING
    # Boundaries differ each time, and would push out the others.
    if len(header) > _SHORT or b"boundary" in header:
        return Content(split_block(header))
    return _remembered(header)


@lru_cache(maxsize=2048)
def _remembered(header: bytes) -> Content:
    return Content(split_block(header))
