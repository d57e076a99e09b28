"""Sessions as a whole: states, bad input, limits, timeouts, what happens at the end."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailhub.config.settings import ImapSettings
from mailhub.imap.table import TABLE
from mailhub.memory.mailbox import Mailbox
from tests.imap.conversation import Client, Conversation, World

COMMANDS = {
    "CAPABILITY": "nas",
    "NOOP": "nas",
    "ID NIL": "nas",
    "LOGIN u pass": "n",
    "ENABLE X": "as",
    "NAMESPACE": "as",
    "SELECT INBOX": "as",
    "EXAMINE INBOX": "as",
    "CREATE a": "as",
    "DELETE a": "as",
    "RENAME a b": "as",
    "SUBSCRIBE INBOX": "as",
    "UNSUBSCRIBE INBOX": "as",
    'LIST "" *': "as",
    'LSUB "" *': "as",
    "STATUS INBOX (MESSAGES)": "as",
    "APPEND INBOX {1+}\r\nx": "as",
    "CHECK": "s",
    "CLOSE": "s",
    "UNSELECT": "s",
    "EXPUNGE": "s",
    "UID EXPUNGE 1": "s",
    "SEARCH ALL": "s",
    "UID SEARCH ALL": "s",
    "FETCH 1 FLAGS": "s",
    "UID FETCH 1 FLAGS": "s",
    "STORE 1 FLAGS ()": "s",
    "COPY 1 INBOX": "s",
    "MOVE 1 INBOX": "s",
    "IDLE\r\nDONE": "as",
}
"""Every command that completes by itself, and the states it is for: not authenticated, authenticated, selected."""


class StateTests(Conversation):
    def _in(self, state: str) -> Client:
        if state == "n":
            client = self.world.connect()
            client.raw()
            return client
        client = self.session(None)
        client.append("x")
        if state == "s":
            client.ok("SELECT INBOX")
        client.raw()
        return client

    def test_every_command_in_every_state(self) -> None:
        """A command outside its states is BAD and harms nothing (RFC 3501 section 3)."""
        for command, states in COMMANDS.items():
            for state in "nas":
                self.world = World()
                client = self._in(state)
                client.send(f"t {command}\r\n".encode())
                tagged = [line for line in client.said() if line.startswith("t ")]
                if state in states:
                    self.assertNotIn(" BAD ", tagged[-1], (command, state))
                elif command.startswith(("APPEND", "IDLE")):
                    self.assertIn("t BAD", tagged[0], (command, state))
                else:
                    self.assertEqual(len(tagged), 1, (command, state))
                    self.assertIn("t BAD", tagged[0], (command, state))
                    self.assertEqual(client.line("z NOOP")[-1][:4], "z OK")

    def test_table_is_tested(self) -> None:
        """No command is missing above."""
        names = {getattr(command, "NAME", "APPEND") for command in TABLE}
        tested = {command.replace("UID ", "").split()[0] for command in COMMANDS}
        self.assertEqual(names - tested, {"LOGOUT", "STARTTLS", "AUTHENTICATE"} & names | (names & {"SORT", "THREAD"}))

    def test_logout(self) -> None:
        """LOGOUT says BYE, then OK, then closes (RFC 3501 section 6.1.3)."""
        for client in (self.world.connect(), self.session(None), self.session()):
            client.raw()
            self.assertEqual(client.line("a LOGOUT")[0], "* BYE Logging out")
            self.assertTrue(client.wire.disconnecting)

    def test_greeting(self) -> None:
        """The greeting carries the capabilities, IMAP4rev1 first (RFC 3501 section 7.1)."""
        self.assertRegex(
            self.world.connect().said()[0], r"^\* OK \[CAPABILITY IMAP4rev1 .*AUTH=PLAIN.*\] mailhub ready\.$"
        )


class BadInputTests(Conversation):
    def test_unknown_commands(self) -> None:
        """20 bad commands in a row end the session, 3 before login; a good one between starts the count anew."""
        client = self.session()
        for _ in range(19):
            self.assertIn("a BAD", client.line("a FOO")[0])
        client.ok("NOOP")
        for _ in range(19):
            client.line("a FOO")
        self.assertEqual(client.line("a FOO")[-1], "* BYE Too many invalid IMAP commands.")
        self.assertTrue(client.wire.disconnecting)
        client = self.world.connect()
        client.line("a FOO")
        client.line("a FOO")
        self.assertEqual(client.line("a FOO")[-1], "* BYE Too many invalid IMAP commands.")

    def test_literal_over_the_limit(self) -> None:
        """A synchronising literal over the limit is refused before it is sent; another one is read and dropped."""
        client = self.session()
        self.assertIn("[TOOBIG]", client.line("a CREATE {100000}")[0])
        client.send(b"a CREATE {100000+}\r\n" + b"x" * 100000 + b"\r\nb NOOP\r\n")
        said = client.said()
        self.assertIn("[TOOBIG]", said[0])
        self.assertEqual(said[1], "b OK NOOP completed")

    def test_message_over_the_limit(self) -> None:
        """APPEND of more than APPENDLIMIT is refused before it is sent (RFC 7889 section 4)."""
        self.world = World(message_limit=10)
        client = self.session()
        self.assertIn("NO [TOOBIG]", client.line("a APPEND INBOX {11}")[0])
        client.send(b"a APPEND INBOX {11+}\r\n12345678901\r\nb NOOP\r\n")
        self.assertIn("NO [TOOBIG]", client.said()[0])
        self.assertIn("APPENDLIMIT=10", client.ok("CAPABILITY")[0])
        self.assertEqual(client.ok("STATUS INBOX (APPENDLIMIT)"), ["* STATUS INBOX (APPENDLIMIT 10)"])

    def test_nested_and_many_keys(self) -> None:
        """Deep parentheses and thousands of keys are refused, and the session goes on."""
        client = self.session()
        for program in ("(" * 10_000 + "ALL" + ")" * 10_000, "ALL " * 10_000 + "ALL"):
            answer = client.line(f"a SEARCH {program}")[-1]
            self.assertRegex(answer, "^a (BAD|NO) ")
            client.ok("NOOP")

    def test_huge_set_on_empty_mailbox(self) -> None:
        """1:4294967295 costs nothing (RFC 3501 section 6.4.8: UIDs that do not exist are ignored)."""
        client = self.session()
        self.assertEqual(client.ok("UID FETCH 1:4294967295 FLAGS"), [])
        self.assertEqual(client.ok("UID SEARCH UID 1:4294967295"), ["* SEARCH"])
        self.assertIn("BAD", client.tagged("FETCH 1:4294967295 FLAGS"))

    def test_internal_error(self) -> None:
        """Our own fault is NO [SERVERBUG], logged, and the session goes on."""
        client = self.session()

        def broken(*args: Any) -> None:
            raise ZeroDivisionError

        self.patch(Mailbox, "search", broken)
        self.assertEqual(client.tagged("SEARCH UNSEEN"), "NO [SERVERBUG] Internal error occurred. Refer to server log.")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        client.ok("NOOP")

    def test_names(self) -> None:
        """Octets that are no name are NO [CANNOT], since the syntax was fine (RFC 5530)."""
        client = self.session()
        for name in ("&bad", '"a&b"', "a/b", ".x", "a..b", '""'):
            self.assertIn("NO [CANNOT]", client.tagged(f"CREATE {name}"), name)


class TimeoutTests(Conversation):
    settings = ImapSettings(idle_timeout=1800, login_timeout=60, idle_notify=120)

    def test_login_timeout(self) -> None:
        """Who does not log in in time is sent away, however busy."""
        client = self.world.connect()
        client.raw()
        for _ in range(5):
            self.world.clock.advance(10)
            client.line("a NOOP")
        self.world.clock.advance(10)
        self.assertEqual(client.said(), ["* BYE Disconnected for inactivity."])

    def test_idle_timeout(self) -> None:
        """Autologout after 30 minutes without a command, not in IDLE (RFC 3501 section 5.4)."""
        client, idling = self.session(), self.session()
        idling.line("a IDLE")
        self.world.clock.pump([60] * 29)
        client.ok("NOOP")
        self.world.clock.pump([60] * 29)
        self.assertEqual(client.said(), [])
        self.world.clock.pump([60] * 2)
        self.assertEqual(client.said(), ["* BYE Disconnected for inactivity."])
        self.assertFalse(idling.wire.disconnecting)
        self.assertEqual(set(idling.said()), {"* OK Still here"})

    def test_timers_end(self) -> None:
        """A closed connection leaves no timer behind."""
        client = self.session()
        client.line("a IDLE")
        client.drop()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class EndTests(Conversation):
    def test_connection_lost(self) -> None:
        """A client that vanishes leaves nothing subscribed, whatever it was doing."""
        for last in ("", "a IDLE\r\n", "a APPEND INBOX {10+}\r\nabc", "a CREATE {3}\r\n", "a FET"):
            client = self.session()
            mailbox: Any = client.protocol.session.mailbox  # type: ignore[union-attr]
            client.send(last.encode())
            client.drop()
            self.assertEqual(len(mailbox._notifier), 0, last)
            self.assertEqual(self.world.factory.sessions, set())

    def test_lost_while_the_store_works(self) -> None:
        """The write goes on; the session ends when it is done."""
        client = self.filled(1)
        mailbox: Any = client.protocol.session.mailbox  # type: ignore[union-attr]
        busy: Deferred[Any] = Deferred()
        self.patch(Mailbox, "refresh", lambda _: busy)
        client.send(b"a NOOP\r\n")
        client.drop()
        self.assertEqual(len(mailbox._notifier), 1)
        busy.callback(mailbox.snapshot)
        self.assertEqual(len(mailbox._notifier), 0)

    def test_half_closed(self) -> None:
        """A client that closes its end after its last command still gets all answers, also of slow ones."""
        client = self.filled(1)
        mailbox: Any = client.protocol.session.mailbox  # type: ignore[union-attr]
        busy: Deferred[Any] = Deferred()
        self.patch(Mailbox, "refresh", lambda _: busy)
        client.send(b"a NOOP\r\nb NOOP\r\nc NOO")
        client.protocol.readConnectionLost()
        self.assertEqual(client.said(), [])
        busy.callback(mailbox.snapshot)
        self.assertEqual(client.said(), ["a OK NOOP completed", "b OK NOOP completed"])
        self.assertTrue(client.wire.disconnecting)
        for last in (b"", b"a IDLE\r\n", b"a APPEND INBOX {5+}\r\nx"):
            client = self.session(None)
            client.send(last)
            client.protocol.readConnectionLost()
            self.assertTrue(client.wire.disconnecting, last)

    def test_shutdown(self) -> None:
        """shutdown() says BYE to all and fires when they are gone."""
        clients = [self.world.connect(), self.session(None), self.session()]
        clients[2].line("a IDLE")
        for client in clients:
            client.raw()
        done = self.world.factory.shutdown()
        for client in clients:
            self.assertEqual(client.said(), ["* BYE Server shutting down."])
            self.assertTrue(client.wire.disconnecting)
        self.assertNoResult(done)
        for client in clients:
            client.drop()
        self.successResultOf(done)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertIsNone(self.world.factory.buildProtocol(None))


class FlowTests(Conversation):
    def test_client_that_does_not_read(self) -> None:
        """Nothing is produced for a client that does not read, and it is read no further."""
        client = self.session()
        client.append("x" * 100_000)
        client.ok("NOOP")
        client.protocol._gate.pauseProducing()
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n" * 50)
        self.assertLess(len(client.wire.value()), 300_000)
        client.send(b"a NOOP\r\n" * 50_000)
        self.assertTrue(client.wire.paused_reading)
        for _ in range(200_000):
            if not client.wire.paused_reading:
                break
            client.protocol._gate.resumeProducing()
            self.world.clock.advance(0)
        self.assertFalse(client.wire.paused_reading)
        self.assertEqual(client.raw().count(b"a OK NOOP"), 50_000)

    def test_one_write_a_turn(self) -> None:
        """The answers of commands that came together are one write."""
        client = self.session()
        writes: list[bytes] = []
        self.patch(client.wire, "write", writes.append)
        client.send(b"a NOOP\r\n" * 100)
        self.assertEqual(len(writes), 1)

    def test_chunking_does_not_matter(self) -> None:
        """Octet by octet or all at once, the answers are the same."""
        script = (
            b"a APPEND INBOX (\\Seen) {5+}\r\nhello\r\nb NOOP\r\nc STORE 1 +FLAGS (x)\r\nd STORE 1 -FLAGS (x)\r\n"
            b"e FETCH 1 BODY[]\r\nf UID FETCH 1 BODY[]\r\ng IDLE\r\nDONE\r\nh SEARCH ALL\r\ni EXPUNGE\r\n"
        )
        answers = []
        for step in (1, 7, len(script)):
            self.world = World()
            client = self.session()
            for at in range(0, len(script), step):
                client.send(script[at : at + step])
            answers.append(client.said())
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])


class SwitchedOffTests(SynchronousTestCase):
    OFF: ClassVar = {
        "IDLE": "IDLE",
        "UNSELECT": "UNSELECT",
        "MOVE": "MOVE 1 x",
        "UIDPLUS": "UID EXPUNGE 1",
        "ESEARCH": "SEARCH RETURN (ALL) ALL",
        "WITHIN": "SEARCH OR ALL NOT YOUNGER 10",
        "STATUS=SIZE": "STATUS INBOX (SIZE)",
        "LIST-EXTENDED": 'LIST (SUBSCRIBED) "" *',
        "LIST-STATUS": 'LIST "" * RETURN (STATUS (MESSAGES))',
        "SPECIAL-USE": 'LIST "" * RETURN (SPECIAL-USE)',
        "CREATE-SPECIAL-USE": "CREATE x (USE (\\Sent))",
        "NAMESPACE": "NAMESPACE",
        "ENABLE": "ENABLE X",
        "ID": "ID NIL",
        "MULTIAPPEND": "APPEND INBOX {1+}\r\na {1+}\r\nb",
    }

    def test_off(self) -> None:
        """A capability taken out is not announced, and its commands and syntax are BAD."""
        for name, command in self.OFF.items():
            client = World(ImapSettings(capabilities_off=(name,))).user("u", "INBOX")
            self.assertNotIn(name, client.ok("CAPABILITY")[0].split())
            client.send(f"a {command}\r\n".encode())
            self.assertRegex(client.said()[-1], "^a BAD", name)
            client.ok("NOOP")
