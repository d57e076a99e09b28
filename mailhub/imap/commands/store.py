"""STORE (RFC 3501 section 6.4.6).

STOREs that arrived together and touch different messages become one commit: the disk then syncs once for all of
them. Each still has its own answer, with the flags that its own messages have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailhub.imap.answers import Answer
from mailhub.imap.errors import Bad, No
from mailhub.imap.selected import BadNumbers, Chosen, Selected
from mailhub.store.model import FlagEdit, FlagOp, FlagOutcome, Uid
from mailhub.wire.imap import commands as wire

if TYPE_CHECKING:
    from mailhub.imap.session import Session

SMALL = 64
"""STOREs that name so many messages or more are run alone."""
BATCH = 2000
"""Answers rendered at a time."""
COMPLETED = b"Store completed"
IGNORED = b"Store ignored with read-only mailbox"
_OPS = {"+": FlagOp.ADD, "-": FlagOp.REMOVE, "=": FlagOp.REPLACE}
_GONE = No("Some of the requested messages no longer exist", "EXPUNGEISSUED")


def joins(first: wire.Store, second: object) -> bool:
    """Whether the second command may share the first one's commit."""
    return isinstance(second, wire.Store) and first.uid == second.uid


async def store(session: Session, command: wire.Store) -> bytes:
    """RFC 3501 section 6.4.6."""
    view = session.view
    assert view is not None
    chosen = view.resolve(command.numbers, command.uid)
    if view.read_only:
        return IGNORED
    (outcome,) = await _change(session, [_edit(command, chosen)])
    session.write(view.keyword_lines())
    shown = _shown(view, command, chosen, outcome)
    for start in range(0, len(shown), BATCH):
        session.write(view.flags_answer(shown.part(start, start + BATCH), command.uid))
        await session.breathe()
    if outcome.gone and not command.uid:
        raise _GONE
    return COMPLETED


async def store_each(session: Session, commands: Sequence[wire.Store]) -> list[Answer | None]:
    """Run STOREs that came together, with as few commits as the messages they share allow."""
    view = session.view
    assert view is not None
    answers: list[Answer | None] = []
    batch: list[tuple[wire.Store, Chosen]] = []
    touched: set[int] = set()
    for command in commands:
        try:
            chosen = view.resolve(command.numbers, command.uid)
        except BadNumbers as error:
            answers += await _commit(session, batch)
            answers.append(Answer(refusal=Bad(str(error))))
            batch, touched = [], set()
            continue
        if batch and (len(chosen) > SMALL or not touched.isdisjoint(chosen.uids)):
            answers += await _commit(session, batch)
            batch, touched = [], set()
        batch.append((command, chosen))
        touched.update(chosen.uids)
    answers += await _commit(session, batch)
    return answers


async def _commit(session: Session, batch: Sequence[tuple[wire.Store, Chosen]]) -> list[Answer | None]:
    view = session.view
    assert view is not None
    if not batch:
        return []
    if view.read_only:
        return [Answer(text=IGNORED) for _ in batch]
    outcomes = await _change(session, [_edit(command, chosen) for command, chosen in batch])
    return [
        Answer(
            _answer(view, command, chosen, outcome),
            COMPLETED,
            _GONE if outcome.gone and not command.uid else None,
        )
        for (command, chosen), outcome in zip(batch, outcomes, strict=True)
    ]


async def _change(session: Session, edits: Sequence[FlagEdit]) -> Sequence[FlagOutcome]:
    assert session.mailbox is not None
    return await session.mailbox.change(edits, session.view)


def _edit(command: wire.Store, chosen: Chosen) -> FlagEdit:
    return FlagEdit(_uids(chosen.uids), _OPS[command.op], frozenset(command.flags))


def _uids(uids: Iterable[int]) -> Sequence[Uid]:
    return [Uid(uid) for uid in uids]


def _answer(view: Selected, command: wire.Store, chosen: Chosen, outcome: FlagOutcome) -> bytes:
    """Return the untagged FETCHes: for messages that changed, as Dovecot does; none if .SILENT."""
    return view.keyword_lines() + view.flags_answer(_shown(view, command, chosen, outcome), command.uid)


def _shown(view: Selected, command: wire.Store, chosen: Chosen, outcome: FlagOutcome) -> Chosen:
    """Return the messages whose flags are told."""
    if command.silent or not outcome.changed:
        return Chosen((), ())
    changed = chosen if len(outcome.changed) == len(chosen) else view.chosen(outcome.changed)
    view.shown(changed.uids)
    return changed
