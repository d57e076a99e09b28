"""Bringing what is known of a mailbox up to what the disk says.

Other programs change a Maildir at will: a lost file is an expunge, a renamed one a flag change, a new one a message.
The order of reading matters. Who adds a message renames the file into place first and appends its record to
dovecot-uidlist after that, under the lock. So the uidlist is read first and the folders after it: a record then has
its file, or the message is gone, and a file without a record is new, or its record is being written at this moment. For
such files the lock is taken, the uidlist read again, and only what still has no record gets a UID. A mailbox in which
nothing is new is never locked.

A UID below those that were seen already is not taken from the uidlist any more: clients were told that the next
message has a higher one (RFC 3501 section 2.3.1.1). Such a file, an expunged message that came back, becomes a new
message, as it does with Dovecot.

Everything here runs in the thread that holds the mailbox's lane.
"""

from __future__ import annotations

import os
import time
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from attrs import Factory, define, evolve

from mailhub.maildir.disk import REFUSED
from mailhub.maildir.filenames import arrival, split_info
from mailhub.maildir.index import Known, Transaction
from mailhub.maildir.keywords import Keywords
from mailhub.maildir.scan import UNCHANGED, Differences, compare, quiet_after
from mailhub.maildir.state import CUR, NEW, TMP, Seen, State
from mailhub.maildir.uidlist import Record, UidListDamaged, new_uidlist
from mailhub.store import snapshots
from mailhub.store.changes import Added, Flagged, MailboxChange, Removed
from mailhub.store.errors import Busy, MailboxGone
from mailhub.store.model import MailboxId, ModSeq, Uid


@define(eq=False)
class Arrived:
    """Messages that were not known: columns, ascending by UID."""

    uids: list[int] = Factory(list)
    names: list[bytes] = Factory(list)
    bases: list[bytes] = Factory(list)


SYNC_LOCK_SECONDS = 5.0
"""How long a look waits for the lock, to give new files their UIDs; then it goes on without them."""

TEMPORARY_SECONDS = 36 * 3600
"""Age at which a file in tmp/ is removed, by its last change; https://cr.yp.to/proto/maildir.html."""

VERIFY_SHARE = 50
VERIFY_PAUSE = 1_000_000_000
"""After changes of our own the folders are listed again to make sure that no other change hid behind them: after this
many nanoseconds at the earliest, and so that listing takes a fiftieth of the time at most."""


def sound(state: State, seen: Seen) -> bool:
    """Whether folders and uidlist need not be read again, as far as their stamps tell. Reactor thread or lane."""
    if seen.files != state.seen.files or state.renumber or not state.keywords_explained():
        return False
    now = time.time_ns()
    if state.unverified:
        return now < verify_at(state)
    return state.scanned_at > quiet_after(seen.changed_at) or now <= quiet_after(seen.changed_at)


def verify_at(state: State) -> int:
    """Return the clock at which `unverified` makes a listing due."""
    return max(state.unverified, state.scanned_at) + max(VERIFY_PAUSE, VERIFY_SHARE * state.scan_cost)


def ensure_current(state: State) -> None:
    """Synchronise unless the disk looks as it did. The first step of every change."""
    seen = state.look()
    if not sound(state, seen):
        synchronise(state)
    elif seen.index != state.seen.index:
        # Mostly it was about another mailbox, or facts.
        _note(state, Differences(UNCHANGED), Arrived(), False, seen)


def synchronise(state: State) -> None:
    """Read what changed and note it in `state`, with its news. Raises MailboxGone, Busy (first look), OSError."""
    first = not state.opened
    uidlist_seen = state.look().uidlist
    read_uidlist(state)
    created = state.uidlist is None
    if created:
        _create_uidlist(state)
    known = _open_index(state) if first else None
    renumber = _read_keywords(state)
    assert state.uidlist is not None
    found = compare(state)
    seen = evolve(found.listing.seen, uidlist=uidlist_seen)
    expunged = known.expunged if known is not None else frozenset()
    assigned_from = 1 if created else state.uidlist.next_uid
    added, rest = _matched(state, found, expunged)
    if rest or not state.uidlist.sound:
        found, added, seen = _assign(state, found, added, rest, expunged, seen)
    if known is not None:
        _clean_temporary(state)
        _first_look(state, known, found, added, assigned_from, seen)
    else:
        _note(state, found, added, renumber, seen)
    for double in found.doubles:
        _set_apart(state, *double)
    newest = state.snapshot.uidnext
    if state.pending:
        state.pending = {base: uid for base, uid in state.pending.items() if uid >= newest}
    state.rebased.clear()
    state.scanned_at, state.scan_cost = found.listing.began, found.listing.cost
    state.unverified = found.listing.began if found.doubles else 0


