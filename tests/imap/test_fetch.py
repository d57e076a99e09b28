"""FETCH, SEARCH, SORT and THREAD: exact answers."""

from __future__ import annotations

from tests.imap.conversation import Client, Conversation

MIME = (
    "From: A <a@example.org>\r\nSubject: mime\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
    "--b\r\nContent-Type: text/x\r\nContent-Transfer-Encoding: x-strange\r\n\r\n?\r\n--b--\r\n"
)


class FetchTests(Conversation):
    def one(self, data: str = "Subject: a\r\n\r\nabcdef") -> Client:
        client = self.session(None)
        client.append(data)
        client.ok("SELECT INBOX")
        client.ok("SELECT INBOX")
        return client

    def test_order_of_items(self) -> None:
        """Small items first, then the others as asked, each once, as Dovecot does."""
        client = self.one()
        self.assertEqual(
            client.ok("FETCH 1 (BODY.PEEK[TEXT] ENVELOPE FLAGS UID RFC822.SIZE)"),
            [
                "* 1 FETCH (FLAGS () UID 1 RFC822.SIZE 20 BODY[TEXT] {6}",
                'abcdef ENVELOPE (NIL "a" NIL NIL NIL NIL NIL NIL NIL NIL))',
            ],
        )
        self.assertEqual(client.ok("UID FETCH 1 (FLAGS FLAGS)"), ["* 1 FETCH (UID 1 FLAGS ())"])

    def test_seen(self) -> None:
        """RFC 3501 section 6.4.5: BODY[] sets \\Seen and shows FLAGS once; PEEK and RFC822.HEADER do not."""
        client, other = self.one(), self.session()
        for peek in ("BODY.PEEK[]", "RFC822.HEADER", "ENVELOPE", "BODY", "BINARY.PEEK[1]", "BINARY.SIZE[1]"):
            self.assertNotIn("FLAGS", client.ok(f"FETCH 1 {peek}")[0])
        self.assertEqual(client.ok("FETCH 1 BODY[TEXT]"), ["* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {6}", "abcdef)"])
        self.assertEqual(client.ok("FETCH 1 BODY[TEXT]"), ["* 1 FETCH (BODY[TEXT] {6}", "abcdef)"])
        self.assertEqual(other.ok("NOOP"), ["* 1 FETCH (FLAGS (\\Seen))"])
        for seen in ("RFC822", "RFC822.TEXT", "BODY[HEADER]", "BINARY[1]", "BODY[]<0.1>"):
            client.ok("STORE 1 FLAGS.SILENT ()")
            self.assertIn("(UID 1 FLAGS (\\Seen) ", client.ok(f"UID FETCH 1 {seen}")[0], seen)
            self.assertEqual(client.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Seen))"], seen)

    def test_sections(self) -> None:
        """RFC 3501 section 6.4.5, sections and partials; field names in upper case as in Dovecot."""
        client = self.one()
        for section, answer in {
            "BODY[]<16.100>": ["BODY[]<16> {4}", "cdef"],
            "BODY[]<99.1>": ["BODY[]<99> {0}", ""],
            "BODY[HEADER]": ["BODY[HEADER] {14}", "Subject: a", "", ""],
            "BODY[HEADER.FIELDS (subject x)]<0.7>": ["BODY[HEADER.FIELDS (SUBJECT X)]<0> {7}", "Subject"],
            "BODY[HEADER.FIELDS.NOT (subject)]": ["BODY[HEADER.FIELDS.NOT (SUBJECT)] {2}", "", ""],
            "BODY[1]": ["BODY[1] {6}", "abcdef"],
            "BODY[1.MIME]": ["BODY[1.MIME] {14}", "Subject: a", "", ""],
            "BODY[7]": ["BODY[7] {0}", ""],
        }.items():
            said = client.ok(f"FETCH 1 {section.replace('[', '.PEEK[', 1)}")
            answer[-1] += ")"
            self.assertEqual(said, [f"* 1 FETCH ({answer[0]}", *answer[1:]], section)
        for broken in (
            "BODY[",
            "BODY[MIME]",
            "BODY[FOO]",
            "BODY[HEADER.FIELDS ()]",
            "()",
            "FOO",
            "BODY[]<1>",
            "MODSEQ",
        ):
            self.assertRegex(client.tagged(f"FETCH 1 {broken}"), "^BAD", broken)

    def test_binary(self) -> None:
        """RFC 3516: decoded octets, their size, and what cannot be decoded."""
        client = self.one(MIME)
        self.assertEqual(client.ok("FETCH 1 BINARY.PEEK[1]"), ["* 1 FETCH (BINARY[1] ~{5}", "hello)"])
        self.assertEqual(client.ok("FETCH 1 BINARY.PEEK[1]<1.2>"), ["* 1 FETCH (BINARY[1]<1> ~{2}", "el)"])
        self.assertEqual(client.ok("FETCH 1 BINARY.SIZE[1]"), ["* 1 FETCH (BINARY.SIZE[1] 5)"])
        self.assertRegex(client.tagged("FETCH 1 BINARY.PEEK[2]"), r"^NO \[UNKNOWN-CTE\]")

    def test_large_message(self) -> None:
        """A message that is not held in memory is streamed; every item is as for a small one."""
        body = "0123456789abcdef\r\n" * 20_000
        head = "Subject: large\r\n\r\n"
        client = self.one(head + body)
        client.send(b"a FETCH 1 (UID BODY.PEEK[] RFC822.SIZE ENVELOPE)\r\n")
        size = len(head + body)
        self.assertEqual(
            client.raw().split(b"\r\na OK")[0].decode(),
            f"* 1 FETCH (UID 1 RFC822.SIZE {size} BODY[] {{{size}}}\r\n{head}{body}"
            ' ENVELOPE (NIL "large" NIL NIL NIL NIL NIL NIL NIL NIL))',
        )
        self.assertEqual(client.ok("FETCH 1 BODY.PEEK[TEXT]<18.4>"), ["* 1 FETCH (BODY[TEXT]<18> {4}", "0123)"])
        self.assertEqual(client.ok("FETCH 1 BODY.PEEK[1]<360000.4>"), ["* 1 FETCH (BODY[1]<360000> {0}", ")"])
        self.assertEqual(client.ok("FETCH 1 BODY[]<0.3>"), ["* 1 FETCH (FLAGS (\\Seen) BODY[]<0> {3}", "Sub)"])
        self.assertEqual(client.ok("FETCH 1 BINARY.SIZE[1]"), [f"* 1 FETCH (BINARY.SIZE[1] {len(body)})"])
        client.send(b"a FETCH 1 BODY.PEEK[]<0.1>\r\nb FETCH 1 BODY.PEEK[]<0.1>\r\n")
        self.assertEqual(client.raw().count(b"BODY[]<0> {1}\r\nS)\r\n"), 2)

    def test_nul(self) -> None:
        """NUL cannot stand in a literal: 0x80 is sent, as Dovecot does."""
        client = self.one("a: b\r\n\r\nx\0y")
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n")
        self.assertIn(b"{11}\r\na: b\r\n\r\nx\x80y)", client.raw())

    def test_together(self) -> None:
        """FETCHes of one message each that came together are answered one by one, in order; wrong ones are BAD."""
        client = self.filled(3)
        client.send(b"".join(b"%c FETCH %d BODY.PEEK[TEXT]\r\n" % (97 + at, n) for at, n in enumerate((2, 9, 1, 2))))
        self.assertEqual(
            client.said(),
            [
                "* 2 FETCH (BODY[TEXT] {8}",
                "body 2",
                ")",
                "a OK Fetch completed",
                "b BAD Error in IMAP command FETCH: Invalid messageset",
                "* 1 FETCH (BODY[TEXT] {8}",
                "body 1",
                ")",
                "c OK Fetch completed",
                "* 2 FETCH (BODY[TEXT] {8}",
                "body 2",
                ")",
                "d OK Fetch completed",
            ],
        )

    def test_together_sets_seen(self) -> None:
        """They set \\Seen as well, and show it once."""
        client = self.filled(2)
        client.send(b"a UID FETCH 1 BODY[]<0.1>\r\nb UID FETCH 2 BODY[]<0.1>\r\nc UID FETCH 1 FLAGS\r\n")
        said = client.said()
        self.assertEqual(said[0], "* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[]<0> {1}")
        self.assertEqual(said[-2], "* 1 FETCH (UID 1 FLAGS (\\Seen))")
        self.assertEqual(client.ok("SEARCH SEEN"), ["* SEARCH 1 2"])

    def test_together_tells_keywords_first(self) -> None:
        """RFC 3501 section 7.2.6: FLAGS lists a keyword before a FETCH shows it, also where FETCHes run together."""
        client, other = self.filled(2), self.session()
        other.ok("STORE 1 +FLAGS (new)")
        client.send(b"a FETCH 1 (FLAGS BODY.PEEK[TEXT])\r\nb FETCH 2 (FLAGS BODY.PEEK[TEXT])\r\n")
        said = client.said()
        self.assertEqual(said[0], "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)")
        self.assertEqual(said[2], "* 1 FETCH (FLAGS (new) BODY[TEXT] {8}")
        self.assertEqual(sum("FLAGS (\\Answered" in line for line in said), 2)

    def test_no_expunge_between_answers_made_together(self) -> None:
        """UID FETCHes that were run together keep their numbers, though a large message between them is sent alone."""
        client, other = self.session(None), self.session(None)
        client.append("x")
        client.append("y")
        client.append("z" * 300_000)
        client.append("w")
        for one in (client, other):
            one.ok("SELECT INBOX")
        client.raw()
        other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        client.send(b"a UID FETCH 2 BODY.PEEK[]\r\nb UID FETCH 3 BODY.PEEK[]\r\nc UID FETCH 4 BODY.PEEK[]\r\n")
        said = client.said()
        self.assertIn("* 4 FETCH (UID 4 BODY[] {1}", said)
        self.assertEqual(said[-3:-1], ["* 1 EXPUNGE", "* 3 RECENT"])


