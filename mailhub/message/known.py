"""The facts that protocols ask for, ready to hand to a store (see facts.py)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from mailhub.message.binary import read_binary
from mailhub.message.bodystructure import body, bodystructure
from mailhub.message.dates import SentDate
from mailhub.message.envelope import envelope
from mailhub.message.facts import Fact
from mailhub.message.message import Message
from mailhub.message.sections import Section, SectionText, Span, header_fields, message_fields, read_section
from mailhub.message.sections import locate as locate_section
from mailhub.message.sortkeys import sent_date, sort_keys
from mailhub.message.text import body_text, full_text, header_values
from mailhub.message.threads import thread_keys

ENVELOPE = Fact("envelope/1", lambda message: envelope(message.header))
"""ENVELOPE with its parentheses, ready to send."""

BODY = Fact("body/1", lambda message: body(message.data, message.root))
"""BODY without extension data, ready to send."""

BODYSTRUCTURE = Fact("bodystructure/1", lambda message: bodystructure(message.data, message.root))
"""BODYSTRUCTURE, ready to send."""


BODY_TEXT = Fact("body-text/1", body_text)
"""The text that SEARCH BODY looks through: `fold(wanted) in fact` (see text.py, folding.py)."""

FULL_TEXT = Fact("full-text/1", full_text)
"""The text that SEARCH TEXT looks through: header and body."""

SORT_KEYS = Fact("sort-keys/1", sort_keys)
"""Read with parse_sort_keys()."""

THREAD_KEYS = Fact("thread-keys/1", thread_keys)
"""Read with parse_thread_keys()."""


def _sent(message: Message) -> bytes:
    sent = sent_date(message)
    return b"" if sent is None else b"%d %d" % (sent.day.toordinal(), sent.seconds)


SENT_DATE = Fact("sent-date/1", _sent)
"""The Date field; read with parse_sent_date()."""


def parse_sent_date(data: bytes) -> SentDate | None:
    """Read a SENT_DATE fact. SEARCH SENTxx takes dates.BROKEN_DAY for None (as Dovecot does)."""
    if not data:
        return None
    day, seconds = data.split()
    return SentDate(date.fromordinal(int(day)), int(seconds))


@lru_cache(maxsize=512)
def header_text(name: str) -> Fact:
    """What SEARCH HEADER name looks through: text.contains(fact, fold(wanted))."""
    lower = name.lower().encode("utf-8", "surrogateescape")
    return Fact(f"header-text/1:{name.upper()}", lambda message: header_values(message, lower))


@lru_cache(maxsize=512)
def binary(path: tuple[int, ...]) -> Fact:
    """BINARY[path]; read with parse_binary()."""
    return Fact(f"binary/1:{'.'.join(map(str, path))}", lambda message: read_binary(message, path).encode(), keep=False)


@lru_cache(maxsize=512)
def binary_size(path: tuple[int, ...]) -> Fact:
    """BINARY.SIZE[path]: parse_binary(), whose data is the decimal number."""

    def make(message: Message) -> bytes:
        found = read_binary(message, path)
        return found.state.value + b"%d" % len(found.data)

    return Fact(f"binary-size/1:{'.'.join(map(str, path))}", make)


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
