"""What the contract tests share: a store for each test, listeners that note what they hear, ways to put mail in."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from mailhub.config.settings import StoreSettings
from mailhub.store.changes import AccountChange, Added, ChangeBatch, Flagged, MailboxLost, Removed
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IAccount, IAccountListener, IChangeListener, IDraft, IMailbox, IMessageStore
from mailhub.store.model import NO_FLAGS, Addition, FlagEdit, FlagOp, FlagOutcome, Uid, UserEntry, Wanted

START = 1_700_000_000
"""When the tests' clock starts: seconds since the epoch, November 2023."""

HELLO = b"From: Ann <ann@example.org>\r\nSubject: Hello\r\n\r\nHello, world.\r\n"


@implementer(IChangeListener)
class Listener:
    """Notes what it is told of one mailbox."""

    def __init__(self) -> None:
        self.batches: list[ChangeBatch] = []
        self.lost: list[MailboxLost] = []

    def mailboxChanged(self, batch: ChangeBatch) -> None:
        self.batches.append(batch)

    def mailboxLost(self, news: MailboxLost) -> None:
        self.lost.append(news)

    def uids(self, kind: type[Added | Flagged | Removed]) -> list[Uid]:
        """Return the UIDs of all changes of one kind."""
        return [
            uid for batch in self.batches for change in batch.changes if type(change) is kind for uid in change.uids
        ]


@implementer(IAccountListener)
class AccountListener:
    """Notes what it is told of an account."""

    def __init__(self) -> None:
        self.changes: list[AccountChange] = []

    def accountChanged(self, change: AccountChange) -> None:
        self.changes.append(change)


class StoreCase:
    """Mix in with twisted.trial.unittest.TestCase and say how a store is made.

    No test assumes that Deferreds fire at once, or that the store heeds `self.clock` where a real one would do."""

    settings = StoreSettings(fsync="never")
    clock: Clock
    store: IMessageStore
    account: IAccount

    def make_store(self, settings: StoreSettings, clock: Clock) -> IMessageStore | Deferred[IMessageStore]:
        """Return a new, empty store that has these settings. Called at most once a test."""
        raise NotImplementedError

    async def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        case = self.case
        made = self.make_store(evolve(self.settings, **self.changed_settings()), self.clock)
        self.store = await made if isinstance(made, Deferred) else made
        case.addCleanup(self.store.close)
        self.account = await self.open_account()

    def changed_settings(self) -> dict[str, Any]:
        """Return what the test method wants otherwise in the settings: see limited()."""
        return getattr(getattr(self, self.case._testMethodName), "settings", {})

    @property
    def case(self) -> TestCase:
        assert isinstance(self, TestCase)
        return self

    async def open_account(self, name: str = "ann") -> IAccount:
        """Begin a session of a user; it ends with the test."""
        account = await self.store.account(UserEntry(name))
        self.case.addCleanup(account.release)
        return account

    async def inbox(self) -> IMailbox:
        return await self.account.open("INBOX")

    async def watched(self, name: str = "INBOX") -> tuple[IMailbox, Listener]:
        """Return a mailbox with a listener on it."""
        mailbox = await self.account.open(name)
        listener = Listener()
        mailbox.subscribe(listener)
        self.case.addCleanup(mailbox.unsubscribe, listener)
        return mailbox, listener

    async def draft(self, *chunks: bytes, mailbox: str = "INBOX", account: IAccount | None = None) -> IDraft:
        """Write a draft in these chunks."""
        draft = await (account or self.account).draft(mailbox)
        self.case.addCleanup(draft.discard)
        for chunk in chunks:
            written = draft.write(chunk)
            if written is not None:
                await written
        return draft

    async def add(
        self, *datas: bytes, flags: frozenset[str] = NO_FLAGS, date: int | None = None, mailbox: str = "INBOX"
    ) -> list[Uid]:
        """Append messages in one call; return their UIDs."""
        additions = [Addition(await self.draft(data, mailbox=mailbox), flags, date) for data in datas or (HELLO,)]
        return list((await self.account.append(mailbox, additions)).uids)

    async def octets(self, mailbox: IMailbox, uid: Uid) -> bytes:
        """Return a message as it is read in pieces."""
        (body,) = await mailbox.bodies([uid])
        assert body is not None
        try:
            pieces = []
            offset = 0
            while piece := await body.read(offset, 100_000):
                pieces.append(piece)
                offset += len(piece)
            assert body.size == offset, (body.size, offset)
            assert body.whole is None or body.whole == b"".join(pieces)
            return b"".join(pieces)
        finally:
            body.close()

    async def dates(self, mailbox: IMailbox, uids: Sequence[Uid]) -> list[int]:
        """Return the internal dates of messages."""
        return list((await mailbox.read(uids, Wanted(dates=True))).dates)

    async def edit(self, mailbox: IMailbox, uids: Sequence[Uid], op: FlagOp, *flags: str, **more: Any) -> FlagOutcome:
        """Make one edit; return its outcome."""
        (outcome,) = await mailbox.change([FlagEdit(uids, op, frozenset(flags), **more)])
        return outcome

    async def refused(self, error: type[StoreError] | tuple[type[StoreError], ...], made: Any) -> StoreError:
        """Wait for something that must fail with `error`; return that. `made` is a Deferred, coroutine or call."""
        try:
            got = made() if callable(made) else made
            if inspect.isawaitable(got):
                got = await got
        except StoreError as reason:
            self.case.assertIsInstance(reason, error)
            return reason
        raise self.case.failureException(f"{error} expected, but got {got!r}")


def limited(**settings: Any) -> Any:
    """Decorate a test that needs other settings than the default."""

    def decorate(method: Any) -> Any:
        method.settings = settings
        return method

    return decorate