class SearchTests(Conversation):
    def test_keys(self) -> None:
        """RFC 3501 section 6.4.4 and RFC 5032, through to the store."""
        client = self.filled(3)
        client.ok("STORE 2 +FLAGS (\\Seen work)")
        client.append("Subject: new\r\n\r\nx", flags='(\\Draft) "01-Jan-2001 00:00:00 +0000" ')
        client.ok("NOOP")
        for keys, numbers in {
            "ALL": "1 2 3 4",
            "SEEN": "2",
            "UNSEEN UNDRAFT": "1 3",
            "KEYWORD WORK": "2",
            "UNKEYWORD work": "1 3 4",
            "NEW": "4",
            "OLD": "1 2 3",
            "RECENT": "4",
            "2:3 NOT 3": "2",
            "*": "4",
            "9": "",
            "OR 1 UID 3": "1 3",
            "BEFORE 1-Feb-2001": "4",
            "SINCE 1-Feb-2001": "1 2 3",
            "SUBJECT message": "1 2 3",
            "HEADER subject new": "4",
            'BODY "body 3"': "3",
            "TEXT new": "4",
            "LARGER 20 SMALLER 10000": "1 2 3",
            "YOUNGER 100": "1 2 3",
            "OLDER 100": "4",
            "(OR SEEN DRAFT)": "2 4",
        }.items():
            self.assertEqual(client.ok(f"SEARCH {keys}"), [f"* SEARCH {numbers}".rstrip()], keys)
        self.assertEqual(client.tagged("SEARCH CHARSET X-NONE ALL"), "NO [BADCHARSET] Unknown charset")
        for broken in ("SEARCH", "SEARCH FOO", "SEARCH ()", "SEARCH NOT", "SEARCH SINCE x", "SEARCH RETURN (X) ALL"):
            self.assertRegex(client.tagged(broken), "^BAD", broken)

    def test_esearch(self) -> None:
        """RFC 4731: RETURN options, UID, nothing found."""
        client = self.filled(5)
        client.ok("STORE 3 +FLAGS (\\Seen)")
        self.assertEqual(
            client.line("A1 UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN")[0],
            '* ESEARCH (TAG "A1") UID MIN 1 MAX 5 ALL 1:2,4:5 COUNT 4',
        )
        self.assertEqual(client.line("A2 SEARCH RETURN () SEEN")[0], '* ESEARCH (TAG "A2") ALL 3')
        self.assertEqual(client.line("A3 SEARCH RETURN (MIN COUNT) DRAFT")[0], '* ESEARCH (TAG "A3") COUNT 0')


