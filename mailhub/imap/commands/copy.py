"""COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851, and COPYUID of RFC 4315)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailhub.imap.errors import No, refusing
from mailhub.imap.names import checked
from mailhub.store.model import Copied, Uid
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.encode import number_set

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def copy(session: Session, command: wire.Copy) -> bytes:
    """RFC 3501 section 6.4.7: all or nothing."""
    copied = await _transfer(session, command, False)
    if copied is None:
        return b"No messages found"
    return b"%bCopy completed" % _copyuid(session, copied)


async def move(session: Session, command: wire.Move) -> bytes:
    """RFC 6851: COPYUID stands in an untagged OK, before the EXPUNGEs (section 4.3)."""
    moved = await _transfer(session, command, True)
    if moved is None:
        return b"No messages found"
    code = _copyuid(session, moved)
    if code:
        session.write(b"* OK %bMoved UIDs.\r\n" % code)
    return b"Move completed"


async def _transfer(session: Session, command: wire.Copy | wire.Move, move: bool) -> Copied | None:
    view, mailbox = session.view, session.mailbox
    assert view is not None
    assert mailbox is not None
    name = checked(command.mailbox)
    chosen = view.resolve(command.numbers, command.uid)
    if not len(chosen):
        return None
    if move and view.read_only:
        raise No("Mailbox is read-only", "READ-ONLY")
    uids = view.present(_uids(chosen.uids))
    if len(uids) < len(chosen) and not command.uid:
        raise No("Some of the requested messages no longer exist", "EXPUNGEISSUED")
    if not uids:
        return None
    with refusing(name, target=True):
        copied: Copied = await (mailbox.move if move else mailbox.copy)(_uids(uids), name, view)
    return copied


def _uids(uids: Iterable[int]) -> Sequence[Uid]:
    return [Uid(uid) for uid in uids]


def _copyuid(session: Session, copied: Copied) -> bytes:
    """Return `[COPYUID ...] `, or nothing if no message was copied (RFC 4315 section 3)."""
    if not copied.targets or not session.capabilities.has("UIDPLUS"):
        return b""
    return b"[COPYUID %d %b %b] " % (copied.uidvalidity, number_set(copied.sources), number_set(copied.targets))
