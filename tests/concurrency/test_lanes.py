"""Lanes: order, publishing while the lane is held, and writes that outlive who waits (design laws 1 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mailhub.concurrency.lanes import Lane
from mailhub.concurrency.pool import InlinePool, IThreads


@implementer(IThreads)
class HandPool:
    """Runs work when the test says so, as a thread would finish at some later time."""

    def __init__(self) -> None:
        self.under_way: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def call(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.under_way.append((work, done))
        return done

    def finish(self) -> None:
        """Finish the work under way that was begun first."""
        work, done = self.under_way.pop(0)
        try:
            result = work()
        except Exception:
            done.errback(Failure())
        else:
            done.callback(result)


class LaneTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pool = HandPool()
        self.lane = Lane(self.pool)
        self.log: list[str] = []

    def patch_log(self) -> list[LogEvent]:
        """Return the list that what is logged from now on comes to."""
        events: list[LogEvent] = []
        self.patch(Lane, "_log", Logger(observer=events.append))
        return events

    def job(self, name: str, then: bool = True) -> Deferred[Any]:
        """Run a job that notes each of its steps."""

        def work() -> str:
            self.log.append(f"work {name}")
            return name

        def publish(result: str) -> str:
            self.log.append(f"then {result}")
            return result.upper()

        deferred = self.lane.run(work, publish if then else None)
        deferred.addCallback(lambda result: self.log.append(f"fired {result}"))
        return deferred

    def test_one_at_a_time(self) -> None:
        """Jobs of a lane run one after the other, in the order in which they came."""
        for name in "abc":
            self.job(name, then=False)
        self.assertEqual(len(self.pool.under_way), 1)
        while self.pool.under_way:
            self.pool.finish()
            self.assertLessEqual(len(self.pool.under_way), 1)
        self.assertEqual(self.log, ["work a", "fired a", "work b", "fired b", "work c", "fired c"])

    def test_then_before_next(self) -> None:
        """`then` has returned before the next job begins (law 1), and before its own Deferred fires."""
        lane, log = Lane(InlinePool()), self.log

        def publish(result: str) -> str:
            log.append(f"then {result}")
            if result == "a":
                lane.run(lambda: log.append("work b"))
                log.append("then a returns")
            return result

        lane.run(lambda: "a", publish).addCallback(lambda _: log.append("fired a"))
        self.assertEqual(log[:3], ["then a", "then a returns", "work b"])
        self.assertIn("fired a", log)

    def test_result_of_then(self) -> None:
        """The Deferred fires with what `then` returned, or without one with what `work` returned."""
        with_then, without = self.job("a"), self.lane.run(lambda: 5)
        self.pool.finish()
        self.pool.finish()
        self.assertEqual(self.log, ["work a", "then a", "fired A"])
        self.successResultOf(with_then)
        self.assertEqual(self.successResultOf(without), 5)

    def test_lanes_are_apart(self) -> None:
        """A job of one lane does not wait for another lane."""
        self.job("a")
        other = Lane(self.pool).run(lambda: "other")
        self.assertEqual(len(self.pool.under_way), 2)
        self.pool.under_way.reverse()
        self.pool.finish()
        self.assertEqual(self.successResultOf(other), "other")
        self.assertEqual(self.log, [])
        self.pool.finish()

    def test_cancel_does_not_undo(self) -> None:
        """Who cancels waits no more; the job runs and publishes all the same (law 5)."""
        running, waiting = self.job("a"), self.job("b")
        running.cancel()
        waiting.cancel()
        self.failureResultOf(running, CancelledError)
        self.failureResultOf(waiting, CancelledError)
        self.pool.finish()
        self.pool.finish()
        self.assertEqual(self.log, ["work a", "then a", "work b", "then b"])
        self.assertFalse(self.lane.busy)

    def test_failure_of_work(self) -> None:
        """An exception of `work` comes out of the Deferred; `then` is not called, the next job runs."""
        failing = self.lane.run(lambda: 1 // 0, lambda _: self.log.append("never"))
        self.job("b")
        self.pool.finish()
        self.pool.finish()
        self.failureResultOf(failing, ZeroDivisionError)
        self.assertEqual(self.log, ["work b", "then b", "fired B"])

    def test_failure_of_then(self) -> None:
        """So does an exception of `then`."""
        failing = self.lane.run(lambda: 0, lambda zero: 1 // zero)
        self.job("b")
        self.pool.finish()
        self.pool.finish()
        self.failureResultOf(failing, ZeroDivisionError)
        self.assertEqual(self.log, ["work b", "then b", "fired B"])

    def test_failure_of_a_cancelled_job(self) -> None:
        """A job that nobody waits for may fail; the log is told, and the lane goes on."""
        events = self.patch_log()
        failing = self.lane.run(lambda: 1 // 0)
        failing.cancel()
        self.failureResultOf(failing, CancelledError)
        self.pool.finish()
        self.job("b")
        self.pool.finish()
        self.assertEqual(self.log, ["work b", "then b", "fired B"])
        self.assertEqual([type(event["error"]) for event in events], [ZeroDivisionError])

    def test_busy_and_drained(self) -> None:
        """A lane says whether it works, and when it has nothing left to do."""
        self.assertFalse(self.lane.busy)
        self.successResultOf(self.lane.drained())
        self.job("a")
        self.job("b")
        drained = self.lane.drained()
        self.pool.finish()
        self.assertTrue(self.lane.busy)
        self.assertNoResult(drained)
        self.pool.finish()
        self.successResultOf(drained)
        self.assertFalse(self.lane.busy)

    def test_job_from_a_callback(self) -> None:
        """A job may be added when another's Deferred fires, also on the last one."""
        self.job("a").addCallback(lambda _: self.job("b"))
        self.pool.finish()
        self.pool.finish()
        self.assertEqual(self.log[-1], "fired B")
        self.assertFalse(self.lane.busy)

    def test_many_jobs_in_place(self) -> None:
        """Thousands of jobs that finish at once do not exhaust the stack, and fire in their order."""
        lane, done, fired = Lane(InlinePool()), [], []

        def add_all(_: object) -> None:
            for number in range(5000):
                lane.run(lambda number=number: number, done.append).addCallback(lambda _, n=number: fired.append(n))

        self.successResultOf(lane.run(lambda: None, add_all))
        self.assertEqual(done, list(range(5000)))
        self.assertEqual(fired, list(range(5000)))
        self.assertFalse(lane.busy)
