"""Every command that the grammar can read, as a frozen value; `UID X` is X with uid=True.

The class is the command: its name is in NAME as it stands on the wire, for tables, logs and tagged answers.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from mailhub.wire.imap.types import (
    FetchAttribute,
    MailboxName,
    NumberSet,
    SearchKey,
    StatusItem,
)


class Command:
    """Base of all commands."""

    NAME: ClassVar[str]
    __slots__ = ()


@frozen
class Capability(Command):
    NAME = "CAPABILITY"


@frozen
class Noop(Command):
    NAME = "NOOP"


@frozen
class Logout(Command):
    NAME = "LOGOUT"


@frozen
class Starttls(Command):
    NAME = "STARTTLS"


@frozen
class Authenticate(Command):
    """RFC 3501 section 6.2.2; `initial` is the decoded SASL-IR response (RFC 4959), b"" for "="."""

    NAME = "AUTHENTICATE"
    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@frozen
class Login(Command):
    NAME = "LOGIN"
    user: bytes
    password: bytes = field(repr=False)


@frozen
class Id(Command):
    """RFC 2971; None for NIL."""

    NAME = "ID"
    fields: tuple[tuple[bytes, bytes | None], ...] | None


@frozen
class Enable(Command):
    """RFC 5161; names in upper case."""

    NAME = "ENABLE"
    capabilities: tuple[str, ...]


@frozen
class Namespace(Command):
    NAME = "NAMESPACE"


@frozen
class Select(Command):
    NAME = "SELECT"
    mailbox: MailboxName
    condstore: bool = False


@frozen
class Examine(Command):
    NAME = "EXAMINE"
    mailbox: MailboxName
    condstore: bool = False


@frozen
class Create(Command):
    """RFC 3501 section 6.3.3; `special_use` from USE (...) (RFC 6154 section 3)."""

    NAME = "CREATE"
    mailbox: MailboxName
    special_use: tuple[str, ...] = ()


@frozen
class Delete(Command):
    NAME = "DELETE"
    mailbox: MailboxName


@frozen
class Rename(Command):
    NAME = "RENAME"
    old: MailboxName
    new: MailboxName


@frozen
class Subscribe(Command):
    NAME = "SUBSCRIBE"
    mailbox: MailboxName


@frozen
class Unsubscribe(Command):
    NAME = "UNSUBSCRIBE"
    mailbox: MailboxName


@frozen
class List(Command):
    """RFC 3501 section 6.3.8 with RFC 5258 and 5819.

    `extended` is True if any extended syntax was used (selection options, several patterns, RETURN)."""

    NAME = "LIST"
    reference: MailboxName
    patterns: tuple[MailboxName, ...]
    select: tuple[str, ...] = ()
    """Selection options in upper case: SUBSCRIBED, REMOTE, RECURSIVEMATCH, SPECIAL-USE."""
    returns: tuple[str, ...] = ()
    """Return options in upper case: SUBSCRIBED, CHILDREN, SPECIAL-USE."""
    status: tuple[StatusItem, ...] | None = None
    """RETURN (STATUS (...))."""
    extended: bool = False


@frozen
class Lsub(Command):
    NAME = "LSUB"
    reference: MailboxName
    pattern: MailboxName


@frozen
class Status(Command):
    NAME = "STATUS"
    mailbox: MailboxName
    items: tuple[StatusItem, ...]


@frozen
class Idle(Command):
    NAME = "IDLE"


@frozen
class Check(Command):
    NAME = "CHECK"


@frozen
class Close(Command):
    NAME = "CLOSE"


@frozen
class Unselect(Command):
    NAME = "UNSELECT"


@frozen
class Expunge(Command):
    """EXPUNGE, or UID EXPUNGE with its set (RFC 4315)."""

    NAME = "EXPUNGE"
    uids: NumberSet | None = None


@frozen
class Search(Command):
    """RFC 3501 section 6.4.4; `returns` from RETURN (...) (RFC 4731): None without, () for RETURN ()."""

    NAME = "SEARCH"
    key: SearchKey
    returns: tuple[str, ...] | None = None
    charset: str | None = None
    uid: bool = False


@frozen
class Sort(Command):
    """RFC 5256: criteria as (name in upper case, reverse)."""

    NAME = "SORT"
    criteria: tuple[tuple[str, bool], ...]
    key: SearchKey
    charset: str
    uid: bool = False


@frozen
class Thread(Command):
    """RFC 5256."""

    NAME = "THREAD"
    algorithm: str
    key: SearchKey
    charset: str
    uid: bool = False


@frozen
class Fetch(Command):
    NAME = "FETCH"
    numbers: NumberSet
    items: tuple[FetchAttribute, ...]
    uid: bool = False


@frozen
class Store(Command):
    """RFC 3501 section 6.4.6: `op` is "+", "-" or "="; system flags in canonical case."""

    NAME = "STORE"
    numbers: NumberSet
    op: str
    flags: tuple[str, ...]
    silent: bool = False
    uid: bool = False


@frozen
class Copy(Command):
    NAME = "COPY"
    numbers: NumberSet
    mailbox: MailboxName
    uid: bool = False


@frozen
class Move(Command):
    """RFC 6851."""

    NAME = "MOVE"
    numbers: NumberSet
    mailbox: MailboxName
    uid: bool = False
