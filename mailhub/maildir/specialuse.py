"""Which mailbox has a special use (RFC 6154): as clients said when they made it, or by its well-known name.

What a client said stands in the file mailhub-special-use in the mail root, one mailbox a line:

    \\Sent \\Archive<TAB>Work<TAB>Old

with the levels of its name spelled as in `subscriptions`. Dovecot keeps this in its configuration. Its default
configuration gives a use to some names; so do we, unless a client gave that use to another mailbox. The file is changed
with the lock of the mailbox list held.
"""

from __future__ import annotations

import os

from mailhub.maildir.disk import Disk, read_file
from mailhub.maildir.layout import Layout
from mailhub.maildir.subscriptions import escape, unescape

FILE = b"mailhub-special-use"
TEMPORARY = b"mailhub-special-use.tmp"

WELL_KNOWN: dict[str, str] = {
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    "Sent": "\\Sent",
    "Sent Messages": "\\Sent",
    "Archive": "\\Archive",
}


class SpecialUse:
    """The special uses of one account. Blocks: threads only."""

    def __init__(self, disk: Disk, directory: bytes, layout: Layout) -> None:
        self._disk = disk
        self._directory = directory
        self._path = os.path.join(directory, FILE)
        self._layout = layout
        self._version: tuple[int, int] | None = None
        self._said: dict[str, frozenset[str]] = {}

    def load(self) -> dict[str, frozenset[str]]:
        """Return what clients said, by mailbox name. Raises OSError."""
        try:
            status = os.stat(self._path)
            version = (status.st_ino, status.st_mtime_ns)
            if version != self._version:
                self._said = self._parse(read_file(self._path))
                self._version = version
        except FileNotFoundError:
            self._said, self._version = {}, None
        return self._said

    def uses(self) -> dict[str, frozenset[str]]:
        """Return all uses by name, of mailboxes whether they exist or not. Raises OSError."""
        said = self.load()
        given = frozenset().union(*said.values()) if said else frozenset()
        known = {name: frozenset({use}) for name, use in WELL_KNOWN.items() if use not in given}
        return {**known, **said}

    def set(self, name: str, uses: frozenset[str]) -> None:
        """Note the uses of a mailbox; none to forget it. Raises OSError."""
        said = dict(self.load())
        if said.get(name, frozenset()) == uses:
            return
        said.pop(name, None)
        if uses:
            said[name] = uses
        self._save(said)

    def renamed(self, old: str, new: str) -> None:
        """Follow a mailbox, and those below it, to its new name. Raises OSError."""
        said = self.load()
        below = old + self._layout.delimiter
        if any(name == old or name.startswith(below) for name in said):
            moved = {
                new + name[len(old) :] if name == old or name.startswith(below) else name: uses
                for name, uses in said.items()
            }
            self._save(moved)

    def _parse(self, data: bytes) -> dict[str, frozenset[str]]:
        said = {}
        for line in data.split(b"\n"):
            uses, *levels = line.split(b"\t")
            name = self._layout.name(tuple(map(unescape, levels))) if levels else None
            if name is not None:
                said[name] = frozenset(uses.decode("ascii", "replace").split())
        return said

    def _save(self, said: dict[str, frozenset[str]]) -> None:
        lines = [
            b"\t".join([" ".join(sorted(uses)).encode("ascii"), *map(escape, self._layout.levels(name))]) + b"\n"
            for name, uses in sorted(said.items())
        ]
        self._disk.store(self._path, b"".join(lines), os.path.join(self._directory, TEMPORARY))
