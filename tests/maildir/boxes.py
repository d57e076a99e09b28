"""What the tests of mailboxes share: stores on one Maildir, run in place, and ways to act as another program would."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.concurrency.pool import InlinePool
from mailhub.config.settings import StoreSettings
from mailhub.maildir.disk import Disk
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.maildir.store import MaildirStore
from mailhub.store.interfaces import IAccount
from mailhub.store.model import Addition, FlagEdit, FlagOp, Uid, UserEntry, Wanted
from tests.store.base import Listener

T = TypeVar("T")

MAIL = b"Subject: hello\n\nHello, world.\n"


Hook = Callable[[str, bytes], None]


class HookedDisk(Disk):
    """Calls a hook with operation and path before each change; it may raise OSError or play another program."""

    def __init__(self) -> None:
        super().__init__(fsync=False)
        self._hooks: list[Hook] = []  # a list, because like() makes copies

    def hook(self, hook: Hook | None) -> None:
        """Use another hook from now on, also in copies of this disk; None for none."""
        self._hooks[:] = [] if hook is None else [hook]

    def before(self, operation: str, path: bytes) -> None:
        for hook in self._hooks:
            hook(operation, path)


class BoxCase(SynchronousTestCase):
    """Mail of the user "ann" in a Maildir of its own; each store() is as another process would be."""

    settings = StoreSettings(fsync="never", lock_seconds=1.0)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.base = Path(folder.name)
        self.base.chmod(0o755)
        self.maildir = self.base / "mail" / "ann" / "Maildir"

    def store(self, disk: Disk | None = None) -> MaildirStore:
        store = MaildirStore(
            reactor=Clock(), threads=InlinePool(), settings=self.settings, data=str(self.base), disk=disk
        )
        self.addCleanup(store.close)
        return store

    def account(self, disk: Disk | None = None, user: str = "ann") -> IAccount:
        return self.get(self.store(disk).account(UserEntry(user)))

    def inbox(self, disk: Disk | None = None) -> MaildirMailbox:
        """Open INBOX in a store of its own."""
        return self.get(self.account(disk).open("INBOX"))  # type: ignore[return-value]

    def get(self, deferred: Deferred[T]) -> T:
        return self.successResultOf(deferred)  # type: ignore[no-any-return]

    def watch(self, mailbox: MaildirMailbox) -> Listener:
        listener = Listener()
        mailbox.subscribe(listener)
        self.addCleanup(mailbox.unsubscribe, listener)
        return listener

    # As another program

    def put(self, name: str, data: bytes = MAIL, folder: str = "cur", mailbox: str = "") -> Path:
        """Drop a file into the Maildir."""
        directory = self.maildir / mailbox
        for sub in ("cur", "new", "tmp"):
            (directory / sub).mkdir(parents=True, exist_ok=True)
        path = directory / folder / name
        path.write_bytes(data)
        return path

    def names(self, folder: str = "cur", mailbox: str = "") -> list[str]:
        return sorted(os.listdir(self.maildir / mailbox / folder))

    def uidlist(self, mailbox: str = "") -> str:
        return (self.maildir / mailbox / "dovecot-uidlist").read_text()

    # As a session

    def add(self, mailbox: MaildirMailbox, data: bytes = MAIL, flags: Sequence[str] = (), **more: Any) -> Uid:
        draft = mailbox.draft()
        written = draft.write(data)
        if written is not None:
            self.get(written)
        (uid,) = self.get(mailbox.append([Addition(draft, frozenset(flags), **more)])).uids
        draft.discard()
        return uid

    def edit(self, mailbox: MaildirMailbox, uids: Sequence[int], op: FlagOp, *flags: str, **more: Any) -> Any:
        (outcome,) = self.get(mailbox.change([FlagEdit([Uid(uid) for uid in uids], op, frozenset(flags), **more)]))
        return outcome

    def flags(self, mailbox: MaildirMailbox) -> dict[int, set[str]]:
        """Return the flags of all messages by UID, as they are on the disk now."""
        snapshot = self.get(mailbox.refresh())
        return {uid: set(snapshot.flags(uid) or ()) for uid in snapshot.uids}

    def text(self, mailbox: MaildirMailbox, uid: int) -> bytes | None:
        (body,) = self.get(mailbox.bodies([Uid(uid)]))
        if body is None:
            return None
        octets = self.get(body.read(0, body.size))
        body.close()
        return octets

    def sizes(self, mailbox: MaildirMailbox) -> list[int]:
        uids = [Uid(uid) for uid in mailbox.snapshot.uids]
        return list(self.get(mailbox.read(uids, Wanted(sizes=True))).sizes)
