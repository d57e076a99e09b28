"""Dovecot and two mailhub processes change one mailbox at the same moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailhub.concurrency.pool import Threads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.store import MaildirStore
from mailhub.store.changes import Added, Removed
from mailhub.store.interfaces import IAccount
from mailhub.store.model import Addition, FlagEdit, FlagOp, Uid, UserEntry
from tests.maildir.scratch import scratch
from tests.peer import Dovecot
from tests.store.base import Listener

ROUNDS = 25


class AtOnce(TestCase):
    """Nobody waits for anybody; in the end all agree."""

    timeout = 60

    def setUp(self) -> None:
        self.base = scratch(self)
        maildir = self.base / "mail" / "ann" / "Maildir"
        for name in ("", "cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True)
            # Whoever writes, root or Dovecot's account, makes files with the mode of the directory.
            (maildir / name).chmod(0o777)
        self.maildir: Path = maildir
        self.dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u/Maildir")

    async def account(self) -> IAccount:
        threads = Threads(reactor, 4)
        store = MaildirStore(
            reactor=reactor,
            threads=threads,
            settings=StoreSettings(fsync="never", lock_seconds=20),
            data=str(self.base),
        )
        self.addCleanup(threads.stop)
        self.addCleanup(store.close)
        account = await store.account(UserEntry("ann"))
        self.addCleanup(account.release)
        return account

    async def work(self, account: IAccount, word: str) -> None:
        """Append, flag and expunge, as several sessions would."""
        mailbox = await account.open("INBOX")
        for turn in range(ROUNDS):
            draft = await account.draft()
            draft.write(b"Subject: %d\r\n\r\n%b\r\n" % (turn, word.encode()))
            (uid,) = (await account.append("INBOX", [Addition(draft)])).uids
            snapshot = await mailbox.refresh()
            await mailbox.change([FlagEdit([Uid(one) for one in snapshot.uids], FlagOp.ADD, frozenset({word}))])
            if turn % 5 == 0:
                await mailbox.expunge([uid])

    def imap(self, *commands: str) -> bytes:
        lines = ["SELECT INBOX", *commands, "LOGOUT"]
        return self.dovecot.run("imap", "ann", "".join(f"a{n} {line}\r\n" for n, line in enumerate(lines)).encode())

    async def test_all_agree(self) -> None:
        """Every message has one UID, the same for all; no flag and no message is lost; listeners heard it all."""
        accounts = [await self.account(), await self.account()]
        mailboxes: list[Any] = [await account.open("INBOX") for account in accounts]
        listeners = [Listener(), Listener()]
        for mailbox, listener in zip(mailboxes, listeners, strict=True):
            mailbox.subscribe(listener)
            self.addCleanup(mailbox.unsubscribe, listener)
        append = "APPEND INBOX (dove) {9+}\r\nA: b\r\n\r\nc"
        theirs = [deferToThread(self.imap, *[append, "NOOP", "STORE 1:* +FLAGS (dove)"] * ROUNDS) for _ in range(2)]
        ours = [Deferred.fromCoroutine(self.work(account, word)) for account, word in zip(accounts, "xy", strict=True)]
        await DeferredList([*ours, *theirs])
        await gatherResults([*ours, *theirs])
        for word, account in zip("xy", accounts, strict=True):
            mailbox = await account.open("INBOX")
            snapshot = await mailbox.refresh()
            await mailbox.change([FlagEdit([Uid(uid) for uid in snapshot.uids], FlagOp.ADD, frozenset({word}))])
        kept = 2 * ROUNDS + 2 * (ROUNDS - ROUNDS // 5)
        answer = self.imap("UID FETCH 1:* (FLAGS)").decode()
        rows = [line for line in answer.splitlines() if "FETCH (UID" in line]
        self.assertEqual(len(rows), kept)
        for mailbox, listener in zip(mailboxes, listeners, strict=True):
            snapshot = await mailbox.refresh()
            self.assertEqual(list(snapshot.uids), [int(row.split("UID ")[1].split(" ")[0]) for row in rows])
            for uid, row in zip(snapshot.uids, rows, strict=True):
                flags = set(row.partition("FLAGS (")[2].rstrip(")").split()) - {"\\Recent"}
                self.assertEqual(snapshot.flags(uid), flags)
                self.assertGreaterEqual(flags, {"x", "y"})
            added, removed = listener.uids(Added), listener.uids(Removed)
            self.assertEqual(sorted({*added} - {*removed}), list(snapshot.uids))
            self.assertEqual(added, sorted({*added}))
        uids = [line.split(" ")[0] for line in (self.maildir / "dovecot-uidlist").read_text().splitlines()[1:]]
        self.assertEqual(len(uids), len({*uids}))
