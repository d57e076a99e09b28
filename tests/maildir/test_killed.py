"""A server under load is killed at random moments and started again: what clients were told holds.

`make soak` does it for long."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import Counter
from itertools import count

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.hostile.attack import Wire
from tests.server import PASSWORD, Server, scratch

SOAK = os.environ.get("MAILHUB_SOAK") == "1"
ROUNDS = 200 if SOAK else 10
SEED = 20240917
CLIENTS = 3
MOST_ANSWERS = 60
"""Answers after which a server is killed at the latest."""

WAIT_SECONDS = 60.0
"""How long a round may take to get its answers before it fails."""

_ROW = re.compile(
    rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[HEADER\.FIELDS \(SUBJECT\)\] \{\d+\}\r\nSubject: (\S+)\r\n"
)

Place = tuple[bytes, int]
"""Mailbox and UID."""


class HungUp(Exception):
    """The server is no more."""


@define
class Ledger:
    """What one client was told, over all rounds."""

    subjects: dict[Place, bytes] = field(factory=dict)
    """Of each UID that was ever told."""
    flags: dict[Place, set[bytes]] = field(factory=dict)
    """Messages that are there, and the flags that they have for certain."""
    gone: set[Place] = field(factory=set)
    delivered: list[bytes] = field(factory=list)
    unsure: dict[Place, bool] = field(factory=dict)
    """Messages on which there was work when the server ended, and whether it may have expunged them."""


class Bell:
    """Counts answers, and lets one thread wait for a number of them."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def ring(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, wanted: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._count >= wanted, WAIT_SECONDS)


def said_ok(wire: Wire, command: bytes, bell: Bell) -> bytes:
    """Ask; return the answer, which must be OK. Raises HungUp."""
    try:
        answer = wire.ask(command)
    except OSError as error:
        raise HungUp from error
    if not answer.endswith(b"\n") or not re.search(rb"(?:\A|\n)q (?:OK|NO|BAD)[^\n]*\n\Z", answer):
        raise HungUp
    assert re.search(rb"(?:\A|\n)q OK", answer), answer
    bell.ring()
    return answer


def log_in(server: Server, mailbox: bytes) -> Wire:
    wire = Wire(server.port("imap"))
    wire.ask(b"LOGIN ann %b" % PASSWORD.encode())
    wire.ask(b"SELECT " + mailbox)
    return wire


class ImapClient:
    """Appends, flags, copies and expunges messages of its own in the INBOX that all share."""

    def __init__(self, name: bytes) -> None:
        self.ledger = Ledger()
        self._name = name
        self._numbers = count()

    def work(self, server: Server, bell: Bell) -> None:
        try:
            wire = log_in(server, b"INBOX")
            try:
                while True:
                    self._turn(wire, bell, next(self._numbers))
            finally:
                wire.close()
        except (OSError, HungUp):
            pass

    def _turn(self, wire: Wire, bell: Bell, number: int) -> None:
        ledger = self.ledger
        subject = b"%b-%d" % (self._name, number)
        message = b"Subject: %b\r\n\r\nhello\r\n" % subject
        answer = said_ok(wire, b"APPEND INBOX (%b) {%d+}\r\n%b" % (self._name, len(message), message), bell)
        place = (b"INBOX", int(re.findall(rb"APPENDUID \d+ (\d+)", answer)[0]))
        self._told(place, subject)
        ledger.flags[place] = {self._name}
        ledger.unsure[place] = False
        said_ok(wire, rb"UID STORE %d +FLAGS.SILENT (\Flagged x%d)" % (place[1], number % 5), bell)
        ledger.flags[place] |= {b"\\Flagged", b"x%d" % (number % 5)}
        del ledger.unsure[place]
        answer = said_ok(wire, b"UID COPY %d Archive" % place[1], bell)
        copy = (b"Archive", int(re.findall(rb"COPYUID \d+ \d+ (\d+)", answer)[0]))
        self._told(copy, subject)
        ledger.flags[copy] = set(ledger.flags[place])
        if number % 2:
            ledger.unsure[place] = True
            said_ok(wire, rb"UID STORE %d +FLAGS.SILENT (\Deleted)" % place[1], bell)
            said_ok(wire, b"UID EXPUNGE %d" % place[1], bell)
            del ledger.flags[place]
            ledger.gone.add(place)
            del ledger.unsure[place]

    def _told(self, place: Place, subject: bytes) -> None:
        assert place not in self.ledger.subjects, f"{place} was given twice"
        self.ledger.subjects[place] = subject


