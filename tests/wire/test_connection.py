"""ImapConnection: framing, literals, pauses, APPEND, limits (RFC 3501 sections 2.2, 4.3, 5.5, 6.2.1, 7.5; RFC 7888)."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap.commands import Authenticate, Idle, Login, Noop, Starttls
from mailhub.wire.imap.connection import ImapConnection
from mailhub.wire.imap.events import (
    AppendData,
    AppendFinished,
    AppendMessage,
    AppendMessageEnd,
    AppendStarted,
    ContinuationLine,
    LiteralWanted,
    Received,
    Refused,
    Signal,
)
from mailhub.wire.imap.types import MailboxName
from tests.wire.conversation import converse, pump, refusal

INBOX = MailboxName("INBOX", b"INBOX")


class LineTests(SynchronousTestCase):
    def test_pipelined_commands(self) -> None:
        """Commands come one by one, in order, however many are sent at once (RFC 3501 section 5.5)."""
        events = converse([b"".join(b"a%d NOOP\r\n" % n for n in range(1000))])
        self.assertEqual(events, [Received(b"a%d" % n, Noop()) for n in range(1000)])

    def test_case_and_line_ends(self) -> None:
        """Names are read in any case; a bare LF ends a line and spaces before it do not count (leniencies)."""
        events = converse([b"a noop\nb NoOp\r\nc NOOP  \r\nd\x2bx NOOP\r\n"])
        self.assertEqual(events[:3], [Received(tag, Noop()) for tag in (b"a", b"b", b"c")])
        self.assertEqual(events[3], Refused(None, "Invalid tag."))

    def test_tags(self) -> None:
        """tag = 1*<any ASTRING-CHAR except "+">; without a tag there is no tagged answer."""
        for tag in (b"a", b"A.1-2_3", b"]", b"~!@#$^&", b"0"):
            self.assertEqual(converse([tag + b" NOOP\r\n"]), [Received(tag, Noop())])
        for line in (b"", b" ", b" NOOP", b"* NOOP", b"+ NOOP", b"(a NOOP", b'"a" NOOP', b"\xe9 NOOP", b"a\x01 NOOP"):
            (event,) = converse([line + b"\r\n"])
            assert isinstance(event, Refused)
            self.assertIsNone(event.tag)
        (event,) = converse([b"a\r\n"])
        self.assertEqual(event, Refused(b"a", "Missing command name."))

    def test_unknown_command(self) -> None:
        """An unknown command is refused by its name, which cannot spoil the answer it is shown in."""
        self.assertEqual(refusal(b"FOO bar").text, "Unknown command FOO.")
        self.assertEqual(refusal(b"uid noop").text, "Unknown command UID NOOP.")
        self.assertEqual(refusal(b"\x01\xff" + b"x" * 100).text, "Unknown command ??" + "X" * 30 + ".")

    def test_nul(self) -> None:
        """CHAR is %x01-7F and CHAR8 %x01-FF: a NUL is refused in lines and in literals."""
        self.assertEqual(refusal(b"NOOP\0").text, "NUL in command line.")
        self.assertEqual(refusal(b"SELECT {3+}\r\na\0b").text, "NUL in literal.")

    def test_end_of_input(self) -> None:
        """What the peer sent before it closed is read; half a command is not."""
        connection = ImapConnection()
        connection.receive(b"a NOOP\r\nb NOO")
        connection.receive_eof()
        self.assertEqual(connection.next_event(), Received(b"a", Noop()))
        self.assertEqual(connection.next_event(), Signal.CLOSED)
        self.assertEqual(connection.next_event(), Signal.CLOSED)

    def test_buffered(self) -> None:
        """`buffered` counts what waits, so that the transport can be paused."""
        connection = ImapConnection()
        connection.receive(b"a NOOP\r\nb NOOP\r\n")
        self.assertEqual(connection.buffered, 16)
        connection.next_event()
        self.assertEqual(connection.buffered, 8)


class LiteralTests(SynchronousTestCase):
    def test_synchronising(self) -> None:
        """A literal waits for leave; then its octets are the argument, whatever they look like (RFC 3501 4.3, 7.5)."""
        connection = ImapConnection()
        connection.receive(b"a LOGIN {6}\r\n")
        self.assertEqual(connection.next_event(), LiteralWanted(b"a", 6))
        self.assertEqual(connection.next_event(), Signal.PAUSED)
        connection.accept_literal()
        self.assertEqual(connection.next_event(), Signal.NEED_DATA)
        connection.receive(b"x NO\r\n {4}\r\n")
        self.assertEqual(connection.next_event(), LiteralWanted(b"a", 4))
        connection.accept_literal()
        connection.receive(b'p"w)\r\n')
        self.assertEqual(connection.next_event(), Received(b"a", Login(b"x NO\r\n", b'p"w)')))

    def test_non_synchronising(self) -> None:
        """{n+} waits for nothing (RFC 7888 section 4)."""
        events = converse([b"a LOGIN {4+}\r\nuser {0+}\r\n\r\nb NOOP\r\n"])
        self.assertEqual(events, [Received(b"a", Login(b"user", b"")), Received(b"b", Noop())])

    def test_refused_by_session(self) -> None:
        """A literal that is not given leave ends its command with NO, and a command follows."""
        connection = ImapConnection()
        connection.receive(b"a LOGIN {6}\r\n")
        connection.next_event()
        connection.refuse_literal("Not now.", "UNAVAILABLE")
        connection.receive(b"b NOOP\r\n")
        self.assertEqual(connection.next_event(), Refused(b"a", "Not now.", "UNAVAILABLE", no=True))
        self.assertEqual(connection.next_event(), Received(b"b", Noop()))

    def test_refused_at_once(self) -> None:
        """No leave is asked for a literal of a command that is refused anyhow: BAD comes instead of "+" (7.5)."""
        for line in (b"FOO {5}", b"UID {5}", b"LOGIN {70000}", b"SELECT ~{5}", b"LOGIN x\0 {5}"):
            connection = ImapConnection()
            connection.receive(b"a " + line + b"\r\nb NOOP\r\n")
            event = connection.next_event()
            assert isinstance(event, Refused)
            self.assertEqual(event.tag, b"a")
            self.assertEqual(connection.next_event(), Received(b"b", Noop()))

    def test_refused_is_drained(self) -> None:
        """The literals that a refused command sends unasked are read and dropped, never read as commands."""
        trap = b"x DELETE INBOX\r\n"
        for line in (
            b"FOO {16+}\r\n%b",
            b"FOO {16+}\r\n%b {16+}\r\n" + trap,
            b"NOOP {16+}\r\n%b",
            b"SELECT ~{16+}\r\n%b",
            b"SELECT x y {16+}\r\n%b",
            b"APPEND INBOX (\\Nope) {16+}\r\n%b",
            b"APPEND INBOX (\\Seen {16+}\r\n%b (\\Seen) {16+}\r\n" + trap,
            b"FOO {16+}\r\n%b {20}",
        ):
            self.assertEqual(refusal(line.replace(b"%b", trap)).tag, b"t")

    def test_too_big(self) -> None:
        """A literal over the limit is NO [TOOBIG], unread if it waits for leave and dropped if not."""
        for line in (
            b"SELECT {11}",
            b"SELECT {11+}\r\n" + b"x" * 11,
            b"SELECT {4294967296}",
            b"LOGIN {9+}\r\n" + b"x" * 9 + b" {11}",
        ):
            refused = refusal(line, literal_limit=10)
            self.assertEqual((refused.code, refused.no), ("TOOBIG", True))
        fields = b" ".join([b"{10+}\r\n0123456789"] * 8)
        self.assertEqual(refusal(b"ID (" + fields + b")", literal_limit=10).code, "TOOBIG")

    def test_size_that_cannot_be_skipped(self) -> None:
        """Where more octets are announced than can come, sync is lost and the connection ends."""
        for size in (b"9" * 19, b"9" * 30, b"9" * 60000):
            connection = ImapConnection()
            connection.receive(b"a SELECT {" + size + b"+}\r\nb NOOP\r\n")
            event = connection.next_event()
            assert isinstance(event, Refused)
            self.assertTrue(event.fatal)
            self.assertEqual(connection.next_event(), Signal.CLOSED)
            self.assertFalse(refusal(b"SELECT {" + size + b"}").fatal)

    def test_misuse(self) -> None:
        """A session that gives leave where none was asked is told so."""
        connection = ImapConnection()
        for call in (connection.accept_literal, connection.refuse_literal, connection.expect_line):
            with self.assertRaises(RuntimeError):
                call()


class LimitTests(SynchronousTestCase):
    def test_long_line(self) -> None:
        """A line over the limit is refused by its tag, and the next one is a command (RFC 7162 section 4: 8192 is
        the least that must fit)."""
        for size in (65537, 65600, 1_000_000):
            line = (b"SEARCH " + b"x" * size)[: size - 2]
            self.assertEqual(refusal(line).text, "Too long command line.")
        self.assertNotEqual(refusal((b"FOO " + b"x" * 65536)[:65534]).text, "Too long command line.")

    def test_long_line_in_pieces(self) -> None:
        """The same while it trickles in: no more of it is kept than the limit."""
        connection = ImapConnection()
        connection.receive(b"a SEARCH ")
        for _ in range(100):
            connection.receive(b"x" * 10_000)
            self.assertEqual(connection.next_event(), Signal.NEED_DATA)
            self.assertLess(connection.buffered, 70_000)
        connection.receive(b"\r")
        self.assertEqual(connection.next_event(), Signal.NEED_DATA)
        connection.receive(b"\nb NOOP\r\n")
        self.assertEqual(connection.next_event(), Refused(b"a", "Too long command line."))
        self.assertEqual(connection.next_event(), Received(b"b", Noop()))

    def test_long_line_with_literal(self) -> None:
        """The literal that a line over the limit ends with is dropped too, also when the line came in pieces."""
        line = b"a SEARCH " + b"x" * 70_000 + b" {16+}\r\nx DELETE INBOX\r\n\r\nb NOOP\r\n"
        for step in (len(line), 1000, 7):
            events = converse([line[at : at + step] for at in range(0, len(line), step)])
            self.assertEqual(events, [Refused(b"a", "Too long command line."), Received(b"b", Noop())])

    def test_reasons_are_short(self) -> None:
        """A refusal does not send back what may be 64 KiB of a client's words."""
        for line in (b"SEARCH %b", b"FETCH 1 %b", b"STORE 1 FLAGS \\%b", b"%b", b"THREAD %b UTF-8 ALL", b'LIST "" (%b'):
            self.assertLess(len(refusal(line % (b"x" * 60_000)).text), 250)

    def test_lines_of_one_command_count_together(self) -> None:
        """A command cannot get round the limit by putting literals between its lines."""
        line = b"ID (" + b"x y {1+}\r\nz " * 20_000 + b")"
        self.assertEqual(refusal(line).text, "Too long command line.")

    def test_long_tag(self) -> None:
        """A tag that does not fit is not answered with half of it."""
        for size in (100, 5000):
            line = b"a" * size + b" NOOP\r\nb NOOP\r\n"
            for pieces in ([line], [line[at : at + 1] for at in range(len(line))]):
                events = converse(pieces, line_limit=50)
                self.assertEqual(events, [Refused(None, "Too long command line."), Received(b"b", Noop())])

    def test_limits_can_change(self) -> None:
        """The session may widen the limits once it knows the user."""
        connection = ImapConnection(line_limit=20)
        connection.receive(b"a NOOP" + b" " * 30 + b"\r\n")
        self.assertEqual(connection.next_event(), Refused(b"a", "Too long command line."))
        connection.line_limit = 100
        connection.receive(b"b NOOP" + b" " * 30 + b"\r\n")
        self.assertEqual(connection.next_event(), Received(b"b", Noop()))


