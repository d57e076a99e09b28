"""A conversation for each command, in good and broken forms: exact answers, RFC 3501 section 6 in its order."""

from __future__ import annotations

from base64 import b64encode

from mailhub.config.settings import ImapSettings
from tests.imap.conversation import Conversation, World


class AnyStateTests(Conversation):
    def test_capability(self) -> None:
        """RFC 3501 section 6.1.1: IMAP4rev1 first; STARTTLS and AUTH= only before login."""
        client = self.world.connect()
        client.raw()
        before = client.ok("CAPABILITY")[0].split()
        self.assertEqual(before[:3], ["*", "CAPABILITY", "IMAP4rev1"])
        self.assertIn("AUTH=PLAIN", before)
        self.assertNotIn("STARTTLS", before)
        client.ok("LOGIN u pass")
        after = client.ok("CAPABILITY")[0].split()
        self.assertNotIn("AUTH=PLAIN", after)
        self.assertIn("MOVE", after)

    def test_noop_tells(self) -> None:
        """RFC 3501 section 6.1.2: NOOP brings what happened."""
        client, other = self.session(), self.session(None)
        other.append("x")
        self.assertEqual(client.ok("NOOP"), ["* 1 EXISTS", "* 1 RECENT"])
        self.assertEqual(client.ok("NOOP"), [])

    def test_id(self) -> None:
        """RFC 2971."""
        client = self.session(None)
        self.assertEqual(client.ok("ID NIL"), ['* ID ("name" "mailhub")'])
        self.assertEqual(client.ok('ID ("name" "x" "version" NIL)'), ['* ID ("name" "mailhub")'])
        self.assertIn("BAD", client.tagged("ID (name)"))
        silent = World(ImapSettings(id_fields=())).user()
        self.assertEqual(silent.ok("ID NIL"), ["* ID NIL"])

    def test_enable(self) -> None:
        """RFC 5161 sections 3.1 and 3.2: what cannot be enabled is passed over, and ENABLED comes of every ENABLE."""
        self.assertEqual(self.session().ok("ENABLE X-NOTHING"), ["* ENABLED"])


class LoginTests(Conversation):
    def test_login(self) -> None:
        """RFC 3501 section 6.2.3; the tagged OK carries the capabilities."""
        client = self.world.connect()
        client.raw()
        self.assertEqual(client.tagged("LOGIN u wrong"), "NO [AUTHENTICATIONFAILED] Authentication failed.")
        self.assertRegex(client.tagged('LOGIN "u" "pass"'), r"^OK \[CAPABILITY IMAP4rev1 .*\] Logged in$")

    def test_login_by_literals(self) -> None:
        """Arguments may be literals of both kinds (RFC 3501 section 4.3, RFC 7888)."""
        client = self.world.connect()
        client.raw()
        self.assertEqual(client.line("a LOGIN {1}"), ["+ OK"])
        self.assertEqual(client.line("u {4}"), ["+ OK"])
        self.assertIn("a OK", client.line("pass")[0])
        client = self.world.connect()
        client.raw()
        client.send(b"a LOGIN {1+}\r\nu {4+}\r\npass\r\n")
        self.assertIn("a OK", client.said()[0])

    def test_authenticate(self) -> None:
        """RFC 3501 section 6.2.2 and RFC 4959: with and without initial response, cancelled, broken."""
        plain = b64encode(b"\0u\0pass").decode()
        client = self.world.connect()
        client.raw()
        self.assertEqual(client.line("a AUTHENTICATE PLAIN"), ["+ "])
        self.assertRegex(client.line("*")[0], "^a BAD .*aborted")
        client.line("a AUTHENTICATE PLAIN")
        self.assertRegex(client.line("!!!")[0], "^a BAD .*base64")
        client.line("a AUTHENTICATE PLAIN")
        self.assertRegex(client.line(b64encode(b"\0u\0no").decode())[0], r"^a NO \[AUTHENTICATIONFAILED\]")
        self.assertRegex(client.tagged("AUTHENTICATE NONE"), "^NO ")
        client.line("a AUTHENTICATE PLAIN")
        self.assertRegex(client.line(plain)[0], r"^a OK \[CAPABILITY")
        client = self.world.connect()
        client.raw()
        self.assertRegex(client.tagged(f"AUTHENTICATE PLAIN {plain}"), r"^OK \[CAPABILITY")
        self.assertEqual(client.protocol.session.user, "u")  # type: ignore[union-attr]

    def test_authenticate_login(self) -> None:
        """The LOGIN mechanism asks twice."""
        client = self.world.connect()
        client.raw()
        client.line("a AUTHENTICATE LOGIN")
        self.assertEqual(client.line(b64encode(b"u").decode()), ["+ UGFzc3dvcmQ6"])
        self.assertRegex(client.line(b64encode(b"pass").decode())[0], "^a OK")

    def test_privacy(self) -> None:
        """From afar no password is taken without TLS: LOGINDISABLED and PRIVACYREQUIRED (RFC 3501 section 6.2.3,
        RFC 5530)."""
        client = self.world.connect("192.0.2.1")
        self.assertIn("LOGINDISABLED", client.said()[0])
        self.assertRegex(client.tagged("LOGIN u pass"), r"^NO \[PRIVACYREQUIRED\]")
        self.assertRegex(client.tagged("AUTHENTICATE PLAIN"), "^NO ")

    def test_starttls_not_offered(self) -> None:
        """Without a certificate STARTTLS is BAD."""
        client = self.world.connect()
        client.raw()
        self.assertRegex(client.tagged("STARTTLS"), "^BAD")
        client.ok("NOOP")


