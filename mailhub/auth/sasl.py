"""SASL exchanges (RFC 4422). The protocol has decoded base64 and handles a cancel ("*") itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from mailhub.auth.interfaces import IExchange, MalformedResponse, Peer
from mailhub.store.interfaces import IAccount


class PlainLogin(Protocol):
    """As much of login.Login as an exchange needs."""

    def plain(
        self, user: bytes, password: bytes, peer: Peer, method: str, authzid: bytes = b""
    ) -> Deferred[IAccount]: ...


@implementer(IExchange)
class PlainExchange:
    """PLAIN: `[authzid] NUL authcid NUL passwd`, all UTF-8 (RFC 4616 section 2)."""

    client_first = True

    def __init__(self, login: PlainLogin, peer: Peer) -> None:
        self.user = ""
        self._login = login
        self._peer = peer

    def start(self, initial: bytes | None) -> Deferred[bytes | IAccount]:
        return succeed(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Deferred[bytes | IAccount]:
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            return fail(MalformedResponse("PLAIN wants an authorization identity, a user and a password."))
        authzid, user, password = parts
        self.user = user.decode("utf-8", "replace")
        return self._login.plain(user, password, self._peer, "PLAIN", authzid)  # type: ignore[return-value]


@implementer(IExchange)
class LoginExchange:
    """LOGIN: user, then password, each to a prompt (draft-murchison-sasl-login). An initial response is the user,
    which the draft does not know but clients send."""

    client_first = True

    def __init__(self, login: PlainLogin, peer: Peer) -> None:
        self.user = ""
        self._name: bytes | None = None
        self._login = login
        self._peer = peer

    def start(self, initial: bytes | None) -> Deferred[bytes | IAccount]:
        # An empty initial response ("=") carries no name: ask for it.
        return self.respond(initial) if initial else succeed(b"Username:")

    def respond(self, response: bytes) -> Deferred[bytes | IAccount]:
        if self._name is None:
            self._name = response
            self.user = response.decode("utf-8", "replace")
            return succeed(b"Password:")
        return self._login.plain(self._name, response, self._peer, "LOGIN")  # type: ignore[return-value]


MECHANISMS: Mapping[str, Callable[[PlainLogin, Peer], IExchange]] = {"PLAIN": PlainExchange, "LOGIN": LoginExchange}
