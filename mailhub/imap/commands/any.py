"""Commands of any state: CAPABILITY, NOOP, LOGOUT, ID; and ENABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailhub.imap.state import State
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.encode import quoted

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def capability(session: Session, command: wire.Capability) -> bytes:
    """RFC 3501 section 6.1.1."""
    session.write(b"* CAPABILITY %b\r\n" % session.capability())
    if session.state is State.NOT_AUTHENTICATED:
        return b"Pre-login capabilities listed, post-login capabilities have more."
    return b"Capability completed"


async def noop(session: Session, command: wire.Noop) -> bytes:
    """RFC 3501 section 6.1.2."""
    return b"NOOP completed"


async def logout(session: Session, command: wire.Logout) -> bytes:
    """RFC 3501 section 6.1.3."""
    session.write(b"* BYE Logging out\r\n")
    session.deselect()
    session.state = State.LOGOUT
    return b"Logout completed"


async def id_(session: Session, command: wire.Id) -> bytes:
    """RFC 2971. What the client says of itself goes to the log."""
    if command.fields:
        said = {
            key.decode("utf-8", "replace"): (value or b"").decode("utf-8", "replace") for key, value in command.fields
        }
        session.log.debug("IMAP client of {user} is {said}", user=session.user, said=said)
    words = [quoted(word.encode()) for pair in session.settings.id_fields for word in pair]
    session.write(b"* ID (%b)\r\n" % b" ".join(words) if words else b"* ID NIL\r\n")
    return b"ID completed"


async def enable(session: Session, command: wire.Enable) -> bytes:
    """RFC 5161 section 3.1: nothing offered here needs enabling, so the list of what was enabled is always empty."""
    session.write(b"* ENABLED\r\n")
    return b"Enabled"
