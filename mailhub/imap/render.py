"""FETCH answers: what a client asked for, compiled once, then applied to whole columns of messages.

A plan is one bytes template with a placeholder for each item; a batch of messages is one list of values (a column) for
each item, and the answer is the template applied to the columns' rows. So `FETCH 1:* (UID FLAGS)` runs no code of
ours per message. Items stand in Dovecot's order: UID, FLAGS, INTERNALDATE and RFC822.SIZE as asked, then
the rest as asked.

Items that need a message's octets (BODY[], BODY[1], BINARY[]) become columns too where the message is small; a
large message is written by itself, piece by piece (see commands/fetch.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen

from mailhub.message import known
from mailhub.message import sections as message_sections
from mailhub.message.facts import Fact
from mailhub.store.model import Wanted
from mailhub.wire.imap.encode import astring, literal
from mailhub.wire.imap.types import (
    FetchAttribute,
    FetchBinarySize,
    FetchItem,
    FetchSection,
    Section,
    SectionText,
)


@frozen(eq=False)
class BodyItem:
    """An item made from a message's octets."""

    label: bytes
    """As it stands in the answer, such as BODY[1]<0>."""
    fact: Fact | None
    """Gives the octets; None for the whole message as it is."""
    place: Fact | None
    """Gives where the octets lie in the message (see known.locate); None if they are not there as they are."""
    partial: tuple[int, int] | None
    """First octet and number of octets."""
    binary: bool = False
    """BINARY or BINARY.SIZE: `fact` is read by parse_binary()."""
    size: bool = False
    """BINARY.SIZE."""

    def cut(self, data: bytes) -> bytes:
        """Return the part of the item's octets that was asked for."""
        if self.partial is None:
            return data
        start, count = self.partial
        return data[start : start + count]


@frozen(eq=False)
class Plan:
    """A compiled list of FETCH items."""

    template: bytes
    """For a row: number, then one value for each of `columns`."""
    head: bytes | None
    """If the last column is the whole message (BODY[]): the template up to its octets, with their number as the last
    value. Its rows are then three pieces: this, the octets, and what is behind them."""
    pieces: tuple[bytes, ...]
    """The template of each column."""
    columns: tuple[object, ...]
    """What each placeholder stands for: a FetchItem, a Fact, a HeaderItem or a BodyItem."""
    wanted: Wanted
    """What has to be read from the store for the columns."""
    reads: bool
    """Whether anything has to be read."""
    bodies: tuple[BodyItem, ...]
    marks_seen: bool
    """Whether it sets \\Seen (RFC 3501 section 6.4.5)."""


@frozen(eq=False)
class HeaderItem:
    """A header section whose octets the store gives as a fact."""

    fact: Fact
    partial: tuple[int, int] | None


SEEN_FLAGS = "flags if they change"
"""Column of FLAGS that appear only where \\Seen is being set."""

_PLAIN = {
    FetchItem.UID: b"UID %d",
    FetchItem.FLAGS: b"FLAGS (%b)",
    FetchItem.INTERNALDATE: b"INTERNALDATE %b",
    FetchItem.SIZE: b"RFC822.SIZE %d",
}
_FACTS = {
    FetchItem.ENVELOPE: (b"ENVELOPE %b", known.ENVELOPE),
    FetchItem.BODY: (b"BODY %b", known.BODY),
    FetchItem.BODYSTRUCTURE: (b"BODYSTRUCTURE %b", known.BODYSTRUCTURE),
}
_HEADERS = (SectionText.HEADER, SectionText.FIELDS, SectionText.FIELDS_NOT, SectionText.MIME)


@lru_cache(maxsize=512)
def plan(items: tuple[FetchAttribute, ...], uid: bool, read_only: bool) -> Plan:
    """Compile FETCH items; `uid` for UID FETCH, which always shows the UID (RFC 3501 section 6.4.8)."""
    plain: list[FetchItem] = [item for item in items if isinstance(item, FetchItem) and item in _PLAIN]
    if uid:
        plain = [FetchItem.UID, *(item for item in plain if item is not FetchItem.UID)]
    marks_seen = not read_only and any(_marks_seen(item) for item in items)
    pieces: list[bytes] = [_PLAIN[item] for item in plain]
    columns: list[object] = list(plain)
    if marks_seen and FetchItem.FLAGS not in plain:
        at = 1 if columns[:1] == [FetchItem.UID] else 0
        pieces.insert(at, b"%b")
        columns.insert(at, SEEN_FLAGS)
    for item in items:
        if item not in plain and item is not FetchItem.UID:
            piece, column = _compile(item)
            pieces.append(piece)
            columns.append(column)
    facts = [column.fact if isinstance(column, HeaderItem) else column for column in columns]
    wanted = Wanted(
        sizes=FetchItem.SIZE in columns,
        dates=FetchItem.INTERNALDATE in columns,
        facts=tuple(fact for fact in facts if isinstance(fact, Fact)),
    )
    return Plan(
        _template(pieces, columns.index(SEEN_FLAGS) if SEEN_FLAGS in columns else None),
        _head(pieces, columns),
        tuple(pieces),
        tuple(columns),
        wanted,
        bool(wanted.sizes or wanted.dates or wanted.facts),
        tuple(column for column in columns if isinstance(column, BodyItem)),
        marks_seen,
    )


