"""Where mailboxes get their UIDVALIDITY."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk
from mailhub.maildir.uidvalidity import next_uidvalidity
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot


class NextTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.directory = octets(self.base)
        self.disk = Disk(fsync=False)

    def next(self, now: float = 0x6B03FCE0) -> int:
        return next_uidvalidity(self.disk, self.directory, lambda: now)

    def test_first(self) -> None:
        """The first value is the time; the files are as Dovecot makes them."""
        self.assertEqual(self.next(), 0x6B03FCE0)
        self.assertEqual(sorted(os.listdir(self.base)), ["dovecot-uidvalidity", "dovecot-uidvalidity.6b03fce0"])
        self.assertEqual((self.base / "dovecot-uidvalidity").read_bytes(), b"6b03fce0")
        counter = (self.base / "dovecot-uidvalidity.6b03fce0").stat()
        self.assertEqual((stat.S_IMODE(counter.st_mode), counter.st_size), (0o444, 0))

    def test_following(self) -> None:
        """Each further one is one more, whatever the clock says."""
        self.assertEqual([self.next(), self.next(5), self.next(2**31)], [0x6B03FCE0, 0x6B03FCE1, 0x6B03FCE2])
        self.assertEqual(sorted(os.listdir(self.base)), ["dovecot-uidvalidity", "dovecot-uidvalidity.6b03fce2"])
        self.assertEqual((self.base / "dovecot-uidvalidity").read_bytes(), b"6b03fce2")

    def test_hint_is_only_a_hint(self) -> None:
        """A noted value that is old, broken or missing does no harm: the counter's name counts."""
        self.next()
        for noted in (b"00000001", b"nonsense", b"6b0", b""):
            (self.base / "dovecot-uidvalidity").write_bytes(noted)
            before = self.next()
            self.assertEqual(self.next(), before + 1)
        (self.base / "dovecot-uidvalidity").unlink()
        self.assertEqual(self.next(), 0x6B03FCE0 + 9)

    def test_two_counters(self) -> None:
        """Of two counters, left by a race, the greater one goes on."""
        self.next()
        (self.base / "dovecot-uidvalidity.7b03fce0").touch()
        (self.base / "dovecot-uidvalidity").unlink()
        self.assertEqual(self.next(), 0x7B03FCE1)
        self.assertEqual(sorted(os.listdir(self.base)), ["dovecot-uidvalidity", "dovecot-uidvalidity.7b03fce1"])

    def test_race(self) -> None:
        """Many at once: no value is given twice."""
        self.next()
        with ThreadPoolExecutor(8) as pool:
            values = list(pool.map(lambda _: self.next(), range(200)))
        self.assertEqual(len(set(values)), 200)

    def test_dovecot(self) -> None:
        """Dovecot goes on where we stopped, and we where it stopped."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        mail = self.base / "mail" / "u"
        mail.mkdir(parents=True)
        self.directory = octets(mail)
        first = self.next(4711)
        dovecot.own(self.base / "mail")
        answer = dovecot.run("imap", "u", b"1 CREATE a\r\n2 STATUS a (UIDVALIDITY)\r\n3 LOGOUT\r\n")
        self.assertIn(b"* STATUS a (UIDVALIDITY %d)" % (first + 1), answer)
        self.assertEqual(self.next(), first + 2)
