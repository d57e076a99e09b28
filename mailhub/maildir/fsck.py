"""Looks whether the files of an account make sense, and mends those that can be: uidlists, keywords, the index.

A server mends most of this by itself when it meets it. This is for those who want to know before that, and for what no
session has open. It may run beside servers, ours and Dovecot: it writes under the same locks, and readers notice.

Two kinds of findings. A problem breaks a format, or makes a mailbox say something that is not so. A note is something
that every Maildir in use has: records of expunged messages, files that nobody has numbered yet.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

from attrs import frozen

from mailhub.maildir.disk import read_file
from mailhub.maildir.dotlock import DotLock
from mailhub.maildir.filenames import is_message, parse_info, split_info, stated_sizes
from mailhub.maildir.keywords import FILE as KEYWORDS_FILE
from mailhub.maildir.keywords import KeywordsFile, format_keywords, parse_keywords
from mailhub.maildir.means import Place
from mailhub.maildir.tree import Tree
from mailhub.maildir.uidlist import UidList, UidListDamaged, UidListFile, new_uidlist

FOLDERS = (b"cur", b"new", b"tmp")
_LISTINGS = 5


@frozen
class Finding:
    """One thing that was found."""

    mailbox: str
    """Empty for what concerns the account."""
    text: str
    problem: bool = True
    """False: only a note."""
    mended: bool = False


class Checker:
    """Checks the mailboxes of one account. Blocks: threads only.

    repair: whether to mend. lock_seconds: how long to wait for another program's lock."""

    def __init__(self, tree: Tree, index: bytes, lock_seconds: float, repair: bool = False) -> None:
        self._tree = tree
        self._index = index
        self._lock_seconds = lock_seconds
        self._repair = repair

    def check(self) -> Iterator[Finding]:
        """Yield what is found, mailbox by mailbox. Raises Busy where a lock cannot be had, OSError."""
        yield from self._database()
        for info in self._tree.mailboxes():
            if info.selectable:
                yield from self._mailbox(info.name, self._tree.place(info.name))

    # A mailbox

    def _mailbox(self, name: str, place: Place) -> Iterator[Finding]:
        for folder in FOLDERS:
            path = os.path.join(place.directory, folder)
            if not os.path.isdir(path):
                if self._repair:
                    self._tree.disk.makedirs(path)
                yield Finding(name, f"{folder.decode()}/ is missing", mended=self._repair)
        listed = _listed(place.directory)
        yield from self._files(name, place, listed)
        yield from self._uidlist(name, place, listed)
        yield from self._keywords(name, place, listed)

    def _files(self, name: str, place: Place, listed: list[tuple[bytes, bytes]]) -> Iterator[Finding]:
        counts = Counter(split_info(file)[0] for _, file in listed)
        doubles = sum(count - 1 for count in counts.values())
        if doubles:
            yield Finding(name, f"{doubles} files have the name of another; opening the mailbox sets them apart")
        wrong = unreadable = 0
        for folder, file in listed:
            try:
                size = os.stat(os.path.join(place.directory, folder, file)).st_size
            except OSError:
                continue  # renamed or removed since it was listed
            if not os.access(os.path.join(place.directory, folder, file), os.R_OK):
                unreadable += 1
            stated = stated_sizes(file)[0]
            wrong += stated is not None and stated != size
        if wrong:
            yield Finding(name, f"{wrong} files have another size than their name says")
        if unreadable:
            yield Finding(name, f"{unreadable} files may not be read")

    # dovecot-uidlist

    def _uidlist(self, name: str, place: Place, listed: list[tuple[bytes, bytes]]) -> Iterator[Finding]:
        file = UidListFile(self._tree.disk, place.control)
        judged = list(_judged(file, listed))
        mended = self._repair and any(judgement.mendable for judgement in judged)
        if mended:
            self._mend_uidlist(file, place)
        for judgement in judged:
            yield Finding(name, judgement.text, judgement.problem, mended and judgement.mendable)

    def _mend_uidlist(self, file: UidListFile, place: Place) -> None:
        """Write the uidlist anew from what makes sense of it, under the lock, looked at again."""
        with DotLock(self._tree.disk, file.path, self._lock_seconds):
            try:
                known = file.load()
            except UidListDamaged as error:
                known = error.salvage
            if known is None:
                known = new_uidlist(self._tree.next_uidvalidity())
            bases = {split_info(found)[0] for _, found in _listed(place.directory)}
            last = {split_info(record)[0]: uid for uid, record in zip(known.uids, known.names, strict=True)}
            file.rewrite(known, keep=frozenset(uid for base, uid in last.items() if base in bases))

    # dovecot-keywords

    def _keywords(self, name: str, place: Place, listed: list[tuple[bytes, bytes]]) -> Iterator[Finding]:
        file = KeywordsFile(self._tree.disk, place.control, self._lock_seconds)
        try:
            data = read_file(os.path.join(place.control, KEYWORDS_FILE))
        except FileNotFoundError:
            data = b""
        known = parse_keywords(data)
        used = bytes(sorted({letter for _, found in listed for letter in parse_info(split_info(found)[1]).keywords}))
        unknown = bytes(letter for letter in used if known.name(letter) is None)
        texts = []
        if sorted(format_keywords(known).splitlines()) != sorted(data.splitlines()):
            texts.append("dovecot-keywords has lines that make no sense, or a keyword or number twice")
        if unknown:
            texts.append(f"dovecot-keywords does not know {', '.join(map(chr, unknown))}, which file names have")
        if texts and self._repair:
            with DotLock(self._tree.disk, UidListFile(self._tree.disk, place.control).path, self._lock_seconds):
                file.save(file.load().with_letters(used))
        for text in texts:
            yield Finding(name, text, mended=self._repair)

    # The index

    def _database(self) -> Iterator[Finding]:
        """A broken index is moved away; a server makes a new one when it needs it."""
        if not os.path.exists(self._index):
            return
        trouble = _integrity(self._index)
        if trouble is None:
            return
        if self._repair:
            os.replace(self._index, self._index + b".corrupt")
            for ending in (b"-wal", b"-shm"):
                self._tree.disk.unlink_quietly(self._index + ending)
        yield Finding("", f"the index is damaged: {trouble}", mended=self._repair)


