"""The TRANSACTION and UPDATE states: RFC 1939 sections 3, 5, 6, 7."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from mailhub.config.settings import Pop3Settings
from mailhub.memory.account import Account
from mailhub.pop3.maildrop import Maildrop
from mailhub.store.errors import Unavailable
from mailhub.store.model import SEEN, FlagEdit, FlagOp
from tests.pop3.house import Pop3TestCase

HI = b"Subject: hi\r\n\r\n.dot\r\nlast\r\n"
HO = b"Subject: ho\n\nbare\n"


class SessionTests(Pop3TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.add(HI, HO)

    def test_stat_and_list(self) -> None:
        """STAT and LIST count octets with CRLF (RFC 1939 sections 5, 11)."""
        client = self.login()
        self.assertEqual(client(b"STAT\r\n"), b"+OK 2 48\r\n")
        self.assertEqual(client(b"LIST\r\n"), b"+OK 2 messages:\r\n1 27\r\n2 21\r\n.\r\n")
        self.assertEqual(client(b"LIST 2\r\n"), b"+OK 2 21\r\n")
        self.assertEqual(client(b"list 3\r\n"), b"-ERR There's no message 3.\r\n")
        self.assertEqual(client(b"LIST 0\r\n"), b"-ERR There's no message 0.\r\n")

    def test_retr(self) -> None:
        """RETR sends the message dot-stuffed with CRLF line ends (RFC 1939 section 3)."""
        client = self.login()
        self.assertEqual(client(b"RETR 1\r\n"), b"+OK 27 octets\r\nSubject: hi\r\n\r\n..dot\r\nlast\r\n.\r\n")
        self.assertEqual(client(b"RETR 2\r\n"), b"+OK 21 octets\r\nSubject: ho\r\n\r\nbare\r\n.\r\n")
        self.assertEqual(client(b"RETR 5\r\n"), b"-ERR There's no message 5.\r\n")
        self.assertEqual(client(b"RETR\r\n"), b"-ERR Invalid message number: \r\n")
        self.assertEqual(client(b"RETR x\r\n"), b"-ERR Invalid message number: x\r\n")

    def test_top(self) -> None:
        """TOP sends the header, the blank line and n lines (RFC 1939 section 7)."""
        client = self.login()
        self.assertEqual(client(b"TOP 1 0\r\n"), b"+OK\r\nSubject: hi\r\n\r\n.\r\n")
        self.assertEqual(client(b"TOP 1 1\r\n"), b"+OK\r\nSubject: hi\r\n\r\n..dot\r\n.\r\n")
        self.assertEqual(client(b"TOP 1 99\r\n"), b"+OK\r\nSubject: hi\r\n\r\n..dot\r\nlast\r\n.\r\n")
        for bad in (b"TOP 1\r\n", b"TOP\r\n", b"TOP 1 -1\r\n", b"TOP 3 0\r\n"):
            self.assertEqual(client(bad)[:4], b"-ERR")

    def test_uidl(self) -> None:
        """UIDL is 8 hex digits of UID and 8 of UIDVALIDITY, as Dovecot's default (RFC 1939 section 7)."""
        validity = self.successResultOf(self.account.open("INBOX")).snapshot.uidvalidity
        client = self.login()
        one, two = (b"%08x%08x" % (uid, validity) for uid in (1, 2))
        self.assertEqual(client(b"UIDL\r\n"), b"+OK\r\n1 %s\r\n2 %s\r\n.\r\n" % (one, two))
        self.assertEqual(client(b"UIDL 2\r\n"), b"+OK 2 %s\r\n" % two)

    def test_dele_and_rset(self) -> None:
        """DELE marks, nothing shows a marked message, RSET takes the marks away (RFC 1939 section 5)."""
        client = self.login()
        self.assertEqual(client(b"DELE 1\r\n"), b"+OK Marked to be deleted.\r\n")
        for command in (b"DELE 1", b"RETR 1", b"LIST 1", b"UIDL 1", b"TOP 1 0"):
            self.assertEqual(client(command + b"\r\n"), b"-ERR Message is deleted.\r\n")
        self.assertEqual(client(b"STAT\r\nLIST\r\n"), b"+OK 1 21\r\n+OK 1 messages:\r\n2 21\r\n.\r\n")
        self.assertEqual(client(b"UIDL\r\n").count(b"\r\n"), 3)
        self.assertEqual(client(b"RSET\r\nSTAT\r\n"), b"+OK\r\n+OK 2 48\r\n")
        self.assertEqual(client(b"QUIT\r\n"), b"+OK Logging out.\r\n")
        self.assertEqual(len(self.flags()), 2)

    def test_quit_removes(self) -> None:
        """QUIT removes what is marked, in one step (RFC 1939 section 6)."""
        client = self.login()
        self.assertEqual(
            client(b"DELE 1\r\nQUIT\r\n"), b"+OK Marked to be deleted.\r\n+OK Logging out, messages deleted.\r\n"
        )
        self.assertTrue(client.closed)
        self.assertEqual(self.login()(b"STAT\r\n"), b"+OK 1 21\r\n")

    def test_ok_only_when_durable(self) -> None:
        """+OK to QUIT says that the messages are gone: it is not said before the store has said so (design law 2)."""
        mailbox = self.successResultOf(self.account.open("INBOX"))
        waiting: Deferred[list[int]] = Deferred()
        self.patch(mailbox, "expunge", lambda uids: waiting)
        client = self.login()
        self.assertEqual(client(b"DELE 1\r\nQUIT\r\n"), b"")
        waiting.callback([1])
        self.assertEqual(client.read(), b"+OK Marked to be deleted.\r\n+OK Logging out, messages deleted.\r\n")

    def test_quit_fails(self) -> None:
        """If the messages cannot be removed, QUIT is answered with -ERR (RFC 1939 section 6)."""
        mailbox = self.successResultOf(self.account.open("INBOX"))
        waiting: Deferred[list[int]] = Deferred()
        self.patch(mailbox, "expunge", lambda uids: waiting)
        client = self.login()
        client(b"DELE 1\r\nQUIT\r\n")
        waiting.errback(Unavailable("The disk fails."))
        self.assertIn(b"-ERR [SYS/TEMP] The disk fails. Some deleted messages not removed.\r\n", client.read())
        self.assertTrue(client.closed)

    def test_lost_connection_removes_nothing(self) -> None:
        """Only QUIT enters the UPDATE state (RFC 1939 section 6)."""
        client = self.login()
        client(b"DELE 1\r\nDELE 2\r\n")
        client.lose()
        self.assertEqual(len(self.flags()), 2)

    def test_half_a_quit_removes_nothing(self) -> None:
        """QUIT without its line end is no QUIT."""
        client = self.login()
        client(b"DELE 1\r\nQUIT")
        client.protocol.readConnectionLost()
        client.read()
        self.assertTrue(client.closed)
        self.assertEqual(len(self.flags()), 2)

    def test_autologout(self) -> None:
        """After ten silent minutes the connection is closed; nothing is said or removed (RFC 1939 section 3)."""
        client = self.login()
        client(b"DELE 1\r\n")
        self.clock.advance(599)
        self.assertEqual(client(b"NOOP\r\n"), b"+OK\r\n")
        self.clock.advance(599)
        self.assertFalse(client.transport.disconnecting)
        self.clock.advance(2)
        self.assertEqual(client.read(), b"")
        self.assertTrue(client.closed)
        self.assertEqual(len(self.flags()), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_retr_sets_seen(self) -> None:
        """What RETR sent is \\Seen for IMAP once the session is over, however it ended; TOP flags nothing."""
        client = self.login()
        client(b"RETR 1\r\nTOP 2 0\r\n")
        client.lose()
        self.assertEqual(self.flags(), [{SEEN}, set()])
        client = self.login()
        client(b"RETR 2\r\nQUIT\r\n")
        self.assertEqual(self.flags(), [{SEEN}, {SEEN}])

    def test_seen_is_one_commit(self) -> None:
        """The messages of a session become \\Seen in one change."""
        before = self.successResultOf(self.account.open("INBOX")).snapshot
        self.login()(b"RETR 1\r\nRETR 2\r\nQUIT\r\n")
        after = self.successResultOf(self.account.open("INBOX")).snapshot
        self.assertEqual(after.modseqs[0], after.modseqs[1])
        self.assertGreater(after.modseqs[0], before.modseqs[1])

    def test_own_snapshot(self) -> None:
        """Each session keeps its numbers; a message that another session removed cannot be read any more."""
        first, second = self.login(), self.login()
        first(b"DELE 1\r\nQUIT\r\n")
        self.add(HI)
        self.assertEqual(second(b"STAT\r\n"), b"+OK 2 48\r\n")
        self.assertEqual(second(b"RETR 1\r\n"), b"-ERR Message 1 expunged.\r\n")
        self.assertEqual(second(b"RETR 2\r\n")[:4], b"+OK ")
        self.assertEqual(second(b"DELE 1\r\nQUIT\r\n")[-5:], b"ted.\r\n"[-5:])
        self.assertEqual(self.login()(b"STAT\r\n"), b"+OK 2 48\r\n")

    def test_seen_elsewhere(self) -> None:
        """A flag set by IMAP meanwhile is kept."""
        client = self.login()
        mailbox = self.successResultOf(self.account.open("INBOX"))
        self.successResultOf(mailbox.change([FlagEdit([1], FlagOp.ADD, frozenset({"\\Flagged"}))]))
        client(b"RETR 1\r\nQUIT\r\n")
        self.assertEqual(self.flags()[0], {"\\Flagged", SEEN})

    def test_bad_commands(self) -> None:
        """20 bad commands in a row end the connection; a good one between starts the count again."""
        client = self.login()
        self.assertEqual(client(b"FOO\r\n" * 19), b"-ERR Unknown command: FOO\r\n" * 19)
        self.assertEqual(client(b"NOOP\r\n"), b"+OK\r\n")
        out = client(b"FOO\r\n" * 10_000)
        self.assertEqual(out, b"-ERR Unknown command: FOO\r\n" * 20 + b"-ERR Too many bad commands.\r\n")
        self.assertTrue(client.closed)

    def test_pipelined(self) -> None:
        """Any number of commands may be sent at once (RFC 2449 section 6.8); others get their turns between."""
        client = self.login()
        self.assertEqual(client(b"NOOP\r\n" * 5000), b"+OK\r\n" * 5000)

    def test_shutdown(self) -> None:
        """A stop of the server says so, removes nothing, keeps what was read."""
        client = self.login()
        client(b"RETR 1\r\nDELE 2\r\n")
        done = self.factory.shutdown()
        self.assertEqual(client.read(), b"-ERR [SYS/TEMP] Server shutting down.\r\n")
        self.successResultOf(done)
        self.assertEqual(self.flags(), [{SEEN}, set()])

    def test_releases_the_account(self) -> None:
        """However a session ends, the account is released once and nothing listens any more."""
        releases: list[object] = []
        self.patch(Account, "release", lambda account: releases.append(account))
        mailbox = self.successResultOf(self.account.open("INBOX"))
        listening: list[object] = []
        self.patch(mailbox, "subscribe", listening.append)
        self.patch(mailbox, "unsubscribe", listening.remove)
        for end in (b"QUIT\r\n", b"FOO\r\n" * 20, b""):
            client = self.login()
            self.assertEqual(len(listening), 1)
            client(b"RETR 1\r\n" + end)
            if not client.closed:
                client.lose()
            self.assertEqual(listening, [])
        self.assertEqual(len(releases), 3)

    def test_maildrop_that_cannot_be_opened(self) -> None:
        """A maildrop that cannot be opened is a failed login; the client may try again (RFC 1939 section 4)."""
        client = self.connect()
        self.patch(self.account, "open", lambda name: fail(Unavailable("The disk fails.")))
        self.assertEqual(client(b"USER ann\r\nPASS pass\r\n"), b"+OK\r\n-ERR [SYS/TEMP] The disk fails.\r\n")
        del self.account.open
        self.assertEqual(client(b"USER ann\r\nPASS pass\r\n"), b"+OK\r\n+OK Logged in.\r\n")

    def test_exception_is_logged_and_closes(self) -> None:
        """A mistake of ours ends the session and is logged."""

        def broken(drop: Maildrop) -> int:
            raise ZeroDivisionError

        client = self.login()
        self.patch(Maildrop, "__len__", broken)
        client(b"STAT\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(client.closed)


class KeepUnseenTests(Pop3TestCase):
    settings = Pop3Settings(mark_seen=False, uidl_format="%d.%d")

    def test_no_flag(self) -> None:
        """With mark_seen off, RETR flags nothing; uidl_format is followed."""
        self.add(HI)
        client = self.login()
        client(b"RETR 1\r\n")
        self.assertRegex(client(b"UIDL 1\r\n"), rb"\A\+OK 1 1\.[0-9]+\r\n\Z")
        client(b"QUIT\r\n")
        self.assertEqual(self.flags(), [set()])


class LargeTests(Pop3TestCase):
    def test_many(self) -> None:
        """10,000 messages: rows are complete and in order over the batches."""
        self.add(*[b"a: %d\r\n\r\n" % number for number in range(10_000)])
        client = self.login()
        rows = client(b"LIST\r\n").split(b"\r\n")
        self.assertEqual([row.split()[0] for row in rows[1:-2]], [b"%d" % n for n in range(1, 10_001)])
        self.assertEqual(client(b"DELE 5000\r\nUIDL\r\n").count(b"\r\n"), 10_002)

    def test_large_message(self) -> None:
        """A message larger than a piece is dot-stuffed over its pieces and complete."""
        message = b"a: b\r\n\r\n" + b".line of text\r\n" * 60_000
        self.add(message)
        out = self.login()(b"RETR 1\r\n")
        self.assertEqual(out, b"+OK %d octets\r\n" % len(message) + message.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def test_reader_in_order(self) -> None:
        """Read ahead or not, each RETR gives its own message."""
        messages = [b"n: %d\r\n\r\n%s\r\n" % (n, b"x" * n * 997) for n in range(150)]
        self.add(*messages)
        client = self.login()
        client(b"DELE 7\r\n")
        for number in [*range(1, 7), *range(8, 60), 3, 4, 150, 149, *range(80, 120)]:
            out = client(b"RETR %d\r\n" % number)
            self.assertEqual(out.partition(b"\r\n")[2], messages[number - 1] + b".\r\n")

    def test_client_that_does_not_read(self) -> None:
        """Nothing is produced for a client that does not read (design law 8), and it is cut off after the timeout."""
        self.add(b"a: b\r\n\r\n" + b"x" * 78 * 100_000 + b"\r\n")
        client = self.login(full_at=1 << 17)
        client.protocol.dataReceived(b"RETR 1\r\n" * 1000)
        waiting = len(client.transport.value())
        self.assertLess(waiting, 1 << 19)
        client.protocol.dataReceived(b"RETR 1\r\n" * 20_000)
        self.assertFalse(client.transport.reading)
        self.assertEqual(len(client.transport.value()), waiting)
        self.clock.advance(601)
        self.assertTrue(client.transport.aborted)
        client.lose()
        self.assertEqual(self.factory.conversations, set())