def _head(pieces: Sequence[bytes], columns: Sequence[object]) -> bytes | None:
    last = columns[-1]
    if not isinstance(last, BodyItem) or last.fact is not None:
        return None
    template = _template(pieces, columns.index(SEEN_FLAGS) if SEEN_FLAGS in columns else None)
    return template.removesuffix(b"%b)\r\n") + b"{%d}\r\n"


def _template(pieces: Sequence[bytes], seen_at: int | None) -> bytes:
    """Return the template of a row; FLAGS that appear only at times, at `seen_at`, bring their own space."""
    spaced = [piece + (b"" if at == seen_at else b" ") for at, piece in enumerate(pieces)]
    return b"* %d FETCH (" + b"".join(spaced)[:-1] + b")\r\n"


def _marks_seen(item: FetchAttribute) -> bool:
    if isinstance(item, FetchSection):
        return not item.peek
    return item in (FetchItem.RFC822, FetchItem.RFC822_TEXT)


def _compile(item: FetchAttribute) -> tuple[bytes, object]:
    """Return the template piece and the column of an item that is not plain."""
    if isinstance(item, FetchItem):
        if item in _FACTS:
            return _FACTS[item]
        text = {FetchItem.RFC822: SectionText.ALL, FetchItem.RFC822_HEADER: SectionText.HEADER}
        return _section(item.value.encode(), Section((), text.get(item, SectionText.TEXT)), None)
    if isinstance(item, FetchBinarySize):
        label = b"BINARY.SIZE[%b]" % label_of(item.section)
        return label + b" %b", BodyItem(label, known.binary_size(item.section.path), None, None, binary=True, size=True)
    start = b"<%d>" % item.partial[0] if item.partial is not None else b""
    if item.binary:
        label = b"BINARY[%b]%b" % (label_of(item.section), start)
        return label + b" %b", BodyItem(label, known.binary(item.section.path), None, item.partial, binary=True)
    return _section(b"BODY[%b]%b" % (label_of(item.section), start), item.section, item.partial)


def _section(label: bytes, section: Section, partial: tuple[int, int] | None) -> tuple[bytes, object]:
    piece = label.replace(b"%", b"%%") + b" %b"
    if section.text in _HEADERS:
        return piece, HeaderItem(_header_fact(section), partial)
    whole = section.text is SectionText.ALL and not section.path
    same = _of_message(section)
    return piece, BodyItem(
        label, None if whole else known.section(same), None if whole else known.locate(same), partial
    )


def _header_fact(section: Section) -> Fact:
    if not section.path and section.text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
        return known.headers(section.fields, section.text is SectionText.FIELDS_NOT)
    return known.section(_of_message(section))


def _of_message(section: Section) -> message_sections.Section:
    """Return a section in the words of the message room."""
    text = message_sections.SectionText(section.text.value)
    return message_sections.Section(section.path, text, section.fields)


def label_of(section: Section) -> bytes:
    """Return what stands in the brackets of BODY[...], field names in upper case as Dovecot does."""
    words = [str(number) for number in section.path]
    if section.text.value:
        words.append(section.text.value)
    label = ".".join(words).encode()
    if section.text in (SectionText.FIELDS, SectionText.FIELDS_NOT):
        names = b" ".join(astring(name.encode("latin-1").upper()) for name in section.fields)
        label += b" (%b)" % names
    return label


def cut_literals(column: Sequence[bytes], partial: tuple[int, int] | None) -> list[bytes]:
    """Return a column of octets as literals, each cut to `partial`."""
    if partial is None:
        return [b"{%d}\r\n%b" % (len(data), data) for data in column]
    start, end = partial[0], sum(partial)
    return [literal(data[start:end]) for data in column]
