"""Bad IMAP commands: too long, too many, too deep, too many words, senseless numbers, impossible names."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.imap.listing import Pattern
from tests.hostile.attack import MIB, Attacked, repeated


class BadCommands(Attacked):
    """What is wrong is said; the session goes on, up to a limit."""

    def test_long_line(self) -> None:
        """A line over 64 KiB is answered with BAD and the reason (RFC 3501 section 7.1.3); the next command is
        understood."""
        wire = self.imap("eve")
        said = wire.ask(b"NOOP " + b"x" * 200_000)
        self.assertIn(b"q BAD", said)
        self.assertIn(b"Too long command line", said)
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_endless_line(self) -> None:
        """200 MB without a line end cost no memory; what ends them is answered with BAD and the session goes on."""
        wire = self.imap("eve")
        said = wire.pour([b"q NOOP ", *repeated(b"x", 200 * MIB), b"\r\n"], rb"q BAD [^\n]*\n")
        self.assertIn(b"Too long command line", said)
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_endless_line_before_login(self) -> None:
        """The same before login, and with no tag at all."""
        wire = self.wire("imap")
        said = wire.pour([*repeated(b"\xff\x00", 50 * MIB), b"\r\n"], rb"\* BAD [^\n]*\n")
        self.assertIn(b"Too long command line", said)
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_octet_by_octet(self) -> None:
        """A client that sends one octet at a time costs time in proportion to what it sends, not to its square."""
        wire = self.imap("eve")
        took = []
        for count in (8_000, 32_000):
            line = b"q NOOP " + b"x" * count + b"\r\n"
            began = time.monotonic()
            said = wire.pour((line[at : at + 1] for at in range(len(line))), rb"q BAD [^\n]*\n")
            took.append(time.monotonic() - began)
            self.assertIn(b"q BAD", said)
        self.assertLess(took[1], 4 * took[0] * 3 + 1.0)

    def test_ten_thousand_bad_commands(self) -> None:
        """After login the 20th bad command in a row ends the session with BYE, with the reason; those behind it are
        not answered."""
        wire = self.imap("eve")
        said = wire.pour([b"x%d NONSENSE\r\n" % number for number in range(10_000)])
        self.assertEqual(said.count(b" BAD "), 20)
        self.assertTrue(said.endswith(b"* BYE Too many invalid IMAP commands.\r\n"), said[-200:])
        self.assertEqual(self.log().count("Too many invalid IMAP commands"), 1)

    def test_bad_commands_before_login(self) -> None:
        """Before login it is the third."""
        wire = self.wire("imap")
        said = wire.pour([b"x%d NONSENSE\r\n" % number for number in range(10_000)])
        self.assertEqual(said.count(b" BAD "), 3)
        self.assertTrue(said.endswith(b"* BYE Too many invalid IMAP commands.\r\n"), said[-200:])
        self.assertEqual(self.log().count("Too many invalid IMAP commands"), 1)

    def test_a_good_command_begins_the_count_anew(self) -> None:
        """Bad commands with good ones between them never end a session."""
        wire = self.imap("eve")
        for _ in range(3):
            for _ in range(19):
                self.assertIn(b"q BAD", wire.ask(b"NONSENSE"))
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_octets_of_all_kinds(self) -> None:
        """Lines of control characters, 8-bit octets, NULs, empty lines and lone tags: BAD each, and no more."""
        for octets in (
            b"",
            b" ",
            b"\0",
            b"\0 \0",
            b"\x80\xff",
            b"a",
            b"a ",
            b"+ NOOP",
            b"* OK",
            b"{5}",
            b"a {x}",
            b'a "',
        ):
            wire = self.imap("eve")
            wire.send(octets + b"\r\n")
            said = wire.ask(b"NOOP")
            self.assertIn(b" BAD ", said, octets)
            self.assertIn(b"q OK", said, octets)
            wire.close()


BadCommands.log_limit = 40


class Large(Attacked):
    """Commands that are well formed as far as they go, but huge."""

    def test_nested_parentheses(self) -> None:
        """Parentheses 10,000 deep are refused with the reason wherever they may stand."""
        wire = self.imap("eve", mailbox="INBOX")
        deep, close = b"(" * 10_000, b")" * 10_000
        for command in (
            b"SEARCH %b ALL%b" % (deep, close),
            b"SEARCH " + b"NOT " * 10_000 + b"ALL",
            b"SEARCH " + b"OR ALL " * 9_000 + b"ALL",
            b"SEARCH " + b"OR (" * 9_000 + b"ALL",
            b"FETCH 1 %bFLAGS%b" % (deep, close),
            b"STORE 1 FLAGS %b\\Seen%b" % (deep, close),
            b"STATUS INBOX %bMESSAGES%b" % (deep, close),
            b"LIST %b" % deep,
            b"LIST (%b) %b" % (deep, close),
            b"ID %b" % deep,
            b"APPEND INBOX %b {5}" % deep,
            b"SORT %bDATE%b UTF-8 ALL" % (deep, close),
            deep,
        ):
            said = wire.ask(command)
            self.assertRegex(said, rb"q (?:BAD|NO) .{5,}", command[:40])
            self.assertLess(len(said), 400)
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_ten_thousand_search_keys(self) -> None:
        """SEARCH with 10,000 keys is refused, with the code LIMIT (RFC 5530 section 3)."""
        wire = self.imap("eve", mailbox="INBOX")
        for keys in (b"SEEN " * 9_999 + b"SEEN", b"(" + b"SEEN " * 9_999 + b"SEEN)", b"OR SEEN " * 7_000 + b"ALL"):
            said = wire.ask(b"SEARCH " + keys)
            self.assertIn(b"q NO [LIMIT] ", said)
            self.assertIn(b"earch keys", said)
        self.assertIn(b"q OK", wire.ask(b"SEARCH " + b"SEEN " * 900 + b"SEEN"))

    def test_sets_on_an_empty_mailbox(self) -> None:
        """A set up to the largest number costs nothing on an empty mailbox: as UIDs it names nothing, as message
        numbers it is answered with BAD (RFC 9051 section 6.4.4 and 9: a number that no message has)."""
        wire = self.imap("empty", mailbox="INBOX")
        for numbers in (b"1:4294967295", b"4294967295:1", b"1:*", b"*:4294967295", b"1:4294967295," * 4_000 + b"1"):
            for command in (
                b"UID FETCH %b (FLAGS)",
                b"UID STORE %b +FLAGS (\\Seen)",
                b"UID SEARCH UID %b",
                b"UID COPY %b INBOX",
                b"UID EXPUNGE %b",
                b"UID MOVE %b INBOX",
            ):
                self.assertRegex(wire.ask(command % numbers), rb"q (?:OK|NO|BAD) ", command)
            self.assertRegex(wire.ask(b"FETCH %b (FLAGS)" % numbers), rb"\Aq (?:OK|BAD) ")
        for numbers in (b"0", b"4294967296", b"1:", b":1", b"1,,2", b"-1", b"1:2:3", b"9" * 60_000, b"," * 60_000):
            self.assertIn(b"q BAD", wire.ask(b"UID FETCH %b (FLAGS)" % numbers))
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_the_same_number_over_and_over(self) -> None:
        """A set of 60 KB that names one message names it once."""
        wire = self.imap("one")
        self.append(wire, b"Subject: one\r\n\r\n")
        wire.ask(b"SELECT INBOX")
        numbers = b"1," * 30_000 + b"1"
        for command in (b"FETCH %b (UID)", b"UID FETCH %b (UID)"):
            said = wire.ask(command % numbers)
            self.assertEqual(said.count(b"* 1 FETCH"), 1)
            self.assertIn(b"q OK", said)
        self.assertEqual(wire.ask(b"SEARCH " + numbers).split(b"\r\n")[0], b"* SEARCH 1")

    def test_fetch_of_thousands_of_items(self) -> None:
        """The same item thousands of times, and thousands of header names, on one message: answered or refused."""
        wire = self.imap("items")
        self.append(wire, b"Subject: one\r\n\r\ntext\r\n")
        wire.ask(b"SELECT INBOX")
        for items in (
            b" ".join([b"FLAGS"] * 9_000),
            b" ".join([b"BODY[1.1.1.1.1.1]"] * 3_000),
            b" ".join(b"BODY.PEEK[]<%d.1>" % at for at in range(3_000)),
            b"BODY.PEEK[HEADER.FIELDS (%b)]" % b" ".join(b"X-%d" % at for at in range(7_000)),
            b"BODY.PEEK[%b]" % b".".join([b"1"] * 30_000),
            b"BODY.PEEK[4294967295]<4294967295.4294967295>",
            b"BODY.PEEK[0]",
            b"BODY.PEEK[1]<0.0>",
            b"BODY.PEEK[99999999999999999999]",
        ):
            self.assertRegex(wire.ask(b"FETCH 1 (%b)" % items)[-300:], rb"q (?:OK|NO|BAD) ", items[:40])
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_dates_out_of_range(self) -> None:
        """Dates that do not exist are refused, others far away answered (RFC 3501 section 9, date)."""
        wire = self.imap("dates", mailbox="INBOX")
        for date in (b"31-Feb-2024", b"00-Jan-2024", b"32-Jan-2024", b"1-Foo-2024", b"1-Jan-99999", b"1-Jan--1", b""):
            self.assertIn(b"q BAD", wire.ask(b"SEARCH SINCE " + date), date)
            wire.ask(b"NOOP")
        for date in (b"1-Jan-0001", b"1-Jan-1900", b"31-Dec-9999", b"29-Feb-2024", b"1-Jan-0000"):
            for key in (b"SINCE", b"SENTBEFORE", b"ON"):
                self.assertRegex(wire.ask(b"SEARCH %b %b" % (key, date)), rb"q (?:OK|BAD) ", date)
        for moment in (
            b"32-Jan-2024 00:00:00 +0000",
            b"01-Jan-2024 25:00:00 +0000",
            b"01-Jan-2024 00:00:00 +9999",
            b"01-Jan-99999 00:00:00 +0000",
            b"x" * 50_000,
            b"",
        ):
            said = wire.ask(b'APPEND INBOX "%b" {3+}\r\nA:b' % moment)
            self.assertIn(b"q BAD", said, moment)
            wire.ask(b"NOOP")
        for moment in (b" 1-Jan-0001 00:00:00 +0000", b"31-Dec-9999 23:59:60 -1200", b"01-Jan-1900 00:00:00 +0000"):
            said = wire.ask(b'APPEND INBOX "%b" {3+}\r\nA:b' % moment)
            self.assertRegex(said, rb"q (?:OK|BAD|NO) ")
            said = wire.ask(b"FETCH 1:* INTERNALDATE")
            self.assertRegex(said, rb"q (?:OK|BAD) ")
        for key in (
            b"OLDER 4294967295",
            b"YOUNGER 4294967295",
            b"LARGER 18446744073709551615",
            b"OLDER 0",
            b"SMALLER -1",
        ):
            self.assertRegex(wire.ask(b"SEARCH " + key), rb"q (?:OK|BAD) ")


Large.memory_limit = 96 * MIB


class Names(Attacked):
    """Names that no mailbox can have."""

    def test_names(self) -> None:
        """Names with "..", "/", NUL, control characters, broken mUTF-7 (RFC 3501 section 5.1.3) or of 10 KB are refused
        in every command that takes a name, with the reason; nothing is made."""
        wire = self.imap("names", mailbox="INBOX")
        before = wire.ask(b'LIST "" *')
        for name in (
            b'".."',
            b'"../../etc/passwd"',
            b'"a/../../b"',
            b'"a/b"',
            b'"/etc"',
            b'"~root"',
            b'"."',
            b'"a..b"',
            b'".a"',
            b'""',
            b'"&"',
            b'"&AAA"',
            b'"&AGEAYg-"',
            b'"&2AA-"',
            b'"&!!!-"',
            b'"\xff\xfe"',
            b'"' + b"x" * 10_000 + b'"',
            b'"' + b"x." * 5_000 + b'x"',
            b'"&AAA-"',
        ):
            for command in (b"CREATE %b", b"SELECT %b", b"DELETE %b", b"STATUS %b (MESSAGES)", b"RENAME INBOX %b"):
                said = wire.ask(command % name)
                self.assertRegex(said, rb"q (?:NO|BAD) .{5,}", (command, name[:40]))
                self.assertLess(len(said), 800)
            self.assertRegex(wire.ask(b"APPEND %b {3+}\r\nA:b" % name), rb"q (?:NO|BAD) ")
            wire.ask(b"NOOP")
        for name in (b'"a\0b"', b"{3+}\r\na\0b", b"{10000+}\r\n" + b"../" * 3333 + b"x"):
            self.assertRegex(wire.ask(b"CREATE " + name), rb"(?:q|\*) (?:NO|BAD) ")
            wire.ask(b"NOOP")
        self.assertEqual(wire.ask(b'LIST "" *'), before)

    def test_patterns(self) -> None:
        """LIST patterns made of wildcards do not take exponential time."""
        wire = self.imap("patterns")
        for number in range(500):
            wire.ask(b"CREATE %b%d" % (b"a" * 200, number))
        for pattern in (
            b"*a" * 5_000 + b"b",
            b"*a" * 150 + b"b",
            b"%a" * 150 + b"b",
            b"%*a" * 90 + b"b",
            b"%*" * 5_000,
            b"*" * 30_000,
            b"*a*" * 2_000 + b"c",
        ):
            began = time.monotonic()
            self.assertRegex(wire.ask(b'LIST "" "%b"' % pattern), rb"q (?:OK|NO|BAD) ")
            self.assertLess(time.monotonic() - began, 5.0)

    def test_keywords(self) -> None:
        """Thousands of keywords, and keywords of 10 KB, are answered; what a mailbox takes is bounded."""
        wire = self.imap("keywords")
        self.append(wire, b"Subject: one\r\n\r\n")
        wire.ask(b"SELECT INBOX")
        for at in range(4):
            words = b" ".join(b"word%d" % number for number in range(at * 1_000, at * 1_000 + 1_000))
            self.assertRegex(wire.ask(b"STORE 1 +FLAGS.SILENT (%b)" % words)[-300:], rb"q (?:OK|NO|BAD) ")
        self.assertRegex(wire.ask(b"STORE 1 +FLAGS (%b)" % (b"k" * 10_000))[-300:], rb"q (?:OK|NO|BAD) ")
        self.assertLess(len(wire.ask(b"FETCH 1 FLAGS")), 40_000)


class Patterns(SynchronousTestCase):
    @given(st.text("a.%*", max_size=12), st.text("a.", max_size=10))
    def test_as_the_rule_says(self, pattern: str, name: str) -> None:
        """However many wildcards there are, a pattern matches what the rule says (RFC 3501 section 6.3.8)."""
        rule = re.escape(pattern).replace(r"\*", ".*").replace("%", "[^.]*")
        self.assertEqual(Pattern(pattern, ".").matches(name), re.fullmatch(rule, name) is not None)
