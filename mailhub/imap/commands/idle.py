"""IDLE (RFC 2177)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.errors import Bad
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.events import ContinuationLine, Refused

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def idle(session: Session, command: wire.Idle) -> bytes:
    """Tell every change as it happens until the client says DONE. Anything else ends it with BAD."""
    session.write(b"+ idling\r\n")
    session.connection.expect_line()
    session.idling = True
    every, clock = session.settings.idle_notify, session.around.reactor
    due = clock.seconds() + every
    try:
        while True:
            await session.tell(True)
            event = session.peek()
            if event is not None:
                break
            now = clock.seconds()
            if every and now >= due:
                session.write(b"* OK Still here\r\n")
                due = now + every
            await session.rest(due - now if every else 0)
        event = await session.next_event()
    finally:
        session.idling = False
        session.connection.resume()
    if isinstance(event, Refused):
        raise Bad(event.text, event.code)
    if not isinstance(event, ContinuationLine) or event.line.upper() != b"DONE":
        raise Bad("Expected DONE")
    return b"Idle completed"
