"""Idle sessions hear of what other programs do, by inotify."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mailhub.concurrency.pool import Threads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.store import MaildirStore
from mailhub.maildir.watch import Watcher
from mailhub.store.changes import Added, ChangeBatch, Flagged, Removed
from mailhub.store.model import Addition, UserEntry
from tests.store.base import Listener


class Hearing(Listener):
    """Fires a Deferred when it is told something."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Deferred[None] = Deferred()

    def mailboxChanged(self, batch: ChangeBatch) -> None:
        super().mailboxChanged(batch)
        told, self.told = self.told, Deferred()
        told.callback(None)


class Push(TestCase):
    """A listener is told without anybody asking (RFC 2177)."""

    timeout = 20

    async def setUp(self) -> None:
        self.data = self.mktemp()
        self.store = self.made()
        account = await self.store.account(UserEntry("ann"))
        self.addCleanup(account.release)
        self.mailbox = await account.open("INBOX")
        self.account = account
        self.listener = Hearing()
        self.mailbox.subscribe(self.listener)
        self.addCleanup(self.mailbox.unsubscribe, self.listener)
        self.maildir = Path(self.data) / "mail" / "ann" / "Maildir"

    def made(self) -> MaildirStore:
        threads = Threads(reactor, 2)
        store = MaildirStore(reactor=reactor, threads=threads, settings=StoreSettings(fsync="never"), data=self.data)
        self.addCleanup(threads.stop)
        self.addCleanup(store.close)
        return store

    async def test_files(self) -> None:
        """A file that comes, is renamed and goes is told each time."""
        draft = self.maildir / "tmp" / "1.a"
        draft.write_bytes(b"A: b\n\n")
        told = self.listener.told
        draft.rename(self.maildir / "new" / "1.a")
        await told
        self.assertEqual(self.listener.uids(Added), [1])
        told = self.listener.told
        (self.maildir / "new" / "1.a").rename(self.maildir / "cur" / "1.a:2,S")
        await told
        self.assertEqual(self.listener.uids(Flagged), [1])
        told = self.listener.told
        (self.maildir / "cur" / "1.a:2,S").unlink()
        await told
        self.assertEqual(self.listener.uids(Removed), [1])

    async def test_soon(self) -> None:
        """It takes milliseconds, not a poll."""
        started = time.monotonic()
        told = self.listener.told
        (self.maildir / "new" / "1.a").write_bytes(b"A: b\n\n")
        await told
        self.assertLess(time.monotonic() - started, 2.0)

    async def test_another_process(self) -> None:
        """What another store on the same Maildir appends is told with the UID it gave."""
        other = await self.made().account(UserEntry("ann"))
        draft = await other.draft()
        draft.write(b"A: b\r\n\r\n")
        told = self.listener.told
        appended = await other.append("INBOX", [Addition(draft, frozenset({"kw"}))])
        await told
        self.assertEqual(self.listener.uids(Added), list(appended.uids))
        self.assertEqual(self.mailbox.snapshot.flags(appended.uids[0]), {"kw"})
        other.release()


class Watching(SynchronousTestCase):
    """The Watcher itself."""

    def test_no_inotify(self) -> None:
        """With a reactor that cannot watch files there is no watch, and no error."""
        watcher = Watcher(Clock())
        self.assertIsNone(watcher.watch([b"."], lambda: None))
        watcher.close()

    def test_missing_directory(self) -> None:
        """A directory that cannot be watched gives no watch; others still do."""
        watcher = Watcher(reactor)
        self.addCleanup(watcher.close)
        folder = os.fsencode(self.mktemp())
        os.mkdir(folder)
        self.assertIsNone(watcher.watch([folder, folder + b"/missing"], lambda: None))
        handles = watcher.watch([folder], lambda: None)
        assert handles is not None
        os.rmdir(folder)
        watcher.poll()
        watcher.unwatch(handles)
        watcher.unwatch(handles)
        os.mkdir(folder)
        calls: list[int] = []
        handles = watcher.watch([folder], lambda: calls.append(1))
        os.mkdir(folder + b"/new")
        watcher.poll()
        self.assertEqual(len(calls), 1)
        watcher.poll()
        self.assertEqual(len(calls), 1)
