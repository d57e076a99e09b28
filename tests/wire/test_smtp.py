"""LMTP on the wire: RFC 5321, 2033, 3030, 1870, 6152, 6531."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.lines import TOO_LONG
from mailhub.wire.smtp import (
    Address,
    Chunk,
    Command,
    DataSignal,
    Mail,
    Refusal,
    SmtpInput,
    read_bdat,
    read_hello,
    read_mail,
    read_rcpt,
)
from tests.wire.test_pop3 import pieces

CONTENT = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\r", b"\n", b"bc"]), max_size=25).map(
    lambda parts: b"".join(parts)
)


def converse(chunks: list[bytes]) -> list[Any]:
    """Read a stream in which DATA and BDAT are always granted; contents are joined."""
    reader = SmtpInput()
    found: list[Any] = []
    content: list[bytes] | None = None
    for chunk in chunks:
        reader.feed(chunk)
        while True:
            if content is None:
                command = reader.next_command()
                if command is None:
                    break
                found.append(command if command is TOO_LONG else command.verb)
                if found[-1] == "DATA":
                    reader.begin_data()
                    content = []
                elif found[-1] == "BDAT":
                    reader.begin_chunk(read_bdat(command.argument).size)
                    content = []
            else:
                piece = reader.next_data()
                if piece is DataSignal.NEED_DATA:
                    break
                if piece is DataSignal.END:
                    found.append(b"".join(content))
                    content = None
                else:
                    content.append(piece)
    return found


def send(content: bytes) -> bytes:
    """Return content as a sender puts it on the wire: dots added after CRLF, ended (RFC 5321 section 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if not content or content.endswith(b"\r\n") else b"\r\n.\r\n")


class DataTests(SynchronousTestCase):
    @given(CONTENT, CONTENT, st.lists(st.integers(0, 120), max_size=12))
    def test_transparency(self, first: bytes, second: bytes, cuts: list[int]) -> None:
        """What a sender stuffed comes out as it was, wherever TCP cuts, and commands behind it are found
        (RFC 5321 section 4.5.2)."""
        stream = b"DATA\r\n" + send(first) + b"DATA\r\n" + send(second) + b"NOOP\r\n"
        found = converse(pieces(stream, cuts))
        whole = [c if not c or c.endswith(b"\r\n") else c + b"\r\n" for c in (first, second)]
        self.assertEqual(found, ["DATA", whole[0], "DATA", whole[1], "NOOP"])

    def test_only_crlf_dot_crlf_ends(self) -> None:
        """LF.LF and its mixtures are content (RFC 5321 section 4.1.1.4). Deliberate difference: Dovecot 2.3.19 ends
        there, and would run the lines behind it as commands."""
        for ending in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\n.\r"):
            with self.subTest(ending):
                found = converse([b"DATA\r\na" + ending + b"MAIL FROM:<evil>\r\n.\r\n"])
                self.assertEqual(len(found), 2)
                self.assertIn(b"MAIL FROM:<evil>\r\n", found[1])

    def test_byte_at_a_time_is_linear(self) -> None:
        """A sender of single octets costs time in proportion to what it sends."""
        reader = SmtpInput()
        reader.begin_data()
        start = time.process_time()
        for _ in range(100_000):
            reader.feed(b"x")
            self.assertEqual(reader.next_data(), b"x")
        self.assertLess(time.process_time() - start, 2.0)

    @given(st.binary(max_size=40), st.lists(st.integers(0, 120), max_size=12))
    def test_chunks(self, octets: bytes, cuts: list[int]) -> None:
        """BDAT takes exactly as many octets as it says, whatever they are (RFC 3030 section 2)."""
        stream = b"BDAT %d\r\n%sBDAT 0 LAST\r\nNOOP\r\n" % (len(octets), octets)
        self.assertEqual(converse(pieces(stream, cuts)), ["BDAT", octets, "BDAT", b"", "NOOP"])


class CommandTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Verbs are case-insensitive, a line over the limit does not lose sync (RFC 5321 section 4.5.3.1.4)."""
        reader = SmtpInput(20)
        reader.feed(b"noop  \r\nMAIL FROM:<a>\r\n" + b"x" * 30 + b"\r\nQUIT\r\n")
        found = [reader.next_command() for _ in range(5)]
        self.assertEqual([getattr(c, "verb", c) for c in found], ["NOOP", "MAIL", TOO_LONG, "QUIT", None])

    def test_control_characters(self) -> None:
        """A command holds no control characters, and two blanks are none of its separators; sync is kept."""
        reader = SmtpInput()
        reader.feed(b"NO\x00OP\r\nMAIL  FROM:<a>\r\nN\xc3\xb6\r\nNOOP \x01\r\nNOOP\r\n")
        for _ in range(4):
            with self.assertRaises(Refusal) as caught:
                reader.next_command()
            self.assertEqual(caught.exception.code, 500)
        self.assertEqual(reader.next_command(), Command("NOOP", b""))

    def test_hello(self) -> None:
        """LHLO takes a domain or an address literal (RFC 5321 section 4.1.1.1)."""
        for good in (b"a.example", b"localhost", b"[127.0.0.1]", b"[IPv6:::1]", b"a_b"):
            self.assertEqual(read_hello(good), good.decode())
        for bad in (b"", b"a b", b"a<b", b"[", b"\xff"):
            with self.subTest(bad), self.assertRaises(Refusal):
                read_hello(bad)

    def test_mail(self) -> None:
        """MAIL FROM with the parameters of SIZE, 8BITMIME and SMTPUTF8."""
        for text, wanted in (
            ("FROM:<>", Mail(None)),
            ("from:<a@b.example> ", Mail(Address("a", "b.example"))),
            ("FROM:<root>", Mail(Address("root"))),
            ("FROM:<a@[1.2.3.4]> SIZE=12", Mail(Address("a", "[1.2.3.4]"), 12)),
            ("FROM:<a@b> BODY=8bitmime SIZE=0", Mail(Address("a", "b"), 0, True)),
            ("FROM:<a@b> BODY=7BIT", Mail(Address("a", "b"))),
            ("FROM:<J\u00f6@b> SMTPUTF8", Mail(Address("J\u00f6", "b"), utf8=True)),
            ("FROM:<@x.org,@y:a@b>", Mail(Address("a", "b"))),
        ):
            with self.subTest(text):
                self.assertEqual(read_mail(text.encode()), wanted)

    def test_mail_refused(self) -> None:
        """555 for unknown parameters, 501 for bad syntax (RFC 5321 section 4.1.1.11), 553 for an address outside of
        ASCII without SMTPUTF8 (RFC 6531 section 3.5)."""
        for text, code in (
            (b"<a@b>", 501),
            (b"FROM:a@b", 501),
            (b"FROM: <a@b>", 501),
            (b"FROM:<a b@c>", 501),
            (b"FROM:<a@b@c>", 501),
            (b"FROM:<a@b", 501),
            (b"FROM:<a@>", 501),
            (b"FROM:<a@b>SIZE=1", 501),
            (b"FROM:<a@b> SIZE=x", 501),
            (b"FROM:<a@b> SIZE", 501),
            (b"FROM:<a@b> SIZE=1 SIZE=2", 501),
            (b"FROM:<a@b> =x", 501),
            (b"FROM:<a@b> SMTPUTF8=1", 501),
            (b"FROM:<\xff@b>", 501),
            (b"FROM:<a@b> FOO=bar", 555),
            (b"FROM:<a@b> RET=HDRS", 555),
            (b"FROM:<a@b> BODY=BINARYMIME", 555),
            (b"FROM:<a@b> BODY", 555),
            ("FROM:<J\u00f6@b>".encode(), 553),
        ):
            with self.subTest(text), self.assertRaises(Refusal) as caught:
                read_mail(text)
            self.assertEqual(caught.exception.code, code, text)

    def test_rcpt(self) -> None:
        """RCPT TO: quoted local parts, no domain, source routes dropped (RFC 5321 sections 4.1.2, F.2)."""
        for text, wanted, shown in (
            ("TO:<u1>", Address("u1"), "u1"),
            ("to:<u1+d@x.org>", Address("u1+d", "x.org"), "u1+d@x.org"),
            ('TO:<"u 4"@x.org>', Address("u 4", "x.org"), '"u 4"@x.org'),
            ('TO:<"q\\"x\\\\">', Address('q"x\\'), '"q\\"x\\\\"'),
            ('TO:<"plain"@x>', Address("plain", "x"), "plain@x"),
            ("TO:<@a,@b:u5@x.org>", Address("u5", "x.org"), "u5@x.org"),
            ('TO:<""@x>', Address("", "x"), '""@x'),
        ):
            with self.subTest(text):
                address = read_rcpt(text.encode())
                self.assertEqual((address, str(address)), (wanted, shown))
                self.assertEqual(read_rcpt(f"TO:<{address}>".encode()), address)

    def test_rcpt_refused(self) -> None:
        """No null path, and no parameters, for none are offered."""
        for text, code in (
            (b"TO:<>", 501),
            (b"TO:<u> NOTIFY=NEVER", 555),
            (b"TO:u", 501),
            (b"TO:<" + b"u" * 256 + b">", 501),
            (b"TO:<u@" + b"x" * 256 + b">", 501),
            ("TO:<\u00f6>".encode(), 553),
        ):
            with self.subTest(text), self.assertRaises(Refusal) as caught:
                read_rcpt(text)
            self.assertEqual(caught.exception.code, code)
        self.assertEqual(read_rcpt("TO:<\u00f6>".encode(), utf8=True), Address("\u00f6"))

    @given(st.text(max_size=20), st.one_of(st.none(), st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9})?", fullmatch=True)))
    def test_addresses_survive(self, local: str, domain: str | None) -> None:
        """What str() writes, the parser reads back."""
        try:
            octets = f"TO:<{Address(local, domain)}>".encode()
        except UnicodeEncodeError:
            return
        try:
            read = read_rcpt(octets, utf8=True)
        except Refusal:
            return
        self.assertEqual(read, Address(local, domain))

    def test_bdat(self) -> None:
        """BDAT chunk-size [LAST] (RFC 3030 section 2)."""
        self.assertEqual(read_bdat(b"5"), Chunk(5, False))
        self.assertEqual(read_bdat(b"0 last"), Chunk(0, True))
        wrong = read_bdat(b"3 FOO")
        self.assertEqual((wrong.size, wrong.refusal.code if wrong.refusal else 0), (3, 501))
        for bad in (b"", b"x", b"-1", b"1 LAST x", b"9" * 19):
            with self.subTest(bad), self.assertRaises(Refusal):
                read_bdat(bad)
