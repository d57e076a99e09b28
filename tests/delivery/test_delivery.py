"""Delivery: recipients, header lines, local delivery."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.config.settings import StoreSettings
from mailhub.delivery.delivery import Delivery, without_from_line
from mailhub.delivery.recipients import find_user, names
from mailhub.delivery.sysexits import exit_status
from mailhub.memory.store import MemoryStore
from mailhub.store import errors
from mailhub.store.errors import NoSuchUser, OverQuota, StoreError, TooBig
from mailhub.store.model import UserEntry
from mailhub.wire.smtp import Address
from tests.lmtp.house import Directory


class RecipientTests(SynchronousTestCase):
    def test_names(self) -> None:
        """The detail is dropped (RFC 5233 section 1); the full address is tried first; case is kept."""
        for address, delimiters, wanted in (
            (Address("ann"), "+", ["ann"]),
            (Address("Ann", "X.org"), "+", ["Ann@X.org", "Ann"]),
            (Address("ann+a+b", "x.org"), "+", ["ann@x.org", "ann", "ann+a+b@x.org", "ann+a+b"]),
            (Address("ann-a+b"), "+-", ["ann", "ann-a+b"]),
            (Address("ann+a"), "", ["ann+a"]),
            (Address("+a"), "+", ["+a"]),
            (Address("", "x.org"), "+", ["@x.org"]),
        ):
            self.assertEqual(list(names(address, delimiters)), wanted)

    def test_find(self) -> None:
        """The first name that the directory knows is the user."""
        users = Directory("ann", "ann@x.org", "a+b")
        for address, wanted in (
            (Address("ann", "x.org"), "ann@x.org"),
            (Address("ann+d", "y.org"), "ann"),
            (Address("a+b", "y.org"), "a+b"),
        ):
            found = self.successResultOf(Deferred.fromCoroutine(find_user(users, address, "+")))
            self.assertEqual(found.name, wanted)
        self.failureResultOf(Deferred.fromCoroutine(find_user(users, Address("no"), "+")), NoSuchUser)


class FromLineTests(SynchronousTestCase):
    @given(
        st.sampled_from([b"From a b\nx: y\n\nz\n", b"From: a\n\nb", b"", b"F", b"From a", b"x"]),
        st.lists(st.integers(0, 20)),
    )
    def test_cuts(self, message: bytes, cuts: list[int]) -> None:
        """A line "From ..." in front is dropped (RFC 4155), however the message is cut."""
        marks = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
        chunks = [message[a:b] for a, b in pairwise(marks)]
        wanted = b"x: y\n\nz\n" if message.startswith(b"From a b") else message
        self.assertEqual(b"".join(without_from_line(chunks)), wanted)


class LocalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = MemoryStore(clock=Clock(), settings=StoreSettings(message_limit=1000))
        self.delivery = Delivery(store=self.store, users=Directory("ann", "broken"))

    def deliver(self, *arguments: Any, **keywords: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.delivery.deliver_local(*arguments, **keywords))

    def count(self, mailbox: str) -> int:
        account = self.successResultOf(self.store.account(UserEntry("ann")))
        return self.successResultOf(account.status(mailbox)).messages

    def test_inbox(self) -> None:
        """A message on standard input goes to INBOX as it is, as dovecot-lda does."""
        placed = self.successResultOf(self.deliver("ann", [b"From me\na: ", b"b\n\nc\n"]))
        self.assertEqual(placed.mailbox, "INBOX")
        self.assertEqual(list(placed.appended.uids), [1])
        self.assertEqual(self.count("INBOX"), 1)

    def test_other_mailbox(self) -> None:
        """A mailbox that is missing is made, or INBOX takes its place."""
        self.assertEqual(self.successResultOf(self.deliver("ann", [b"a"], "Work")).mailbox, "INBOX")
        self.assertEqual(self.successResultOf(self.deliver("ann", [b"a"], "Work", create=True)).mailbox, "Work")
        self.assertEqual(self.successResultOf(self.deliver("ann", [b"a"], "Work")).mailbox, "Work")
        self.assertEqual((self.count("INBOX"), self.count("Work")), (1, 2))

    def test_errors(self) -> None:
        """Errors tell the mail system whether to bounce or to try again (sysexits.h)."""
        for user, chunks, kind, status in (
            ("bob", [b"a"], NoSuchUser, 67),
            ("broken", [b"a"], errors.Unavailable, 75),
            ("ann", [b"x" * 900] * 2, TooBig, 65),
        ):
            failure = self.failureResultOf(self.deliver(user, chunks), kind)
            self.assertEqual(exit_status(failure.value), status)
        self.assertEqual(self.count("INBOX"), 0)
        self.assertEqual(exit_status(OverQuota("full")), 75)

    def test_every_error_has_a_status(self) -> None:
        """Also the base class, and kinds that come later."""
        for kind in [StoreError, *StoreError.__subclasses__()]:
            self.assertIn(exit_status(kind("x")), (65, 67, 73, 75, 77))
