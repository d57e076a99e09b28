"""Dovecot opened on mailhub's Maildir, and mailhub on Dovecot's: the same mail under the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.peer import Dovecot
from tests.peers.clients import ask, imap_client, started, uidls
from tests.peers.maildirs import names

FETCHED = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)")


def flags_of(output: bytes) -> dict[int, frozenset[str]]:
    """Return {uid: flags} from the answers to FETCH (UID FLAGS)."""
    return {int(uid): names(flags) for uid, flags in FETCHED.findall(output)}


def uidvalidity(output: bytes) -> int:
    found = re.search(rb"UIDVALIDITY (\d+)", output)
    assert found is not None, output
    return int(found[1])


class BesideDovecot(TestCase):
    """One account, written by mailhub, read and changed by Dovecot, read again by mailhub."""

    def setUp(self) -> None:
        self.server = started(self)
        self.base = Path(self.server.data)
        self.base.chmod(0o755)  # Dovecot runs as another account when the tests run as root
        self.dovecot = Dovecot(self.base / "peer", f"maildir:{self.base}/mail/%u/Maildir")

    def ask_dovecot(self, service: str, script: bytes) -> bytes:
        self.dovecot.own(self.base / "mail")
        return self.dovecot.run(service, "ann", script)

    def test_there_and_back(self) -> None:
        """Dovecot shows the UIDVALIDITY, UIDs, flags, keywords, subscriptions and UIDLs that mailhub gave;
        mailhub shows the mail and flags that Dovecot adds."""
        client = imap_client(self, self.server, "ann")
        for number in range(10):
            client.append("INBOX", "", None, f"Subject: n{number}\r\n\r\nbody {number}\r\n".encode())
        client.select("INBOX")
        client.uid("STORE", "1:4", "+FLAGS", "(\\Seen $Label1)")
        client.uid("STORE", "3:6", "+FLAGS", "(\\Flagged Green)")
        client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.create("Lists.twisted")
        client.subscribe("Lists.twisted")
        client.uid("COPY", "4:6", "Lists.twisted")
        ours = ask(self.server, "ann", b"x SELECT INBOX\r\ny UID FETCH 1:* (UID FLAGS)\r\nz LOGOUT\r\n")
        unique_ids = uidls(self.server, "ann")

        theirs = self.ask_dovecot(
            "imap",
            b'x SELECT INBOX\r\ny UID FETCH 1:* (UID FLAGS)\r\nl LIST "" *\r\ns LSUB "" *\r\n'
            b"u STATUS Lists.twisted (MESSAGES UIDVALIDITY UIDNEXT)\r\nz LOGOUT\r\n",
        )
        self.assertEqual(uidvalidity(theirs), uidvalidity(ours))
        self.assertEqual(flags_of(theirs), flags_of(ours))
        self.assertEqual(len(flags_of(ours)), 9)
        self.assertRegex(theirs, rb"\* LSUB \([^)]*\) \"?\.\"? \"?Lists\.twisted")
        self.assertIn(b"MESSAGES 3", theirs)
        pop3 = self.ask_dovecot("pop3", b"UIDL\r\nQUIT\r\n")
        self.assertEqual(re.findall(rb"^(\d+) (\S+)\r$", pop3, re.M), unique_ids)

        self.ask_dovecot(
            "imap",
            b"x SELECT INBOX\r\na STORE 1 +FLAGS (\\Answered FromDovecot)\r\nb STORE 2 -FLAGS ($Label1 \\Seen)\r\n"
            b"c APPEND INBOX (\\Draft) {22+}\r\nSubject: theirs\r\n\r\nhi\r\n\r\nd STORE 9 +FLAGS (\\Deleted)\r\n"
            b"e EXPUNGE\r\nf CREATE Made\r\ng SUBSCRIBE Made\r\nz LOGOUT\r\n",
        )
        theirs = self.ask_dovecot("imap", b"x SELECT INBOX\r\ny UID FETCH 1:* (UID FLAGS)\r\nz LOGOUT\r\n")
        again = ask(self.server, "ann", b'x SELECT INBOX\r\ny UID FETCH 1:* (UID FLAGS)\r\ns LSUB "" *\r\nz LOGOUT\r\n')
        self.assertEqual(uidvalidity(again), uidvalidity(theirs))
        self.assertEqual(flags_of(again), flags_of(theirs))
        self.assertIn(frozenset({"\\Draft"}), flags_of(again).values())
        self.assertIn(b"Made", again)
        self.assertEqual(
            uidls(self.server, "ann"),
            re.findall(rb"^(\d+) (\S+)\r$", self.ask_dovecot("pop3", b"UIDL\r\nQUIT\r\n"), re.M),
        )

    def test_restart_and_lost_index(self) -> None:
        """UIDs, UIDVALIDITY, flags and UIDLs stay over a restart and a deleted index."""
        client = imap_client(self, self.server, "ann")
        for number in range(5):
            client.append("INBOX", "(\\Seen)" if number % 2 else "", None, b"Subject: x\r\n\r\n%d\r\n" % number)
        script = b"x SELECT INBOX\r\ny UID FETCH 1:* (UID FLAGS)\r\nz LOGOUT\r\n"
        before = ask(self.server, "ann", script)
        unique_ids = uidls(self.server, "ann")
        self.server.restart()
        removed = [path.unlink() for path in (self.base / "mail").rglob("mailhub.index*")]
        self.assertTrue(removed)
        after = ask(self.server, "ann", script)
        self.assertEqual((uidvalidity(after), flags_of(after)), (uidvalidity(before), flags_of(before)))
        self.assertEqual(uidls(self.server, "ann"), unique_ids)