def _clean_temporary(state: State) -> None:
    """Remove what was left in tmp/ by writers that ended before their time."""
    try:
        with os.scandir(state.directory + TMP) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_ctime < time.time() - TEMPORARY_SECONDS:
                    state.means.disk.unlink_quietly(entry.path)
    except OSError:
        pass  # a mailbox that only others may write, or somebody else cleans


# The uidlist


def read_uidlist(state: State) -> bool:
    """Take in what others wrote to the uidlist; return whether there was anything. Leaves state.uidlist None if there
    is none yet. Raises MailboxGone if it is another mailbox now, OSError."""
    known = state.uidlist
    try:
        fresh = state.uidlist_file.load() if known is None else state.uidlist_file.refresh(known)
    except UidListDamaged as error:
        state.tell("uidlist", str(error))
        fresh = error.salvage
        if known is not None:
            # What we know is better than what is left of the file.
            salvaged = fresh.next_uid if fresh is not None else 1
            known.header = evolve(known.header, next_uid=max(known.next_uid, salvaged))
            known.sound = False
            return False
    if fresh is None:
        if known is not None:
            if not os.path.isdir(state.directory):
                raise MailboxGone("Mailbox was deleted")
            known.sound = False
        return False
    if fresh is known:
        if len(fresh) == state.records:
            return False
        for at in range(state.records, len(fresh)):
            state.pending[split_info(fresh.names[at])[0]] = fresh.uids[at]
    else:
        if known is not None and fresh.header.uidvalidity != known.header.uidvalidity:
            raise MailboxGone("Mailbox has a new UIDVALIDITY")
        _replaced(state, [split_info(name)[0] for name in fresh.names], fresh.uids)
        state.uidlist = fresh
    state.records = len(fresh)
    return True


def _replaced(state: State, bases: list[bytes], uids: Sequence[int]) -> None:
    """Compare a uidlist that was written anew with the messages we know. A message that it gives another UID, or none,
    is forgotten here and found again as a new one; one with another name was renamed (see apply.correct_size)."""
    records = dict(zip(bases, uids, strict=True))
    differing = state.bases.items() - records.items()
    named = dict(zip(uids, bases, strict=True)) if differing else {}
    for base, uid in differing:
        after = named.get(uid)
        if after is not None and base not in records and after not in state.bases:
            state.rebased[uid] = after
            del state.bases[base]
            state.bases[after] = uid
        else:
            state.drop(uid)
            state.bases.pop(base, None)
    state.pending = {base: uid for base, uid in records.items() if uid not in state.names}


def _create_uidlist(state: State) -> None:
    """Give the mailbox a uidlist and with it its UIDVALIDITY. Raises Busy, OSError."""
    with state.lock():
        read_uidlist(state)
        if state.uidlist is None:
            state.uidlist = new_uidlist(state.means.next_uidvalidity())


def _matched(state: State, found: Differences, expunged: frozenset[int]) -> tuple[Arrived, list[bytes]]:
    """Return which fresh files have a UID in the uidlist, and the base names of those that have none."""
    newest = state.snapshot.uidnext if state.opened else 1
    fresh, pending = found.fresh, state.pending
    arrived = Arrived()
    if not pending or not fresh:
        return arrived, list(fresh)
    if newest > 1 or expunged:
        pending = {base: uid for base, uid in pending.items() if uid >= newest and uid not in expunged}
    # Records are in the order of their UIDs, and so is `pending`, unless a name stands there twice.
    arrived.bases = [base for base in pending if base in fresh]
    arrived.uids = [pending[base] for base in arrived.bases]
    ordered = sorted(arrived.uids)
    if ordered != arrived.uids:
        arrived.bases.sort(key=pending.__getitem__)
        arrived.uids = ordered
    arrived.names = [fresh[base] for base in arrived.bases]
    rest = [base for base in fresh if base not in pending] if len(arrived.bases) < len(fresh) else []
    return arrived, rest


