"""A store against a trivial model of it, driven by hypothesis.

For stores whose Deferreds fire at once: the memory store, and others on an inline pool. A subclass of StoreMachine
gives make_store(); its TestCase attribute is the test:

    class MemoryMachine(StoreMachine):
        def make_store(self): ...

    TestMemoryMachine = MemoryMachine.TestCase
"""

from __future__ import annotations

from typing import Any

from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailhub.store.changes import Added, Flagged, Removed
from mailhub.store.interfaces import IMailbox, IMessageStore
from mailhub.store.model import Addition, FlagEdit, FlagOp, Snapshot, Uid, UserEntry, Wanted
from mailhub.store.snapshots import diff
from tests.store.base import Listener

NAMES = ("INBOX", "a", "b")
FLAGS = ("\\Seen", "\\Deleted", "Work", "home")

names = st.sampled_from(NAMES)
flag_sets = st.frozensets(st.sampled_from(FLAGS))
picks = st.lists(st.integers(0, 12), max_size=6, unique=True)
"""Which messages: UIDs counted back from UIDNEXT, so that some are there and some are gone."""


def fired(deferred: Deferred[Any]) -> Any:
    """Return what a Deferred already fired with."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "the Deferred has not fired"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


@define
class Kept:
    """A message of the model."""

    data: bytes
    flags: frozenset[str]
    date: int


@define
class Model:
    """A mailbox of the model."""

    uidnext: int
    messages: dict[int, Kept]
    mailbox: IMailbox
    listener: Listener
    known: Snapshot


class StoreMachine(RuleBasedStateMachine):
    """Three mailboxes of one account."""

    def make_store(self) -> IMessageStore:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.store = self.make_store()
        self.account = fired(self.store.account(UserEntry("ann")))
        self.models: dict[str, Model] = {}
        for name in NAMES:
            if name != "INBOX":
                fired(self.account.create(name))
            mailbox = fired(self.account.open(name))
            listener = Listener()
            mailbox.subscribe(listener)
            self.models[name] = Model(1, {}, mailbox, listener, mailbox.snapshot)

    def teardown(self) -> None:
        if hasattr(self, "account"):
            for model in self.models.values():
                model.mailbox.unsubscribe(model.listener)
            self.account.release()
            fired(self.store.close())

    def pick(self, name: str, back: list[int]) -> list[Uid]:
        """Return UIDs of a mailbox, ascending, of messages that are there or not."""
        return [Uid(uid) for uid in sorted(self.models[name].uidnext - at for at in back) if uid > 0]

    def put(self, name: str, kept: Kept) -> int:
        model = self.models[name]
        uid = model.uidnext
        model.messages[uid] = kept
        model.uidnext += 1
        return uid

    @rule(name=names, flags=st.lists(flag_sets, max_size=3), date=st.integers(0, 2**31 - 1))
    def append(self, name: str, flags: list[frozenset[str]], date: int) -> None:
        additions, uids = [], []
        for each in flags:
            data = b"Subject: %d in %s\r\n\r\n" % (self.models[name].uidnext, name.encode())
            draft = fired(self.account.draft(name))
            draft.write(data)
            additions.append(Addition(draft, each, date))
            uids.append(self.put(name, Kept(data, each, date)))
        assert list(fired(self.account.append(name, additions)).uids) == uids
        for addition in additions:
            addition.draft.discard()

    @rule(name=names, back=picks, op=st.sampled_from(FlagOp), flags=flag_sets)
    def store_flags(self, name: str, back: list[int], op: FlagOp, flags: frozenset[str]) -> None:
        model, uids = self.models[name], self.pick(name, back)
        changed = []
        for uid in uids:
            kept = model.messages.get(uid)
            if kept is not None:
                after = {FlagOp.ADD: kept.flags | flags, FlagOp.REMOVE: kept.flags - flags, FlagOp.REPLACE: flags}[op]
                if after != kept.flags:
                    kept.flags = after
                    changed.append(uid)
        (outcome,) = fired(model.mailbox.change([FlagEdit(uids, op, flags)]))
        assert list(outcome.changed) == changed
        assert list(outcome.gone) == [uid for uid in uids if uid not in model.messages]
        assert (outcome.modseq is None) == (not changed)

    @rule(name=names, back=picks)
    def expunge(self, name: str, back: list[int]) -> None:
        model, uids = self.models[name], self.pick(name, back)
        gone = [uid for uid in uids if model.messages.pop(uid, None) is not None]
        assert list(fired(model.mailbox.expunge(uids))) == gone

    @rule(name=names, into=names, back=picks)
    def copy(self, name: str, into: str, back: list[int]) -> None:
        model, uids = self.models[name], self.pick(name, back)
        sources = [uid for uid in uids if uid in model.messages]
        targets = [self.put(into, self.again(model.messages[uid])) for uid in sources]
        copied = fired(model.mailbox.copy(uids, into))
        assert (list(copied.sources), list(copied.targets)) == (sources, targets)

    @rule(name=names, into=names, back=picks)
    def move(self, name: str, into: str, back: list[int]) -> None:
        model, uids = self.models[name], self.pick(name, back)
        sources = [uid for uid in uids if uid in model.messages]
        targets = [self.put(into, self.again(model.messages.pop(uid))) for uid in sources]
        moved = fired(model.mailbox.move(uids, into))
        assert (list(moved.sources), list(moved.targets)) == (sources, targets)

    @rule(name=names)
    def claim(self, name: str) -> None:
        """What is claimed now was claimed by nobody before."""
        model = self.models[name]
        before = model.mailbox.snapshot.recent_from
        assert fired(model.mailbox.claim_recent(Uid(model.uidnext))) == min(before, model.uidnext)
        assert fired(model.mailbox.claim_recent(Uid(model.uidnext))) == model.uidnext

    @rule(name=names)
    def refresh(self, name: str) -> None:
        mailbox = self.models[name].mailbox
        assert fired(mailbox.refresh()) is mailbox.snapshot

    def again(self, kept: Kept) -> Kept:
        return Kept(kept.data, kept.flags, kept.date)

    @invariant()
    def agrees(self) -> None:
        """Snapshots, contents and what listeners heard agree with the model."""
        for model in getattr(self, "models", {}).values():
            now = model.mailbox.snapshot
            assert dict(zip(now.uids, map(now.flags, now.uids), strict=True)) == {
                uid: kept.flags for uid, kept in model.messages.items()
            }
            assert now.uidnext == model.uidnext
            assert max(now.modseqs, default=0) <= now.highest_modseq
            uids = [Uid(uid) for uid in model.messages]
            records = fired(model.mailbox.read(uids, Wanted(sizes=True, dates=True)))
            assert list(records.sizes) == [len(kept.data) for kept in model.messages.values()]
            assert list(records.dates) == [kept.date for kept in model.messages.values()]
            self.heard_all(model)

    def heard_all(self, model: Model) -> None:
        """What the listener heard leads from the snapshot known before to the one now, as diff() says too."""
        here = set(model.known.uids)
        changed: set[int] = set()
        last = model.known.highest_modseq
        for batch in model.listener.batches:
            assert batch.modseq > last
            last = batch.modseq
            for change in batch.changes:
                if isinstance(change, Added):
                    assert not here & set(change.uids)
                    here |= set(change.uids)
                elif isinstance(change, Removed):
                    assert here >= set(change.uids)
                    here -= set(change.uids)
                else:
                    assert here >= set(change.uids)
                    changed |= set(change.uids)
        now = model.mailbox.snapshot
        assert here == set(now.uids)
        assert last == now.highest_modseq
        told = {type(change): set(change.uids) for change in diff(model.known, now)}
        assert told.get(Added, set()) == here - set(model.known.uids)
        assert told.get(Removed, set()) == set(model.known.uids) - here
        assert told.get(Flagged, set()) == changed & here & set(model.known.uids)
        model.listener.batches.clear()
        model.known = now
