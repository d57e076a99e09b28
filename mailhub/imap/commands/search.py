"""SEARCH (RFC 3501 section 6.4.4, ESEARCH of RFC 4731, WITHIN of RFC 5032)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailhub.imap.querying import query_of
from mailhub.store.query import All
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.encode import number_set, quoted
from mailhub.wire.imap.types import SearchKey

if TYPE_CHECKING:
    from mailhub.imap.session import Session

COMPLETED = b"Search completed"


async def search(session: Session, command: wire.Search) -> bytes:
    """RFC 3501 section 6.4.4; with RETURN RFC 4731 section 3.1."""
    numbers = await found(session, command.key, command.uid)
    if command.returns is None:
        session.write(b"* SEARCH%b\r\n" % spaced(numbers))
    else:
        session.write(_extended(session.tag, command, numbers))
    return COMPLETED


def spaced(numbers: Sequence[int]) -> bytes:
    """Return numbers, each with a space before it. One format of all is twice as fast as one of each."""
    return (b" %d" * len(numbers)) % tuple(numbers)


async def found(session: Session, key: SearchKey, uid: bool) -> Sequence[int]:
    """Return the numbers, or with `uid` the UIDs, of the messages that match, ascending."""
    uids = await found_uids(session, key)
    assert session.view is not None
    return uids if uid else session.view.chosen(uids).numbers


async def found_uids(session: Session, key: SearchKey) -> Sequence[int]:
    """Return the UIDs of the messages the client knows that match, ascending."""
    view, mailbox = session.view, session.mailbox
    assert view is not None
    assert mailbox is not None
    query = query_of(key, view, int(session.around.reactor.seconds()))
    if isinstance(query, All):
        return view.uids
    return view.known(await mailbox.search(query, view.latest))


def _extended(tag: bytes, command: wire.Search, numbers: Sequence[int]) -> bytes:
    """RFC 4731 section 3.1, "esearch-response" of RFC 4466 section 2.6.2, in Dovecot's order."""
    wanted = command.returns or ("ALL",)
    words = [b"* ESEARCH (TAG %b)" % quoted(tag)]
    if command.uid:
        words.append(b"UID")
    if numbers:
        if "MIN" in wanted:
            words.append(b"MIN %d" % numbers[0])
        if "MAX" in wanted:
            words.append(b"MAX %d" % numbers[-1])
        if "ALL" in wanted:
            words.append(b"ALL %b" % number_set(numbers))
    if "COUNT" in wanted:
        words.append(b"COUNT %d" % len(numbers))
    return b" ".join(words) + b"\r\n"
