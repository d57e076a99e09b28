"""From a message and its recipients to mail in accounts.

A message comes in once, as one draft, and goes to each recipient by an append of its own: so each has an outcome of
its own (RFC 2033 section 4.2), which is good news only when the message is durable for that recipient, and the
store can share the file between them. The draft is made in the account of the first recipient whose account can be
opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen
from twisted.logger import Logger

from mailhub.delivery.recipients import find_user
from mailhub.store.errors import NoSuchMailbox, NoSuchUser, StoreError, Unavailable
from mailhub.store.interfaces import IAccount, IDraft, IMessageStore, IUserDirectory
from mailhub.store.model import Addition, Appended, UserEntry
from mailhub.wire.smtp import Address

INBOX = "INBOX"

Outcome = Appended | StoreError
"""What became of a message for one recipient."""


@frozen
class Recipient:
    """An address and whose it is."""

    address: Address
    user: UserEntry


@frozen
class Placed:
    """Where a local delivery went."""

    mailbox: str
    appended: Appended


class Delivery:
    """Delivers into the accounts of a store."""

    log = Logger()

    def __init__(self, *, store: IMessageStore, users: IUserDirectory) -> None:
        self._store = store
        self._users = users

    async def recipient(self, address: Address, delimiters: str = "+") -> Recipient:
        """Find whose `address` is; `delimiters` are characters that separate user and detail.

        Raises NoSuchUser, Unavailable."""
        return Recipient(address, await find_user(self._users, address, delimiters))

    async def begin(self, recipients: Sequence[Recipient], header: bytes) -> Incoming:
        """Begin a message for at least one recipient; `header` is put above it. Raises nothing of the store's: what
        goes wrong is in the outcomes."""
        incoming = Incoming(self._store, recipients)
        await incoming.open(INBOX)
        await incoming.write(header)
        return incoming

    async def deliver_local(
        self, user: str, chunks: Iterable[bytes], mailbox: str = INBOX, create: bool = False
    ) -> Placed:
        """Deliver a message as a local delivery agent does: for `mailhub deliver USER`.

        As dovecot-lda: a line "From ..." in front (mbox) is dropped, no header is added, and a mailbox that does
        not exist is made if `create` says so; else the message goes to INBOX. Raises StoreError, for which
        sysexits.exit_status() has the number."""
        entry = await self._users.lookup(user)
        if entry is None:
            raise NoSuchUser(f"User doesn't exist: {user}")
        account = await self._store.account(entry)
        try:
            return await self._place(account, chunks, mailbox, create)
        finally:
            account.release()

    async def _place(self, account: IAccount, chunks: Iterable[bytes], mailbox: str, create: bool) -> Placed:
        try:
            draft = await account.draft(mailbox)
        except NoSuchMailbox:
            if create:
                await account.create(mailbox)
                await account.subscribe(mailbox)
            else:
                self.log.warn("no mailbox {mailbox}: delivering to INBOX", mailbox=mailbox)
                mailbox = INBOX
            draft = await account.draft(mailbox)
        try:
            for chunk in without_from_line(chunks):
                wait = draft.write(chunk)
                if wait is not None:
                    await wait
            return Placed(mailbox, await account.append(mailbox, [Addition(draft)]))
        finally:
            draft.discard()


class Incoming:
    """One message on its way to its recipients. Close it, however it ends."""

    log = Logger()

    def __init__(self, store: IMessageStore, recipients: Sequence[Recipient]) -> None:
        """Use Delivery.begin()."""
        self._store = store
        self._recipients = recipients
        self._accounts: dict[str, IAccount] = {}
        self._draft: IDraft | None = None
        self._refused: dict[str, StoreError] = {}
        self.failed: StoreError | None = None
        """Why nobody will get the message, once that is clear."""

    async def open(self, mailbox: str) -> None:
        """Make the draft, with the first recipient whose account allows it."""
        for recipient in self._recipients:
            name = recipient.user.name
            if name in self._refused:
                continue
            try:
                account = await self._account(recipient.user)
                self._draft = await account.draft(mailbox)
                return
            except StoreError as error:
                self._refused[name] = error
        self.failed = next(iter(self._refused.values()), Unavailable("No recipients."))

    async def write(self, data: bytes) -> None:
        """Add octets; does nothing once the message has failed."""
        if self.failed is not None or self._draft is None:
            return
        try:
            wait = self._draft.write(data)
            if wait is not None:
                await wait
        except StoreError as error:
            self.fail(error)

    def fail(self, error: StoreError) -> None:
        """Give the message up for all recipients; what was written is thrown away at once."""
        if self.failed is None:
            self.failed = error
        if self._draft is not None:
            self._draft.discard()

    async def deliver(self) -> list[Outcome]:
        """Deliver to each recipient; return their outcomes in order."""
        outcomes: list[Outcome] = []
        for recipient in self._recipients:
            outcomes.append(await self._deliver_to(recipient))  # noqa: PERF401
        return outcomes

    async def _deliver_to(self, recipient: Recipient) -> Outcome:
        refused = self._refused.get(recipient.user.name) or self.failed
        if refused is not None:
            return refused
        try:
            account = await self._account(recipient.user)
            return await account.append(INBOX, [Addition(self._draft)])
        except StoreError as error:
            return error
        except Exception:
            # A mistake of ours: the sender keeps the message and tries again.
            self.log.failure("delivery to {user} failed", user=recipient.user.name)
            return Unavailable("Internal error.")

    async def _account(self, user: UserEntry) -> IAccount:
        account = self._accounts.get(user.name)
        if account is None:
            account = self._accounts[user.name] = await self._store.account(user)
        return account

    def close(self) -> None:
        """Let go of accounts and draft. Idempotent."""
        if self._draft is not None:
            self._draft.discard()
            self._draft = None
        for account in self._accounts.values():
            account.release()
        self._accounts.clear()


FROM = b"From "
LONGEST_FROM = 4096
"""A first line "From ..." longer than this is content."""


def without_from_line(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return chunks without the line "From sender date" that mbox and some senders put in front (RFC 4155)."""
    head: bytes | None = b""
    for chunk in chunks:
        if head is None:
            yield chunk
            continue
        head += chunk
        if head[: len(FROM)] == FROM[: len(head)] and b"\n" not in head and len(head) < LONGEST_FROM:
            continue
        yield _headless(head)
        head = None
    if head:
        yield _headless(head)


def _headless(head: bytes) -> bytes:
    line, end, rest = head.partition(b"\n")
    return rest if end and line.startswith(FROM) else head
