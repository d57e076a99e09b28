"""Each command of the grammar, well-formed and broken (RFC 3501 section 9 and its extensions)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.types import (
    STAR,
    FetchBinarySize,
    FetchItem,
    FetchSection,
    MailboxName,
    NumberSet,
    Section,
    SectionText,
    StatusItem,
)
from tests.wire.conversation import GrammarCase, read, refusal

ONE = NumberSet(((1, 1),))


def box(name: str, raw: bytes | None = None) -> MailboxName:
    return MailboxName(name, name.encode() if raw is None else raw)


def items(text: bytes) -> tuple[object, ...]:
    command = read(b"FETCH 1 " + text)
    assert isinstance(command, wire.Fetch)
    return command.items


class SimpleTests(GrammarCase):
    def test_without_arguments(self) -> None:
        """CAPABILITY, NOOP, LOGOUT, STARTTLS, NAMESPACE, CHECK, CLOSE, UNSELECT, EXPUNGE, IDLE: in any case, with
        spaces after (leniency), and nothing else."""
        for kind in (
            wire.Capability,
            wire.Noop,
            wire.Logout,
            wire.Starttls,
            wire.Namespace,
            wire.Check,
            wire.Close,
            wire.Unselect,
            wire.Expunge,
            wire.Idle,
        ):
            name = kind.NAME.encode()
            for line in (name, name.lower(), name.title(), name + b"  "):
                self.assertEqual(read(line), kind())
            self.refused(name + b" x", name + b" {1+}\r\nx", name + b" ()")

    def test_login(self) -> None:
        """login = "LOGIN" SP userid SP password, both astring (RFC 3501 section 6.2.3)."""
        for line, user, password in (
            (b"LOGIN fred blurdybloop", b"fred", b"blurdybloop"),
            (b'LOGIN "fred" "a \\"b\\\\"', b"fred", b'a "b\\'),
            (b"login {4+}\r\nfred {2+}\r\n\r\n", b"fred", b"\r\n"),
            (b'LOGIN "" ""', b"", b""),
            (b"LOGIN a@b.c p%w*\\]", b"a@b.c", b"p%w*\\]"),
            (b'LOGIN u "\xc3\xa9"', b"u", "é".encode()),
            (b"LOGIN  u  p ", b"u", b"p"),
        ):
            self.assertEqual(read(line), wire.Login(user, password))
        self.refused(b"LOGIN", b"LOGIN u", b"LOGIN u ", b"LOGIN u p x", b'LOGIN "u p', b"LOGIN u \xe9", b"LOGIN (u) p")
        self.refused(b'LOGIN u"x" p', b'LOGIN "u"p', b'LOGIN u "p\\"', b"LOGIN u NIL NIL", b"LOGIN u\x01 p")

    def test_passwords_are_not_shown(self) -> None:
        """A password stands in no repr, hence in no log."""
        self.assertNotIn("secret", repr(read(b"LOGIN u secret")))
        self.assertNotIn("secret", repr(read(b"AUTHENTICATE PLAIN AHUAc2VjcmV0")))

    def test_authenticate(self) -> None:
        """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] (RFC 4959)."""
        self.assertEqual(read(b"authenticate plain"), wire.Authenticate("PLAIN"))
        self.assertEqual(read(b"AUTHENTICATE PLAIN AHUAcA=="), wire.Authenticate("PLAIN", b"\0u\0p"))
        self.assertEqual(read(b"AUTHENTICATE SCRAM-SHA-1 ="), wire.Authenticate("SCRAM-SHA-1", b""))
        self.refused(
            b"AUTHENTICATE", b"AUTHENTICATE PLAIN A", b"AUTHENTICATE PLAIN AHUA cA==", b"AUTHENTICATE PLAIN =="
        )
        self.refused(b"AUTHENTICATE PLAIN AHUAcA==x", b"AUTHENTICATE PLAIN *", b'AUTHENTICATE "PLAIN"')

    def test_id(self) -> None:
        """id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil (RFC 2971 section 4)."""
        self.assertEqual(read(b"ID NIL"), wire.Id(None))
        self.assertEqual(read(b"ID nil"), wire.Id(None))
        self.assertEqual(read(b"ID"), wire.Id(None))
        self.assertEqual(read(b"ID ()"), wire.Id(()))
        self.assertEqual(
            read(b'ID ("name" "x \xc3\xbc" "version" NIL "os" {3+}\r\na\r\n )'),
            wire.Id(((b"name", "x ü".encode()), (b"version", None), (b"os", b"a\r\n"))),
        )
        self.refused(b'ID ("name")', b'ID "name"', b'ID ("a" "b"', b"ID (() ())", b"ID NIL NIL", b'ID ("a" "b") x')

    def test_enable(self) -> None:
        """enable = "ENABLE" 1*(SP capability) (RFC 5161)."""
        self.assertEqual(read(b"ENABLE Condstore x-good"), wire.Enable(("CONDSTORE", "X-GOOD")))
        self.refused(b"ENABLE", b"ENABLE (x)", b'ENABLE "x"', b"ENABLE x {1+}\r\nx")


class MailboxTests(GrammarCase):
    def test_names(self) -> None:
        """mailbox = "INBOX" / astring, in modified UTF-7; INBOX in any case (RFC 3501 sections 5.1, 5.1.3)."""
        for raw, name in (
            (b"iNboX", MailboxName("INBOX", b"iNboX")),
            (b'"inbox"', MailboxName("INBOX", b"inbox")),
            (b"{5+}\r\ninbox", MailboxName("INBOX", b"inbox")),
            (b"inbox/x", box("inbox/x")),
            (b"a.b", box("a.b")),
            (b'"a b"', box("a b")),
            (b'""', box("")),
            (b"Entw&APw-rfe", MailboxName("Entwürfe", b"Entw&APw-rfe")),
            (b"NIL", box("NIL")),
            (b"]x%*\\", box("]x%*\\")),
            (b"a&b", MailboxName("a&b", b"a&b", valid=False)),
            (b'"\xc3\xbc"', MailboxName("ü", "ü".encode(), valid=False)),
            (b'"\xff"', MailboxName("\ufffd", b"\xff", valid=False)),
        ):
            self.assertEqual(read(b"DELETE " + raw), wire.Delete(name))

    def test_one_or_two_names(self) -> None:
        """DELETE, SUBSCRIBE, UNSUBSCRIBE: one name; RENAME: two."""
        for kind in (wire.Delete, wire.Subscribe, wire.Unsubscribe):
            name = kind.NAME.encode()
            self.assertEqual(read(name + b" x"), kind(box("x")))
            self.refused(name, name + b" ", name + b" x y", name + b" (x)", name + b' "x')
        self.assertEqual(read(b'RENAME a "b c"'), wire.Rename(box("a"), box("b c")))
        self.refused(b"RENAME a", b"RENAME a b c", b'RENAME "a""b"', b"RENAME")

    def test_select(self) -> None:
        """select = "SELECT" SP mailbox [select-params]; CONDSTORE (RFC 7162 section 3.1.8)."""
        for kind in (wire.Select, wire.Examine):
            name = kind.NAME.encode()
            self.assertEqual(read(name + b" INBOX "), kind(box("INBOX")))
            self.assertEqual(read(name + b" INBOX (condstore)"), kind(box("INBOX"), condstore=True))
            self.assertEqual(read(name + b" INBOX ()"), kind(box("INBOX")))
            self.refused(name, name + b" a b", name + b" a (FOO)", name + b" a (CONDSTORE", name + b" a CONDSTORE")
            self.refused(name + b" a (QRESYNC (1 2))", name + b" a (CONDSTORE) x")

    def test_create(self) -> None:
        """create with the USE parameter (RFC 6154 section 3)."""
        self.assertEqual(read(b"CREATE a/"), wire.Create(box("a/")))
        self.assertEqual(read(b"CREATE a (use (\\Sent \\Junk))"), wire.Create(box("a"), ("\\Sent", "\\Junk")))
        self.assertEqual(read(b"CREATE a (USE ())"), wire.Create(box("a")))
        self.refused(b"CREATE", b"CREATE a b", b"CREATE a (FOO)", b"CREATE a (USE)", b"CREATE a (USE (Sent))")
        self.refused(b"CREATE a (USE (\\Sent) x)", b"CREATE a (USE (\\Sent)", b"CREATE a (USE \\Sent)", b"CREATE a ()")

    def test_status(self) -> None:
        """status, with SIZE (RFC 8438), APPENDLIMIT (RFC 7889); each item counts once."""
        self.assertEqual(
            read(b"STATUS x (messages UNSEEN SIZE APPENDLIMIT RECENT UIDNEXT UIDVALIDITY DELETED messages)"),
            wire.Status(
                box("x"),
                (
                    StatusItem.MESSAGES,
                    StatusItem.UNSEEN,
                    StatusItem.SIZE,
                    StatusItem.APPENDLIMIT,
                    StatusItem.RECENT,
                    StatusItem.UIDNEXT,
                    StatusItem.UIDVALIDITY,
                    StatusItem.DELETED,
                ),
            ),
        )
        self.refused(b"STATUS x", b"STATUS x ()", b"STATUS x MESSAGES", b"STATUS x (FOO)", b'STATUS x ("MESSAGES")')
        self.refused(b"STATUS x (MESSAGES", b"STATUS (MESSAGES)", b"STATUS x (MESSAGES) y")


class ListTests(GrammarCase):
    def test_plain(self) -> None:
        """list = "LIST" SP mailbox SP list-mailbox; LSUB likewise (RFC 3501 sections 6.3.8, 6.3.9)."""
        self.assertEqual(read(b'LIST "" *'), wire.List(box(""), (box("*"),)))
        self.assertEqual(read(b'LIST "" ""'), wire.List(box(""), (box(""),)))
        self.assertEqual(read(b"list a/ %/&AOk-*"), wire.List(box("a/"), (MailboxName("%/é*", b"%/&AOk-*"),)))
        self.assertEqual(read(b'LIST "" {2+}\r\na%'), wire.List(box(""), (box("a%"),)))
        self.assertEqual(read(b'LSUB "" "*"'), wire.Lsub(box(""), box("*")))
        self.refused(b"LIST", b'LIST ""', b'LIST "" * x', b"LSUB", b'LSUB ""', b'LSUB "" * *', b'LSUB "" (a b)')

    def test_selection_options(self) -> None:
        """list-select-opts (RFC 5258 section 3.1, RFC 6154); RECURSIVEMATCH never alone."""
        self.assertEqual(
            read(b'LIST (subscribed RECURSIVEMATCH subscribed) "" *'),
            wire.List(box(""), (box("*"),), ("SUBSCRIBED", "RECURSIVEMATCH"), extended=True),
        )
        self.assertEqual(
            read(b'LIST (REMOTE SPECIAL-USE) "" *'),
            wire.List(box(""), (box("*"),), ("REMOTE", "SPECIAL-USE"), extended=True),
        )
        self.assertEqual(read(b'LIST () "" *'), wire.List(box(""), (box("*"),), extended=True))
        self.refused(b'LIST (RECURSIVEMATCH) "" *', b'LIST (REMOTE RECURSIVEMATCH) "" *', b'LIST (FOO) "" *')
        self.refused(b'LIST (SUBSCRIBED "" *', b'LIST (SUBSCRIBED) ""')

    def test_patterns(self) -> None:
        """patterns = "(" list-mailbox *(SP list-mailbox) ")" (RFC 5258 section 6)."""
        self.assertEqual(
            read(b'LIST "" (INBOX "a b" {1+}\r\n% )'),
            wire.List(box(""), (box("INBOX"), box("a b"), box("%")), extended=True),
        )
        self.assertEqual(read(b'LIST "" ()'), wire.List(box(""), (), extended=True))
        self.refused(b'LIST "" (a', b'LIST "" (a b) c', b'LIST "" ((a))')
        event = refusal(b'LIST "" (' + b"a " * 101 + b")")
        self.assertEqual((event.no, event.code), (True, "LIMIT"))

    def test_return_options(self) -> None:
        """list-return-opts: SUBSCRIBED, CHILDREN, SPECIAL-USE, STATUS (...) (RFC 5258, 6154, 5819)."""
        self.assertEqual(
            read(b'LIST "" % RETURN (SUBSCRIBED children Special-Use STATUS (MESSAGES SIZE))'),
            wire.List(
                box(""),
                (box("%"),),
                returns=("SUBSCRIBED", "CHILDREN", "SPECIAL-USE"),
                status=(StatusItem.MESSAGES, StatusItem.SIZE),
                extended=True,
            ),
        )
        self.assertEqual(read(b'LIST "" % return ()'), wire.List(box(""), (box("%"),), extended=True))
        self.refused(
            b'LIST "" % RETURN', b'LIST "" % RETURN (FOO)', b'LIST "" % RETURN (STATUS)', b'LIST "" % (CHILDREN)'
        )
        self.refused(b'LIST "" % RETURN (STATUS ())', b'LIST "" % RETURN (CHILDREN) x', b'LIST "" % RETURN CHILDREN')


class SetTests(GrammarCase):
    def test_sets(self) -> None:
        """sequence-set = (seq-number / seq-range) *("," sequence-set), of 32 bits (RFC 3501 section 9)."""
        for text, ranges in (
            (b"1", ((1, 1),)),
            (b"*", ((STAR, STAR),)),
            (b"1:*", ((1, STAR),)),
            (b"*:1", ((STAR, 1),)),
            (b"5:3,2,4294967295", ((5, 3), (2, 2), (4294967295, 4294967295))),
            (b"007", ((7, 7),)),
        ):
            self.assertEqual(read(b"UID COPY " + text + b" x"), wire.Copy(NumberSet(ranges), box("x"), uid=True))
        for text in (
            b"0",
            b"1:0",
            b"1,",
            b",1",
            b"1:",
            b":1",
            b"1:2:3",
            b"1,,2",
            b"a",
            b"$",
            b"-1",
            b"4294967296",
            b"1:*a",
        ):
            self.refused(b"UID COPY " + text + b" x", b"FETCH " + text + b" FLAGS", b"STORE " + text + b" FLAGS x")
        self.refused(b"SEARCH 0", b"SEARCH UID 1,", b"UID EXPUNGE 0", b"FETCH " + b"9" * 5000 + b" FLAGS")

    def test_long_set(self) -> None:
        """A set as long as a line can be is read."""
        numbers = NumberSet(tuple((n, n) for n in range(1, 20001, 2)))
        text = b",".join(b"%d" % n for n in range(1, 20001, 2))
        self.assertEqual(read(b"UID EXPUNGE " + text), wire.Expunge(numbers))

    def test_copy_and_move(self) -> None:
        """COPY, MOVE (RFC 6851), UID EXPUNGE (RFC 4315)."""
        self.assertEqual(read(b"COPY 1 x"), wire.Copy(ONE, box("x")))
        self.assertEqual(read(b"MOVE 1 x"), wire.Move(ONE, box("x")))
        self.assertEqual(read(b"UID MOVE 1 {1+}\r\nx"), wire.Move(ONE, box("x"), uid=True))
        self.assertEqual(read(b"UID EXPUNGE 1"), wire.Expunge(ONE))
        self.refused(b"COPY 1", b"COPY x", b"MOVE 1 a b", b"UID EXPUNGE", b"EXPUNGE 1", b"UID EXPUNGE 1 2")


class FlagTests(GrammarCase):
    def test_store(self) -> None:
        """store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))."""
        for text, op, flags, silent in (
            (b"FLAGS (\\seen \\DELETED)", "=", ("\\Seen", "\\Deleted"), False),
            (b"+flags.silent \\Draft", "+", ("\\Draft",), True),
            (b"-FLAGS \\Answered $Work x", "-", ("\\Answered", "$Work", "x"), False),
            (b"FLAGS.SILENT ()", "=", (), True),
            (b"+FLAGS ( a  a )", "+", ("a",), False),
        ):
            self.assertEqual(read(b"STORE 1 " + text), wire.Store(ONE, op, flags, silent))
            self.assertEqual(read(b"UID STORE 1 " + text), wire.Store(ONE, op, flags, silent, uid=True))

    def test_bad_store(self) -> None:
        """\\Recent cannot be altered (RFC 3501 section 2.3.2), unknown system flags are none, keywords are atoms."""
        self.refused(
            b"STORE 1 FLAGS (\\Recent)", b"STORE 1 +FLAGS \\Foo", b"STORE 1 FLAGS (\\*)", b"STORE 1 FLAGS (\\)"
        )
        self.refused(
            b'STORE 1 FLAGS "x"', b"STORE 1 FLAGS (x", b"STORE 1 FLAGS x)", b"STORE 1 FLAGS (a%b)", b"STORE 1 FLAGS"
        )
        self.refused(b"STORE 1 FOO x", b"STORE 1", b"STORE FLAGS x", b"STORE 1 FLAGS (x) y", b"STORE 1 ++FLAGS x")
        self.refused(b"STORE 1 (UNCHANGEDSINCE 5) FLAGS x", b"STORE 1 FLAGS (\xe9)", b"STORE 1 FLAGS {1+}\r\nx")


class FetchTests(GrammarCase):
    def test_items(self) -> None:
        """fetch-att without parameters, alone and in a list, each once."""
        for name, item in (
            (b"FLAGS", FetchItem.FLAGS),
            (b"uid", FetchItem.UID),
            (b"InternalDate", FetchItem.INTERNALDATE),
            (b"RFC822.SIZE", FetchItem.SIZE),
            (b"ENVELOPE", FetchItem.ENVELOPE),
            (b"BODY", FetchItem.BODY),
            (b"BODYSTRUCTURE", FetchItem.BODYSTRUCTURE),
            (b"RFC822", FetchItem.RFC822),
            (b"RFC822.HEADER", FetchItem.RFC822_HEADER),
            (b"RFC822.TEXT", FetchItem.RFC822_TEXT),
        ):
            self.assertEqual(items(name), (item,))
            self.assertEqual(
                items(b"( " + name + b"  UID " + name + b" )"), tuple(dict.fromkeys((item, FetchItem.UID)))
            )

    def test_macros(self) -> None:
        """ALL, FAST and FULL stand alone (RFC 3501 section 6.4.5)."""
        fast = (FetchItem.FLAGS, FetchItem.INTERNALDATE, FetchItem.SIZE)
        self.assertEqual(items(b"fast"), fast)
        self.assertEqual(items(b"ALL"), (*fast, FetchItem.ENVELOPE))
        self.assertEqual(items(b"FULL "), (*fast, FetchItem.ENVELOPE, FetchItem.BODY))
        self.refused(b"FETCH 1 (ALL)", b"FETCH 1 (FAST UID)", b"FETCH 1 FULL UID")

    def test_sections(self) -> None:
        """section = "[" [section-spec] "]", with partial."""
        for text, expected in (
            (b"BODY[]", FetchSection(Section())),
            (b"body.peek[]<0.2048>", FetchSection(Section(), True, (0, 2048))),
            (b"BODY[]<5.0>", FetchSection(Section(), False, (5, 0))),
            (b"BODY[TEXT]", FetchSection(Section((), SectionText.TEXT))),
            (b"BODY[header]", FetchSection(Section((), SectionText.HEADER))),
            (b"BODY[1.2.3]", FetchSection(Section((1, 2, 3)))),
            (b"BODY[2.mime]", FetchSection(Section((2,), SectionText.MIME))),
            (b"BODY[4294967295.TEXT]", FetchSection(Section((4294967295,), SectionText.TEXT))),
            (
                b'BODY.PEEK[HEADER.FIELDS (Date "From" {2+}\r\nTo )]<1.2>',
                FetchSection(Section((), SectionText.FIELDS, ("Date", "From", "To")), True, (1, 2)),
            ),
            (
                b"BODY[1.HEADER.FIELDS.NOT (X-A)]",
                FetchSection(Section((1,), SectionText.FIELDS_NOT, ("X-A",))),
            ),
            (b"BINARY[1]", FetchSection(Section((1,)), binary=True)),
            (b"BINARY.PEEK[]<1.2>", FetchSection(Section(), True, (1, 2), binary=True)),
            (b"BINARY.SIZE[1.2]", FetchBinarySize(Section((1, 2)))),
        ):
            self.assertEqual(items(text), (expected,))
            self.assertEqual(items(b"(UID " + text + b" FLAGS)"), (FetchItem.UID, expected, FetchItem.FLAGS))

    def test_bad_items(self) -> None:
        """What is no fetch-att is refused."""
        for text in (
            b"",
            b"()",
            b"FOO",
            b"FLAGS UID",
            b"(FLAGS",
            b"(FLAGS UID))",
            b'"FLAGS"',
            b"{5+}\r\nFLAGS",
            b"MODSEQ",
            b"BODY.PEEK",
            b"BINARY",
            b"BODY[",
            b"BODY[MIME]",
            b"BODY[0]",
            b"BODY[1.0]",
            b"BODY[1.]",
            b"BODY[.1]",
            b"BODY[1..2]",
            b"BODY[FOO]",
            b"BODY[TEXT",
            b"BODY[TEXT.1]",
            b"BODY[HEADER.FIELDS]",
            b"BODY[HEADER.FIELDS ()]",
            b"BODY[HEADER.FIELDS Date]",
            b"BODY[HEADER.FIELDS (Date]",
            b"BODY[HEADER (Date)]",
            b"BODY[]<0>",
            b"BODY[]<a.1>",
            b"BODY[]<0.1",
            b"BODY[]<-1.1>",
            b"BODY[]<0.4294967296>",
            b"BODY[]x",
            b"BODYSTRUCTURE[]",
            b"RFC822[]",
            b"BINARY[TEXT]",
            b"BINARY.SIZE[]<0.1>",
            b"BODY[99999999999]",
            b"FLAGS (CHANGEDSINCE 1)",
        ):
            self.refused(b"FETCH 1 " + text, b"UID FETCH 1 " + text)

    def test_uid(self) -> None:
        """UID FETCH is FETCH with uid=True; the same list twice is the same object, which needs no second reading."""
        one = read(b"UID FETCH 1:* (FLAGS UID)")
        two = read(b"FETCH 7 (FLAGS UID)")
        assert isinstance(one, wire.Fetch)
        assert isinstance(two, wire.Fetch)
        self.assertEqual((one.uid, two.uid), (True, False))
        self.assertIs(one.items, two.items)


class CompletenessTests(SynchronousTestCase):
    def test_every_command_can_be_read(self) -> None:
        """Each class of commands.py is made by a line of this file, so none is without grammar."""
        lines = (
            b"CAPABILITY", b"NOOP", b"LOGOUT", b"STARTTLS", b"AUTHENTICATE X", b"LOGIN a b", b"ID NIL", b"ENABLE X",
            b"NAMESPACE", b"SELECT x", b"EXAMINE x", b"CREATE x", b"DELETE x", b"RENAME x y", b"SUBSCRIBE x",
            b"UNSUBSCRIBE x", b"LIST x y", b"LSUB x y", b"STATUS x (SIZE)", b"IDLE", b"CHECK", b"CLOSE", b"UNSELECT",
            b"EXPUNGE", b"SEARCH ALL", b"SORT (DATE) UTF-8 ALL", b"THREAD REFERENCES UTF-8 ALL", b"FETCH 1 FLAGS",
            b"STORE 1 FLAGS x", b"COPY 1 x", b"MOVE 1 x",
        )  # fmt: skip
        self.assertEqual({type(read(line)) for line in lines}, set(wire.Command.__subclasses__()))
