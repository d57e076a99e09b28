"""Changing what is in a mailbox: flags, expunge, \\Recent.

Each is one job in the mailbox's lane: look whether the disk is as we know it, do the renames or removals, make the
folder durable, note it in the index, and leave the news in `state`. Another program may rename or remove a file at any
moment between; then the rename finds nothing. What happened to the file is looked up, and the change is applied to what
it is now: their flags and our edit both count.

Files are not locked for this, by nobody: Dovecot renames a file to change its flags too, and the base name tells which
message it is. Only giving a keyword a letter needs the lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import cast

from attrs import evolve

from mailhub.maildir.filenames import corrected, stated_sizes
from mailhub.maildir.index import Transaction
from mailhub.maildir.quota import add_to_quota
from mailhub.maildir.state import CUR, NEW, State
from mailhub.maildir.sync import (
    SYNC_LOCK_SECONDS,
    ensure_current,
    folder_mark,
    keep_keywords,
    read_uidlist,
    synchronise,
)
from mailhub.store import snapshots
from mailhub.store.changes import Flagged, Removed
from mailhub.store.errors import Busy, Unavailable
from mailhub.store.model import FlagEdit, FlagOutcome, ModSeq, Uid

TRIES = 6
"""How often a file that others keep renaming is looked for."""

COMPACT_AT = 0.75
"""A uidlist is written anew when so few of its records have a message left; Dovecot's measure."""


# Flags


def change(state: State, edits: Sequence[FlagEdit], origin: object) -> list[FlagOutcome]:
    """Do as IMailbox.change says. Raises TooMany, Busy, MailboxGone, OSError."""
    ensure_current(state)
    outcomes, missed = _edit(state, edits, origin)
    for _ in range(TRIES):
        if not missed:
            return outcomes
        synchronise(state)
        again, still = _edit(state, [evolve(edit, uids=_both(edit.uids, missed)) for edit in edits], origin)
        outcomes = [_joined(first, second) for first, second in zip(outcomes, again, strict=True)]
        missed = still
    raise Unavailable("Messages are being changed by another program")


def _edit(state: State, edits: Sequence[FlagEdit], origin: object) -> tuple[list[FlagOutcome], frozenset[int]]:
    """Apply edits to what is known now; return the outcomes and the UIDs of files that were not where they should be,
    which no outcome has."""
    for _ in range(TRIES):
        plan = snapshots.plan_edits(state.snapshot, state.table, edits, state.modseq)
        if not plan.uids:
            return list(plan.outcomes), frozenset()
        give_letters(state, {flag for number in set(plan.numbers) for flag in state.table.sets[number]})
        if not state.renumber:
            break
        synchronise(state)  # what the messages have is called otherwise now
    else:
        raise Unavailable("Keywords are being changed by another program")
    missed: list[int] = []
    extras: dict[int, frozenset[str]] = {}
    error = _rename_all(state, plan.uids, plan.numbers, missed, extras)
    lost = frozenset(missed)
    uids: Sequence[Uid] = plan.uids
    numbers: Sequence[int] = plan.numbers
    modseqs: Sequence[int] = [plan.modseqs] * len(uids) if isinstance(plan.modseqs, int) else plan.modseqs
    if lost:
        kept = [at for at, uid in enumerate(uids) if uid not in lost]
        uids, numbers, modseqs = ([column[at] for at in kept] for column in (uids, numbers, modseqs))  # type: ignore[assignment]
    outcomes = list(plan.outcomes)
    if uids:
        shift = _commit_flags(state, uids, modseqs, extras)
        if shift:
            modseqs = [modseq + shift for modseq in modseqs]
        snapshot = snapshots.with_flags(
            state.snapshot, state.table, uids, numbers, modseqs[0] if len({*modseqs}) == 1 else modseqs
        )
        state.publish(snapshot, (Flagged(uids),), snapshot.highest_modseq, origin)
        outcomes = [_told(outcome, lost, shift) for outcome in outcomes]
    elif lost:
        outcomes = [_told(outcome, lost, 0) for outcome in outcomes]
    if error is not None:
        raise error
    return outcomes, lost


def give_letters(state: State, flags: set[str]) -> None:
    """See to it that keywords among `flags` have letters, as far as there are any left. Raises Busy, OSError."""
    wanted = sorted(flag for flag in flags if not flag.startswith("\\") and state.keywords.letter(flag) is None)
    if not wanted or state.keywords.with_names(wanted) == state.keywords:
        return
    with state.lock():
        on_disk = state.keywords_file.load()
        keep_keywords(state, on_disk.with_names(wanted))


