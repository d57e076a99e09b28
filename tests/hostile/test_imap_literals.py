"""Literals that are too large, cut off or a lie; SASL responses that are none; IDLE that does not end with DONE."""

from __future__ import annotations

from base64 import b64encode

from tests.hostile.attack import MIB, SECRET, Attacked, repeated


class Literals(Attacked):
    """RFC 3501 section 4.3, RFC 7888, RFC 4469 (TOOBIG)."""

    def test_refused_before_it_is_read(self) -> None:
        """A synchronising literal over the limit gets no leave but NO [TOOBIG], before login and after, and what
        follows is the next command."""
        for wire in (self.wire("imap"), self.imap("eve")):
            for size in (b"65537", b"100000000000", b"99999999999999999999999", b"0" * 5_000 + b"70000"):
                for command in (b"LOGIN {%b}", b"CREATE {%b}", b"SELECT {%b}", b'LIST "" {%b}'):
                    said = wire.ask(command % size)
                    self.assertTrue(said.startswith(b"q NO [TOOBIG] "), (command, said[:200]))
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_drained(self) -> None:
        """A LITERAL+ over the limit is on its way already: it is read and thrown away, then refused; no octet of it is
        taken for a command."""
        for wire in (self.wire("imap"), self.imap("eve")):
            octets = 100 * MIB
            evil = b"x1 LOGOUT\r\n" * 5_000
            pieces = [b"q CREATE {%d+}\r\n" % octets, *repeated(evil, octets)]
            pieces.append(b"y" * (octets - sum(map(len, pieces[1:]))))
            said = wire.pour([*pieces, b"\r\n"], rb"q NO [^\n]*\n")
            self.assertTrue(said.startswith(b"q NO [TOOBIG] "), said[:200])
            self.assertEqual(wire.ask(b"NOOP")[:4], b"q OK")

    def test_a_size_that_cannot_be_skipped(self) -> None:
        """A LITERAL+ of 2^63 octets or more ends the session with BYE."""
        wire = self.imap("eve")
        wire.send(b"q CREATE {%d+}\r\nx1 NOOP\r\n" % 2**64)
        said = wire.rest()
        self.assertRegex(said, rb"\Aq BAD [^\n]*Literal size[^\n]*\n\* BYE [^\n]*Literal size[^\n]*\n\Z")
        self.assertEqual(self.log().count("Literal size"), 1)

    def test_many_literals(self) -> None:
        """Many literals together are bounded as one is, whether they are large or small."""
        wire = self.imap("eve", mailbox="INBOX")
        large = b"q SEARCH" + b"".join(b" SUBJECT {60000+}\r\n" + b"x" * 60_000 for _ in range(20)) + b"\r\n"
        self.assertIn(b"q NO [TOOBIG]", wire.pour([large], rb"q NO [^\n]*\n"))
        small = b"q SEARCH" + b" SUBJECT {1+}\r\nx" * 20_000 + b"\r\n"
        self.assertRegex(wire.pour([small], rb"q (?:NO|BAD) [^\n]*\n"), rb"q (?:NO|BAD) .*(?:Too|imit)")
        empty = b"q SEARCH" + b" {0+}\r\n" * 20_000 + b"\r\n"
        self.assertRegex(wire.pour([empty], rb"q (?:NO|BAD) [^\n]*\n"), rb"q (?:NO|BAD) ")
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_octets_of_literals(self) -> None:
        """NUL in a literal, literal8 where none may stand, literals that end in the middle of an argument: BAD."""
        wire = self.imap("eve")
        for text in (b"CREATE {3+}\r\na\0b", b"CREATE ~{3+}\r\nabc", b"CREATE {3+}\r\nabcdef", b"CREATE a{3+}\r\nabc"):
            self.assertIn(b"q BAD", wire.ask(text), text)
        for text in (
            b"CREATE {-3}",
            b"CREATE {+}",
            b"CREATE {}",
            b"CREATE {3++}",
            b"CREATE {0x10+}",
            b"NOOP {3+}\r\nabc",
        ):
            self.assertRegex(wire.ask(text), rb"q (?:BAD|NO) ", text)
            self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_message_over_the_limit(self) -> None:
        """APPEND of a message over APPENDLIMIT is refused before it is read; with LITERAL+ it is read, thrown away and
        refused (RFC 7889 section 4: TOOBIG). Nothing is appended."""
        wire = self.imap("big", mailbox="INBOX")
        for size in (64 * MIB + 1, 2**40, 2**63 - 1):
            self.assertTrue(wire.ask(b"APPEND INBOX {%d}" % size).startswith(b"q NO [TOOBIG] "))
        octets = 70 * MIB
        pieces = [b"q APPEND INBOX {%d+}\r\n" % octets, *repeated(b"z" * 65536, octets), b"\r\n"]
        self.assertTrue(wire.pour(pieces, rb"q NO [^\n]*\n").startswith(b"q NO [TOOBIG] "))
        self.assertIn(b"* 0 EXISTS", wire.ask(b"SELECT INBOX"))

    def test_append_is_cut_off(self) -> None:
        """A client that is gone in the middle of a message leaves nothing."""
        for wire in (self.imap("cut"), self.imap("cut")):
            wire.send(b"q APPEND INBOX {%d+}\r\n" % (8 * MIB) + b"x" * MIB)
            wire.reset()
        other = self.imap("cut")
        self.assertIn(b"* 0 EXISTS", other.ask(b"SELECT INBOX"))

    def test_append_that_is_refused_at_its_end(self) -> None:
        """A message that was read and whose command then turns out wrong is not appended."""
        wire = self.imap("late")
        self.assertIn(b"q BAD", wire.ask(b"APPEND INBOX {3+}\r\nA:b nonsense"))
        self.assertIn(b"q BAD", wire.ask(b"APPEND INBOX {3+}\r\nA:b (\\Seen {3+}\r\nA:b"))
        self.assertIn(b"q NO [TOOBIG]", wire.ask(b"APPEND INBOX {3+}\r\nA:b {%d}" % 2**40))
        self.assertRegex(wire.ask(b"APPEND INBOX {0+}\r\n"), rb"q (?:NO|BAD) ")
        self.assertIn(b"* 0 EXISTS", wire.ask(b"SELECT INBOX"))

    def test_ten_thousand_messages_in_one_append(self) -> None:
        """MULTIAPPEND of 10,000 messages (RFC 3502), broken off by the client before its end, leaves nothing."""
        wire = self.imap("multi")
        wire.send(b"q APPEND INBOX" + b" {3+}\r\nA:b" * 10_000)
        wire.send(b" {3}\r\n")
        self.assertIn(b"+ OK", wire.until(rb"\+ [^\n]*\n"))
        wire.reset()
        other = self.imap("multi")
        self.assertIn(b"* 0 EXISTS", other.ask(b"SELECT INBOX"))


