"""The contract of a message store, on one page.

Protocol packages see stores only through these interfaces. Every method that may touch a disk returns a
Deferred, fired on the reactor thread; errors are those of mailhub.store.errors. Methods are
set-oriented: a protocol asks once for many messages. All run on the reactor thread.

A write is durable, then published to listeners, then its Deferred fires (design laws 1 and 2). Cancelling
a Deferred only stops the waiting: the write itself goes on (law 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from mailhub.store.changes import AccountChange, ChangeBatch, MailboxLost
from mailhub.store.model import (
    Addition,
    Appended,
    Copied,
    FlagEdit,
    FlagOutcome,
    MailboxInfo,
    MailboxStatus,
    Namespace,
    Records,
    Snapshot,
    Uid,
    UserEntry,
    Wanted,
)
from mailhub.store.query import Query


class IChangeListener(Interface):
    """Is told what happens to one mailbox."""

    def mailboxChanged(batch: ChangeBatch) -> None:
        """A commit happened. Called on the reactor thread while the mailbox's lane is held: note it and
        return; never call the store from here. A listener that raises is logged and unsubscribed."""

    def mailboxLost(news: MailboxLost) -> None:
        """The mailbox is no more; nothing follows."""


class IAccountListener(Interface):
    """Is told what happens to the mailbox list of an account."""

    def accountChanged(change: AccountChange) -> None:
        """Called on the reactor thread; the same rules as IChangeListener.mailboxChanged."""


class IMessageBody(Interface):
    """The octets of one message, with CRLF line ends whatever the disk has."""

    uid: Uid = Attribute("The message's UID.")
    size: int = Attribute("Octets; agrees with RFC822.SIZE and with what read() gives.")
    whole: bytes | None = Attribute("All octets if the message is small enough to be at hand, else None.")

    def read(offset: int, length: int) -> Deferred[bytes]:
        """Return `length` octets from `offset`; fewer only at the end. Ask for at most 1 MiB at a time;
        asking in ascending order is cheapest.

        Raises MessageGone if the file vanished before it was opened, Unavailable on a disk error."""

    def facts(wanted: Sequence[object]) -> Deferred[Sequence[bytes]]:
        """Compute mailhub.message.facts.Fact values for this message, also uncached ones."""

    def close() -> None:
        """Let go of the file. Idempotent."""


class IDraft(Interface):
    """A message on its way in. Small drafts stay in memory, larger ones go to the disk as they come."""

    size: int = Attribute("Octets so far, counted with CRLF line ends.")

    def write(data: bytes) -> Deferred[None] | None:
        """Add octets. If a Deferred comes back, wait for it before the next write.

        Raises TooBig over the store's limit, OverQuota if the disk is full, Unavailable."""

    def discard() -> None:
        """Throw the draft away. Idempotent; a draft that was appended is left alone."""


