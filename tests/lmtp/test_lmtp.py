"""LMTP conversations: RFC 2033, 5321, 1870, 2034, 2920, 3030, 6152, 6531."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, fail

from mailhub.config.settings import LmtpSettings
from mailhub.memory.account import Account
from mailhub.store.errors import Busy, OverQuota
from tests.lmtp.house import LmtpTestCase

MESSAGE = b"Subject: hi\r\n\r\nHello\r\n"


class CommandTests(LmtpTestCase):
    def test_lhlo(self) -> None:
        """LHLO lists the extensions (RFC 2033 section 4.1; 1870, 2034, 2920, 3030, 6152, 6531)."""
        client = self.connect()
        self.assertEqual(client.greeting, b"220 mail.example.org mailhub ready.\r\n")
        self.assertEqual(
            client(b"LHLO client.example.org\r\n"),
            b"250-mail.example.org\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n"
            b"250-PIPELINING\r\n250-SIZE 100000\r\n250 SMTPUTF8\r\n",
        )

    def test_helo_is_not_lmtp(self) -> None:
        """HELO and EHLO are answered with 500 (RFC 2033 section 4.1); mail needs LHLO first."""
        client = self.connect()
        for line in (b"HELO x", b"EHLO x"):
            self.assertEqual(client(line + b"\r\n"), b"500 5.5.1 Unknown command\r\n")
        self.assertEqual(client(b"MAIL FROM:<a@b>\r\n"), b"503 5.5.1 LHLO needed first\r\n")
        self.assertEqual(client(b"LHLO\r\n"), b"501 5.5.4 Invalid hostname parameter\r\n")

    def test_small_commands(self) -> None:
        """NOOP, VRFY, RSET, HELP, QUIT and unknown ones, with enhanced status codes (RFC 2034)."""
        client = self.connect()
        for line, answer in (
            (b"NOOP", b"250 2.0.0 OK"),
            (b"noop foo", b"250 2.0.0 OK"),
            (b"VRFY ann", b"252 2.3.3 Try RCPT instead"),
            (b"VRFY", b"501 5.5.4 Invalid parameters"),
            (b"RSET", b"250 2.0.0 OK"),
            (b"RSET x", b"501 5.5.4 Invalid parameters"),
            (b"EXPN x", b"500 5.5.1 Unknown command"),
            (b"AUTH PLAIN", b"500 5.5.1 Unknown command"),
            (b"STARTTLS", b"502 5.5.1 TLS support is not enabled."),
            (b"", b"500 5.5.1 Unknown command"),
            (b"QUIT x", b"501 5.5.4 Invalid parameters"),
            (b"QUIT", b"221 2.0.0 Bye"),
        ):
            self.assertEqual(client(line + b"\r\n"), answer + b"\r\n")
        self.assertTrue(client.closed)

    def test_order(self) -> None:
        """Commands out of order get 503 (RFC 5321 section 4.1.4; RFC 2033 section 4.2 for DATA without recipients)."""
        client = self.hello()
        self.assertEqual(client(b"RCPT TO:<ann>\r\n"), b"503 5.5.0 MAIL needed first\r\n")
        self.assertEqual(client(b"DATA\r\n"), b"503 5.5.0 MAIL needed first\r\n")
        self.assertEqual(client(b"MAIL FROM:<a@b>\r\n"), b"250 2.1.0 OK\r\n")
        self.assertEqual(client(b"MAIL FROM:<a@b>\r\n"), b"503 5.5.0 MAIL already given\r\n")
        self.assertEqual(client(b"DATA\r\n"), b"503 5.5.0 No valid recipients\r\n")
        self.assertEqual(client(b"LHLO again\r\n")[:4], b"250-")
        self.assertEqual(client(b"RCPT TO:<ann>\r\n"), b"503 5.5.0 MAIL needed first\r\n")

    def test_parameters(self) -> None:
        """Declared size over the limit: 552 at MAIL (RFC 1870 section 6.1); unknown parameters: 555."""
        client = self.hello()
        for line, code in (
            (b"MAIL FROM:<a@b> SIZE=100001", b"552 5.3.4 "),
            (b"MAIL FROM:<a@b> FOO=bar", b"555 5.5.4 "),
            (b"MAIL FROM:<a@b> SIZE=100000 BODY=8BITMIME SMTPUTF8", b"250 2.1.0 "),
            (b"RCPT TO:<ann> NOTIFY=NEVER", b"555 5.5.4 "),
            (b"RCPT TO:<>", b"501 5.5.4 "),
            ("RCPT TO:<\u00f6>".encode(), "550 5.1.1 <\u00f6>".encode()),
        ):
            self.assertEqual(client(line + b"\r\n")[: len(code)], code, line)

    def test_too_many_recipients(self) -> None:
        """452 4.5.3 over the limit; those before it stay (RFC 5321 section 4.5.3.1.10)."""
        self.factory._settings = LmtpSettings(hostname="h", recipient_limit=2)
        client = self.envelope("ann", "bob")
        self.assertEqual(client(b"RCPT TO:<ann>\r\n"), b"452 4.5.3 Too many recipients\r\n")
        self.assertEqual(client(b"DATA\r\n" + MESSAGE + b".\r\n").count(b"250 2.0.0"), 2)

    def test_bad_commands(self) -> None:
        """After 20 bad commands in a row: 421 and the end."""
        client = self.hello()
        out = client(b"FOO\r\n" * 10_000)
        self.assertEqual(out.count(b"500 "), 19)
        self.assertTrue(out.endswith(b"421 4.7.0 mail.example.org Too many invalid commands.\r\n"))
        self.assertTrue(client.closed)

    def test_long_line(self) -> None:
        """A line over the limit is refused; the next line is the next command."""
        client = self.hello()
        self.assertEqual(
            client(b"MAIL FROM:<" + b"x" * 70_000 + b">\r\nNOOP\r\n"), b"500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n"
        )

    def test_timeout(self) -> None:
        """Silence ends the session with 421 (RFC 5321 section 4.5.3.2.7), also in the middle of a message."""
        for script in (b"NOOP\r\n", b"MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nSubject: half"):
            client = self.hello()
            client(script)
            self.clock.advance(301)
            self.assertEqual(client.read(), b"421 4.4.2 mail.example.org Disconnected for inactivity\r\n")
            self.assertTrue(client.closed)
        self.assertEqual(self.mail("ann"), [])

    def test_shutdown(self) -> None:
        """A stop of the server ends sessions with 421 (RFC 5321 section 3.8)."""
        client = self.hello()
        done = self.factory.shutdown()
        self.assertEqual(client.read(), b"421 4.3.2 mail.example.org Shutting down\r\n")
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class DeliveryTests(LmtpTestCase):
    def test_one_recipient(self) -> None:
        """Return-Path, Delivered-To and Received as Dovecot adds them (RFC 5321 section 4.4)."""
        client = self.envelope("ann+folder@example.org", sender="a b@c".replace("a b", '"a b"'))
        self.assertEqual(client(b"DATA\r\n"), b"354 OK\r\n")
        answer = client(MESSAGE + b".\r\n")
        self.assertRegex(answer, rb"\A250 2\.0\.0 <ann\+folder@example\.org> [\w-]{16} Saved\r\n\Z")
        ident = answer.split()[3]
        (message,) = self.mail("ann")
        self.assertEqual(
            message,
            b'Return-Path: <"a b"@c>\r\nDelivered-To: ann+folder@example.org\r\n'
            b"Received: from client.example.org ([127.0.0.1])\r\n\tby mail.example.org with LMTP\r\n\tid "
            + ident
            + b"\r\n"
            b'\t(envelope-from <"a b"@c>)\r\n\tfor <ann+folder@example.org>; Sun, 09 Sep 2001 01:46:40 +0000\r\n'
            + MESSAGE,
        )

    def test_several_recipients(self) -> None:
        """A reply for each in the order of RCPT (RFC 2033 section 4.2); no Delivered-To, so that all have one file."""
        client = self.envelope("bob", "ann", "carl@example.org", sender="")
        answer = client(b"DATA\r\n" + MESSAGE + b".\r\n").split(b"\r\n")
        self.assertEqual([line.split()[2] for line in answer[1:4]], [b"<bob>", b"<ann>", b"<carl@example.org>"])
        self.assertEqual(len(answer), 5)
        (message,) = self.mail("ann")
        self.assertTrue(message.startswith(b"Return-Path: <>\r\nReceived: from client.example.org ([127.0.0.1])\r\n"))
        self.assertNotIn(b"\tfor <", message)
        self.assertEqual([self.mail("bob"), self.mail("carl@example.org")], [[message], [message]])

    def test_unknown_recipient(self) -> None:
        """Two recipients, one unknown: 550 5.1.1 for that one at RCPT, and one reply after the message."""
        client = self.hello()
        self.assertEqual(
            client(b"MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"),
            b"250 2.1.0 OK\r\n550 5.1.1 <nobody@example.org> User doesn't exist\r\n250 2.1.5 OK\r\n354 OK\r\n",
        )
        self.assertEqual(client(MESSAGE + b".\r\n").count(b"\r\n"), 1)
        (message,) = self.mail("ann")
        self.assertIn(b"\r\nDelivered-To: ann@example.org\r\n", message)

    def test_user_database_away(self) -> None:
        """Trouble on our side is 451 4.3.0, so that the sender tries again."""
        client = self.hello()
        client(b"MAIL FROM:<>\r\n")
        self.assertEqual(client(b"RCPT TO:<broken>\r\n"), b"451 4.3.0 <broken> Temporary internal error\r\n")

    def test_same_recipient_twice(self) -> None:
        """Two RCPT of one address: two replies, one copy, as Dovecot; two addresses of a user: two copies."""
        client = self.envelope("ann", "ann")
        self.assertEqual(client(b"DATA\r\n" + MESSAGE + b".\r\n").count(b"250 2.0.0 <ann> "), 2)
        self.assertEqual(len(self.mail("ann")), 1)
        self.envelope("ann", "ann+x")(b"DATA\r\n" + MESSAGE + b".\r\n")
        self.assertEqual(len(self.mail("ann")), 3)

    def test_received_says_how(self) -> None:
        """UTF8LMTP (RFC 6531 section 4.3); an IPv6 client; a unix socket has no address."""
        for address, wanted in (
            (IPv6Address("TCP", "::1", 5), b"Received: from client.example.org ([IPv6:::1])\r\n"),
            (UNIXAddress(None), b"Received: from client.example.org\r\n"),
        ):
            client = self.hello(address)
            client(b"MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<bob>\r\nDATA\r\n" + MESSAGE + b".\r\n")
            self.assertIn(wanted + b"\tby mail.example.org with UTF8LMTP\r\n", self.mail("bob")[-1])

    def test_transparency(self) -> None:
        """Stuffed dots are taken away, bare LF is a line end, only CRLF.CRLF ends (RFC 5321 section 4.5.2)."""
        client = self.envelope("ann")
        client(b"DATA\r\na: b\r\n\r\n..x\r\n...\r\nLF\n.\nmore\r\n.\r\n")
        self.assertEqual(self.contents("ann"), [b"a: b\r\n\r\n.x\r\n..\r\nLF\r\n.\r\nmore\r\n"])

    def test_empty_message(self) -> None:
        """A message may be empty."""
        self.assertIn(b" Saved\r\n", self.envelope("ann")(b"DATA\r\n.\r\n"))
        self.assertEqual(self.contents("ann"), [b""])

    def test_too_big(self) -> None:
        """Over the limit: read to the end, then 552 5.3.4 for each recipient; the session goes on."""
        client = self.envelope("ann", "bob")
        client(b"DATA\r\n")
        for _ in range(200):
            self.assertEqual(client(b"x" * 998 + b"\r\n"), b"")
        self.assertEqual(
            client(b".\r\nNOOP\r\n"),
            b"552 5.3.4 <ann> Message size exceeds fixed limit\r\n"
            b"552 5.3.4 <bob> Message size exceeds fixed limit\r\n250 2.0.0 OK\r\n",
        )
        self.assertEqual(self.mail("ann"), [])

    def test_one_recipient_fails(self) -> None:
        """Each recipient has an outcome of its own (RFC 2033 section 4.2): over quota 452, a lock 451."""
        append = Account.append

        def failing(account: Account, *arguments: Any, **keywords: Any) -> Deferred[Any]:
            errors = {"ann": OverQuota("full"), "carl@example.org": Busy("locked")}
            if account.user.name in errors:
                return fail(errors[account.user.name])
            return append(account, *arguments, **keywords)

        self.patch(Account, "append", failing)
        client = self.envelope("ann", "bob", "carl@example.org")
        answer = client(b"DATA\r\n" + MESSAGE + b".\r\n").split(b"\r\n")[1:]
        self.assertEqual([line[:10] for line in answer], [b"452 4.2.2 ", b"250 2.0.0 ", b"451 4.3.0 ", b""], answer)
        self.assertEqual(self.contents("bob"), [MESSAGE])

    def test_first_recipient_has_no_room(self) -> None:
        """A message whose first recipient cannot even have a draft still reaches the others."""
        draft = Account.draft

        def failing(account: Account, mailbox: str = "INBOX") -> Deferred[Any]:
            return fail(OverQuota("full")) if account.user.name == "ann" else draft(account, mailbox)

        self.patch(Account, "draft", failing)
        client = self.envelope("ann", "bob", "ann+x")
        answer = client(b"DATA\r\n" + MESSAGE + b".\r\n").split(b"\r\n")[1:-1]
        self.assertEqual([line[:10] for line in answer], [b"452 4.2.2 ", b"250 2.0.0 ", b"452 4.2.2 "])
        self.assertEqual((self.contents("ann"), self.contents("bob")), ([], [MESSAGE]))
        answer = self.envelope("ann")(b"DATA\r\n" + MESSAGE * 100 + b".\r\n")
        self.assertTrue(answer.startswith(b"354 OK\r\n452 4.2.2 <ann> "))

    def test_releases_accounts(self) -> None:
        """Whatever becomes of a transaction, each account opened is released once."""
        releases: list[str] = []
        self.patch(Account, "release", lambda account: releases.append(account.user.name))
        client = self.envelope("ann", "bob")
        client(b"DATA\r\n" + MESSAGE + b".\r\n")
        self.assertEqual(sorted(releases), ["ann", "bob"])
        self.envelope("ann")(b"BDAT 3\r\na: RSET\r\n")
        lost = self.envelope("ann")
        lost(b"DATA\r\nhalf")
        lost.lose()
        self.assertEqual(sorted(releases), ["ann", "ann", "ann", "bob"])

    def test_mistake_of_ours(self) -> None:
        """An exception in the store is 451 4.3.0, and is logged with its traceback."""

        def failing(account: Account, *arguments: Any) -> Deferred[Any]:
            return fail(ZeroDivisionError())

        self.patch(Account, "append", failing)
        self.assertIn(b"451 4.3.0 <ann> ", self.envelope("ann")(b"DATA\r\n" + MESSAGE + b".\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_250_only_when_durable(self) -> None:
        """250 says the message is durable for that recipient: not before the store has said so (design law 2)."""
        waiting: Deferred[None] = Deferred()
        append = Account.append

        def slow(account: Account, *arguments: Any) -> Deferred[Any]:
            return waiting.addCallback(lambda _: append(account, *arguments))

        self.patch(Account, "append", slow)
        client = self.envelope("ann")
        client(b"DATA\r\n")
        self.assertEqual(client(MESSAGE + b".\r\n"), b"")
        waiting.callback(None)
        self.assertIn(b" Saved\r\n", client.read())

    def test_lost_connection(self) -> None:
        """A message that does not end is not delivered."""
        client = self.envelope("ann")
        client(b"DATA\r\n" + MESSAGE)
        client.lose()
        self.assertEqual(self.mail("ann"), [])
        self.assertEqual(self.factory.conversations, set())

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 400), max_size=15))
    def test_chunking_does_not_matter(self, cuts: list[int]) -> None:
        """Everything pipelined, cut anywhere: the same replies, the same mail (RFC 2920)."""
        self.setUp()
        script = (
            b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nRCPT TO:<no>\r\nRCPT TO:<bob>\r\nDATA\r\n"
            + MESSAGE
            + b"..\r\n.\r\n"
            b"MAIL FROM:<>\r\nRCPT TO:<ann>\r\nBDAT 4\r\n.\r\n.BDAT 5 LAST\r\n\r\nQUIQUIT\r\n"
        )
        marks = sorted({0, len(script), *(cut for cut in cuts if cut < len(script))})
        client = self.connect()
        out = client(*(script[a:b] for a, b in pairwise(marks)))
        codes = [line[:4] for line in out.split(b"\r\n") if line[3:4] == b" "]
        self.assertEqual(
            codes, [f"{code} ".encode() for code in (250, 250, 250, 550, 250, 354, 250, 250, 250, 250, 250, 250, 221)]
        )
        self.assertEqual(self.contents("ann"), [MESSAGE + b".\r\n", b".\r\n.\r\nQUI"])
        self.assertEqual(self.contents("bob"), [MESSAGE + b".\r\n"])


class ChunkTests(LmtpTestCase):
    def test_chunks(self) -> None:
        """BDAT: 250 for each chunk, a reply for each recipient after the last (RFC 3030 section 2, RFC 2033 4.2)."""
        client = self.envelope("ann", "bob")
        self.assertEqual(client(b"BDAT 10\r\nSubject: x"), b"250 2.0.0 Added 10 octets\r\n")
        self.assertEqual(client(b"BDAT 7\r\n\r\n\r\n.\r\n"), b"250 2.0.0 Added 7 octets\r\n")
        answer = client(b"BDAT 0 LAST\r\n")
        self.assertEqual((answer.count(b"250 2.0.0 <ann> "), answer.count(b"250 2.0.0 <bob> ")), (1, 1))
        self.assertEqual(self.contents("ann"), [b"Subject: x\r\n\r\n.\r\n"])
        self.assertEqual(client(b"BDAT 0 LAST\r\n"), b"503 5.5.0 MAIL needed first\r\n")

    def test_octets_are_never_commands(self) -> None:
        """A refused chunk is read and dropped (RFC 3030 section 2)."""
        client = self.hello()
        self.assertEqual(client(b"BDAT 6\r\nQUIT\r\nNOOP\r\n"), b"503 5.5.0 MAIL needed first\r\n250 2.0.0 OK\r\n")
        client(b"MAIL FROM:<>\r\n")
        self.assertEqual(client(b"BDAT 6\r\nQUIT\r\n"), b"503 5.5.0 No valid recipients\r\n")
        client(b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\n")
        self.assertEqual(client(b"BDAT 6 FOO\r\nQUIT\r\n"), b"501 5.5.4 Invalid BDAT parameter\r\n")
        again = b"503 5.5.0 Previous data chunk failed, issue RSET first\r\n"
        self.assertEqual(client(b"BDAT 6 LAST\r\nQUIT\r\nDATA\r\n"), again * 2)
        self.assertEqual(client(b"RSET\r\n"), b"250 2.0.0 OK\r\n")
        self.assertEqual(self.mail("ann"), [])

    def test_data_after_bdat(self) -> None:
        """DATA and BDAT do not mix (RFC 3030 section 2), and RCPT comes before both."""
        client = self.envelope("ann")
        client(b"BDAT 3\r\na: ")
        self.assertEqual(client(b"DATA\r\n"), b"503 5.5.0 DATA not allowed after BDAT\r\n")
        self.assertEqual(client(b"RCPT TO:<bob>\r\n"), b"503 5.5.0 RCPT not allowed after BDAT\r\n")

    def test_too_big(self) -> None:
        """Over the limit in a chunk: 552 5.3.4 at its end; in the last one, for each recipient."""
        client = self.envelope("ann", "bob")
        self.assertEqual(client(b"BDAT 100001\r\n", b"x" * 100_001), b"552 5.3.4 Message size exceeds fixed limit\r\n")
        client = self.envelope("ann", "bob")
        answer = client(b"BDAT 100001 LAST\r\n", b"x" * 100_001)
        self.assertEqual(answer.count(b"552 5.3.4 <"), 2)
        self.assertEqual(client(b"BDAT 999999999999999999\r\n", b"x" * 100_000), b"503 5.5.0 MAIL needed first\r\n"[:0])

    def test_bad_size(self) -> None:
        """Without a size there is nothing to skip: 501."""
        client = self.envelope("ann")
        self.assertEqual(client(b"BDAT x\r\n"), b"501 5.5.4 Invalid chunk size parameter\r\n")