class Waiting(Attacked):
    """What is no command: SASL responses and the end of IDLE."""

    def test_authenticate(self) -> None:
        """AUTHENTICATE (RFC 3501 section 6.2.2): base64 that is none, and fields that are missing, are BAD; a wrong
        password is NO [AUTHENTICATIONFAILED]; a response over the limit is BAD; neither stands in the log."""
        word = SECRET.encode()
        for response in (
            b"!!!",
            b"AAA",
            b"=",
            b"=AAA",
            b"\0",
            b"\xff",
            b64encode(b"no fields"),
            b64encode(b"\0" * 5),
            b"",
        ):
            wire = self.wire("imap")
            wire.send(b"q AUTHENTICATE PLAIN\r\n")
            self.assertEqual(wire.line()[:1], b"+")
            wire.send(response + b"\r\n")
            self.assertRegex(wire.answer(), rb"q (?:BAD|NO) .{5,}", response)
            self.assertIn(b"q OK", wire.ask(b"NOOP"))
            wire.close()
        for fields in (b"root\0eve\0" + word, b"\0../x\0" + word, b"\0" + b"u" * 10_000 + b"\0" + word, b"\0eve\0x"):
            wire = self.wire("imap")
            said = wire.ask(b"AUTHENTICATE PLAIN " + b64encode(fields))
            self.assertRegex(said, rb"q NO \[AUTH[A-Z]+FAILED\] ")
            wire.close()
        for mechanism in (b"NONE", b"X" * 10_000, b"\xff", b"PLAIN LOGIN x"):
            wire = self.wire("imap")
            self.assertRegex(wire.ask(b"AUTHENTICATE " + mechanism), rb"(?:q|\*) (?:NO|BAD) ")
            wire.close()

    def test_wrong_passwords(self) -> None:
        """The third wrong password ends the session, whatever is said between them."""
        wire = self.wire("imap")
        said = wire.pour([b"q LOGIN eve wrong%d\r\nr NOOP\r\n" % number for number in range(10_000)])
        self.assertEqual(said.count(b"q NO [AUTHENTICATIONFAILED]"), 3)
        self.assertTrue(said.endswith(b"* BYE Too many failed logins.\r\n"))
        self.assertEqual(self.log().count("Too many failed logins"), 1)

    def test_huge_responses(self) -> None:
        """A SASL response of 60 KB is read, one of 100 MB is dropped as it comes; both are refused."""
        wire = self.wire("imap")
        wire.send(b"q AUTHENTICATE PLAIN\r\n")
        wire.line()
        wire.send(b64encode(b"\0" + b"u" * 22_000 + b"\0" + b"p" * 22_000) + b"\r\n")
        self.assertRegex(wire.answer(), rb"q (?:BAD|NO) ")
        wire.send(b"q AUTHENTICATE PLAIN\r\n")
        wire.line()
        self.assertRegex(
            wire.pour([*repeated(b"QUJD", 100 * MIB), b"\r\n"], rb"q BAD [^\n]*\n"), rb"q BAD .*[Tt]oo long"
        )
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_idle_and_then_anything_else(self) -> None:
        """IDLE ends at DONE; anything else is BAD (RFC 2177), also 100 MB of it, and the session goes on."""
        wire = self.imap("idle", mailbox="INBOX")
        for rubbish in (b"", b"DONE x", b"NOOP", b"\0\xff", b"q NOOP", b"x" * 200_000):
            wire.send(b"i IDLE\r\n")
            self.assertEqual(wire.line()[:1], b"+")
            wire.send(rubbish + b"\r\n")
            self.assertIn(b"i BAD", wire.answer(b"i"), rubbish[:20])
            self.assertIn(b"q OK", wire.ask(b"NOOP"))
        wire.send(b"i IDLE\r\n")
        wire.line()
        self.assertIn(b"i BAD", wire.pour([*repeated(b"D", 100 * MIB), b"\r\n"], rb"i BAD [^\n]*\n"))
        self.assertIn(b"q OK", wire.ask(b"NOOP"))

    def test_starttls_with_more_behind_it(self) -> None:
        """What was pipelined behind STARTTLS in the clear is never carried out, in or out of TLS (RFC 3501 section
        6.2.1), for IMAP, POP3 and LMTP."""
        hello = {
            "imap": (b"q STARTTLS\r\n", b"x1 LOGIN eve %b\r\nx2 CREATE injected\r\n" % SECRET.encode(), b"a NOOP\r\n"),
            "pop3": (b"STLS\r\n", b"USER eve\r\nPASS %b\r\nSTAT\r\n" % SECRET.encode(), b"CAPA\r\n"),
            "lmtp": (b"STARTTLS\r\n", b"LHLO evil\r\nMAIL FROM:<>\r\nRCPT TO:<eve>\r\n", b"NOOP\r\n"),
        }
        for service, (begin, injected, after) in hello.items():
            wire = self.wire(service)
            if service == "lmtp":
                wire.send(b"LHLO here\r\n")
                wire.until(rb"250 [^\n]*\n")
            wire.send(begin + injected)
            self.assertRegex(wire.line(), rb"\A(?:q OK|\+OK|220) ")
            wire.wrap(self.server.tls())
            wire.send(after)
            self.assertRegex(wire.line(), rb"\A(?:a OK|\+OK|250)", service)
            if service == "lmtp":
                wire.send(b"MAIL FROM:<x@y>\r\n")
                self.assertEqual(wire.line()[:3], b"503")
            if service == "imap":
                self.assertIn(b"q BAD", wire.ask(b"SELECT INBOX"))
        for user in ("eve", "bystander"):
            self.assertNotIn(b"injected", self.imap(user).ask(b'LIST "" *'))


Waiting.log_limit = 30
