"""A message as octets with CRLF line ends, and what was parsed of it so far."""

from __future__ import annotations


class Message:
    """One message. `data` has CRLF line ends; parsed parts are made on demand and kept."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def canonical(data: bytes) -> bytes:
    """Return `data` with each bare LF made CRLF; a bare CR stays (as Dovecot counts RFC822.SIZE)."""
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    return data.replace(b"\n", b"\r\n")
