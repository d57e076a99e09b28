"""What the mailboxes of an account work with, given to each by its constructor (design law 10).

The seam between the account (which mailboxes there are) and a mailbox (what is in it):

    mailbox = MaildirMailbox(name, Place(directory, control), means)   # touches nothing
    mailbox.opened() -> Deferred[MaildirMailbox]   # first look at the disk; shared by all who wait
    mailbox.append(additions, origin) -> Deferred[Appended]
    mailbox.status(size) -> Deferred[MailboxStatus]
    mailbox.draft() -> IDraft
    mailbox.held -> bool                           # somebody listens, or work is under way: keep the object
    mailbox.renamed(name, place)                   # after the directory was renamed; run within mailbox.exclusively()
    mailbox.lose(reason)                           # it was deleted: tell those who have it open
    mailbox.exclusively(work, then) -> Deferred    # run work in a thread while nothing else changes the mailbox
    mailbox.close() -> Deferred[None]              # finish what is under way and let go of watches
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

from mailhub.concurrency.pool import IThreads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.disk import Disk
from mailhub.maildir.filenames import NameMaker
from mailhub.maildir.index import Index

if TYPE_CHECKING:
    from mailhub.maildir.mailbox import MaildirMailbox
    from mailhub.maildir.watch import Watcher


@frozen
class Place:
    """Where a mailbox lies."""

    directory: bytes
    """Holds cur, new and tmp."""
    control: bytes
    """Holds dovecot-uidlist and dovecot-keywords; the same directory unless CONTROL= says otherwise."""


@frozen(eq=False)
class Means:
    """What all mailboxes of an account share."""

    reactor: Any
    """IReactorTime; for timers and for pauses in long loops."""
    threads: IThreads
    disk: Disk
    index: Index
    """One an account."""
    names: NameMaker
    """One a process."""
    settings: StoreSettings
    find: Callable[[str], Deferred[MaildirMailbox]]
    """Open another mailbox of the account by name, as IAccount.open does: the target of a copy."""
    next_uidvalidity: Callable[[], int]
    """Take the UIDVALIDITY of a mailbox that has none; called in a thread."""
    watcher: Watcher | None = None
    """One a process; None where the reactor cannot watch files."""
    root: bytes = b""
    """The mail root, where maildirsize lies; empty if there is none to keep."""
    clock: Callable[[], float] = field(default=time.time)
    """Seconds since the epoch."""
