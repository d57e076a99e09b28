"""What ImapConnection.next_event() returns. See connection.py for who says what when."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from mailhub.wire.imap.commands import Command
from mailhub.wire.imap.types import MailboxName


class Signal(Enum):
    """Nothing to hand out now."""

    NEED_DATA = "need data"
    PAUSED = "paused"
    """After STARTTLS, AUTHENTICATE and IDLE: bytes wait until the session says what they are."""
    CLOSED = "closed"
    """The peer sent everything it will, or sync was lost."""


@frozen
class Received:
    """A whole, well-formed command."""

    tag: bytes
    command: Command


@frozen
class Refused:
    """A command with bad syntax or over a limit; sync is kept unless `fatal`.

    Answer `tag BAD text` (`* BAD` where tag is None), or `tag NO [code] text` if `no`; close if fatal."""

    tag: bytes | None
    text: str
    code: str | None = None
    """A response code without its brackets: TOOBIG, LIMIT, BADCHARSET (...)."""
    fatal: bool = False
    no: bool = False
    """The syntax was good, but the server will not: a literal over the limit, a charset it does not know, a
    literal that the session itself refused."""


@frozen
class LiteralWanted:
    """A synchronising literal of `size` octets waits for leave: call accept_literal() and send "+ OK", or
    refuse_literal(), which yields a Refused for its command."""

    tag: bytes
    size: int


@frozen
class AppendStarted:
    """APPEND up to its first message. What follows for this tag: for each message AppendMessage,
    AppendData..., AppendMessageEnd; then AppendFinished, or Refused if the syntax goes wrong on the way."""

    tag: bytes
    mailbox: MailboxName


@frozen
class AppendMessage:
    """One message of a MULTIAPPEND (RFC 3502). For a synchronising literal the session must call
    accept_literal() (and send "+ OK") or refuse_literal() before data comes; a non-synchronising one comes
    by itself, also when the session has already decided to refuse it (then it is read and dropped).

    Where size is over the limit, a Refused with code TOOBIG comes instead of this event."""

    flags: tuple[str, ...]
    internal_date: int | None
    """Seconds since the epoch."""
    size: int
    synchronising: bool
    binary: bool = False
    """literal8 (RFC 3516)."""


@frozen
class AppendData:
    """Octets of the literal, in pieces of what the network gave."""

    data: bytes = field(repr=False)


@frozen
class AppendMessageEnd:
    """The literal is complete."""


@frozen
class AppendFinished:
    """The command's line ended well."""

    tag: bytes


@frozen
class ContinuationLine:
    """A line that the session asked for by expect_line(): a SASL response, DONE of IDLE. Without CRLF."""

    line: bytes = field(repr=False)


Event = (
    Signal
    | Received
    | Refused
    | LiteralWanted
    | AppendStarted
    | AppendMessage
    | AppendData
    | AppendMessageEnd
    | AppendFinished
    | ContinuationLine
)
