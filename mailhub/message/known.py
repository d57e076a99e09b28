"""The facts that protocols ask for, ready to hand to a store (see facts.py)."""

from __future__ import annotations

from functools import lru_cache

from mailhub.message.bodystructure import body, bodystructure
from mailhub.message.envelope import envelope
from mailhub.message.facts import Fact
from mailhub.message.message import Message
from mailhub.message.sections import Section, SectionText, Span, header_fields, message_fields, read_section
from mailhub.message.sections import locate as locate_section

ENVELOPE = Fact("envelope/1", lambda message: envelope(message.fields))
"""ENVELOPE with its parentheses, ready to send."""

BODY = Fact("body/1", lambda message: body(message.data, message.root))
"""BODY without extension data, ready to send."""

BODYSTRUCTURE = Fact("bodystructure/1", lambda message: bodystructure(message.data, message.root))
"""BODYSTRUCTURE, ready to send."""


@lru_cache(maxsize=512)
def headers(fields: tuple[str, ...], negated: bool = False) -> Fact:
    """The octets of BODY[HEADER.FIELDS (...)], or of .NOT with `negated`. Order and case of names do not matter."""
    text = SectionText.FIELDS_NOT if negated else SectionText.FIELDS
    section = Section((), text, tuple(sorted({name.upper() for name in fields})))
    if not negated:
        names = frozenset(name.lower().encode("utf-8", "surrogateescape") for name in fields)
        return Fact(f"headers/1:{section.key}", lambda message: message_fields(message, names))
    return Fact(f"headers/1:{section.key}", lambda message: header_fields(message, section))


@lru_cache(maxsize=512)
def locate(section: Section) -> Fact:
    """Where a section lies: parse with parse_span(). Of HEADER.FIELDS it is the whole header."""

    def make(message: Message) -> bytes:
        span = locate_section(message, section)
        return b"%d %d" % (span.offset, span.length)

    return Fact(f"locate/1:{section.key}", make, keep=False)


def parse_span(data: bytes) -> Span:
    """Read what a locate() fact gives."""
    offset, length = data.split()
    return Span(int(offset), int(length))


@lru_cache(maxsize=512)
def section(wanted: Section) -> Fact:
    """The octets of BODY[section] as FETCH sends them (NUL as 0x80)."""
    return Fact(f"section/1:{wanted.key}", lambda message: read_section(message, wanted), keep=False)
