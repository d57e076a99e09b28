"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 section 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.errors import No, refusal
from mailhub.imap.names import checked
from mailhub.store.errors import MailboxExists, NotAllowed, StoreError
from mailhub.wire.imap import commands as wire

if TYPE_CHECKING:
    from mailhub.imap.session import Session

SPECIAL_USES = {
    name.lower(): name for name in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
}
"""RFC 6154 section 2."""


async def create(session: Session, command: wire.Create) -> bytes:
    """RFC 3501 section 6.3.3; USE of RFC 6154 section 3."""
    assert session.account is not None
    name = checked(command.mailbox)
    uses = []
    for use in command.special_use:
        if use.lower() not in SPECIAL_USES:
            raise No(f"Special-use {use} is not known", "USEATTR")
        uses.append(SPECIAL_USES[use.lower()])
    try:
        await session.account.create(name, frozenset(uses))
    except StoreError as error:
        raise refusal(error, name) from None
    return b"Create completed"


async def delete(session: Session, command: wire.Delete) -> bytes:
    """RFC 3501 section 6.3.4. Who deletes the mailbox that it has selected has none selected afterwards; other
    sessions that have it selected are disconnected."""
    assert session.account is not None
    name = checked(command.mailbox)
    try:
        await session.account.delete(name)
    except NotAllowed:
        raise No("INBOX can't be deleted" if name == "INBOX" else "Permission denied", "CANNOT") from None
    except StoreError as error:
        raise refusal(error, name) from None
    if session.view is not None and session.view.lost is not None:
        session.deselect()
        session.write(b"* OK [CLOSED] Selected mailbox deleted.\r\n")
    return b"Delete completed"


async def rename(session: Session, command: wire.Rename) -> bytes:
    """RFC 3501 section 6.3.5."""
    assert session.account is not None
    old, new = checked(command.old), checked(command.new)
    try:
        await session.account.rename(old, new)
    except MailboxExists as error:
        same = str(error).startswith("Can't")
        raise No(str(error) if same else "Target mailbox already exists", "ALREADYEXISTS") from None
    except StoreError as error:
        raise refusal(error, old) from None
    return b"Rename completed"


async def subscribe(session: Session, command: wire.Subscribe) -> bytes:
    """RFC 3501 section 6.3.6."""
    assert session.account is not None
    name = checked(command.mailbox)
    try:
        await session.account.subscribe(name)
    except StoreError as error:
        raise refusal(error, name) from None
    return b"Subscribe completed"


async def unsubscribe(session: Session, command: wire.Unsubscribe) -> bytes:
    """RFC 3501 section 6.3.7."""
    assert session.account is not None
    await session.account.unsubscribe(checked(command.mailbox))
    return b"Unsubscribe completed"
