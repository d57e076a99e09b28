"""The maildrop: the INBOX as one POP3 session sees it (RFC 1939 sections 4 to 6).

Its messages and their numbers are those of the moment of login; what others add, flag or expunge meanwhile does not
show. DELE leaves a mark in memory, which QUIT turns into one expunge; a session that ends otherwise removes nothing.
Several sessions may have the same INBOX open, each with a maildrop of its own, as Dovecot has it by default; a
message that another one removed is then simply not there to be read.

RETR is to set \\Seen. A commit for each would cost more than the reading, so the messages read are noted and
flagged in one change when the session ends, however it ends. Dovecot does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zope.interface import implementer

from mailhub.config.settings import Pop3Settings
from mailhub.pop3.errors import InUse, Refused
from mailhub.store.changes import ChangeBatch, MailboxLost
from mailhub.store.interfaces import IAccount, IChangeListener, IMailbox, IMessageBody
from mailhub.store.model import SEEN, FlagEdit, FlagOp, MailboxId, Snapshot, Uid, Wanted

ROWS = 4096
"""Rows of LIST and UIDL made at a time."""

AHEAD = 64
"""Most messages opened ahead of a client that reads them in order; the store's read budget bounds their octets."""


@implementer(IChangeListener)
class _Holding:
    """Holds the mailbox open; a maildrop does not follow what happens to it."""

    def mailboxChanged(self, batch: ChangeBatch) -> None:
        pass

    def mailboxLost(self, news: MailboxLost) -> None:
        pass


