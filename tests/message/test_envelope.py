"""ENVELOPE, BODY and BODYSTRUCTURE as the RFCs show them; the odd cases are in test_against_dovecot."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mailhub.message import known
from mailhub.message.addresses import parse_addresses
from mailhub.message.message import Message, canonical
from mailhub.message.params import parse_content_type
from mailhub.message.quote import human_string, nstring

EXAMPLE = canonical(
    b"""Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

"""
    + b"x" * 48
    + b"\n"
)


class EnvelopeTests(SynchronousTestCase):
    def test_example(self) -> None:
        """RFC 3501 section 8 shows this ENVELOPE; sender and reply-to are those of from (section 7.4.2)."""
        self.assertEqual(
            known.ENVELOPE.make(Message(EXAMPLE)),
            b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
            b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
            b'"<B27397-0100000@cac.washington.edu>")',
        )

    def test_body_and_bodystructure(self) -> None:
        """RFC 3501 section 7.4.2: BODY is BODYSTRUCTURE without extension data."""
        message = Message(EXAMPLE)
        basic = b'"TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 50 1'
        self.assertEqual(known.BODY.make(message), b"(" + basic + b")")
        self.assertEqual(known.BODYSTRUCTURE.make(message), b"(" + basic + b" NIL NIL NIL NIL)")

    def test_empty_message(self) -> None:
        """RFC 3501 section 7.4.2: what is not there is NIL, and text/plain is the default (RFC 2045 section 5.2)."""
        self.assertEqual(known.ENVELOPE.make(Message(b"")), b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")
        self.assertEqual(
            known.BODYSTRUCTURE.make(Message(b"")),
            b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)',
        )

    def test_strings(self) -> None:
        """RFC 3501 section 4.3: 8-bit octets and line ends need a literal; quotes and backslashes are escaped."""
        self.assertEqual(nstring(None), b"NIL")
        self.assertEqual(nstring(b""), b'""')
        self.assertEqual(nstring(b'a "b" \\'), b'"a \\"b\\" \\\\"')
        self.assertEqual(nstring(b"caf\xe9"), b"{4}\r\ncaf\xe9")
        self.assertEqual(nstring(b'"""""'), b'{5}\r\n"""""')
        self.assertEqual(human_string(b" a\t b "), b"{3}\r\na b")


class AddressTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """RFC 5322 section 3.4 and 4.4: names, quoted names, comments as names, routes, groups."""
        self.assertEqual(
            parse_addresses(b'"Joe Q. Public" <john.q@example.com>, Mary Smith <mary@x.test>, jdoe@test (Pete)'),
            [
                (b"Joe Q. Public", None, b"john.q", b"example.com"),
                (b"Mary Smith", None, b"mary", b"x.test"),
                (b"Pete", None, b"jdoe", b"test"),
            ],
        )
        self.assertEqual(parse_addresses(b"<@a,@b:c@d>"), [(None, b"@a,@b", b"c", b"d")])

    def test_group(self) -> None:
        """RFC 3501 section 7.4.2: a group begins with a mailbox that has no host and ends with an empty entry."""
        self.assertEqual(
            parse_addresses(b"A Group:Ed <joe@where.test>,one@y.test;"),
            [
                (None, None, b"A Group", None),
                (b"Ed", None, b"joe", b"where.test"),
                (None, None, b"one", b"y.test"),
                (None, None, None, None),
            ],
        )
        self.assertEqual(
            parse_addresses(b"Undisclosed:;"), [(None, None, b"Undisclosed", None), (None, None, None, None)]
        )

    def test_missing(self) -> None:
        """What an address lacks is named, so that clients have something to show (as Dovecot)."""
        self.assertEqual(
            parse_addresses(b"just a name"), [(b"just a name", None, b"MISSING_MAILBOX", b"MISSING_DOMAIN")]
        )
        self.assertEqual(parse_addresses(b"local"), [(None, None, b"local", b"MISSING_DOMAIN")])
        self.assertEqual(parse_addresses(b"x <a@b c>"), [(b"x", None, b"a", b"SYNTAX_ERROR")])
        self.assertEqual(parse_addresses(b" (nobody) "), [])


class ParamsTests(SynchronousTestCase):
    def test_continuations(self) -> None:
        """RFC 2231 section 3 and 4: pieces are joined in order and stay percent-encoded under name*."""
        found = parse_content_type(b"a/b; n*1=\"b c\"; n*0*=us-ascii'en'a%20; t=1")
        self.assertEqual(found.params, ((b"t", b"1"), (b"n*", b"us-ascii'en'a%20b c")))

    def test_missing_piece(self) -> None:
        """RFC 2231 section 3: a piece that is missing leaves the others as they are."""
        self.assertEqual(parse_content_type(b"a/b; n*0=x; n*2=y").params, ((b"n*0", b"x"), (b"n*2", b"y")))

    def test_broken_type(self) -> None:
        """RFC 2045 section 5.1: a type that cannot be read is empty, not text/plain (as Dovecot)."""
        found = parse_content_type(b"text plain; charset=x")
        self.assertEqual((found.main, found.sub, found.params), (b"", b"", ()))
        self.assertEqual(parse_content_type(b"multipart").main, b"application")
