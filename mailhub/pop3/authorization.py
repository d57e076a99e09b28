"""The AUTHORIZATION state: USER and PASS, APOP, AUTH, STLS (RFC 1939 section 4, 5034, 2595, 3206)."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Awaitable

from mailhub.auth.interfaces import (
    ILogin,
    LoginError,
    MalformedResponse,
    Peer,
    PrivacyRequired,
)
from mailhub.pop3.errors import IN_USE, InUse, Refused, login_text, store_text
from mailhub.pop3.maildrop import Maildrop, open_maildrop
from mailhub.pop3.phase import Connection, Phase, capabilities
from mailhub.store.errors import StoreError
from mailhub.store.interfaces import IAccount
from mailhub.store.model import MailboxId
from mailhub.wire.lines import LongLine
from mailhub.wire.pop3 import read_apop, read_auth, read_base64


class Authorization(Phase):
    """Serves until the maildrop is open (`maildrop` is set) or the client leaves."""

    def __init__(self, connection: Connection, login: ILogin, timestamp: bytes, locks: set[MailboxId]) -> None:
        """`timestamp` is that of the greeting, b"" where APOP is not possible."""
        super().__init__(connection, connection.settings.bad_commands_login)
        self.account: IAccount | None = None
        self.maildrop: Maildrop | None = None
        self._login = login
        self._timestamp = timestamp
        self._locks = locks
        self._user: bytes | None = None
        self._failures = 0
        """Failed logins; a good command between two guesses does not begin the count anew."""

    @property
    def _peer(self) -> Peer:
        connection = self.connection
        return Peer(connection.host, connection.secure, "pop3", connection.local)

    def capabilities(self) -> list[str]:
        """Return what CAPA answers; USER and SASL are the same after login (RFC 2449 section 6), STLS is not."""
        connection, peer = self.connection, self._peer
        stls = self.account is None and connection.context is not None and not connection.tls
        return capabilities(connection, self._login.plaintext_allowed(peer), tuple(self._login.mechanisms(peer)), stls)

    async def capa(self, argument: bytes) -> None:
        self.connection.lines(self.capabilities())

    async def user(self, argument: bytes) -> None:
        if not self._login.plaintext_allowed(self._peer):
            raise Refused(login_text(PrivacyRequired()))
        self._user = argument
        self.connection.ok()

    async def pass_(self, argument: bytes) -> None:
        """The password is all behind the blank, further blanks included (RFC 1939 section 7)."""
        if self._user is None:
            raise Refused("No username given.")
        user, self._user = self._user, None
        await self._enter(self._login.password(user, argument, self._peer))

    async def apop(self, argument: bytes) -> None:
        if not self._timestamp:
            raise Refused("APOP not enabled.")
        user, digest = read_apop(argument)
        await self._enter(self._login.apop(user, self._timestamp, digest, self._peer))

    async def auth(self, argument: bytes) -> None:
        """AUTH mechanism [initial-response]; without argument, list the mechanisms as many servers do."""
        mechanism, initial = read_auth(argument)
        if mechanism:
            await self._enter(self._exchange(mechanism, initial))
        else:
            self.connection.lines(list(self._login.mechanisms(self._peer)))

    async def _exchange(self, mechanism: str, initial: bytes | None) -> IAccount:
        """Carry a SASL exchange through (RFC 5034 section 4)."""
        connection = self.connection
        exchange = self._login.exchange(mechanism, self._peer)
        result = await exchange.start(initial)
        while isinstance(result, bytes):
            connection.send(b"+ " + b2a_base64(result, newline=False) + b"\r\n")
            line: bytes | LongLine = await connection.next(connection.input.next_line)
            if isinstance(line, LongLine):
                raise Refused("Line too long.")
            if line == b"*":
                raise Refused("Authentication aborted by client.")
            result = await exchange.respond(read_base64(line))
        return result

    async def _enter(self, login: Awaitable[IAccount]) -> None:
        """Wait for the login and open the maildrop; a maildrop that cannot be opened is a failed login (RFC 1939
        section 4)."""
        try:
            account = await login
        except MalformedResponse as error:
            raise Refused(login_text(error)) from None
        except LoginError as error:
            self.connection.err(login_text(error))
            self._failures += 1
            if self._failures >= self.connection.settings.bad_commands_login:
                self.break_off("failed logins")
            return
        try:
            self.maildrop = await open_maildrop(account, self.connection.settings, self._locks)
        except InUse:
            account.release()
            self.connection.err(IN_USE)
        except StoreError as error:
            account.release()
            self.connection.log.warn(
                "pop3: cannot open the maildrop of {user}: {error}", user=account.user.name, error=error
            )
            self.connection.err(store_text(error))
        except BaseException:
            account.release()
            raise
        else:
            self.account = account
            self.over = True
            self.connection.ok("Logged in.")

    async def stls(self, argument: bytes) -> None:
        """Begin TLS (RFC 2595 section 4): what the client said before, or pipelined behind it, is forgotten."""
        connection = self.connection
        if connection.context is None:
            raise Refused("TLS support isn't enabled.")
        if connection.tls:
            raise Refused("TLS is already active.")
        connection.ok("Begin TLS negotiation now.")
        self._user = None
        connection.start_tls(connection.context)

    async def quit(self, argument: bytes) -> None:
        self.connection.ok("Logging out")
        self.over = True

    table = {
        "CAPA": capa,
        "USER": user,
        "PASS": pass_,
        "APOP": apop,
        "AUTH": auth,
        "STLS": stls,
        "QUIT": quit,
    }
