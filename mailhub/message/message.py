"""A message as octets with CRLF line ends, and what was parsed of it so far."""

from __future__ import annotations

from mailhub.message.structure import Part, parse_structure


class Message:
    """One message. `data` has CRLF line ends; parsed parts are made on demand and kept."""

    __slots__ = ("_root", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._root: Part | None = None

    @property
    def root(self) -> Part:
        """The MIME tree; its offsets are offsets into `data`."""
        root = self._root
        if root is None:
            root = self._root = parse_structure(self.data)
        return root


def canonical(data: bytes) -> bytes:
    """Return `data` with each bare LF made CRLF; a bare CR stays (as Dovecot counts RFC822.SIZE)."""
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    return data.replace(b"\n", b"\r\n")
