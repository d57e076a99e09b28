"""Messages of the memory store: on their way in, kept, and being read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, execute, succeed
from zope.interface import implementer

from mailhub.message.facts import Fact
from mailhub.message.message import Message, canonical
from mailhub.store.errors import StoreError, TooBig, Unavailable
from mailhub.store.interfaces import IDraft, IMessageBody
from mailhub.store.model import Uid

WHOLE = 128 * 1024
"""Octets up to which IMessageBody.whole is set; above, sessions use read(), as they must with files."""

KEPT_FACTS = 64
"""Facts kept of one message: a client may ask for the headers of any number of names."""


class Content:
    """The octets of a message, shared by all copies of it, and the facts found so far."""

    __slots__ = ("_facts", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._facts: dict[str, bytes] = {}

    def facts(self, wanted: Sequence[Fact]) -> list[bytes]:
        """Return the values of `wanted`, parsing the message at most once."""
        found: list[bytes] = []
        message: Message | None = None
        for fact in wanted:
            value = self._facts.get(fact.key)
            if value is None:
                message = message or Message(self.data)
                value = fact.make(message)
                if fact.keep and len(self._facts) < KEPT_FACTS:
                    self._facts[fact.key] = value
            found.append(value)
        return found


@frozen(eq=False)
class Kept:
    """A message in a mailbox; its UID and flags are in the mailbox's snapshot."""

    content: Content
    internal_date: int
    save_date: int


@implementer(IDraft)
class Draft:
    """A message on its way in, in memory."""

    def __init__(self, limit: int) -> None:
        """Take at most `limit` octets, counted with CRLF."""
        self.size = 0
        self._limit = limit
        self._pieces: list[bytes] = []
        self._wrong: StoreError | None = None
        self._last = b""
        self._content: Content | None = None

    def write(self, data: bytes) -> Deferred[None] | None:
        if self._wrong is not None:
            raise self._wrong
        if not data:
            return None
        bare = data.count(b"\n") - data.count(b"\r\n")
        if self._last == b"\r" and data.startswith(b"\n"):
            bare -= 1
        self.size += len(data) + bare
        self._last = data[-1:]
        if self.size > self._limit:
            self._pieces.clear()
            self._wrong = TooBig("Message is too big")
            raise self._wrong
        self._pieces.append(data)
        return None

    def content(self) -> Content:
        """Return the finished message, the same one each time. Raises TooBig, Unavailable (discarded)."""
        if self._wrong is not None:
            raise self._wrong
        if self._content is None:
            self._content = Content(canonical(b"".join(self._pieces)))
            self._pieces.clear()
        return self._content

    def discard(self) -> None:
        self._pieces.clear()
        self._wrong = self._wrong or Unavailable("Draft was discarded")


@implementer(IMessageBody)
@define(eq=False)
class Body:
    """A message being read."""

    uid: Uid
    _content: Content
    size: int = field(init=False)
    whole: bytes | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        data = self._content.data
        self.size = len(data)
        self.whole = data if len(data) <= WHOLE else None

    def read(self, offset: int, length: int) -> Deferred[bytes]:
        return succeed(self._content.data[offset : offset + length])

    def facts(self, wanted: Sequence[object]) -> Deferred[Sequence[bytes]]:
        return execute(self._content.facts, cast("Sequence[Fact]", wanted))

    def close(self) -> None:
        pass