class SelectTests(Conversation):
    def test_select(self) -> None:
        """RFC 3501 section 6.3.1, in Dovecot's order."""
        client = self.session(None)
        client.append("x", flags="(\\Seen) ")
        client.append("y", flags="(work) ")
        answer = client.line("a SELECT INBOX")
        self.assertEqual(
            [line.replace("UIDVALIDITY 1600000000", "UIDVALIDITY N") for line in answer],
            [
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)",
                "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] Flags permitted.",
                "* 2 EXISTS",
                "* 2 RECENT",
                "* OK [UNSEEN 2] First unseen.",
                "* OK [UIDVALIDITY N] UIDs valid",
                "* OK [UIDNEXT 3] Predicted next UID",
                "a OK [READ-WRITE] Select completed",
            ],
        )

    def test_recent_belongs_to_one_session(self) -> None:
        """RFC 3501 section 2.3.2: \\Recent is for the first session that is told; EXAMINE takes none."""
        client = self.session(None)
        client.append("x")
        self.assertIn("* 1 RECENT", client.ok("EXAMINE INBOX"))
        self.assertEqual(client.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Recent))"])
        self.assertIn("* 1 RECENT", client.ok("SELECT INBOX"))
        self.assertEqual(client.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Recent))"])
        self.assertIn("* 0 RECENT", self.session(None).ok("SELECT INBOX"))

    def test_examine(self) -> None:
        """RFC 3501 section 6.3.2: nothing changes, whatever the client tries."""
        client = self.filled(1)
        answer = client.line("a EXAMINE INBOX")
        self.assertIn("* OK [PERMANENTFLAGS ()] Read-only mailbox.", answer)
        self.assertEqual(answer[-1], "a OK [READ-ONLY] Examine completed")
        client.ok("FETCH 1 BODY[]")
        client.ok("STORE 1 +FLAGS (\\Deleted)")
        self.assertRegex(client.tagged("EXPUNGE"), "^NO")
        self.assertRegex(client.tagged("MOVE 1 INBOX"), "^NO")
        client.ok("CLOSE")
        self.assertEqual(self.session().ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS ())"])

    def test_failed_select_deselects(self) -> None:
        """RFC 3501 section 6.3.1: after a failed SELECT no mailbox is selected."""
        client = self.session()
        answer = client.line("a SELECT nosuch")
        self.assertEqual(answer[0], "* OK [CLOSED] Previous mailbox closed.")
        self.assertEqual(answer[1], "a NO [NONEXISTENT] Mailbox doesn't exist: nosuch")
        self.assertEqual(client.tagged("CHECK"), "BAD No mailbox selected")

    def test_unselect_and_close(self) -> None:
        """CLOSE expunges without a word (RFC 3501 section 6.4.2), UNSELECT does not (RFC 3691)."""
        client = self.filled(2)
        client.ok("STORE 1 +FLAGS (\\Deleted)")
        client.ok("UNSELECT")
        self.assertIn("* 2 EXISTS", client.ok("SELECT INBOX"))
        self.assertEqual(client.line("a CLOSE"), ["a OK Close completed"])
        self.assertIn("* 1 EXISTS", client.ok("SELECT INBOX"))


