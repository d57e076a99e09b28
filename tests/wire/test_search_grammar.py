"""SEARCH, SORT and THREAD, well-formed and broken (RFC 3501 section 6.4.4, RFC 4731, 5032, 5256)."""

from __future__ import annotations

from datetime import date

from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.types import (
    STAR,
    KeyAll,
    KeyAnd,
    KeyDate,
    KeyFlag,
    KeyHeader,
    KeyNot,
    KeyNumbers,
    KeyOr,
    KeyRecent,
    KeySize,
    KeyText,
    KeyWithin,
    NumberSet,
    SearchKey,
)
from tests.wire.conversation import GrammarCase, read, refusal

ONE = NumberSet(((1, 1),))


def key(program: bytes) -> SearchKey:
    command = read(b"SEARCH " + program)
    assert isinstance(command, wire.Search)
    return command.key


class SearchTests(GrammarCase):
    def test_keys(self) -> None:
        """Every search-key of RFC 3501 section 9 and RFC 5032."""
        day = date(1994, 2, 1)
        for text, expected in (
            (b"ALL", KeyAll()),
            (b"answered", KeyFlag("\\Answered")),
            (b"UNANSWERED", KeyFlag("\\Answered", absent=True)),
            (b"DELETED", KeyFlag("\\Deleted")),
            (b"UNDELETED", KeyFlag("\\Deleted", absent=True)),
            (b"DRAFT", KeyFlag("\\Draft")),
            (b"UNDRAFT", KeyFlag("\\Draft", absent=True)),
            (b"FLAGGED", KeyFlag("\\Flagged")),
            (b"UNFLAGGED", KeyFlag("\\Flagged", absent=True)),
            (b"SEEN", KeyFlag("\\Seen")),
            (b"UNSEEN", KeyFlag("\\Seen", absent=True)),
            (b"KEYWORD $x", KeyFlag("$x")),
            (b'UNKEYWORD "y"', KeyFlag("y", absent=True)),
            (b"KEYWORD \\seen", KeyFlag("\\Seen")),
            (b"NEW", KeyAnd((KeyRecent(), KeyFlag("\\Seen", absent=True)))),
            (b"OLD", KeyRecent(absent=True)),
            (b"RECENT", KeyRecent()),
            (b"BCC x", KeyHeader("Bcc", "x")),
            (b"CC x", KeyHeader("Cc", "x")),
            (b"FROM x", KeyHeader("From", "x")),
            (b'SUBJECT "a b"', KeyHeader("Subject", "a b")),
            (b"TO {1+}\r\nx", KeyHeader("To", "x")),
            (b'HEADER X-Y ""', KeyHeader("X-Y", "")),
            (b"BODY x", KeyText("x", body=True)),
            (b"TEXT NIL", KeyText("NIL")),
            (b"BEFORE 1-Feb-1994", KeyDate("internal", "<", day)),
            (b"ON 01-feb-1994", KeyDate("internal", "=", day)),
            (b'SINCE "1-FEB-1994"', KeyDate("internal", ">=", day)),
            (b"SENTBEFORE 1-Feb-1994", KeyDate("sent", "<", day)),
            (b"SENTON 1-Feb-1994", KeyDate("sent", "=", day)),
            (b"SENTSINCE 1-Feb-1994", KeyDate("sent", ">=", day)),
            (b"LARGER 5", KeySize(5)),
            (b"SMALLER 99999999999", KeySize(99999999999, smaller=True)),
            (b"OLDER 60", KeyWithin(60, older=True)),
            (b"YOUNGER 60", KeyWithin(60)),
            (b"UID 1:*", KeyNumbers(NumberSet(((1, STAR),)), uid=True)),
            (b"1", KeyNumbers(ONE)),
            (b"*", KeyNumbers(NumberSet(((STAR, STAR),)))),
            (b"NOT SEEN", KeyNot(KeyFlag("\\Seen"))),
            (b"NOT NOT SEEN", KeyFlag("\\Seen")),
            (b"OR SEEN 1", KeyOr(KeyFlag("\\Seen"), KeyNumbers(ONE))),
            (b"(SEEN)", KeyFlag("\\Seen")),
            (b"( SEEN  1 )", KeyAnd((KeyFlag("\\Seen"), KeyNumbers(ONE)))),
            (b"SEEN NOT (1 ALL)", KeyAnd((KeyFlag("\\Seen"), KeyNot(KeyAnd((KeyNumbers(ONE), KeyAll())))))),
        ):
            self.assertEqual(key(text), expected)
            self.assertEqual(key(text + b" "), expected)
            self.assertEqual(key(b"(" + text + b")"), expected)

    def test_bad_keys(self) -> None:
        """What is no search-key is refused."""
        for text in (
            b"",
            b"FOO",
            b"NOT",
            b"OR SEEN",
            b"OR SEEN (",
            b"()",
            b"(SEEN",
            b"SEEN)",
            b"SUBJECT",
            b"SUBJECT (x)",
            b"SUBJECT \xc3\xa9",
            b"HEADER X",
            b'"ALL"',
            b"{3+}\r\nALL",
            b"SINCE 31-Feb-2020",
            b"SINCE 1-Foo-2020",
            b"SINCE 1-Jan-20",
            b'SINCE "1-Jan-2020',
            b'SINCE 1-Jan-2020"',
            b"SINCE {10+}\r\n1-Jan-2020",
            b"ON 1-Jan-0000",
            b"LARGER x",
            b"LARGER -1",
            b"LARGER 9223372036854775808",
            b"OLDER 0",
            b"UID",
            b"UID x",
            b"KEYWORD \\Foo",
            b"KEYWORD (x)",
            b'KEYWORD "a b"',
            b"MODSEQ 5",
            b"1 CHARSET UTF-8 ALL",
            b"ALL SEEN FOO",
            b"SEENALL",
        ):
            self.refused(b"SEARCH " + text, b"UID SEARCH " + text)

    def test_or_chain(self) -> None:
        """A chain of OR is the same question as a balanced tree, which nobody's recursion breaks on."""
        self.assertEqual(
            key(b"OR 1 OR 2 OR 3 4"),
            KeyOr(KeyOr(key(b"1"), key(b"2")), KeyOr(key(b"3"), key(b"4"))),
        )
        self.assertEqual(key(b"OR OR 1 2 3"), KeyOr(key(b"1"), KeyOr(key(b"2"), key(b"3"))))
        self.assertEqual(key(b"OR NOT OR 1 2 3"), KeyOr(KeyNot(KeyOr(key(b"1"), key(b"2"))), key(b"3")))
        self.assertEqual(key(b"OR 1 2 3"), KeyAnd((KeyOr(key(b"1"), key(b"2")), key(b"3"))))

        def depth(tree: SearchKey) -> int:
            return 1 + max(depth(tree.left), depth(tree.right)) if isinstance(tree, KeyOr) else 0

        self.assertEqual(depth(key(b"OR HEADER Message-ID x " * 400 + b"ALL")), 9)

    def test_depth(self) -> None:
        """Nesting without end, or keys without number, are refused with NO [LIMIT] and without a RecursionError."""
        for program in (
            b"(" * 10_000,
            b"(" * 10_000 + b"ALL" + b")" * 10_000,
            b"NOT " * 10_000 + b"ALL",
            b"OR " * 10_000 + b"ALL",
            b"OR NOT " * 5000 + b"ALL",
            b"OR ALL NOT " * 5000 + b"ALL",
            b"NOT (" * 5000 + b"ALL",
            b"ALL " * 10_000,
            b"(ALL " * 5000,
            b"OR ALL (" * 5000,
        ):
            event = refusal(b"SEARCH " + program)
            self.assertEqual((event.no, event.code), (True, "LIMIT"), program[:20])
        self.refused(b"FETCH 1 " + b"(" * 10_000, b"LIST " + b"(" * 10_000, b"STORE 1 FLAGS " + b"(" * 10_000)
        self.refused(b"STATUS x " + b"(" * 10_000, b"ID " + b"(" * 10_000, b"CREATE x " + b"(" * 10_000)
        self.assertIsInstance(key(b"(" * 49 + b"ALL" + b")" * 49), KeyAll)

    def test_return(self) -> None:
        """SEARCH RETURN (MIN MAX COUNT ALL) (RFC 4731); () is ALL to the session."""
        self.assertEqual(
            read(b"UID SEARCH RETURN (min COUNT min) CHARSET utf-8 ALL"),
            wire.Search(KeyAll(), ("MIN", "COUNT"), "UTF-8", uid=True),
        )
        self.assertEqual(read(b"SEARCH return () ALL"), wire.Search(KeyAll(), ()))
        self.assertEqual(read(b"SEARCH ALL"), wire.Search(KeyAll()))
        self.refused(
            b"SEARCH RETURN (FOO) ALL", b"SEARCH RETURN (MIN)", b"SEARCH RETURN MIN ALL", b"SEARCH RETURN (MIN ALL"
        )
        self.refused(b"SEARCH CHARSET UTF-8 RETURN (MIN) ALL", b"SEARCH RETURN (SAVE) ALL")

    def test_charsets(self) -> None:
        """Strings are in the CHARSET; without one, UTF-8 is understood too (leniency)."""
        for charset, raw, text in (
            (b"UTF-8", "é".encode(), "é"),
            (b"ISO-8859-1", b"\xe9", "é"),
            (b"iso-8859-15", b"\xa4", "€"),
            (b'"windows-1251"', b"\xe6", "ж"),
            (b"KOI8-R", b"\xd6", "ж"),
            (b"ISO-2022-JP", b"\x1b$BF|\x1b(B", "日"),
            (b"GB2312", b"\xc8\xd5", "日"),
            (b"Shift_JIS", b"\x93\xfa", "日"),
            (b"US-ASCII", b"abc", "abc"),
        ):
            literal = b"{%d+}\r\n%b" % (len(raw), raw)
            command = read(b"SEARCH CHARSET " + charset + b" SUBJECT " + literal)
            assert isinstance(command, wire.Search)
            self.assertEqual(command.key, KeyHeader("Subject", text))
            self.assertEqual(command.charset, charset.strip(b'"').decode().upper())
        self.assertEqual(key(b'TEXT "\xc3\xa9"'), KeyText("é"))
        self.refused(
            b"SEARCH CHARSET UTF-8 TEXT {1+}\r\n\xff", b'SEARCH TEXT "\xff"', b"SEARCH CHARSET", b"SEARCH CHARSET UTF-8"
        )

    def test_unknown_charset(self) -> None:
        """NO [BADCHARSET], and no codec that does other things than text (RFC 3501 section 6.4.4)."""
        for name in (b"FOO", b"rot13", b"zlib", b"base64", b"idna", b"unicode_escape", b"mbcs", b"../../x", b"UTF-16"):
            for line in (
                b"SEARCH CHARSET " + name + b" ALL",
                b"UID SORT (DATE) " + name + b" ALL",
                b"THREAD REFERENCES " + name + b" ALL",
            ):
                event = refusal(line)
                self.assertEqual((event.no, event.code), (True, "BADCHARSET"))