def _assign(
    state: State, found: Differences, added: Arrived, rest: list[bytes], expunged: frozenset[int], seen: Seen
) -> tuple[Differences, Arrived, Seen]:
    """Give UIDs to files without one, under the lock; mend the uidlist if it needs that. If the lock is not to be had,
    only what has a UID is shown."""
    try:
        with state.lock(SYNC_LOCK_SECONDS):
            if read_uidlist(state):
                found = compare(state)
                seen = found.listing.seen
                added, rest = _matched(state, found, expunged)
            _number(state, found, added, rest)
            seen = evolve(seen, uidlist=state.look().uidlist)
    except Busy:
        state.tell("lock", "Mailbox is locked by another program, new mail is not shown")
        seen = evolve(seen, uidlist=(0, 0, 0))
    except OSError as error:
        refused = error.errno in REFUSED
        if not refused and state.uidlist is not None and not state.uidlist.end:
            raise  # clients must not be told a UIDVALIDITY that nobody remembers
        state.tell("write", f"New mail cannot be given UIDs ({error.strerror})")
        if not refused:
            seen = evolve(seen, uidlist=(0, 0, 0))  # it may go well the next time
    return found, added, seen


def _number(state: State, found: Differences, added: Arrived, rest: list[bytes]) -> None:
    """Give the files `rest` UIDs in the order in which they arrived, and add them to `added`."""
    uidlist = state.uidlist
    assert uidlist is not None
    _save_letters(state)
    rest = by_arrival(rest)
    start = uidlist.next_uid
    stale = _stale(state, rest)
    if stale:
        keep = frozenset(uidlist.uids).difference(stale) | frozenset(range(start, start + len(rest)))
        records = [Record(start + at, base) for at, base in enumerate(rest)]
        state.uidlist_file.rewrite(uidlist, records, keep)
    elif rest or not uidlist.sound:
        state.uidlist_file.append_names(uidlist, rest)
    state.records = len(uidlist)
    added.uids += range(start, start + len(rest))
    added.bases += rest
    added.names += [found.fresh[base] for base in rest]


def by_arrival(bases: list[bytes]) -> list[bytes]:
    """Return base names in the order of arrival(). Most differ in their first ten octets, the seconds, and octets are
    compared much faster than what they say."""
    if not b"".join([base[:10] for base in bases]).isdigit() or any(base[10:11] != b"." for base in bases):
        return sorted(bases, key=arrival)
    ordered = sorted(bases)
    seconds = [base[:10] for base in ordered]
    start = 0
    for at in [at for at, pair in enumerate(pairwise(seconds)) if pair[0] == pair[1]]:
        if at < start:
            continue
        end = at + 2
        while end < len(seconds) and seconds[end] == seconds[at]:
            end += 1
        ordered[at:end] = sorted(ordered[at:end], key=arrival)
        start = end
    return ordered


def _stale(state: State, rest: list[bytes]) -> list[int]:
    """Return the UIDs of old records that have the name of a message that came back."""
    uidlist = state.uidlist
    if uidlist is None or len(uidlist) <= len(state.names):
        return []
    bases = {*rest}
    return [uid for uid, name in zip(uidlist.uids, uidlist.names, strict=True) if split_info(name)[0] in bases]


def _set_apart(state: State, folder: bytes, name: bytes, base: bytes) -> None:
    """A second file has the base name of a message: give it a name of its own, unless it is the same file."""
    path = state.directory + folder + name
    known = state.bases.get(base)
    first = state.path(known) if known is not None else None
    try:
        if first is not None and first != path and not os.path.samefile(first, path):
            info = name[len(base) :]
            state.means.disk.rename(path, state.directory + folder + state.means.names.make() + info)
        else:
            state.ignored.add(folder + name)
    except OSError:
        pass  # renamed meanwhile: the next look tells


# Keywords


def _read_keywords(state: State) -> bool:
    """Read dovecot-keywords if it changed; return whether a letter means something else now."""
    renumber, state.renumber = state.renumber, False
    try:
        version = state.keywords_file.version()
        if version == state.keywords_version:
            return renumber
        keywords = state.keywords_file.load()
    except OSError:
        return renumber
    state.keywords_version = version
    return state.use_keywords(keywords) or renumber