class MailboxTests(Conversation):
    def test_create_delete_rename(self) -> None:
        """RFC 3501 sections 6.3.3 to 6.3.5 with the codes of RFC 5530."""
        client = self.session(None)
        client.ok("CREATE a.b")
        self.assertEqual(client.tagged("CREATE a.b"), "NO [ALREADYEXISTS] Mailbox already exists")
        self.assertEqual(client.tagged("CREATE inbox"), "NO [ALREADYEXISTS] Mailbox already exists")
        self.assertRegex(client.tagged("DELETE a"), r"^NO \[HASCHILDREN\]")
        self.assertEqual(client.tagged("DELETE x"), "NO [NONEXISTENT] Mailbox doesn't exist: x")
        self.assertEqual(client.tagged("DELETE INBOX"), "NO [CANNOT] INBOX can't be deleted")
        client.ok("RENAME a c")
        self.assertEqual(client.ok('LIST "" c.%'), ['* LIST (\\HasNoChildren) "." c.b'])
        self.assertEqual(client.tagged("RENAME x y"), "NO [NONEXISTENT] Mailbox doesn't exist: x")
        self.assertRegex(client.tagged("RENAME c.b INBOX"), r"^NO \[ALREADYEXISTS\]")
        client.ok("DELETE c.b")
        self.assertEqual(client.ok('LIST "" *'), ['* LIST (\\HasNoChildren) "." INBOX'])

    def test_special_use(self) -> None:
        """RFC 6154: CREATE with USE, LIST shows and selects by it."""
        client = self.session(None)
        client.ok("CREATE Sent (USE (\\Sent))")
        for use in ("Strange", "All", "Flagged"):
            self.assertRegex(client.tagged(f"CREATE x (USE (\\{use}))"), r"^NO \[USEATTR\]", use)
        self.assertEqual(client.ok('LIST "" Sent'), ['* LIST (\\HasNoChildren \\Sent) "." Sent'])
        self.assertEqual(client.ok('LIST (SPECIAL-USE) "" *'), ['* LIST (\\Sent) "." Sent'])

    def test_list(self) -> None:
        """RFC 3501 section 6.3.8: patterns, reference, the delimiter, names that need quoting."""
        client = self.session(None)
        for name in ("foo.bar.baz", '"with space"', "&AOk-t&AOk-", '"q\\"q"'):
            client.ok(f"CREATE {name}")
        self.assertEqual(client.ok('LIST "" ""'), ['* LIST (\\Noselect) "." ""'])
        self.assertEqual(
            client.ok('LIST "" %'),
            [
                '* LIST (\\HasNoChildren) "." INBOX',
                '* LIST (\\Noselect \\HasChildren) "." foo',
                '* LIST (\\HasNoChildren) "." "q\\"q"',
                '* LIST (\\HasNoChildren) "." "with space"',
                '* LIST (\\HasNoChildren) "." &AOk-t&AOk-',
            ],
        )
        self.assertEqual(client.ok("LIST foo. %"), ['* LIST (\\Noselect \\HasChildren) "." foo.bar'])
        self.assertEqual(client.ok('LIST "" f*z'), ['* LIST (\\HasNoChildren) "." foo.bar.baz'])
        self.assertEqual(client.ok('LIST "" inBOX'), ['* LIST (\\HasNoChildren) "." INBOX'])
        self.assertEqual(client.ok('LIST "" nosuch'), [])

    def test_many_wildcards(self) -> None:
        """A pattern of many wildcards takes no longer than the name is long."""
        client = self.session(None)
        client.ok("CREATE " + "a" * 200)
        self.assertEqual(client.ok('LIST "" ' + "*a" * 90 + "b"), [])
        self.assertEqual(len(client.ok('LIST "" ' + "*a" * 90 + "*")), 1)
        self.assertEqual(len(client.ok('LIST "" ' + "%a" * 90 + "%")), 1)

    def test_list_extended(self) -> None:
        """RFC 5258: selection and return options; levels that do not exist; CHILDINFO."""
        client = self.session(None)
        client.ok("CREATE a.b")
        client.ok("SUBSCRIBE a.b")
        client.ok("CREATE gone")
        client.ok("SUBSCRIBE gone")
        client.ok("DELETE gone")
        self.assertEqual(
            client.ok('LIST (SUBSCRIBED) "" *'),
            ['* LIST (\\Subscribed) "." a.b', '* LIST (\\Subscribed \\NonExistent) "." gone'],
        )
        self.assertEqual(
            client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" %'),
            [
                '* LIST (\\NonExistent) "." a (CHILDINFO ("SUBSCRIBED"))',
                '* LIST (\\Subscribed \\NonExistent) "." gone',
            ],
        )
        self.assertEqual(
            client.ok('LIST "" (INBOX a.%) RETURN (CHILDREN SUBSCRIBED)'),
            ['* LIST (\\HasNoChildren) "." INBOX', '* LIST (\\Subscribed \\HasNoChildren) "." a.b'],
        )
        self.assertRegex(client.tagged('LIST (RECURSIVEMATCH) "" *'), "^BAD")
        self.assertRegex(client.tagged('LIST (NOSUCH) "" *'), "^BAD")

    def test_list_status(self) -> None:
        """RFC 5819: a STATUS behind each mailbox that can be selected."""
        client = self.session(None)
        client.ok("CREATE a.b")
        self.assertEqual(
            client.ok('LIST "" * RETURN (STATUS (MESSAGES UNSEEN))'),
            [
                '* LIST () "." INBOX',
                "* STATUS INBOX (MESSAGES 0 UNSEEN 0)",
                '* LIST (\\NonExistent) "." a',
                '* LIST () "." a.b',
                "* STATUS a.b (MESSAGES 0 UNSEEN 0)",
            ],
        )

    def test_lsub(self) -> None:
        """RFC 3501 section 6.3.9: "%" shows the level above a subscribed name; deleted ones stay."""
        client = self.session(None)
        client.ok("CREATE a.b")
        client.ok("SUBSCRIBE a.b")
        self.assertEqual(client.ok('LSUB "" *'), ['* LSUB () "." a.b'])
        self.assertEqual(client.ok('LSUB "" %'), ['* LSUB (\\Noselect) "." a'])
        client.ok("DELETE a.b")
        self.assertEqual(client.ok('LSUB "" *'), ['* LSUB () "." a.b'])
        client.ok("UNSUBSCRIBE a.b")
        self.assertEqual(client.ok('LSUB "" *'), [])
        self.assertRegex(client.tagged("SUBSCRIBE nosuch"), r"^NO \[NONEXISTENT\]")

    def test_status(self) -> None:
        """RFC 3501 section 6.3.10, RFC 8438 SIZE; does not take \\Recent."""
        client = self.session(None)
        client.append("x" * 10)
        self.assertEqual(
            client.ok("STATUS INBOX (SIZE UNSEEN UIDNEXT RECENT MESSAGES)"),
            ["* STATUS INBOX (MESSAGES 1 RECENT 1 UIDNEXT 2 UNSEEN 1 SIZE 10)"],
        )
        self.assertRegex(client.tagged("STATUS nosuch (MESSAGES)"), r"^NO \[NONEXISTENT\]")
        for broken in ("STATUS INBOX ()", "STATUS INBOX", "STATUS INBOX (HIGHESTMODSEQ)", "STATUS INBOX (FOO)"):
            self.assertRegex(client.tagged(broken), "^BAD", broken)

    def test_namespace(self) -> None:
        """RFC 2342."""
        self.assertEqual(self.session(None).ok("NAMESPACE"), ['* NAMESPACE (("" ".")) NIL NIL'])


