"""Every write to the disk fails once, and at every write the process ends: what was acknowledged holds (design laws 2
and 3), what was not is there wholly or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailhub.maildir.disk import Disk
from mailhub.maildir.index import FILE_NAME
from mailhub.maildir.store import MaildirStore
from mailhub.store.errors import OverQuota, StoreError, Unavailable
from mailhub.store.model import UserEntry
from tests.maildir.boxes import BoxCase, HookedDisk
from tests.maildir.world import (
    USERS,
    WORK,
    Picture,
    Step,
    World,
    build,
    differences,
    end_to_end,
    stepwise,
    strays,
)

MEMORY = "/dev/shm"
"""Where many small files are made fastest."""

ENDED = 99
"""Exit status of a process that ended at the operation it was told."""

KINDS = ((errno.EIO, False), (errno.ENOSPC, False), (errno.EIO, True))
"""How operations fail: with which error, and whether all do from then on."""

SOAK = os.environ.get("MAILHUB_SOAK") == "1"

MOVING = ("move", "rename", "rename_inbox")


class Counted(HookedDisk):
    """Does something instead of the Nth operation, counted from when it is armed; notes the operations."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, bytes]] = []

    def arm(self, nth: int, error: int | None, sticky: bool = False) -> None:
        """Fail with `error`, from then on if `sticky`; or end the process if it is None."""
        seen = self.seen = []

        def count(operation: str, path: bytes) -> None:
            seen.append((operation, path))
            if len(seen) == nth or (sticky and len(seen) > nth):
                if error is None:
                    os._exit(ENDED)
                raise OSError(error, os.strerror(error), path)

        self.hook(count)


class FaultCase(BoxCase):
    """A world for each try, and stores on it."""

    def begin(self, at: object) -> None:
        self.base = self.root / str(at)
        build(self.base)

    def setUp(self) -> None:
        super().setUp()
        self.root = self.base
        if os.access(MEMORY, os.W_OK):
            folder = tempfile.TemporaryDirectory(dir=MEMORY)
            self.addCleanup(folder.cleanup)
            self.root = Path(folder.name)

    @contextmanager
    def world(self, disk: Disk | None = None) -> Iterator[World]:
        store: MaildirStore = self.store(disk)
        yield World({user: self.get(store.account(UserEntry(user))) for user in USERS}, self.get)
        self.get(store.close())

    def unharmed(self, steps: Sequence[Step]) -> list[Picture]:
        """Return what there is before the first step and after each if nothing goes wrong."""
        self.begin("unharmed")
        pictures: list[Picture] = []
        with self.world() as world:
            stepwise(world, steps, pictures.append)
        with self.world() as world:
            self.same(world.picture(), pictures[-1], "unharmed")
        self.assertEqual(strays(self.base, passing=False), [])
        return pictures

    def then(self, before: Picture, done: Picture, moving: bool, at: str) -> None:
        """A new process finds everything in order and can go on."""
        with self.world() as world:
            self.assertEqual(differences(before, done, world.picture(), moving), [], at)
            last = end_to_end(world)
        with self.world() as world:
            self.same(world.picture(), last, at)

    def same(self, fresh: Picture, known: Picture, at: str) -> None:
        """A store that was opened just now knows the same as one that went through it; UIDs may have been lost."""
        self.assertEqual(
            {name: (seen.validity, seen.messages) for name, seen in fresh.items()},
            {name: (seen.validity, seen.messages) for name, seen in known.items()},
            at,
        )
        for name, seen in known.items():
            self.assertGreaterEqual(fresh[name].uidnext, seen.uidnext, at)


