"""What happened to a mailbox or an account, as listeners are told.

A batch holds one commit. Listeners get batches in commit order, which is modseq order (design law 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from mailhub.store.model import ModSeq, Snapshot, Uid


@frozen(eq=False)
class Added:
    """Messages appeared; all UIDs are above those known before."""

    uids: Sequence[Uid]


@frozen(eq=False)
class Flagged:
    """Flags of messages changed; the new ones are in the batch's snapshot."""

    uids: Sequence[Uid]


@frozen(eq=False)
class Removed:
    """Messages were expunged."""

    uids: Sequence[Uid]


MailboxChange = Added | Flagged | Removed


@frozen(eq=False)
class ChangeBatch:
    """One commit on one mailbox."""

    snapshot: Snapshot
    """The mailbox after the commit."""
    changes: tuple[MailboxChange, ...]
    modseq: ModSeq
    origin: object = None
    """What the writer passed as `origin`; None for changes found on disk."""


@frozen
class MailboxLost:
    """The mailbox was deleted or cannot be served any more (UIDVALIDITY changed): the last news of it."""

    reason: str


@frozen
class MailboxCreated:
    name: str


@frozen
class MailboxDeleted:
    name: str


@frozen
class MailboxRenamed:
    old: str
    new: str


@frozen
class SubscriptionChanged:
    name: str
    subscribed: bool


AccountChange = MailboxCreated | MailboxDeleted | MailboxRenamed | SubscriptionChanged
