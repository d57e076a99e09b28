"""dovecot-keywords: which keyword a letter in a file name of this mailbox stands for.

    0 $Forwarded
    1 work

Number 0 is the letter a, 25 is z; further keywords have no letter and live only in the index. Names compare without
case. The file is replaced under dovecot-keywords.lock while dovecot-uidlist.lock is held. Dovecot reads it again only
when its modification time, in seconds, has changed: so that always grows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from attrs import frozen

from mailhub.maildir.disk import Disk, read_file
from mailhub.maildir.dotlock import DotLock
from mailhub.maildir.filenames import KEYWORD_LETTERS

FILE = b"dovecot-keywords"

MOST = 26
"""Keywords that have a letter."""

_LINE = re.compile(rb"^([0-9]{1,3}) ([^\n]+)$", re.MULTILINE)


@frozen
class Keywords:
    """The keywords of a mailbox that have letters; the letter of names[i] is chr(ord("a") + i)."""

    names: tuple[str | None, ...] = ()
    """None where a number is free."""

    def name(self, letter: int) -> str | None:
        """Return the keyword of a letter (an octet, as indexing bytes gives), or None."""
        at = letter - KEYWORD_LETTERS[0]
        return self.names[at] if 0 <= at < len(self.names) else None

    def letter(self, name: str) -> int | None:
        """Return the letter of a keyword in any case, or None."""
        folded = name.lower()
        for at, known in enumerate(self.names):
            if known is not None and known.lower() == folded:
                return KEYWORD_LETTERS[at]
        return None

    def with_names(self, names: Iterable[str]) -> Keywords:
        """Return a table that also has `names`, each at the first free number, as far as there is room."""
        slots = list(self.names)
        known = {name.lower() for name in slots if name is not None}
        for name in names:
            if name.lower() in known:
                continue
            if None in slots:
                slots[slots.index(None)] = name
            elif len(slots) < MOST:
                slots.append(name)
            else:
                break
            known.add(name.lower())
        return Keywords(tuple(slots))

    def with_letters(self, letters: Iterable[int]) -> Keywords:
        """Return a table in which each of `letters` has a name: those without get "unknown-<number>", as Dovecot does
        where a file name has a letter that nothing explains."""
        slots = list(self.names)
        for letter in letters:
            at = letter - KEYWORD_LETTERS[0]
            slots += [None] * (at + 1 - len(slots))
            if slots[at] is None:
                slots[at] = f"unknown-{at}"
        return Keywords(tuple(slots))


NO_KEYWORDS = Keywords()


def parse_keywords(data: bytes) -> Keywords:
    """Understand the file; lines that make no sense, and a name's second line, are passed over."""
    slots: list[str | None] = []
    taken = set()
    for number, octets in _LINE.findall(data):
        at, name = int(number), octets.decode("utf-8", "surrogateescape")
        if at >= MOST or name.lower() in taken:
            continue
        slots += [None] * (at + 1 - len(slots))
        if slots[at] is None:
            slots[at] = name
            taken.add(name.lower())
    return Keywords(tuple(slots))


def format_keywords(keywords: Keywords) -> bytes:
    """Return the octets of the file."""
    return b"".join(
        b"%d %b\n" % (at, name.encode("utf-8", "surrogateescape"))
        for at, name in enumerate(keywords.names)
        if name is not None
    )


class KeywordsFile:
    """The file of one mailbox. Blocks: threads only.

    lock_seconds: how long to wait for the lock."""

    def __init__(self, disk: Disk, directory: bytes, lock_seconds: float) -> None:
        self._disk = disk
        self.path = os.path.join(directory, FILE)
        self._lock_seconds = lock_seconds

    def version(self) -> tuple[int, int, int] | None:
        """Return what differs whenever the file was replaced, or None if there is none."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def load(self) -> Keywords:
        """Read the file; without one there are no keywords. Raises OSError."""
        try:
            return parse_keywords(read_file(self.path))
        except FileNotFoundError:
            return NO_KEYWORDS

    def save(self, keywords: Keywords) -> None:
        """Replace the file. Called with dovecot-uidlist.lock held, after load(). Raises Busy, OSError."""
        lock = DotLock(self._disk, self.path, self._lock_seconds)
        lock.acquire()
        try:
            before = _seconds(self.path)
            lock.replace(format_keywords(keywords))
        finally:
            lock.release()
        if before is not None and before >= int(_seconds(self.path) or 0):
            self._disk.utime(self.path, before + 1)


def _seconds(path: bytes) -> int | None:
    try:
        return int(os.stat(path).st_mtime)
    except FileNotFoundError:
        return None
