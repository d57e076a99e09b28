"""Mailboxes in memory: those somebody has open, and those nobody has, kept under a budget.

To read a mailbox of 100,000 messages again costs a directory scan, so it is kept when its last session leaves. Of
those that nobody holds, the ones used longest ago go first when the budget is exceeded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from mailhub.maildir.mailbox import MaildirMailbox

BASE_WEIGHT = 8 * 1024
"""Octets of a mailbox without messages, about."""

MESSAGE_WEIGHT = 200
"""Octets of a message in its columns, about."""

_LOOKS = 32
"""Mailboxes looked at for one touch, so that a touch costs little where all are held."""

Forget = Callable[[MaildirMailbox], None]


class Shelf:
    """budget: octets for mailboxes that nobody holds; those that are held count too, but stay."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[MaildirMailbox, tuple[int, Forget]] = OrderedDict()
        self._weight = 0

    def touch(self, mailbox: MaildirMailbox, forget: Forget) -> None:
        """Note that a mailbox is used. When it has to go, `forget` is called with it."""
        self.remove(mailbox)
        weight = BASE_WEIGHT + MESSAGE_WEIGHT * mailbox.messages
        self._kept[mailbox] = (weight, forget)
        self._weight += weight
        self._trim()

    def remove(self, mailbox: MaildirMailbox) -> None:
        """Note that a mailbox is no longer in memory. Idempotent."""
        weight, _ = self._kept.pop(mailbox, (0, None))
        self._weight -= weight

    def _trim(self) -> None:
        for mailbox in list(self._kept)[:_LOOKS] if self._weight > self._budget else ():
            if self._weight <= self._budget or len(self._kept) == 1:
                return
            if mailbox.held:
                self._kept.move_to_end(mailbox)
                continue
            weight, forget = self._kept.pop(mailbox)
            self._weight -= weight
            forget(mailbox)
