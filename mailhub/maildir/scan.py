"""Listing the folders of a mailbox and comparing them with what is known.

A directory that is listed while files in it are renamed may show a file twice or not at all. A file shown twice is
looked at again by name. A file not shown is only taken for lost if the folders were quiet while they were listed, or if
a second listing does not show it either: an expunge that never happened would cost the message its UID.

Of a folder with 100,000 files of which one is new, only that one is looked at in Python.
"""

from __future__ import annotations

import os
import stat
import time

from attrs import Factory, define, frozen

from mailhub.maildir.filenames import is_message
from mailhub.maildir.state import CUR, NEW, TMP, Seen, State
from mailhub.store.errors import MailboxGone

QUIET = 20_000_000
"""Nanoseconds for which a folder was not changed before it counts as quiet; several ticks of the kernel's clock."""
COARSE_QUIET = 1_100_000_000
"""The same on a file system that knows seconds only."""
_LISTINGS = 5

Entry = tuple[bytes, bytes, bytes]
"""Folder, name, base name."""


@frozen(eq=False)
class Listing:
    cur: set[bytes]
    new: set[bytes]
    seen: Seen
    """The stamps before."""
    quiet: bool
    """Whether nothing can have been renamed meanwhile."""
    began: int
    cost: int
    """Nanoseconds."""


@define(eq=False)
class Differences:
    """How the folders differ from what is known."""

    listing: Listing
    moved: list[tuple[int, Entry]] = Factory(list)
    """Messages whose name or folder changed, with UID."""
    lost: list[int] = Factory(list)
    """UIDs of messages that are in neither folder; ascending."""
    fresh: dict[bytes, Entry] = Factory(dict)
    """Files of no known message, by base name."""
    doubles: list[Entry] = Factory(list)
    """Further files of known messages."""


def compare(state: State) -> Differences:
    """List both folders and say what is different. Raises MailboxGone, OSError."""
    found = _compared(state, _listed(state))
    for _ in range(_LISTINGS):
        if found.listing.quiet or not (found.lost or _expected(state, found)):
            break
        before, found = found, _compared(state, _listed(state))
        if found.lost == before.lost:
            break
    return found


def quiet_after(changed_at: int) -> int:
    """Return the clock, nanoseconds, from which on a folder changed at `changed_at` is known not to have been changed
    again at the same tick."""
    return changed_at + (COARSE_QUIET if changed_at % 1_000_000_000 == 0 else QUIET)


def _expected(state: State, found: Differences) -> bool:
    """Whether a record of a message that we never saw has no file: it may be the one that the listing missed."""
    newest = state.snapshot.uidnext
    return any(uid >= newest and base not in found.fresh for base, uid in state.pending.items())


def _listed(state: State) -> Listing:
    began = time.time_ns()
    seen = state.look()
    cur, new = _names(state, CUR), _names(state, NEW)
    after = state.look()
    quiet = after.folders == seen.folders and began > quiet_after(seen.changed_at)
    return Listing(cur, new, seen, quiet, began, time.time_ns() - began)


def _names(state: State, folder: bytes) -> set[bytes]:
    path = state.directory + folder
    try:
        return set(os.listdir(path))
    except FileNotFoundError:
        if not os.path.isdir(state.directory):
            raise MailboxGone("Mailbox was deleted") from None
    for name in (CUR, NEW, TMP):
        state.means.disk.makedirs(state.directory + name[:-1])
    return set()


def _compared(state: State, listing: Listing) -> Differences:
    found = Differences(listing)
    gone = {state.cur[name] for name in state.cur.keys() - listing.cur}
    gone |= {state.new[name] for name in state.new.keys() - listing.new}
    lost = {state.rebased.get(uid) or state.names[uid].partition(b":")[0]: uid for uid in gone}
    for folder, names, known in ((CUR, listing.cur, state.cur), (NEW, listing.new, state.new)):
        unknown = names.difference(known) if known else names
        if unknown:
            _sort_out(state, found, lost, folder, _messages(state, folder, unknown))
    found.lost = sorted(lost.values())
    return found


def _sort_out(state: State, found: Differences, lost: dict[bytes, int], folder: bytes, names: list[bytes]) -> None:
    bases, fresh = state.bases, found.fresh
    for name in names:
        base = name.partition(b":")[0]
        if base in lost:
            found.moved.append((lost.pop(base), (folder, name, base)))
        elif base in bases or base in fresh:
            found.doubles.append((folder, name, base))
        else:
            fresh[base] = (folder, name, base)


def _messages(state: State, folder: bytes, names: set[bytes]) -> list[bytes]:
    """Return those of `names` that are messages: files, with names that can be theirs."""
    prefix = state.directory + folder
    if len(names) > 256:
        with os.scandir(prefix) as entries:
            files = {entry.name for entry in entries if entry.is_file()}
        regular = names & files
    else:
        regular = {name for name in names if _is_file(prefix + name)}
    messages = [name for name in regular if is_message(name)]
    if len(messages) < len(names):
        others = {folder + name for name in names.difference(messages) if not name.startswith(b".")}
        if others - state.ignored:
            state.tell("others", "Files that are no messages are passed over")
            state.ignored |= others
    return messages


def _is_file(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
