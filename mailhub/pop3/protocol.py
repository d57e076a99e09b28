"""POP3 on a connection: greeting, login, transaction, and what must be done however it ends."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from mailhub.auth.interfaces import ILogin
from mailhub.concurrency.conversation import Ended, Reason
from mailhub.config.settings import Pop3Settings
from mailhub.pop3.authorization import Authorization
from mailhub.pop3.phase import Connection
from mailhub.pop3.transaction import Transaction
from mailhub.store.errors import StoreError
from mailhub.store.model import MailboxId
from mailhub.wire.pop3 import Pop3Input


class Pop3Protocol(Connection):
    """One connection."""

    def __init__(
        self,
        *,
        reactor: Any,
        login: ILogin,
        settings: Pop3Settings,
        context: Any,
        locks: set[MailboxId],
        ended: Callable[[], None],
    ) -> None:
        """context: a TLS context factory for STLS, or None; locks: the maildrops locked now, shared by all
        sessions."""
        self.input = Pop3Input()
        super().__init__(reactor=reactor, source=self.input, timeout=settings.timeout, ended=ended)
        self.settings = settings
        self.context = context
        self._login = login
        self._locks = locks

    def connectionMade(self) -> None:
        self.deadline = self._reactor.seconds() + self.settings.login_timeout
        super().connectionMade()

    async def converse(self) -> None:
        timestamp = b""
        if self._login.apop_possible():
            # RFC 1939 section 7: different each time the greeting is issued, in the form of a msg-id.
            timestamp = f"<{secrets.token_hex(12)}.{int(self._reactor.seconds())}@mailhub>".encode("ascii")
        self.ok(" ".join(filter(None, (self.settings.greeting, timestamp.decode("ascii")))))
        authorization = Authorization(self, self._login, timestamp, self._locks)
        try:
            await authorization.serve()
            self.deadline = None
            if authorization.maildrop is not None:
                await self._transact(authorization)
        except Ended as ended:
            # Silence: "the server should close the TCP connection without [...] sending any response to the
            # client" (RFC 1939 section 3).
            if ended.reason is Reason.STOPPING:
                self.err("[SYS/TEMP] Server shutting down.")

    async def _transact(self, authorization: Authorization) -> None:
        account, maildrop = authorization.account, authorization.maildrop
        if account is None or maildrop is None:
            return
        user = account.user.name
        transaction = Transaction(self, maildrop, authorization.capabilities())
        try:
            await transaction.serve()
        finally:
            self.flush()
            try:
                await maildrop.close()
            except StoreError as error:
                self.log.warn("pop3: flags of messages read by {user} are lost: {error}", user=user, error=error)
            finally:
                if self.settings.lock_session:
                    self._locks.discard(maildrop.locked)
                account.release()
            self.log.info(
                "pop3 logout: user={user} retrieved={retrieved} removed={removed} left={left}",
                user=user,
                retrieved=transaction.retrieved,
                removed=transaction.removed,
                left=len(maildrop),
            )
