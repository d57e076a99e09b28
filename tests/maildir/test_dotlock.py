"""Dovecot's lock files."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk
from mailhub.maildir.dotlock import STALE_SECONDS, TOUCH_SECONDS, DotLock, process_started
from mailhub.maildir.listlock import ListLock, remove_temporary
from mailhub.store.errors import Busy
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot

HOLDER = """
import sys
from mailhub.maildir.disk import Disk
from mailhub.maildir.{module} import {kind}
with {kind}(Disk(), {path!r}, 5):
    print("held", flush=True)
    sys.stdin.read()
"""


class DotLockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.path = octets(self.base / "dovecot-uidlist")
        self.lock_path = self.base / "dovecot-uidlist.lock"
        self.host = socket.gethostname().encode()

    def lock(self, seconds: float = 0.05, **more: float) -> DotLock:
        return DotLock(Disk(), self.path, seconds, **more)  # type: ignore[arg-type]

    def test_content(self) -> None:
        """A plain lock holds process and host as Dovecot writes them, and is gone afterwards."""
        with self.lock() as lock:
            self.assertTrue(lock.held)
            self.assertEqual(self.lock_path.read_bytes(), b"%d:%b" % (os.getpid(), self.host))
            self.assertEqual(self.lock_path.stat().st_mode & 0o777, 0o600)
        self.assertFalse(lock.held)
        self.assertEqual(os.listdir(self.base), [])

    def test_busy(self) -> None:
        """A lock that somebody holds is waited for, then Busy."""
        with self.lock():
            self.assertRaises(Busy, self.lock().acquire)
            self.assertTrue(self.lock_path.exists())
        self.lock().acquire()

    def test_threads(self) -> None:
        """Only one of many has it at any time."""
        inside, most, errors = [0], [0], []

        def work() -> None:
            try:
                for _ in range(10):
                    with self.lock(20):
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                        time.sleep(0)
                        inside[0] -= 1
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((errors, most, os.listdir(self.base)), ([], [1], []))

    def test_other_process(self) -> None:
        """Another process's lock keeps us out while it lives, and no longer once it was killed."""
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(module="dotlock", kind="DotLock", path=self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        self.addCleanup(holder.communicate)
        self.assertEqual(holder.stdout.readline(), b"held\n")
        self.assertRaises(Busy, self.lock().acquire)
        old = time.time() - 10 * STALE_SECONDS
        self.assertRaises(Busy, self.lock(clock=lambda: old + 20 * STALE_SECONDS).acquire)
        holder.kill()
        holder.wait()
        self.assertTrue(self.lock_path.exists())
        with self.lock():
            self.assertIn(b"%d:" % os.getpid(), self.lock_path.read_bytes())

    def test_dead_process(self) -> None:
        """A lock of a process that no longer exists is broken at once."""
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        self.lock_path.write_bytes(b"%d:%b" % (gone.pid, self.host))
        with self.lock(0):
            pass
        self.assertEqual(os.listdir(self.base), [])

    def test_number_used_again(self) -> None:
        """A lock older than the process with its number was left by a predecessor (a container started again)."""
        self.lock_path.write_bytes(b"%d:%b" % (os.getpid(), self.host))
        self.assertRaises(Busy, self.lock().acquire)
        made = self.lock_path.stat().st_ctime
        # The change time cannot be set, so the process is made to have started after it.
        module = sys.modules["mailhub.maildir.dotlock"]
        self.patch(module, "process_started", lambda pid: made + 5)
        self.assertRaises(Busy, self.lock().acquire)
        self.patch(module, "WATCH_SECONDS", 0.1)
        with self.lock(5):
            pass

    def test_unknown_process(self) -> None:
        """A lock of another host, or without an owner, is broken when it was not touched for long enough."""
        for content in (b"1:elsewhere.example", b"", b"nonsense"):
            self.lock_path.write_bytes(content)
            self.assertRaises(Busy, self.lock().acquire)
            self.assertEqual(self.lock_path.read_bytes(), content)
            with self.lock(0, clock=lambda: time.time() + STALE_SECONDS + 1):
                pass
            self.assertEqual(os.listdir(self.base), [])

    def test_keep(self) -> None:
        """A holder at work for long touches the lock, but not each time it says so."""
        now = [time.time()]
        lock = DotLock(Disk(), self.path, 0, clock=lambda: now[0])
        with lock:
            now[0] += 1000
            lock.keep()
            touched = self.lock_path.stat().st_mtime
            now[0] += TOUCH_SECONDS / 2
            lock.keep()
            self.assertEqual(self.lock_path.stat().st_mtime, touched)
            self.assertApproximates(touched, time.time() + 1000, 60)
        lock.keep()

    def test_broken_by_another(self) -> None:
        """A lock that another program broke and took is not removed by us."""
        lock = self.lock()
        lock.acquire()
        self.lock_path.unlink()
        self.lock_path.write_bytes(b"1:elsewhere.example")
        lock.release()
        self.assertEqual(self.lock_path.read_bytes(), b"1:elsewhere.example")
        lock.release()

    def test_replace(self) -> None:
        """The new version replaces the file, under a lock that says whose it is; given up it leaves the file."""
        lock = self.lock()
        lock.acquire()
        lock.replace(b"one")
        self.assertFalse(lock.held)
        lock.acquire()
        lock.release()
        self.assertEqual((self.base / "dovecot-uidlist").read_bytes(), b"one")
        self.assertEqual(os.listdir(self.base), ["dovecot-uidlist"])

    def test_dead_replacing(self) -> None:
        """A lock left by a process that ended while it wrote a new version is broken at once, and what it had written
        so far is overwritten."""
        self.lock_path.write_bytes(f"{2**22 + 1}:{socket.gethostname()}".encode())
        (self.base / "dovecot-uidlist.tmp").write_bytes(b"half of a very long line")
        lock = self.lock(0)
        lock.acquire()
        lock.replace(b"one")
        self.assertEqual((self.base / "dovecot-uidlist").read_bytes(), b"one")
        self.assertEqual(os.listdir(self.base), ["dovecot-uidlist"])

    def test_left_aside(self) -> None:
        """Who breaks a lock removes what others left who ended while they broke it, once that is old."""
        aside = self.base / "dovecot-uidlist.lock.17.123456789"
        aside.write_bytes(b"")
        other = self.base / "dovecot-uidlist.lock.old"
        other.write_bytes(b"")
        for clock, left in ((time.time(), True), (time.time() + 121, False)):
            self.lock_path.write_bytes(f"{2**22 + 1}:{socket.gethostname()}".encode())
            with DotLock(Disk(), self.path, 0, clock=lambda clock=clock: clock):  # type: ignore[misc]
                self.assertEqual(aside.exists(), left)
        self.assertTrue(other.exists())

    def test_full_disk(self) -> None:
        """Where nothing can be written no lock stays behind."""

        class Full(Disk):
            def before(self, operation: str, path: bytes) -> None:
                if operation == "write" and full:
                    raise OSError(28, "No space left on device")

        full = True
        lock = DotLock(Full(), self.path, 0)
        self.assertRaises(OSError, lock.acquire)
        full = False
        lock.acquire()
        full = True
        self.assertRaises(OSError, lock.replace, b"x")
        lock.release()
        self.assertEqual(os.listdir(self.base), ["dovecot-uidlist.tmp"])  # the next one writes it anew

    def test_process_started(self) -> None:
        """Our own start is known, a process that does not exist has none."""
        started = process_started(os.getpid())
        assert started is not None
        self.assertTrue(0 < started <= time.time() + 1)
        self.assertIsNone(process_started(2**31 - 2))
        self.assertIsNone(process_started(2**40))

    def test_dovecot(self) -> None:
        """Dovecot waits for our lock: what it appends comes after we let go."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        dovecot.run("imap", "u", b"1 CREATE a\r\n2 STATUS a (MESSAGES)\r\n3 LOGOUT\r\n")
        path = octets(self.base / "mail" / "u" / "dovecot-uidlist")
        with DotLock(Disk(), path, 5):
            process = dovecot.popen("imap", "u")
            self.addCleanup(process.communicate)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            process.stdin.write(b"1 APPEND INBOX {3+}\r\nabc\r\n2 LOGOUT\r\n")
            process.stdin.flush()
            # It says so once it waits long; before that its message lies in tmp/ and nowhere else.
            tmp = self.base / "mail" / "u" / "tmp"
            deadline = time.monotonic() + 20
            while not any(tmp.iterdir()):
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(os.listdir(self.base / "mail" / "u" / "new"), [])
        self.assertIn(b"1 OK [APPENDUID", process.stdout.read())


class ListLockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.directory = octets(self.base)

    def test_left_behind(self) -> None:
        """What was to become the lock is removed when it is old; nothing else is."""
        names = ["mailboxes.lock0123456789abcdef", "mailboxes.lock", "mailboxes.locks"]
        for name in names:
            (self.base / name).write_bytes(b"")
        remove_temporary(octets(self.base), time.time() - 60)
        self.assertEqual(sorted(os.listdir(self.base)), sorted(names))
        remove_temporary(octets(self.base), time.time() + 60)
        self.assertEqual(sorted(os.listdir(self.base)), sorted(names[1:]))

    def test_alone(self) -> None:
        """The lock is a file while it is held, and nothing afterwards."""
        with ListLock(Disk(), self.directory, 0):
            self.assertEqual(os.listdir(self.base), ["mailboxes.lock"])
        self.assertEqual(os.listdir(self.base), [])

    def test_same_process(self) -> None:
        """Two accounts of one process on the same directory keep each other out too."""
        with ListLock(Disk(), self.directory, 0):
            self.assertRaises(Busy, ListLock(Disk(), self.directory, 0).acquire)
            self.assertRaises(Busy, ListLock(Disk(), self.directory, 0).acquire)
        with ListLock(Disk(), self.directory, 0):
            pass

    def test_dovecot(self) -> None:
        """Dovecot waits for our lock before it makes a mailbox."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        dovecot.run("imap", "u", b"1 CREATE a\r\n2 LOGOUT\r\n")
        root = self.base / "mail" / "u"
        lock = ListLock(Disk(file_mode=0o666), octets(root), 0)
        lock.acquire()
        self.addCleanup(lock.release)
        process = dovecot.popen("imap", "u")
        self.addCleanup(process.communicate)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"1 CREATE b\r\n2 LOGOUT\r\n")
        process.stdin.flush()
        process.stdout.readline()
        self.assertEqual(select.select([process.stdout], [], [], 0.3)[0], [])
        self.assertFalse((root / ".b").exists())
        lock.release()
        self.assertIn(b"1 OK", process.stdout.read())
        self.assertTrue((root / ".b").exists())

    def test_other_process(self) -> None:
        """Another process keeps us out; when it is killed the file it leaves locks nobody."""
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(module="listlock", kind="ListLock", path=self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        self.addCleanup(holder.communicate)
        self.assertEqual(holder.stdout.readline(), b"held\n")
        self.assertRaises(Busy, ListLock(Disk(), self.directory, 0.05).acquire)
        holder.kill()
        holder.wait()
        self.assertEqual(os.listdir(self.base), ["mailboxes.lock"])
        with ListLock(Disk(), self.directory, 0):
            pass
        self.assertEqual(os.listdir(self.base), [])
