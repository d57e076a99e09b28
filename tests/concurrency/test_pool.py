"""The thread pool and its stand-in."""

from __future__ import annotations

import sys
import threading

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from mailhub.concurrency.lanes import Lane
from mailhub.concurrency.pool import SWITCH_INTERVAL, InlinePool, IThreads, Threads


class ThreadsTests(TestCase):
    def setUp(self) -> None:
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        self.threads = Threads(reactor, 3)
        self.addCleanup(self.threads.stop)

    async def test_call(self) -> None:
        """Work runs in another thread; its result comes on the reactor thread."""
        verifyObject(IThreads, self.threads)
        here = threading.get_ident()
        there = await self.threads.call(threading.get_ident)
        self.assertNotEqual(there, here)
        self.assertEqual(threading.get_ident(), here)

    async def test_failure(self) -> None:
        """So do exceptions."""
        with self.assertRaises(ZeroDivisionError):
            await self.threads.call(lambda: 1 // 0)

    async def test_side_by_side(self) -> None:
        """As many pieces of work run at once as there are threads."""
        barrier = threading.Barrier(3, timeout=60)
        await gatherResults([self.threads.call(barrier.wait) for _ in range(3)])
        self.assertFalse(barrier.broken)

    async def test_lane_order_with_threads(self) -> None:
        """Jobs of one lane do not overlap though there are several threads."""
        lane, log, inside = Lane(self.threads), [], []

        def work(number: int) -> int:
            inside.append(number)
            alone = len(inside) == 1
            inside.remove(number)
            return number if alone else -1

        await gatherResults([lane.run(lambda number=number: work(number), log.append) for number in range(50)])
        self.assertEqual(log, list(range(50)))

    async def test_started_on_first_use(self) -> None:
        """An unused pool has no threads and can be stopped; a used one makes the interpreter switch quickly."""
        Threads(reactor).stop()
        await self.threads.call(lambda: None)
        self.assertAlmostEqual(sys.getswitchinterval(), SWITCH_INTERVAL)
        self.threads.stop()
        self.threads.stop()


class InlinePoolTests(SynchronousTestCase):
    def test_in_place(self) -> None:
        """The stand-in runs work at once on the calling thread, and gives failures as the pool does."""
        pool = InlinePool()
        verifyObject(IThreads, pool)
        self.assertEqual(self.successResultOf(pool.call(threading.get_ident)), threading.get_ident())
        self.failureResultOf(pool.call(lambda: 1 // 0), ZeroDivisionError)
