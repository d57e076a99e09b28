"""Fan-out of news: order, leaving, failing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mailhub.store.changes import ChangeBatch, MailboxCreated, MailboxLost
from mailhub.store.model import ModSeq
from mailhub.store.notifier import AccountNotifier, MailboxNotifier
from tests.store.base import AccountListener, Listener
from tests.store.test_snapshots import mailbox


def batch(number: int) -> ChangeBatch:
    return ChangeBatch(mailbox()[0], (), ModSeq(number))


class NotifierTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.notifier = MailboxNotifier()
        self.first, self.second = Listener(), Listener()
        self.notifier.subscribe(self.first)
        self.notifier.subscribe(self.second)

    def test_all_in_order(self) -> None:
        """Every listener hears all batches, in commit order (law 1)."""
        batches = [batch(number) for number in range(3)]
        for each in batches:
            self.notifier.publish(each)
        self.assertEqual(self.first.batches, batches)
        self.assertEqual(self.second.batches, batches)

    def test_subscribed_twice(self) -> None:
        """Who subscribes twice hears once, and leaves at once."""
        self.notifier.subscribe(self.first)
        self.assertEqual(len(self.notifier), 2)
        self.notifier.publish(batch(1))
        self.notifier.unsubscribe(self.first)
        self.notifier.unsubscribe(self.first)
        self.notifier.publish(batch(2))
        self.assertEqual((len(self.first.batches), len(self.second.batches), len(self.notifier)), (1, 2, 1))

    def test_publishing_in_a_fan_out(self) -> None:
        """News that comes up while others are told waits for its turn: all hear one order."""
        one, two = batch(1), batch(2)

        class Eager(Listener):
            def mailboxChanged(listener, batch: ChangeBatch) -> None:
                super().mailboxChanged(batch)
                if batch is one:
                    self.notifier.publish(two)

        notifier = self.notifier = MailboxNotifier()
        listeners = [Eager(), Listener()]
        for listener in listeners:
            notifier.subscribe(listener)
        notifier.publish(one)
        self.assertEqual([listener.batches for listener in listeners], [[one, two]] * 2)

    def test_subscribing_in_a_fan_out(self) -> None:
        """Who comes while a batch is told has it in the snapshot already, and hears the next."""
        late = Listener()
        self.first.mailboxChanged = lambda _: self.notifier.subscribe(late)  # type: ignore[method-assign]
        one, two = batch(1), batch(2)
        self.notifier.publish(one)
        self.notifier.publish(two)
        self.assertEqual(late.batches, [two])

    def test_failing_listener(self) -> None:
        """A listener that raises is logged and dropped; the others hear all the same."""
        self.first.mailboxChanged = lambda _: 1 // 0  # type: ignore[method-assign, assignment]
        self.notifier.publish(batch(1))
        self.notifier.publish(batch(2))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((len(self.second.batches), len(self.notifier)), (2, 1))

    def test_lost(self) -> None:
        """After the last news nobody is told anything."""
        news = MailboxLost("deleted")
        self.notifier.lost(news)
        self.notifier.publish(batch(1))
        self.assertEqual((self.first.lost, self.second.lost, self.first.batches), ([news], [news], []))
        self.assertEqual(len(self.notifier), 0)

    def test_lost_in_a_fan_out(self) -> None:
        """The last news waits for its turn too, and reaches everybody."""
        news = MailboxLost("deleted")
        self.first.mailboxChanged = lambda _: self.notifier.lost(news)  # type: ignore[method-assign]
        self.notifier.publish(batch(1))
        self.assertEqual((self.first.lost, self.second.lost, len(self.second.batches)), ([news], [news], 1))
        self.assertEqual(len(self.notifier), 0)

    def test_account(self) -> None:
        """Account listeners are told likewise."""
        notifier, listener = AccountNotifier(), AccountListener()
        notifier.subscribe(listener)
        notifier.publish(MailboxCreated("a"))
        self.assertEqual(listener.changes, [MailboxCreated("a")])