def _rename_all(
    state: State, uids: Sequence[int], numbers: Sequence[int], missed: list[int], extras: dict[int, frozenset[str]]
) -> OSError | None:
    """Rename the files; note those that are not there in `missed`, changed keywords without a letter in `extras`.
    After an error the rest is missed."""
    rename, names, cur, new, info_of = state.means.disk.rename, state.names, state.cur, state.new, state.info
    in_cur, in_new = state.directory + CUR, state.directory + NEW
    from_new = False
    error: OSError | None = None
    for at, (uid, number) in enumerate(zip(uids, numbers, strict=True)):
        name = names[uid]
        base, _, info = name.partition(b":")
        wanted, extra = info_of(info, number)
        after = base + wanted
        fresh = name in new
        if fresh or after != name:
            try:
                rename((in_new if fresh else in_cur) + name, in_cur + after)
            except FileNotFoundError:
                missed.append(uid)
                continue
            except OSError as failure:
                error = failure
                missed += uids[at:]
                break
            if fresh:
                del new[name]
                from_new = True
            else:
                del cur[name]
            cur[after] = uid
            names[uid] = after
        if extra != state.extra.get(uid, frozenset()):
            extras[uid] = extra
    if len(missed) < len(uids):
        error = _sync_folders(state, from_new) or error
    return error


def _sync_folders(state: State, new: bool) -> OSError | None:
    """Make renames and removals in cur/, and maybe in new/, durable; return what failed. Others see the change
    already, so it is to be published all the same; but it must not be acknowledged (design law 2)."""
    failed: OSError | None = None
    for folder in (CUR, NEW) if new else (CUR,):
        try:
            state.means.disk.sync_directory(state.directory + folder)
        except OSError as error:
            state.tell("sync", f"Folder cannot be synced ({error.strerror})")
            failed = error
    return failed


def _commit_flags(state: State, uids: Sequence[int], modseqs: Sequence[int], extras: dict[int, frozenset[str]]) -> int:
    """Note modseqs in the index; return by how much they had to be raised above what another process gave."""
    for uid, extra in extras.items():
        state.extra[uid] = extra
    lowest, highest = min(modseqs), max(modseqs)
    seen = state.look()
    uidnext = state.snapshot.uidnext

    def job(transaction: Transaction) -> int:
        shift = max(0, transaction.highest() + 1 - lowest)
        transaction.flagged(zip(uids, [modseq + shift for modseq in modseqs] if shift else modseqs, strict=True))
        if extras:
            transaction.keywords((uid, " ".join(sorted(extra))) for uid, extra in extras.items())
        transaction.raise_to(highest + shift)
        transaction.seal(uidnext, folder_mark(seen))
        return shift

    shift = state.index.write(state.key, state.snapshot.highest_modseq, job) or 0
    state.adopt(seen)
    return shift


def _both(uids: Sequence[Uid], missed: frozenset[int]) -> list[Uid]:
    return [uid for uid in uids if uid in missed]


def _told(outcome: FlagOutcome, lost: frozenset[int], shift: int) -> FlagOutcome:
    """Return an outcome without messages that were missed, and with the modseq that was really given."""
    changed = [uid for uid in outcome.changed if uid not in lost] if lost else outcome.changed
    modseq = ModSeq(outcome.modseq + shift) if outcome.modseq is not None and changed else None
    return evolve(
        outcome,
        changed=changed,
        modseq=modseq,
        modified=[uid for uid in outcome.modified if uid not in lost] if lost else outcome.modified,
    )


def _joined(first: FlagOutcome, second: FlagOutcome) -> FlagOutcome:
    return FlagOutcome(
        sorted([*first.changed, *second.changed]),
        sorted([*first.modified, *second.modified]),
        sorted([*first.gone, *second.gone]),
        second.modseq or first.modseq,
    )


# Expunge


def expunge(state: State, uids: Sequence[Uid], origin: object) -> list[Uid]:
    """Do as IMailbox.expunge says. Raises MailboxGone, OSError."""
    ensure_current(state)
    removed: list[Uid] = []
    wanted: Sequence[Uid] = uids
    for _ in range(TRIES):
        missed = _remove(state, wanted, removed, origin)
        if not missed:
            return sorted(removed)
        synchronise(state)
        wanted = [uid for uid in missed if uid in state.names]
    raise Unavailable("Messages are being changed by another program")


