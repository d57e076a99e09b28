"""APPEND and MULTIAPPEND (RFC 3501 section 6.3.11, RFC 3502; APPENDUID of RFC 4315; literal8 of RFC 3516).

Message data goes from the network straight into a draft of the store. What can be refused is refused before the
client sends a synchronising literal; a non-synchronising one has to be read and thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.errors import Bad, No, Refusal, refusal, refusing
from mailhub.imap.names import checked
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IDraft
from mailhub.store.model import Addition
from mailhub.wire.imap.encode import number_set
from mailhub.wire.imap.events import (
    AppendData,
    AppendFinished,
    AppendMessage,
    AppendMessageEnd,
    AppendStarted,
    Refused,
)

if TYPE_CHECKING:
    from mailhub.imap.session import Session


TOGETHER = 64 * 1024 * 1024
"""Most octets of one APPEND of several messages: all wait to be appended together."""


class _Append:
    """One APPEND on its way in."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.name = ""
        self.refused: Refusal | None = None
        self.additions: list[Addition] = []
        self.draft: IDraft | None = None
        self.octets = 0

    async def message(self, event: AppendMessage) -> None:
        """A literal is announced: say whether it may come."""
        if self.additions and not self.session.capabilities.has("MULTIAPPEND"):
            self.refuse(Bad("Unknown argument (MULTIAPPEND is not offered)"))
        if event.binary and not self.session.capabilities.has("BINARY"):
            self.refuse(Bad("Unknown argument (BINARY is not offered)"))
        self.octets += event.size
        if self.additions and self.octets > TOGETHER:
            self.refuse(No("Too much in one APPEND", "LIMIT"))
        if not event.size:
            self.refuse(No("Can't save a zero byte message"))
        if self.refused is None:
            assert self.session.account is not None
            try:
                self.draft = await self.session.account.draft(self.name)
                self.additions.append(Addition(self.draft, frozenset(event.flags), event.internal_date))
            except StoreError as error:
                self.refuse(refusal(error, self.name, True))
        if event.synchronising:
            if self.refused is None:
                self.session.connection.accept_literal()
                self.session.write(b"+ OK\r\n")
            else:
                self.session.connection.refuse_literal()

    async def data(self, data: bytes) -> None:
        if self.draft is None or self.refused is not None:
            return
        try:
            waiting = self.draft.write(data)
            if waiting is not None:
                await waiting
        except StoreError as error:
            self.refuse(refusal(error, self.name, True))

    def refuse(self, refused: Refusal) -> None:
        """Note the first reason to refuse, and let go of what came so far."""
        if self.refused is None:
            self.refused = refused
        self.discard()

    def discard(self) -> None:
        for addition in self.additions:
            addition.draft.discard()


async def append(session: Session, command: AppendStarted) -> bytes:
    """Take the messages in and append them, all or none (RFC 3502 section 3)."""
    progress = _Append(session)
    try:
        progress.name = checked(command.mailbox)
        await _check_target(session, progress.name)
    except Refusal as refused:
        progress.refuse(refused)
    try:
        while True:
            event = await session.next_event()
            if isinstance(event, AppendData):
                await progress.data(event.data)
            elif isinstance(event, AppendMessage):
                await progress.message(event)
            elif isinstance(event, AppendMessageEnd):
                progress.draft = None
            elif isinstance(event, AppendFinished):
                return await _finish(progress)
            elif isinstance(event, Refused):
                raise progress.refused or _refused(event)
    finally:
        progress.discard()


async def _check_target(session: Session, name: str) -> None:
    """Raise No if nothing can be appended to mailbox `name`."""
    assert session.account is not None
    with refusing(name, target=True):
        (await session.account.draft(name)).discard()


def _refused(event: Refused) -> Refusal:
    text = event.text.removeprefix("APPEND: ")
    return No(text, event.code) if event.no else Bad(text, event.code)


async def _finish(progress: _Append) -> bytes:
    if progress.refused is not None:
        raise progress.refused
    session = progress.session
    assert session.account is not None
    with refusing(progress.name, target=True):
        appended = await session.account.append(progress.name, progress.additions, session.view)
    if not session.capabilities.has("UIDPLUS"):
        return b"Append completed"
    return b"[APPENDUID %d %b] Append completed" % (appended.uidvalidity, number_set(appended.uids))