class LmtpClient:
    """Delivers messages."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._numbers = count()

    def work(self, server: Server, bell: Bell) -> None:
        try:
            wire = Wire(server.port("lmtp"))
            try:
                wire.send(b"LHLO here\r\n")
                wire.until(rb"250 [^\n]*\n")
                while True:
                    subject = b"lmtp-%d" % next(self._numbers)
                    wire.send(b"MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\n")
                    for _ in range(3):
                        wire.line()
                    wire.send(b"Subject: %b\r\n\r\nhello\r\n.\r\n" % subject)
                    if not wire.line().startswith(b"250"):
                        return
                    self.ledger.delivered.append(subject)
                    bell.ring()
            finally:
                wire.close()
        except OSError:
            pass


class Killed(SynchronousTestCase):
    """Design laws 2 and 3."""

    def setUp(self) -> None:
        self.server = Server(scratch(self)).start()
        self.addCleanup(self.server.kill)
        self.imap = [ImapClient(b"c%d" % number) for number in range(CLIENTS)]
        self.lmtp = LmtpClient()
        self.ledgers = [client.ledger for client in (*self.imap, self.lmtp)]
        self.validity: dict[bytes, int] = {}

    def test_killed(self) -> None:
        """Each message that was acknowledged is there, with its UID and its flags; what was expunged is not; nothing
        is there twice; UIDVALIDITY stays, and no UID is used again (RFC 3501 section 2.3.1.1)."""
        chance = random.Random(SEED)
        wire = log_in(self.server, b"INBOX")
        self.assertIn(b"q OK", wire.ask(b"CREATE Archive"))
        wire.close()
        self.verify()
        for _ in range(ROUNDS):
            self.round(chance.randint(1, MOST_ANSWERS), chance.random() * 0.02)
            self.server.start()
            self.verify()
        self.server.stop()
        told = sum(len(ledger.subjects) + len(ledger.delivered) for ledger in self.ledgers)
        if SOAK:
            print(f"killed {ROUNDS} times under {len(self.ledgers)} clients: {told} messages told of, none lost")

    def round(self, answers: int, seconds: float) -> None:
        """Have all clients work until `answers` came, and a moment longer; then kill the server."""
        bell = Bell()
        failures: list[BaseException] = []

        def work(client: ImapClient | LmtpClient) -> None:
            try:
                client.work(self.server, bell)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(client,)) for client in (*self.imap, self.lmtp)]
        for thread in threads:
            thread.start()
        came = bell.wait(answers)
        time.sleep(seconds)  # so that it is not always killed just after an answer
        self.server.kill()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        self.assertEqual(failures, [])
        self.assertTrue(came, self.server.text())

    def verify(self) -> None:
        """Compare what is there with what was told."""
        there: dict[Place, tuple[bytes, set[bytes]]] = {}
        for mailbox in (b"INBOX", b"Archive"):
            wire = Wire(self.server.port("imap"))
            wire.ask(b"LOGIN ann %b" % PASSWORD.encode())
            selected = wire.ask(b"SELECT " + mailbox)
            validity, uidnext = (
                int(re.findall(rb"\[%b (\d+)" % word, selected)[0]) for word in (b"UIDVALIDITY", b"UIDNEXT")
            )
            self.assertEqual(self.validity.setdefault(mailbox, validity), validity)
            answer = wire.ask(b"UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            wire.close()
            rows = _ROW.findall(answer)
            self.assertEqual(len(rows), answer.count(b" FETCH "), answer[-1000:])
            for uid, flags, subject in rows:
                self.assertNotIn((mailbox, int(uid)), there)
                there[mailbox, int(uid)] = subject, {*flags.split()} - {b"\\Recent"}
            for ledger in self.ledgers:
                for where, uid in ledger.subjects:
                    self.assertTrue(where != mailbox or uid < uidnext, f"{where} UID {uid}, UIDNEXT {uidnext}")
        self.compare(there)

    def compare(self, there: dict[Place, tuple[bytes, set[bytes]]]) -> None:
        twice = Counter((mailbox, subject) for (mailbox, _), (subject, _) in there.items())
        self.assertEqual([each for each, n in twice.items() if n > 1], [])
        for ledger in self.ledgers:
            for place, may_be_gone in ledger.unsure.items():  # from now on it is certain
                if place not in there and may_be_gone:
                    ledger.gone.add(place)
                    ledger.flags.pop(place, None)
                elif place in there:
                    self.assertLessEqual(ledger.flags[place], there[place][1])
                    ledger.flags[place] = there[place][1]
            ledger.unsure.clear()
            for place, subject in ledger.subjects.items():
                self.assertIn(there.get(place, (subject,))[0], (subject,), f"{place} was used again")
            for place, flags in ledger.flags.items():
                self.assertIn(place, there)
                self.assertEqual(there[place][1], flags, place)
            self.assertEqual(ledger.gone & there.keys(), set())
            for subject in ledger.delivered:
                self.assertEqual(twice[b"INBOX", subject], 1, subject)
