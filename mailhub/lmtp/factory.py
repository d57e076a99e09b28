"""Makes LMTP sessions."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IAddress

from mailhub.concurrency.conversation import ConversationFactory
from mailhub.config.settings import LmtpSettings
from mailhub.delivery.delivery import Delivery
from mailhub.lmtp.protocol import LmtpProtocol


class LmtpFactory(ConversationFactory):
    """For all LMTP ports of a server."""

    def __init__(
        self, *, reactor: Any, delivery: Delivery, settings: LmtpSettings, message_limit: int, tls: Any = None
    ) -> None:
        """message_limit: octets, as SIZE says; tls: a context factory for STARTTLS, or None if it is not offered."""
        super().__init__()
        self._reactor = reactor
        self._delivery = delivery
        self._settings = settings
        self._hostname = settings.hostname or socket.gethostname()
        self._message_limit = message_limit
        self._tls = tls

    def buildProtocol(self, addr: IAddress | None) -> LmtpProtocol:
        protocol = LmtpProtocol(
            reactor=self._reactor,
            delivery=self._delivery,
            settings=self._settings,
            hostname=self._hostname,
            message_limit=self._message_limit,
            context=self._tls,
            ended=lambda: self.closed(protocol),
        )
        protocol.factory = self
        self.opened(protocol)
        return protocol
