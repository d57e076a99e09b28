"""Message numbers over several sessions: whatever they do to one mailbox, each client that only counts EXISTS and
EXPUNGE knows at every moment which message a number means (RFC 3501 sections 2.3.1.2, 7.3.1, 7.4.1)."""

from __future__ import annotations

import re

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.imap.conversation import World

SESSIONS = 3
_NUMBER = re.compile(r"\* ([0-9]+) (EXISTS|EXPUNGE|RECENT|FETCH)(?: \((?:UID ([0-9]+))?)?")
_NO_EXPUNGE = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD")
"""During these an EXPUNGE must not be sent; their UID forms are other commands (section 7.4.1)."""


class Counting:
    """A client that keeps a list of UIDs by what it is told; None for a message whose UID it never saw."""

    def __init__(self, world: World) -> None:
        self.client = world.user("u")
        self.uids: list[int | None] = []
        self.select()

    def select(self) -> None:
        self.uids = []
        self.perform("SELECT INBOX")

    def perform(self, *commands: str) -> None:
        """Send commands in one piece, and believe the answer."""
        self.client.send("".join(f"x {command}\r\n" for command in commands).encode())
        self.hear(commands[0].startswith(_NO_EXPUNGE))

    def hear(self, no_expunge: bool = False) -> None:
        for line in self.client.said():
            assert "SERVERBUG" not in line
            found = _NUMBER.match(line)
            if found is None:
                continue
            number, what, uid = int(found[1]), found[2], found[3]
            if what == "EXISTS":
                assert number >= len(self.uids), "EXISTS counts down"
                self.uids += [None] * (number - len(self.uids))
                continue
            assert number <= len(self.uids), f"{line}, but there are {len(self.uids)}"
            if what == "EXPUNGE":
                assert not no_expunge, "EXPUNGE where numbers must not change"
                del self.uids[number - 1]
            elif uid is not None:
                assert self.uids[number - 1] in (None, int(uid)), "a number changed its message"
                self.uids[number - 1] = int(uid)


class Numbers(RuleBasedStateMachine):
    awake = Bundle("awake")
    idling = Bundle("idling")
    numbers = st.sampled_from(("1", "2", "1:2", "*", "2:*", "1:*", "3,1"))
    uid = st.sampled_from(("", "UID "))

    @initialize(target=awake)
    def connect(self) -> object:
        world = World()
        self.sessions = [Counting(world) for _ in range(SESSIONS)]
        return multiple(*self.sessions)

    @rule(session=awake)
    def append(self, session: Counting) -> None:
        session.perform("APPEND INBOX {8+}\r\na: b\r\n\r\n")

    @rule(session=awake, uid=uid, numbers=numbers, silent=st.sampled_from(("", ".SILENT")))
    def delete(self, session: Counting, uid: str, numbers: str, silent: str) -> None:
        session.perform(f"{uid}STORE {numbers} +FLAGS{silent} (\\Deleted)")

    @rule(session=awake, uid=uid, numbers=numbers, what=st.sampled_from(("FLAGS", "BODY[TEXT]", "RFC822.SIZE")))
    def fetch(self, session: Counting, uid: str, numbers: str, what: str) -> None:
        session.perform(f"{uid}FETCH {numbers} (UID {what})")

    @rule(session=awake, uid=uid)
    def fetch_together(self, session: Counting, uid: str) -> None:
        session.perform(*[f"{uid}FETCH {number} (UID BODY[TEXT])" for number in (1, 2, 3)])

    @rule(session=awake, uid=uid)
    def store_together(self, session: Counting, uid: str) -> None:
        session.perform(*[f"{uid}STORE {number} +FLAGS (\\Deleted)" for number in (1, 2)])

    @rule(session=awake, command=st.sampled_from(("EXPUNGE", "UID EXPUNGE 1:3", "NOOP", "SEARCH ALL", "UID SEARCH 1")))
    def plain(self, session: Counting, command: str) -> None:
        session.perform(command)

    @rule(session=awake, uid=uid, verb=st.sampled_from(("COPY", "MOVE")), numbers=numbers)
    def transfer(self, session: Counting, uid: str, verb: str, numbers: str) -> None:
        session.perform(f"{uid}{verb} {numbers} INBOX")

    @rule(session=awake)
    def close(self, session: Counting) -> None:
        session.perform("CLOSE")
        session.select()

    @rule(session=consumes(awake), target=idling)
    def idle(self, session: Counting) -> Counting:
        session.perform("IDLE")
        return session

    @rule(session=consumes(idling), target=awake)
    def done(self, session: Counting) -> Counting:
        session.client.send(b"DONE\r\n")
        session.hear()
        return session

    def teardown(self) -> None:
        """In the end all sessions agree."""
        for session in getattr(self, "sessions", ()):
            session.client.send(b"DONE\r\n")
            session.hear()
            session.perform("NOOP")
            session.perform("UID FETCH 1:* FLAGS")
            assert None not in session.uids
            assert session.uids == self.sessions[0].uids


class NumbersTests(SynchronousTestCase):
    def test_sessions_agree(self) -> None:
        """RFC 3501 section 7.4.1: EXPUNGE comes where it may, and numbers mean the same on both sides."""
        run_state_machine_as_test(
            Numbers, settings=settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
        )
