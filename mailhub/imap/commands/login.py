"""Commands before login: STARTTLS, AUTHENTICATE, LOGIN (RFC 3501 section 6.2)."""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING

from mailhub.auth.interfaces import IExchange, PrivacyRequired
from mailhub.imap.errors import Bad
from mailhub.store.interfaces import IAccount
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.events import ContinuationLine, Refused

if TYPE_CHECKING:
    from mailhub.imap.session import Session


async def starttls(session: Session, command: wire.Starttls) -> bytes:
    """Answer before the handshake; what the client pipelined behind the command in clear is thrown away
    (RFC 3501 section 6.2.1, RFC 9051 section 11.3)."""
    if not session.starttls_possible or not session.capabilities.has("STARTTLS"):
        session.connection.resume()
        raise Bad("TLS is active already" if session.peer.secure else "TLS support isn't enabled.")
    session.begin_tls()
    return b"Begin TLS negotiation now."


async def login(session: Session, command: wire.Login) -> bytes:
    """RFC 3501 section 6.2.3."""
    if not session.around.login.plaintext_allowed(session.peer):
        raise PrivacyRequired("Plaintext authentication disallowed on non-secure (SSL/TLS) connections.")
    return _welcome(session, await session.around.login.password(command.user, command.password, session.peer))


async def authenticate(session: Session, command: wire.Authenticate) -> bytes:
    """RFC 3501 section 6.2.2, with the initial response of RFC 4959."""
    try:
        exchange: IExchange = session.around.login.exchange(command.mechanism, session.peer)
        return _welcome(session, await _converse(session, exchange, command.initial))
    finally:
        session.connection.resume()


async def _converse(session: Session, exchange: IExchange, initial: bytes | None) -> IAccount:
    if initial is None and exchange.client_first:
        initial = await _response(session, b"")
    outcome = await exchange.start(initial)
    while isinstance(outcome, bytes):
        outcome = await exchange.respond(await _response(session, outcome))
    return outcome


async def _response(session: Session, challenge: bytes) -> bytes:
    """Send a challenge and return the client's decoded response."""
    session.write(b"+ %b\r\n" % b64encode(challenge))
    session.connection.expect_line()
    event = await session.next_event()
    if isinstance(event, Refused):
        raise Bad(event.text, event.code)
    assert isinstance(event, ContinuationLine)
    if event.line == b"*":
        raise Bad("Authentication aborted by client.")
    try:
        return a2b_base64(event.line, strict_mode=True)
    except Base64Error:
        raise Bad("Invalid base64 data in response.") from None


def _welcome(session: Session, account: IAccount) -> bytes:
    session.logged_in(account)
    return b"[CAPABILITY %b] Logged in" % session.capability()
