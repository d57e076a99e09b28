"""The values that cross between protocols and stores.

All are frozen. A mailbox is described by columns, not by one object a message: a client that
fetches the flags of 100,000 messages then costs one pass over three arrays. Sequence numbers do not
appear here; they belong to a session (RFC 3501 section 2.3.1.2).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, NewType

from attrs import Factory, field, frozen

from mailhub.message.facts import Fact

Uid = NewType("Uid", int)
"""A unique identifier, 1 to 2**32 - 2 (RFC 3501 section 2.3.1.1)."""

ModSeq = NewType("ModSeq", int)
"""A modification sequence, 63 bit; here microseconds since the epoch or more (RFC 7162)."""

MailboxId = NewType("MailboxId", str)
"""Names a mailbox over renames: 32 lowercase hex digits, the GUID of Dovecot's uidlist header."""

Flags = frozenset[str]
"""Flags of one message. System flags are spelled as in SYSTEM_FLAGS; a keyword as it was first
stored in its mailbox (keywords compare without case, RFC 3501 section 2.3.2). Never holds \\Recent."""

ANSWERED, FLAGGED, DELETED, SEEN, DRAFT = (
    "\\Answered",
    "\\Flagged",
    "\\Deleted",
    "\\Seen",
    "\\Draft",
)
SYSTEM_FLAGS: tuple[str, ...] = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)
"""In the order in which Dovecot lists them."""

NO_FLAGS: Flags = frozenset()


@frozen(eq=False)
class Snapshot:
    """A mailbox at one moment. Immutable: a thread or a session may hold it as long as it likes.

    uids, flag_numbers and modseqs run parallel, ascending by UID; flag_numbers index flag_sets,
    which snapshots of one mailbox share and which only grows.
    """

    mailbox_id: MailboxId
    uidvalidity: int
    uidnext: Uid
    highest_modseq: ModSeq
    recent_from: Uid
    """Messages from this UID on have been claimed by no session as \\Recent."""
    uids: array[int]
    flag_numbers: array[int]
    modseqs: array[int]
    flag_sets: Sequence[Flags]
    keywords: tuple[str, ...]
    """Every keyword the mailbox knows, in the order of its creation."""
    more_keywords: bool = True
    """Whether a client may create further keywords (PERMANENTFLAGS \\*)."""
    derived: dict[Hashable, Any] = field(default=Factory(dict), repr=False)
    """Room for what readers compute from content alone (sort orders, threads): handed on to the next
    snapshot while no message is added or removed, so never keep there what depends on flags."""

    def __len__(self) -> int:
        return len(self.uids)

    def index(self, uid: int) -> int | None:
        """Return the 0-based position of `uid`, or None if it is not here."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def flags(self, uid: int) -> Flags | None:
        """Return the flags of message `uid`, or None if it is not here."""
        at = self.index(uid)
        return None if at is None else self.flag_sets[self.flag_numbers[at]]


class FlagOp(Enum):
    """What a FlagEdit does with its flags."""

    ADD = "+"
    REMOVE = "-"
    REPLACE = "="


@frozen
class FlagEdit:
    """One STORE: the same operation on the flags of some messages."""

    uids: Sequence[Uid]
    """Ascending."""
    op: FlagOp
    flags: Flags
    unchanged_since: ModSeq | None = None
    """If given, messages with a later modseq are left alone (RFC 7162 section 3.1.3)."""


@frozen
class FlagOutcome:
    """What one FlagEdit did."""

    changed: Sequence[Uid]
    """Messages whose flags now differ from before."""
    modified: Sequence[Uid] = ()
    """Messages left alone because of unchanged_since."""
    gone: Sequence[Uid] = ()
    """Messages that are no longer in the mailbox."""
    modseq: ModSeq | None = None
    """The modseq that all of `changed` took, or None if nothing changed."""


@frozen(eq=False)
class Wanted:
    """What IMailbox.read shall find for each message."""

    sizes: bool = False
    """RFC822.SIZE: octets with CRLF line ends."""
    dates: bool = False
    """INTERNALDATE: seconds since the epoch, UTC."""
    save_dates: bool = False
    """When the message came into this mailbox: seconds since the epoch (RFC 8514)."""
    facts: tuple[Fact, ...] = ()


@frozen(eq=False)
class Records:
    """What IMailbox.read found: columns parallel to `uids`; a column not asked for is empty."""

    uids: Sequence[Uid]
    """The messages asked for, in the order asked, without those that are gone."""
    sizes: Sequence[int] = ()
    dates: Sequence[int] = ()
    save_dates: Sequence[int] = ()
    facts: tuple[Sequence[bytes], ...] = ()
    """One column a fact, in the order of Wanted.facts."""
    gone: Sequence[Uid] = ()


@frozen(eq=False)
class Addition:
    """A message to append: a finished draft with its flags and date."""

    draft: Any
    """An IDraft; used up by the append, whether that succeeds or fails."""
    flags: Flags = NO_FLAGS
    internal_date: int | None = None
    """Seconds since the epoch; None for now."""


@frozen
class Appended:
    """Where appended messages went (RFC 4315 APPENDUID)."""

    uidvalidity: int
    uids: Sequence[Uid]
    """In the order of the additions."""


@frozen
class Copied:
    """Where copied or moved messages went (RFC 4315 COPYUID). sources and targets run parallel."""

    uidvalidity: int
    sources: Sequence[Uid]
    targets: Sequence[Uid]


@frozen
class Namespace:
    """RFC 2342. `prefix` ends with the delimiter or is empty."""

    prefix: str
    delimiter: str


@frozen
class MailboxInfo:
    """A row of a mailbox list."""

    name: str
    """Full name in Unicode, levels joined by the account's delimiter; the inbox is "INBOX"."""
    selectable: bool = True
    """False: only a level of the hierarchy (\\Noselect; \\NonExistent where `exists` is False)."""
    exists: bool = True
    inferiors: bool = True
    """False: no mailbox can be made below it (\\Noinferiors)."""
    special_use: frozenset[str] = frozenset()
    """Such as "\\Sent" (RFC 6154)."""


@frozen
class MailboxStatus:
    """What STATUS can say (RFC 3501 section 6.3.10, 7162, 8438, 8474)."""

    mailbox_id: MailboxId
    uidvalidity: int
    uidnext: Uid
    messages: int
    recent: int
    unseen: int
    deleted: int
    highest_modseq: ModSeq
    size: int | None = None
    """Sum of RFC822.SIZE; None unless it was asked for."""


@frozen
class UserEntry:
    """A user as the user database knows them."""

    name: str
    """After normalisation; the name under which mail is kept."""
    home: str | None = None
    mail: str | None = None
    """Mail location of this user (userdb_mail), in place of the configured template."""
    extra: Mapping[str, str] = field(default=Factory(dict))
    """Further userdb fields, without the "userdb_" prefix."""
