"""What can go wrong in a store, in no protocol's words.

Each protocol package has one exhaustive map from these to its own answers. The message of an error is
for people: it may be shown to a client, so it never holds a path or a secret.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all that a store raises on purpose."""


class NoSuchMailbox(StoreError):
    """The mailbox does not exist, or is only a level of the hierarchy."""


class MailboxExists(StoreError):
    """A mailbox of that name exists already."""


class HasChildren(StoreError):
    """What was asked needs a mailbox without inferiors (RFC 3501 section 6.3.4)."""


class BadMailboxName(StoreError):
    """The name can never be a mailbox here."""


class MailboxGone(StoreError):
    """The mailbox was deleted, or its UIDVALIDITY changed, while it was open."""


class MessageGone(StoreError):
    """The message was expunged."""


class NoSuchUser(StoreError):
    """Nobody of that name has mail here."""


class OverQuota(StoreError):
    """The account, or the disk, has no room."""


class TooBig(StoreError):
    """A message is larger than this server takes."""


class TooMany(StoreError):
    """A limit on the number of things (mailboxes, keywords, subscriptions) is reached."""


class ReadOnly(StoreError):
    """The mailbox cannot be changed."""


class Busy(StoreError):
    """Another process holds a lock for longer than we wait."""


class NotAllowed(StoreError):
    """The user lacks the right."""


class Damaged(StoreError):
    """A message or a file of the store cannot be read."""


class Unavailable(StoreError):
    """The disk or another means fails at the moment; a later try may succeed."""
