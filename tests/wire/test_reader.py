"""The tests' own reader of IMAP answers: RFC 3501 section 9, and Dovecot's answers as its proof."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap import encode
from tests.imap.reader import Code, Continuation, Data, FetchData, Reader, Status, read
from tests.imap.scan import BadAnswer
from tests.peer import Dovecot

MESSAGE = (
    b'From: "J. \\"Q\\" D" <a@b.example>\r\nTo: group: x@y, z@y;, w@y\r\nSubject: =?utf-8?q?=C3=A9?= {3}\r\n'
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@b>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    b"hello\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename*=utf-8''%c3%a9\r\n\r\n"
    b"Subject: inner\r\nContent-Language: de, en\r\n\r\ninner\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: base64\r\nContent-MD5: x\r\nContent-Location: http://x/\r\n\r\nAAAA\r\n--b--\r\n"
)
SCRIPT = (
    b'1 CAPABILITY\r\n2 ID NIL\r\n3 NAMESPACE\r\n4 CREATE "a \\"q\\" b"\r\n5 SUBSCRIBE INBOX\r\n'
    b'6 LIST "" *\r\n7 LSUB "" *\r\n8 LIST (SUBSCRIBED) "" * RETURN (CHILDREN STATUS (MESSAGES SIZE))\r\n'
    b'9 APPEND INBOX (\\Seen kw) " 7-Feb-1994 21:52:25 -0800" {%d+}\r\n%b\r\n10 SELECT INBOX\r\n'
    b"11 FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY[] BODY[]<3.5>"
    b" BODY[HEADER.FIELDS (Subject Date)] BODY[2.MIME] BODY[2.TEXT] BINARY.SIZE[3] BINARY[3] RFC822.HEADER)\r\n"
    b"12 SEARCH ALL\r\n13 SEARCH RETURN (MIN MAX COUNT ALL) ALL\r\n14 UID SEARCH RETURN (ALL) 1\r\n"
    b"15 SORT (DATE) UTF-8 ALL\r\n16 THREAD REFERENCES UTF-8 ALL\r\n17 STATUS INBOX (MESSAGES UIDNEXT APPENDLIMIT)\r\n"
    b'18 COPY 1 &AOk-\r\n19 COPY 1 "a \\"q\\" b"\r\n20 ENABLE CONDSTORE\r\n21 SEARCH CHARSET X ALL\r\n22 FOO\r\n'
    b"23 STORE 1 +FLAGS (\\Deleted new)\r\n24 EXPUNGE\r\n25 IDLE\r\nDONE\r\n26 LOGOUT\r\n"
) % (len(MESSAGE), MESSAGE)


class ReaderTests(SynchronousTestCase):
    def test_status(self) -> None:
        """resp-cond-state with resp-text-code, tagged and not; BYE, PREAUTH; continue-req."""
        self.assertEqual(
            read(
                b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hello {5}\r\na1 OK done\r\n* BYE bye\r\n+ \r\n+ OK {3}\r\n"
                b'a2 NO [TRYCREATE] no\r\na3 OK [COPYUID 5 1:3,7 2] x\r\n* NO [BADCHARSET (US-ASCII "x y")] x\r\n'
                b"* OK [PERMANENTFLAGS (\\Seen \\* $a)] x\r\n* OK [HIGHESTMODSEQ 7] x\r\n"
                b"a4 BAD [X-THING a (1 NIL)] x\r\n"
            ),
            [
                Status(None, "PREAUTH", Code("CAPABILITY", ["IMAP4rev1", "IDLE"]), "hello {5}"),
                Status("a1", "OK", None, "done"),
                Status(None, "BYE", None, "bye"),
                Continuation(b""),
                Continuation(b"OK {3}"),
                Status("a2", "NO", Code("TRYCREATE", []), "no"),
                Status("a3", "OK", Code("COPYUID", [5, "1:3,7", "2"]), "x"),
                Status(None, "NO", Code("BADCHARSET", [b"US-ASCII", b"x y"]), "x"),
                Status(None, "OK", Code("PERMANENTFLAGS", ["\\Seen", "\\*", "$a"]), "x"),
                Status(None, "OK", Code("HIGHESTMODSEQ", [7]), "x"),
                Status("a4", "BAD", Code("X-THING", ["a", [1, None]]), "x"),
            ],
        )

    def test_mailbox_data(self) -> None:
        """FLAGS, LIST, LSUB, STATUS, NAMESPACE, ID, ENABLED."""
        self.assertEqual(
            read(
                b'* FLAGS (\\Seen a)\r\n* LIST (\\HasChildren) "." "a b"\r\n* LSUB () NIL {2}\r\nxy\r\n'
                b'* LIST () "/" x (CHILDINFO ("SUBSCRIBED"))\r\n* STATUS x (MESSAGES 2 APPENDLIMIT NIL)\r\n'
                b'* NAMESPACE (("" ".")("a" NIL)) NIL NIL\r\n* ID ("name" "x" "y" NIL)\r\n* ID NIL\r\n* ENABLED X\r\n'
            ),
            [
                Data("FLAGS", ["\\Seen", "a"]),
                Data("LIST", [["\\HasChildren"], b".", b"a b"]),
                Data("LSUB", [[], None, b"xy"]),
                Data("LIST", [[], b"/", b"x", [[b"CHILDINFO", [b"SUBSCRIBED"]]]]),
                Data("STATUS", [b"x", [["MESSAGES", 2], ["APPENDLIMIT", None]]]),
                Data("NAMESPACE", [[[b"", b"."], [b"a", None]], None, None]),
                Data("ID", [[[b"name", b"x"], [b"y", None]]]),
                Data("ID", [None]),
                Data("ENABLED", ["X"]),
            ],
        )

    def test_numbers(self) -> None:
        """SEARCH, ESEARCH, SORT, THREAD, EXISTS, RECENT, EXPUNGE."""
        self.assertEqual(
            read(
                b'* SEARCH\r\n* SEARCH 1 5\r\n* ESEARCH (TAG "a") UID MIN 1 ALL 1:3,5\r\n* ESEARCH\r\n* SORT 2 1\r\n'
                b"* THREAD\r\n* THREAD (1)(2 3 (4)(5 6))((7)(8))\r\n* 0 EXISTS\r\n* 1 RECENT\r\n* 3 EXPUNGE\r\n"
            ),
            [
                Data("SEARCH", []),
                Data("SEARCH", [1, 5]),
                Data("ESEARCH", [b"a", "UID", [["MIN", 1], ["ALL", "1:3,5"]]]),
                Data("ESEARCH", [None, None, []]),
                Data("SORT", [2, 1]),
                Data("THREAD", []),
                Data("THREAD", [[1], [2, 3, [4], [5, 6]], [[7], [8]]]),
                Data("EXISTS", [], 0),
                Data("RECENT", [], 1),
                Data("EXPUNGE", [], 3),
            ],
        )

    def test_fetch(self) -> None:
        """msg-att: RFC 3501's own examples (sections 7.4.2 and 8)."""
        (answer,) = read(
            b'* 12 FETCH (FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4286 ENVELOPE '
            b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
            b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
            b'"<B27397-0100000@cac.washington.edu>") BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" '
            b"3028 92)"
            b" BODY[HEADER.FIELDS (DATE)]<0> {3}\r\na)b UID 5)\r\n"
        )
        assert isinstance(answer, FetchData)
        self.assertEqual(answer.number, 12)
        items = answer.items
        self.assertEqual(items["FLAGS"], ["\\Seen"])
        self.assertEqual(items["RFC822.SIZE"], 4286)
        self.assertEqual(items["BODY"], [b"TEXT", b"PLAIN", [b"CHARSET", b"US-ASCII"], None, None, b"7BIT", 3028, 92])
        self.assertEqual(items["BODY[HEADER.FIELDS (DATE)]<0>"], b"a)b")
        self.assertEqual(items["UID"], 5)
        envelope = items["ENVELOPE"]
        assert isinstance(envelope, list)
        self.assertEqual(envelope[2], [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]])
        self.assertEqual(envelope[7:], [None, None, b"<B27397-0100000@cac.washington.edu>"])

    def test_bad(self) -> None:
        """What the grammar does not allow is told apart."""
        for answer in (
            b"* OK x\n",
            b"* OK \r\n",
            b"* OK [UIDNEXT 0] x\r\n",
            b"* OK [UNSEEN] x\r\n",
            b"* OK [READ-ONLY]\r\n",
            b"* FOO\r\n",
            b"a1 FOO x\r\n",
            b"* FLAGS \\Seen\r\n",
            b"* FLAGS (\\Seen )\r\n",
            b"* LIST () / x\r\n",
            b'* LIST () "/" a b\r\n',
            b'* LIST () "ab" x\r\n',
            b"* SEARCH \r\n",
            b"* SEARCH 0\r\n",
            b"* STATUS x (MESSAGES)\r\n",
            b"* 0 EXPUNGE\r\n",
            b"* 1 EXISTS x\r\n",
            b"* 1 FETCH ()\r\n",
            b"* 1 FETCH (FLAGS (a) FLAGS (a))\r\n",
            b"* 1 FETCH (UID 0)\r\n",
            b"* 1 FETCH (FOO 1)\r\n",
            b"* 1 FETCH (BODY[] abc)\r\n",
            b'* 1 FETCH (BODY[] "\xff")\r\n',
            b'* 1 FETCH (BODY[] "a\\b")\r\n',
            b"* 1 FETCH (BODY[] {3}\r\na\0b)\r\n",
            b'* 1 FETCH (INTERNALDATE "7-Jul-1996 02:44:25 -0700")\r\n',
            b"* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
            b"* 1 FETCH (ENVELOPE (NIL NIL () NIL NIL NIL NIL NIL NIL NIL))\r\n",
            b'* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 3028))\r\n',
            b'* 1 FETCH (BODY ("IMAGE" "PNG" NIL NIL NIL "7BIT" 3028 NIL))\r\n',
            b'* 1 FETCH (BODYSTRUCTURE ("IMAGE" "PNG" ("a") NIL NIL "7BIT" 3028))\r\n',
            b"* THREAD (1 2 (3))\r\n",
            b"* THREAD ()\r\n",
            b"* NAMESPACE () NIL NIL\r\n",
            b"half",
        ):
            with self.assertRaises(BadAnswer, msg=repr(answer)):
                read(answer)

    @given(st.lists(st.integers(0, 300), max_size=10))
    def test_chunking_does_not_matter(self, cuts: list[int]) -> None:
        """Answers are the same however the octets are cut."""
        data = b"* OK {3}\r\n* 1 FETCH (BODY[] {12}\r\n* 2 EXPUNGE\r UID 5)\r\n* LSUB () NIL {0}\r\n\r\na OK x\r\n"
        reader = Reader()
        answers = []
        for start, end in pairwise(sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})):
            answers += reader.feed(data[start:end])
        self.assertEqual(answers, read(data))
        self.assertEqual(len(answers), 4)

    @given(st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"")))
    def test_strings_of_ours(self, value: bytes) -> None:
        """What wire/imap/encode.py writes is read as what was meant."""
        for encoded in (encode.string(value), encode.quoted(value)):
            self.assertEqual(read(b"* 1 FETCH (BODY[] %b)\r\n" % encoded), [FetchData(1, {"BODY[]": value})])
        self.assertEqual(read(b"* LSUB () NIL %b\r\n" % encode.astring(value)), [Data("LSUB", [[], None, value])])


class DovecotTests(SynchronousTestCase):
    def test_dovecot(self) -> None:
        """Every kind of answer that Dovecot gives is read, and all of them are consumed."""
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            base.chmod(0o755)
            dovecot = Dovecot(base, f"maildir:{base}/mail/%u")
            (base / "mail").mkdir()
            dovecot.own(base)
            answers = read(dovecot.run("imap", "reader", SCRIPT))
        tags = [answer.tag for answer in answers if isinstance(answer, Status) and answer.tag]
        # Not in order: Dovecot runs commands at once that do not depend on each other.
        self.assertEqual(sorted(map(int, tags)), list(range(1, 27)))
        (fetched,) = (answer for answer in answers if isinstance(answer, FetchData) and "BODY[]" in answer.items)
        self.assertEqual(fetched.items["BODY[]"], MESSAGE)
        self.assertEqual(fetched.items["BINARY[3]"], b"\0\0\0")
        kinds = {answer.kind for answer in answers if isinstance(answer, Data)}
        self.assertLessEqual(
            {"LIST", "LSUB", "STATUS", "ESEARCH", "SORT", "THREAD", "NAMESPACE", "EXPUNGE", "ENABLED"}, kinds
        )