@frozen
class _Judgement:
    """What is to be said of a uidlist."""

    text: str
    problem: bool = True
    mendable: bool = True


def _judged(file: UidListFile, listed: list[tuple[bytes, bytes]]) -> Iterator[_Judgement]:
    bases = {split_info(name)[0] for _, name in listed}
    known: UidList | None
    try:
        known = file.load()
        if known is None and bases:
            yield _Judgement("dovecot-uidlist is missing: messages get new UIDs")
    except UidListDamaged as error:
        yield _Judgement(str(error))
        known = error.salvage
    else:
        if known is not None and not known.sound:
            yield _Judgement("dovecot-uidlist ends in half a line, or is of an old version")
    if known is None:
        return
    counts = Counter(split_info(name)[0] for name in known.names)
    doubles = sum(count - 1 for count in counts.values())
    if doubles:
        yield _Judgement(f"dovecot-uidlist has {doubles} records of files that it has already")
    if stale := len(counts.keys() - bases):
        yield _Judgement(f"{stale} records are of messages that are gone", problem=False)
    if fresh := len(bases - counts.keys()):
        yield _Judgement(f"{fresh} files have no UID yet; opening the mailbox gives them one", False, False)


def _listed(directory: bytes) -> list[tuple[bytes, bytes]]:
    """Return folder and name of each message, listed until two listings agree: a file that another program renames
    meanwhile may be missed by one."""
    before: list[tuple[bytes, bytes]] | None = None
    for _ in range(_LISTINGS):
        now = sorted(
            (folder, name)
            for folder in (b"cur", b"new")
            if os.path.isdir(os.path.join(directory, folder))
            for name in os.listdir(os.path.join(directory, folder))
            if is_message(name)
        )
        if now == before:
            break
        before = now
    return before or []


def _integrity(path: bytes) -> str | None:
    """Return what SQLite finds wrong with a database, or None."""
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=10)
        try:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return None  # locked, or may not be opened: nothing that is known of its content
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if answer == "ok" else str(answer)