class AppendTests(Conversation):
    def test_append(self) -> None:
        """RFC 3501 section 6.3.11, APPENDUID of RFC 4315; the selected mailbox is told at once."""
        client = self.session()
        self.assertEqual(client.line('a APPEND INBOX (\\Seen x) "01-Feb-2020 03:04:05 +0100" {5}'), ["+ OK"])
        said = client.line("hello")
        self.assertIn("* 1 EXISTS", said)
        self.assertRegex(said[-1], r"^a OK \[APPENDUID [0-9]+ 1\] Append completed$")
        self.assertEqual(
            client.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)"),
            ['* 1 FETCH (FLAGS (\\Seen \\Recent x) INTERNALDATE "01-Feb-2020 02:04:05 +0000" RFC822.SIZE 5)'],
        )

    def test_refused_before_the_literal(self) -> None:
        """A missing mailbox is refused before the client sends the message (RFC 3501 section 6.3.11, TRYCREATE)."""
        client = self.session()
        self.assertEqual(client.line("a APPEND no {5}"), ["a NO [TRYCREATE] Mailbox doesn't exist: no"])
        client.send(b"a APPEND no {5+}\r\nhello\r\nb NOOP\r\n")
        self.assertEqual(client.said(), ["a NO [TRYCREATE] Mailbox doesn't exist: no", "b OK NOOP completed"])

    def test_multiappend(self) -> None:
        """RFC 3502: all or none."""
        client = self.session(None)
        client.send(b"a APPEND INBOX {1+}\r\na (\\Seen) {1+}\r\nb {1+}\r\nc\r\n")
        self.assertRegex(client.said()[0], r"^a OK \[APPENDUID [0-9]+ 1:3\]")
        client.send(b"a APPEND INBOX {1+}\r\na {0+}\r\n\r\n")
        self.assertEqual(client.said(), ["a NO Can't save a zero byte message"])
        client.send(b"a APPEND INBOX {1+}\r\na (\\Nosuch) {1+}\r\nb\r\n")
        self.assertRegex(client.said()[0], "^a BAD")
        self.assertEqual(client.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 3)"])

    def test_bare_newlines_count_as_crlf(self) -> None:
        """What comes with bare LF is kept, counted and given with CRLF (RFC 3501 section 2.3.4)."""
        client = self.session()
        client.append("a\n\nb\n")
        self.assertEqual(
            client.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[])"), ["* 1 FETCH (RFC822.SIZE 8 BODY[] {8}", "a", "", "b", ")"]
        )


