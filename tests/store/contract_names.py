"""The contract of IMessageStore and IAccount: who has which mailboxes."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from mailhub.store.changes import Added, MailboxCreated, MailboxDeleted, MailboxRenamed, Removed, SubscriptionChanged
from mailhub.store.errors import (
    BadMailboxName,
    HasChildren,
    MailboxExists,
    MailboxGone,
    NoSuchMailbox,
    NotAllowed,
    StoreError,
    TooMany,
)
from mailhub.store.interfaces import IAccount, IDraft, IMailbox, IMessageBody, IMessageStore
from mailhub.store.model import Addition, FlagOp, MailboxInfo, Wanted
from tests.store.base import HELLO, START, AccountListener, StoreCase, limited

BAD_NAMES = ("", "{d}", "{d}a", "a{d}{d}b", "{d}{d}", "~a", "a\0b")
"""Names that no mailbox can have; {d} stands for the delimiter."""

MAIL = {"\\Drafts": "Drafts", "\\Sent": "Sent"}


class NamesContract(StoreCase):
    """Accounts and the list of mailboxes."""

    @property
    def delimiter(self) -> str:
        return self.account.namespaces[0].delimiter

    def name(self, *levels: str) -> str:
        return self.delimiter.join(levels)

    async def list_(self) -> dict[str, MailboxInfo]:
        return {info.name: info for info in await self.account.mailboxes()}

    async def heard(self) -> AccountListener:
        listener = AccountListener()
        self.account.listen(listener)
        self.case.addCleanup(self.account.unlisten, listener)
        return listener

    async def test_provides_the_interfaces(self) -> None:
        """Every object has all that its interface names."""
        verifyObject(IMessageStore, self.store)
        verifyObject(IAccount, self.account)
        verifyObject(IMailbox, await self.inbox())
        verifyObject(IDraft, await self.draft(HELLO))
        (uid,) = await self.add()
        (body,) = await (await self.inbox()).bodies([uid])
        verifyObject(IMessageBody, body)
        body.close()

    async def test_one_account_a_user(self) -> None:
        """Concurrent sessions of a user share one account object; other users have others."""
        self.case.assertIs(await self.open_account(), self.account)
        self.case.assertIsNot(await self.open_account("bob"), self.account)
        self.case.assertEqual(self.account.user.name, "ann")

    async def test_accounts_do_not_mix(self) -> None:
        """What one user makes, another does not see."""
        await self.add()
        await self.account.create("Work")
        bob = await self.open_account("bob")
        self.case.assertEqual([info.name for info in await bob.mailboxes()], ["INBOX"])
        self.case.assertEqual((await bob.status("INBOX")).messages, 0)

    async def test_mail_outlives_the_session(self) -> None:
        """Mail is there in the next session (RFC 3501 section 2)."""
        account = await self.store.account(self.account.user)
        await self.add(flags=frozenset(["\\Seen"]))
        account.release()
        again = await self.open_account()
        self.case.assertEqual((await again.status("INBOX")).messages, 1)

    async def test_new_account_has_an_inbox(self) -> None:
        """INBOX is always there (RFC 3501 section 5.1)."""
        info = (await self.list_())["INBOX"]
        self.case.assertTrue(info.exists)
        self.case.assertTrue(info.selectable)
        self.case.assertEqual(list(await self.account.subscriptions()), [])
        self.case.assertEqual(self.account.namespaces[0].prefix, "")

    async def test_inbox_in_any_case(self) -> None:
        """INBOX compares without case (RFC 3501 section 5.1)."""
        inbox = await self.inbox()
        self.case.assertIs(await self.account.open("inBox"), inbox)
        self.case.assertEqual(inbox.name, "INBOX")
        await self.refused(MailboxExists, self.account.create("iNBOX"))

    async def test_create(self) -> None:
        """CREATE makes a mailbox that can be listed and opened; who listens is told (RFC 3501 section 6.3.3)."""
        listener = await self.heard()
        info = await self.account.create("Work")
        self.case.assertEqual((info.name, info.exists, info.selectable), ("Work", True, True))
        self.case.assertEqual(listener.changes, [MailboxCreated("Work")])
        self.case.assertEqual((await self.list_())["Work"].name, "Work")
        mailbox = await self.account.open("Work")
        self.case.assertEqual(mailbox.name, "Work")
        self.case.assertEqual(len(mailbox.snapshot), 0)
        self.case.assertEqual(mailbox.snapshot.uidnext, 1)
        self.case.assertGreater(mailbox.snapshot.uidvalidity, 0)
        self.case.assertRegex(mailbox.snapshot.mailbox_id, r"\A[0-9a-f]{32}\Z")

    async def test_create_twice(self) -> None:
        """A name is given once; names of others than INBOX have case (RFC 3501 section 5.1)."""
        await self.account.create("Work")
        await self.refused(MailboxExists, self.account.create("Work"))
        await self.account.create("work")
        self.case.assertLessEqual({"Work", "work"}, set(await self.list_()))

    async def test_create_makes_levels(self) -> None:
        """Superior names appear as levels, which cannot be selected but may be made (RFC 3501 section 6.3.3)."""
        await self.account.create(self.name("a", "b", "c"))
        found = await self.list_()
        self.case.assertEqual(set(found), {"INBOX", "a", self.name("a", "b"), self.name("a", "b", "c")})
        self.case.assertFalse(found["a"].selectable)
        await self.refused(NoSuchMailbox, self.account.open("a"))
        await self.account.create("a")
        self.case.assertTrue((await self.list_())["a"].selectable)
        self.case.assertIn(self.name("a", "b", "c"), await self.list_())

    async def test_create_with_trailing_delimiter(self) -> None:
        """A trailing delimiter is not part of the name (RFC 3501 section 6.3.3)."""
        info = await self.account.create("a" + self.delimiter)
        self.case.assertEqual(info.name, "a")
        await self.account.create(self.name("a", "b"))
        self.case.assertLessEqual({"a", self.name("a", "b")}, set(await self.list_()))

    async def test_inbox_has_inferiors(self) -> None:
        """Names below INBOX have that level in capitals, so that no second inbox appears."""
        await self.account.create(self.name("inbox", "a"))
        self.case.assertEqual(set(await self.list_()), {"INBOX", self.name("INBOX", "a")})

    async def test_bad_names(self) -> None:
        """What can never be a name is refused everywhere (RFC 3501 section 5.1)."""
        await self.account.create("ok")
        for pattern in BAD_NAMES:
            name = pattern.format(d=self.delimiter)
            await self.refused(BadMailboxName, self.account.create(name))
            await self.refused(BadMailboxName, self.account.rename("ok", name))
            for call in (self.account.open, self.account.delete, self.account.status, self.account.subscribe):
                await self.refused((BadMailboxName, NoSuchMailbox), call(name))
        self.case.assertEqual(set(await self.list_()), {"INBOX", "ok"})

    async def test_names_that_cannot_be_made(self) -> None:
        """Control characters and levels longer than a file name are refused for new mailboxes."""
        for name in ("a\x01b", "a\nb", "a\x7f", "a" * 300, self.name("a", "b" * 300)):
            await self.refused(BadMailboxName, self.account.create(name))

    async def test_names_leave_no_way_out(self) -> None:
        """A name such as .. is a name or refused, never a path."""
        for name in ("..", "../x", "a/../../x", "/etc/x", "."):
            try:
                await self.account.create(name)
            except StoreError as reason:
                self.case.assertIsInstance(reason, BadMailboxName)

    async def test_names_in_unicode(self) -> None:
        """Names are Unicode (RFC 9051 section 5.1)."""
        names = ["Entwürfe", "日本語", "a&b", "with space", "[Gmail]", "100%", "a*b", 'quo"te', "back\\slash", "😀"]
        for name in names:
            await self.account.create(name)
            await self.add(mailbox=name)
        self.case.assertEqual(set(await self.list_()), {"INBOX", *names})
        for name in names:
            self.case.assertEqual((await self.account.status(name)).messages, 1)

    async def test_list_order(self) -> None:
        """INBOX first, then by name."""
        for name in ("b", "Z", "a", "INBOX2"):
            await self.account.create(name)
        self.case.assertEqual(
            [info.name for info in await self.account.mailboxes()], ["INBOX", "INBOX2", "Z", "a", "b"]
        )

    async def test_special_use(self) -> None:
        """A mailbox keeps the use it was created with (RFC 6154 section 3)."""
        for use, name in MAIL.items():
            info = await self.account.create(name, frozenset([use]))
            self.case.assertEqual(info.special_use, {use})
        found = await self.list_()
        for use, name in MAIL.items():
            self.case.assertEqual(found[name].special_use, {use})
        self.case.assertFalse(found["INBOX"].special_use)

    @limited(mailbox_limit=3)
    async def test_too_many_mailboxes(self) -> None:
        """An account has a bounded number of mailboxes."""
        await self.account.create("a")
        await self.account.create("b")
        await self.refused(TooMany, self.account.create("c"))
        await self.account.delete("a")
        await self.account.create("c")

    async def test_delete(self) -> None:
        """DELETE removes the mailbox and its mail (RFC 3501 section 6.3.4)."""
        await self.account.create("a")
        await self.add(mailbox="a")
        listener = await self.heard()
        await self.account.delete("a")
        self.case.assertEqual(listener.changes, [MailboxDeleted("a")])
        self.case.assertEqual(set(await self.list_()), {"INBOX"})
        for call in (self.account.open, self.account.status, self.account.draft, self.account.delete):
            await self.refused(NoSuchMailbox, call("a"))

    async def test_delete_inbox(self) -> None:
        """It is an error to delete INBOX (RFC 3501 section 6.3.4)."""
        await self.add()
        await self.refused(NotAllowed, self.account.delete("inbox"))
        self.case.assertEqual((await self.account.status("INBOX")).messages, 1)

    async def test_delete_leaves_inferiors(self) -> None:
        """Inferiors stay, and the name stays as a level that cannot be selected (RFC 3501 section 6.3.4)."""
        child = self.name("a", "b")
        await self.account.create("a")
        await self.account.create(child)
        await self.add(mailbox=child)
        await self.account.delete("a")
        found = await self.list_()
        self.case.assertFalse(found["a"].selectable)
        self.case.assertTrue(found[child].selectable)
        self.case.assertEqual((await self.account.status(child)).messages, 1)
        await self.refused((HasChildren, NoSuchMailbox), self.account.delete("a"))
        await self.account.delete(child)
        self.case.assertEqual(set(await self.list_()), {"INBOX"})

    async def test_delete_while_open(self) -> None:
        """Sessions that have the mailbox open are told, and can do no more harm than read nothing."""
        await self.account.create("a")
        (uid,) = await self.add(mailbox="a")
        mailbox, listener = await self.watched("a")
        await self.account.delete("a")
        self.case.assertEqual(len(listener.lost), 1)
        self.case.assertEqual(listener.batches, [])
        await self.refused(MailboxGone, mailbox.refresh())
        await self.refused(MailboxGone, self.edit(mailbox, [uid], FlagOp.ADD, "\\Seen"))
        self.case.assertEqual(list((await mailbox.read([uid], Wanted(sizes=True))).gone), [uid])
        self.case.assertEqual(list(await mailbox.bodies([uid])), [None])

    async def test_uidvalidity_is_never_reused(self) -> None:
        """A mailbox made again under a name is another one (RFC 3501 section 2.3.1.1)."""
        seen = []
        for _ in range(3):
            await self.account.create("a")
            status = await self.account.status("a")
            seen.append((status.uidvalidity, status.mailbox_id))
            await self.account.delete("a")
        self.case.assertEqual(len({uidvalidity for uidvalidity, _ in seen}), 3)
        self.case.assertEqual(sorted(seen), seen)
        self.case.assertEqual(len({mailbox_id for _, mailbox_id in seen}), 3)

    async def test_rename(self) -> None:
        """RENAME keeps messages, UIDs and UIDVALIDITY (RFC 3501 section 6.3.5)."""
        await self.account.create("a")
        await self.add(HELLO, b"two", flags=frozenset(["\\Seen", "Work"]), mailbox="a")
        before = await self.account.status("a", size=True)
        listener = await self.heard()
        await self.account.rename("a", "b")
        self.case.assertEqual(listener.changes, [MailboxRenamed("a", "b")])
        self.case.assertEqual(set(await self.list_()), {"INBOX", "b"})
        self.case.assertEqual(await self.account.status("b", size=True), before)
        snapshot = (await self.account.open("b")).snapshot
        self.case.assertEqual(snapshot.flags(1), {"\\Seen", "Work"})
        await self.refused(NoSuchMailbox, self.account.open("a"))

    async def test_rename_with_inferiors(self) -> None:
        """Inferior names move too (RFC 3501 section 6.3.5)."""
        for levels in (("a",), ("a", "b"), ("a", "b", "c"), ("ab",)):
            await self.account.create(self.name(*levels))
            await self.add(mailbox=self.name(*levels))
        await self.account.rename("a", self.name("x", "y"))
        self.case.assertEqual(
            set(await self.list_()),
            {"INBOX", "ab", "x", *(self.name("x", "y", *rest) for rest in ((), ("b",), ("b", "c")))},
        )
        self.case.assertEqual((await self.account.status(self.name("x", "y", "b", "c"))).messages, 1)

    async def test_rename_a_level(self) -> None:
        """A level without a mailbox is renamed with its inferiors."""
        await self.account.create(self.name("a", "b"))
        await self.account.rename("a", "x")
        self.case.assertEqual(set(await self.list_()), {"INBOX", "x", self.name("x", "b")})

    async def test_rename_refused(self) -> None:
        """The old name must exist, the new one must not, and nothing happens otherwise (RFC 3501 section 6.3.5)."""
        for name in ("a", "b", self.name("a", "c")):
            await self.account.create(name)
        before = await self.list_()
        await self.refused(NoSuchMailbox, self.account.rename("nope", "x"))
        for target in ("a", "b", "inbox"):
            await self.refused(MailboxExists, self.account.rename("a", target))
        await self.refused((BadMailboxName, MailboxExists), self.account.rename("a", self.name("a", "d")))
        self.case.assertEqual(await self.list_(), before)

    async def test_rename_while_open(self) -> None:
        """Sessions that have the mailbox open keep it, under its new name."""
        await self.account.create("a")
        mailbox, listener = await self.watched("a")
        await self.account.rename("a", "b")
        self.case.assertEqual(mailbox.name, "b")
        self.case.assertEqual(listener.lost, [])
        self.case.assertIs(await self.account.open("b"), mailbox)
        (uid,) = await self.add(mailbox="b")
        self.case.assertEqual(listener.uids(Added), [uid])
        outcome = await self.edit(mailbox, [uid], FlagOp.ADD, "\\Seen")
        self.case.assertEqual(list(outcome.changed), [uid])

    async def test_name_is_free_after_rename(self) -> None:
        """The old name may be used again, for another mailbox."""
        await self.account.create("a")
        await self.add(mailbox="a")
        await self.account.rename("a", "b")
        await self.account.create("a")
        first, second = await self.account.status("b"), await self.account.status("a")
        self.case.assertNotEqual(first.uidvalidity, second.uidvalidity)
        self.case.assertNotEqual(first.mailbox_id, second.mailbox_id)
        self.case.assertEqual((first.messages, second.messages), (1, 0))

    async def test_rename_inbox(self) -> None:
        """Renaming INBOX moves its messages; INBOX and its inferiors stay (RFC 3501 section 6.3.5)."""
        await self.account.create(self.name("INBOX", "sub"))
        uids = await self.add(HELLO, b"two", flags=frozenset(["\\Flagged", "Work"]), date=START - 86400)
        inbox, listener = await self.watched()
        await self.account.rename("inbox", "old")
        self.case.assertEqual(listener.uids(Removed), uids)
        self.case.assertEqual(len(inbox.snapshot), 0)
        self.case.assertEqual(set(await self.list_()), {"INBOX", self.name("INBOX", "sub"), "old"})
        old = await self.account.open("old")
        self.case.assertEqual(len(old.snapshot), 2)
        self.case.assertEqual(old.snapshot.flags(old.snapshot.uids[0]), {"\\Flagged", "Work"})
        self.case.assertEqual(await self.dates(old, [*old.snapshot.uids]), [START - 86400, START - 86400])
        self.case.assertEqual(await self.octets(old, old.snapshot.uids[0]), HELLO)
        (uid,) = await self.add()
        self.case.assertGreater(uid, uids[-1])

    async def test_subscribe(self) -> None:
        """SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7)."""
        listener = await self.heard()
        await self.account.create("b ü")
        listener.changes.clear()
        for name in ("b ü", "inbox", "b ü"):
            await self.account.subscribe(name)
        self.case.assertEqual(sorted(await self.account.subscriptions()), ["INBOX", "b ü"])
        for _ in range(2):
            await self.account.unsubscribe("b ü")
        await self.account.unsubscribe("never was")
        self.case.assertEqual(list(await self.account.subscriptions()), ["INBOX"])
        self.case.assertEqual(
            [change for change in listener.changes if change.name == "b ü"],
            [SubscriptionChanged("b ü", True), SubscriptionChanged("b ü", False)],
        )

    async def test_subscribe_to_nothing(self) -> None:
        """There must be such a mailbox, as in Dovecot."""
        await self.refused(NoSuchMailbox, self.account.subscribe("nope"))
        self.case.assertEqual(list(await self.account.subscriptions()), [])

    async def test_subscription_outlives_the_mailbox(self) -> None:
        """The server must not unsubscribe by itself (RFC 3501 section 6.3.6)."""
        await self.account.create("a")
        await self.account.subscribe("a")
        await self.account.delete("a")
        self.case.assertEqual(list(await self.account.subscriptions()), ["a"])
        await self.account.unsubscribe("a")
        self.case.assertEqual(list(await self.account.subscriptions()), [])

    async def test_account_listeners(self) -> None:
        """Who stops listening hears no more; one who raises is logged and dropped."""

        class Broken(AccountListener):
            def accountChanged(self, change: object) -> None:
                super().accountChanged(change)  # type: ignore[arg-type]
                raise ZeroDivisionError

        broken, kept, left = Broken(), await self.heard(), await self.heard()
        self.account.listen(broken)
        self.account.unlisten(left)
        self.account.unlisten(left)
        await self.account.create("a")
        await self.account.create("b")
        self.case.assertEqual(len(self.case.flushLoggedErrors(ZeroDivisionError)), 1)
        self.case.assertEqual([len(each.changes) for each in (broken, kept, left)], [1, 2, 0])

    async def test_status(self) -> None:
        """STATUS counts (RFC 3501 section 6.3.10, 8438, 7162, 8474)."""
        await self.add(HELLO, b"two\r\n", flags=frozenset(["\\Seen"]))
        await self.add(b"three\r\n", flags=frozenset(["\\Deleted"]))
        inbox = await self.inbox()
        status = await self.account.status("inbox", size=True)
        self.case.assertEqual(
            (status.messages, status.unseen, status.deleted, status.recent, status.uidnext, status.size),
            (3, 1, 1, 3, 4, len(HELLO) + 5 + 7),
        )
        self.case.assertEqual(status.highest_modseq, inbox.snapshot.highest_modseq)
        self.case.assertEqual(status.mailbox_id, inbox.snapshot.mailbox_id)
        self.case.assertEqual(status.uidvalidity, inbox.snapshot.uidvalidity)
        self.case.assertIsNone((await self.account.status("INBOX")).size)
        self.case.assertEqual(await inbox.claim_recent(inbox.snapshot.uidnext), 1, "STATUS claims no \\Recent")

    async def test_missing_mailbox(self) -> None:
        """What is not there cannot be opened (RFC 3501 section 6.3.1)."""
        for call in (self.account.open, self.account.status, self.account.draft, self.account.delete):
            await self.refused(NoSuchMailbox, call("nope"))
        draft = await self.draft(HELLO)
        await self.refused(NoSuchMailbox, lambda: self.account.append("nope", [Addition(draft)]))
