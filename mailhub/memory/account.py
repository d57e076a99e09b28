"""An account of the memory store: its mailboxes, their names and subscriptions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from zope.interface import implementer

from mailhub.config.settings import StoreSettings
from mailhub.memory.mailbox import Mailbox
from mailhub.memory.message import Draft, Kept
from mailhub.store import snapshots
from mailhub.store.changes import MailboxCreated, MailboxDeleted, MailboxRenamed, SubscriptionChanged
from mailhub.store.errors import BadMailboxName, HasChildren, MailboxExists, NoSuchMailbox, NotAllowed, TooMany
from mailhub.store.interfaces import IAccount, IAccountListener, IDraft, IMailbox
from mailhub.store.model import (
    Addition,
    Appended,
    MailboxId,
    MailboxInfo,
    MailboxStatus,
    ModSeq,
    Namespace,
    UserEntry,
)
from mailhub.store.names import INBOX, canonical_name, checked_name, new_name, parents
from mailhub.store.notifier import AccountNotifier
from mailhub.store.searching import Pause


@implementer(IAccount)
class Account:
    """One user's mail, kept as long as the store."""

    def __init__(self, user: UserEntry, clock: Any, settings: StoreSettings, pause: Pause | None) -> None:
        self.user = user
        self.settings = settings
        self.pause = pause
        self.delimiter = settings.separator or ("/" if settings.layout == "fs" else ".")
        self.namespaces: Sequence[Namespace] = (Namespace("", self.delimiter),)
        self._clock = clock
        self._notifier = AccountNotifier()
        self._subscribed: set[str] = set()
        self._last_uidvalidity = max(int(clock.seconds()), 1) - 1
        self._mailboxes: dict[str, Mailbox] = {}
        self._make(INBOX, frozenset())

    def now(self) -> int:
        """Return seconds since the epoch."""
        return int(self._clock.seconds())

    def modseq(self, last: int) -> ModSeq:
        """Return the modseq of a commit after `last`."""
        return snapshots.next_modseq(last, self._clock.seconds())

    def mailbox(self, name: str) -> Mailbox:
        """Return a mailbox. Raises NoSuchMailbox, BadMailboxName."""
        mailbox = self._mailboxes.get(checked_name(name, self.delimiter))
        if mailbox is None:
            raise NoSuchMailbox(f"Mailbox doesn't exist: {name}")
        return mailbox

    def mailboxes(self) -> Deferred[Sequence[MailboxInfo]]:
        levels = {level for name in self._mailboxes for level in parents(name, self.delimiter)}
        names = sorted(levels | self._mailboxes.keys(), key=lambda name: (name != INBOX, name))
        return succeed([self._info(name) for name in names])

    def subscriptions(self) -> Deferred[Sequence[str]]:
        return succeed(sorted(self._subscribed))

    def subscribe(self, name: str) -> Deferred[None]:
        return execute(self._subscribe, name)

    def unsubscribe(self, name: str) -> Deferred[None]:
        name = canonical_name(name, self.delimiter)
        if name in self._subscribed:
            self._subscribed.remove(name)
            self._notifier.publish(SubscriptionChanged(name, False))
        return succeed(None)

    def create(self, name: str, special_use: frozenset[str] = frozenset()) -> Deferred[MailboxInfo]:
        return execute(self._create, name, special_use)

    def delete(self, name: str) -> Deferred[None]:
        return execute(self._delete, name)

    def rename(self, old: str, new: str) -> Deferred[None]:
        return execute(self._rename, old, new)

    def open(self, name: str) -> Deferred[IMailbox]:
        return execute(self.mailbox, name)

    def status(self, name: str, size: bool = False) -> Deferred[MailboxStatus]:
        return execute(self._status, name, size)

    def draft(self, mailbox: str = INBOX) -> Deferred[IDraft]:
        return execute(self._draft, mailbox)

    def append(self, mailbox: str, additions: Sequence[Addition], origin: object = None) -> Deferred[Appended]:
        return execute(self._append, mailbox, additions, origin)

    def listen(self, listener: IAccountListener) -> None:
        self._notifier.subscribe(listener)

    def unlisten(self, listener: IAccountListener) -> None:
        self._notifier.unsubscribe(listener)

    def release(self) -> None:
        pass  # accounts live as long as the store: there is nowhere else to keep them

    def _info(self, name: str) -> MailboxInfo:
        mailbox = self._mailboxes.get(name)
        if mailbox is None:
            return MailboxInfo(name, selectable=False, exists=False)
        return MailboxInfo(name, special_use=mailbox.special_use)

    def _below(self, name: str) -> list[str]:
        prefix = name + self.delimiter
        return sorted(other for other in self._mailboxes if other.startswith(prefix))

    def _make(self, name: str, special_use: frozenset[str]) -> Mailbox:
        if name in self._mailboxes:
            raise MailboxExists("Mailbox already exists")
        if len(self._mailboxes) >= self.settings.mailbox_limit:
            raise TooMany("Maximum number of mailboxes reached")
        # One counter for the account: a name that is deleted and made again never gets an old UIDVALIDITY.
        self._last_uidvalidity += 1
        mailbox = Mailbox(self, name, MailboxId(secrets.token_hex(16)), self._last_uidvalidity, special_use)
        self._mailboxes[name] = mailbox
        return mailbox

    def _create(self, name: str, special_use: frozenset[str]) -> MailboxInfo:
        name = new_name(name, self.delimiter)
        self._make(name, special_use)
        self._notifier.publish(MailboxCreated(name))
        return self._info(name)

    def _subscribe(self, name: str) -> None:
        name = self.mailbox(name).name
        if name in self._subscribed:
            return
        if len(self._subscribed) >= self.settings.mailbox_limit:
            raise TooMany("Maximum number of subscriptions reached")
        self._subscribed.add(name)
        self._notifier.publish(SubscriptionChanged(name, True))

    def _delete(self, name: str) -> None:
        name = checked_name(name, self.delimiter)
        if name == INBOX:
            raise NotAllowed("INBOX can't be deleted")
        if name not in self._mailboxes and self._below(name):
            raise HasChildren("Mailbox has children, delete them first")
        mailbox = self.mailbox(name)
        del self._mailboxes[name]
        mailbox.lose("Mailbox was deleted")
        self._notifier.publish(MailboxDeleted(name))

    def _rename(self, old: str, new: str) -> None:
        old, new = checked_name(old, self.delimiter), new_name(new, self.delimiter)
        if old == INBOX:
            self._rename_inbox(new)
            return
        moved = [old] if old in self._mailboxes else []
        moved += self._below(old)
        if not moved:
            raise NoSuchMailbox(f"Mailbox doesn't exist: {old}")
        if new == old:
            raise MailboxExists("Can't rename mailbox to itself")
        if new.startswith(old + self.delimiter):
            raise BadMailboxName("Can't rename mailbox under its own child")
        names = {name: new_name(new + name[len(old) :], self.delimiter) for name in moved}
        if new in self._mailboxes or not self._mailboxes.keys().isdisjoint(names.values()):
            raise MailboxExists("Mailbox already exists")
        for before, after in names.items():
            mailbox = self._mailboxes.pop(before)
            mailbox.name = after
            self._mailboxes[after] = mailbox
        for before, after in names.items():
            self._notifier.publish(MailboxRenamed(before, after))

    def _rename_inbox(self, new: str) -> None:
        """RFC 3501 section 6.3.5: the messages go, INBOX and its inferiors stay."""
        target = self._make(new, frozenset())
        self._mailboxes[INBOX].empty_into(target)
        self._notifier.publish(MailboxCreated(new))

    def _status(self, name: str, size: bool) -> MailboxStatus:
        mailbox = self.mailbox(name)
        return snapshots.status(mailbox.snapshot, mailbox.size() if size else None)

    def _draft(self, mailbox: str) -> Draft:
        self.mailbox(mailbox)
        return Draft(self.settings.message_limit)

    def _append(self, name: str, additions: Sequence[Addition], origin: object) -> Appended:
        mailbox = self.mailbox(name)
        now = self.now()
        messages = [
            (
                Kept(addition.draft.content(), now if addition.internal_date is None else addition.internal_date, now),
                addition.flags,
            )
            for addition in additions
        ]
        uids = mailbox.add(messages, origin)
        return Appended(mailbox.snapshot.uidvalidity, uids)