class PauseTests(SynchronousTestCase):
    def test_starttls_drops_what_follows(self) -> None:
        """What is pipelined behind STARTTLS in clear text is not read as if it came over TLS (RFC 3501 6.2.1)."""
        connection = ImapConnection()
        connection.receive(b"a STARTTLS\r\nb LOGIN evil x\r\nc LO")
        self.assertEqual(connection.next_event(), Received(b"a", Starttls()))
        self.assertEqual(connection.next_event(), Signal.PAUSED)
        self.assertEqual(connection.discard_pending(), 20)
        connection.resume()
        connection.receive(b"d NOOP\r\n")
        self.assertEqual(connection.next_event(), Received(b"d", Noop()))
        self.assertEqual(connection.next_event(), Signal.NEED_DATA)

    def test_authenticate(self) -> None:
        """SASL responses are lines of their own, also pipelined; commands follow (RFC 3501 section 6.2.2)."""
        connection = ImapConnection()
        connection.receive(b"a AUTHENTICATE PLAIN\r\nAHUAcA==\r\n*\r\nb NOOP\r\n")
        self.assertEqual(connection.next_event(), Received(b"a", Authenticate("PLAIN")))
        self.assertEqual(connection.next_event(), Signal.PAUSED)
        for line in (b"AHUAcA==", b"*"):
            connection.expect_line()
            self.assertEqual(connection.next_event(), ContinuationLine(line))
            self.assertEqual(connection.next_event(), Signal.PAUSED)
        connection.resume()
        self.assertEqual(connection.next_event(), Received(b"b", Noop()))

    def test_literal_marks_mean_nothing_in_a_line(self) -> None:
        """A continuation line is taken as it is: no literal follows it."""
        events = converse([b"a IDLE\r\nDONE {3+}\r\nb NOOP\r\n"])
        self.assertEqual(events, [Received(b"a", Idle()), ContinuationLine(b"DONE {3+}"), Received(b"b", Noop())])

    def test_idle(self) -> None:
        """DONE ends IDLE, pipelined or not (RFC 2177 section 3)."""
        for pieces in ([b"a IDLE\r\nDONE\r\nb NOOP\r\n"], [b"a IDLE\r\n", b"DO", b"NE\r\nb NOOP\r\n"]):
            self.assertEqual(
                converse(pieces), [Received(b"a", Idle()), ContinuationLine(b"DONE"), Received(b"b", Noop())]
            )

    def test_long_continuation_line(self) -> None:
        """One over the limit is refused with its command's tag; then commands follow."""
        for size in (1, 100, 100_000):
            data = b"y" * 70_000 + b"\r\nb NOOP\r\n"
            pieces = [b"a IDLE\r\n", *(data[at : at + size] for at in range(0, len(data), size))]
            self.assertEqual(
                converse(pieces),
                [Received(b"a", Idle()), Refused(b"a", "Too long command line."), Received(b"b", Noop())],
            )

    def test_resume_twice(self) -> None:
        """resume() where nothing is paused does nothing."""
        connection = ImapConnection()
        connection.resume()
        connection.receive(b"a NOOP\r\n")
        self.assertEqual(connection.next_event(), Received(b"a", Noop()))


class AppendTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """APPEND's message is handed on with its flags and date (RFC 3501 section 6.3.11)."""
        events = converse(
            [b'a APPEND INBOX (\\seen $Work) "17-Jul-1996 02:44:25 -0700" {5}\r\n', b"hello\r\nb NOOP\r\n"]
        )
        self.assertEqual(
            events,
            [
                AppendStarted(b"a", INBOX),
                AppendMessage(("\\Seen", "$Work"), 837596665, 5, synchronising=True),
                AppendData(b"hello"),
                AppendMessageEnd(),
                AppendFinished(b"a"),
                Received(b"b", Noop()),
            ],
        )

    def test_several(self) -> None:
        """MULTIAPPEND (RFC 3502), with LITERAL+ and literal8 (RFC 3516), and the mailbox's name as a literal."""
        events = converse([b"a append {5}\r\ninbox {1+}\r\nA (\\Draft) ~{3+}\r\nB\0C {0+}\r\n \r\n"])
        self.assertEqual(
            events,
            [
                LiteralWanted(b"a", 5),
                AppendStarted(b"a", MailboxName("INBOX", b"inbox")),
                AppendMessage((), None, 1, synchronising=False),
                AppendData(b"A"),
                AppendMessageEnd(),
                AppendMessage(("\\Draft",), None, 3, synchronising=False, binary=True),
                AppendData(b"B\0C"),
                AppendMessageEnd(),
                AppendMessage((), None, 0, synchronising=False),
                AppendMessageEnd(),
                AppendFinished(b"a"),
            ],
        )

    def test_never_held_whole(self) -> None:
        """A large message passes by in pieces; nothing of it stays."""
        connection = ImapConnection()
        connection.receive(b"a APPEND x {10000000+}\r\n")
        self.assertIsInstance(connection.next_event(), AppendStarted)
        self.assertIsInstance(connection.next_event(), AppendMessage)
        for _ in range(100):
            connection.receive(b"x" * 100_000)
            self.assertEqual(connection.next_event(), AppendData(b"x" * 100_000))
            self.assertEqual(connection.buffered, 0)
        self.assertEqual(connection.next_event(), AppendMessageEnd())

    def test_wrong_on_the_way(self) -> None:
        """Bad syntax behind a message refuses the command, drains it, and keeps sync."""
        for tail in (
            b" junk",
            b" (\\Nope) {3+}\r\nabc",
            b'"x" {3+}\r\nabc {3+}\r\nabc',
            b"{3+}\r\nabc",
            b" \0",
            b" {3+}x",
            b" (\\Seen) {x}",
        ):
            events = converse([b"a APPEND INBOX {1+}\r\nA" + tail + b"\r\nb NOOP\r\n"])
            self.assertEqual(events[3], AppendMessageEnd())
            assert isinstance(events[4], Refused), events
            self.assertEqual(events[4].tag, b"a")
            self.assertEqual(events[5:], [Received(b"b", Noop())])

    def test_wrong_before_the_message(self) -> None:
        """An APPEND that cannot be right is refused before anything of it is handed on."""
        for line in (
            b"APPEND",
            b"APPEND INBOX",
            b'APPEND INBOX "text"',
            b"APPEND INBOX () ",
            b"APPEND {5+}\r\nINBOX",
            b"APPEND INBOX junk {3+}\r\nabc",
            b"APPEND INBOX (\\Recent) {3+}\r\nabc",
            b'APPEND INBOX "32-Jan-2020 00:00:00 +0000" {3+}\r\nabc',
            b'APPEND INBOX "01-Jan-2020 24:00:00 +0000" {3+}\r\nabc',
            b'APPEND INBOX "01-Jan-2020 00:00:00" {3}',
            b"APPEND INBOX\xe9 {3+}\r\nabc",
            b"APPEND (a) {3+}\r\nabc",
            b"APPEND INBOX({3+}\r\nabc",
            b"APPEND INBOX() {3+}\r\nabc",
            b"APPEND {5+}\r\nINBOX{3+}\r\nabc",
        ):
            self.assertTrue(refusal(line).text.startswith("APPEND: "), line)

    def test_too_big(self) -> None:
        """A message over the limit is NO [TOOBIG] before it is read (RFC 4469 section 4.2, RFC 7889)."""
        for line in (b"APPEND INBOX {11}", b"APPEND INBOX {11+}\r\n" + b"x" * 11):
            refused = refusal(line, message_limit=10)
            self.assertEqual((refused.code, refused.no), ("TOOBIG", True))
        events = converse([b"a APPEND INBOX {1+}\r\nA {11}\r\nb NOOP\r\n"], message_limit=10)
        self.assertEqual(events[4], Refused(b"a", "APPEND: Message is too big.", "TOOBIG", no=True))
        self.assertEqual(events[5], Received(b"b", Noop()))

    def test_refused_by_session(self) -> None:
        """A message that is not given leave ends the APPEND."""
        connection = ImapConnection()
        connection.receive(b"a APPEND nowhere {3}\r\n")
        connection.next_event()
        self.assertIsInstance(connection.next_event(), AppendMessage)
        self.assertEqual(connection.next_event(), Signal.PAUSED)
        connection.refuse_literal()
        connection.receive(b"b NOOP\r\n")
        self.assertEqual(connection.next_event(), Refused(b"a", "Literal refused.", no=True))
        self.assertEqual(connection.next_event(), Received(b"b", Noop()))


