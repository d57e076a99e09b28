"""The server's end of an IMAP connection, without the sockets: octets in, events out (RFC 3501 sections 2.2 and 7.5).

Who says what when: the protocol feeds receive() and, at the end, receive_eof(). The session calls next_event() until
it answers a Signal: NEED_DATA (call again after more was received), PAUSED (call again after saying what is waited
for) or CLOSED. events.py tells what each event asks of the session. Two rules hold everywhere:

  1. One command at a time. An event is made from the buffer only when it is asked for, so pipelined commands wait as
     octets; `buffered` says how many, and the protocol pauses the transport when there are too many.
  2. Sync is never lost. A refused command is read to its end, with the literals the client sends without asking;
     a synchronising literal that is not given leave ends its command, since the client then sends the next one.
     The only exception is a literal of a size that cannot be skipped: Refused with `fatal`, then CLOSED.

  phase           what comes next                                    leaves by
  COMMAND         first line of a command                            Received, Refused, or a phase below
  OVERLONG        rest of a first line over the limit                Refused, DRAIN
  MORE            line after a literal                               as COMMAND
  LITERAL         literal kept whole                                 MORE
  LEAVE           PAUSED until accept_literal or refuse_literal      LITERAL or DATA; COMMAND with Refused
  DRAIN           literal of a refused command                       MORE
  DATA            literal of a message, handed on                    MESSAGE_END
  MESSAGE_END     line after a message                               AppendFinished, Refused, AppendMessage
  QUEUED          an event that was decided on before                the phase kept with it
  PAUSED          after STARTTLS, AUTHENTICATE, IDLE: PAUSED         resume: COMMAND; expect_line: LINE
  LINE            a line that is no command                          ContinuationLine, to PAUSED
  CLOSED          CLOSED for ever
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from mailhub.wire.buffer import ReceiveBuffer
from mailhub.wire.imap.append_grammar import APPEND, append_mailbox, mailbox_is_literal, message_head
from mailhub.wire.imap.commands import Authenticate, Idle, Starttls
from mailhub.wire.imap.cursor import Cursor
from mailhub.wire.imap.events import (
    AppendData,
    AppendFinished,
    AppendMessage,
    AppendMessageEnd,
    AppendStarted,
    ContinuationLine,
    Event,
    LiteralWanted,
    Received,
    Refused,
    Signal,
)
from mailhub.wire.imap.framer import CommandError, Framer, LiteralHead
from mailhub.wire.imap.grammar import SIMPLE, TAG, find_rule, read_command

LINE_LIMIT = 65536
LITERAL_LIMIT = 65536
MESSAGE_LIMIT = 64 * 1024 * 1024

_TEXT_LIMIT = 200
"""A reason may quote the client, but not all that it sent."""
_PAUSING = (Starttls, Authenticate, Idle)


class _Phase(Enum):
    COMMAND = auto()
    OVERLONG = auto()
    MORE = auto()
    LITERAL = auto()
    LEAVE = auto()
    DRAIN = auto()
    DATA = auto()
    MESSAGE_END = auto()
    QUEUED = auto()
    PAUSED = auto()
    LINE = auto()
    CLOSED = auto()


_COMMAND = _Phase.COMMAND


class ImapConnection:
    """One connection, from the greeting on. Not for several threads.

    All limits are octets and may be changed between events (say, after login): `line_limit` a command's lines without
    its literals; `literal_limit` one literal other than a message's; `command_limit` all such literals of one command
    together; `message_limit` one message of APPEND (None: no limit)."""

    __slots__ = (
        "_appending",
        "_buffer",
        "_eof",
        "_framer",
        "_in_message",
        "_phase",
        "_queued",
        "_tag",
        "command_limit",
        "literal_limit",
        "message_limit",
    )

    def __init__(
        self,
        *,
        line_limit: int = LINE_LIMIT,
        literal_limit: int = LITERAL_LIMIT,
        command_limit: int | None = None,
        message_limit: int | None = MESSAGE_LIMIT,
    ) -> None:
        self.literal_limit = literal_limit
        self.command_limit = 4 * literal_limit if command_limit is None else command_limit
        self.message_limit = message_limit
        self._buffer = ReceiveBuffer()
        self._framer = Framer(self._buffer, line_limit)
        self._phase = _COMMAND
        self._eof = False
        self._tag: bytes | None = None
        self._appending = False
        self._in_message = False
        self._queued: tuple[Event, _Phase] = (Signal.PAUSED, _COMMAND)

    # What the protocol says

    @property
    def line_limit(self) -> int:
        """Octets of a command's lines without its literals."""
        return self._framer.line_limit

    @line_limit.setter
    def line_limit(self, limit: int) -> None:
        self._framer.line_limit = limit

    @property
    def buffered(self) -> int:
        """Octets received that no event was made of yet."""
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take what the peer sent."""
        if self._phase is not _Phase.CLOSED:
            self._buffer.feed(data)

    def receive_eof(self) -> None:
        """The peer sends no more. What it sent is still read; a command that is not whole is forgotten."""
        self._eof = True

    # What the session says

    def accept_literal(self) -> None:
        """Give leave to the literal that LiteralWanted or a synchronising AppendMessage told of; send "+ OK" then."""
        self._must_be(_Phase.LEAVE)
        self._phase = _Phase.DATA if self._in_message else _Phase.LITERAL

    def refuse_literal(self, text: str = "Literal refused.", code: str | None = None) -> None:
        """Deny it: the next event is the Refused (with `no`) of its command, and the one after that a new command's."""
        self._must_be(_Phase.LEAVE)
        self._begin()
        self._queue(Refused(self._tag, text, code, no=True), _COMMAND)

    def expect_line(self) -> None:
        """After STARTTLS, AUTHENTICATE or IDLE: the next line is no command but a ContinuationLine.

        After each such line the connection is paused again. One that is too long comes as Refused and ends the
        command: what follows is read as commands."""
        self._must_be(_Phase.PAUSED)
        self._phase = _Phase.LINE

    def resume(self) -> None:
        """STARTTLS, AUTHENTICATE or IDLE is over: what follows is a command. Nothing happens if it was over before."""
        if self._phase in (_Phase.PAUSED, _Phase.LINE):
            self._begin()

    def discard_pending(self) -> int:
        """Drop what was received behind the last event, and return how many octets that were.

        For STARTTLS: what came in clear text must not be read as if it came over TLS (RFC 3501 section 6.2.1)."""
        return self._buffer.clear()

    def next_event(self) -> Event:
        """Return the next event; see the top of this module."""
        if self._phase is not _COMMAND:
            return self._next()
        line = self._buffer.take_line()
        if line is None:
            return self._next()
        tag, _, rest = line.partition(b" ")
        command = SIMPLE.get(rest)
        # The fast path: isalnum() is narrower than TAG and several times faster.
        if command is not None and tag.isalnum() and len(line) <= self._framer.line_limit:
            return Received(tag, command)
        self._framer.first_line(line)
        event = self._judge_first()
        return self._next() if event is None else event

    # The phases: each returns an event, or None when the phase has changed

    def _next(self) -> Event:
        while True:
            event = _STEPS[self._phase](self)
            if event is not None:
                return event

    def _wait(self) -> Event:
        return Signal.PAUSED

    def _stay_closed(self) -> Event:
        return Signal.CLOSED

    def _starved(self) -> Event:
        return Signal.CLOSED if self._eof else Signal.NEED_DATA

    def _take_queued(self) -> Event:
        event, self._phase = self._queued
        return event

    def _read_first(self) -> Event | None:
        if not self._framer.read_line():
            if self._framer.overlong:
                self._phase = _Phase.OVERLONG
            return self._starved()
        return self._judge_first()

    def _read_more(self) -> Event | None:
        if not self._framer.read_line():
            return self._starved()
        return self._judge()

    def _read_literal(self) -> Event | None:
        if not self._framer.read_literal():
            return self._starved()
        self._phase = _Phase.MORE
        return None

    def _drain(self) -> Event | None:
        if not self._framer.skip_literal():
            return self._starved()
        self._phase = _Phase.MORE
        return None

    def _read_data(self) -> Event | None:
        if not self._framer.remaining:
            self._framer.begin()
            self._phase = _Phase.MESSAGE_END
            return AppendMessageEnd()
        piece = self._framer.read_piece()
        return AppendData(piece) if piece else self._starved()

    def _read_message_end(self) -> Event | None:
        framer = self._framer
        if not framer.read_line():
            return self._starved()
        head = framer.literal
        if head is None:
            if framer.flaw is None and framer.lines[0].strip(b" "):
                framer.flaw = CommandError("APPEND: Invalid argument")
            if framer.flaw is not None:
                return self._refused(framer.flaw)
            self._begin()
            return AppendFinished(self._tag or b"")
        if framer.flaw is None:
            try:
                message = self._message(Cursor(framer.lines, []), head)
            except CommandError as error:
                framer.flaw = _of_append(error)
            else:
                self._phase = _after_message(head)
                return message
        return self._refuse_at_literal(head)

    def _read_continuation(self) -> Event:
        line = self._framer.read_text()
        if line is None:
            return self._starved()
        flaw = self._framer.flaw
        if flaw is not None:
            return self._refused(flaw)
        self._framer.begin()
        self._phase = _Phase.PAUSED
        return ContinuationLine(line)

    # Judging a line

    def _judge_first(self) -> Event | None:
        framer = self._framer
        line = framer.lines[0]
        found = TAG.match(line)
        if found is not None and framer.flaw is not None and found.end() == len(line):
            found = None  # Cut off in the middle of the tag, so what is there is not the tag.
        self._tag = None if found is None else found.group()
        self._appending = False
        self._in_message = False
        if found is None and framer.flaw is None:
            framer.flaw = CommandError("Invalid tag")
        if framer.literal is not None and framer.flaw is None:
            self._appending = APPEND.match(line) is not None
            try:
                find_rule(line)
            except CommandError as error:
                framer.flaw = error
        return self._judge()

    def _judge(self) -> Event | None:
        """Decide on an ordinary command, or an APPEND up to its first message, by the line that was just read."""
        framer = self._framer
        head = framer.literal
        if head is None:
            return self._complete()
        if framer.flaw is None and self._appending and not mailbox_is_literal(framer.lines):
            return self._start_append(head)
        if framer.flaw is None:
            if head.size > self.literal_limit or framer.literal_octets > self.command_limit:
                framer.flaw = CommandError("Literal is too big", "TOOBIG", no=True)
            elif head.binary:
                # literal8 belongs to APPEND's messages (RFC 3516 section 4.4).
                framer.flaw = CommandError("Unexpected literal8")
        if framer.flaw is not None:
            return self._refuse_at_literal(head)
        if head.synchronising:
            self._phase = _Phase.LEAVE
            return LiteralWanted(self._tag or b"", head.size)
        self._phase = _Phase.LITERAL
        return None

    def _complete(self) -> Event:
        framer = self._framer
        if framer.flaw is not None or self._tag is None:
            return self._refused(framer.flaw or CommandError("Invalid tag"))
        try:
            command = read_command(framer.lines, framer.literals)
        except CommandError as error:
            return self._refused(error)
        self._begin()
        if isinstance(command, _PAUSING):
            self._phase = _Phase.PAUSED
        return Received(self._tag, command)

    def _start_append(self, head: LiteralHead) -> Event | None:
        framer = self._framer
        cursor = Cursor(framer.lines, framer.literals, find_rule(framer.lines[0])[2])
        try:
            mailbox = append_mailbox(cursor)
            message = self._message(cursor, head)
        except CommandError as error:
            framer.flaw = _of_append(error)
            return self._refuse_at_literal(head)
        self._in_message = True
        self._queue(message, _after_message(head))
        return AppendStarted(self._tag or b"", mailbox)

    def _message(self, cursor: Cursor, head: LiteralHead) -> AppendMessage:
        what = message_head(cursor)
        if self.message_limit is not None and head.size > self.message_limit:
            raise CommandError("Message is too big", "TOOBIG", no=True)
        return AppendMessage(what.flags, what.internal_date, head.size, head.synchronising, head.binary)

    def _refuse_at_literal(self, head: LiteralHead) -> Event | None:
        """A synchronising literal will not come, so the command ends here; another one is on its way."""
        if head.synchronising and self._framer.flaw is not None:
            return self._refused(self._framer.flaw)
        self._in_message = self._appending = False
        self._phase = _Phase.DRAIN
        return None

    def _refused(self, error: CommandError) -> Refused:
        self._begin()
        if error.fatal:
            self._phase = _Phase.CLOSED
            self._buffer.clear()
        return Refused(self._tag, f"{error.text[:_TEXT_LIMIT]}.", error.code, error.fatal, error.no)

    def _begin(self) -> None:
        """A command is over: keep nothing of it (its lines may hold a password), and expect the next one."""
        self._framer.begin()
        self._phase = _COMMAND

    def _queue(self, event: Event, phase: _Phase) -> None:
        """Make `event` the next one, with `phase` after it."""
        self._queued = (event, phase)
        self._phase = _Phase.QUEUED

    def _must_be(self, phase: _Phase) -> None:
        if self._phase is not phase:
            raise RuntimeError(f"the connection is in phase {self._phase.name}, not {phase.name}")


def _of_append(error: CommandError) -> CommandError:
    error.text = f"APPEND: {error.text}"
    return error


def _after_message(head: LiteralHead) -> _Phase:
    return _Phase.LEAVE if head.synchronising else _Phase.DATA


_STEPS: dict[_Phase, Callable[[ImapConnection], Event | None]] = {
    _Phase.COMMAND: ImapConnection._read_first,
    _Phase.OVERLONG: ImapConnection._read_first,
    _Phase.MORE: ImapConnection._read_more,
    _Phase.LITERAL: ImapConnection._read_literal,
    _Phase.LEAVE: ImapConnection._wait,
    _Phase.DRAIN: ImapConnection._drain,
    _Phase.DATA: ImapConnection._read_data,
    _Phase.MESSAGE_END: ImapConnection._read_message_end,
    _Phase.QUEUED: ImapConnection._take_queued,
    _Phase.PAUSED: ImapConnection._wait,
    _Phase.LINE: ImapConnection._read_continuation,
    _Phase.CLOSED: ImapConnection._stay_closed,
}
