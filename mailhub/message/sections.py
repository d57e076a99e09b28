"""Parts of a message that a client asks for by section (RFC 3501 section 6.4.5).

What is not there is empty, never NIL, as Dovecot answers. A number behind a message/rfc822 part counts in the
message inside. A part that is not multipart is its own part 1.

FETCH shows NUL as 0x80, since a literal cannot hold it; offsets are those of the message as it is.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from mailhub.message.message import Message
from mailhub.message.structure import MULTIPART, RFC822, Part


class SectionText(Enum):
    """What of a part is asked for."""

    ALL = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    FIELDS_NOT = "HEADER.FIELDS.NOT"
    MIME = "MIME"
    TEXT = "TEXT"


@frozen
class Section:
    """section-spec: an empty path is the whole message."""

    path: tuple[int, ...] = ()
    text: SectionText = SectionText.ALL
    fields: tuple[str, ...] = ()
    """Field names for FIELDS and FIELDS_NOT, in any case."""

    @property
    def key(self) -> str:
        """The section as in BODY[...], field names upper-case and sorted: equal for equal questions."""
        names = f" ({' '.join(sorted({name.upper() for name in self.fields}))})" if self.fields else ""
        path = ".".join(map(str, self.path))
        return path + ("." if path and self.text.value else "") + self.text.value + names


@frozen
class Span:
    """A section that lies in the message as it is: octets offset .. offset + length."""

    offset: int
    length: int


def find_part(root: Part, path: tuple[int, ...]) -> Part | None:
    """Return the part that `path` names, or None."""
    part = root
    for step, number in enumerate(path, 1):
        if part.kind == MULTIPART:
            # Number 0 counts as 1 (Dovecot).
            if max(number, 1) > len(part.children):
                return None
            part = part.children[max(number, 1) - 1]
        elif number != 1 or (step < len(path) and part.kind != RFC822):
            return None
        if step < len(path) and part.kind == RFC822:
            part = part.children[0]
    return part


def locate(message: Message, section: Section) -> Span:
    """Return where a section other than FIELDS and FIELDS_NOT lies; of those, where the whole header does."""
    part = _addressed(message, section)
    if part is None:
        return Span(0, 0)
    if section.text in _HEADERS:
        return Span(part.start, part.body - part.start)
    if section.text is SectionText.ALL and not section.path:
        return Span(0, len(message.data))
    return Span(part.body, part.end - part.body)


def read_section(message: Message, section: Section) -> bytes:
    """Return the octets of BODY[section] as FETCH sends them."""
    if section.text is SectionText.FIELDS or section.text is SectionText.FIELDS_NOT:
        return header_fields(message, section)
    span = locate(message, section)
    return shown(message.data[span.offset : span.offset + span.length])


def header_fields(message: Message, section: Section) -> bytes:
    """Return BODY[HEADER.FIELDS (...)] or .NOT: the fields in message order and the empty line."""
    names = frozenset(name.lower().encode("utf-8", "surrogateescape") for name in section.fields)
    if not section.path and section.text is SectionText.FIELDS:
        return message_fields(message, names)
    part = _addressed(message, section)
    if part is None:
        return b""
    data = message.data
    wanted = section.text is SectionText.FIELDS
    kept = [raw for name, raw in part.fields if (name in names) == wanted]
    text = b"".join([raw + b"\r\n" for raw in kept])
    if header_has_end(data, part) or part.body < len(data):
        # A header that a boundary cut short gets its end too.
        return shown(text + b"\r\n")
    if kept and kept[-1] is part.fields[-1][1] and not data.endswith(b"\r\n", part.start):
        text = text[:-2]
    return shown(text)


def message_fields(message: Message, names: frozenset[bytes]) -> bytes:
    """Return the fields of the message that have one of `names` (lower case), and an empty line.

    That line is there even if the header has no end: so Dovecot answers, from its cache of fields."""
    return shown(b"".join([raw + b"\r\n" for name, raw in message.fields if name in names]) + b"\r\n")


def header_has_end(data: bytes, part: Part) -> bool:
    """Tell whether the empty line that ends a header is there."""
    if data.endswith(b"\r\n\r\n", part.start, part.body):
        return True
    return part.body - part.start == 2 and data.startswith(b"\r\n", part.start)


def shown(data: bytes) -> bytes:
    """Return octets as a literal may hold them: NUL becomes 0x80 (as Dovecot's FETCH)."""
    return data.replace(b"\0", b"\x80") if b"\0" in data else data


_HEADERS = frozenset((SectionText.HEADER, SectionText.FIELDS, SectionText.FIELDS_NOT, SectionText.MIME))
_OF_MESSAGE = frozenset((SectionText.HEADER, SectionText.FIELDS, SectionText.FIELDS_NOT, SectionText.TEXT))


def _addressed(message: Message, section: Section) -> Part | None:
    """Return the part whose header or body is asked for. HEADER and TEXT of a part are those of the message in it."""
    part = find_part(message.root, section.path)
    if part is not None and section.path and section.text in _OF_MESSAGE:
        return part.children[0] if part.kind == RFC822 else None
    return part
