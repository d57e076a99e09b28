"""Nothing is acknowledged before it is durable (design law 2), whatever is thrown away meanwhile (law 5)."""

from __future__ import annotations

import os

from mailhub.maildir.draft import IN_MEMORY
from mailhub.store.errors import OverQuota
from mailhub.store.model import Addition
from tests.maildir.boxes import MAIL, HookedDisk
from tests.maildir.test_crash import FaultCase
from tests.maildir.world import WORK

HINTS = (b".lock", b".tmp", b"/dovecot-uidvalidity", b"/maildirfolder")
"""Ends of names of files whose content may be lost: locks, and what is empty or only a hint."""


class Watched(HookedDisk):
    """Knows which files and directories would not survive if the power failed now."""

    def __init__(self) -> None:
        super().__init__()
        self.volatile: set[bytes] = set()

    def create(self, path: bytes) -> int:
        self._name(path)
        return super().create(path)

    def overwrite(self, path: bytes) -> int:
        self._name(path)
        return super().overwrite(path)

    def write(self, fd: int, data: bytes | memoryview, path: bytes = b"") -> None:
        self.volatile.add(path)
        super().write(fd, data, path)

    def sync(self, fd: int, path: bytes = b"") -> None:
        super().sync(fd, path)
        self.volatile.discard(path)

    def sync_directory(self, path: bytes) -> None:
        super().sync_directory(path)
        self.volatile.discard(path.rstrip(b"/"))

    def rename(self, old: bytes, new: bytes) -> None:
        super().rename(old, new)
        self._name(old)
        self._name(new)
        if old in self.volatile:
            self.volatile.discard(old)
            self.volatile.add(new)

    def link(self, old: bytes, new: bytes) -> None:
        super().link(old, new)
        self._name(new)
        if old in self.volatile:
            self.volatile.add(new)

    def unlink(self, path: bytes) -> None:
        super().unlink(path)
        self._name(path)
        self.volatile.discard(path)

    def utime(self, path: bytes, seconds: float) -> None:
        super().utime(path, seconds)
        if not path.endswith(b"/dovecot-keywords"):  # a second more, so that Dovecot sees that it changed
            self.volatile.add(path)

    def mkdir(self, path: bytes) -> None:
        super().mkdir(path)
        self._name(path)

    def _name(self, path: bytes) -> None:
        if not path.endswith(HINTS) and b".lock." not in path and b"/tmp/" not in path and b"TRASHED" not in path:
            self.volatile.add(os.path.dirname(path))

    def lost(self) -> list[bytes]:
        """Return what matters of that and still is there."""
        return sorted(
            path
            for path in self.volatile
            if not path.endswith(HINTS) and b"TRASHED" not in path and os.path.exists(path)
        )


class Durable(FaultCase):
    """The disk is watched."""

    def test_all_work(self) -> None:
        """Whatever is acknowledged needs no later sync: contents are synced before their names, names before OK."""
        for name, steps in WORK.items():
            self.begin(name)
            disk = Watched()
            with self.world(disk) as world:
                world.picture()
                disk.volatile.clear()
                for number, step in enumerate(steps, 1):
                    self.get(step(world))
                    if name not in ("claim", "arrive"):  # \\Recent may be lost
                        self.assertEqual(disk.lost(), [], f"step {number} of {name}")

    def test_thrown_away(self) -> None:
        """A draft that its session throws away at any moment of the append, because the client is gone, is stored
        wholly or not at all."""
        for size in (len(MAIL), IN_MEMORY + 10):
            for nth in range(1, 30):
                self.begin(f"{size}-{nth}")
                disk = HookedDisk()
                with self.world(disk) as world:
                    box = world.box()
                    draft = box.draft()
                    written = draft.write(b"A: b\n\n".ljust(size, b"x") + b"\n")
                    if written is not None:
                        self.get(written)
                    count = 0

                    def discard(operation: str, path: bytes) -> None:
                        nonlocal count
                        count += 1
                        if count == nth and not draft._file.locked():  # noqa: B023
                            draft.discard()  # noqa: B023

                    disk.hook(discard)
                    outcome: list[object] = []
                    box.append([Addition(draft)]).addBoth(outcome.append)
                    disk.hook(None)
                    for uid in self.get(box.refresh()).uids[4:]:
                        self.assertEqual(len(self.text(box, uid) or b""), size + 4)
                    self.assertEqual(len(outcome), 1)

    def test_thrown_away_before(self) -> None:
        """A draft that was thrown away is not stored."""
        self.begin("before")
        with self.world() as world:
            draft = world.draft("gone")
            draft.discard()
            appending = world.accounts["ann"].append("INBOX", [Addition(draft)])
            self.failureResultOf(appending, OverQuota)
            self.assertEqual(len(self.get(world.box().refresh()).uids), 4)

    def test_thrown_away_while_joined(self) -> None:
        """The same in the moment in which what is in memory is put together: another thread throws it away there."""
        self.begin("joined")
        with self.world() as world:
            box = world.box()
            draft = box.draft()
            draft.write(MAIL)
            convert = draft._ends.convert

            def meanwhile(data: bytes, last: bool = False) -> bytes:
                draft.discard()
                return convert(data, last)

            draft._ends.convert = meanwhile  # type: ignore[method-assign]
            box.append([Addition(draft)]).addBoth(lambda _: None)
            for uid in self.get(box.refresh()).uids[4:]:
                self.assertEqual(self.text(box, uid), MAIL.replace(b"\n", b"\r\n"))
