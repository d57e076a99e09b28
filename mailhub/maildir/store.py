"""The Maildir store: accounts by user, opened on first use and kept for a while when nobody needs them.

What is shared by all accounts lives here: the disk, the maker of file names, the watcher of directories, the memory for
mailboxes nobody has open.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from mailhub.concurrency.pool import IThreads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.account import MaildirAccount
from mailhub.maildir.disk import Disk, storing
from mailhub.maildir.filenames import NameMaker
from mailhub.maildir.index import FILE_NAME, Index
from mailhub.maildir.layout import LAYOUTS
from mailhub.maildir.location import Location, LocationTemplate
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.maildir.means import Means
from mailhub.maildir.names import LevelCodec
from mailhub.maildir.shelf import Shelf
from mailhub.maildir.tree import Tree
from mailhub.maildir.watch import Watcher
from mailhub.store.errors import Unavailable
from mailhub.store.interfaces import IAccount, IMessageStore
from mailhub.store.model import UserEntry

IDLE_ACCOUNTS = 100
"""Accounts without sessions that stay open, with their index: mail for a user often comes in bursts."""


@implementer(IMessageStore)
class MaildirStore:
    """All accounts on this machine's disk.

    data: directory under which mail lies where settings.mail does not say otherwise. disk, clock (seconds since the
    epoch): for tests. Raises ValueError if settings.mail is no mail location."""

    def __init__(
        self,
        *,
        reactor: Any,
        threads: IThreads,
        settings: StoreSettings,
        data: str,
        log: Logger | None = None,
        disk: Disk | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._settings = settings
        self._log = log or Logger()
        self._watcher = Watcher(reactor)
        self._disk = disk or Disk(settings.fsync == "always")
        self._clock = clock
        self._names = NameMaker(clock=clock)
        self._shelf = Shelf(settings.cache_mib * 2**20)
        self._home = os.path.join(os.path.abspath(data), "mail").replace("%", "%%") + "/%u"
        if settings.mail is None:
            self._template = LocationTemplate.of_directory(self._home + "/Maildir", settings.layout)
        else:
            self._template = LocationTemplate(settings.mail, settings.layout)
        self._accounts: dict[str, MaildirAccount] = {}
        self._opening: dict[str, list[Deferred[None]]] = {}
        self._idle: OrderedDict[str, MaildirAccount] = OrderedDict()
        self._closed = False

    def account(self, user: UserEntry) -> Deferred[IAccount]:
        return Deferred.fromCoroutine(self._account(user))

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    def files(self, user: UserEntry) -> tuple[Tree, bytes]:
        """Return the mailbox tree and the index file of a user, for who checks them. Blocks: threads only.

        Raises Unavailable."""
        location = self._location(user)
        return self._prepared(location), os.path.join(location.index or location.root, FILE_NAME)

    async def _account(self, user: UserEntry) -> IAccount:
        while True:
            if self._closed:
                raise Unavailable("The store is closed")
            account = self._accounts.get(user.name)
            if account is not None:
                self._idle.pop(user.name, None)
                account.sessions += 1
                return account
            if user.name in self._opening:
                waiter: Deferred[None] = Deferred()
                self._opening[user.name].append(waiter)
                await waiter
                continue
            await self._open(user)

    async def _open(self, user: UserEntry) -> None:
        """Make the account of `user` while others who ask for it wait."""
        self._opening[user.name] = []
        try:
            location = self._location(user)
            tree = await self._threads.call(lambda: self._prepared(location))
            self._accounts[user.name] = MaildirAccount(
                user, tree, self._shelf, lambda find: self._means(location, tree, find), self._released
            )
        finally:
            for waiter in self._opening.pop(user.name):
                if not waiter.called:
                    waiter.callback(None)

    def _location(self, user: UserEntry) -> Location:
        if user.mail is None:
            return self._template.expand(user, self._home)
        try:
            return LocationTemplate(user.mail, self._settings.layout).expand(user, self._home)
        except ValueError as error:
            self._log.error("User {user}: {problem}", user=user.name, problem=str(error))
            raise Unavailable("The mail of this user cannot be served") from error

    def _prepared(self, location: Location) -> Tree:
        """Make the account's directories as far as they are missing; runs in a thread."""
        with storing(Unavailable):
            if not os.path.isdir(location.root):
                self._disk.makedirs(location.root)
            make = LAYOUTS[location.layout]
            delimiter = self._settings.separator or make.separator
            tree = Tree(
                self._disk.like(location.root),
                make(location.root, delimiter, LevelCodec(location.utf8), location.inbox),
                self._settings.mailbox_limit,
                self._settings.lock_seconds,
                location.control,
                location.index,
                self._clock,
            )
            tree.prepare()
        return tree

    def _means(self, location: Location, tree: Tree, find: Callable[[str], Deferred[MaildirMailbox]]) -> Means:
        index = os.path.join(location.index or location.root, FILE_NAME)
        return Means(
            reactor=self._reactor,
            threads=self._threads,
            disk=tree.disk,
            index=Index(index, self._settings.fsync == "always"),
            names=self._names,
            settings=self._settings,
            find=find,
            next_uidvalidity=tree.next_uidvalidity,
            watcher=self._watcher,
            root=location.root,
            clock=self._clock,
        )

    def _released(self, account: MaildirAccount) -> None:
        name = account.user.name
        if account.sessions > 0 or self._accounts.get(name) is not account:
            return
        self._idle[name] = account
        for name, idle in list(self._idle.items())[: max(0, len(self._idle) - IDLE_ACCOUNTS)]:
            if idle.held:
                self._idle.move_to_end(name)  # a write goes on although its session left
                continue
            del self._idle[name]
            del self._accounts[name]
            self._let_go(idle)

    def _let_go(self, account: MaildirAccount) -> Deferred[None]:
        closing: Deferred[None] = Deferred.fromCoroutine(account.close())
        return closing.addErrback(
            lambda failure: self._log.failure("Closing the mail of {user}", failure, user=account.user.name)
        )

    async def _close(self) -> None:
        self._closed = True
        accounts = list(self._accounts.values())
        self._accounts.clear()
        self._idle.clear()
        for account in accounts:
            await self._let_go(account)
        self._watcher.close()
