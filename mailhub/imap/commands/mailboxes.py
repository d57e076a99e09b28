"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.errors import No, refusing
from mailhub.imap.names import checked
from mailhub.store.errors import MailboxExists, NotAllowed
from mailhub.wire.imap import commands as wire

if TYPE_CHECKING:
    from mailhub.imap.session import Session

SPECIAL_USES = {name.lower(): name for name in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
"""Uses that a mailbox can be made for (RFC 6154 section 2). Not \\All and \\Flagged: they promise to show the messages
of other mailboxes, which no mailbox here does."""


async def create(session: Session, command: wire.Create) -> bytes:
    """RFC 3501 section 6.3.3; USE of RFC 6154 section 3."""
    assert session.account is not None
    name = checked(command.mailbox)
    uses = []
    for use in command.special_use:
        if use.lower() not in SPECIAL_USES:
            raise No(f"Special-use {use} is not supported", "USEATTR")
        uses.append(SPECIAL_USES[use.lower()])
    with refusing(name):
        await session.account.create(name, frozenset(uses))
    return b"Create completed"


async def delete(session: Session, command: wire.Delete) -> bytes:
    """RFC 3501 section 6.3.4. Who deletes the mailbox that it has selected has none selected afterwards; other
    sessions that have it selected are disconnected."""
    assert session.account is not None
    name = checked(command.mailbox)
    with refusing(name):
        try:
            await session.account.delete(name)
        except NotAllowed:
            raise No("INBOX can't be deleted" if name == "INBOX" else "Permission denied", "CANNOT") from None
    if session.view is not None and session.view.lost is not None:
        session.deselect()
        session.write(b"* OK [CLOSED] Selected mailbox deleted.\r\n")
    return b"Delete completed"


async def rename(session: Session, command: wire.Rename) -> bytes:
    """RFC 3501 section 6.3.5."""
    assert session.account is not None
    old, new = checked(command.old), checked(command.new)
    with refusing(old):
        try:
            await session.account.rename(old, new)
        except MailboxExists as error:
            same = str(error).startswith("Can't")
            raise No(str(error) if same else "Target mailbox already exists", "ALREADYEXISTS") from None
    return b"Rename completed"


async def subscribe(session: Session, command: wire.Subscribe) -> bytes:
    """RFC 3501 section 6.3.6."""
    assert session.account is not None
    name = checked(command.mailbox)
    with refusing(name):
        await session.account.subscribe(name)
    return b"Subscribe completed"


async def unsubscribe(session: Session, command: wire.Unsubscribe) -> bytes:
    """RFC 3501 section 6.3.7."""
    assert session.account is not None
    await session.account.unsubscribe(checked(command.mailbox))
    return b"Unsubscribe completed"
