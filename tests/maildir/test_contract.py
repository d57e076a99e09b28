"""The Maildir store keeps the contract: with real threads, and with everything in place."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailhub.concurrency.pool import InlinePool, Threads
from mailhub.config.settings import StoreSettings
from mailhub.maildir.store import MaildirStore
from tests.store.contract import StoreContract


class ThreadedContract(StoreContract, TestCase):
    """The Maildir store as the server runs it: disk threads, and a watcher of directories."""

    def make_store(self, settings: StoreSettings, clock: Clock) -> MaildirStore:
        threads = Threads(reactor, 4)
        self.addCleanup(threads.stop)
        return MaildirStore(
            reactor=reactor, threads=threads, settings=settings, data=self.mktemp(), clock=clock.seconds
        )


class InlineContract(StoreContract, TestCase):
    """The Maildir store as a command without a reactor runs it."""

    def make_store(self, settings: StoreSettings, clock: Clock) -> MaildirStore:
        return MaildirStore(
            reactor=clock, threads=InlinePool(), settings=settings, data=self.mktemp(), clock=clock.seconds
        )
