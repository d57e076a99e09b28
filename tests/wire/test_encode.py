"""Values in answers: RFC 3501 section 9, and Dovecot's choices where it leaves one."""

from __future__ import annotations

import os
import time
from array import array
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap import encode
from mailhub.wire.imap.commands import Create, Search, Select
from mailhub.wire.imap.types import KeyNumbers
from tests.wire.conversation import read

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


class StringTests(SynchronousTestCase):
    def test_quoted_where_possible(self) -> None:
        """string = quoted / literal: CR, LF, NUL and 8-bit octets cannot be quoted."""
        self.assertEqual(encode.string(b"plain text"), b'"plain text"')
        self.assertEqual(encode.string(b""), b'""')
        self.assertEqual(encode.string(b"a\r\nb"), b"{4}\r\na\r\nb")
        self.assertEqual(encode.string("é".encode()), b"{2}\r\n\xc3\xa9")
        self.assertEqual(encode.string(b"a\0b"), b"{3}\r\na\x80b")
        self.assertEqual(encode.nstring(None), b"NIL")
        self.assertEqual(encode.nstring(b"NIL"), b'"NIL"')
        self.assertEqual(encode.literal8(b"a\0b"), b"~{3}\r\na\0b")

    def test_escapes(self) -> None:
        """Header texts with quotes come as literals as from Dovecot; names and the like are escaped."""
        self.assertEqual(encode.string(b'say "hi"'), b'{8}\r\nsay "hi"')
        self.assertEqual(encode.quoted(b'a"b\\'), b'"a\\"b\\\\"')
        self.assertEqual(encode.quoted(b"\xff"), b"{1}\r\n\xff")

    def test_astrings_are_bare_where_possible(self) -> None:
        """Mailbox names are spelled as Dovecot spells them."""
        for name, answer in (
            ("INBOX", b"INBOX"),
            ("a b", b'"a b"'),
            ("nil", b'"nil"'),
            ("", b'""'),
            ("é", b"&AOk-"),
            ("a&b", b"a&-b"),
            ("]x]", b"]x]"),
            ("per%cent*", b'"per%cent*"'),
            ("back\\slash", b'"back\\\\slash"'),
            ('quo"te', b'"quo\\"te"'),
            ("br{ace", b'"br{ace"'),
        ):
            self.assertEqual(encode.mailbox(name), answer)

    @given(NAMES)
    def test_mailbox_names_are_read_back(self, name: str) -> None:
        """The grammar reads what is answered as the same name."""
        command = read(b"CREATE " + encode.mailbox(name))
        assert isinstance(command, Create)
        self.assertTrue(command.mailbox.valid)
        self.assertEqual(command.mailbox.name, "INBOX" if name.upper() == "INBOX" else name)

    @given(st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"")))
    def test_strings_are_read_back(self, value: bytes) -> None:
        """The grammar reads an encoded string as the same octets (its literal made a non-synchronising one)."""
        for encoded in (encode.string(value), encode.quoted(value), encode.astring(value)):
            if encoded.startswith(b"{"):
                encoded = encoded.replace(b"}", b"+}", 1)
            command = read(b"SELECT " + encoded)
            assert isinstance(command, Select)
            self.assertEqual(command.mailbox.raw, value)

    def test_text_is_one_line(self) -> None:
        """A reason cannot end the line it stands in, nor be empty (text = 1*TEXT-CHAR)."""
        self.assertEqual(encode.text("no\r\n* BYE such box\0"), b"no * BYE such box ")
        self.assertEqual(encode.text(""), b"-")


class ListTests(SynchronousTestCase):
    def test_flags_in_order(self) -> None:
        """System flags in Dovecot's order, then keywords as they came."""
        flags = ("$Label1", "\\Draft", "\\Recent", "\\Seen", "b", "\\Deleted", "\\Flagged", "\\Answered", "a")
        self.assertEqual(encode.flag_list(flags), rb"(\Answered \Flagged \Deleted \Seen \Draft \Recent $Label1 b a)")
        self.assertEqual(encode.flag_list(()), b"()")

    def test_paren(self) -> None:
        """A list is its encoded values with spaces between (RFC 3501 section 4.4)."""
        self.assertEqual(encode.paren([b"a", b'"b c"', b"NIL"]), b'(a "b c" NIL)')
        self.assertEqual(encode.paren([]), b"()")

    def test_number_sets(self) -> None:
        """sequence-set, as short as it can be."""
        for numbers, answer in (
            ([], b""),
            ([7], b"7"),
            ([1, 2], b"1:2"),
            ([1, 2, 3, 5], b"1:3,5"),
            ([1, 3, 4, 9, 10, 11], b"1,3:4,9:11"),
            (range(5, 100), b"5:99"),
            (array("I", [4294967294, 4294967295]), b"4294967294:4294967295"),
            ((1, 4294967295), b"1,4294967295"),
        ):
            self.assertEqual(encode.number_set(numbers), answer)

    @given(st.sets(st.integers(1, 60) | st.integers(1, 2**32 - 1), min_size=1, max_size=40))
    def test_number_sets_are_read_back(self, numbers: set[int]) -> None:
        """The grammar reads a set as the same numbers."""
        ordered = array("I", sorted(numbers))
        command = read(b"SEARCH " + encode.number_set(ordered))
        assert isinstance(command, Search)
        assert isinstance(command.key, KeyNumbers)
        ranges = command.key.numbers.ranges
        self.assertEqual([n for low, high in ranges for n in range(low, high + 1)], list(ordered))


class DateTests(SynchronousTestCase):
    def _zone(self, name: str) -> None:
        before = os.environ.get("TZ")

        def restore() -> None:
            if before is None:
                os.environ.pop("TZ", None)
            else:
                os.environ["TZ"] = before
            time.tzset()

        self.addCleanup(restore)
        os.environ["TZ"] = name
        time.tzset()

    def test_local_zone(self) -> None:
        """date-time is in the server's zone of that day, summer or winter; the day has two digits."""
        self._zone("PST8PDT,M4.1.0,M10.5.0")
        self.assertEqual(encode.internal_date(837596665), b'"17-Jul-1996 02:44:25 -0700"')
        self.assertEqual(encode.internal_date(852108265), b'"01-Jan-1997 00:44:25 -0800"')
        self._zone("IST-5:30")
        self.assertEqual(encode.internal_date(0), b'"01-Jan-1970 05:30:00 +0530"')

    def test_years_without_spelling(self) -> None:
        """date-year = 4DIGIT: a moment that has no such year is answered as the nearest one."""
        self._zone("UTC")
        self.assertEqual(encode.internal_date(-(10**12)), b'"02-Jan-0001 00:00:00 +0000"')
        self.assertEqual(encode.internal_date(10**15), b'"30-Dec-9999 00:00:00 +0000"')

    @given(st.integers(-(2**31), 2**33))
    def test_same_moment(self, moment: int) -> None:
        """What is written is the moment that was meant."""
        answer = encode.internal_date(moment).decode()
        self.assertEqual(datetime.strptime(answer, '"%d-%b-%Y %H:%M:%S %z"').timestamp(), moment)
