"""The selected mailbox as one client sees it: its message numbers, and what it has not been told yet.

A mailbox changes whenever it likes; a client's message numbers may change only where RFC 3501 allows the server to say
so. This object absorbs every commit at once (`latest`) and keeps the client's own numbering (`uids`) until flush():

- an expunged message keeps its number, as a ghost with the flags it last had, until EXPUNGE may be sent
  (section 7.4.1);
- new messages get numbers when EXISTS is sent, never before, so an EXISTS cannot overtake the EXPUNGE of a message that
  came and went in between;
- changed flags are sent once, with the flags of the moment of sending.

While nothing is held back, `uids` is the snapshot's own array, so that a session costs nothing per message.
What flush() returns is ready to send. No I/O happens here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen
from zope.interface import implementer

from mailhub.store.changes import ChangeBatch, Flagged, MailboxLost, Removed
from mailhub.store.interfaces import IChangeListener
from mailhub.store.model import NO_FLAGS, SEEN, SYSTEM_FLAGS, Flags, Snapshot, Uid
from mailhub.wire.imap.types import STAR, NumberSet

FLAGGED_LIMIT = 4096
"""Changed messages remembered one by one; when there are more, their modseqs tell which they are."""


class BadNumbers(Exception):
    """A message number that no message has (the client's error: BAD)."""


@frozen(eq=False)
class Chosen:
    """Messages a client named: their numbers and UIDs, ascending, parallel."""

    numbers: Sequence[int]
    uids: Sequence[int]

    def __len__(self) -> int:
        return len(self.uids)

    def part(self, start: int, stop: int) -> Chosen:
        """Return the messages from position `start` to before `stop`."""
        return Chosen(self.numbers[start:stop], self.uids[start:stop])


def flag_text(flags: Flags, keywords: Sequence[str], recent: bool = False) -> bytes:
    """Return flags in Dovecot's order: system flags, \\Recent, keywords in the order of their creation."""
    words = [flag for flag in SYSTEM_FLAGS if flag in flags]
    if recent:
        words.append("\\Recent")
    if len(flags) > len(words) - recent:
        words += [keyword for keyword in keywords if keyword in flags]
    return " ".join(words).encode("utf-8")


@implementer(IChangeListener)
class Selected:
    """One session's view of one mailbox."""

    def __init__(self, snapshot: Snapshot, name: str, read_only: bool, on_change: Callable[[], None]) -> None:
        """`on_change` is called after each batch was absorbed; it must only note that."""
        self.name = name
        self.read_only = read_only
        self.latest = snapshot
        self.uids: array[int] = snapshot.uids
        self.lost: MailboxLost | None = None
        self._on_change = on_change
        self._below = snapshot.uidnext
        self._ghosts: dict[int, int] = {}
        self._flagged: dict[int, None] = {}
        self._flagged_after: int | None = None
        self._told_modseq = snapshot.highest_modseq
        self._told_keywords = snapshot.keywords
        self._told_recent = 0
        self._recent: list[tuple[int, int]] = []
        self._recent_known = 0
        self._texts: list[bytes] = []
        self._recent_texts: list[bytes] = []
        self._texts_of: tuple[object, tuple[str, ...]] = (None, ())

    def __len__(self) -> int:
        return len(self.uids)

    def restart(self) -> None:
        """Take the mailbox as it is now; what came so far need not be told."""
        self.uids = self.latest.uids
        self._below = self.latest.uidnext
        self._told_modseq = self.latest.highest_modseq
        self._ghosts.clear()
        self._flagged.clear()
        self._flagged_after = None

    # What the store says.

    def mailboxChanged(self, batch: ChangeBatch) -> None:
        previous, self.latest = self.latest, batch.snapshot
        for change in batch.changes:
            if isinstance(change, Removed):
                self._lose(previous, change.uids)
            elif isinstance(change, Flagged) and batch.origin is not self:
                self._note_flagged(change.uids)
        self._on_change()

    def mailboxLost(self, news: MailboxLost) -> None:
        self.lost = news
        self._on_change()

    def _lose(self, previous: Snapshot, uids: Iterable[int]) -> None:
        below = self._below
        for uid in uids:
            if uid < below and uid not in self._ghosts:
                at = previous.index(uid)
                self._ghosts[uid] = 0 if at is None else previous.flag_numbers[at]
                self._flagged.pop(uid, None)

    def _note_flagged(self, uids: Sequence[int]) -> None:
        if self._flagged_after is not None:
            return
        if len(self._flagged) + len(uids) > FLAGGED_LIMIT:
            self._flagged.clear()
            self._flagged_after = self._told_modseq
            return
        self._flagged.update(dict.fromkeys(uids))

    # \Recent.

    @property
    def unclaimed(self) -> bool:
        """Whether messages have come of which it is not settled for whom they are \\Recent."""
        return self._recent_known < self.latest.uidnext

    def add_recent(self, first: int, below: int) -> None:
        """Messages from UID `first` to before `below` are \\Recent for this session; what is below `below` is
        settled by that."""
        first = max(first, self._recent_known)
        self._recent_known = max(self._recent_known, below)
        if first < below:
            self._recent.append((first, below))

    def is_recent(self, uid: int) -> bool:
        return any(first <= uid < below for first, below in self._recent)

    def recent_ranges(self) -> list[tuple[int, int]]:
        """Closed UID ranges of the \\Recent messages."""
        return [(first, below - 1) for first, below in self._recent]

    def recent_count(self) -> int:
        return sum(bisect_left(self.uids, below) - bisect_left(self.uids, first) for first, below in self._recent)

    # The client's numbers.

    def resolve(self, numbers: NumberSet, uid: bool) -> Chosen:
        """Find the messages of a sequence set or UID set (RFC 3501 section 9, "sequence-set").

        A UID set never fails; a sequence set with a number beyond the mailbox raises BadNumbers, as
        Dovecot does. Costs nothing per number of a range that no message has."""
        spans = self._uid_spans(numbers) if uid else self._number_spans(numbers)
        if len(spans) == 1:
            start, stop = spans[0]
            return Chosen(range(start + 1, stop + 1), self.uids[start:stop])
        places = [place for start, stop in spans for place in range(start, stop)]
        return Chosen([place + 1 for place in places], [self.uids[place] for place in places])

    def _number_spans(self, numbers: NumberSet) -> list[tuple[int, int]]:
        count = len(self.uids)
        spans = []
        for low, high in numbers.ranges:
            low, high = low or count, high or count
            if low > high:
                low, high = high, low
            if low < 1 or high > count:
                raise BadNumbers("Invalid messageset")
            spans.append((low - 1, high))
        return _merged(spans)

    def _uid_spans(self, numbers: NumberSet) -> list[tuple[int, int]]:
        uids = self.uids
        if not uids:
            return []
        last = uids[-1]
        spans = []
        for low, high in numbers.ranges:
            low, high = (last if low == STAR else low), (last if high == STAR else high)
            if low > high:
                low, high = high, low
            start, stop = bisect_left(uids, low), bisect_right(uids, high)
            if start < stop:
                spans.append((start, stop))
        return _merged(spans)

    def uid_ranges(self, numbers: NumberSet, uid: bool) -> list[tuple[int, int]]:
        """Return the set as closed UID ranges, ascending and disjoint, for a query. Never fails:
        SEARCH ignores numbers beyond the mailbox, as Dovecot does."""
        uids = self.uids
        if not uids:
            return []
        if uid:
            return [(uids[start], uids[stop - 1]) for start, stop in self._uid_spans(numbers)]
        count, spans = len(uids), []
        for low, high in numbers.ranges:
            low, high = low or count, high or count
            if low > high:
                low, high = high, low
            if low <= count:
                spans.append((low - 1, min(high, count)))
        return [(uids[start], uids[stop - 1]) for start, stop in _merged(spans)]

    @property
    def _gapless(self) -> bool:
        """Whether numbers are UIDs less a constant."""
        return bool(self.uids) and self.uids[-1] - self.uids[0] == len(self.uids) - 1

    def chosen(self, uids: Sequence[int]) -> Chosen:
        """Give these messages (ascending) their numbers; those that have none are left out."""
        have = self.uids
        count = len(uids)
        if count == len(have) and (not count or (uids[0] == have[0] and uids[-1] == have[-1])):
            return Chosen(range(1, count + 1), have)
        if self._gapless and count and have[0] <= uids[0] and uids[-1] <= have[-1]:
            before = have[0] - 1
            return Chosen([uid - before for uid in uids], uids)
        if count * 8 > len(have):
            wanted = set(uids)
            places = [place for place, uid in enumerate(have) if uid in wanted]
        else:
            places = []
            for uid in uids:
                place = bisect_left(have, uid)
                if place < len(have) and have[place] == uid:
                    places.append(place)
        found = uids if len(places) == count else [have[place] for place in places]
        return Chosen([place + 1 for place in places], found)

    def numbered(self, uids: Iterable[int]) -> list[int]:
        """Return the numbers of messages in the order given (SORT, THREAD); unknown ones are left out."""
        have = self.uids
        if self._gapless:
            first, last = have[0], have[-1]
            return [uid - first + 1 for uid in uids if first <= uid <= last]
        number = {uid: place for place, uid in enumerate(have, 1)}
        return [number[uid] for uid in uids if uid in number]

    def present(self, uids: Sequence[int]) -> Sequence[int]:
        """Those of `uids` that still exist."""
        return [uid for uid in uids if uid not in self._ghosts] if self._ghosts else uids

    def known(self, uids: Sequence[int]) -> Sequence[int]:
        """Those of `uids` (ascending) that the client has been told of."""
        if not uids or uids[-1] < self._below:
            return uids
        return uids[: bisect_left(uids, self._below)]

    # Flags.

    def flags(self, uid: int) -> Flags:
        """Flags of a message now, or those it had before it was expunged."""
        number = self._flag_number(uid)
        return NO_FLAGS if number is None else self.latest.flag_sets[number]

    def _flag_number(self, uid: int) -> int | None:
        at = self.latest.index(uid)
        return self._ghosts.get(uid) if at is None else self.latest.flag_numbers[at]

    def flag_column(self, chosen: Chosen) -> list[bytes]:
        """Return the flags of messages as they stand between the parentheses of FLAGS (...)."""
        texts = self._flag_texts()
        uids, numbers = chosen.uids, chosen.numbers
        if not len(uids):
            return []
        flag_numbers: Sequence[int] = self.latest.flag_numbers
        if self._ghosts:
            flag_numbers = [self._flag_number(uid) or 0 for uid in uids]
        elif isinstance(numbers, range):
            flag_numbers = flag_numbers[numbers.start - 1 : numbers.stop - 1]
        else:
            flag_numbers = [flag_numbers[number - 1] for number in numbers]
        column = [texts[number] for number in flag_numbers]
        for first, below in self._recent:
            start, stop = bisect_left(uids, first), bisect_left(uids, below)
            if start < stop:
                recent = self._recent_texts
                column[start:stop] = [recent[number] for number in flag_numbers[start:stop]]
        return column

    def seen_text(self, uid: int) -> bytes | None:
        """Return the flags of a message with \\Seen added, or None if it has that already."""
        flags = self.flags(uid)
        if SEEN in flags:
            return None
        return flag_text(flags | {SEEN}, self.latest.keywords, self.is_recent(uid))

    def _flag_texts(self) -> list[bytes]:
        sets, keywords = self.latest.flag_sets, self.latest.keywords
        if self._texts_of[0] is not sets or self._texts_of[1] is not keywords:
            self._texts_of = (sets, keywords)
            self._texts, self._recent_texts = [], []
        for number in range(len(self._texts), len(sets)):
            self._texts.append(flag_text(sets[number], keywords))
            self._recent_texts.append(flag_text(sets[number], keywords, True))
        return self._texts

    def flags_lines(self) -> bytes:
        """Return the untagged FLAGS and OK [PERMANENTFLAGS] (RFC 3501 section 7.2.6)."""
        snapshot = self.latest
        self._told_keywords = snapshot.keywords
        flags = " ".join((*SYSTEM_FLAGS, *snapshot.keywords)).encode("utf-8")
        if self.read_only:
            return b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n" % flags
        more = b" \\*" if snapshot.more_keywords else b""
        return b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS (%b%b)] Flags permitted.\r\n" % (flags, flags, more)

    def keyword_lines(self) -> bytes:
        """Return flags_lines() if keywords came that the client has not heard of, else nothing. To be
        sent before flags are."""
        return self.flags_lines() if self.latest.keywords != self._told_keywords else b""

    # Telling the client.

    @property
    def changed(self) -> bool:
        """Whether flush(True) would say anything."""
        return bool(
            self._ghosts
            or self._flagged
            or self._flagged_after is not None
            or self.latest.uidnext > self._below
            or self.latest.keywords is not self._told_keywords
        )

    def shown(self, uids: Iterable[int]) -> None:
        """The client has just been sent the flags of these messages."""
        if self._flagged:
            for uid in uids:
                self._flagged.pop(uid, None)

    def flush(self, expunge: bool) -> bytes:
        """Tell what happened: EXPUNGE (if allowed now), FETCH FLAGS, EXISTS, RECENT, in this order."""
        if not self.changed:
            return b""
        lines = []
        if expunge and self._ghosts:
            lines.append(self._expunge())
        lines.append(self.keyword_lines())
        flagged = self._take_flagged()
        if flagged:
            lines.append(self.flags_answer(self.chosen(flagged), False))
        lines.append(self._exists())
        recent = self.recent_count() if self._recent else 0
        if recent != self._told_recent:
            self._told_recent = recent
            lines.append(b"* %d RECENT\r\n" % recent)
        self._told_modseq = self.latest.highest_modseq
        return b"".join(lines)

    def tell_recent(self) -> int:
        """Return the count for SELECT's RECENT, noting that the client knows it."""
        self._told_recent = self.recent_count()
        return self._told_recent

    def flags_answer(self, chosen: Chosen, show_uid: bool) -> bytes:
        """Return `* n FETCH (FLAGS (...))` lines."""
        flags = self.flag_column(chosen)
        if show_uid:
            rows = zip(chosen.numbers, chosen.uids, flags, strict=True)
            return b"".join([b"* %d FETCH (UID %d FLAGS (%b))\r\n" % row for row in rows])
        return b"".join([b"* %d FETCH (FLAGS (%b))\r\n" % row for row in zip(chosen.numbers, flags, strict=True)])

    def _expunge(self) -> bytes:
        gone = self.chosen(sorted(self._ghosts)).numbers
        self._ghosts.clear()
        self.uids = self._told_part()
        return b"".join([b"* %d EXPUNGE\r\n" % number for number in reversed(gone)])

    def _told_part(self) -> array[int]:
        uids = self.latest.uids
        if self.latest.uidnext <= self._below:
            return uids
        return uids[: bisect_left(uids, self._below)]

    def _exists(self) -> bytes:
        latest = self.latest
        if latest.uidnext <= self._below:
            return b""
        count = len(self.uids)
        if self._ghosts:
            self.uids = self.uids + latest.uids[bisect_left(latest.uids, self._below) :]
        else:
            self.uids = latest.uids
        self._below = latest.uidnext
        return b"* %d EXISTS\r\n" % len(self.uids) if len(self.uids) != count else b""

    def _take_flagged(self) -> Sequence[int]:
        if self._flagged_after is None:
            flagged: Sequence[int] = sorted(uid for uid in self._flagged if uid < self._below)
            self._flagged.clear()
            return flagged
        after, self._flagged_after = self._flagged_after, None
        latest = self.latest
        changed = [uid for uid, seq in zip(latest.uids, latest.modseqs, strict=True) if seq > after]
        return self.known(changed)

    def first_unseen(self) -> int | None:
        """Return the number of the first message without \\Seen."""
        snapshot = self.latest
        unseen = {number for number, flags in enumerate(snapshot.flag_sets) if SEEN not in flags}
        if len(unseen) == len(snapshot.flag_sets):
            return 1 if len(snapshot) else None
        for place, number in enumerate(snapshot.flag_numbers, 1):
            if number in unseen:
                return place
        return None

    def with_flag(self, flag: str) -> list[Uid]:
        """Return the messages the client knows that have `flag`, ascending."""
        snapshot = self.latest
        having = {number for number, flags in enumerate(snapshot.flag_sets) if flag in flags}
        if not having:
            return []
        below = self._below
        return [
            Uid(uid)
            for uid, number in zip(snapshot.uids, snapshot.flag_numbers, strict=True)
            if number in having and uid < below
        ]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Make half-open spans ascending and disjoint."""
    if len(spans) < 2:
        return spans
    spans.sort()
    merged = [spans[0]]
    for start, stop in spans[1:]:
        last = merged[-1]
        if start <= last[1]:
            if stop > last[1]:
                merged[-1] = (last[0], stop)
        else:
            merged.append((start, stop))
    return merged
