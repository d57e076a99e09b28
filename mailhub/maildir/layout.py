"""Where mailboxes lie on the disk: Maildir++ (`.A.B` beside each other) or fs (`A/B` within each other).

    Maildir++   root/{cur,new,tmp} is INBOX     root/.Work.Projects/{cur,new,tmp}
    fs          root/{cur,new,tmp} is INBOX     root/Work/Projects/{cur,new,tmp}

Names have the account's delimiter, which need not be the disk's separator; a level that has the disk's separator in it
could not be told from two levels and is refused. A level of Maildir++ exists only in the names of mailboxes below it;
in fs it is a directory without cur/.

Listing is one directory scan in Maildir++, and one a directory in fs. Nothing is opened, and types come from the
directory entries: 5,000 mailboxes take some milliseconds.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from attrs import frozen

from mailhub.maildir.names import LevelCodec
from mailhub.store.errors import BadMailboxName
from mailhub.store.names import INBOX, checked_name, new_name

PARTS = (b"cur", b"new", b"tmp")
NAME_MAX = 255
"""Octets of one name in a directory."""
DEEPEST = 64
"""Levels of fs that are followed, so that a loop of links ends."""

_TAKEN = frozenset(
    b"maildirfolder maildirsize subscriptions subscriptions.lock mailboxes.lock mailhub-special-use"
    b" dovecot-keywords dovecot-keywords.lock dovecot-acl dovecot-acl-list dovecot-shared dovecot-attributes".split()
)
_TAKEN_PREFIXES = (b"dovecot-uid", b"dovecot.index", b"dovecot.list.index", b"dovecot.mailbox.log", b"mailhub.index")
"""Files that Dovecot and we keep in directories where fs has mailboxes too."""


@frozen
class Found:
    """A name that a listing found."""

    selectable: bool
    """False: a level without messages of its own."""
    exists: bool = True
    """False: there is nothing on the disk but what lies below it."""


class Layout(ABC):
    """Turns names into directories and back. Makes no directory itself.

    root: the mail root; inbox: where INBOX lies, by default the root; delimiter: the account's; codec: how levels are
    spelled."""

    separator: str
    """Between levels on the disk."""
    marks_folders: bool
    """Whether a mailbox directory holds an empty file `maildirfolder`."""
    trash: bytes
    """Where a mailbox that is being deleted is moved first, in the root."""

    def __init__(self, root: bytes, delimiter: str, codec: LevelCodec, inbox: bytes | None = None) -> None:
        self.root = root
        self.inbox = inbox or root
        self.delimiter = delimiter
        self.codec = codec
        self._names: dict[tuple[bytes, ...], str | None] = {}

    def checked(self, name: str) -> str:
        """Return the canonical spelling of `name`. Raises BadMailboxName if no mailbox here can have it."""
        if self.delimiter != self.separator and self.separator in name:
            raise BadMailboxName(f"Character not allowed in mailbox name: '{self.separator}'")
        name = checked_name(name, self.delimiter)
        self._check(self.levels(name))
        return name

    def checked_new(self, name: str) -> str:
        """As checked(), for a mailbox to be made: without a delimiter at the end, and stricter."""
        name = self.checked(new_name(name, self.delimiter))
        if any(len(part) > NAME_MAX for part in self._place(self.levels(name)).split(b"/")):
            raise BadMailboxName("Mailbox name too long")
        return name

    def levels(self, name: str) -> tuple[bytes, ...]:
        """Return the levels of a name as the disk spells them. Raises BadMailboxName."""
        return tuple(map(self.codec.encode, name.split(self.delimiter)))

    def name(self, levels: tuple[bytes, ...]) -> str | None:
        """Return the name of levels on the disk; None if nothing can be reached by it."""
        try:
            decoded = [self.codec.decode(level) for level in levels]
            name = self.checked(self.delimiter.join(decoded))
        except (ValueError, BadMailboxName):
            return None
        # A directory ".inbox.a" is another one than ".INBOX.a", which the name stands for.
        return name if name.split(self.delimiter) == decoded else None

    def names(self, found: Iterable[tuple[bytes, ...]]) -> Iterator[tuple[tuple[bytes, ...], str]]:
        """Yield what was found with its name, without what has none. Names are remembered from one listing to the
        next."""
        before, self._names = self._names, {}
        for levels in found:
            name = self._names[levels] = before[levels] if levels in before else self.name(levels)
            if name is not None:
                yield levels, name

    def directory(self, name: str, base: bytes | None = None) -> bytes:
        """Return the directory of mailbox `name` (canonical); or below `base` that for files kept elsewhere (CONTROL=),
        where INBOX is a directory like the others."""
        if base is None and name == INBOX:
            return self.inbox
        return os.path.join(base or self.root, self._place(self.levels(name)))

    @abstractmethod
    def is_mailbox(self, directory: bytes) -> bool:
        """Whether the directory of a name is a mailbox. In Maildir++ what is missing of its parts is made when it is
        opened; in fs, a directory without cur/ is only a level."""

    @abstractmethod
    def scan(self) -> dict[str, Found]:
        """Return all mailboxes and levels, INBOX too if it is there. Raises OSError."""

    @abstractmethod
    def changed(self) -> tuple[int, ...]:
        """Return the modification times (ns) of the directories that the last scan() looked at. Raises OSError."""

    @abstractmethod
    def _place(self, levels: tuple[bytes, ...]) -> bytes:
        """Return the path of a mailbox other than INBOX below the root."""

    @abstractmethod
    def _check(self, levels: tuple[bytes, ...]) -> None:
        """Raise BadMailboxName for levels that have no place."""


class MaildirPlusPlus(Layout):
    """Dovecot's and Courier's default."""

    separator = "."
    marks_folders = True
    trash = b"..DOVECOT-TRASHED"

    def is_mailbox(self, directory: bytes) -> bool:
        return os.path.isdir(directory)

    def scan(self) -> dict[str, Found]:
        found = {INBOX: Found(True)} if os.path.isdir(os.path.join(self.inbox, b"cur")) else {}
        with os.scandir(self.root) as entries:
            directories = [
                entry.name
                for entry in entries
                if entry.name[:1] == b"." and entry.name != self.trash and entry.is_dir()
            ]
        for _, name in self.names(tuple(octets[1:].split(b".")) for octets in directories):
            if name != INBOX:
                found[name] = Found(True)
        for name in list(found):
            for level in _above(name, self.delimiter):
                found.setdefault(level, Found(False, exists=False))
        return found

    def changed(self) -> tuple[int, ...]:
        return (os.stat(self.root).st_mtime_ns,)

    def _place(self, levels: tuple[bytes, ...]) -> bytes:
        return b"." + b".".join(levels)

    def _check(self, levels: tuple[bytes, ...]) -> None:
        pass


class Fs(Layout):
    """LAYOUT=fs."""

    separator = "/"
    marks_folders = False
    trash = b".DOVECOT-TRASHED"

    def __init__(self, root: bytes, delimiter: str, codec: LevelCodec, inbox: bytes | None = None) -> None:
        super().__init__(root, delimiter, codec, inbox)
        self._seen: list[bytes] = []

    def is_mailbox(self, directory: bytes) -> bool:
        return os.path.isdir(os.path.join(directory, b"cur"))

    def scan(self) -> dict[str, Found]:
        found = {INBOX: Found(True)} if os.path.isdir(os.path.join(self.inbox, b"cur")) else {}
        self._seen = []
        walked = dict(self._walk(self.root, ()))
        for levels, name in self.names(walked):
            if name != INBOX:
                found[name] = Found(walked[levels])
            else:
                found.setdefault(INBOX, Found(False))
        return found

    def changed(self) -> tuple[int, ...]:
        return tuple(map(_mtime, self._seen))

    def _walk(self, directory: bytes, levels: tuple[bytes, ...]) -> Iterator[tuple[tuple[bytes, ...], bool]]:
        """Yield each directory below `directory` with whether it is a mailbox."""
        self._seen.append(directory)
        below, selectable = [], False
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    octets = entry.name
                    if octets in PARTS:
                        selectable = selectable or (octets == b"cur" and entry.is_dir())
                    elif octets != self.trash and not _taken(octets) and entry.is_dir():
                        below.append(octets)
        except (FileNotFoundError, PermissionError):
            return
        if levels:
            yield levels, selectable
        if len(levels) < DEEPEST:
            for octets in below:
                yield from self._walk(os.path.join(directory, octets), (*levels, octets))

    def _place(self, levels: tuple[bytes, ...]) -> bytes:
        return b"/".join(levels)

    def _check(self, levels: tuple[bytes, ...]) -> None:
        for level in levels:
            if level in PARTS or level == self.trash or _taken(level):
                raise BadMailboxName("Invalid mailbox name: Contains reserved name")


def _taken(level: bytes) -> bool:
    return level in _TAKEN or level.startswith(_TAKEN_PREFIXES)


LAYOUTS: dict[str, type[Layout]] = {"maildir++": MaildirPlusPlus, "fs": Fs}


def _above(name: str, delimiter: str) -> Iterator[str]:
    at = name.find(delimiter)
    while at >= 0:
        yield name[:at]
        at = name.find(delimiter, at + 1)


def _mtime(path: bytes) -> int:
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_mtime_ns if stat.S_ISDIR(status.st_mode) else 0
