"""What is known of an open mailbox.

Who owns it? The holder of the mailbox's lane: its thread while `work` runs, the reactor in `then`. Nobody else changes
it. The reactor may look at any time at what one look-up can answer (`path`, `seen`, `snapshot`): what it gets may be
old, as anything said about a Maildir may be, since any program may rename a file at any moment; a file that is not
where it was is then looked for again.

Names are kept whole, in one dict a folder, so that a directory of 100,000 files is compared with what is known by two
set operations; base names are taken apart only of what differs.

Changes that a job makes are gathered in `batches` and published by the mailbox when the job ends, also when it ends
with an error: what was done on the disk was done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen
from twisted.logger import Logger

from mailhub.maildir.dotlock import DotLock
from mailhub.maildir.filenames import NO_INFO, Info, build_info, parse_info
from mailhub.maildir.keywords import NO_KEYWORDS, Keywords, KeywordsFile
from mailhub.maildir.means import Means, Place
from mailhub.maildir.uidlist import UidList, UidListFile
from mailhub.store import snapshots
from mailhub.store.changes import ChangeBatch, MailboxChange
from mailhub.store.errors import TooMany
from mailhub.store.model import NO_FLAGS, Flags, MailboxId, ModSeq, Snapshot

CUR, NEW, TMP = b"cur/", b"new/", b"tmp/"

Stamp = tuple[int, int]
NO_STAMP: Stamp = (0, 0)


@frozen
class Seen:
    """What the disk looked like at one moment; it was changed if this differs. Times in nanoseconds."""

    cur: Stamp = NO_STAMP
    new: Stamp = NO_STAMP
    uidlist: tuple[int, int, int] = (0, 0, 0)
    index: Stamp = NO_STAMP

    @property
    def folders(self) -> tuple[Stamp, Stamp]:
        return self.cur, self.new

    @property
    def files(self) -> tuple[Stamp, Stamp, tuple[int, int, int]]:
        """All but the index."""
        return self.cur, self.new, self.uidlist

    @property
    def changed_at(self) -> int:
        """When either folder was last changed."""
        return max(self.cur[1], self.new[1])


NOTHING_SEEN = Seen()


class State:
    """One open mailbox; see the top of this module."""

    log = Logger()

    def __init__(self, place: Place, means: Means) -> None:
        self.means = means
        self.index = means.index
        self.seen = NOTHING_SEEN
        self.scanned_at = 0
        """Clock, nanoseconds, when the last listing of the folders began."""
        self.scan_cost = 0
        """Nanoseconds that it took."""
        self.unverified = 0
        """Since when, nanoseconds, changes of our own may hide one of another program; 0 if none can."""
        self.opened = False
        self.key = ""
        """Names the mailbox in the index; empty before the first look."""
        self.uidlist: UidList | None = None
        self.records = 0
        """How many of the uidlist's records have been looked at."""
        self.pending: dict[bytes, int] = {}
        """UIDs of records for which no file was found: a message that is on its way, or was expunged."""
        self.names: dict[int, bytes] = {}
        self.bases: dict[bytes, int] = {}
        self.cur: dict[bytes, int] = {}
        self.new: dict[bytes, int] = {}
        self.ignored: set[bytes] = set()
        """Paths that are no messages, found so already."""
        self.rebased: dict[int, bytes] = {}
        """New base names of messages that the uidlist calls otherwise now."""
        self.extra: dict[int, Flags] = {}
        """Keywords without a letter, of the messages that have any."""
        self.keywords: Keywords = NO_KEYWORDS
        self.keywords_version: tuple[int, int, int] | None = None
        self.renumber = False
        """Whether a letter was learned to mean something else, so that flags have to be worked out again."""
        self.table = snapshots.FlagTable(means.settings.keyword_limit)
        self.snapshot: Snapshot = snapshots.first(MailboxId(""), 1, self.table, ModSeq(0))
        self.batches: list[ChangeBatch] = []
        self._numbers: dict[bytes, int] = {}
        self._infos: dict[tuple[bytes, int], tuple[bytes, Flags]] = {}
        self._locked = False
        self._told: set[str] = set()
        self.move_to(place)

    def move_to(self, place: Place) -> None:
        """The mailbox lies elsewhere now."""
        self.place = place
        self.directory = place.directory + b"/"
        self.uidlist_file = UidListFile(self.means.disk, place.control)
        self.keywords_file = KeywordsFile(self.means.disk, place.control, self.means.settings.lock_seconds)

    # Where things are

    def path(self, uid: int) -> bytes | None:
        """Return where message `uid` lies, or None if there is no such message."""
        name = self.names.get(uid)
        if name is None:
            return None
        return self.directory + (NEW if name in self.new else CUR) + name

    @contextmanager
    def lock(self, seconds: float | None = None) -> Iterator[None]:
        """Hold the lock under which UIDs are assigned and keywords created; it is waited for as long as the settings
        say, and at most `seconds`. A job that has it may ask for it again. Raises Busy, OSError."""
        if self._locked:
            yield
            return
        longest = self.means.settings.lock_seconds
        wait = longest if seconds is None else min(seconds, longest)
        with DotLock(self.means.disk, self.uidlist_file.path, wait):
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def put(self, uid: int, folder: bytes, name: bytes, base: bytes) -> None:
        """Note where a message lies, that is new or was elsewhere."""
        old = self.names.get(uid)
        if old is not None:
            self.cur.pop(old, None)
            self.new.pop(old, None)
        self.names[uid] = name
        self.bases[base] = uid
        (self.new if folder is NEW else self.cur)[name] = uid

    def drop(self, uid: int) -> None:
        """Forget where a message lay."""
        name = self.names.pop(uid)
        self.cur.pop(name, None)
        self.new.pop(name, None)
        base = name.partition(b":")[0]
        if self.bases.get(base) == uid:
            del self.bases[base]
        self.extra.pop(uid, None)

    def forget(self) -> None:
        """The mailbox is no more, and neither are its messages."""
        for column in (self.names, self.bases, self.cur, self.new, self.pending, self.extra):
            column.clear()

    # What the disk looks like

    def look(self) -> Seen:
        """Return the state of the files that tell of changes. Four stats; never raises."""
        try:
            status = os.stat(self.uidlist_file.path)
            uidlist = (status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            uidlist = (0, 0, 0)
        return Seen(_stamp(self.directory + CUR), _stamp(self.directory + NEW), uidlist, self.index.stamp())

    def adopt(self, seen: Seen, uidlist: bool = False) -> None:
        """Take `seen`, looked at after changes of our own, for what is known. Another program's change at that very
        moment would hide behind ours, so it is verified later. Only who held the lock takes in the `uidlist`."""
        self.seen = Seen(seen.cur, seen.new, seen.uidlist if uidlist else self.seen.uidlist, self.index.stamp())
        if not self.unverified:
            self.unverified = time.time_ns()

    def distrust(self) -> None:
        """Something was not as it is known: look at everything again next time, whatever it looks like."""
        self.seen = NOTHING_SEEN

    # Flags

    def number(self, uid: int, name: bytes) -> int:
        """Return the flag number of a message from its file name and what has no letter."""
        info = name.partition(b":")[2]
        number = self._numbers.get(info)
        if number is None:
            number = self._numbers[info] = self._understood(info)
        extra = self.extra.get(uid)
        return self.table.number(self.table.sets[number] | self._learned(extra)) if extra else number

    def plain_numbers(self, infos: Sequence[bytes]) -> list[int]:
        """Return the flag numbers of many infos (what stands behind the colon), without what has no letter."""
        numbers = self._numbers
        for info in set(infos) - numbers.keys():
            numbers[info] = self._understood(info)
        return [numbers[info] for info in infos]

    def info(self, old: bytes, number: int) -> tuple[bytes, Flags]:
        """Return the info that stands for flag number `number`, keeping what other programs wrote in `old`, and the
        keywords that it cannot express."""
        found = self._infos.get((old, number))
        if found is None:
            flags = self.table.sets[number]
            letters = {flag: self.keywords.letter(flag) for flag in flags if not flag.startswith("\\")}
            before = parse_info(old)
            info = Info(
                frozenset(flag for flag in flags if flag.startswith("\\")),
                bytes(sorted(letter for letter in letters.values() if letter is not None)),
                before.others,
                before.tail,
            )
            extra = frozenset(flag for flag, letter in letters.items() if letter is None)
            found = self._infos[old, number] = (b":" + build_info(info), extra)
        return found

    def keywords_explained(self) -> bool:
        """Whether no letter waits for its name. Dovecot renames files first and says then, under its lock, what the
        new letter means: whoever looks between the two sees a letter that nothing explains. One stat then."""
        if all(name != f"unknown-{at}" for at, name in enumerate(self.keywords.names)):
            return True
        try:
            return self.keywords_file.version() == self.keywords_version
        except OSError:
            return True

    def use_keywords(self, keywords: Keywords) -> bool:
        """Take a new table of letters; return whether a letter now means something else, so that all flags have to be
        worked out again."""
        old, self.keywords = self.keywords, keywords
        if old == keywords:
            return False
        self._numbers.clear()
        self._infos.clear()
        for name in keywords.names:
            if name is not None:
                self._learned((name,))
        return any(
            name is not None and name != new for name, new in zip(old.names, _padded(keywords, old), strict=True)
        )

    def _understood(self, info: bytes) -> int:
        parsed = parse_info(info)
        if parsed == NO_INFO:
            return 0
        if any(self.keywords.name(letter) is None for letter in parsed.keywords):
            self.keywords = self.keywords.with_letters(parsed.keywords)
        names = [name for letter in parsed.keywords if (name := self.keywords.name(letter)) is not None]
        return self.table.number(parsed.flags | self._learned(names))

    def _learned(self, names: Sequence[str] | Flags | None) -> Flags:
        """Return keywords as the mailbox spells them; over the limit, without those that have no room."""
        if not names:
            return NO_FLAGS
        try:
            self.table.learn(names)
        except TooMany:
            self.tell("keywords", "Mailbox has more keywords than the limit allows")
        return self.table.spell(names)

    # News

    def publish(
        self, snapshot: Snapshot, changes: tuple[MailboxChange, ...], modseq: int, origin: object = None
    ) -> None:
        """Take `snapshot` for the current one; its news are told when the job ends."""
        self.snapshot = snapshot
        self.batches.append(ChangeBatch(snapshot, changes, ModSeq(modseq), origin))

    def modseq(self, last: int) -> ModSeq:
        """Return the modseq after `last` (design law 4)."""
        return snapshots.next_modseq(last, self.means.clock())

    def tell(self, topic: str, what: str) -> None:
        """Log a warning about this mailbox, once a topic."""
        if topic not in self._told:
            self._told.add(topic)
            self.log.warn("{what}: {directory}", what=what, directory=os.fsdecode(self.place.directory))


def _stamp(path: bytes) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return NO_STAMP
    return status.st_ino, status.st_mtime_ns


def _padded(keywords: Keywords, like: Keywords) -> list[str | None]:
    names = list(keywords.names[: len(like.names)])
    return names + [None] * (len(like.names) - len(names))
