"""Makes POP3 sessions."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress

from mailhub.auth.interfaces import ILogin
from mailhub.concurrency.conversation import ConversationFactory
from mailhub.config.settings import Pop3Settings
from mailhub.pop3.protocol import Pop3Protocol
from mailhub.store.model import MailboxId


class Pop3Factory(ConversationFactory):
    """For all POP3 ports of a server: [IN-USE] holds between the sessions of one factory."""

    def __init__(self, *, reactor: Any, login: ILogin, settings: Pop3Settings, tls: Any = None) -> None:
        """tls: a context factory for STLS, or None if it is not offered."""
        super().__init__()
        self._reactor = reactor
        self._login = login
        self._settings = settings
        self._tls = tls
        self._locks: set[MailboxId] = set()

    def buildProtocol(self, addr: IAddress | None) -> Pop3Protocol:
        protocol = Pop3Protocol(
            reactor=self._reactor,
            login=self._login,
            settings=self._settings,
            context=self._tls,
            locks=self._locks,
            ended=lambda: self.closed(protocol),
        )
        protocol.factory = self
        self.opened(protocol)
        return protocol
