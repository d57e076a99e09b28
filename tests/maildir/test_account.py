"""Accounts of the Maildir store: mailboxes by name, and what sessions hear of changes to their list."""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mailhub.concurrency.pool import InlinePool
from mailhub.config.settings import StoreSettings
from mailhub.maildir.disk import Disk
from mailhub.maildir.store import IDLE_ACCOUNTS, MaildirStore
from mailhub.store.changes import (
    AccountChange,
    ChangeBatch,
    MailboxCreated,
    MailboxDeleted,
    MailboxLost,
    MailboxRenamed,
    SubscriptionChanged,
)
from mailhub.store.errors import (
    BadMailboxName,
    MailboxExists,
    NoSuchMailbox,
    NoSuchUser,
    NotAllowed,
    OverQuota,
    TooMany,
    Unavailable,
)
from mailhub.store.interfaces import IAccount, IAccountListener, IChangeListener, IMailbox, IMessageStore
from mailhub.store.model import SEEN, Addition, Appended, UserEntry
from tests.maildir.scratch import scratch
from tests.peer import Dovecot


@implementer(IAccountListener, IChangeListener)
class Heard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.changes: list[AccountChange] = []
        self.batches: list[ChangeBatch] = []
        self.lost: list[MailboxLost] = []

    def accountChanged(self, change: AccountChange) -> None:
        self.changes.append(change)

    def mailboxChanged(self, batch: ChangeBatch) -> None:
        self.batches.append(batch)

    def mailboxLost(self, news: MailboxLost) -> None:
        self.lost.append(news)