def _save_letters(state: State) -> None:
    """Write names for letters that nobody explained. The lock is held."""
    unknown = [at + ord("a") for at, name in enumerate(state.keywords.names) if name == f"unknown-{at}"]
    if unknown:
        keywords = state.keywords_file.load()
        if keywords.with_letters(unknown) != keywords:
            keep_keywords(state, keywords.with_letters(unknown))


def keep_keywords(state: State, keywords: Keywords) -> None:
    """Write and use a table of letters. The lock is held. Raises Busy, OSError."""
    state.keywords_file.save(keywords)
    state.renumber = state.use_keywords(keywords) or state.renumber
    state.keywords_version = state.keywords_file.version()


# The index, and the news


def _open_index(state: State) -> Known:
    uidlist = state.uidlist
    assert uidlist is not None
    header = uidlist.header
    if not header.guid:
        header = uidlist.header = evolve(header, guid=new_uidlist(1).header.guid)
        uidlist.sound = False
    state.key = header.key
    base = state.modseq(0)
    known = state.index.write(state.key, base, Transaction.known)
    return known or Known(base, None, None, None, [(1, base)], (), frozenset())


def _first_look(state: State, known: Known, found: Differences, added: Arrived, assigned_from: int, seen: Seen) -> None:
    """Build the first snapshot. What may have changed since the index was written has a new modseq; messages from
    `assigned_from` on got their UIDs just now and so are recent, as are those in new/."""
    header = state.uidlist.header if state.uidlist is not None else None
    assert header is not None
    uids = array(snapshots.UIDS, added.uids)
    state.names = dict(zip(added.uids, added.names, strict=True))
    state.bases = dict(zip(added.bases, added.uids, strict=True))
    state.cur = dict(zip(added.names, added.uids, strict=True))
    for base in found.fresh_in_new & state.bases.keys():
        name = found.fresh[base]
        state.new[name] = state.cur.pop(name)
    modseq = state.modseq(known.modseq)
    mark = folder_mark(seen)
    uidnext = max(known.uidnext or 1, state.uidlist.next_uid if state.uidlist is not None else 1)
    recent = min([assigned_from, uidnext, *state.new.values()])
    changed = known.folder is not None and known.folder != mark
    arrived = known.uidnext is not None and bool(uids) and uids[-1] >= known.uidnext

    def settle(transaction: Transaction) -> Known:
        if changed:
            transaction.all_changed(modseq)
        elif arrived and known.uidnext is not None:
            transaction.arrived(known.uidnext, modseq)
        transaction.seal(uidnext, mark, recent)
        return transaction.known()

    if changed or arrived or known.folder is None:
        known = state.index.write(state.key, modseq, settle) or known
    for uid, _, words in known.rows:
        if words and uid in state.names:
            state.extra[uid] = frozenset(words.split(" "))
    numbers = state.plain_numbers([name.partition(b":")[2] for name in added.names])
    for uid in state.extra:
        numbers[bisect_left(uids, uid)] = state.number(uid, state.names[uid])
    empty = snapshots.first(MailboxId(header.guid), header.uidvalidity, state.table, ModSeq(known.modseq), uidnext)
    snapshot = snapshots.with_added(empty, state.table, uids, numbers, _modseqs(known, uids), uidnext)
    state.opened = True
    state.snapshot = snapshots.with_recent(snapshot, recent if known.recent is None else known.recent)
    state.seen = evolve(seen, index=state.index.stamp())


def _modseqs(known: Known, uids: array[int]) -> Sequence[int]:
    modseqs = array(snapshots.MODSEQS, [known.modseq]) * len(uids)
    for first, modseq in known.arrivals:
        at = bisect_left(uids, first)
        modseqs[at:] = array(snapshots.MODSEQS, [modseq]) * (len(uids) - at)
    for uid, own, _ in known.rows:
        at = bisect_left(uids, uid)
        if own is not None and at < len(uids) and uids[at] == uid:
            modseqs[at] = own
    return modseqs