class StoreTests(Conversation):
    def test_store(self) -> None:
        """RFC 3501 section 6.4.6: what changed is told, unless .SILENT."""
        client, other = self.filled(2), self.session()
        self.assertEqual(
            client.ok("STORE 1:2 +FLAGS (\\Seen)"), ["* 1 FETCH (FLAGS (\\Seen))", "* 2 FETCH (FLAGS (\\Seen))"]
        )
        self.assertEqual(client.ok("STORE 1 +FLAGS \\Seen"), [])
        self.assertEqual(client.ok("STORE 1 -FLAGS.SILENT (\\Seen)"), [])
        self.assertEqual(client.ok("UID STORE 1 FLAGS (\\Draft)"), ["* 1 FETCH (UID 1 FLAGS (\\Draft))"])
        self.assertEqual(other.ok("NOOP"), ["* 1 FETCH (FLAGS (\\Draft))", "* 2 FETCH (FLAGS (\\Seen))"])

    def test_keywords(self) -> None:
        """A new keyword is announced to every session before it is used (RFC 3501 section 7.2.6)."""
        client, other = self.filled(1), self.session()
        said = client.ok("STORE 1 +FLAGS (Work)")
        self.assertEqual(said[0], "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft Work)")
        self.assertEqual(said[2], "* 1 FETCH (FLAGS (Work))")
        self.assertEqual(other.ok("FETCH 1 FLAGS")[0], said[0])
        self.assertEqual(client.ok("STORE 1 -FLAGS (wORK)"), ["* 1 FETCH (FLAGS ())"])

    def test_together(self) -> None:
        """STOREs that came together have their own answers, in order, also where one is broken or shares a message
        with another one."""
        client = self.filled(3)
        client.send(
            b"a STORE 1 +FLAGS (\\Seen)\r\nb STORE 2 +FLAGS (\\Seen)\r\nc STORE 9 +FLAGS (\\Seen)\r\n"
            b"d STORE 2 -FLAGS (\\Seen)\r\ne STORE 3 +FLAGS.SILENT (\\Seen)\r\nf NOOP\r\n"
        )
        self.assertEqual(
            client.said(),
            [
                "* 1 FETCH (FLAGS (\\Seen))",
                "a OK Store completed",
                "* 2 FETCH (FLAGS (\\Seen))",
                "b OK Store completed",
                "c BAD Error in IMAP command STORE: Invalid messageset",
                "* 2 FETCH (FLAGS ())",
                "d OK Store completed",
                "e OK Store completed",
                "f OK NOOP completed",
            ],
        )

    def test_one_commit_for_many(self) -> None:
        """STOREs that came together are one commit (the disk syncs once for all)."""
        client = self.filled(3)
        calls = []
        mailbox = client.protocol.session.mailbox  # type: ignore[union-attr]
        change = mailbox.change
        self.patch(mailbox, "change", lambda edits, origin: calls.append(len(edits)) or change(edits, origin))
        client.send(b"".join(b"a STORE %d +FLAGS (\\Seen)\r\n" % number for number in (1, 2, 3)))
        self.assertEqual(calls, [3])

    def test_broken(self) -> None:
        """Flags that are none."""
        client = self.filled(1)
        for broken in (
            "STORE 1 FLAGS (\\Recent)",
            "STORE 1 FLAGS (\\Foo)",
            "STORE 1 FLAGS",
            "STORE 1 FOO (x)",
            "STORE x FLAGS ()",
        ):
            self.assertRegex(client.tagged(broken), "^BAD", broken)


