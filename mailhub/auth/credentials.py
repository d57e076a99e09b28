"""Credentials as checkers get them: twisted.cred's own kinds, which also know the connection they came by.

Their secrets are in no repr, so that a traceback or a log line never shows them.
"""

from __future__ import annotations

import hashlib
import hmac

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from zope.interface import implementer

from mailhub.auth.interfaces import Peer


class UnknownUser(UnauthorizedLogin):
    """A checker does not know the name; another may. The client is never told the difference."""


@implementer(IUsernamePassword)
class PasswordCredentials:
    """A name, already safe and normalised, and the password that was sent."""

    def __init__(self, username: str, password: bytes, peer: Peer) -> None:
        self.username = username
        self.password = password
        self.peer = peer

    def checkPassword(self, password: bytes) -> bool:
        return hmac.compare_digest(self.password, password)


@implementer(IUsernameHashedPassword)
class ApopCredentials:
    """An APOP digest: MD5 of the greeting's timestamp and the password, 32 hex digits (RFC 1939 section 7)."""

    def __init__(self, username: str, timestamp: bytes, digest: bytes, peer: Peer) -> None:
        self.username = username
        self.peer = peer
        self._timestamp = timestamp
        self._digest = digest

    def checkPassword(self, password: bytes) -> bool:
        # MD5 is what the protocol says; it protects nothing that TLS does not.
        expected = hashlib.md5(self._timestamp + password, usedforsecurity=False).hexdigest().encode()
        return hmac.compare_digest(expected, self._digest.lower())
