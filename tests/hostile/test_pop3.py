"""Bad POP3 input (RFC 1939 section 3, RFC 5034)."""

from __future__ import annotations

import time
from base64 import b64encode

from tests.hostile.attack import MIB, SECRET, Attacked, repeated


class BadPop3(Attacked):
    """What is wrong is answered with -ERR and the reason; the session goes on, up to a limit."""

    log_limit = 30

    def test_long_lines(self) -> None:
        """A line over the limit, and 200 MB without a line end, are answered with one -ERR each."""
        wire = self.pop3("eve")
        for piece in ([b"NOOP " + b"x" * 200_000], repeated(b"x", 200 * MIB), repeated(b"\0\xff\r", 50 * MIB)):
            said = wire.pour([*piece, b"\r\nNOOP\r\n"], rb"\+OK\r\n")
            self.assertRegex(said, rb"\A-ERR Line too long\.\r\n\+OK\r\n\Z")

    def test_octet_by_octet(self) -> None:
        """One octet at a time costs time in proportion to the octets."""
        wire = self.pop3("eve")
        took = []
        for count in (3_000, 12_000):
            line = b"NOOP " + b"x" * count + b"\r\n"
            began = time.monotonic()
            wire.pour((line[at : at + 1] for at in range(len(line))), rb"(?:\+OK|-ERR)[^\n]*\n")
            took.append(time.monotonic() - began)
        self.assertLess(took[1], 4 * took[0] * 3 + 1.0)

    def test_ten_thousand_bad_commands(self) -> None:
        """The 20th bad command in a row ends the session, before login the third; it says why and is logged once."""
        for wire, limit in ((self.pop3("eve"), 20), (self.wire("pop3"), 3)):
            at = len(self.log())
            said = wire.pour([b"NONSENSE %d\r\n" % number for number in range(10_000)])
            lines = said.split(b"\r\n")
            self.assertEqual(len(lines), limit + 2, said[-300:])
            self.assertTrue(all(line.startswith(b"-ERR ") for line in lines[:-1]))
            self.assertEqual(lines[-2], b"-ERR Too many bad commands.")
            self.assertEqual(self.log()[at:].count("too many bad commands"), 1)

    def test_numbers(self) -> None:
        """Numbers that are negative, huge, missing or no numbers at all: -ERR, for every command that takes one."""
        self.deliver("numbers", b"Subject: one\r\n\r\ntext\r\n")
        wire = self.pop3("numbers")
        numbers = (
            b"0",
            b"-1",
            b"2",
            b"4294967296",
            b"18446744073709551617",
            b"9" * 10_000,
            b"x",
            b"1x",
            b"1 x",
            b"1.0",
        )
        for number in (*numbers, b"+1", b"\xd9\xa1", b"\0", b"0x1", b"1\t", b"1e0"):
            for command in (b"RETR", b"DELE", b"LIST", b"UIDL", b"TOP"):
                wire.send(command + b" " + number + (b" 1\r\n" if command == b"TOP" else b"\r\n"))
                said = wire.line()
                self.assertRegex(said, rb"\A-ERR .{5,}", (command, number[:30]))
                self.assertLess(len(said), 300)
            wire.send(b"NOOP\r\n")
            self.assertEqual(wire.line(), b"+OK")
        for lines in (b"-1", b"9" * 30, b"x", b"", b"1 2"):
            wire.send(b"TOP 1 " + lines + b"\r\n")
            self.assertRegex(wire.line(), rb"\A-ERR ", lines)
        wire.send(b"TOP 1 999999999999999999\r\n")
        self.assertTrue(wire.until(rb"\r\n\.\r\n").startswith(b"+OK"))
        wire.send(b"RETR 000000000000001\r\n")
        self.assertTrue(wire.until(rb"\r\n\.\r\n").startswith(b"+OK"))

    def test_huge_arguments(self) -> None:
        """Arguments of 10 KB: -ERR; none is repeated whole."""
        wire = self.pop3("eve")
        for command in (
            b"STAT",
            b"LIST",
            b"RETR",
            b"DELE",
            b"TOP",
            b"UIDL",
            b"XX" * 5_000,
            b"\0" * 5_000,
            b"\xff" * 99,
        ):
            wire.send(command + b" " + b"y" * 2_000 + b"\r\n")
            self.assertLess(len(wire.line()), 300)

    def test_logins(self) -> None:
        """User names that could leave their folder, are empty, huge or hold control characters are refused as wrong
        passwords are; so are SASL responses that are none (RFC 5034 section 4). Passwords are not logged."""
        word = SECRET.encode()
        for user in (b"../x", b"a/b", b"..", b".", b"~root", b"", b"u" * 10_000, b"a\0b", b"a\tb", b"\xff\xfe", b"a b"):
            wire = self.wire("pop3")
            wire.send(b"USER %b\r\nPASS %b\r\nNOOP\r\n" % (user, word))
            said = [wire.line() for _ in range(3)]
            self.assertRegex(said[1], rb"\A-ERR .{5,}", user[:20])
            wire.close()
        for response in (
            b"!!!",
            b"AAA",
            b"=",
            b64encode(b"none"),
            b64encode(b"\0../x\0" + word),
            b"QUJD" * 3_000,
            b"*",
        ):
            wire = self.wire("pop3")
            wire.send(b"AUTH PLAIN\r\n%b\r\n" % response)
            self.assertEqual(wire.line()[:1], b"+")
            self.assertRegex(wire.line(), rb"\A-ERR .{5,}", response[:20])
            wire.close()
        wire = self.wire("pop3")
        said = wire.pour([b"AUTH PLAIN\r\n", *repeated(b"QUJD", 100 * MIB), b"\r\nQUIT\r\n"])
        self.assertRegex(said, rb"\A\+ \r\n-ERR [^\n]*\n\+OK[^\n]*\n\Z")

    def test_wrong_passwords(self) -> None:
        """The third wrong password ends the session, whatever is said between them."""
        wire = self.wire("pop3")
        said = wire.pour([b"USER eve\r\nPASS wrong%d\r\n" % number for number in range(10_000)])
        self.assertEqual(said.count(b"-ERR [AUTH] "), 3)
        self.assertTrue(said.endswith(b"-ERR Too many failed logins.\r\n"))
        self.assertEqual(self.log().count("too many failed logins"), 1)

    def test_a_message_of_dots(self) -> None:
        """Mail made of dots and line ends arrives as it is (RFC 1939 section 3)."""
        message = b"\r\n" + b".\r\n..\r\n" * 20_000
        self.deliver("dots", message)
        wire = self.pop3("dots")
        wire.send(b"RETR 1\r\n")
        body = wire.until(rb"\r\n\.\r\n").split(b"\r\n", 1)[1]
        lines = body.split(b"\r\n")[:-2]
        text = b"\r\n".join(line.removeprefix(b".") for line in lines) + b"\r\n"
        self.assertTrue(text.endswith(message))
