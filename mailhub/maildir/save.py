"""Adding messages: what is appended, and what is copied from another mailbox.

One job adds all messages of a call or none. Files are made in tmp/ first, complete and durable, without any lock. Then,
under dovecot-uidlist.lock: UIDs, the rename into new/ or cur/, the folder made durable, the records appended and made
durable. Whoever sees a file without a record waits for the lock and finds the record (see sync.py). A crash leaves
files in tmp/, or messages whose UIDs are given when they are found: a UID may be lost, never used twice.

A message without flags goes to new/, as Dovecot does it, so that other programs see that it is new.

Copies are hard links, in the target's folder at once: the content is durable already, and a name that is taken is
refused by the kernel. A copy keeps its base name if it is free in the target, else gets a new one and the old one in
the record's G field (Dovecot's GUID of a message).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from mailhub.maildir.apply import give_letters
from mailhub.maildir.disk import read_file
from mailhub.maildir.draft import Draft
from mailhub.maildir.filenames import split_info, stated_sizes, with_sizes
from mailhub.maildir.index import Arrival, Transaction
from mailhub.maildir.quota import add_to_quota
from mailhub.maildir.state import CUR, NEW, TMP, State
from mailhub.maildir.sync import ensure_current, folder_mark
from mailhub.maildir.uidlist import UID_LIMIT, Record, format_fields
from mailhub.store import snapshots
from mailhub.store.changes import Added
from mailhub.store.errors import Damaged, TooMany
from mailhub.store.model import Addition, Flags, Uid

Note = Callable[[Transaction, int], None]
"""Writes new messages to the index, with their modseq."""

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})


@define(eq=False)
class _Coming:
    """A message that is being added."""

    base: bytes
    folder: bytes
    info: bytes
    number: int
    extra: Flags
    temporary: bytes = b""
    uid: int = 0
    fields: bytes = b""
    size: int | None = None
    date: int | None = None
    draft: Draft | None = field(default=None)

    @property
    def name(self) -> bytes:
        return self.base + self.info if self.folder is CUR else self.base


# Append


def append(state: State, additions: Sequence[Addition], origin: object) -> list[Uid]:
    """Do as IAccount.append says; return the UIDs. Raises TooMany, Busy, MailboxGone, OSError, and as a draft."""
    coming: list[_Coming] = []
    try:
        for addition in additions:
            coming.append(_flagged(state, state.means.names.make(), addition.flags))
            _write(state, coming[-1], addition)
        with state.lock():
            ensure_current(state)
            _number(state, coming)
            _into_place(state, coming)
    except BaseException:
        _undo(state, [one.temporary for one in coming if one.temporary])
        raise
    now = int(state.means.clock())

    def note(transaction: Transaction, modseq: int) -> None:
        transaction.added(Arrival(one.uid, modseq, one.size, one.date, now) for one in coming)

    uids = _publish(state, coming, note, origin)
    for one in coming:
        if one.draft is not None:
            one.draft.shared, one.draft.date = state.path(one.uid), one.date
    return uids


def _flagged(state: State, base: bytes, flags: Flags) -> _Coming:
    """Begin a message with flags; keywords get letters while there are any. Raises TooMany, Busy, OSError."""
    table = state.table
    table.learn(flags)
    spelled = table.spell(flags)
    number = table.number(spelled)
    if not spelled:
        return _Coming(base, NEW, b"", number, frozenset())
    give_letters(state, set(spelled))
    info, extra = state.info(b"", number)
    return _Coming(base, CUR, info, number, extra)


def _write(state: State, one: _Coming, addition: Addition) -> None:
    """Make the file in tmp/, complete and durable."""
    disk = state.means.disk
    draft: Draft = addition.draft
    date = addition.internal_date
    own = int(state.means.clock()) if date is None else date
    data = draft.finish(own)
    one.draft = draft
    one.size = draft.size
    one.base = with_sizes(one.base, draft.stored, draft.size)
    temporary = state.directory + TMP + one.base
    if draft.shared is not None and date in (None, draft.date):
        one.date = draft.date
        try:
            disk.link(draft.spooled or draft.shared, temporary)
        except OSError:
            pass  # the first copy was moved or is elsewhere: write another
        else:
            one.temporary = temporary
            return
    one.date = own
    if data is None and draft.shared is None and draft.spooled is not None:
        if draft.spooled_date != own:
            disk.utime(draft.spooled, own)  # an earlier try had another date
            draft.spooled_date = own
        try:
            disk.link(draft.spooled, temporary)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            one.temporary = temporary
            return
    if data is None:
        data = read_file(draft.spooled or b"")
    _store(state, one, temporary, data)


def _store(state: State, one: _Coming, temporary: bytes, data: bytes) -> None:
    disk = state.means.disk
    fd = disk.create(temporary)
    try:
        one.temporary = temporary
        disk.write(fd, data, temporary)
        if one.date is not None:
            os.utime(fd, (one.date, one.date))
        disk.sync(fd, temporary)
    finally:
        os.close(fd)


# Copy


@frozen(eq=False)
class Source:
    """A message to copy, as its own mailbox knew it when it was asked."""

    uid: Uid
    path: bytes
    flags: Flags


class Missed(Exception):
    """Sources were not where they should be; nothing was copied."""


def copy(state: State, sources: Sequence[Source], key: str, origin: object) -> list[Uid]:
    """Copy messages of the mailbox that the index knows as `key` into this one, all or none; return their new UIDs.

    Raises Missed, TooMany, Busy, MailboxGone, OSError."""
    state.table.learn({flag for source in sources for flag in source.flags})
    give_letters(state, {*frozenset().union(*{source.flags for source in sources})})
    coming: list[_Coming] = []
    with state.lock():
        ensure_current(state)
        known = _taken(state)
        coming += [_copied(state, source, known) for source in sources]
        _number(state, coming)
        _link_all(state, coming, sources)
        _record(state, coming)
    pairs = [(source.uid, one.uid) for source, one in zip(sources, coming, strict=True)]

    def note(transaction: Transaction, modseq: int) -> None:
        transaction.arrived(coming[0].uid, modseq)
        transaction.copied(key, pairs, int(state.means.clock()))

    return _publish(state, coming, note, origin)


def _taken(state: State) -> set[bytes]:
    """Return names in the uidlist that belong to no message any more."""
    uidlist = state.uidlist
    if uidlist is None or len(uidlist) <= len(state.names):
        return set()
    return {split_info(name)[0] for name in uidlist.names} - state.bases.keys()


def _copied(state: State, source: Source, known: set[bytes]) -> _Coming:
    table = state.table
    spelled = table.spell(source.flags)
    number = table.number(spelled)
    info, extra = state.info(b"", number) if spelled else (b"", frozenset())
    name = source.path.rpartition(b"/")[2]
    base, _, old = name.partition(b":")
    one = _Coming(base, CUR if spelled or old else NEW, info or b":2,", number, extra)
    if base in state.bases or base in known:
        size, virtual = stated_sizes(base)
        one.base = state.means.names.make() + b"".join(
            b",%b=%d" % (letter, value) for letter, value in ((b"S", size), (b"W", virtual)) if value is not None
        )
        one.fields = format_fields({"G": base}) if b" " not in base else b""
    known.add(one.base)
    return one


def _link_all(state: State, coming: list[_Coming], sources: Sequence[Source]) -> None:
    link, directory = state.means.disk.link, state.directory
    made: list[bytes] = []
    try:
        for one, source in zip(coming, sources, strict=True):
            path = directory + one.folder + one.name
            try:
                link(source.path, path)
            except FileNotFoundError:
                raise Missed from None
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                _duplicate(state, one, source.path, path)
            made.append(path)
        _sync_targets(state, coming)
    except BaseException:
        _undo(state, made)
        raise


def _duplicate(state: State, one: _Coming, source: bytes, path: bytes) -> None:
    """Copy octets where no link can be made."""
    try:
        one.date = int(os.stat(source).st_mtime)
        data = read_file(source)
    except FileNotFoundError:
        raise Missed from None
    _store(state, one, state.directory + TMP + one.base, data)
    state.means.disk.rename(one.temporary, path)


# Both


def _number(state: State, coming: list[_Coming]) -> None:
    assert state.uidlist is not None
    start = state.uidlist.next_uid
    if start + len(coming) > UID_LIMIT:
        raise TooMany("Mailbox has no UIDs left")
    for at, one in enumerate(coming):
        one.uid = start + at


def _into_place(state: State, coming: list[_Coming]) -> None:
    """Rename all from tmp/, make that durable and write the records; undo the renames if that fails."""
    made: list[bytes] = []
    try:
        for one in coming:
            path = state.directory + one.folder + one.name
            state.means.disk.rename(one.temporary, path)
            one.temporary = path
            made.append(path)
        _sync_targets(state, coming)
        _record(state, coming)
    except BaseException:
        _undo(state, made)
        raise


def _undo(state: State, paths: Sequence[bytes]) -> None:
    """Remove files of messages that were not added after all, as far as the disk lets us: what stays in tmp/ is
    removed when it is old, what stays elsewhere is found as new mail."""
    for path in paths:
        try:
            state.means.disk.unlink_quietly(path)
        except OSError as error:
            state.tell("undo", f"A message that was refused cannot be removed ({error.strerror})")


def _sync_targets(state: State, coming: list[_Coming]) -> None:
    for folder in {one.folder for one in coming}:
        state.means.disk.sync_directory(state.directory + folder)


def _record(state: State, coming: list[_Coming]) -> None:
    """Append the records. After this the messages are in the mailbox. The lock is held."""
    assert state.uidlist is not None
    try:
        state.uidlist_file.append(state.uidlist, [Record(one.uid, one.base, one.fields) for one in coming])
    except Damaged as error:
        raise TooMany("Mailbox has no UIDs left") from error
    except OSError:
        _undo(state, [state.directory + one.folder + one.name for one in coming])
        raise
    state.records = len(state.uidlist)
    state.adopt(state.look(), uidlist=True)


def _publish(state: State, coming: list[_Coming], note: Note, origin: object) -> list[Uid]:
    """Note new messages in memory and in the index, and leave the news."""
    last = state.snapshot
    for one in coming:
        state.put(one.uid, one.folder, one.name, one.base)
        if one.extra:
            state.extra[one.uid] = one.extra
    uids = [Uid(one.uid) for one in coming]

    def job(transaction: Transaction) -> int:
        modseq = state.modseq(max(last.highest_modseq, transaction.highest()))
        note(transaction, modseq)
        extras = [(one.uid, " ".join(sorted(one.extra))) for one in coming if one.extra]
        if extras:
            transaction.keywords(extras)
        transaction.raise_to(modseq)
        transaction.seal(uids[-1] + 1, folder_mark(state.seen))
        return modseq

    modseq = state.index.write(state.key, last.highest_modseq, job) or state.modseq(last.highest_modseq)
    state.adopt(state.seen)
    snapshot = snapshots.with_added(last, state.table, uids, [one.number for one in coming], modseq)
    state.publish(snapshot, (Added(uids),), modseq, origin)
    add_to_quota(state.means, sum(stated_sizes(one.base)[0] or 0 for one in coming), len(coming))
    return uids