class CopyTests(Conversation):
    def test_copy(self) -> None:
        """RFC 3501 section 6.4.7 with COPYUID (RFC 4315)."""
        client = self.filled(3)
        client.ok("CREATE box")
        client.ok("STORE 2 +FLAGS (\\Flagged)")
        self.assertRegex(client.tagged("COPY 2:3 box"), r"^OK \[COPYUID [0-9]+ 2:3 1:2\] Copy completed$")
        self.assertEqual(client.tagged("COPY 1 no"), "NO [TRYCREATE] Mailbox doesn't exist: no")
        self.assertEqual(client.tagged("UID COPY 99 box"), "OK No messages found")
        self.assertRegex(client.tagged("COPY 99 box"), "^BAD")
        client.ok("SELECT box")
        self.assertEqual(client.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Flagged \\Recent))"])

    def test_move(self) -> None:
        """RFC 6851 section 4.3: COPYUID comes before the EXPUNGEs."""
        client, other = self.filled(3), self.session()
        client.ok("CREATE box")
        said = client.ok("UID MOVE 1,3 box")
        self.assertRegex(said[0], r"^\* OK \[COPYUID [0-9]+ 1,3 1:2\] Moved UIDs\.$")
        self.assertEqual(said[1:], ["* 3 EXPUNGE", "* 1 EXPUNGE"])
        self.assertEqual(other.ok("NOOP"), ["* 3 EXPUNGE", "* 1 EXPUNGE"])
        self.assertEqual(client.tagged("MOVE 1 no"), "NO [TRYCREATE] Mailbox doesn't exist: no")

    def test_expunge(self) -> None:
        """RFC 3501 section 6.4.3; UID EXPUNGE takes only those named (RFC 4315 section 2.1)."""
        client = self.filled(4)
        client.ok("STORE 1,2,4 +FLAGS.SILENT (\\Deleted)")
        self.assertEqual(client.ok("UID EXPUNGE 2:3"), ["* 2 EXPUNGE"])
        self.assertEqual(client.ok("EXPUNGE"), ["* 3 EXPUNGE", "* 1 EXPUNGE"])
        self.assertEqual(client.ok("EXPUNGE"), [])


