"""The index keeps facts and sizes, follows copies and expunges, and is bounded."""

from __future__ import annotations

import os
import sqlite3

from mailhub.maildir.index import EXPUNGE_LOG, FACT_SETS, FILE_NAME, Index, Transaction
from mailhub.message.facts import Fact
from mailhub.message.message import Message
from mailhub.store.model import Uid, Wanted
from tests.maildir.boxes import BoxCase


class Facts(BoxCase):
    """IMailbox.read computes once, whoever asks again."""

    def setUp(self) -> None:
        super().setUp()
        self.made: list[bytes] = []

    def fact(self, key: str = "first/1", keep: bool = True) -> Fact:
        def make(message: Message) -> bytes:
            self.made.append(message.data)
            return message.data[:9]

        return Fact(key, make, keep)

    def read(self, mailbox: object, *facts: Fact) -> list[list[bytes]]:
        uids = [Uid(uid) for uid in mailbox.snapshot.uids]  # type: ignore[attr-defined]
        records = self.get(mailbox.read(uids, Wanted(sizes=True, dates=True, facts=facts)))  # type: ignore[attr-defined]
        self.assertEqual(len(records.sizes), len(uids))
        return [list(column) for column in records.facts]

    def test_computed_once(self) -> None:
        """What was computed is there for the next session, and the next process."""
        for n in range(5):
            self.put(f"{n}.a:2,", b"message %d\n" % n)
        mailbox = self.inbox()
        expected = [[b"message %d" % n for n in range(5)]]
        for box in (mailbox, mailbox, self.inbox()):
            self.assertEqual(self.read(box, self.fact()), expected)
        self.assertEqual(len(self.made), 5)

    def test_not_kept(self) -> None:
        """A fact that says so is computed each time."""
        self.put("1.a:2,")
        mailbox = self.inbox()
        for _ in range(2):
            self.read(mailbox, self.fact(keep=False))
        self.assertEqual(len(self.made), 2)

    def test_copies_are_warm(self) -> None:
        """A copy has the facts of its original; they go when it is expunged."""
        for n in range(5):
            self.put(f"{n}.a:2,", b"message %d\n" % n)
        account = self.account()
        mailbox = self.get(account.open("INBOX"))
        self.get(account.create("Archive"))
        self.read(mailbox, self.fact())
        self.get(mailbox.copy([Uid(2), Uid(4)], "Archive"))
        archive = self.get(account.open("Archive"))
        self.assertEqual(self.read(archive, self.fact()), [[b"message 1", b"message 3"]])
        self.assertEqual(len(self.made), 5)
        self.get(archive.expunge([Uid(1)]))
        with sqlite3.connect(self.maildir / os.fsdecode(FILE_NAME)) as db:
            (count,) = db.execute("SELECT count(*) FROM fact").fetchone()
        self.assertEqual(count, 6)

    def test_bounded(self) -> None:
        """Of each family of facts the last few are kept: clients may ask for any set of header fields."""
        self.put("1.a:2,")
        mailbox = self.inbox()
        self.read(mailbox, self.fact("envelope/1"))
        for number in range(FACT_SETS + 5):
            self.read(mailbox, self.fact(f"fields/{number}"))
        self.made.clear()
        self.read(mailbox, self.fact("envelope/1"), self.fact(f"fields/{FACT_SETS + 4}"))
        self.assertEqual(self.made, [])
        self.read(mailbox, self.fact("fields/0"))
        self.assertEqual(len(self.made), 1)


class Tables(BoxCase):
    """The database itself."""

    def setUp(self) -> None:
        super().setUp()
        self.path = os.fsencode(self.base / "index.sqlite")
        self.index = Index(self.path, durable=False)
        self.addCleanup(self.index.close)

    def test_modseqs(self) -> None:
        """A message without a row has the modseq of its arrival; a row's own counts more and never goes back."""

        def fill(transaction: Transaction) -> None:
            transaction.arrived(10, 200)
            transaction.flagged([(3, 300), (4, 300)])
            transaction.flagged([(3, 250)])
            transaction.raise_to(300)

        self.index.write("k", 100, fill)
        known = self.index.write("k", 999, Transaction.known)
        assert known is not None
        self.assertEqual(known.arrivals, [(1, 100), (10, 200)])
        self.assertEqual(known.modseq, 300)
        rows = self.index.write("k", 999, lambda transaction: transaction.changed_since(250))
        self.assertEqual(rows, [(3, 300, None), (4, 300, None)])

    def test_expunge_log(self) -> None:
        """The log of expunged UIDs is bounded; where it is cut is known."""
        self.index.write("k", 1, lambda transaction: transaction.removed(range(1, 11), 50, log_limit=15))
        self.index.write("k", 1, lambda transaction: transaction.removed(range(11, 21), 60, log_limit=15))
        known = self.index.write("k", 1, Transaction.known)
        assert known is not None
        self.assertEqual(known.expunged, frozenset(range(11, 21)))
        with sqlite3.connect(self.path) as db:
            self.assertEqual(db.execute("SELECT log_from FROM mailbox").fetchone(), (50,))
        self.assertGreater(EXPUNGE_LOG, 1000)

    def test_error_in_a_job(self) -> None:
        """A job that fails leaves nothing behind."""

        def fail(transaction: Transaction) -> None:
            transaction.flagged([(1, 5)])
            raise KeyError

        self.assertRaises(KeyError, self.index.write, "k", 1, fail)
        self.assertEqual(self.index.write("k", 1, lambda transaction: transaction.changed_since(0)), [])

    def test_forget(self) -> None:
        """Nothing is left of a mailbox that was deleted."""

        def fill(transaction: Transaction) -> None:
            transaction.keep("f/1", [(1, b"x")])
            transaction.measured([(1, 5, 6, 7)])

        self.index.write("k", 1, fill)
        self.assertEqual(self.index.facts("k", "f/1", [1]), {1: b"x"})
        self.index.forget("k")
        self.assertEqual(self.index.facts("k", "f/1", [1]), {})
        self.assertEqual(list(self.index.sizes("k", [1])), [])

    def test_far_apart(self) -> None:
        """Messages that lie far apart are found as those side by side."""
        self.index.write(
            "k", 1, lambda transaction: transaction.keep("f/1", [(n, b"%d" % n) for n in (1, 5000, 90000)])
        )
        self.assertEqual(self.index.facts("k", "f/1", [1, 5000]), {1: b"1", 5000: b"5000"})
        self.assertEqual(self.index.standing("k"), (1, 0))
        self.assertEqual(self.index.standing_now("other"), (0, 0))
