"""FETCH (RFC 3501 section 6.4.5, BINARY of RFC 3516).

What the store gives as columns (flags, sizes, dates, cached facts) is rendered in batches; small messages are
opened many at a time and rendered the same way; a large one is pumped to the client as it reads. \\Seen is set
once, after everything was sent, and the answers show it already, as Dovecot does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from mailhub.concurrency.flow import pump
from mailhub.imap.answers import Answer
from mailhub.imap.errors import Bad, Disconnect, No
from mailhub.imap.render import (
    SEEN_FLAGS,
    BodyItem,
    HeaderItem,
    Plan,
    cut_literals,
    plan,
)
from mailhub.imap.selected import BadNumbers, Chosen, Selected
from mailhub.message import known
from mailhub.message.binary import BinaryState, parse_binary
from mailhub.message.facts import Fact
from mailhub.message.message import Message
from mailhub.message.sections import shown
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IMailbox, IMessageBody
from mailhub.store.model import SEEN, FlagEdit, FlagOp, Records, Uid
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.encode import internal_date, literal, literal8
from mailhub.wire.imap.types import FetchItem

if TYPE_CHECKING:
    from mailhub.imap.session import Session

FLAGS_BATCH = 2000
"""Messages rendered at a time where nothing is read for them."""
FACTS_BATCH = 512
"""Messages read at a time."""
BODIES_BATCH = 64
"""Messages opened at a time, at most."""
TOGETHER_OCTETS = 1024 * 1024
"""FETCHes that came together are held up to so many octets; the rest runs one by one."""
_Batch = tuple[Sequence[int], list[bytes]]
COMPLETED = b"Fetch completed"
_GONE = No("Some messages were already expunged", "EXPUNGEISSUED")
_UNREADABLE = No("Some messages cannot be read", "CORRUPTION")
_NOT_DECODED = {
    BinaryState.UNKNOWN_ENCODING: No("Unknown content-transfer-encoding", "UNKNOWN-CTE"),
    BinaryState.BROKEN: No("Invalid data in MIME part", "PARSE"),
}


def joins(first: wire.Fetch, second: object) -> bool:
    """Whether two FETCHes ask the same of one message each, and read messages for it."""
    return (
        isinstance(second, wire.Fetch)
        and first.items == second.items
        and first.uid == second.uid
        and _single(first)
        and _single(second)
        and bool(plan(first.items, first.uid, True).bodies)
    )


def _single(command: wire.Fetch) -> bool:
    ranges = command.numbers.ranges
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


async def fetch(session: Session, command: wire.Fetch) -> bytes:
    """RFC 3501 section 6.4.5."""
    view = session.view
    assert view is not None
    job = _Job(session, plan(command.items, command.uid, view.read_only))
    chosen = view.resolve(command.numbers, command.uid)
    session.write(view.keyword_lines())
    async with aclosing(job.rows(chosen)) as batches:
        async for _, pieces in batches:
            if job.plan.head is None:
                session.write(b"".join(pieces))
            else:
                for piece in pieces:
                    session.write(piece)
            await session.breathe()
    await job.finish()
    if job.refusal is not None:
        raise job.refusal
    return COMPLETED


async def fetch_each(session: Session, commands: Sequence[wire.Fetch]) -> list[Answer | None]:
    """Run FETCHes of one message each that came together: the messages are opened in few steps. None stands for
    one that has to be run alone."""
    view = session.view
    assert view is not None
    job = _Job(session, plan(commands[0].items, commands[0].uid, view.read_only))
    session.write(view.keyword_lines())
    found: list[Chosen | None] = []
    for command in commands:
        try:
            found.append(view.resolve(command.numbers, command.uid))
        except BadNumbers:
            found.append(None)
    wanted = view.chosen(sorted({chosen.uids[0] for chosen in found if chosen is not None and len(chosen)}))
    rows: dict[int, bytes] = {}
    octets = 0
    async with aclosing(job.rows(wanted, alone=False)) as batches:
        async for uids, pieces in batches:
            if job.plan.head is not None:
                pieces = [b"".join(pieces[at : at + 3]) for at in range(0, len(pieces), 3)]
            rows.update(zip(uids, pieces, strict=True))
            octets += sum(map(len, pieces))
            if octets > TOGETHER_OCTETS:
                break
    await job.finish()
    return [_each(chosen, rows) for chosen in found]


def _each(chosen: Chosen | None, rows: dict[int, bytes]) -> Answer | None:
    if chosen is None:
        return Answer(refusal=Bad("Invalid messageset"))
    if not len(chosen):
        return Answer(text=COMPLETED)
    row = rows.get(chosen.uids[0])
    return None if row is None else Answer(row, COMPLETED)


class _Job:
    """One FETCH under way."""

    def __init__(self, session: Session, wanted: Plan) -> None:
        assert session.view is not None
        assert session.mailbox is not None
        self.session = session
        self.view: Selected = session.view
        self.mailbox: IMailbox = session.mailbox
        self.plan = wanted
        self.refusal: No | None = None
        self._seen: list[Uid] = []

    async def rows(self, chosen: Chosen, alone: bool = True) -> AsyncGenerator[_Batch, None]:
        """Yield the answers, some messages at a time: a piece for each, or three (see Plan.head), so that large
        bodies are not copied from string to string. Large messages are written at once; without `alone`
        they are left out, as are those that cannot be answered in full."""
        if self.plan.bodies:
            batches = self._bodies(chosen, alone)
        else:
            batches = self._columns(chosen)
        async for batch in batches:
            yield batch

    async def finish(self) -> None:
        """Set \\Seen on what was sent."""
        if self._seen:
            try:
                await self.mailbox.change([FlagEdit(self._seen, FlagOp.ADD, frozenset({SEEN}))], self.view)
            except StoreError:
                self.session.log.info("\\Seen could not be set in {mailbox}", mailbox=self.view.name)
            self._seen = []

    async def _columns(self, chosen: Chosen) -> AsyncGenerator[_Batch, None]:
        step = FACTS_BATCH if self.plan.reads else FLAGS_BATCH
        for start in range(0, len(chosen), step):
            part = chosen.part(start, start + step)
            part, records = await self._read(part)
            yield part.uids, self._render(part, records, [])

    async def _read(self, part: Chosen) -> tuple[Chosen, Records | None]:
        """Read what the columns need; messages that are gone drop out and are noted."""
        if not self.plan.reads:
            return part, None
        records = await self.mailbox.read([Uid(uid) for uid in part.uids], self.plan.wanted)
        if records.gone:
            self.refusal = _GONE
            gone = set(records.gone)
            kept = [at for at, uid in enumerate(part.uids) if uid not in gone]
            part = Chosen([part.numbers[at] for at in kept], [part.uids[at] for at in kept])
        return part, records

    def _render(self, part: Chosen, records: Records | None, bodies: Sequence[Sequence[bytes]]) -> list[bytes]:
        """Apply the template. `bodies` are the columns of BodyItems, in their order."""
        columns = self._values(part, records, bodies)
        head, template = self.plan.head, self.plan.template
        if head is not None and bodies:
            texts: Sequence[bytes] = bodies[-1]
            columns[-1] = [len(text) for text in texts]
            pieces = [b")\r\n"] * (3 * len(texts))
            pieces[0::3] = [head % row for row in zip(part.numbers, *columns, strict=True)]
            pieces[1::3] = texts
            return pieces
        return [template % row for row in zip(part.numbers, *columns, strict=True)]

    def _values(
        self, part: Chosen, records: Records | None, bodies: Sequence[Sequence[bytes]]
    ) -> list[Sequence[object]]:
        columns: list[Sequence[object]] = []
        fact, body = iter(() if records is None else records.facts), iter(bodies)
        for column in self.plan.columns:
            if column is FetchItem.UID:
                columns.append(part.uids)
            elif column is FetchItem.FLAGS:
                columns.append(self._flags(part))
            elif column is SEEN_FLAGS:
                columns.append(self._seen_flags(part))
            elif isinstance(column, BodyItem):
                columns.append(next(body))
            elif isinstance(column, HeaderItem):
                columns.append(cut_literals(next(fact), column.partial))
            elif isinstance(column, Fact):
                columns.append(next(fact))
            else:
                assert records is not None
                columns.append(records.sizes if column is FetchItem.SIZE else list(map(internal_date, records.dates)))
        return columns

    def _flags(self, part: Chosen) -> list[bytes]:
        column = self.view.flag_column(part)
        self.view.shown(part.uids)
        if self.plan.marks_seen:
            for at, uid in enumerate(part.uids):
                text = self.view.seen_text(uid)
                if text is not None:
                    column[at] = text
                    self._seen.append(Uid(uid))
        return column

    def _seen_flags(self, part: Chosen) -> list[bytes]:
        column = []
        for uid in part.uids:
            text = self.view.seen_text(uid)
            if text is None:
                column.append(b"")
            else:
                column.append(b"FLAGS (%b) " % text)
                self._seen.append(Uid(uid))
        return column

    # Messages' octets.

    async def _bodies(self, chosen: Chosen, alone: bool) -> AsyncGenerator[_Batch, None]:
        start = 0
        while start < len(chosen):
            part = chosen.part(start, start + BODIES_BATCH)
            opened = await self.mailbox.bodies([Uid(uid) for uid in part.uids])
            try:
                async for batch in self._opened(part.part(0, len(opened)), opened, alone):
                    yield batch
            finally:
                for body in opened:
                    if body is not None:
                        body.close()
            start += len(opened)

    async def _opened(
        self, part: Chosen, opened: Sequence[IMessageBody | None], alone: bool
    ) -> AsyncGenerator[_Batch, None]:
        """Render runs of small messages; write large ones one by one."""
        at = 0
        while at < len(opened):
            end = at
            while end < len(opened) and _is_small(opened[end]):
                end += 1
            if end > at:
                yield await self._small(part.part(at, end), opened[at:end])
                at = end
                continue
            body = opened[at]
            if body is None:
                self._missing(part.uids[at])
            elif alone:
                await self._large(part.part(at, at + 1), body)
            at += 1

    def _missing(self, uid: int) -> None:
        self.refusal = _GONE if self.view.latest.index(uid) is None else _UNREADABLE

    async def _small(self, part: Chosen, opened: Sequence[IMessageBody | None]) -> _Batch:
        messages = [Message(body.whole or b"") for body in opened if body is not None]
        bodies, failed = self._columns_of(messages)
        if failed:
            kept = [at for at in range(len(part)) if at not in failed]
            part = Chosen([part.numbers[at] for at in kept], [part.uids[at] for at in kept])
            bodies = [[column[at] for at in kept] for column in bodies]
        uids = part.uids
        part, records = await self._read(part)
        if len(part) < len(uids):
            present = set(part.uids)
            bodies = [[text for uid, text in zip(uids, column, strict=True) if uid in present] for column in bodies]
        return part.uids, self._render(part, records, bodies)

    def _columns_of(self, messages: Sequence[Message]) -> tuple[list[list[bytes]], set[int]]:
        """Return a column of literals for each BodyItem, and the positions of messages that cannot be decoded."""
        columns = []
        failed: set[int] = set()
        for item in self.plan.bodies:
            if item.fact is None:
                texts = [item.cut(shown(message.data)) for message in messages]
                last = self.plan.head is not None and item is self.plan.bodies[-1]
                columns.append(texts if last else [literal(text) for text in texts])
                continue
            column = []
            for at, message in enumerate(messages):
                text = _item_text(item, item.fact.make(message))
                if isinstance(text, No):
                    self.refusal = text
                    failed.add(at)
                    text = b""
                column.append(text)
            columns.append(column)
        return columns, failed

    async def _large(self, part: Chosen, body: IMessageBody) -> None:
        """Write the answer of one message that is not held in memory."""
        part, records = await self._read(part)
        if not len(part):
            return
        values = [column[0] for column in self._values(part, records, [[b""]] * len(self.plan.bodies))]
        parts = [await _part(body, item) for item in self.plan.bodies]
        for made in parts:
            if isinstance(made, No):
                self.refusal = made
                return
        write = self.session.write
        write(b"* %d FETCH (" % part.numbers[0])
        each = iter([part for part in parts if not isinstance(part, No)])
        for at, (piece, column, value) in enumerate(zip(self.plan.pieces, self.plan.columns, values, strict=True)):
            if at and self.plan.columns[at - 1] is not SEEN_FLAGS:
                write(b" ")
            if isinstance(column, BodyItem):
                write(column.label + b" ")
                await self._write_part(body, next(each))
            else:
                write(piece % value)
        write(b")\r\n")
        await self.session.breathe()

    async def _write_part(self, body: IMessageBody, part: bytes | tuple[int, int]) -> None:
        """Write octets at hand, or a span of the message as a literal, as the client reads."""
        write = self.session.write
        if isinstance(part, bytes):
            write(part)
            return
        offset, length = part
        write(b"{%d}\r\n" % length)
        try:
            await pump(body, offset, length, lambda data: write(shown(data)), self.session.gate)
        except (StoreError, EOFError):
            raise Disconnect("FETCH failed, a message could not be read to its end.") from None


async def _part(body: IMessageBody, item: BodyItem) -> bytes | tuple[int, int] | No:
    """Return a BodyItem of a large message: the span where it lies (offset, length), or its answer where it does
    not lie there as it is, or why there is none."""
    if item.place is None and item.fact is not None:
        return _item_text(item, (await body.facts([item.fact]))[0])
    offset, length = 0, body.size
    if item.place is not None:
        span = known.parse_span((await body.facts([item.place]))[0])
        offset, length = span.offset, span.length
    if item.partial is not None:
        start, count = item.partial
        start = min(start, length)
        offset, length = offset + start, min(count, length - start)
    return offset, length


def _item_text(item: BodyItem, value: bytes) -> bytes | No:
    """Return the answer of an item whose octets are at hand, or why there is none (RFC 3516 section 4.3)."""
    if not item.binary:
        return literal(item.cut(value))
    found = parse_binary(value)
    if found.state in _NOT_DECODED:
        return _NOT_DECODED[found.state]
    if item.size:
        return found.data
    data = item.cut(found.data)
    return literal8(data) if found.state is BinaryState.DECODED else literal(data)


def _is_small(body: IMessageBody | None) -> bool:
    return body is not None and body.whole is not None