def _remove(state: State, uids: Sequence[Uid], removed: list[Uid], origin: object) -> list[Uid]:
    """Remove files and publish it; return the UIDs of those that were not where they should be."""
    unlink, new = state.means.disk.unlink, state.new
    done: list[Uid] = []
    missed: list[Uid] = []
    names: list[bytes] = []
    from_new = False
    error: OSError | None = None
    for uid in uids:
        path = state.path(uid)
        if path is None:
            continue
        name = state.names[uid]
        try:
            unlink(path)
        except FileNotFoundError:
            missed.append(uid)
            continue
        except OSError as failure:
            error = failure
            break
        from_new = from_new or name in new
        names.append(name)
        state.drop(uid)
        done.append(uid)
    if done:
        error = _sync_folders(state, from_new) or error
        seen = state.look()
        last = state.snapshot

        def job(transaction: Transaction) -> int:
            modseq = state.modseq(max(last.highest_modseq, transaction.highest()))
            transaction.removed(done, modseq)
            transaction.seal(last.uidnext, folder_mark(seen))
            return modseq

        modseq = state.index.write(state.key, last.highest_modseq, job) or state.modseq(last.highest_modseq)
        state.adopt(seen)
        state.publish(snapshots.with_removed(last, done, modseq), (Removed(done),), modseq, origin)
        removed += done
        add_to_quota(state.means, -sum(stated_sizes(name)[0] or 0 for name in names), -len(names))
        _compact(state)
    if error is not None:
        raise error
    return missed


def _compact(state: State) -> None:
    """Write the uidlist anew without expunged messages once there are many; a failure leaves it as it is."""
    uidlist = state.uidlist
    if uidlist is None or len(state.names) + len(state.pending) >= COMPACT_AT * len(uidlist):
        return
    try:
        with state.lock(SYNC_LOCK_SECONDS):
            # Others may have written it anew since, so that it is another object now.
            changed = read_uidlist(state)
            uidlist = state.uidlist
            if uidlist is None:
                return
            keep = frozenset(state.names) | frozenset(state.pending.values())
            state.uidlist_file.rewrite(uidlist, keep=keep)
            state.records = len(uidlist)
            if not changed:
                state.seen = evolve(state.seen, uidlist=state.look().uidlist)
    except (Busy, OSError):
        state.tell("compact", "dovecot-uidlist cannot be shortened")


def correct_size(state: State, uid: Uid, on_disk: int, size: int) -> None:
    """Rename a file whose name states wrong sizes: it has `on_disk` octets, `size` with CRLF line ends. The message
    keeps its UID: the uidlist is written anew with the new name. Raises Busy, OSError."""
    with state.lock(SYNC_LOCK_SECONDS):
        ensure_current(state)
        path, uidlist = state.path(uid), state.uidlist
        if path is None or uidlist is None:
            return
        name = state.names[uid]
        base = name.partition(b":")[0]
        after = corrected(name, on_disk)
        at = bisect_left(uidlist.uids, uid)
        if after == name or at == len(uidlist) or uidlist.uids[at] != uid:
            return
        folder = NEW if name in state.new else CUR
        try:
            state.means.disk.rename(path, state.directory + folder + after)
        except FileNotFoundError:
            return  # what happened to it, the next look tells
        state.tell("size", "A file name stated a wrong size")
        state.bases.pop(base, None)
        state.put(uid, folder, after, after.partition(b":")[0])
        uidlist.names[at] = after.partition(b":")[0]
        state.uidlist_file.rewrite(uidlist)
        state.adopt(state.look(), uidlist=True)
    state.index.write(
        state.key, state.snapshot.highest_modseq, lambda transaction: transaction.measured([(uid, size, None, None)])
    )


# \Recent


def claim_recent(state: State, below: Uid) -> Uid:
    """Do as IMailbox.claim_recent says. Raises MailboxGone, OSError."""
    ensure_current(state)
    arrived = [(uid, name) for name, uid in state.new.items() if uid < below]
    for uid, name in arrived:
        after = name if b":" in name else name + b":2,"
        try:
            state.means.disk.rename(state.directory + NEW + name, state.directory + CUR + after)
        except FileNotFoundError:
            continue  # another session was quicker; the next look tells
        except OSError as error:
            state.tell("claim", f"New mail cannot be moved to cur ({error.strerror})")
            break
        del state.new[name]
        state.cur[after] = uid
        state.names[uid] = after
    seen = state.look()
    last = state.snapshot

    def job(transaction: Transaction) -> int:
        first = transaction.recent(below, last.recent_from)
        transaction.seal(last.uidnext, folder_mark(seen))
        return first

    found = state.index.write(state.key, last.highest_modseq, job)
    state.adopt(seen)
    first = last.recent_from if found is None else max(found, last.recent_from)
    state.snapshot = snapshots.with_recent(last, max(first, below))
    return cast("Uid", min(first, below))
