"""A message as octets with CRLF line ends, and what was parsed of it so far."""

from __future__ import annotations

from mailhub.message.headers import HEADER_LIMIT, Field, header_end, split_block
from mailhub.message.structure import Part, parse_structure


class Message:
    """One message. `data` has CRLF line ends; parsed parts are made on demand and kept."""

    __slots__ = ("_fields", "_header", "_root", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._fields: list[Field] | None = None
        self._header: bytes | None = None
        self._root: Part | None = None

    @property
    def header(self) -> bytes:
        """The message's header with its empty line, of a very large one as much as is looked at."""
        header = self._header
        if header is None:
            header = self._header = self.data[: min(header_end(self.data), HEADER_LIMIT)]
        return header

    @property
    def fields(self) -> list[Field]:
        """The fields of the message's header, in order; costs less than the tree."""
        fields = self._fields
        if fields is None:
            fields = self._fields = split_block(self.header)
        return fields

    @property
    def root(self) -> Part:
        """The MIME tree; its offsets are offsets into `data`."""
        root = self._root
        if root is None:
            root = self._root = parse_structure(self.data, self.header)
        return root


def canonical(data: bytes) -> bytes:
    """Return `data` with each bare LF made CRLF; a bare CR stays (as Dovecot counts RFC822.SIZE)."""
    # One octet is looked for twenty times as fast as two, and most files hold no CR at all.
    if b"\r" in data and b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    return data.replace(b"\n", b"\r\n")
