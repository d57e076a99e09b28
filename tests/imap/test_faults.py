"""Whatever a client sends and whatever a store raises: one tagged answer each, and the session goes on."""

from __future__ import annotations

import inspect
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth import interfaces as auth
from mailhub.imap.errors import CODES, LOGIN_CODES, login_refusal, refusal
from mailhub.memory.account import Account
from mailhub.memory.mailbox import Mailbox
from mailhub.store import errors
from tests.imap.conversation import Conversation, World

WORDS = [
    *(
        "FETCH",
        "STORE",
        "SEARCH",
        "COPY",
        "MOVE",
        "SORT",
        "THREAD",
        "UID",
        "LIST",
        "LSUB",
        "STATUS",
        "CREATE",
        "RENAME",
    ),
    *("DELETE", "SUBSCRIBE", "SELECT", "EXAMINE", "EXPUNGE", "NOOP", "CHECK", "ID", "ENABLE", "NAMESPACE", "APPEND"),
    *("1", "1:*", "*", "0", "4294967295", "1:4294967295", "2,1", "INBOX", "box", '""', '"', "(", ")", "()", "%", "*"),
    *("FLAGS", "(FLAGS UID)", "BODY[]", "BODY.PEEK[1.2.MIME]<0.5>", "BINARY[1]", "RFC822", "ALL", "ENVELOPE", "+FLAGS"),
    *(
        "(\\Seen)",
        "\\Deleted",
        "kw",
        "UTF-8",
        "(DATE)",
        "REFERENCES",
        "NOT",
        "OR",
        "SUBJECT",
        "x",
        "RETURN (ALL)",
        "NIL",
    ),
    *(
        "(MESSAGES)",
        "&bad",
        "&AOk-",
        "{1+}\r\nx",
        "{0+}\r\n",
        "~{1+}\r\nx",
        "\\",
        "[",
        "]",
        "<0.1>",
        "\x00",
        "é",
        "CHARSET",
    ),
]

STORE_ERRORS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.StoreError)]
ASKING = {
    "mailboxes": 'LIST "" *',
    "subscriptions": 'LSUB "" *',
    "subscribe": "SUBSCRIBE x",
    "unsubscribe": "UNSUBSCRIBE x",
    "create": "CREATE x",
    "delete": "DELETE x",
    "rename": "RENAME x y",
    "open": "EXAMINE x",
    "status": "STATUS x (MESSAGES)",
    "draft": "APPEND INBOX {1+}\r\nx",
    "append": "APPEND INBOX {1+}\r\nx",
}
"""A command for each method of an account."""
WORKING = {
    "refresh": "NOOP",
    "read": "FETCH 1 ENVELOPE",
    "bodies": "FETCH 1 BODY.PEEK[]",
    "change": "STORE 1 +FLAGS (\\Draft)",
    "expunge": "EXPUNGE",
    "copy": "COPY 1 INBOX",
    "move": "MOVE 1 INBOX",
    "search": "SEARCH UNSEEN",
}
"""A command for each method of a mailbox."""


class MapTests(SynchronousTestCase):
    def test_every_store_error(self) -> None:
        """The map from store errors to answers is exhaustive."""
        for kind in STORE_ERRORS:
            if kind is not errors.StoreError:
                self.assertIn(kind, CODES)
                self.assertTrue(refusal(kind()).text)

    def test_every_login_error(self) -> None:
        """So is that of refused logins."""
        for kind in vars(auth).values():
            if inspect.isclass(kind) and issubclass(kind, auth.LoginError) and kind is not auth.LoginError:
                self.assertIn(kind, LOGIN_CODES)
                self.assertTrue(login_refusal(kind()).text)


class StoreFaultTests(Conversation):
    def _try(self, owner: type, method: str, command: str) -> None:
        for kind in STORE_ERRORS:
            self.world = World()
            client = self.filled(1)
            client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            original = getattr(owner, method)
            self.patch(owner, method, lambda *_, kind=kind: fail(kind("trouble")))
            client.send(f"a {command}\r\n".encode())
            said = client.said()
            self.patch(owner, method, original)
            if kind is errors.MailboxGone and method == "refresh":
                self.assertEqual(said, ["* BYE Selected mailbox was deleted, have to disconnect."])
                continue
            self.assertEqual([line[:5] for line in said if line.startswith("a ")], ["a NO "], (method, kind, said))
            client.ok("NOOP")

    def test_account(self) -> None:
        """Every error of every method of an account is NO, and the session goes on."""
        for method, command in ASKING.items():
            self._try(Account, method, command)

    def test_mailbox(self) -> None:
        """Every error of every method of a mailbox likewise."""
        for method, command in WORKING.items():
            self._try(Mailbox, method, command)

    def test_together(self) -> None:
        """A commit that fails fails each of the commands that shared it."""
        client = self.filled(2)
        self.patch(Mailbox, "change", lambda *_: fail(errors.OverQuota("full")))
        client.send(b"a STORE 1 +FLAGS (x)\r\nb STORE 2 +FLAGS (x)\r\nc NOOP\r\n")
        self.assertEqual(client.said(), ["a NO [OVERQUOTA] full", "b NO [OVERQUOTA] full", "c OK NOOP completed"])

    def test_seen_that_cannot_be_set(self) -> None:
        """A FETCH whose \\Seen cannot be set has still given its message."""
        client = self.filled(1)
        self.patch(Mailbox, "change", lambda *_: fail(errors.ReadOnly()))
        self.assertEqual(client.line("a FETCH 1 BODY[TEXT]")[-1], "a OK Fetch completed")

    def test_bug_among_many(self) -> None:
        """Our fault in commands that share a step is told to each of them and logged once."""
        client = self.filled(2)

        def broken(*_: Any) -> None:
            raise ZeroDivisionError

        self.patch(Mailbox, "change", broken)
        client.send(b"a STORE 1 +FLAGS (x)\r\nb STORE 2 +FLAGS (x)\r\n")
        self.assertEqual([line[:16] for line in client.said()], ["a NO [SERVERBUG]", "b NO [SERVERBUG]"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class GarbageTests(Conversation):
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7), min_size=1, max_size=12))
    def test_random_commands(self, commands: list[list[str]]) -> None:
        """Each command has exactly one tagged answer, none of them is our fault, and NOOP is understood after it."""
        self.world = World()
        client = self.filled(2)
        for at, words in enumerate(commands):
            client.send(f"t{at} {' '.join(words)}\r\n".encode())
            client.send(f"n{at} NOOP\r\n".encode())
            said = client.raw()
            if b"* BYE" in said:
                return
            self.assertNotIn(b"SERVERBUG", said, words)
            self.assertEqual(said.count(b"n%d OK" % at), 1, (words, said))
            answers = [line for line in said.split(b"\r\n") if line.startswith(b"t%d " % at)]
            self.assertEqual(len(answers), 1, (words, said))
        self.assertEqual(self.flushLoggedErrors(), [])

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200), st.integers(1, 50))
    def test_random_octets(self, data: bytes, step: int) -> None:
        """Octets of any kind, in pieces of any size, never break a session."""
        client = World().connect()
        for at in range(0, len(data), step):
            client.send(data[at : at + step])
        self.assertNotIn(b"SERVERBUG", client.raw())
        self.assertEqual(self.flushLoggedErrors(), [])
