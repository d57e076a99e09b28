"""A session that says yes to everything, for tests of ImapConnection."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap.commands import Command
from mailhub.wire.imap.connection import ImapConnection
from mailhub.wire.imap.events import (
    AppendData,
    AppendMessage,
    ContinuationLine,
    Event,
    LiteralWanted,
    Received,
    Refused,
    Signal,
)


def pump(connection: ImapConnection) -> list[Event]:
    """Return the events there are: literals get leave, one line is read after a command that pauses.

    Neighbouring AppendData are joined, since where they are cut is the network's business."""
    events: list[Event] = []
    while True:
        event = connection.next_event()
        if event is Signal.PAUSED:
            connection.expect_line()
        elif isinstance(event, Signal):
            return events
        elif isinstance(event, AppendData) and events and isinstance(events[-1], AppendData):
            events[-1] = evolve(events[-1], data=events[-1].data + event.data)
        else:
            events.append(event)
        if isinstance(event, LiteralWanted) or (isinstance(event, AppendMessage) and event.synchronising):
            connection.accept_literal()
        if isinstance(event, ContinuationLine):
            connection.resume()


def converse(pieces: Iterable[bytes], **limits: int) -> list[Event]:
    """Return the events of a connection that received `pieces`, one after the other, with pauses between."""
    connection = ImapConnection(**limits)
    events: list[Event] = []
    for piece in pieces:
        connection.receive(piece)
        for event in pump(connection):
            if isinstance(event, AppendData) and events and isinstance(events[-1], AppendData):
                events[-1] = evolve(events[-1], data=events[-1].data + event.data)
            else:
                events.append(event)
    return events


def read(line: bytes) -> Command:
    """Return the command that "t " and `line` are; fails if it is refused. Literals in it need no leave."""
    (event,) = (event for event in converse([b"t " + line + b"\r\n"]) if not isinstance(event, LiteralWanted))
    assert isinstance(event, Received), event
    assert event.tag == b"t"
    return event.command


def refusal(line: bytes, **limits: int) -> Refused:
    """Return how "t " and `line` are refused; fails if they are not, or if what follows is not read as a command."""
    *events, last = converse([b"t " + line + b"\r\nu NOOP\r\n"], **limits)
    assert isinstance(last, Received), last
    assert last.tag == b"u"
    (event,) = (event for event in events if not isinstance(event, LiteralWanted))
    assert isinstance(event, Refused), event
    assert event.tag == b"t", event
    return event


class GrammarCase(SynchronousTestCase):
    def refused(self, *lines: bytes) -> None:
        """Each line is BAD, and names its command in the reason."""
        for line in lines:
            event = refusal(line)
            self.assertFalse(event.no, line)
            self.assertFalse(event.fatal, line)
            name = line.split()[1 if line.upper().startswith(b"UID ") else 0].decode().upper()
            self.assertIn(f"{name}: ", event.text)