class SortTests(Conversation):
    def setUp(self) -> None:
        super().setUp()
        self.client = client = self.session(None)
        for subject, sender, date in (
            ("beta", "z", "Tue, 02 Jan 2001 00:00:00 +0000"),
            ("Re: alpha", "y", "Mon, 01 Jan 2001 00:00:00 +0000"),
            ("alpha", "x", "Wed, 03 Jan 2001 00:00:00 +0000"),
        ):
            client.append(f"Subject: {subject}\r\nFrom: {sender}@example.org\r\nDate: {date}\r\n\r\nx")
        client.ok("SELECT INBOX")

    def test_sort(self) -> None:
        """RFC 5256: criteria, REVERSE, several, of a part, in UIDs; equal ones in the mailbox's order."""
        client = self.client
        client.ok("STORE 1 +FLAGS (\\Deleted)")
        client.append("Subject: beta\r\n\r\nx")
        client.ok("EXPUNGE")
        for criteria, numbers in {
            "SUBJECT": "1 2 3",
            "REVERSE SUBJECT": "3 1 2",
            "SUBJECT REVERSE DATE": "2 1 3",
            "DATE": "1 2 3",
            "FROM": "3 2 1",
            "REVERSE FROM": "1 2 3",
            "ARRIVAL": "1 2 3",
            "SIZE": "3 2 1",
        }.items():
            self.assertEqual(client.ok(f"SORT ({criteria}) UTF-8 ALL"), [f"* SORT {numbers}"], criteria)
            self.assertEqual(client.ok(f"SORT ({criteria}) UTF-8 ALL"), [f"* SORT {numbers}"], criteria)
        self.assertEqual(client.ok("UID SORT (REVERSE FROM) UTF-8 ALL"), ["* SORT 2 3 4"])
        self.assertEqual(client.ok("SORT (REVERSE FROM) UTF-8 NOT 1"), ["* SORT 2 3"])
        self.assertEqual(client.ok("SORT (REVERSE FROM) UTF-8 DELETED"), ["* SORT"])
        for broken in (
            "SORT () UTF-8 ALL",
            "SORT (FOO) UTF-8 ALL",
            "SORT (DATE REVERSE) UTF-8 ALL",
            "SORT (DATE) UTF-8",
        ):
            self.assertRegex(client.tagged(broken), "^BAD", broken)

    def test_thread(self) -> None:
        """RFC 5256: threads by subject and by references, numbers and UIDs."""
        client = self.client
        self.assertEqual(client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL"), ["* THREAD (2 3)(1)"])
        self.assertEqual(client.ok("THREAD REFERENCES UTF-8 ALL"), ["* THREAD (1)(3 2)"])
        client.ok("STORE 1 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        self.assertEqual(client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL"), ["* THREAD (1 2)"])
        self.assertEqual(client.ok("UID THREAD ORDEREDSUBJECT UTF-8 ALL"), ["* THREAD (2 3)"])
        self.assertEqual(client.ok("UID THREAD ORDEREDSUBJECT UTF-8 UID 3"), ["* THREAD (3)"])
        self.assertEqual(client.ok("THREAD REFERENCES UTF-8 DELETED"), ["* THREAD"])
        self.assertRegex(client.tagged("THREAD FOO UTF-8 ALL"), "^BAD")

    def test_order_is_told_anew(self) -> None:
        """A kept order is not used once messages came or went."""
        client = self.client
        self.assertEqual(client.ok("SORT (SUBJECT) UTF-8 ALL"), ["* SORT 2 3 1"])
        client.append("Subject: aaa\r\n\r\nx")
        self.assertEqual(client.ok("SORT (SUBJECT) UTF-8 ALL"), ["* SORT 4 2 3 1"])
