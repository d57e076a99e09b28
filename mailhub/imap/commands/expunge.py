"""EXPUNGE, CLOSE, UNSELECT, CHECK (RFC 3501 section 6.4, RFC 3691, RFC 4315)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailhub.imap.errors import No
from mailhub.store.model import DELETED, Uid
from mailhub.wire.imap import commands as wire

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def expunge(session: Session, command: wire.Expunge) -> bytes:
    """RFC 3501 section 6.4.3; with a UID set RFC 4315 section 2.1."""
    view, mailbox = session.view, session.mailbox
    assert view is not None
    assert mailbox is not None
    if view.read_only:
        raise No("Mailbox is read-only", "READ-ONLY")
    uids: Sequence[Uid] = view.with_flag(DELETED)
    if command.uids is not None:
        named = set(view.resolve(command.uids, True).uids)
        uids = [uid for uid in uids if uid in named]
    if uids:
        await mailbox.expunge(uids, view)
    return b"Expunge completed"


async def close(session: Session, command: wire.Close) -> bytes:
    """RFC 3501 section 6.4.2: expunge without saying so, unless the mailbox is read-only."""
    view, mailbox = session.view, session.mailbox
    assert view is not None
    assert mailbox is not None
    try:
        if not view.read_only:
            uids = view.with_flag(DELETED)
            if uids:
                await mailbox.expunge(uids, view)
    finally:
        session.deselect()
    return b"Close completed"


async def unselect(session: Session, command: wire.Unselect) -> bytes:
    """RFC 3691 section 2."""
    session.deselect()
    return b"Unselect completed"


async def check(session: Session, command: wire.Check) -> bytes:
    """RFC 3501 section 6.4.1: every change is durable already, so this is NOOP."""
    return b"Check completed"
