"""IMAP, POP3 and LMTP clients of the standard library on one account: what one does, the others see."""

from __future__ import annotations

import imaplib
import poplib
import smtplib

from twisted.trial.unittest import TestCase

from tests.peers.clients import imap_client, pop3_client, started, uidls


class Together(TestCase):
    """The built server over real sockets, with imaplib, poplib and smtplib.LMTP."""

    def setUp(self) -> None:
        self.server = started(self)

    def deliver(self, *users: str, text: str = "hello") -> None:
        with smtplib.LMTP("127.0.0.1", self.server.port("lmtp")) as lmtp:
            refused = lmtp.sendmail(
                "sender@example.org", list(users), f"From: sender@example.org\r\nSubject: {text}\r\n\r\n{text}\r\n"
            )
        self.assertEqual(refused, {})

    def idle(self, client: imaplib.IMAP4) -> None:
        client.send(b"i1 IDLE\r\n")
        self.assertTrue(client.readline().startswith(b"+"))

    def await_line(self, client: imaplib.IMAP4, wanted: bytes) -> None:
        """Read untagged lines until one holds `wanted`; the socket's timeout bounds the wait."""
        while wanted not in (line := client.readline()):
            self.assertTrue(line, "connection closed")

    def test_delivery_wakes_idle(self) -> None:
        """250 of LMTP means that an idling IMAP session is told EXISTS."""
        client = imap_client(self, self.server, "ann")
        client.select("INBOX")
        self.idle(client)
        self.deliver("ann")
        self.await_line(client, b"1 EXISTS")

    def test_pop3_quit_expunges_in_open_imap_session(self) -> None:
        """QUIT after DELE makes EXPUNGE appear in an open IMAP session at once."""
        for number in range(3):
            self.deliver("ann", text=f"n{number}")
        client = imap_client(self, self.server, "ann")
        client.select("INBOX")
        self.idle(client)
        pop = pop3_client(self.server, "ann")
        pop.dele(2)
        pop.quit()
        self.await_line(client, b"* 2 EXPUNGE")

    def test_imap_changes_show_in_pop3(self) -> None:
        """A message expunged by IMAP is gone in the next POP3 session, the others keep their UIDL; RETR sets
        \\Seen."""
        for number in range(4):
            self.deliver("ann", text=f"n{number}")
        before = uidls(self.server, "ann")
        client = imap_client(self, self.server, "ann")
        client.select("INBOX")
        client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        client.expunge()
        after = uidls(self.server, "ann")
        self.assertEqual([uidl for _, uidl in after], [before[0][1], before[2][1], before[3][1]])
        pop = pop3_client(self.server, "ann")
        pop.retr(1)
        pop.quit()
        client.noop()
        self.assertEqual(client.uid("SEARCH", "SEEN")[1], [b"1"])

    def test_lost_pop3_connection_deletes_nothing(self) -> None:
        """RFC 1939 section 6: without QUIT no message is removed."""
        self.deliver("ann")
        pop = pop3_client(self.server, "ann")
        pop.dele(1)
        pop.close()
        self.assertEqual(len(uidls(self.server, "ann")), 1)

    def test_two_recipients_one_file(self) -> None:
        """Each recipient gets the message and an answer of their own (RFC 2033 section 4.2); user+detail goes to
        the user, and both mailboxes share one file."""
        with smtplib.LMTP("127.0.0.1", self.server.port("lmtp")) as lmtp:
            lmtp.ehlo_or_helo_if_needed()
            lmtp.mail("sender@example.org")
            lmtp.rcpt("ann")
            lmtp.rcpt("bea+lists")
            code, _ = lmtp.data(b"Subject: both\r\n\r\nboth\r\n")
            self.assertEqual((code, lmtp.getreply()[0]), (250, 250))
        for user in ("ann", "bea"):
            client = imap_client(self, self.server, user)
            self.assertEqual(client.select("INBOX")[1], [b"1"])
        inodes = {path.stat().st_ino for user in ("ann", "bea") for path in self.server.maildir(user).glob("cur/*")}
        self.assertEqual(len(inodes), 1)

    def test_tls_everywhere(self) -> None:
        """STARTTLS, STLS and both implicit ports work with the lab's CA, host name checked."""
        context = self.server.tls()
        self.deliver("ann")
        plain = imaplib.IMAP4("localhost", self.server.port("imap"))
        plain.starttls(context)
        imaps = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=context)
        for client in (plain, imaps):
            self.assertEqual(client.login("ann", "pass")[0], "OK")
            self.assertEqual(client.select()[1], [b"1"])
            client.logout()
        stls = poplib.POP3("localhost", self.server.port("pop3"))
        stls.stls(context)
        pop3s = poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=context)
        for pop in (stls, pop3s):
            pop.user("ann")
            pop.pass_("pass")
            self.assertEqual(pop.stat()[0], 1)
            pop.quit()
