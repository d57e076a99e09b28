"""What protocols need of authentication, on one page."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from mailhub.store.interfaces import IAccount


class LoginError(Exception):
    """Base of refusals. The message is for the client and never tells whether the user exists."""


class AuthenticationFailed(LoginError):
    """Wrong user or password, or the client cancelled (RFC 5530 AUTHENTICATIONFAILED)."""


class AuthorizationFailed(LoginError):
    """May not act as the asked-for identity (RFC 5530 AUTHORIZATIONFAILED)."""


class LoginUnavailable(LoginError):
    """The user database or the store fails at the moment (RFC 5530 UNAVAILABLE; POP3 [SYS/TEMP])."""


class PrivacyRequired(LoginError):
    """Not without TLS (RFC 5530 PRIVACYREQUIRED)."""


class MalformedResponse(LoginError):
    """The client's SASL message breaks the mechanism's syntax (BAD, -ERR)."""


class NoSuchMechanism(LoginError):
    """The mechanism is unknown or not offered here."""


@frozen
class Peer:
    """What is known about the other side of a connection."""

    host: str
    """Its address; "" for a unix socket."""
    secure: bool
    """TLS is on, or the connection cannot be overheard (unix socket)."""
    protocol: str
    """imap, pop3 or lmtp."""
    local: bool = False
    """On the loopback interface or a unix socket."""


class IExchange(Interface):
    """One SASL exchange (RFC 4422)."""

    client_first: bool = Attribute("Whether the client speaks first, so that an initial response makes sense.")
    user: str = Attribute('The user as far as it is known, for logs; "" before.')

    def start(initial: bytes | None) -> Deferred[bytes | IAccount]:
        """Begin, with the initial response or None. Fires with a challenge to send, or the account.

        Raises LoginError."""

    def respond(response: bytes) -> Deferred[bytes | IAccount]:
        """Go on with the client's decoded response. Fires and raises as start()."""


class ILogin(Interface):
    """Turns credentials into an account; built on a twisted.cred portal."""

    def mechanisms(peer: Peer) -> Sequence[str]:
        """SASL mechanisms to offer this peer now; empty where passwords may not be sent yet."""

    def plaintext_allowed(peer: Peer) -> bool:
        """Whether LOGIN, USER/PASS may be used (else LOGINDISABLED)."""

    def password(user: bytes, password: bytes, peer: Peer) -> Deferred[IAccount]:
        """Log in with a password. The caller calls IAccount.release() at the session's end.

        Raises LoginError."""

    def apop(user: bytes, timestamp: bytes, digest: bytes, peer: Peer) -> Deferred[IAccount]:
        """Log in by APOP (RFC 1939 section 7): digest is the client's 32 hex digits. Raises LoginError."""

    def apop_possible() -> bool:
        """Whether any stored password allows APOP, so that the greeting should carry a timestamp."""

    def exchange(mechanism: str, peer: Peer) -> IExchange:
        """Begin a SASL exchange. Raises NoSuchMechanism, PrivacyRequired."""
