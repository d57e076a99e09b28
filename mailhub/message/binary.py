"""BINARY[...] and BINARY.SIZE[...]: parts with their transfer encoding undone (RFC 3516).

A part that holds others, or the whole message, is given with the encoding of every leaf undone and the leaf's header
saying so ("Content-Transfer-Encoding: binary" at its end), as Dovecot does.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from mailhub.message.message import Message
from mailhub.message.sections import find_part, header_has_end
from mailhub.message.structure import MULTIPART, RFC822, Part
from mailhub.message.transfer import Encoding, decode_strictly, encoding_of


class BinaryState(Enum):
    PLAIN = b"="
    """The octets are those of the message."""
    DECODED = b"+"
    """The octets were decoded: send them as literal8."""
    UNKNOWN_ENCODING = b"?"
    """NO [UNKNOWN-CTE] (RFC 3516 section 4.3)."""
    BROKEN = b"!"
    """The encoding's rules are broken: NO [PARSE]."""


@frozen
class Binary:
    state: BinaryState
    data: bytes = b""

    def encode(self) -> bytes:
        """Return this as octets; read them with parse_binary()."""
        return self.state.value + self.data


def parse_binary(data: bytes) -> Binary:
    """Read what Binary.encode() returned."""
    return Binary(BinaryState(data[:1]), data[1:])


def read_binary(message: Message, path: tuple[int, ...]) -> Binary:
    """Return BINARY[path]; the empty path is the whole message. A part that does not exist is empty."""
    part = find_part(message.root, path)
    if part is None:
        return Binary(BinaryState.PLAIN)
    data = message.data
    leaves = [leaf for leaf in _leaves(part) if encoding_of(leaf.fields) is not Encoding.IDENTITY]
    start = part.start if not path else part.body
    if not leaves:
        return Binary(BinaryState.PLAIN, data[start : part.end])
    pieces: list[bytes] = []
    at = start
    for leaf in leaves:
        encoding = encoding_of(leaf.fields)
        if encoding is Encoding.UNKNOWN:
            return Binary(BinaryState.UNKNOWN_ENCODING)
        decoded = decode_strictly(data[leaf.body : leaf.end], encoding)
        if decoded is None:
            return Binary(BinaryState.BROKEN)
        if leaf.start >= start:
            pieces += [data[at : leaf.start], _header(data, leaf)]
        pieces.append(decoded)
        at = leaf.end
    pieces.append(data[at : part.end])
    return Binary(BinaryState.DECODED, b"".join(pieces))


def _leaves(part: Part) -> list[Part]:
    """Return the parts inside `part` that hold no others, in order; itself if it holds none."""
    found: list[Part] = []
    work = [part]
    while work:
        part = work.pop()
        if part.kind in (MULTIPART, RFC822):
            work += reversed(part.children)
        else:
            found.append(part)
    return found


def _header(data: bytes, part: Part) -> bytes:
    """Return a part's header with the encoding that it has when decoded."""
    lines = [raw for name, raw in part.fields if name != b"content-transfer-encoding"]
    lines.append(b"Content-Transfer-Encoding: binary")
    end = b"\r\n\r\n" if header_has_end(data, part) else b"\r\n"
    return b"\r\n".join(lines) + end