CONVERSATION = (
    b"a1 CAPABILITY\r\na2 LOGIN {4+}\r\nuser {4}\r\npass\r\n\r\na3 STARTTLS\r\nline\r\na4 AUTHENTICATE PLAIN =\nAA==\n"
    b"a5 APPEND box (\\Seen) {10+}\r\n12345\r\n\x00ab {0}\r\n\r\na6 FOO {3+}\r\nab\n\r\na7 IDLE\r\nDONE\r\n"
    b"a7 "
    + b"x" * 120
    + b" {5+}\r\r\na8 SEARCH SUBJECT {3}\r\n\r\r\n TEXT {1+}\r\nx\r\n\r\na9 "
    + b"y" * 300
    + b" {5+}\r\nz NO \r\na10 NOOP\r\n"
)

WORDS = b"""
    a NOOP FETCH UID SEARCH OR NOT ( ) " \\ { } {1 +} APPEND INBOX LIST RETURN STATUS BODY[ ] <0.1> 1:* , 4294967296
    \\Seen ~{2} {0} HEADER.FIELDS 1-Jan-2020 STORE +FLAGS SORT THREAD UTF-8 CHARSET ID NIL CREATE USE LOGIN * % SELECT
    ENABLE COPY
"""
VOCABULARY = st.sampled_from([*WORDS.split(), b" ", b" ", b" ", b"\0", b"\r", b"\xff"])
PAUSING = st.sampled_from([b"IDLE", b"STARTTLS", b"AUTHENTICATE", b"AUTHENTICATE x"])


