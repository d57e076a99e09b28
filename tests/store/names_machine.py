"""The list of mailboxes against a trivial model of it, driven by hypothesis. Used as tests.store.machine is."""

from __future__ import annotations

from typing import Any

from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailhub.store.changes import MailboxCreated, MailboxDeleted, MailboxRenamed, SubscriptionChanged
from mailhub.store.errors import (
    BadMailboxName,
    HasChildren,
    MailboxExists,
    NoSuchMailbox,
    NotAllowed,
    StoreError,
)
from mailhub.store.interfaces import IMessageStore
from mailhub.store.model import Addition, UserEntry
from tests.store.base import HELLO, AccountListener
from tests.store.machine import fired

LEVELS = ("a", "b", "ü", "INBOX")
names = st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3)


@define
class Known:
    """A mailbox of the model."""

    mailbox_id: str
    uidvalidity: int
    messages: int


class NamesMachine(RuleBasedStateMachine):
    """The mailboxes and subscriptions of one account."""

    def make_store(self) -> IMessageStore:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.store = self.make_store()
        self.account = fired(self.store.account(UserEntry("ann")))
        self.delimiter = self.account.namespaces[0].delimiter
        self.listener = AccountListener()
        self.account.listen(self.listener)
        self.mailboxes: dict[str, Known] = {}
        self.told: dict[str, None] = {"INBOX": None}
        self.subscribed: set[str] = set()
        self.validities: set[int] = set()
        self.note("INBOX", 0)

    def teardown(self) -> None:
        if hasattr(self, "account"):
            self.account.unlisten(self.listener)
            self.account.release()
            fired(self.store.close())

    def note(self, name: str, messages: int) -> None:
        """Take a mailbox that the store has made into the model."""
        status = fired(self.account.status(name))
        assert status.uidvalidity not in self.validities, "UIDVALIDITY was used before"
        assert status.messages == messages
        self.validities.add(status.uidvalidity)
        self.mailboxes[name] = Known(status.mailbox_id, status.uidvalidity, messages)

    def below(self, name: str) -> list[str]:
        return [other for other in self.mailboxes if other.startswith(name + self.delimiter)]

    def attempt(self, made: Any, *errors: type[StoreError]) -> bool:
        """Return whether `made` succeeded; it must fail exactly if there are errors, with one of them."""
        try:
            fired(made)
        except errors:
            return False
        assert not errors, errors
        return True

    @rule(levels=names)
    def create(self, levels: list[str]) -> None:
        name = self.delimiter.join(levels)
        if self.attempt(self.account.create(name), *([MailboxExists] if name in self.mailboxes else [])):
            self.note(name, 0)

    @rule(levels=names)
    def delete(self, levels: list[str]) -> None:
        name = self.delimiter.join(levels)
        errors: list[type[StoreError]] = []
        if name == "INBOX":
            errors = [NotAllowed]
        elif name not in self.mailboxes:
            errors = [HasChildren, NoSuchMailbox] if self.below(name) else [NoSuchMailbox]
        if self.attempt(self.account.delete(name), *errors):
            del self.mailboxes[name]

    @rule(old_levels=names, new_levels=names)
    def rename(self, old_levels: list[str], new_levels: list[str]) -> None:
        old, new = self.delimiter.join(old_levels), self.delimiter.join(new_levels)
        moved = [name for name in [old, *self.below(old)] if name in self.mailboxes]
        after = {name: new + name[len(old) :] for name in moved}
        errors: list[type[StoreError]] = []
        if not moved:
            errors = [NoSuchMailbox, MailboxExists, BadMailboxName]
        elif new == old or (new.startswith(old + self.delimiter) and old != "INBOX"):
            errors = [MailboxExists, BadMailboxName]
        elif new in self.mailboxes or (old != "INBOX" and not self.mailboxes.keys().isdisjoint(after.values())):
            errors = [MailboxExists]
        if not self.attempt(self.account.rename(old, new), *errors):
            return
        if old == "INBOX":
            self.note(new, self.mailboxes["INBOX"].messages)
            self.mailboxes["INBOX"].messages = 0
            return
        for name, known in {name: self.mailboxes.pop(name) for name in moved}.items():
            self.mailboxes[after[name]] = known

    @rule(levels=names)
    def append(self, levels: list[str]) -> None:
        name = self.delimiter.join(levels)
        if name not in self.mailboxes:
            self.attempt(self.account.draft(name), NoSuchMailbox)
            return
        draft = fired(self.account.draft(name))
        draft.write(HELLO)
        fired(self.account.append(name, [Addition(draft)]))
        draft.discard()
        self.mailboxes[name].messages += 1

    @rule(levels=names)
    def subscribe(self, levels: list[str]) -> None:
        name = self.delimiter.join(levels)
        if self.attempt(self.account.subscribe(name), *([] if name in self.mailboxes else [NoSuchMailbox])):
            self.subscribed.add(name)

    @rule(levels=names)
    def unsubscribe(self, levels: list[str]) -> None:
        name = self.delimiter.join(levels)
        assert self.attempt(self.account.unsubscribe(name))
        self.subscribed.discard(name)

    @invariant()
    def agrees(self) -> None:
        """The list, each mailbox and the subscriptions are those of the model."""
        if not hasattr(self, "account"):
            return
        listed = {info.name: info.selectable for info in fired(self.account.mailboxes())}
        levels = {
            self.delimiter.join(name.split(self.delimiter)[:depth])
            for name in self.mailboxes
            for depth in range(1, name.count(self.delimiter) + 1)
        }
        assert listed == {name: name in self.mailboxes for name in levels | self.mailboxes.keys()}
        assert sorted(fired(self.account.subscriptions())) == sorted(self.subscribed)
        for name, known in self.mailboxes.items():
            status = fired(self.account.status(name))
            assert Known(status.mailbox_id, status.uidvalidity, status.messages) == known, name

    @invariant()
    def listener_can_follow(self) -> None:
        """Who starts with the list and hears the changes knows the list."""
        if not hasattr(self, "account"):
            return
        for change in self.listener.changes:
            match change:
                case MailboxCreated(name):
                    assert name not in self.told
                    self.told[name] = None
                case MailboxDeleted(name):
                    del self.told[name]
                case MailboxRenamed(old, new):
                    assert new not in self.told
                    del self.told[old]
                    self.told[new] = None
                case SubscriptionChanged():
                    pass
        self.listener.changes.clear()
        assert self.told.keys() == self.mailboxes.keys()
