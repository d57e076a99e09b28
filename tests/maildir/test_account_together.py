"""Accounts under real threads, in the fs layout, and beside another process that changes the same account."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailhub.concurrency.pool import Threads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.store import MaildirStore
from mailhub.store.errors import MailboxGone, NoSuchMailbox
from mailhub.store.interfaces import IAccount
from mailhub.store.model import Addition, Appended, UserEntry
from tests.maildir.scratch import scratch
from tests.maildir.test_account import Heard, StoreCase
from tests.peer import Dovecot


class FsTests(StoreCase):
    settings = StoreSettings(fsync="never", lock_seconds=0.2, layout="fs")

    def test_rename_open(self) -> None:
        """One rename on the disk moves all; each open mailbox below goes on under its new name."""
        heard = Heard()
        for name in ("A", "A/B", "A/B/C"):
            self.get(self.account.create(name))
            self.append(name)
        below = self.get(self.account.open("A/B/C"))
        below.subscribe(heard)
        self.get(self.account.rename("A", "X/Y"))
        self.assertEqual(self.names(), ["INBOX", "X-", "X/Y", "X/Y/B", "X/Y/B/C"])
        self.assertEqual((below.name, heard.lost), ("X/Y/B/C", []))
        self.append("X/Y/B/C")
        self.assertEqual(list(below.snapshot.uids), [1, 2])
        self.assertIs(self.get(self.account.open("X/Y/B/C")), below)

    def test_rename_level(self) -> None:
        """A level that moved along stays a level."""
        self.get(self.account.create("A/B/C"))
        self.get(self.account.rename("A", "X"))
        self.fails(self.account.open("X/B"), NoSuchMailbox)
        self.assertEqual(self.names(), ["INBOX", "X-", "X/B-", "X/B/C"])

    def test_delete_open(self) -> None:
        """Deleting a mailbox leaves those below it open."""
        heard, lost = Heard(), Heard()
        for name in ("A", "A/B"):
            self.get(self.account.create(name))
            self.append(name)
        top, below = self.get(self.account.open("A")), self.get(self.account.open("A/B"))
        top.subscribe(lost)
        below.subscribe(heard)
        self.get(self.account.delete("A"))
        self.assertEqual(len(lost.lost), 1)
        self.append("A/B")
        self.assertEqual((heard.lost, list(below.snapshot.uids)), ([], [1, 2]))
        self.assertEqual(self.names(), ["INBOX", "A-", "A/B"])
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.get(self.account.create("A"))
        self.assertEqual(self.get(self.account.status("A")).messages, 0)

    def test_level(self) -> None:
        """A name ending in the delimiter makes a level that no mailbox is (RFC 3501 section 6.3.3)."""
        info = self.get(self.account.create("A/"))
        self.assertEqual((info.name, info.selectable), ("A", False))
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.get(self.account.delete("A"))
        self.assertEqual(self.names(), ["INBOX"])


class TogetherTests(TestCase):
    """With real threads."""

    timeout = 60

    def setUp(self) -> None:
        self.base = scratch(self)
        self.threads = Threads(reactor)
        self.store = MaildirStore(
            reactor=reactor,
            threads=self.threads,
            settings=StoreSettings(fsync="never", lock_seconds=20),
            data=str(self.base),
        )
        self.addCleanup(self.threads.stop)
        self.addCleanup(self.store.close)

    @property
    def root(self) -> Path:
        return self.base / "mail" / "u" / "Maildir"

    async def append(self, account: IAccount, name: str) -> Appended:
        draft = await account.draft(name)
        waiting = draft.write(b"Subject: x\r\n\r\nhello\r\n")
        if waiting is not None:
            await waiting
        return await account.append(name, [Addition(draft)])

    def run_test(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        return Deferred.fromCoroutine(work)

    def test_appends_while_renamed(self) -> Deferred[None]:
        """A mailbox that is renamed to and fro while mail comes in loses none of it: each append either is there or
        failed because there was no such mailbox."""

        async def delivered(account: IAccount, count: int) -> int:
            done = 0
            for number in range(count):
                try:
                    await self.append(account, "AB"[number % 2])
                    done += 1
                except (NoSuchMailbox, MailboxGone):
                    pass
            return done

        async def renamed(account: IAccount) -> None:
            for old, new in ["AB", "BA"] * 10:
                await account.rename(old, new)

        async def work() -> None:
            account = await self.store.account(UserEntry("u"))
            await account.create("A")
            await account.create("A.sub")
            counts = [Deferred.fromCoroutine(delivered(account, 20)) for _ in range(3)]
            await Deferred.fromCoroutine(renamed(account))
            total = sum(await gatherResults(counts))
            self.assertEqual((await account.status("A")).messages, total)
            infos = await account.mailboxes()
            self.assertEqual([info.name for info in infos], ["INBOX", "A", "A.sub"])
            self.assertGreater(total, 0)

        return self.run_test(work())

    def test_beside_dovecot(self) -> Deferred[None]:
        """Two processes make, rename and delete mailboxes of one account at once: each sees all, and no UIDVALIDITY is
        given twice."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u/Maildir")

        async def made(account: IAccount) -> None:
            for number in range(40):
                await account.create(f"ours.{number}")
            for number in range(0, 40, 2):
                await account.rename(f"ours.{number}", f"moved.{number}")
            for number in range(1, 40, 4):
                await account.delete(f"ours.{number}")

        def script() -> bytes:
            commands = [f"CREATE theirs.{number}" for number in range(40)]
            commands += [f"STATUS theirs.{number} (UIDVALIDITY)" for number in range(40)]
            commands += [f"DELETE theirs.{number}" for number in range(0, 40, 2)]
            return "".join(f"a {command}\r\n" for command in [*commands, "LOGOUT"]).encode()

        async def work() -> None:
            # Both need to write here, whoever they run as; what they make follows the root.
            self.root.mkdir(parents=True)
            for path in (self.root, self.root.parent, self.root.parent.parent):
                path.chmod(0o777)
            account = await self.store.account(UserEntry("u"))
            theirs = self.threads.call(lambda: dovecot.run("imap", "u", script()))
            await made(account)
            answer = await theirs
            self.assertEqual(answer.count(b"a OK"), 101, answer[-300:])
            names = {info.name for info in await account.mailboxes() if info.selectable}
            expected = {"INBOX"} | {f"theirs.{number}" for number in range(1, 40, 2)}
            expected |= {f"moved.{number}" for number in range(0, 40, 2)}
            expected |= {f"ours.{number}" for number in range(3, 40, 4)}
            self.assertEqual(names, expected)
            validities = [int(word.rstrip(b")")) for word in answer.split() if word.rstrip(b")").isdigit()]
            ours = [name for name in names if name.startswith(("ours", "moved"))]
            validities += [(await account.status(name)).uidvalidity for name in ours]
            self.assertEqual(len(validities), len(set(validities)))

        return self.run_test(work())
