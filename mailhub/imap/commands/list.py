"""LIST, LSUB, STATUS, NAMESPACE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailhub.imap.errors import refusing
from mailhub.imap.listing import Asked, Mailboxes, Pattern
from mailhub.imap.names import checked
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IAccount
from mailhub.store.model import MailboxStatus
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.encode import mailbox, quoted
from mailhub.wire.imap.types import StatusItem

if TYPE_CHECKING:
    from mailhub.imap.session import Session

STATUS_ORDER = (
    StatusItem.MESSAGES,
    StatusItem.RECENT,
    StatusItem.UIDNEXT,
    StatusItem.UIDVALIDITY,
    StatusItem.UNSEEN,
    StatusItem.SIZE,
    StatusItem.APPENDLIMIT,
)
"""As Dovecot answers, whatever the order asked."""


async def list_(session: Session, command: wire.List) -> bytes:
    """RFC 3501 section 6.3.8, RFC 5258, RFC 5819, RFC 6154."""
    account = _account(session)
    delimiter = account.namespaces[0].delimiter
    reference = checked(command.reference)
    if not command.extended and command.patterns[0].raw == b"":
        session.write(b'* LIST (\\Noselect) %b ""\r\n' % quoted(delimiter.encode()))
        return b"List completed"
    asked = Asked(
        [Pattern(reference + pattern.name, delimiter) for pattern in command.patterns if pattern.valid],
        frozenset(command.select),
        frozenset(command.returns) if command.extended else _plain_returns(session),
        command.extended,
    )
    mailboxes = await _mailboxes(account, "SUBSCRIBED" in asked.select or "SUBSCRIBED" in asked.returns)
    for line in mailboxes.list(asked):
        if line is None:
            await session.breathe()
            continue
        session.write(line.render(delimiter))
        if command.status is not None and line.has_status:
            await _list_status(session, line.name, command.status)
        await session.breathe()
    return b"List completed"


def _plain_returns(session: Session) -> frozenset[str]:
    """What a LIST without extended syntax returns as well (RFC 3348 section 3, RFC 6154 section 2)."""
    return frozenset(name for name in ("CHILDREN", "SPECIAL-USE") if session.capabilities.has(name))


async def _list_status(session: Session, name: str, items: Sequence[StatusItem]) -> None:
    """RFC 5819 section 2: a mailbox whose status cannot be had has no STATUS line."""
    try:
        status = await _account(session).status(name, StatusItem.SIZE in items)
    except StoreError:
        return
    session.write(status_line(name, status, items, session.around.message_limit))


async def lsub(session: Session, command: wire.Lsub) -> bytes:
    """RFC 3501 section 6.3.9."""
    account = _account(session)
    delimiter = account.namespaces[0].delimiter
    pattern = Pattern(checked(command.reference) + command.pattern.name, delimiter)
    mailboxes = Mailboxes(delimiter, {}, frozenset(await account.subscriptions()))
    if command.pattern.valid:
        session.write(b"".join([line.render(delimiter, b"LSUB") for line in mailboxes.lsub(pattern)]))
    return b"Lsub completed"


async def namespace(session: Session, command: wire.Namespace) -> bytes:
    """RFC 2342 section 5: personal namespaces only."""
    personal = b"".join(
        b"(%b %b)" % (quoted(space.prefix.encode()), quoted(space.delimiter.encode()))
        for space in _account(session).namespaces
    )
    session.write(b"* NAMESPACE (%b) NIL NIL\r\n" % personal)
    return b"Namespace completed"


async def status(session: Session, command: wire.Status) -> bytes:
    """RFC 3501 section 6.3.10, RFC 8438, RFC 7889."""
    name = checked(command.mailbox)
    with refusing(name):
        found = await _account(session).status(name, StatusItem.SIZE in command.items)
    session.write(status_line(name, found, command.items, session.around.message_limit))
    if session.mailbox is not None and session.mailbox.name == name:
        # RFC 3501 section 6.3.10: "SHOULD NOT be used on the currently selected mailbox".
        return b"[CLIENTBUG] Status on selected mailbox completed"
    return b"Status completed"


def status_line(name: str, status: MailboxStatus, items: Sequence[StatusItem], limit: int) -> bytes:
    """Return the untagged STATUS (RFC 3501 section 7.2.4); `limit` is APPENDLIMIT, 0 for none."""
    values: dict[StatusItem, int | None] = {
        StatusItem.MESSAGES: status.messages,
        StatusItem.RECENT: status.recent,
        StatusItem.UIDNEXT: status.uidnext,
        StatusItem.UIDVALIDITY: status.uidvalidity,
        StatusItem.UNSEEN: status.unseen,
        StatusItem.SIZE: status.size,
        StatusItem.APPENDLIMIT: limit or None,
    }
    words = []
    for item in STATUS_ORDER:
        if item in items:
            value = values[item]
            words.append(f"{item.value} {'NIL' if value is None else value}")
    return b"* STATUS %b (%b)\r\n" % (mailbox(name), " ".join(words).encode())


def _account(session: Session) -> IAccount:
    assert session.account is not None
    return session.account


async def _mailboxes(account: IAccount, subscriptions: bool) -> Mailboxes:
    infos = await account.mailboxes()
    subscribed = frozenset(await account.subscriptions()) if subscriptions else frozenset()
    return Mailboxes(account.namespaces[0].delimiter, {info.name: info for info in infos}, subscribed)
