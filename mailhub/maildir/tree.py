"""The mailboxes of an account on the disk: listing, making, deleting and renaming them.

All of it blocks and runs in threads; account.py sees to it that no two changes run at once. Other programs do
the same in the same place: changes are made under Dovecot's lock of the list, and a listing is only trusted while the
directories it came from are unchanged.

A new mailbox is complete, with its UIDVALIDITY, before anybody is told of it. A deleted one is first renamed to a name
that no listing shows, so that it vanishes at once and whole, and then removed; what a crash leaves is removed later.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from mailhub.maildir.disk import Disk
from mailhub.maildir.dotlock import DotLock
from mailhub.maildir.layout import PARTS, Found, Layout
from mailhub.maildir.listlock import ListLock, remove_temporary
from mailhub.maildir.means import Place
from mailhub.maildir.specialuse import SpecialUse
from mailhub.maildir.uidlist import UidListFile, new_uidlist
from mailhub.maildir.uidvalidity import next_uidvalidity
from mailhub.store.errors import (
    BadMailboxName,
    HasChildren,
    MailboxExists,
    NoSuchMailbox,
    NotAllowed,
    StoreError,
    TooMany,
)
from mailhub.store.model import MailboxInfo
from mailhub.store.names import INBOX

FOLDER_MARK = b"maildirfolder"
TRASH_SECONDS = 3600.0
"""Age after which trash is what a crash left, not what another program is about to remove."""

SETTLE_NS = 1_000_000_000
"""A directory changed so lately may change again without a new modification time."""


class Tree:
    """The mailbox list of one account.

    limit: most mailboxes. lock_seconds: how long to wait for a lock. control: root of a tree of its own for uidlists
    and the like, where the mail location says so; index: the same for indexes, where the list is locked then."""

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        limit: int,
        lock_seconds: float,
        control: bytes | None = None,
        index: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.disk = disk
        self.layout = layout
        self.control = control
        self.index = index
        self.special_use = SpecialUse(disk, control or layout.root, layout)
        self._limit = limit
        self._lock_seconds = lock_seconds
        self._clock = clock
        # A listing runs beside changes, and scan() is not for two threads at once.
        self._scanning = threading.Lock()
        self._listed: Mapping[str, Found] = {}
        self._version: tuple[int, ...] | None = None
        self._shown: Sequence[MailboxInfo] = ()
        self._shown_from: object = None

    def prepare(self) -> None:
        """Make INBOX and the directories of the account, as far as they are missing. Raises OSError."""
        for directory in (self.layout.root, self.layout.inbox, self.control, self.index):
            if directory is not None and not os.path.isdir(directory):
                self.disk.makedirs(directory)
        self._complete(self.layout.inbox)

    def place(self, name: str) -> Place:
        """Return where mailbox `name` (canonical) lies or would lie."""
        directory = self.layout.directory(name)
        if self.control is None:
            return Place(directory, directory)
        return Place(directory, self.layout.directory(name, self.control))

    def lock(self) -> ListLock:
        """Return the lock under which create(), delete() and rename() are called."""
        return ListLock(self.disk, self.index or self.layout.root, self._lock_seconds)

    def next_uidvalidity(self) -> int:
        """Take a UIDVALIDITY from the account's counter. Raises OSError, Busy."""
        return next_uidvalidity(self.disk, self.control or self.layout.root, self._clock)

    def mailboxes(self) -> Sequence[MailboxInfo]:
        """Return all mailboxes and levels, INBOX first, then by name. Raises OSError."""
        found, uses = self.listing(), self.special_use.uses()
        if (found, uses) != self._shown_from:
            names = sorted({INBOX, *found}, key=lambda name: (name != INBOX, name))
            self._shown = [_info(name, found.get(name, Found(True)), uses) for name in names]
            self._shown_from = (found, uses)
        return self._shown

    def listing(self) -> Mapping[str, Found]:
        """Return all mailboxes and levels that the disk has. Raises OSError."""
        with self._scanning:
            if not os.path.isdir(self.layout.root):
                self.prepare()
            version = self.layout.changed()
            if not self._listed or version != self._version:
                began = time.time_ns()
                self._remove_old_trash()
                self._listed = self.layout.scan()
                after = self.layout.changed()
                # What changed lately is looked at again the next time.
                self._version = after if max(after, default=began) < began - SETTLE_NS else None
            return self._listed

    def _scan(self) -> Mapping[str, Found]:
        with self._scanning:
            return self.layout.scan()

    def open(self, name: str) -> Place:
        """Return where mailbox `name` (canonical) lies, completed if parts of it are missing.

        Raises NoSuchMailbox, OSError."""
        place = self.place(name)
        if name == INBOX:
            self.prepare()  # also where the whole account was removed
        elif not self.layout.is_mailbox(place.directory):
            raise NoSuchMailbox(f"Mailbox doesn't exist: {name}")
        self._complete(place.directory)
        if not os.path.isdir(place.control):
            self.disk.makedirs(place.control)
        return place

    def create(self, name: str, level_only: bool = False, special_use: frozenset[str] = frozenset()) -> MailboxInfo:
        """Make mailbox `name` (canonical). `level_only` makes just a level where the layout has such.

        Raises MailboxExists, TooMany, Busy, OSError."""
        place = self.place(name)
        if name == INBOX or self.layout.is_mailbox(place.directory):
            raise MailboxExists("Mailbox already exists")
        found = self._scan()
        if sum(each.selectable for each in found.values()) >= self._limit:
            raise TooMany("Maximum number of mailboxes reached")
        if level_only and not self.layout.marks_folders:
            if name in found:
                raise MailboxExists("Mailbox already exists")
            self.disk.makedirs(place.directory)
            self._sync_above(place.directory)
            return _info(name, Found(False), {})
        try:
            self._make(place)
            self.special_use.set(name, special_use)
        except (OSError, StoreError):
            self._unmake(place, name in found)
            raise
        return _info(name, Found(True), self.special_use.uses())

    def _unmake(self, place: Place, level: bool) -> None:
        """Remove what was made of a mailbox, as far as the disk lets us; a level of fs holds other mailboxes."""
        if not self.layout.marks_folders and level:
            return
        for directory in {place.directory, place.control}:
            try:
                self.disk.remove_tree(directory)
            except OSError:
                pass

    def _make(self, place: Place) -> None:
        self.disk.makedirs(place.directory)
        if self.layout.marks_folders:
            os.close(self.disk.overwrite(os.path.join(place.directory, FOLDER_MARK)))
        if not os.path.isdir(place.control):
            self.disk.makedirs(place.control)
        self._write_uidlist(place)
        self._complete(place.directory)
        self._sync_above(place.directory)

    def delete(self, name: str) -> None:
        """Remove mailbox `name` (canonical) and its mail, or a level of fs that is empty.

        Raises NoSuchMailbox, NotAllowed, HasChildren, OSError."""
        if name == INBOX:
            raise NotAllowed("INBOX can't be deleted")
        place = self.place(name)
        if not self.layout.is_mailbox(place.directory):
            self._delete_level(name, place.directory)
            return
        self.special_use.set(name, frozenset())
        self._discard(place.directory, self.layout.root)
        if self.control is not None and os.path.isdir(place.control):
            self._discard(place.control, self.control)

    def renames(self, old: str, new: str) -> list[tuple[str, str]]:
        """Return what renaming `old` to `new` (both canonical) renames: the mailbox and its inferiors, from the top.

        Raises NoSuchMailbox, MailboxExists, BadMailboxName, OSError."""
        delimiter = self.layout.delimiter
        found = self._scan()
        moved = sorted(
            name
            for name, each in found.items()
            if (name == old or name.startswith(old + delimiter)) and (each.selectable or each.exists)
        )
        if not moved:
            raise NoSuchMailbox(f"Mailbox doesn't exist: {old}")
        if new in (old, INBOX) or self.layout.is_mailbox(self.place(new).directory):
            raise MailboxExists("Target mailbox already exists")
        if new.startswith(old + delimiter):
            raise BadMailboxName("Can't rename mailbox under its own child")
        pairs = [(name, self.layout.checked_new(new + name[len(old) :])) for name in moved]
        taken = [each for _, each in pairs if each in found and found[each].exists]
        if taken:
            raise MailboxExists("Target mailbox already exists")
        return pairs

    def rename(self, old: str, new: str) -> None:
        """Rename one mailbox (Maildir++), or one with all below it (fs). Raises OSError, MailboxExists."""
        before, after = self.place(old), self.place(new)
        self._move(before.directory, after.directory)
        if before.control != before.directory and os.path.isdir(before.control):
            self._move(before.control, after.control)
        self.special_use.renamed(old, new)

    def _move(self, old: bytes, new: bytes) -> None:
        if os.path.lexists(new):
            raise MailboxExists("Target mailbox already exists")
        above = os.path.dirname(new)
        if not os.path.isdir(above):
            self.disk.makedirs(above)
        self.disk.rename(old, new)
        self.disk.sync_directory(above)
        left = os.path.dirname(old)
        if left != above:
            self.disk.sync_directory(left)
        # Levels of fs that held nothing else go, as with Dovecot.
        while left not in (self.layout.root, self.control) and not os.listdir(left):
            self.disk.rmdir(left)
            left = os.path.dirname(left)

    def _complete(self, directory: bytes) -> None:
        """Make what is missing of cur/, new/ and tmp/."""
        missing = [part for part in PARTS if not os.path.isdir(os.path.join(directory, part))]
        for part in missing:
            try:
                self.disk.mkdir(os.path.join(directory, part))
            except FileExistsError:
                pass
        if missing:
            self.disk.sync_directory(directory)

    def _write_uidlist(self, place: Place) -> None:
        file = UidListFile(self.disk, place.control)
        with DotLock(self.disk, file.path, self._lock_seconds):
            if not os.path.exists(file.path):
                file.rewrite(new_uidlist(self.next_uidvalidity()))

    def _sync_above(self, directory: bytes) -> None:
        """Make the directory durable, and those above it up to the root (fs may have made several)."""
        while directory not in (self.layout.root, b"/"):
            directory = os.path.dirname(directory)
            self.disk.sync_directory(directory)

    def _delete_level(self, name: str, directory: bytes) -> None:
        if any(other.startswith(name + self.layout.delimiter) for other in self._scan()):
            raise HasChildren("Mailbox has children, delete them first")
        if not os.path.isdir(directory):
            raise NoSuchMailbox(f"Mailbox doesn't exist: {name}")
        self.disk.rmdir(directory)

    def _discard(self, directory: bytes, root: bytes) -> None:
        """Take a mailbox directory below `root` away at once, then remove it; with fs, those of inferiors stay."""
        above = os.path.dirname(directory)
        trash = os.path.join(root, self.layout.trash)
        self.disk.remove_tree(trash)
        inferiors = [] if self.layout.marks_folders else _inferiors(directory)
        if inferiors:
            self.disk.mkdir(trash)
            for name in sorted(set(os.listdir(directory)) - set(inferiors), key=lambda name: name != b"cur"):
                self.disk.rename(os.path.join(directory, name), os.path.join(trash, name))
            self.disk.sync_directory(directory)
        else:
            self.disk.rename(directory, trash)
        self.disk.sync_directory(above)
        self.disk.remove_tree(trash)

    def _remove_old_trash(self) -> None:
        old = self._clock() - TRASH_SECONDS
        trash = os.path.join(self.layout.root, self.layout.trash)
        try:
            if os.stat(trash).st_ctime < old:
                self.disk.remove_tree(trash)
        except FileNotFoundError:
            pass
        remove_temporary(self.index or self.layout.root, old)


def _info(name: str, found: Found, uses: Mapping[str, frozenset[str]]) -> MailboxInfo:
    return MailboxInfo(
        name,
        selectable=found.selectable,
        exists=found.exists,
        special_use=uses.get(name, frozenset()) if found.selectable else frozenset(),
    )


def _inferiors(directory: bytes) -> list[bytes]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.name not in PARTS and entry.is_dir()]