class Maildrop:
    """One session's INBOX. Message numbers count from 1."""

    def __init__(
        self, mailbox: IMailbox, snapshot: Snapshot, uids: Sequence[Uid], sizes: Sequence[int], settings: Pop3Settings
    ) -> None:
        """Use open_maildrop(). `sizes` runs parallel to `uids`: octets with CRLF."""
        self._mailbox = mailbox
        self._snapshot = snapshot
        self._uids = uids
        self._sizes = sizes
        self._settings = settings
        self._deleted: set[int] = set()
        self._read: set[int] = set()
        self._holding = _Holding()
        self._opened: dict[int, IMessageBody | None] = {}
        self._last_opened = 0
        self._ahead = 1
        self.octets = sum(sizes)
        """Octets of all messages that are not marked as deleted."""
        self.locked: MailboxId = snapshot.mailbox_id
        mailbox.subscribe(self._holding)

    def __len__(self) -> int:
        """Return how many messages are not marked as deleted."""
        return len(self._uids) - len(self._deleted)

    @property
    def marked(self) -> int:
        """How many messages are marked as deleted."""
        return len(self._deleted)

    def check(self, number: int) -> int:
        """Return `number` if it is a message that is not marked as deleted. Raises Refused."""
        if not 1 <= number <= len(self._uids):
            raise Refused(f"There's no message {number}.")
        if number in self._deleted:
            raise Refused("Message is deleted.")
        return number

    def size(self, number: int) -> int:
        """Return the octets of a checked message."""
        return self._sizes[number - 1]

    def unique_id(self, number: int) -> str:
        """Return the UIDL of a checked message: it derives from UID and UIDVALIDITY, so it stays as long as the
        message stays (RFC 1939 section 7)."""
        return self._settings.uidl_format % (self._uids[number - 1], self._snapshot.uidvalidity)

    def sizes(self) -> Iterator[bytes]:
        """Return the rows of LIST, some thousands at a time."""
        gone = self._deleted
        for start in range(0, len(self._sizes), ROWS):
            rows = enumerate(self._sizes[start : start + ROWS], start + 1)
            yield "".join([f"{number} {size}\r\n" for number, size in rows if number not in gone]).encode("ascii")

    def unique_ids(self) -> Iterator[bytes]:
        """Return the rows of UIDL, some thousands at a time."""
        gone = self._deleted
        validity = self._snapshot.uidvalidity
        row = f"%d {self._settings.uidl_format}\r\n"
        for start in range(0, len(self._uids), ROWS):
            rows = enumerate(self._uids[start : start + ROWS], start + 1)
            yield "".join([row % (number, uid, validity) for number, uid in rows if number not in gone]).encode()

    def mark(self, number: int) -> None:
        """Mark a checked message as deleted."""
        self._deleted.add(number)
        self.octets -= self._sizes[number - 1]

    def unmark(self) -> None:
        """Take all marks away."""
        self.octets += sum(self._sizes[number - 1] for number in self._deleted)
        self._deleted.clear()

    def note_read(self, number: int) -> None:
        """Remember that a message was read, so that it becomes \\Seen."""
        self._read.add(number)

    async def body(self, number: int) -> IMessageBody:
        """Return a checked message; whoever asks closes it.

        A client that reads one message after the other finds the next ones already open.
        Raises Refused if another session has removed it, and StoreError."""
        if number not in self._opened:
            self._forget_opened()
            self._ahead = min(self._ahead * 4, AHEAD) if number == self._last_opened + 1 else 1
            wanted: list[int] = []
            for following in range(number, len(self._uids) + 1):
                if following not in self._deleted:
                    wanted.append(following)
                    if len(wanted) == self._ahead:
                        break
            bodies = await self._mailbox.bodies([self._uids[one - 1] for one in wanted])
            self._opened.update(zip(wanted, bodies, strict=False))
        self._last_opened = number
        body = self._opened.pop(number, None)
        if body is None:
            raise Refused(f"Message {number} expunged.")
        return body

    async def update(self) -> int:
        """Enter the UPDATE state (RFC 1939 section 6): flag what was read, remove what was marked; return how many
        messages were marked. Raises StoreError."""
        await self._flag()
        deleted = sorted(self._deleted)
        if deleted:
            await self._mailbox.expunge([self._uids[number - 1] for number in deleted])
        return len(deleted)

    async def close(self) -> None:
        """Let go, without removing anything; flags what was read. Raises StoreError for that, having let go."""
        self._forget_opened()
        try:
            self._deleted.clear()
            await self._flag()
        finally:
            self._mailbox.unsubscribe(self._holding)

    async def _flag(self) -> None:
        read, self._read = sorted(self._read - self._deleted), set()
        if not (self._settings.mark_seen and read) or self._mailbox.read_only:
            return
        unseen = [self._uids[number - 1] for number in read]
        unseen = [uid for uid in unseen if SEEN not in (self._snapshot.flags(uid) or ())]
        if unseen:
            await self._mailbox.change([FlagEdit(unseen, FlagOp.ADD, frozenset({SEEN}))])

    def _forget_opened(self) -> None:
        for body in self._opened.values():
            if body is not None:
                body.close()
        self._opened.clear()


async def open_maildrop(account: IAccount, settings: Pop3Settings, locks: set[MailboxId]) -> Maildrop:
    """Open the INBOX of `account` for a session.

    locks: the maildrops that are locked now; with settings.lock_session this one is added, and whoever closes it
    takes it away. Raises InUse, StoreError."""
    mailbox = await account.open("INBOX")
    snapshot = mailbox.snapshot
    if settings.lock_session:
        if snapshot.mailbox_id in locks:
            raise InUse
        locks.add(snapshot.mailbox_id)
    try:
        if settings.mark_seen and not mailbox.read_only and snapshot.recent_from < snapshot.uidnext:
            # Somebody has seen the mail now: it is no longer \Recent for IMAP, as with Dovecot.
            await mailbox.claim_recent(snapshot.uidnext)
        found = await mailbox.read([Uid(uid) for uid in snapshot.uids], Wanted(sizes=True))
    except BaseException:
        if settings.lock_session:
            locks.discard(snapshot.mailbox_id)
        raise
    return Maildrop(mailbox, snapshot, found.uids, found.sizes, settings)
