"""A mailbox of the memory store.

Everything happens at once on the reactor thread, so that this is also the plainest reading of the contract: work out
the change, publish it, return. Writers of other stores find here what each method means.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, execute, succeed
from zope.interface import implementer

from mailhub.memory.message import Body, Kept
from mailhub.store import snapshots
from mailhub.store.changes import Added, ChangeBatch, Flagged, MailboxChange, MailboxLost, Removed
from mailhub.store.errors import MailboxGone
from mailhub.store.interfaces import IChangeListener, IMailbox, IMessageBody
from mailhub.store.model import (
    Copied,
    FlagEdit,
    FlagOutcome,
    Flags,
    MailboxId,
    ModSeq,
    Records,
    Snapshot,
    Uid,
    Wanted,
)
from mailhub.store.notifier import MailboxNotifier
from mailhub.store.query import Query
from mailhub.store.searching import evaluate

if TYPE_CHECKING:
    from mailhub.memory.account import Account

READ_BUDGET = 1024 * 1024
"""Octets of messages that bodies() opens at once."""
READ_MOST = 64
"""And how many."""


@implementer(IMailbox)
class Mailbox:
    """One mailbox, open or not."""

    read_only = False

    def __init__(
        self, account: Account, name: str, mailbox_id: MailboxId, uidvalidity: int, special_use: frozenset[str]
    ) -> None:
        self.name = name
        self.special_use = special_use
        self._account = account
        self._table = snapshots.FlagTable(account.settings.keyword_limit)
        self._messages: dict[int, Kept] = {}
        self._notifier = MailboxNotifier()
        self._lost = False
        self.snapshot: Snapshot = snapshots.first(mailbox_id, uidvalidity, self._table, account.modseq(0))

    def refresh(self) -> Deferred[Snapshot]:
        return execute(self._living)

    def subscribe(self, listener: IChangeListener) -> None:
        self._notifier.subscribe(listener)

    def unsubscribe(self, listener: IChangeListener) -> None:
        self._notifier.unsubscribe(listener)

    def claim_recent(self, below: Uid) -> Deferred[Uid]:
        claimed = self.snapshot.recent_from
        if claimed >= below:
            return succeed(below)
        self.snapshot = snapshots.with_recent(self.snapshot, below)
        return succeed(claimed)

    def read(self, uids: Sequence[Uid], wanted: Wanted) -> Deferred[Records]:
        return execute(self._read, uids, wanted)

    def bodies(self, uids: Sequence[Uid]) -> Deferred[Sequence[IMessageBody | None]]:
        opened: list[IMessageBody | None] = []
        octets = 0
        for uid in uids[:READ_MOST]:
            kept = self._messages.get(uid)
            octets += 0 if kept is None else len(kept.content.data)
            if opened and octets > READ_BUDGET:
                break
            opened.append(None if kept is None else Body(uid, kept.content))
        return succeed(opened)

    def change(self, edits: Sequence[FlagEdit], origin: object = None) -> Deferred[Sequence[FlagOutcome]]:
        return execute(self._change, edits, origin)

    def expunge(self, uids: Sequence[Uid], origin: object = None) -> Deferred[Sequence[Uid]]:
        return execute(self._expunge, uids, origin)

    def copy(self, uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        return execute(self._copy, uids, target, origin)

    def move(self, uids: Sequence[Uid], target: str, origin: object = None) -> Deferred[Copied]:
        return execute(self._move, uids, target, origin)

    def search(self, query: Query, within: Snapshot) -> Deferred[Sequence[Uid]]:
        return evaluate(query, within, self, self._account.pause)

    def add(self, messages: Sequence[tuple[Kept, Flags]], origin: object) -> Sequence[Uid]:
        """Append messages with flags, all or none, as one commit; return their UIDs. Raises TooMany."""
        last = self._living()
        if not messages:
            return ()
        self._table.learn({flag for _, flags in messages for flag in flags})
        numbers = [self._table.number(self._table.spell(flags)) for _, flags in messages]
        uids = [Uid(uid) for uid in range(last.uidnext, last.uidnext + len(messages))]
        self._messages.update(zip(uids, (kept for kept, _ in messages), strict=True))
        modseq = self._account.modseq(last.highest_modseq)
        self._publish(snapshots.with_added(last, self._table, uids, numbers, modseq), Added(uids), modseq, origin)
        return uids

    def size(self) -> int:
        """Return the sum of the messages' sizes."""
        return sum(len(kept.content.data) for kept in self._messages.values())

    def empty_into(self, target: Mailbox) -> None:
        """Move all messages to `target`."""
        target.add([self._taken(uid) for uid in self.snapshot.uids], None)
        self._expunge([Uid(uid) for uid in self.snapshot.uids], None)

    def lose(self, reason: str) -> None:
        """The mailbox was deleted: tell those who have it open."""
        self._lost = True
        self._messages.clear()
        self._notifier.lost(MailboxLost(reason))

    def _living(self) -> Snapshot:
        if self._lost:
            raise MailboxGone("Mailbox was deleted")
        return self.snapshot

    def _read(self, uids: Sequence[Uid], wanted: Wanted) -> Records:
        messages = self._messages
        kept = [message for uid in uids if (message := messages.get(uid)) is not None]
        gone = [uid for uid in uids if uid not in messages] if len(kept) < len(uids) else ()
        rows = [message.content.facts(wanted.facts) for message in kept] if wanted.facts else []
        return Records(
            uids=[uid for uid in uids if uid in messages] if gone else uids,
            sizes=[len(message.content.data) for message in kept] if wanted.sizes else (),
            dates=[message.internal_date for message in kept] if wanted.dates else (),
            save_dates=[message.save_date for message in kept] if wanted.save_dates else (),
            facts=tuple([row[column] for row in rows] for column in range(len(wanted.facts))),
            gone=gone,
        )

    def _change(self, edits: Sequence[FlagEdit], origin: object) -> Sequence[FlagOutcome]:
        last = self._living()
        plan = snapshots.plan_edits(last, self._table, edits, self._account.modseq)
        if plan.uids:
            now = snapshots.with_flags(last, self._table, plan.uids, plan.numbers, plan.modseqs)
            self._publish(now, Flagged(plan.uids), now.highest_modseq, origin)
        return plan.outcomes

    def _expunge(self, uids: Sequence[Uid], origin: object) -> Sequence[Uid]:
        last = self._living()
        removed = [uid for uid in uids if self._messages.pop(uid, None) is not None]
        if removed:
            modseq = self._account.modseq(last.highest_modseq)
            self._publish(snapshots.with_removed(last, removed, modseq), Removed(removed), modseq, origin)
        return removed

    def _copy(self, uids: Sequence[Uid], target: str, origin: object) -> Copied:
        self._living()
        into = self._account.mailbox(target)
        sources = [uid for uid in uids if uid in self._messages]
        now = self._account.now()
        taken = [self._taken(uid) for uid in sources]
        copies = [(Kept(kept.content, kept.internal_date, now), flags) for kept, flags in taken]
        targets = into.add(copies, origin)
        return Copied(into.snapshot.uidvalidity, sources, targets)

    def _move(self, uids: Sequence[Uid], target: str, origin: object) -> Copied:
        moved = self._copy(uids, target, origin)
        self._expunge(moved.sources, origin)
        return moved

    def _taken(self, uid: int) -> tuple[Kept, Flags]:
        snapshot = self.snapshot
        number = snapshot.flag_numbers[bisect_left(snapshot.uids, uid)]
        return self._messages[uid], snapshot.flag_sets[number]

    def _publish(self, now: Snapshot, change: MailboxChange, modseq: ModSeq, origin: object) -> None:
        self.snapshot = now
        self._notifier.publish(ChangeBatch(now, (change,), modseq, origin))
