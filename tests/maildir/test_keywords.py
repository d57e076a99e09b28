"""dovecot-keywords."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk
from mailhub.maildir.keywords import MOST, Keywords, KeywordsFile, format_keywords, parse_keywords
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6)


class KeywordsTests(SynchronousTestCase):
    def test_letters(self) -> None:
        """Number 0 is a, 25 is z; names compare without case and keep their first spelling."""
        keywords = Keywords().with_names(["Work", "$Forwarded", "WORK"])
        self.assertEqual(keywords.names, ("Work", "$Forwarded"))
        self.assertEqual((keywords.letter("work"), keywords.letter("nope")), (ord("a"), None))
        self.assertEqual((keywords.name(ord("b")), keywords.name(ord("c"))), ("$Forwarded", None))
        self.assertIsNone(keywords.name(ord("S")))

    def test_free_numbers(self) -> None:
        """The first free number is used again, and the 27th keyword has no letter."""
        keywords = Keywords(("a", None, "c")).with_names(["b", "d"])
        self.assertEqual(keywords.names, ("a", "b", "c", "d"))
        full = Keywords().with_names(f"k{number}" for number in range(30))
        self.assertEqual(len(full.names), MOST)
        self.assertIsNone(full.letter("k26"))

    def test_unknown_letters(self) -> None:
        """A letter that nothing explains gets a name, as Dovecot gives it."""
        keywords = Keywords(("x",)).with_letters(b"ad")
        self.assertEqual(keywords.names, ("x", None, None, "unknown-3"))

    def test_bytes(self) -> None:
        """One line a keyword, numbers without a name left out."""
        data = b"0 foo\n3 bar baz\n"
        self.assertEqual(parse_keywords(data).names, ("foo", None, None, "bar baz"))
        self.assertEqual(format_keywords(parse_keywords(data)), data)

    def test_nonsense(self) -> None:
        """Lines that make no sense are passed over: no number, over 25, a number or a name twice."""
        data = b"x\n0 a\n0 b\n1 A\n26 z\n2 \n2 c\n3 half"
        self.assertEqual(parse_keywords(data).names, ("a", None, "c", "half"))

    @given(st.lists(st.none() | words, max_size=MOST))
    def test_round_trip(self, names: list[str | None]) -> None:
        """What is written is read again."""
        keywords = parse_keywords(format_keywords(Keywords(tuple(names))))
        self.assertEqual(parse_keywords(format_keywords(keywords)), keywords)

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Nothing raises."""
        self.assertLessEqual(len(parse_keywords(data).names), MOST)


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.file = KeywordsFile(Disk(), octets(self.base), lock_seconds=0.1)

    def test_save(self) -> None:
        """The file is replaced, nothing else stays behind."""
        self.assertEqual(self.file.load(), Keywords())
        self.assertIsNone(self.file.version())
        self.file.save(Keywords(("one",)))
        self.assertEqual((self.base / "dovecot-keywords").read_bytes(), b"0 one\n")
        self.assertEqual(os.listdir(self.base), ["dovecot-keywords"])
        self.assertEqual(self.file.load(), Keywords(("one",)))

    def test_time_grows(self) -> None:
        """The modification time grows by whole seconds with each change: Dovecot looks at nothing else."""
        times = []
        for name in ("a", "b", "c"):
            self.file.save(Keywords((name,)))
            times.append(int((self.base / "dovecot-keywords").stat().st_mtime))
        self.assertEqual(len(set(times)), 3)
        self.assertEqual(times, sorted(times))

    def test_dovecot(self) -> None:
        """Dovecot shows the keywords that we named, and we those that it named."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        mail = self.base / "mail" / "u"
        for part in ("cur", "new", "tmp"):
            (mail / part).mkdir(parents=True)
        (mail / "cur" / "1.x:2,Sb").write_bytes(b"Subject: x\n\nhello\n")
        file = KeywordsFile(Disk(), octets(mail), lock_seconds=1)
        file.save(Keywords(("first", "Second")))
        dovecot.own(self.base / "mail")
        script = b"1 SELECT INBOX\r\n2 STORE 1 +FLAGS (third)\r\n3 FETCH 1 FLAGS\r\n4 LOGOUT\r\n"
        answer = dovecot.run("imap", "u", script)
        self.assertIn(b"FLAGS (\\Seen \\Recent Second third)", answer)
        self.assertEqual(file.load().names, ("first", "Second", "third"))
        self.assertEqual(os.listdir(mail / "cur"), ["1.x:2,Sbc"])