class StoreCase(SynchronousTestCase):
    settings = StoreSettings(fsync="never", lock_seconds=0.2)

    def setUp(self) -> None:
        self.base = scratch(self)
        self.store = self.make_store()
        self.account = self.session("u")
        self.root = self.base / "mail" / "u" / "Maildir"

    def make_store(self, disk: Disk | None = None, **settings: Any) -> MaildirStore:
        changed = evolve(self.settings, **settings)
        store = MaildirStore(reactor=Clock(), threads=InlinePool(), settings=changed, data=str(self.base), disk=disk)
        self.addCleanup(lambda: self.get(store.close()))
        return store

    def session(self, name: str, **more: Any) -> IAccount:
        return self.get(self.store.account(UserEntry(name, **more)))

    def get(self, deferred: Deferred[Any]) -> Any:
        return self.successResultOf(deferred)

    def fails(self, deferred: Deferred[Any], kind: type[Exception]) -> str:
        return str(self.failureResultOf(deferred, kind).value)

    def names(self, account: IAccount | None = None) -> list[str]:
        infos = self.get((account or self.account).mailboxes())
        return [info.name + ("" if info.selectable else "-") for info in infos]

    def append(self, mailbox: str = "INBOX", data: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Appended:
        draft = self.get(self.account.draft(mailbox))
        waiting = draft.write(data)
        if waiting is not None:
            self.get(waiting)
        appended: Appended = self.get(self.account.append(mailbox, [Addition(draft, frozenset({SEEN}))]))
        draft.discard()
        return appended


class AccountTests(StoreCase):
    def test_contract(self) -> None:
        """What is promised in mailhub.store.interfaces is there."""
        verifyObject(IMessageStore, self.store)
        verifyObject(IAccount, self.account)
        verifyObject(IMailbox, self.get(self.account.open("INBOX")))

    def test_first_use(self) -> None:
        """The mail of a user is made at first use, as Dovecot makes it."""
        self.assertEqual({name for name in os.listdir(self.root) if "." not in name}, {"cur", "new", "tmp"})
        self.assertEqual((self.root / "cur").stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.names(), ["INBOX"])
        self.assertEqual([(each.prefix, each.delimiter) for each in self.account.namespaces], [("", ".")])

    def test_shared(self) -> None:
        """Sessions of one user share account and mailboxes; users share nothing."""
        self.assertIs(self.session("u"), self.account)
        self.assertIs(self.get(self.account.open("inbox")), self.get(self.account.open("INBOX")))
        self.assertIsNot(self.session("v"), self.account)
        self.assertTrue((self.base / "mail" / "v" / "Maildir" / "cur").is_dir())

    def test_users_that_lead_astray(self) -> None:
        """A user name is never a path."""
        for name in ("../u", "..", "a/b", "", ".x", "a\0b"):
            self.fails(self.store.account(UserEntry(name)), NoSuchUser)
        self.assertEqual(os.listdir(self.base), ["mail"])

    def test_own_location(self) -> None:
        """A user's own mail location takes the place of the template; a wrong one is our trouble."""
        self.session("w", mail=f"maildir:{self.base}/elsewhere/%u:LAYOUT=fs", home="/nowhere")
        self.assertTrue((self.base / "elsewhere" / "w" / "cur").is_dir())
        self.fails(self.store.account(UserEntry("x", mail="mbox:/y")), Unavailable)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_not_a_directory(self) -> None:
        """Where the mail cannot be made the account is unavailable."""
        (self.base / "mail" / "f").write_bytes(b"")
        self.fails(self.store.account(UserEntry("f")), Unavailable)

    def test_separator(self) -> None:
        """Clients may see another delimiter than the disk has."""
        self.store = self.make_store(separator="/")
        account = self.session("s")
        self.get(account.create("A/B"))
        self.assertTrue((self.base / "mail" / "s" / "Maildir" / ".A.B").is_dir())
        self.assertEqual(self.names(account), ["INBOX", "A-", "A/B"])
        self.fails(account.create("A.B"), BadMailboxName)


class ListTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.heard = Heard()
        self.account.listen(self.heard)

    def test_create(self) -> None:
        """A mailbox that was made is listed, opened and told of."""
        info = self.get(self.account.create("A.B.", frozenset({"\\Sent"})))
        self.assertEqual((info.name, info.special_use), ("A.B", {"\\Sent"}))
        self.assertEqual(self.names(), ["INBOX", "A-", "A.B"])
        self.assertEqual(self.heard.changes, [MailboxCreated("A.B")])
        self.assertEqual(self.get(self.account.open("A.B")).name, "A.B")
        for name in ("A.B", "inbox"):
            self.fails(self.account.create(name), MailboxExists)

    def test_names(self) -> None:
        """Bad names are refused wherever they are given, and nothing is made."""
        before = sorted(os.listdir(self.root))
        for name in ("../x", "a/b", "a..b", ".a", "~a", "", "a\0b"):
            for deferred in (
                self.account.create(name),
                self.account.delete(name),
                self.account.rename("INBOX", name),
                self.account.rename(name, "x"),
                self.account.open(name),
                self.account.status(name),
                self.account.draft(name),
                self.account.subscribe(name),
                self.account.append(name, []),
            ):
                self.fails(deferred, BadMailboxName)
        self.assertEqual(sorted(os.listdir(self.root)), before)

    def test_missing(self) -> None:
        """What does not exist cannot be opened, changed or appended to; nor can a level."""
        self.get(self.account.create("A.B"))
        for name in ("nope", "A"):
            for deferred in (self.account.open(name), self.account.status(name), self.account.draft(name)):
                self.assertEqual(self.fails(deferred, NoSuchMailbox), f"Mailbox doesn't exist: {name}")
            self.fails(self.account.append(name, []), NoSuchMailbox)
            self.fails(self.account.subscribe(name), NoSuchMailbox)
        self.fails(self.account.delete("nope"), NoSuchMailbox)
        self.fails(self.account.rename("nope", "x"), NoSuchMailbox)

    def test_limit(self) -> None:
        """There are no more mailboxes than the settings allow."""
        self.store = self.make_store(mailbox_limit=3)
        account = self.session("u")
        self.get(account.create("a"))
        self.get(account.create("b"))
        self.fails(account.create("c"), TooMany)

    def test_delete(self) -> None:
        """Sessions that have it open are told; a mailbox of the same name is another one."""
        self.get(self.account.create("A"))
        self.append("A")
        old = self.get(self.account.open("A"))
        old.subscribe(self.heard)
        validity = old.snapshot.uidvalidity
        self.get(self.account.delete("A"))
        self.assertEqual([news.reason for news in self.heard.lost], ["Mailbox was deleted"])
        self.assertEqual(self.heard.changes[1:], [MailboxDeleted("A")])
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.get(self.account.create("A"))
        new = self.get(self.account.open("A"))
        self.assertIsNot(new, old)
        self.assertEqual(len(new.snapshot), 0)
        self.assertGreater(new.snapshot.uidvalidity, validity)
        self.fails(self.account.delete("INBOX"), NotAllowed)

    def test_delete_forgets(self) -> None:
        """The index keeps nothing of a deleted mailbox."""
        self.get(self.account.create("A"))
        self.append("A")
        self.get(self.account.delete("A"))
        database = sqlite3.connect(self.root / "mailhub.index.sqlite")
        self.addCleanup(database.close)
        self.assertEqual(database.execute("SELECT count(*) FROM mailbox").fetchone(), (0,))

    def test_rename(self) -> None:
        """An open mailbox goes on under its new name with UIDs and UIDVALIDITY; inferiors come along (RFC 3501
        section 6.3.5)."""
        for name in ("A", "A.B"):
            self.get(self.account.create(name))
            self.append(name)
        top, below = self.get(self.account.open("A")), self.get(self.account.open("A.B"))
        below.subscribe(self.heard)
        validity = below.snapshot.uidvalidity
        del self.heard.changes[:]
        self.get(self.account.rename("A", "X.Y"))
        self.assertEqual(self.heard.changes, [MailboxRenamed("A", "X.Y"), MailboxRenamed("A.B", "X.Y.B")])
        self.assertEqual((top.name, below.name), ("X.Y", "X.Y.B"))
        self.assertIs(self.get(self.account.open("X.Y.B")), below)
        self.append("X.Y.B")
        self.assertEqual((list(below.snapshot.uids), below.snapshot.uidvalidity), ([1, 2], validity))
        self.assertEqual(self.heard.lost, [])
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.assertEqual(self.names(), ["INBOX", "X-", "X.Y", "X.Y.B"])
        self.assertFalse((self.root / "mailboxes.lock").exists())

    def test_rename_undone(self) -> None:
        """If one of several directories cannot be renamed, all keep their names."""

        class Failing(Disk):
            def before(self, operation: str, path: bytes) -> None:
                if operation == "rename" and path.endswith(b".X.B"):
                    raise OSError(28, "No space left on device")

        for name in ("A", "A.B", "A.C"):
            self.get(self.account.create(name))
        self.store = self.make_store(disk=Failing(fsync=False))
        account = self.session("u")
        self.fails(account.rename("A", "X"), OverQuota)
        self.assertEqual(self.names(account), ["INBOX", "A", "A.B", "A.C"])

    def test_rename_inbox(self) -> None:
        """Renaming INBOX moves its messages to a new mailbox; INBOX stays, empty (RFC 3501 section 6.3.5)."""
        self.append()
        self.append()
        self.get(self.account.create("INBOX.sub"))
        self.get(self.account.rename("INBOX", "old"))
        self.assertEqual(self.get(self.account.status("INBOX")).messages, 0)
        self.assertEqual(self.get(self.account.status("old")).messages, 2)
        self.assertEqual(self.names(), ["INBOX", "INBOX.sub", "old"])
        self.fails(self.account.rename("INBOX", "old"), MailboxExists)
        self.fails(self.account.rename("old", "INBOX"), MailboxExists)

    def test_subscriptions(self) -> None:
        """Subscriptions outlive their mailboxes; each change is told once."""
        self.get(self.account.create("A.B"))
        self.get(self.account.subscribe("A.B"))
        self.get(self.account.subscribe("A.B"))
        self.get(self.account.subscribe("inbox"))
        self.assertEqual(self.get(self.account.subscriptions()), ["A.B", "INBOX"])
        self.get(self.account.delete("A.B"))
        self.assertEqual(self.get(self.account.subscriptions()), ["A.B", "INBOX"])
        self.get(self.account.unsubscribe("A.B"))
        self.get(self.account.unsubscribe("A.B"))
        self.assertEqual((self.root / "subscriptions").read_bytes(), b"V\t2\n\nINBOX\n")
        told = [change for change in self.heard.changes if isinstance(change, SubscriptionChanged)]
        self.assertEqual(
            [(each.name, each.subscribed) for each in told], [("A.B", True), ("INBOX", True), ("A.B", False)]
        )

    def test_unlisten(self) -> None:
        """Who does not listen any more is not told."""
        self.account.unlisten(self.heard)
        self.account.unlisten(self.heard)
        self.get(self.account.create("A"))
        self.assertEqual(self.heard.changes, [])


class WaitingPool(InlinePool):
    """Runs work when told to."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.waits = False

    def call(self, work: Any) -> Deferred[Any]:
        if not self.waits:
            return super().call(work)
        done: Deferred[Any] = Deferred()
        self.waiting.append((work, done))
        return done

    def run(self) -> None:
        """Run what waits, and what comes of it."""
        while self.waiting:
            work, done = self.waiting.pop(0)
            super().call(work).chainDeferred(done)


class CancelTests(StoreCase):
    def test_cancelled(self) -> None:
        """A change goes on when its caller does not wait for it any more, and others hear of it (law 5)."""
        pool, heard = WaitingPool(), Heard()
        self.store = MaildirStore(reactor=Clock(), threads=pool, settings=self.settings, data=str(self.base))
        account = self.session("u")
        account.listen(heard)
        pool.waits = True
        creating, renaming = account.create("A"), account.rename("A", "B")
        creating.addErrback(lambda _: None)
        renaming.addErrback(lambda _: None)
        creating.cancel()
        renaming.cancel()
        self.assertEqual(heard.changes, [])
        pool.run()
        self.assertEqual(heard.changes, [MailboxCreated("A"), MailboxRenamed("A", "B")])
        pool.waits = False
        self.assertEqual(self.names(account), ["INBOX", "B"])
        self.assertFalse((self.root / "mailboxes.lock").exists())

    def test_two_at_once(self) -> None:
        """Two sessions that come at the same moment get one account, also when the first gives up."""
        pool = WaitingPool()
        self.store = MaildirStore(reactor=Clock(), threads=pool, settings=self.settings, data=str(self.base))
        pool.waits = True
        user = UserEntry("two")
        first, second, third = (self.store.account(user) for _ in range(3))
        first.addErrback(lambda _: None)
        first.cancel()
        pool.run()
        self.assertIs(self.get(second), self.get(third))


class OtherProgramTests(StoreCase):
    """Other programs change the mail too; here they are `mkdir`, `rm` and Dovecot."""

    def test_made(self) -> None:
        """A directory that appears is a mailbox."""
        (self.root / ".New").mkdir()
        self.assertIn("New", self.names())
        self.assertEqual(self.get(self.account.status("New")).messages, 0)
        self.assertTrue((self.root / ".New" / "cur").is_dir())

    def test_removed(self) -> None:
        """A directory that vanished is no mailbox, also if it was open; made again, it is another one."""
        self.get(self.account.create("A"))
        self.append("A")
        old = self.get(self.account.open("A"))
        validity = old.snapshot.uidvalidity
        shutil.rmtree(self.root / ".A")
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.fails(self.account.status("A"), NoSuchMailbox)
        self.assertEqual(self.names(), ["INBOX"])
        self.get(self.account.create("A"))
        new = self.get(self.account.open("A"))
        self.assertEqual(len(new.snapshot), 0)
        self.assertGreater(new.snapshot.uidvalidity, validity)

    def test_wiped(self) -> None:
        """An account whose directory was removed under us (as tests do between runs) goes on, empty."""
        heard = Heard()
        self.get(self.account.create("A"))
        self.append()
        inbox = self.get(self.account.open("INBOX"))
        inbox.subscribe(heard)
        shutil.rmtree(self.root)
        self.assertEqual(self.names(), ["INBOX"])
        self.fails(self.account.open("A"), NoSuchMailbox)
        self.assertEqual(self.get(self.account.status("INBOX")).messages, 0)
        self.append()
        shutil.rmtree(self.root)
        self.get(self.account.create("B"))
        self.get(self.account.subscribe("B"))
        shutil.rmtree(self.root)
        self.append()
        self.assertEqual(self.names(), ["INBOX"])
        self.assertEqual(self.get(self.account.status("INBOX")).messages, 1)

    def test_dovecot(self) -> None:
        """Dovecot shows the whole account as we do: mailboxes, UIDVALIDITY, UIDs, flags, subscriptions; and we what
        it changes."""
        for name in ("Work.caf\u00e9", "Sent"):
            self.get(self.account.create(name))
            self.get(self.account.subscribe(name))
            self.append(name)
        status = self.get(self.account.status("Work.caf\u00e9"))
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u/Maildir")
        dovecot.own(self.base / "mail")
        script = (
            b'1 LIST "" *\r\n2 LSUB "" *\r\n3 SELECT Work.caf&AOk-\r\n4 UID FETCH 1:* FLAGS\r\n'
            b"5 CREATE from.dovecot\r\n6 RENAME Sent Gone\r\n7 UNSUBSCRIBE Sent\r\n8 LOGOUT\r\n"
        )
        answer = dovecot.run("imap", "u", script)
        self.assertIn(b'* LIST (\\HasNoChildren) "." Work.caf&AOk-\r\n', answer)
        self.assertIn(b'* LSUB () "." Work.caf&AOk-\r\n', answer)
        self.assertIn(b"[UIDVALIDITY %d]" % status.uidvalidity, answer)
        self.assertIn(b"FETCH (UID 1 FLAGS (\\Seen", answer)
        self.assertEqual(self.names(), ["INBOX", "Gone", "Work-", "Work.caf\u00e9", "from-", "from.dovecot"])
        self.assertEqual(self.get(self.account.subscriptions()), ["Work.caf\u00e9"])
        self.assertEqual(self.get(self.account.status("Gone")).messages, 1)
        self.fails(self.account.status("Sent"), NoSuchMailbox)


class MemoryTests(StoreCase):
    def test_budget(self) -> None:
        """Mailboxes nobody has open are dropped when they take more memory than allowed; open ones stay."""
        self.store = self.make_store(cache_mib=0)
        account = self.session("u")
        heard = Heard()
        self.get(account.create("A"))
        inbox = self.get(account.open("INBOX"))
        inbox.subscribe(heard)
        one = self.get(account.open("A"))
        self.assertIs(self.get(account.open("INBOX")), inbox)
        self.assertIsNot(self.get(account.open("A")), one)
        inbox.unsubscribe(heard)

    def test_idle_accounts(self) -> None:
        """Accounts without sessions stay open for a while, up to a number."""
        self.account.release()
        self.assertIs(self.session("u"), self.account)
        self.account.release()
        for number in range(IDLE_ACCOUNTS):
            self.session(f"user{number}").release()
        self.assertIsNot(self.session("u"), self.account)

    def test_close(self) -> None:
        """A closed store has let go of everything and opens nothing."""
        self.get(self.account.open("INBOX"))
        self.get(self.store.close())
        self.fails(self.store.account(UserEntry("u")), Unavailable)

    def test_wrong_template(self) -> None:
        """A mail location that makes no sense stops the start."""
        error = self.assertRaises(ValueError, self.make_store, mail="mbox:/x")
        self.assertIn('"mbox:/x"', str(error))