class TwoSessionTests(Conversation):
    def test_expunge_is_held(self) -> None:
        """No EXPUNGE during FETCH, STORE and SEARCH; their UID forms and others bring it (RFC 3501 section 7.4.1)."""
        for command in ("FETCH 2 FLAGS", "STORE 2 +FLAGS.SILENT (\\Seen)", "SEARCH ALL", "SORT (SIZE) UTF-8 ALL"):
            self.world = World()
            client, other = self.filled(2), self.session()
            other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            other.ok("EXPUNGE")
            self.assertNotIn("EXPUNGE", "".join(client.ok(command)), command)
            self.assertIn("* 1 EXPUNGE", client.ok("NOOP"))
        for command in ("UID FETCH 2 FLAGS", "UID STORE 2 FLAGS ()", "UID SEARCH ALL", "CHECK", "COPY 2 INBOX"):
            self.world = World()
            client, other = self.filled(2), self.session()
            other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            other.ok("EXPUNGE")
            self.assertIn("* 1 EXPUNGE", client.ok(command), command)

    def test_fetch_of_an_expunged_message(self) -> None:
        """Its flags are still known; its octets are not: NO [EXPUNGEISSUED], the others are answered (RFC 2180)."""
        client, other = self.filled(2), self.session()
        other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        self.assertEqual(client.ok("FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS (\\Deleted))"])
        for items in ("BODY.PEEK[TEXT]", "ENVELOPE"):
            answer = client.line(f"a FETCH 1:2 {items}")
            self.assertRegex(answer[0], r"^\* 2 FETCH")
            self.assertEqual(answer[-1], "a NO [EXPUNGEISSUED] Some messages were already expunged")
        self.assertRegex(client.tagged("COPY 1:2 INBOX"), r"^NO \[EXPUNGEISSUED\]")
        self.assertEqual(client.ok("SEARCH ALL"), ["* SEARCH 1"])

    def test_idle(self) -> None:
        """RFC 2177: what happens is told as it happens."""
        client, other = self.filled(1), self.session()
        self.assertEqual(client.line("i IDLE"), ["+ idling"])
        self.session(None).append("x")
        self.assertEqual(client.said(), ["* 2 EXISTS", "* 1 RECENT"])
        other.ok("NOOP")
        other.ok("STORE 1 +FLAGS (\\Deleted)")
        self.assertEqual(client.said(), ["* 1 FETCH (FLAGS (\\Deleted))"])
        other.ok("EXPUNGE")
        self.assertEqual(client.said(), ["* 1 EXPUNGE"])
        self.assertEqual(client.line("done"), ["i OK Idle completed"])
        client.line("i IDLE")
        self.assertRegex(client.line("NOOP")[0], "^i BAD .*Expected DONE")
        client.ok("NOOP")

    def test_mailbox_deleted(self) -> None:
        """Who has a deleted mailbox selected is sent away, also from IDLE."""
        for idle in (True, False):
            self.world = World()
            other = self.session(None)
            other.ok("CREATE box")
            client = self.session("box")
            if idle:
                client.line("i IDLE")
            other.ok("DELETE box")
            self.assertEqual(client.said(), ["* BYE Selected mailbox was deleted, have to disconnect."])
            self.assertTrue(client.wire.disconnecting)

    def test_own_mailbox_deleted(self) -> None:
        """The one who deletes it knows, and goes on with no mailbox selected (RFC 3501 section 3.2)."""
        client = self.session(None)
        client.ok("CREATE box")
        client.ok("SELECT box")
        self.assertEqual(client.ok("DELETE box"), ["* OK [CLOSED] Selected mailbox deleted."])
        self.assertEqual(client.tagged("FETCH 1 FLAGS"), "BAD No mailbox selected")
        self.assertEqual(client.ok("SELECT INBOX")[0][:8], "* FLAGS ")

    def test_own_mailbox_not_deleted(self) -> None:
        """A DELETE that is refused leaves the mailbox selected."""
        client = self.session("INBOX")
        self.assertRegex(client.tagged("DELETE INBOX"), r"^NO \[CANNOT\]")
        client.ok("SEARCH ALL")
