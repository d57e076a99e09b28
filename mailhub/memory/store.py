"""The memory store: all of the contract, nothing on a disk. For tests, for labs, and to read beside the contract."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from mailhub.config.settings import StoreSettings
from mailhub.memory.account import Account
from mailhub.store.interfaces import IAccount, IMessageStore
from mailhub.store.model import UserEntry
from mailhub.store.searching import Pause


@implementer(IMessageStore)
class MemoryStore:
    """Accounts appear on first use, with an empty INBOX, and last as long as this object."""

    def __init__(self, *, clock: Any, settings: StoreSettings, pause: Pause | None = None) -> None:
        """`clock` is an IReactorTime; `pause` is what a long search waits for between batches, such as
        `lambda: deferLater(reactor, 0)`; without it a search is done at once."""
        self._clock = clock
        self._settings = settings
        self._pause = pause
        self._accounts: dict[str, Account] = {}

    def account(self, user: UserEntry) -> Deferred[IAccount]:
        account = self._accounts.get(user.name)
        if account is None:
            account = self._accounts[user.name] = Account(user, self._clock, self._settings, self._pause)
        return succeed(account)

    def close(self) -> Deferred[None]:
        return succeed(None)
