"""Listing the folders of a mailbox and comparing them with what is known.

A directory that is listed while files in it are renamed may show a file twice or not at all. A file shown twice is
looked at again by name. A file not shown is only taken for lost if the folders were quiet while they were listed, or if
several listings one after the other do not show it: an expunge that never happened would cost the message its UID.

Of a folder with 100,000 files of which one is new, only that one is looked at in Python.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable

from attrs import Factory, define, frozen

from mailhub.maildir.filenames import is_message
from mailhub.maildir.state import CUR, NEW, NOTHING_SEEN, TMP, Seen, State
from mailhub.store.errors import MailboxGone

QUIET = 20_000_000
"""Nanoseconds for which a folder was not changed before it counts as quiet; several ticks of the kernel's clock."""
COARSE_QUIET = 1_100_000_000
"""The same on a file system that knows seconds only."""
_LISTINGS = 5
"""How often folders that are being changed are listed before what none of the listings showed is taken for lost. One
listing misses a file that others keep renaming once in some hundred times."""


@frozen(eq=False)
class Listing:
    cur: set[bytes]
    new: set[bytes]
    seen: Seen
    """The stamps before."""
    quiet: bool
    """Whether nothing can have been renamed meanwhile."""
    files: bool
    """Whether only files are listed, because nothing was known that could tell what is new."""
    began: int
    cost: int
    """Nanoseconds."""


UNCHANGED = Listing(set(), set(), NOTHING_SEEN, True, False, 0, 0)
"""Stands for a listing where none was needed."""


@define(eq=False)
class Differences:
    """How the folders differ from what is known."""

    listing: Listing
    moved: list[tuple[int, bytes, bytes, bytes]] = Factory(list)
    """Messages whose name or folder changed: UID, folder, name, base name."""
    lost: list[int] = Factory(list)
    """UIDs of messages that are in neither folder; ascending."""
    fresh: dict[bytes, bytes] = Factory(dict)
    """Files of no known message: base name and name."""
    fresh_in_new: set[bytes] = Factory(set)
    """Base names of those that are in new/."""
    doubles: list[tuple[bytes, bytes, bytes]] = Factory(list)
    """Further files of known messages: folder, name, base name."""


def compare(state: State) -> Differences:
    """List both folders and say what is different. Raises MailboxGone, OSError."""
    found = _compared(state, _listed(state))
    lost = {*found.lost}
    for _ in range(_LISTINGS - 1):
        if found.listing.quiet or not (lost or _expected(state, found)):
            break
        found = _compared(state, _listed(state))
        lost &= {*found.lost}
    if not found.listing.quiet:
        found.lost = sorted(lost)
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
    files = not state.names
    cur, new = _names(state, CUR, files), _names(state, NEW, files)
    after = state.look()
    quiet = after.folders == seen.folders and began > quiet_after(seen.changed_at)
    return Listing(cur, new, seen, quiet, files, began, time.time_ns() - began)


def _names(state: State, folder: bytes, files: bool) -> set[bytes]:
    path = state.directory + folder
    try:
        if files:
            with os.scandir(path) as entries:
                return {entry.name for entry in entries if entry.is_file()}
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
            _sort_out(state, found, lost, folder, _messages(state, folder, unknown, listing.files))
    found.lost = sorted(lost.values())
    return found


def _sort_out(state: State, found: Differences, lost: dict[bytes, int], folder: bytes, names: list[bytes]) -> None:
    """Say of files that are not known by name what they are."""
    bases, fresh = state.bases, found.fresh
    own = [name.partition(b":")[0] for name in names]
    if not lost and not fresh and (not bases or bases.keys().isdisjoint(own)):
        pairs = dict(zip(own, names, strict=True))
        if len(pairs) == len(names):
            found.fresh = pairs
            if folder is NEW:
                found.fresh_in_new.update(own)
            return
    for name, base in zip(names, own, strict=True):
        if base in lost:
            found.moved.append((lost.pop(base), folder, name, base))
        elif base in bases or base in fresh:
            found.doubles.append((folder, name, base))
        else:
            fresh[base] = name
            if folder is NEW:
                found.fresh_in_new.add(base)


def _messages(state: State, folder: bytes, names: set[bytes], files: bool) -> list[bytes]:
    """Return those of `names` that are messages: files, with names that can be theirs."""
    prefix = state.directory + folder
    regular: Iterable[bytes] = names
    if not files and len(names) > 256:
        with os.scandir(prefix) as entries:
            regular = names & {entry.name for entry in entries if entry.is_file()}
    elif not files:
        regular = [name for name in names if _is_file(prefix + name)]
    messages = [*regular]
    together = b"/" + b"/".join(messages)
    if any(octets in together for octets in (b"\n", b"\r", b"/.", b"/:")):
        messages = [name for name in messages if is_message(name)]
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