class SortTests(GrammarCase):
    def test_sort(self) -> None:
        """sort = ["UID" SP] "SORT" SP sort-criteria SP search-criteria (RFC 5256 section 5)."""
        self.assertEqual(
            read(b"SORT (SUBJECT reverse date) UTF-8 ALL SEEN"),
            wire.Sort((("SUBJECT", False), ("DATE", True)), KeyAnd((KeyAll(), KeyFlag("\\Seen"))), "UTF-8"),
        )
        self.assertEqual(
            read(b"UID SORT (ARRIVAL CC FROM SIZE TO) us-ascii 1"),
            wire.Sort(
                tuple((name, False) for name in ("ARRIVAL", "CC", "FROM", "SIZE", "TO")),
                KeyNumbers(ONE),
                "US-ASCII",
                uid=True,
            ),
        )
        self.refused(
            b"SORT", b"SORT () UTF-8 ALL", b"SORT (FOO) UTF-8 ALL", b"SORT (REVERSE) UTF-8 ALL", b"SORT DATE UTF-8 ALL"
        )
        self.refused(b"SORT (DATE) UTF-8", b"SORT (DATE REVERSE) UTF-8 ALL", b"SORT (DATE)", b"SORT (DATE) UTF-8 FOO")

    def test_thread(self) -> None:
        """thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria."""
        self.assertEqual(read(b"THREAD references UTF-8 ALL"), wire.Thread("REFERENCES", KeyAll(), "UTF-8"))
        self.assertEqual(
            read(b"UID THREAD ORDEREDSUBJECT UTF-8 ALL"), wire.Thread("ORDEREDSUBJECT", KeyAll(), "UTF-8", uid=True)
        )
        self.refused(b"THREAD", b"THREAD FOO UTF-8 ALL", b"THREAD REFERENCES", b"THREAD REFERENCES UTF-8")