class IMailbox(Interface):
    """An open mailbox. One object a process and mailbox, shared by all its sessions."""

    name: str = Attribute("The full name now (a rename changes it).")
    snapshot: Snapshot = Attribute("The latest known state.")
    read_only: bool = Attribute("True if nobody can change the mailbox (permissions).")

    def refresh() -> Deferred[Snapshot]:
        """Look whether another process changed the mailbox; publish what it did. Cheap when nothing did.

        Raises MailboxGone, Unavailable."""

    def subscribe(listener: IChangeListener) -> None:
        """Tell `listener` of every later commit. Holds the mailbox open."""

    def unsubscribe(listener: IChangeListener) -> None:
        """Stop that. Idempotent. A mailbox nobody listens to may be closed, kept under the memory
        budget."""

    def claim_recent(below: Uid) -> Deferred[Uid]:
        """Claim \\Recent for messages below UID `below` (usually uidnext); return the first UID claimed,
        or `below` if another session has them all. Each message is given to exactly one caller. A Maildir
        also moves them from new/ to cur/. (RFC 3501 section 2.3.2)"""

    def read(uids: Sequence[Uid], wanted: Wanted) -> Deferred[Records]:
        """Find sizes, dates and facts of some messages, in the order of `uids`. Any number may be asked
        for; the store works in batches and yields between them, but what it returns is held in memory:
        callers ask for at most 512 at a time where facts are wanted.

        Messages that are gone are told in Records.gone, never raised. A message that cannot be read gives
        the facts of an empty message and is logged once."""

    def bodies(uids: Sequence[Uid]) -> Deferred[Sequence[IMessageBody | None]]:
        """Open the first messages of `uids`: at least one, and as many as the store's read budget (about
        1 MiB in all, or 64) allows; the result is as long as what was opened. None stands for a message that
        is gone or cannot be read (logged once)."""

    def change(edits: Sequence[FlagEdit], origin: object = None) -> Deferred[Sequence[FlagOutcome]]:
        """Change flags; one outcome an edit, in order. Each edit that changes anything takes one modseq.
        Several edits in one call cost one commit.

        Raises ReadOnly, TooMany (keywords), Busy, OverQuota, Unavailable, MailboxGone."""

    def expunge(uids: Sequence[Uid], origin: object = None) -> Deferred[Sequence[Uid]]:
        """Remove these messages, whatever their flags; return those removed. Raises as change()."""

    def copy(uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        """Copy messages with flags, keywords and internal date to mailbox `target` of the same account,
        all or none of those that still exist (RFC 3501 section 6.4.7).

        Raises NoSuchMailbox (target), OverQuota, TooMany, Busy, ReadOnly, Unavailable."""

    def move(uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        """As copy(), then expunge the sources; each message is at all times in at least one of the two
        (RFC 6851 section 3.3)."""

    def search(query: Query, within: Snapshot) -> Deferred[Sequence[Uid]]:
        """Return the messages of `within` that match, ascending. Messages gone since then do not match keys
        that need their content."""


class IAccount(Interface):
    """One user's mail."""

    user: UserEntry = Attribute("Whose it is.")
    namespaces: Sequence[Namespace] = Attribute("Personal namespaces, the one with the inbox first.")

    def mailboxes() -> Deferred[Sequence[MailboxInfo]]:
        """List all mailboxes and the levels between them that do not exist, INBOX first, then by name."""

    def subscriptions() -> Deferred[Sequence[str]]:
        """List subscribed names, whether their mailboxes exist or not."""

    def subscribe(name: str) -> Deferred[None]:
        """Raises NoSuchMailbox if there is no such mailbox, BadMailboxName, TooMany."""

    def unsubscribe(name: str) -> Deferred[None]:
        """Unsubscribing from what is not subscribed is no error."""

    def create(name: str, special_use: frozenset[str] = frozenset()) -> Deferred[MailboxInfo]:
        """Make a mailbox; levels above it appear by themselves. A delimiter at the end of the name is dropped: the
        mailbox is made all the same (RFC 3501 section 6.3.3, and what Dovecot does with Maildir++).

        Raises MailboxExists, BadMailboxName, TooMany, OverQuota, Unavailable."""

    def delete(name: str) -> Deferred[None]:
        """Remove a mailbox and its mail; inferiors stay. Sessions that have it open get mailboxLost.

        Raises NoSuchMailbox, NotAllowed (INBOX), HasChildren (a level that holds only inferiors)."""

    def rename(old: str, new: str) -> Deferred[None]:
        """Rename with inferiors, UIDs and UIDVALIDITY kept; renaming INBOX moves its messages to a new
        mailbox `new` and leaves INBOX empty (RFC 3501 section 6.3.5).

        Raises NoSuchMailbox, MailboxExists, BadMailboxName, Unavailable."""

    def open(name: str) -> Deferred[IMailbox]:
        """Open a mailbox, synchronised with the disk. Raises NoSuchMailbox, BadMailboxName, Unavailable."""

    def status(name: str, size: bool = False) -> Deferred[MailboxStatus]:
        """Say how a mailbox stands, without claiming \\Recent. `size` asks for the sum of sizes too."""

    def draft(mailbox: str = "INBOX") -> Deferred[IDraft]:
        """Begin a message that will be appended to `mailbox`. Raises NoSuchMailbox, OverQuota."""

    def append(mailbox: str, additions: Sequence[Addition], origin: object = None) -> Deferred[Appended]:
        """Append messages, all or none (RFC 3502). Drafts of other accounts of the same store are taken too
        and may then be appended again (LMTP with several recipients); the store shares the file by hard link
        where it can. Drafts are discarded by whoever made them.

        Raises NoSuchMailbox, OverQuota, TooBig, TooMany, Busy, ReadOnly, Unavailable."""

    def listen(listener: IAccountListener) -> None:
        """Tell `listener` of changes to the mailbox list."""

    def unlisten(listener: IAccountListener) -> None:
        """Stop that. Idempotent."""

    def release() -> None:
        """The session is over; called once for each IMessageStore.account()."""


class IMessageStore(Interface):
    """All accounts."""

    def account(user: UserEntry) -> Deferred[IAccount]:
        """Open (and if need be create) the mail of a user; the same object for concurrent sessions of one
        user. Raises Unavailable."""

    def close() -> Deferred[None]:
        """Finish writes under way and let go of everything."""


class IUserDirectory(Interface):
    """Who has mail here, for delivery and for login."""

    def lookup(name: str) -> Deferred[UserEntry | None]:
        """Return the user, or None if nobody of that name has mail here. Raises Unavailable."""