class Ended(FaultCase):
    """The process ends at the Nth operation, as by SIGKILL; another one goes on."""

    def cut(self, steps: Sequence[Step], nth: int) -> tuple[int, list[Picture]]:
        """Do the steps in a process that ends at operation `nth`; return its exit status and what it told."""
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                disk = Counted()
                with self.world(disk) as world:
                    self.tell(world, there)
                    disk.arm(nth, None)
                    for step in steps:
                        self.get(step(world))
                        disk.hook(None)
                        done = len(disk.seen)
                        self.tell(world, there)
                        disk.arm(nth - done, None)
                        nth -= done
                status = 0
            finally:
                os._exit(status)
        os.close(there)
        told = []
        with os.fdopen(here, "rb") as pipe:
            while pipe.peek(1):
                told.append(pickle.load(pipe))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told

    def tell(self, world: World, pipe: int) -> None:
        os.write(pipe, pickle.dumps(world.picture()))

    def check(self, name: str) -> None:
        steps = WORK[name]
        pictures = self.unharmed(steps)
        nth, status = 0, ENDED
        while status == ENDED:
            nth += 1
            self.begin(nth)
            status, told = self.cut(steps, nth)
            self.assertIn(status, (0, ENDED))
            self.assertEqual(told, pictures[: len(told)])
            at = f"operation {nth} of {name}, step {len(told)}"
            self.assertEqual(strays(self.base, passing=True), [], at)
            if nth % 2:
                self.forget_index()
            done = pictures[min(len(told), len(pictures) - 1)]
            self.then(told[-1], done, name in MOVING, at)
        self.assertGreater(nth, 1)

    def forget_index(self) -> None:
        """The index is a cache: without it UIDs, flags and modseqs are no others (design, "Maildir", and law 4)."""
        for file in self.base.glob(f"mail/*/Maildir/{FILE_NAME}*"):
            file.unlink()


class Failed(FaultCase):
    """The Nth operation fails; the store says so in its words and goes on."""

    def fail_at(self, steps: Sequence[Step], nth: int, error: int, sticky: bool) -> tuple[bool, Picture, int]:
        """Do the steps until one fails; return whether an operation failed, what was before and the steps done."""
        disk = Counted()
        with self.world(disk) as world:
            before = world.picture()
            for done, step in enumerate(steps):
                disk.arm(nth, error, sticky)
                outcome: list[object] = []
                try:
                    step(world).addBoth(outcome.append)
                except StoreError:
                    outcome.append(Failure())
                except AssertionError:  # a draft could not be written: FailTest of get()
                    outcome.append(Failure(StoreError("draft")))
                disk.hook(None)
                hit = len(disk.seen) >= nth
                nth -= len(disk.seen)
                self.assertEqual(len(outcome), 1)
                (result,) = outcome
                if isinstance(result, Failure):
                    wanted = OverQuota if error == errno.ENOSPC else Unavailable
                    if type(result.value) is not StoreError:
                        self.assertIsInstance(result.value, wanted, result.getTraceback())
                if hit:
                    now = world.picture()
                    with self.world() as other:
                        self.same(other.picture(), now, "")
                    return isinstance(result, Failure), before, done + 1
                before = world.picture()
            return False, before, 0

    def check(self, name: str) -> None:
        steps = WORK[name]
        pictures = self.unharmed(steps)
        for first, kind in enumerate(KINDS if SOAK else KINDS[:1]):
            nth = 0
            while True:
                nth += 1
                # Each in its turn, unless there is time for all of all.
                error, sticky = kind if SOAK else KINDS[(first + nth) % len(KINDS)]
                self.begin(f"{error}{sticky}{nth}")
                failed, before, done = self.fail_at(steps, nth, error, sticky)
                if not done:
                    break
                at = f"operation {nth} of {name}, step {done}, {errno.errorcode[error]}"
                self.then(before, pictures[done], name in MOVING, at)
                if failed and not sticky:
                    self.assertEqual(strays(self.base, passing=True), [], at)
            self.assertGreater(nth, 1)


def _cases(case: type) -> None:
    """Give `case` a test for each piece of work."""
    for name in WORK:

        def test(self: Ended | Failed, name: str = name) -> Deferred[None] | None:
            self.check(name)
            return None

        test.__doc__ = f"{(case.__doc__ or '').splitlines()[0]} Here: {name.replace('_', ' ')}."
        setattr(case, f"test_{name}", test)


_cases(Ended)
_cases(Failed)
