"""Words, text for SEARCH, dates, base subjects and threads."""

from __future__ import annotations

from datetime import date

from twisted.trial.unittest import SynchronousTestCase

from mailhub.message import known
from mailhub.message.dates import parse_date
from mailhub.message.folding import fold
from mailhub.message.message import Message, canonical
from mailhub.message.subject import base_subject
from mailhub.message.text import contains
from mailhub.message.threads import (
    ThreadKeys,
    message_ids,
    ordered_subject,
    parse_thread_keys,
    references,
    refs,
    render,
)
from mailhub.message.words import decode_words


class WordsTests(SynchronousTestCase):
    def test_examples(self) -> None:
        """RFC 2047 section 8: the examples with their display forms."""
        for value, shown in (
            (b"=?ISO-8859-1?Q?a?=", "a"),
            (b"=?ISO-8859-1?Q?a?= b", "a b"),
            (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            (b"=?ISO-8859-1?Q?a?=\n  =?ISO-8859-1?Q?b?=", "ab"),
            (b"=?ISO-8859-1?Q?a_b?=", "a b"),
            (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
            (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        ):
            self.assertEqual(decode_words(value), shown)

    def test_cut_character(self) -> None:
        """RFC 2047 section 5 forbids it, mail does it: one character in two words of one charset."""
        self.assertEqual(decode_words(b"=?utf-8?q?=C3?= =?utf-8?q?=A9?="), "é")

    def test_unknown(self) -> None:
        """RFC 2047 section 6.2: what cannot be decoded is shown somehow; raw octets are read as UTF-8."""
        self.assertEqual(decode_words(b"=?x-none?q?caf=E9?="), "caf\ufffd")
        self.assertEqual(decode_words(b"=?utf-8?x?y?="), "=?utf-8?x?y?=")
        self.assertEqual(decode_words("café".encode()), "café")
        self.assertEqual(decode_words(b"a\x00b"), "a\ufffdb")


class SearchTextTests(SynchronousTestCase):
    def test_body_is_decoded(self) -> None:
        """RFC 3501 section 6.4.4: transfer encodings and charsets are undone; case does not matter (RFC 5051)."""
        message = Message(
            canonical(
                b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
                b"Gr=FC=DFe soft=\nbreak\n"
            )
        )
        text = known.BODY_TEXT.make(message)
        self.assertIn(fold("GRÜßE SOFTBREAK"), text)
        self.assertNotIn(fold("content"), text)
        self.assertIn(fold("content-type: TEXT"), known.FULL_TEXT.make(message))

    def test_attachments(self) -> None:
        """RFC 3501 section 6.4.4 lets servers leave out what is no text; nothing is found across two parts."""
        message = Message(
            canonical(
                b"Content-Type: multipart/mixed; boundary=b\n\nother\n--b\n\none\n--b\n"
                b"Content-Type: image/png\n\nblob\n--b\n\ntwo\n--b--\n"
            )
        )
        self.assertEqual(known.BODY_TEXT.make(message), b"ONE\0TWO")

    def test_header_text(self) -> None:
        """RFC 3501 section 6.4.4: HEADER matches in one field; an empty string matches a field that is there."""
        message = Message(canonical(b"X: one\nX: =?utf-8?q?tw=C3=B6?=\nEmpty:\n\n"))
        fact = known.header_text("x").make(message)
        self.assertTrue(contains(fact, fold("ONE")))
        self.assertTrue(contains(fact, fold("TWÖ")))
        self.assertFalse(contains(fact, fold("onetw")))
        self.assertTrue(contains(known.header_text("empty").make(message), b""))
        self.assertFalse(contains(known.header_text("none").make(message), b""))


class DateTests(SynchronousTestCase):
    def test_written_day_and_moment(self) -> None:
        """RFC 3501 section 6.4.4: SENTON disregards time zones; RFC 5256 section 2.2: SORT does not."""
        found = parse_date(b"Wed, 1 Jan 2020 23:30:00 -0500")
        assert found is not None
        self.assertEqual((found.day, found.seconds), (date(2020, 1, 1), 1577939400))

    def test_obsolete(self) -> None:
        """RFC 5322 section 4.3: two-digit years, zone names, comments, no seconds."""
        for text, seconds in (
            (b"1 Jan 20 10:00 EST", 1577890800),
            (b"(c) 1 (c) Jan 2020 10:00:00 (c) +0100 (x)", 1577869200),
            (b"1 Jan 70 00:00 GMT", 0),
            (b"31 Dec 2016 23:59:60 +0000", 1483228799),
        ):
            found = parse_date(text)
            self.assertEqual(None if found is None else found.seconds, seconds, text)

    def test_broken(self) -> None:
        """RFC 5322 section 3.3: there is no such day, hour or form."""
        for text in (b"31 Feb 2020 10:00:00 +0000", b"1 Jan 2020 24:00:00 +0000", b"2020-01-01 10:00", b"", b"("):
            self.assertIsNone(parse_date(text), text)


class SubjectTests(SynchronousTestCase):
    def test_base_subject(self) -> None:
        """RFC 5256 section 2.1: leaders, trailers, blobs and [fwd: ...] go; a blob alone stays."""
        for text, base, reply in (
            (b"Re: foo", b"FOO", True),
            (b"[list] RE [x]: foo (fwd)", b"FOO", True),
            (b"[a][b] foo", b"FOO", False),
            (b"[a][only]", b"[ONLY]", False),
            (b"[Fwd: re: foo]", b"FOO", True),
            (b"foo  \t bar", b"FOO BAR", False),
            (b"=?utf-8?q?Re=3A?= foo", b"FOO", True),
            (b"Re:", b"", True),
        ):
            found = base_subject(text)
            self.assertEqual((found.text, found.reply), (base, reply), text)


class ThreadTests(SynchronousTestCase):
    def rows(self, *lines: tuple[str, str, str]) -> list[ThreadKeys]:
        return [
            parse_thread_keys(
                known.THREAD_KEYS.make(
                    Message(
                        f"Message-ID: {identity}\r\nReferences: {refs_}\r\nSubject: {subject}\r\n"
                        f"Date: {day} Jan 2020 00:00:00 +0000\r\n\r\n".encode()
                    )
                )
            )
            for day, (identity, refs_, subject) in enumerate(lines, 1)
        ]

    def shown(self, rows: list[ThreadKeys]) -> bytes:
        return render(references(rows), lambda row: row + 1)

    def test_message_ids(self) -> None:
        """RFC 5256 section 3: ids are normalised; what is no id is passed over."""
        self.assertEqual(message_ids(b'<a@b> x <"c"@d> <no-at> < e @ f > <open'), [b"a@b", b"c@d", b"e@f"])

    def test_references(self) -> None:
        """RFC 5256 section 3: children hang under the messages they answer, in order of date."""
        rows = self.rows(
            ("<a@x>", "", "s"), ("<c@x>", "<a@x>", "Re: s"), ("<b@x>", "<a@x>", "Re: s"), ("<d@x>", "<c@x>", "t")
        )
        self.assertEqual(self.shown(rows), b"(1 (2 4)(3))")

    def test_missing_parent(self) -> None:
        """RFC 5256 section 3 step (3), section 5: siblings whose parent is not there are in double parentheses."""
        rows = self.rows(("<b@x>", "<a@x>", "s"), ("<c@x>", "<a@x>", "t"))
        self.assertEqual(self.shown(rows), b"((1)(2))")

    def test_subjects_join(self) -> None:
        """RFC 5256 section 3 step (5): a reply without references joins by its base subject; REFS does not."""
        rows = self.rows(("<a@x>", "", "s"), ("<b@x>", "", "other"), ("<c@x>", "", "Re: s"))
        self.assertEqual(self.shown(rows), b"(1 3)(2)")
        self.assertEqual(render(refs(rows), lambda row: row + 1), b"(1)(2)(3)")

    def test_loop(self) -> None:
        """RFC 5256 section 3 step (1): links that would make a loop are not made."""
        rows = self.rows(("<a@x>", "<b@x>", "s"), ("<b@x>", "<a@x>", "t"))
        self.assertEqual(self.shown(rows), b"(2 1)")

    def test_ordered_subject(self) -> None:
        """RFC 5256 section 3: one level of messages with the same base subject."""
        rows = self.rows(("<a@x>", "", "s"), ("<b@x>", "", "t"), ("<c@x>", "", "Re: s"), ("<d@x>", "", "Re: s"))
        self.assertEqual(render(ordered_subject(rows), lambda row: row + 1), b"(1 (3)(4))(2)")

    def test_many(self) -> None:
        """A chain of 10,000 messages is no recursion and no quadratic work."""
        rows = [ThreadKeys(b"%d@x" % n, (b"%d@x" % (n - 1),), b"s", True, n) for n in range(10_000)]
        for order in (rows, rows[::-1]):
            self.assertEqual(len(render(references(order), lambda row: row + 1).split()), 10_000)
