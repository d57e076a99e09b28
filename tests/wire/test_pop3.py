"""POP3 on the wire: RFC 1939, 2449, 5034."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.lines import TOO_LONG
from mailhub.wire.pop3 import (
    BadArgument,
    Command,
    DotStuffer,
    Pop3Input,
    TopCutter,
    read_apop,
    read_auth,
    read_number,
    read_top,
    stuffed,
)

MESSAGES = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\r", b"bc"]), max_size=20).map(
    lambda parts: b"".join(parts)
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut `data` at the given places."""
    marks = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks)]


def commands(chunks: list[bytes], limit: int = 100) -> list[object]:
    reader = Pop3Input(limit)
    found: list[object] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (command := reader.next_command()) is not None:
            found.append(command)
    return found


class InputTests(SynchronousTestCase):
    def test_commands(self) -> None:
        """Keywords are case-insensitive, an argument is all behind the blank (RFC 1939 section 3)."""
        self.assertEqual(
            commands([b"stat\r\nPASS  a b \r\nRETR 1\n\r\n"]),
            [
                Command("STAT", b"", "STAT"),
                Command("PASS", b" a b ", "PASS"),
                Command("RETR", b"1", "RETR"),
                Command("", b"", ""),
            ],
        )

    @given(st.lists(st.integers(0, 400), max_size=12))
    def test_chunking_does_not_matter(self, cuts: list[int]) -> None:
        """However TCP slices the octets, the commands are the same, over-long lines included."""
        stream = b"USER a\r\n" + b"x" * 101 + b"\r\nSTAT\r\n" + b"y" * 100 + b"\r\nNOOP\n" + b"z" * 150 + b"\nQUIT\r\n"
        found = commands(pieces(stream, cuts))
        self.assertEqual(found, commands([stream]))
        self.assertEqual([c if c is TOO_LONG else c.keyword for c in found][1], TOO_LONG)
        self.assertEqual(len(found), 7)

    def test_a_long_line_is_not_kept(self) -> None:
        """Memory stays bounded while a line without end comes, and the next line is the next command."""
        reader = Pop3Input(100)
        for _ in range(1000):
            reader.feed(b"x" * 1000)
            self.assertIsNone(reader.next_command())
            self.assertLess(len(reader), 2000)
        reader.feed(b"\r\nNOOP\r\n")
        self.assertIs(reader.next_command(), TOO_LONG)
        self.assertEqual(reader.next_command(), Command("NOOP", b"", "NOOP"))

    def test_byte_at_a_time_is_linear(self) -> None:
        """A sender of single octets costs time in proportion to what it sends."""
        reader = Pop3Input(1 << 20)
        start = time.process_time()
        for _ in range(200_000):
            reader.feed(b"x")
            reader.next_command()
        self.assertLess(time.process_time() - start, 2.0)

    def test_drop(self) -> None:
        """What was pipelined behind STLS is forgotten (RFC 2595 section 4)."""
        reader = Pop3Input()
        reader.feed(b"STLS\r\nUSER evil\r\nPA")
        self.assertEqual(reader.next_command(), Command("STLS", b"", "STLS"))
        self.assertEqual(reader.drop(), 13)
        reader.feed(b"CAPA\r\n")
        self.assertEqual(reader.next_command(), Command("CAPA", b"", "CAPA"))


class ArgumentTests(SynchronousTestCase):
    def test_numbers(self) -> None:
        """msg is 1*DIGIT; what Dovecot 2.3.19 takes and refuses."""
        self.assertEqual([read_number(a) for a in (b"1", b"01", b"7 ")], [1, 1, 7])
        for bad, text in (
            (b"", "Invalid message number: "),
            (b"x", "Invalid message number: x"),
            (b"+1", "Invalid message number: +1"),
            (b"-1", "Invalid message number: -1"),
            (b"1 2", "Noise after message number:  2"),
            (b"9" * 20, "Message number too large: " + "9" * 20),
            (b"\xff\r", "Invalid message number: ?"),
        ):
            with self.subTest(bad), self.assertRaises(BadArgument) as caught:
                read_number(bad)
            self.assertEqual(str(caught.exception), text)

    def test_top(self) -> None:
        """TOP msg n, n not negative (RFC 1939 section 7)."""
        self.assertEqual(read_top(b"1 0"), (1, 0))
        self.assertEqual(read_top(b"3 25 "), (3, 25))
        for bad in (b"1", b"1 x", b"1 -1", b"1 1 1", b"1 " + b"9" * 20, b"", b"x 1"):
            with self.subTest(bad), self.assertRaises(BadArgument):
                read_top(bad)

    def test_apop(self) -> None:
        """APOP name digest: 32 hex digits (RFC 1939 section 7)."""
        digest = b"c4c9334bac560ecc979e58001b3e22fb"
        self.assertEqual(read_apop(b"mrose " + digest), (b"mrose", digest))
        self.assertEqual(read_apop(b"m rose " + digest.upper()), (b"m rose", digest))
        for bad in (b"", b"mrose", b"mrose xyz", b" " + digest):
            with self.subTest(bad), self.assertRaises(BadArgument):
                read_apop(bad)

    def test_auth(self) -> None:
        """AUTH mechanism [initial-response]; "=" is an empty response (RFC 5034 section 4)."""
        self.assertEqual(read_auth(b""), ("", None))
        self.assertEqual(read_auth(b"plain"), ("PLAIN", None))
        self.assertEqual(read_auth(b"PLAIN ="), ("PLAIN", b""))
        self.assertEqual(read_auth(b"PLAIN AGEAYg=="), ("PLAIN", b"\0a\0b"))
        for bad in (b"PLAIN !!!", b"PLAIN AGEAYg", b"PLAIN AGEAYg== x"):
            with self.subTest(bad), self.assertRaises(BadArgument):
                read_auth(bad)


class StuffingTests(SynchronousTestCase):
    @given(MESSAGES, st.lists(st.integers(0, 40), max_size=6))
    def test_stuffing(self, message: bytes, cuts: list[int]) -> None:
        """A client that reads lines and takes dots away gets the message back (RFC 1939 section 3), however it was
        cut into pieces."""
        whole = stuffed(message)
        stuffer = DotStuffer()
        self.assertEqual(b"".join(map(stuffer.feed, pieces(message, cuts))) + stuffer.finish(), whole)
        lines = []
        for line in whole.split(b"\r\n"):
            if line == b".":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        got = b"".join(line + b"\r\n" for line in lines)
        self.assertEqual(got, message if message.endswith(b"\r\n") or not message else message + b"\r\n")
        self.assertTrue(whole.endswith(b"\r\n.\r\n") or whole == b".\r\n")
        self.assertEqual(whole.count(b"\r\n.\r\n") + whole.startswith(b".\r\n"), 1)

    @given(
        st.lists(st.sampled_from([b"a: b", b"", b"text", b".x"]), max_size=8),
        st.integers(0, 5),
        st.lists(st.integers(0, 60), max_size=6),
    )
    def test_top(self, lines: list[bytes], count: int, cuts: list[int]) -> None:
        """TOP gives the header, the blank line, and `count` lines (RFC 1939 section 7)."""
        message = b"".join(line + b"\r\n" for line in lines)
        blank = lines.index(b"") if b"" in lines else len(lines)
        wanted = b"".join(line + b"\r\n" for line in lines[: blank + 1 + count])
        cutter = TopCutter(count)
        self.assertEqual(b"".join(map(cutter.feed, pieces(message, cuts))), wanted)
