"""An account of the Maildir store: its mailboxes by name, as all sessions of its user see them.

There is one MaildirMailbox for each mailbox in use, shared by all; the account finds or makes it. What a mailbox holds
is mailbox.py's business, what lies where tree.py's.

Changes to the list of mailboxes run one after the other. Each runs in the lanes of the mailboxes it concerns, so that
nothing is appended to a mailbox while its directory moves, and sessions that have it open are told in the same breath.
A change goes on when its caller is cancelled (design law 5): others must hear of what was done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure
from zope.interface import implementer

from mailhub.concurrency.lanes import Lane
from mailhub.maildir.disk import storing
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.maildir.means import Means
from mailhub.maildir.shelf import Shelf
from mailhub.maildir.subscriptions import SubscriptionsFile
from mailhub.maildir.tree import Tree
from mailhub.maildir.uidlist import UidListFile
from mailhub.store.changes import MailboxCreated, MailboxDeleted, MailboxRenamed, SubscriptionChanged
from mailhub.store.errors import MailboxGone, NoSuchMailbox, NotAllowed, StoreError, TooMany, Unavailable
from mailhub.store.interfaces import IAccount, IAccountListener, IDraft, IMailbox
from mailhub.store.model import Addition, Appended, MailboxInfo, MailboxStatus, Namespace, Uid, UserEntry
from mailhub.store.names import INBOX
from mailhub.store.notifier import AccountNotifier

T = TypeVar("T")


@implementer(IAccount)
class MaildirAccount:
    """One user's mail.

    means: makes the Means of its mailboxes, given how to find another mailbox by name. released: called with the
    account when a session lets it go."""

    def __init__(
        self,
        user: UserEntry,
        tree: Tree,
        shelf: Shelf,
        means: Callable[[Callable[[str], Deferred[MaildirMailbox]]], Means],
        released: Callable[[MaildirAccount], None],
    ) -> None:
        self.user = user
        self.sessions = 0
        self._tree = tree
        self._layout = tree.layout
        self.namespaces: Sequence[Namespace] = (Namespace("", self._layout.delimiter),)
        self._shelf = shelf
        self._means = means(self.find)
        self._threads = self._means.threads
        self._settings = self._means.settings
        self._released = released
        self._reading = Lane(self._threads)
        self._changing = DeferredLock()
        self._open: dict[str, MaildirMailbox] = {}
        self._notifier = AccountNotifier()
        separator = self._layout.separator.encode("ascii")
        directory = tree.control or self._layout.root
        self._subscriptions = SubscriptionsFile(tree.disk, directory, separator, self._settings.lock_seconds)

    # The list of mailboxes

    def mailboxes(self) -> Deferred[Sequence[MailboxInfo]]:
        return self._reading.run(_work(self._tree.mailboxes))

    def subscriptions(self) -> Deferred[Sequence[str]]:
        return self._reading.run(_work(self._subscribed))

    def subscribe(self, name: str) -> Deferred[None]:
        return self._change(lambda: self._subscribe(name))

    def unsubscribe(self, name: str) -> Deferred[None]:
        return self._change(lambda: self._unsubscribe(name))

    def create(self, name: str, special_use: frozenset[str] = frozenset()) -> Deferred[MailboxInfo]:
        return self._change(lambda: self._create(name, special_use))

    def delete(self, name: str) -> Deferred[None]:
        return self._change(lambda: self._delete(name))

    def rename(self, old: str, new: str) -> Deferred[None]:
        return self._change(lambda: self._rename(old, new))

    # Mailboxes

    def open(self, name: str) -> Deferred[IMailbox]:
        return Deferred.fromCoroutine(self._with(name, _refreshed))

    def find(self, name: str) -> Deferred[MaildirMailbox]:
        """Return a mailbox, synchronised with the disk; as open(), typed for the store itself."""
        return Deferred.fromCoroutine(self._with(name, _refreshed))

    def status(self, name: str, size: bool = False) -> Deferred[MailboxStatus]:
        return Deferred.fromCoroutine(self._with(name, lambda mailbox: mailbox.status(size)))

    def draft(self, mailbox: str = INBOX) -> Deferred[IDraft]:
        return Deferred.fromCoroutine(self._draft(mailbox))

    def append(self, mailbox: str, additions: Sequence[Addition], origin: object = None) -> Deferred[Appended]:
        return Deferred.fromCoroutine(self._with(mailbox, lambda found: found.append(additions, origin)))

    # Sessions

    def listen(self, listener: IAccountListener) -> None:
        self._notifier.subscribe(listener)

    def unlisten(self, listener: IAccountListener) -> None:
        self._notifier.unsubscribe(listener)

    def release(self) -> None:
        self.sessions -= 1
        self._released(self)

    @property
    def held(self) -> bool:
        """Whether somebody uses the account or one of its mailboxes, or a change is under way."""
        return bool(
            self.sessions > 0
            or self._changing.locked
            or self._reading.busy
            or any(mailbox.held for mailbox in self._open.values())
        )

    async def close(self) -> None:
        """Finish what is under way and let go of everything."""
        await self._changing.run(lambda: None)
        await self._reading.drained()
        mailboxes = list(self._open.values())
        self._open.clear()
        for mailbox in mailboxes:
            self._shelf.remove(mailbox)
            await mailbox.close()
        await self._threads.call(self._means.index.close)

    # Finding a mailbox

    async def _found(self, name: str) -> MaildirMailbox:
        """Return the object of a mailbox that is on the disk. Raises NoSuchMailbox, BadMailboxName."""
        name = self._layout.checked(name)
        mailbox = self._open.get(name)
        if mailbox is None:
            await self._reading.run(_work(lambda: self._tree.open(name)))
            mailbox = self._object(name)
        self._shelf.touch(mailbox, self._forget)
        return mailbox

    def _object(self, name: str) -> MaildirMailbox:
        """Return the one object for a name, whether or not there is anything on the disk."""
        mailbox = self._open.get(name)
        if mailbox is None:
            mailbox = self._open[name] = MaildirMailbox(name, self._tree.place(name), self._means)
        return mailbox

    def _forget(self, mailbox: MaildirMailbox) -> None:
        """Drop an object that nobody holds; the next use makes another."""
        self._shelf.remove(mailbox)
        if self._open.get(mailbox.name) is mailbox:
            del self._open[mailbox.name]
        mailbox.close()

    async def _with(self, name: str, action: Callable[[MaildirMailbox], Awaitable[T]]) -> T:
        """Do something with a mailbox. If what we had in memory turns out to be gone, look on the disk again: another
        program may have made it anew, or removed parts that we make again."""
        name = self._layout.checked(name)
        for again in (True, False):
            mailbox = await self._found(name)
            try:
                return await action(mailbox)
            except MailboxGone:
                self._forget(mailbox)
            except Unavailable as error:
                if not again or not isinstance(error.__cause__, FileNotFoundError):
                    raise
                await self._reading.run(_work(lambda: self._tree.open(name)))
        raise NoSuchMailbox(f"Mailbox doesn't exist: {name}")

    async def _draft(self, name: str) -> IDraft:
        mailbox = await self._found(name)
        return mailbox.draft()

    # Changing the list

    def _change(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """Run one change of the list after the others; cancelling the Deferred only stops the waiting."""
        waiter: Deferred[T] = Deferred(lambda _: None)

        def tell(result: T | Failure) -> None:
            if waiter.called:
                return
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)

        running: Deferred[T] = self._changing.run(lambda: Deferred.fromCoroutine(work()))
        running.addBoth(tell)
        return waiter

    async def _listed(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread with the list locked against other programs."""

        def locked() -> T:
            with storing(NotAllowed), self._tree.lock():
                return work()

        result: T = await self._threads.call(locked)
        return result

    async def _create(self, name: str, special_use: frozenset[str]) -> MailboxInfo:
        level_only = name.endswith(self._layout.delimiter)
        name = self._layout.checked_new(name)
        stale = self._open.get(name)
        info = await self._listed(lambda: self._tree.create(name, level_only, special_use))
        if stale is not None and self._open.get(name) is stale:
            self._lose(stale)  # another program had deleted it
        self._notifier.publish(MailboxCreated(name))
        return info

    async def _delete(self, name: str) -> None:
        name = self._layout.checked(name)
        if name == INBOX:
            raise NotAllowed("INBOX can't be deleted")
        mailbox = self._object(name)

        def deleted(_: None) -> None:
            self._lose(mailbox)
            self._notifier.publish(MailboxDeleted(name))

        try:
            await mailbox.exclusively(_work(lambda: self._delete_on_disk(name)), deleted)
        except StoreError:
            if not mailbox.held:
                self._forget(mailbox)
            raise

    def _delete_on_disk(self, name: str) -> None:
        with self._tree.lock():
            header = UidListFile(self._tree.disk, self._tree.place(name).control).header()
            self._tree.delete(name)
        if header is not None:
            self._means.index.forget(header.key)

    def _lose(self, mailbox: MaildirMailbox) -> None:
        self._shelf.remove(mailbox)
        if self._open.get(mailbox.name) is mailbox:
            del self._open[mailbox.name]
        mailbox.lose("Mailbox was deleted")

    async def _rename(self, old: str, new: str) -> None:
        old, new = self._layout.checked(old), self._layout.checked_new(new)
        if old == INBOX:
            await self._rename_inbox(new)
            return
        lock = self._tree.lock()
        await self._threads.call(_work(lock.acquire))
        try:
            pairs = await self._threads.call(_work(lambda: self._tree.renames(old, new)))
            if self._layout.marks_folders:
                await self._rename_each(pairs)
            else:
                await self._rename_directory(pairs)
        finally:
            await self._threads.call(lock.release)

    async def _rename_each(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Maildir++: rename one directory after the other; all or none as far as we can."""
        done: list[tuple[str, str]] = []
        try:
            for old, new in pairs:
                await self._move(old, new, partial(self._tree.rename, old, new))
                done.append((old, new))
        except StoreError:
            for old, new in reversed(done):
                await self._move(new, old, partial(self._tree.rename, new, old))
            raise

    async def _rename_directory(self, pairs: Sequence[tuple[str, str]]) -> None:
        """fs: the first rename takes what lies below with it; the objects follow."""
        (old, new), *below = pairs
        await self._move(old, new, partial(self._tree.rename, old, new))
        for inferior, renamed in below:
            await self._move(inferior, renamed, lambda: None)

    async def _move(self, old: str, new: str, work: Callable[[], None]) -> None:
        used = old in self._open
        mailbox = self._object(old)

        def moved(_: None) -> None:
            stale = self._open.pop(new, None)
            if stale is not None:
                self._lose(stale)
            if self._open.get(old) is mailbox:
                del self._open[old]
            mailbox.renamed(new, self._tree.place(new))
            self._open[new] = mailbox
            self._shelf.touch(mailbox, self._forget)
            self._notifier.publish(MailboxRenamed(old, new))

        try:
            await mailbox.exclusively(_work(work), moved)
        finally:
            if not used and not mailbox.held:
                self._forget(mailbox)  # it may be only a level, and nobody asked for it

    async def _rename_inbox(self, new: str) -> None:
        """RFC 3501 section 6.3.5: the messages go to a new mailbox, INBOX and its inferiors stay."""
        await self._create(new, frozenset())
        inbox = await self._with(INBOX, _refreshed)
        if inbox.snapshot.uids:
            await inbox.move(cast("Sequence[Uid]", inbox.snapshot.uids), new)

    # Subscriptions

    def _subscribed(self) -> Sequence[str]:
        names = map(self._layout.name, self._subscriptions.load().names)
        return sorted({name for name in names if name is not None})

    async def _subscribe(self, name: str) -> None:
        name = self._layout.checked(name)

        def work() -> bool:
            self._tree.open(name)
            if len(self._subscriptions.load().names) >= self._settings.mailbox_limit:
                raise TooMany("Maximum number of subscriptions reached")
            return self._subscriptions.change(self._layout.levels(name), True)

        changed: bool = await self._reading.run(_work(work))
        if changed:
            self._notifier.publish(SubscriptionChanged(name, True))

    async def _unsubscribe(self, name: str) -> None:
        name = self._layout.checked(name)
        levels = self._layout.levels(name)
        changed: bool = await self._reading.run(_work(lambda: self._subscriptions.change(levels, False)))
        if changed:
            self._notifier.publish(SubscriptionChanged(name, False))


async def _refreshed(mailbox: MaildirMailbox) -> MaildirMailbox:
    opening = mailbox.opened()
    known = opening.called
    await opening
    if known:
        await mailbox.refresh()
    return mailbox


def _work(work: Callable[[], T]) -> Callable[[], T]:
    """Return `work` with its OSErrors in the store's words."""

    def storing_work() -> T:
        with storing(NotAllowed):
            return work()

    return storing_work
