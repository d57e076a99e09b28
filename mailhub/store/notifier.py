"""Ordered fan-out of news to listeners.

A listener is told synchronously, on the reactor thread, while the store still holds the mailbox's lane, and may only
note what it heard. Nothing is queued here for a listener that is behind: it holds the batches it has not yet
used, each of which shares its arrays with the others, and may drop them all and call snapshots.diff() on
the snapshot it knows and the latest one instead. So what a slow listener costs is its own choice (design law 8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.logger import Logger

from mailhub.store.changes import AccountChange, ChangeBatch, MailboxLost
from mailhub.store.interfaces import IAccountListener, IChangeListener

L = TypeVar("L")


class _Listeners(Generic[L]):
    """Those who listen to one subject, in the order in which they came, told of one thing after the other."""

    _log = Logger()

    def __init__(self) -> None:
        self._listeners: dict[int, L] = {}
        self._news: deque[tuple[Callable[[L], None], bool]] = deque()
        self._telling = False

    def __len__(self) -> int:
        return len(self._listeners)

    def subscribe(self, listener: L) -> None:
        """Tell `listener` of what follows; once, even if it subscribes twice."""
        self._listeners[id(listener)] = listener

    def unsubscribe(self, listener: L) -> None:
        """Stop that, at once. Idempotent."""
        self._listeners.pop(id(listener), None)

    def _tell(self, news: Callable[[L], None], last: bool = False) -> None:
        """Tell all; news that comes up meanwhile is told after this, so that all hear it in one order. After the
        `last` news the listeners are forgotten."""
        self._news.append((news, last))
        if self._telling:
            return
        self._telling = True
        try:
            while self._news:
                one, last = self._news.popleft()
                for key, listener in list(self._listeners.items()):
                    if key in self._listeners:
                        self._tell_one(listener, one)
                if last:
                    self._listeners.clear()
        finally:
            self._telling = False

    def _tell_one(self, listener: L, news: Callable[[L], None]) -> None:
        try:
            news(listener)
        except Exception:
            self._log.failure("A listener failed and is told no more: {listener}", listener=listener)
            self.unsubscribe(listener)


class MailboxNotifier(_Listeners[IChangeListener]):
    """The listeners of one mailbox. `len()` says how many there are."""

    def publish(self, batch: ChangeBatch) -> None:
        """Tell of a commit, before the lane is let go and before the writer's Deferred fires (law 1)."""
        self._tell(lambda listener: listener.mailboxChanged(batch))

    def lost(self, news: MailboxLost) -> None:
        """Tell the last news of the mailbox and forget the listeners."""
        self._tell(lambda listener: listener.mailboxLost(news), last=True)


class AccountNotifier(_Listeners[IAccountListener]):
    """The listeners of one account."""

    def publish(self, change: AccountChange) -> None:
        """Tell of a change to the list of mailboxes."""
        self._tell(lambda listener: listener.accountChanged(change))