def _note(state: State, found: Differences, added: Arrived, renumber: bool, seen: Seen) -> None:
    """Take the differences into `state` and the index, and publish them as one change."""
    before = state.snapshot
    for uid, folder, name, base in found.moved:
        state.put(uid, folder, name, base)
    for uid in found.lost:
        if uid in state.names:
            state.drop(uid)
    removed = [Uid(uid) for uid in before.uids if uid not in state.names] if len(state.names) < len(before) else []
    for uid, name, base in zip(added.uids, added.names, added.bases, strict=True):
        state.put(uid, NEW if base in found.fresh_in_new else CUR, name, base)
    looked_at = sorted(state.names) if renumber else sorted(moved[0] for moved in found.moved)
    if not (removed or added.uids or looked_at) and state.index.standing(state.key)[0] <= before.highest_modseq:
        _settle(state, seen)
        return
    uidnext = max(before.uidnext, state.uidlist.next_uid if state.uidlist is not None else 1)

    def job(transaction: Transaction) -> tuple[dict[int, int], dict[int, int], int]:
        rows = transaction.changed_since(before.highest_modseq)
        for uid, _, words in rows:
            state.extra[uid] = frozenset(words.split(" ")) if words else frozenset()
        theirs = {uid: own for uid, own, _ in rows if own is not None}
        modseq = state.modseq(max(before.highest_modseq, transaction.highest()))
        flagged = _flagged(state, {*looked_at, *theirs}, theirs, modseq)
        arrived = {uid: theirs.get(uid, modseq) for uid in added.uids}
        transaction.flagged([(uid, own) for uid, own in flagged.items() if uid not in theirs])
        ours = [uid for uid in arrived if uid not in theirs]
        if ours:
            transaction.arrived(ours[0], modseq)
        if removed:
            transaction.removed(removed, modseq)
        transaction.raise_to(modseq if flagged or arrived or removed else 0)
        transaction.seal(uidnext, folder_mark(seen))
        return flagged, arrived, modseq

    noted = state.index.write(state.key, before.highest_modseq, job)
    if noted is None:
        own = state.modseq(before.highest_modseq)
        noted = _flagged(state, {*looked_at}, {}, own), dict.fromkeys(added.uids, own), own
    flagged, arrived, modseq = noted
    _publish(state, removed, flagged, arrived, modseq, uidnext)
    _settle(state, seen)


def _flagged(state: State, uids: set[int], theirs: dict[int, int], modseq: int) -> dict[int, int]:
    """Return the modseqs of those messages whose flags are others now, or that another process gave one."""
    before, names = state.snapshot, state.names
    flagged: dict[int, int] = {}
    for uid in uids:
        flags = before.flags(uid)
        if flags is None or uid not in names:
            continue
        if uid in theirs or state.table.sets[state.number(uid, names[uid])] != flags:
            flagged[uid] = theirs.get(uid, modseq)
    return flagged


def _publish(
    state: State, removed: list[Uid], flagged: dict[int, int], arrived: dict[int, int], modseq: int, uidnext: int
) -> None:
    snapshot, table, names = state.snapshot, state.table, state.names
    changes: list[MailboxChange] = []
    if removed:
        snapshot = snapshots.with_removed(snapshot, removed, modseq)
        changes.append(Removed(removed))
    if flagged:
        uids = sorted(Uid(uid) for uid in flagged)
        numbers = [state.number(uid, names[uid]) for uid in uids]
        snapshot = snapshots.with_flags(snapshot, table, uids, numbers, [flagged[uid] for uid in uids])
        changes.append(Flagged(uids))
    if arrived:
        uids = [Uid(uid) for uid in arrived]
        numbers = [state.number(uid, names[uid]) for uid in uids]
        snapshot = snapshots.with_added(snapshot, table, uids, numbers, list(arrived.values()), uidnext)
        changes.append(Added(uids))
    if changes:
        state.publish(snapshot, tuple(changes), snapshot.highest_modseq)


def _settle(state: State, seen: Seen) -> None:
    recent = state.index.standing(state.key)[1]
    if recent > state.snapshot.recent_from:
        state.snapshot = snapshots.with_recent(state.snapshot, recent)
    state.seen = evolve(seen, index=state.index.stamp())


def folder_mark(seen: Seen) -> str:
    """Return what tells whether flags may have changed while nobody looked."""
    return f"{seen.cur[0]}.{seen.cur[1]}"