class PropertyTests(SynchronousTestCase):
    @given(st.lists(st.integers(0, len(CONVERSATION)), max_size=30))
    def test_chunking_does_not_matter(self, cuts: list[int]) -> None:
        """The same octets are the same events, however the network cuts them."""
        marks = sorted({0, len(CONVERSATION), *cuts})
        pieces = [CONVERSATION[start:end] for start, end in pairwise(marks)]
        whole = converse([CONVERSATION], line_limit=100)
        self.assertEqual(converse(pieces, line_limit=100), whole)
        self.assertEqual(whole[-1], Received(b"a10", Noop()))
        tags = [event.tag for event in whole if isinstance(event, Received | Refused | AppendFinished)]
        # None for the two empty lines.
        self.assertEqual(
            tags, [b"a1", b"a2", None, *(b"a%d" % n for n in range(3, 8)), b"a7", b"a8", None, b"a9", b"a10"]
        )

    def test_each_single_cut(self) -> None:
        """The same for each place where there can be one cut, and for a cut everywhere."""
        for limit in (30, 100, 1000):
            whole = converse([CONVERSATION], line_limit=limit)
            for at in range(len(CONVERSATION)):
                self.assertEqual(converse([CONVERSATION[:at], CONVERSATION[at:]], line_limit=limit), whole)
            single = [CONVERSATION[at : at + 1] for at in range(len(CONVERSATION))]
            self.assertEqual(converse(single, line_limit=limit), whole)

    @given(st.lists(st.binary(max_size=30), max_size=10))
    def test_random_octets(self, pieces: list[bytes]) -> None:
        """Whatever is sent, events come out and no exception."""
        converse(pieces, line_limit=50, literal_limit=20)

    @settings(max_examples=300)
    @given(st.lists(st.lists(VOCABULARY | PAUSING, max_size=12), max_size=6))
    def test_random_words(self, lines: list[list[bytes]]) -> None:
        """The same for what looks like IMAP."""
        converse([b"a " + b"".join(words) + b"\r\n" for words in lines], line_limit=80, literal_limit=20)

    @settings(max_examples=300)
    @given(st.lists(st.tuples(st.lists(VOCABULARY, max_size=8), st.binary(max_size=20)), min_size=1, max_size=6))
    def test_sync_is_kept(self, commands: list[tuple[list[bytes], bytes]]) -> None:
        """Each command, good or bad, gets one answer with its tag, and what is in its literal is never a command."""
        sent = []
        for number, (words, data) in enumerate(commands):
            line = b"t%d " % number + b"".join(words).replace(b"\r", b"") + b" {%d+}\r\n" % len(data)
            sent.append(line + data + b"\r\n")
        events = converse([*sent, b"z NOOP\r\n"], line_limit=80)
        tags = [event.tag for event in events if isinstance(event, Received | Refused | AppendFinished)]
        self.assertEqual(tags, [b"t%d" % n for n in range(len(commands))] + [b"z"])

    def test_byte_at_a_time_is_linear(self) -> None:
        """A peer that sends a byte at a time costs time in proportion to its bytes: ten times the line is far from a
        hundred times the work."""

        def cost(size: int) -> float:
            connection = ImapConnection(line_limit=10**7)
            began = time.process_time()
            connection.receive(b"a SEARCH TEXT ")
            for _ in range(size):
                connection.receive(b"x")
                connection.next_event()
            return time.process_time() - began

        small = min(cost(10_000) for _ in range(3))
        self.assertLess(cost(100_000), 40 * small)

    def test_connections_share_nothing(self) -> None:
        """Two connections in turn do not notice each other."""
        one, two = ImapConnection(), ImapConnection()
        one.receive(b"a LOGIN {4+}\r\nus")
        two.receive(b"b LOGIN {4+}\r\nxy")
        self.assertEqual(pump(one) + pump(two), [])
        one.receive(b"er p\r\n")
        two.receive(b"zw q\r\n")
        self.assertEqual(pump(one), [Received(b"a", Login(b"user", b"p"))])
        self.assertEqual(pump(two), [Received(b"b", Login(b"xyzw", b"q"))])
