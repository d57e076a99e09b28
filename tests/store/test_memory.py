"""The memory store keeps the contract."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mailhub.config.settings import StoreSettings
from mailhub.memory.message import Content, Draft
from mailhub.memory.store import MemoryStore
from mailhub.message.facts import Fact
from mailhub.store.model import Addition, UserEntry
from mailhub.store.query import Smaller
from tests.store.contract import StoreContract
from tests.store.machine import StoreMachine, fired
from tests.store.names_machine import NamesMachine


class MemoryContract(StoreContract, TestCase):
    """The memory store, run by the contract."""

    def make_store(self, settings: StoreSettings, clock: Clock) -> MemoryStore:
        return MemoryStore(clock=clock, settings=settings)


class MemoryMachine(StoreMachine):
    """The memory store beside the model."""

    def make_store(self) -> MemoryStore:
        return MemoryStore(clock=Clock(), settings=StoreSettings())


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class MemoryNamesMachine(NamesMachine):
    """Its mailbox list beside the model."""

    def make_store(self) -> MemoryStore:
        return MemoryStore(clock=Clock(), settings=StoreSettings())


TestMemoryNamesMachine = MemoryNamesMachine.TestCase
TestMemoryNamesMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class MemorySettings(SynchronousTestCase):
    """What settings do to the memory store."""

    def test_delimiter(self) -> None:
        """The delimiter is that of the layout unless a separator is set."""
        for kwargs, delimiter in (({}, "."), ({"layout": "fs"}, "/"), ({"separator": "/"}, "/")):
            store = MemoryStore(clock=Clock(), settings=StoreSettings(**kwargs))
            account = fired(store.account(UserEntry("ann")))
            self.assertEqual(account.namespaces[0].delimiter, delimiter)
            fired(account.create(delimiter.join("ab")))
            self.assertEqual([info.name for info in fired(account.mailboxes())], ["INBOX", "a", delimiter.join("ab")])


class MemoryPauses(SynchronousTestCase):
    """Long searches of the memory store."""

    def test_pause(self) -> None:
        """With a pause a long search serves others between batches (law 6)."""
        clock = Clock()
        store = MemoryStore(clock=clock, settings=StoreSettings(), pause=lambda: deferLater(clock, 1))
        account = fired(store.account(UserEntry("ann")))
        draft = fired(account.draft())
        fired(account.append("INBOX", [Addition(draft) for _ in range(1200)]))
        inbox = fired(account.open("INBOX"))
        searched = inbox.search(Smaller(1), inbox.snapshot)
        for _ in range(3):
            self.assertNoResult(searched)
            clock.advance(1)
        self.assertEqual(len(self.successResultOf(searched)), 1200)

    def test_facts_are_bounded(self) -> None:
        """However many facts are asked of a message, a bounded number is kept (law 8)."""
        content = Content(b"a")
        names = [Fact(f"test-{number}/1", lambda message: message.data) for number in range(1000)]
        self.assertEqual(content.facts(names), [b"a"] * 1000)
        self.assertEqual(len(content._facts), 64)
        self.assertEqual(content.facts(names[-2:]), [b"a"] * 2)


class MemoryDraft(SynchronousTestCase):
    """A draft of the memory store."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\0", b"xyz\n", b"\xff", b""]), max_size=12))
    def test_size(self, chunks: list[bytes]) -> None:
        """A draft's size is that of the message with each bare LF made CRLF, however it was cut."""
        draft = Draft(1000)
        for chunk in chunks:
            draft.write(chunk)
        whole = b"".join(chunks)
        self.assertEqual(draft.size, len(whole) + whole.count(b"\n") - whole.count(b"\r\n"))
        self.assertEqual(draft.size, len(draft.content().data))
