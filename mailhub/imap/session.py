"""One session: a coroutine that takes commands one after the other and is the only writer of tagged lines.

Commands run strictly in the order they came, so no pipelined pair is ever ambiguous (RFC 3501 section 5.5). Commands
of one kind that have already arrived (STORE after STORE, FETCH after FETCH) may be run together where their rows in
table.py say how; each still gets its own answer, in order.

The coroutine runs synchronously as long as nothing has to be waited for, and what it says is collected: the
protocol joins it into one write a turn. A turn that lasts longer than TURN lets the reactor breathe.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater
from twisted.logger import Logger

from mailhub.auth.interfaces import ILogin, LoginError, Peer
from mailhub.concurrency.flow import Gate
from mailhub.concurrency.pool import InlinePool, IThreads
from mailhub.config.settings import ImapSettings
from mailhub.imap.answers import Answer
from mailhub.imap.capabilities import Capabilities
from mailhub.imap.errors import Bad, Disconnect, No, Refusal, login_refusal, refusal
from mailhub.imap.recent import claim_recent
from mailhub.imap.selected import BadNumbers, Selected
from mailhub.imap.state import LOGGED_IN, State
from mailhub.imap.table import TABLE, Row, name_of
from mailhub.store.errors import MailboxGone, StoreError
from mailhub.store.interfaces import IAccount, IMailbox
from mailhub.wire.imap.connection import ImapConnection
from mailhub.wire.imap.encode import text as encoded
from mailhub.wire.imap.events import AppendStarted, Event, LiteralWanted, Received, Refused, Signal

TURN = 0.005
"""Seconds after which a session that still has work lets others run (design law 6)."""
TOGETHER = 64
"""Most commands run together."""
DELETED = "Selected mailbox was deleted, have to disconnect."


class Link(Protocol):
    """What a session needs of its connection; protocol.py provides it."""

    secure: bool
    """The connection began with TLS."""
    in_turn: bool
    """What is collected will be written as soon as the session has to wait, without its asking."""

    def write(self, data: bytes) -> None:
        """Add to what will be written."""

    def flush(self) -> None:
        """Write what was collected."""

    def caught_up(self) -> None:
        """The session has used all that was received."""

    def start_tls(self) -> None:
        """Write what was collected, then begin the TLS handshake."""


@frozen(eq=False)
class Surroundings:
    """What all sessions of one listener share."""

    reactor: Any
    login: ILogin
    settings: ImapSettings
    capabilities: Capabilities
    message_limit: int
    tls: Any = None
    """The context factory for STARTTLS, or None."""
    threads: IThreads = field(factory=InlinePool)
    """Where what takes long to work out is worked out."""


class Session:
    """The state of one connection, and what commands may do with it."""

    log = Logger()

    def __init__(self, around: Surroundings, connection: ImapConnection, peer: Peer, gate: Gate, link: Link) -> None:
        self.around = around
        self.settings = around.settings
        self.capabilities = around.capabilities
        self.connection = connection
        self.peer = peer
        self.gate = gate
        self.state = State.NOT_AUTHENTICATED
        self.account: IAccount | None = None
        self.mailbox: IMailbox | None = None
        self.view: Selected | None = None
        self.tag = b""
        """Of the command under way."""
        self.idling = False
        self.waiting = False
        """Whether the session waits for the client (and not for a disk)."""
        self.write: Callable[[bytes], None] = link.write
        self.link = link
        self.tls_started = False
        self._clock = around.reactor
        self._ahead: deque[Event] = deque()
        self._wake: Deferred[None] | None = None
        self._wake_due = False
        self._bad = 0
        self._failed_logins = 0
        self._fresh = False
        self._closing: str | None = None
        self._turn_began: float | None = None
        self._gone = False
        self._input_over = False
        self._tls_wanted = False
        self._holding = False
        """EXPUNGE may not be sent: answers with message numbers are waiting."""

    # What the protocol calls.

    async def run(self) -> None:
        """Converse until the client logs out or is gone; then let go of everything."""
        try:
            self.write(b"* OK [CAPABILITY %b] %b\r\n" % (self.capability(), self.settings.greeting.encode()))
            await self._converse()
        except (ConnectionDone, ConnectionLost):
            pass
        except Disconnect as reason:
            who = self.user or f"nobody from {self.peer.host or 'unix'}"
            self.log.info("IMAP session of {user} ended: {reason}", user=who, reason=reason)
            self._bye(str(reason))
        except Exception:
            self.log.failure("IMAP session of {user} failed", user=self.user)
            self._bye("Internal error occurred. Refer to server log for more information.")
        finally:
            self.state = State.LOGOUT
            self.deselect()
            account, self.account = self.account, None
            if account is not None:
                account.release()

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self.connection.receive(data)
        self._fresh = False
        self._woken()

    def input_over(self) -> None:
        """The client sends no more; what it sent is still answered."""
        self.connection.receive_eof()
        self._woken()

    def lost(self) -> None:
        """The connection is gone."""
        self._gone = True
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.errback(ConnectionDone())

    def close(self, text: str) -> None:
        """End the session with `* BYE text` as soon as no command runs."""
        self._closing = text
        self._woken()

    @property
    def user(self) -> str:
        return "" if self.account is None else self.account.user.name

    # What commands call.

    def capability(self) -> bytes:
        """Return the capabilities of this moment."""
        if self.state is not State.NOT_AUTHENTICATED:
            return self.capabilities.after()
        login = self.around.login
        return self.capabilities.before(
            self.starttls_possible, login.plaintext_allowed(self.peer), login.mechanisms(self.peer)
        )

    @property
    def starttls_possible(self) -> bool:
        return self.around.tls is not None and not self.tls_started and not self.link.secure

    def begin_tls(self) -> None:
        """Have the TLS handshake begin once the command was answered."""
        self._tls_wanted = True

    def logged_in(self, account: IAccount) -> None:
        self.account = account
        self.state = State.AUTHENTICATED

    def selected(self, mailbox: IMailbox, view: Selected) -> None:
        """Enter the selected state; `view` is subscribed already."""
        self.mailbox, self.view = mailbox, view
        self.state = State.SELECTED

    def deselect(self) -> None:
        """Leave the selected state, if in it."""
        mailbox, view = self.mailbox, self.view
        self.mailbox = self.view = None
        if self.state is State.SELECTED:
            self.state = State.AUTHENTICATED
        if mailbox is not None and view is not None:
            mailbox.unsubscribe(view)

    def view_changed(self) -> None:
        """The selected mailbox changed; called while the store holds its lane."""
        if (self.idling or (self.view is not None and self.view.lost)) and not self._wake_due:
            self._wake_due = True
            self._clock.callLater(0, self._woken)

    async def tell(self, expunge: bool) -> None:
        """Say what happened to the selected mailbox, claiming \\Recent for new messages first."""
        view, mailbox = self.view, self.mailbox
        if view is None or mailbox is None:
            return
        if view.lost is not None:
            raise Disconnect(DELETED)
        if view.changed:
            if view.unclaimed:
                try:
                    await claim_recent(mailbox, view)
                except MailboxGone:
                    raise Disconnect(DELETED) from None
            self.write(view.flush(expunge))

    async def refresh(self) -> None:
        """Look for what other processes did to the selected mailbox, at most once for what came in one piece."""
        if not self._fresh and self.mailbox is not None:
            self._fresh = True
            try:
                await self.mailbox.refresh()
            except MailboxGone:
                raise Disconnect(DELETED) from None

    async def next_event(self) -> Event:
        """Return the client's next event, waiting for it. Raises Disconnect when the session must end."""
        while True:
            event = self._ahead.popleft() if self._ahead else self.connection.next_event()
            if not isinstance(event, Signal):
                return event
            self._input_over = event is Signal.CLOSED
            await self.rest()

    def peek(self) -> Event | None:
        """Return the next event if it has come already, and leave it where it is."""
        if not self._ahead:
            event = self.connection.next_event()
            if isinstance(event, Signal):
                self._input_over = event is Signal.CLOSED
                return None
            self._ahead.append(event)
        return self._ahead[0]

    async def rest(self, most: float = 0) -> None:
        """Wait until the client sends something or the session is woken otherwise, or for `most` seconds."""
        if self._closing is not None:
            raise Disconnect(self._closing)
        if self._gone or self._input_over:
            raise ConnectionDone()
        self.waiting = True
        self.link.flush()
        self.link.caught_up()
        self._wake = Deferred()
        timer = self._clock.callLater(most, self._woken) if most else None
        try:
            await self._wake
        finally:
            self.waiting = False
            if timer is not None and timer.active():
                timer.cancel()
        if self.view is not None and self.view.lost is not None:
            raise Disconnect(DELETED)
        if self._closing is not None:
            raise Disconnect(self._closing)

    def suspended(self) -> None:
        """The coroutine waits for something: when it goes on, a new turn begins."""
        self._turn_began = None

    def _overdue(self) -> bool:
        """Whether this turn has lasted too long."""
        now: float = self._clock.seconds()
        if self._turn_began is None:
            self._turn_began = now
        return now - self._turn_began > TURN

    async def breathe(self) -> None:
        """Let the client and the reactor keep up: called between pieces of long work."""
        if not self.gate.open:
            self.link.flush()
            await self.gate.passage()
        if self._overdue():
            self.link.flush()
            await deferLater(self._clock, 0)
            self._turn_began = self._clock.seconds()
        if self._gone:
            raise ConnectionDone()

    # The loop.

    async def _converse(self) -> None:
        while self.state is not State.LOGOUT:
            event = await self.next_event()
            if isinstance(event, Received):
                await self._perform(event.tag, event.command)
            elif isinstance(event, Refused):
                self._refuse(event)
            elif isinstance(event, AppendStarted):
                await self._perform(event.tag, event)
            elif isinstance(event, LiteralWanted):
                self.connection.accept_literal()
                self.write(b"+ OK\r\n")
            if self.view is not None and self.view.lost is not None:
                raise Disconnect(DELETED)
            if self._tls_wanted:
                self._start_tls()
            if not self.gate.open or self._overdue():
                await self.breathe()
            elif not self.link.in_turn:
                self.link.flush()
            if self._closing is not None:
                raise Disconnect(self._closing)

    def _start_tls(self) -> None:
        """What the client pipelined in clear is thrown away (RFC 3501 section 6.2.1)."""
        self._tls_wanted = False
        self._ahead.clear()
        self.connection.discard_pending()
        self.connection.resume()
        self.link.start_tls()
        self.tls_started = True
        self.peer = evolve(self.peer, secure=True)

    async def _perform(self, tag: bytes, command: Any, alone: bool = False) -> None:
        row = TABLE[type(command)]
        self.tag = tag
        began = self._clock.seconds()
        try:
            self._allow(row, command)
            if row.refresh:
                await self.refresh()
            if row.many is not None and not alone and self._followed(row, command):
                await self._perform_many(row, tag, command, began)
                return
            text = await row.run(self, command)
        except (Refusal, StoreError, LoginError, BadNumbers) as error:
            await self._tell_after(row, command)
            self._answer_refusal(tag, command, as_refusal(error), began)
            if isinstance(error, LoginError):
                self._count_failed_login()
        except (Disconnect, ConnectionDone, ConnectionLost):
            raise
        except Exception:
            self.log.failure("IMAP {command} of {user} failed", command=name_of(command), user=self.user)
            self._answer_refusal(tag, command, No("Internal error occurred. Refer to server log.", "SERVERBUG"), began)
        else:
            if self.view is not None:
                await self._tell_after(row, command)
            self._bad = 0
            if row.keeps_time and self.account is not None:
                self.write(b"%b OK %b (%.3f + 0.000 secs).\r\n" % (tag, text, self._clock.seconds() - began))
            elif self.account is not None:
                self.write(b"%b OK %b\r\n" % (tag, text))
            else:
                self.write(b"%b OK %b.\r\n" % (tag, text.removesuffix(b".")))

    async def _tell_after(self, row: Row, command: Any) -> None:
        view = self.view
        if view is not None and view.changed:
            await self.tell((row.expunge or getattr(command, "uid", False)) and not self._holding)

    def _allow(self, row: Row, command: Any) -> None:
        """Raise Bad if `command` may not be used now."""
        if not row.states & self.state:
            if self.state is State.NOT_AUTHENTICATED:
                raise Bad("Log in first")
            raise Bad("Already logged in" if row.states & LOGGED_IN == 0 else "No mailbox selected")
        if row.extension is not None and not self.capabilities.has(row.extension):
            raise Bad("Unknown command")
        if row.uses is not None:
            for name in row.uses(command):
                if name in NOT_OFFERED or not self.capabilities.has(name):
                    raise Bad(f"Unknown argument ({name} is not offered)")

    # Several commands at once.

    def _followed(self, row: Row, command: Any) -> bool:
        after = self.peek()
        return isinstance(after, Received) and row.joins is not None and row.joins(command, after.command)

    async def _perform_many(self, row: Row, tag: bytes, command: Any, began: float) -> None:
        tags, commands = [tag], [command]
        while len(tags) < TOGETHER:
            after = self.peek()
            if not isinstance(after, Received) or row.joins is None or not row.joins(command, after.command):
                break
            self._ahead.popleft()
            tags.append(after.tag)
            commands.append(after.command)
        assert row.many is not None
        try:
            answers: Sequence[Answer | None] = await row.many(self, commands)
        except (Refusal, StoreError) as error:
            answers = [Answer(refusal=as_refusal(error))] * len(commands)
        except (Disconnect, ConnectionDone, ConnectionLost):
            raise
        except Exception:
            self.log.failure("IMAP {command} of {user} failed", command=name_of(command), user=self.user)
            answers = [Answer(refusal=No("Internal error occurred. Refer to server log.", "SERVERBUG"))] * len(commands)
        took = b" (%.3f + 0.000 secs).\r\n" % (self._clock.seconds() - began)
        last = len(tags) - 1
        for at, (tag, command, answer) in enumerate(zip(tags, commands, answers, strict=True)):
            if not self.gate.open:
                await self.breathe()
            if answer is None:
                self._holding = at != last
                await self._perform(tag, command, alone=True)
                self._holding = False
                continue
            self.write(answer.untagged)
            if at == last:
                await self._tell_after(row, command)
            if answer.refusal is not None:
                self._answer_refusal(tag, command, answer.refusal, began)
            else:
                self._bad = 0
                self.write(b"%b OK %b%b" % (tag, answer.text, took))

    # Refusals.

    def _answer_refusal(self, tag: bytes, command: Any, refused: Refusal, began: float) -> None:
        self.connection.resume()
        text = refused.text
        if refused.status == b"BAD":
            text = f"Error in IMAP command {name_of(command)}: {text}" if text != "No mailbox selected" else text
        code = f"[{refused.code}] " if refused.code else ""
        line = encoded(f"{code}{text}")
        if self.account is not None:
            line += b" (%.3f + 0.000 secs)." % (self._clock.seconds() - began)
        self.write(b"%b %b %b\r\n" % (tag, refused.status, line))
        self._count_bad(refused.status == b"BAD")

    def _refuse(self, event: Refused) -> None:
        code = f"[{event.code}] " if event.code else ""
        status = b"NO" if event.no else b"BAD"
        if event.no:
            text = NAMED.sub("", event.text).removesuffix(".")
        else:
            text = UNKNOWN.sub(r"\1: Unknown command", event.text)
            text = f"Error in IMAP command{' ' if NAMED.match(text) else ': '}{text}"
        self.write(b"%b %b %b\r\n" % (event.tag or b"*", status, encoded(f"{code}{text}")))
        if event.fatal:
            raise Disconnect(event.text)
        self._count_bad(not event.no)

    def _count_bad(self, bad: bool) -> None:
        if not bad:
            self._bad = 0
            return
        self._bad += 1
        logged_in = self.account is not None
        if self._bad >= (self.settings.bad_commands if logged_in else self.settings.bad_commands_login):
            raise Disconnect("Too many invalid IMAP commands.")

    def _count_failed_login(self) -> None:
        """A good command between two guesses does not begin this count anew."""
        self._failed_logins += 1
        if self._failed_logins >= self.settings.bad_commands_login:
            raise Disconnect("Too many failed logins.")

    def _bye(self, text: str) -> None:
        if not self._gone:
            self.write(b"* BYE %b\r\n" % encoded(text))

    def _woken(self) -> None:
        self._wake_due = False
        wake, self._wake = self._wake, None
        if wake is not None:
            self._turn_began = self._clock.seconds()
            wake.callback(None)


UNKNOWN = re.compile(r"\AUnknown command ([A-Z ]+)(?=\.\Z)")
NAMED = re.compile("[A-Z ]+: ")
"""A reason that begins with the command's name."""
NOT_OFFERED = frozenset({"CONDSTORE", "IMAP4REV2"})
"""Extensions whose syntax the grammar reads and that this server does not have."""


def as_refusal(error: Exception) -> Refusal:
    """Return what is answered to an error that ends a command."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, StoreError):
        return refusal(error)
    if isinstance(error, LoginError):
        return login_refusal(error)
    return Bad(str(error))
