"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.errors import refusing
from mailhub.imap.names import checked
from mailhub.imap.recent import claim_recent
from mailhub.imap.selected import Selected
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.types import MailboxName

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def select(session: Session, command: wire.Select) -> bytes:
    """RFC 3501 section 6.3.1."""
    await _open(session, command.mailbox, False)
    return _done(session, b"Select")


async def examine(session: Session, command: wire.Examine) -> bytes:
    """RFC 3501 section 6.3.2."""
    await _open(session, command.mailbox, True)
    return _done(session, b"Examine")


async def _open(session: Session, mailbox_name: MailboxName, read_only: bool) -> None:
    if session.view is not None:
        session.deselect()
        session.write(b"* OK [CLOSED] Previous mailbox closed.\r\n")
    assert session.account is not None
    name = checked(mailbox_name)
    with refusing(name):
        mailbox = await session.account.open(name)
        view = Selected(mailbox.snapshot, mailbox.name, read_only or mailbox.read_only, session.view_changed)
        mailbox.subscribe(view)
        try:
            await claim_recent(mailbox, view)
        except BaseException:
            mailbox.unsubscribe(view)
            raise
    view.restart()
    session.selected(mailbox, view)


def _done(session: Session, verb: bytes) -> bytes:
    """Say what stands in the mailbox, in Dovecot's order."""
    view = session.view
    assert view is not None
    snapshot = view.latest
    lines = [view.flags_lines(), b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(view), view.tell_recent())]
    unseen = view.first_unseen()
    if unseen is not None:
        lines.append(b"* OK [UNSEEN %d] First unseen.\r\n" % unseen)
    lines.append(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % snapshot.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % snapshot.uidnext)
    session.write(b"".join(lines))
    return b"[%b] %b completed" % (b"READ-ONLY" if view.read_only else b"READ-WRITE", verb)
