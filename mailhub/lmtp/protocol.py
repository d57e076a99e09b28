"""LMTP on a connection (RFC 2033): commands, one transaction at a time, a reply for each recipient.

Texts and codes are those of Dovecot 2.3.19 where the RFCs leave a choice. Differences, on purpose: LHLO is asked for
(RFC 2033 section 4.1); content ends at CRLF "." CRLF only (see mailhub.wire.smtp); RCPT is refused once a BDAT has
come; DATA after BDAT is 503 (RFC 3030 section 2), where Dovecot hangs up; SIZE and SMTPUTF8 are offered.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from mailhub.concurrency.conversation import Conversation, Ended, Reason
from mailhub.config.settings import LmtpSettings
from mailhub.delivery.delivery import Delivery, Outcome
from mailhub.delivery.headers import Envelope, trace
from mailhub.lmtp.errors import reply_to
from mailhub.lmtp.transaction import Transaction
from mailhub.store.errors import StoreError, TooBig
from mailhub.store.model import Appended
from mailhub.wire.lines import LongLine
from mailhub.wire.smtp import (
    Address,
    Command,
    DataSignal,
    Refusal,
    SmtpInput,
    read_bdat,
    read_hello,
    read_mail,
    read_rcpt,
)

NAMED = 10
"""Recipients whom a line of the log names."""


class LmtpProtocol(Conversation):
    """One connection."""

    def __init__(
        self,
        *,
        reactor: Any,
        delivery: Delivery,
        settings: LmtpSettings,
        hostname: str,
        message_limit: int,
        context: Any,
        ended: Callable[[], None],
    ) -> None:
        """message_limit: octets; context: a TLS context factory for STARTTLS, or None."""
        self.input = SmtpInput()
        super().__init__(reactor=reactor, source=self.input, timeout=settings.timeout, ended=ended)
        self._delivery = delivery
        self._settings = settings
        self._hostname = hostname
        self._limit = message_limit
        self._context = context
        self._session = secrets.token_urlsafe(12)
        self._hello: str | None = None
        self._transaction: Transaction | None = None
        self._transactions = 0
        self._over = False

    def reply(self, code: int, enhanced: str, text: str) -> None:
        """Send a reply of one line with its enhanced status code (RFC 2034)."""
        self.send(f"{code} {enhanced} {text}\r\n".encode())

    async def converse(self) -> None:
        self.send(f"220 {self._hostname} mailhub ready.\r\n".encode())
        try:
            await self._serve()
        except Ended as ended:
            if ended.reason is Reason.IDLE:
                self.reply(421, "4.4.2", f"{self._hostname} Disconnected for inactivity")
            elif ended.reason is Reason.STOPPING:
                self.reply(421, "4.3.2", f"{self._hostname} Shutting down")
        finally:
            self._reset()

    async def _serve(self) -> None:
        bad = 0
        take = self.input.next_command
        while not self._over:
            try:
                command: Command | LongLine = await self.next(take)
                if isinstance(command, LongLine):
                    raise Refusal(500, "5.5.2", "Line too long")
                run = self._commands.get(command.verb)
                if run is None:
                    raise Refusal(500, "5.5.1", "Unknown command")
                await run(self, command.argument)
                bad = 0
            except Refusal as refusal:
                bad += 1
                if bad >= self._settings.bad_commands:
                    self.log.info("lmtp: {host} sent too many bad commands", host=self.host or "unix")
                    self.reply(421, "4.7.0", f"{self._hostname} Too many invalid commands.")
                    return
                self.reply(refusal.code, refusal.enhanced, refusal.text)

    # --- the session ---

    async def _lhlo(self, argument: bytes) -> None:
        self._hello = read_hello(argument)
        self._reset()
        lines = [self._hostname, "8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "PIPELINING"]
        lines += [f"SIZE {self._limit}", "SMTPUTF8"]
        if self._context is not None and not self.tls:
            lines.append("STARTTLS")
        self.send("".join([f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]).encode())

    async def _starttls(self, argument: bytes) -> None:
        """RFC 3207: what was said before, or pipelined behind it, is forgotten."""
        _no_argument(argument)
        if self._context is None:
            raise Refusal(502, "5.5.1", "TLS support is not enabled.")
        if self.tls:
            raise Refusal(503, "5.5.1", "TLS is already active.")
        self.reply(220, "2.0.0", "Begin TLS negotiation now.")
        self._hello = None
        self._reset()
        self.start_tls(self._context)

    async def _rset(self, argument: bytes) -> None:
        _no_argument(argument)
        self._reset()
        self.reply(250, "2.0.0", "OK")

    async def _noop(self, argument: bytes) -> None:
        self.reply(250, "2.0.0", "OK")

    async def _vrfy(self, argument: bytes) -> None:
        if not argument:
            raise Refusal(501, "5.5.4", "Invalid parameters")
        self.reply(252, "2.3.3", "Try RCPT instead")

    async def _help(self, argument: bytes) -> None:
        self.reply(214, "2.0.0", "LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS QUIT: see RFC 2033")

    async def _quit(self, argument: bytes) -> None:
        _no_argument(argument)
        self.reply(221, "2.0.0", "Bye")
        self._over = True

    def _reset(self) -> None:
        if self._transaction is not None:
            self._transaction.close()
            self._transaction = None

    # --- the transaction ---

    async def _mail(self, argument: bytes) -> None:
        if self._hello is None:
            raise Refusal(503, "5.5.1", "LHLO needed first")
        if self._transaction is not None:
            raise Refusal(503, "5.5.0", "MAIL already given")
        mail = read_mail(argument)
        if mail.size is not None and mail.size > self._limit:
            # RFC 1870 section 6.1
            self.reply(552, "5.3.4", "Message size exceeds fixed limit")
            return
        self._transactions += 1
        number = f":T{self._transactions}" if self._transactions > 1 else ""
        self._transaction = Transaction(mail, self._session + number)
        self.reply(250, "2.1.0", "OK")

    async def _rcpt(self, argument: bytes) -> None:
        transaction = self._begun()
        if transaction.incoming is not None or transaction.broken:
            raise Refusal(503, "5.5.0", "RCPT not allowed after BDAT")
        address = read_rcpt(argument, transaction.mail.utf8)
        if len(transaction.addresses) >= self._settings.recipient_limit:
            # RFC 5321 section 4.5.3.1.10
            self.reply(452, "4.5.3", "Too many recipients")
            return
        try:
            transaction.add(await self._delivery.recipient(address, self._settings.recipient_delimiter))
        except StoreError as error:
            reply = reply_to(error)
            self.reply(reply.code, reply.enhanced, f"<{address}> {reply.text}")
        else:
            self.reply(250, "2.1.5", "OK")

    def _begun(self) -> Transaction:
        if self._transaction is None:
            raise Refusal(503, "5.5.0", "MAIL needed first")
        return self._transaction

    def _wanted(self) -> Transaction:
        """Return the transaction if it may have a message."""
        transaction = self._begun()
        if transaction.broken:
            raise Refusal(503, "5.5.0", "Previous data chunk failed, issue RSET first")
        if not transaction.addresses:
            raise Refusal(503, "5.5.0", "No valid recipients")
        return transaction

    async def _data(self, argument: bytes) -> None:
        _no_argument(argument)
        transaction = self._wanted()
        if transaction.incoming is not None:
            raise Refusal(503, "5.5.0", "DATA not allowed after BDAT")
        await self._begin(transaction)
        self.send(b"354 OK\r\n")
        self.input.begin_data()
        await self._receive(transaction)
        await self._deliver(transaction)

    async def _bdat(self, argument: bytes) -> None:
        try:
            chunk = read_bdat(argument)
        except Refusal:
            if self._transaction is not None:
                self._transaction.broken = True
            raise
        self.input.begin_chunk(chunk.size)
        try:
            if chunk.refusal is not None:
                raise chunk.refusal
            transaction = self._wanted()
        except Refusal:
            # The octets come all the same and are no commands (RFC 3030 section 2).
            await self._receive(None)
            if self._transaction is not None:
                self._transaction.broken = True
            raise
        if transaction.incoming is None:
            await self._begin(transaction)
        await self._receive(transaction)
        failed = transaction.incoming.failed if transaction.incoming is not None else None
        if chunk.last:
            await self._deliver(transaction)
        elif failed is None:
            self.reply(250, "2.0.0", f"Added {chunk.size} octets")
        else:
            transaction.broken = True
            reply = reply_to(failed)
            self.reply(reply.code, reply.enhanced, reply.text)

    async def _begin(self, transaction: Transaction) -> None:
        protocol = ("UTF8LMTP" if transaction.mail.utf8 else "LMTP") + ("S" if self.tls else "")
        envelope = Envelope(
            transaction.mail.sender, self._hello or "unknown", self.host, self._hostname, protocol, transaction.ident
        )
        single = transaction.addresses[0] if len(transaction.addresses) == 1 else None
        header = trace(envelope, single, self._reactor.seconds())
        transaction.incoming = await self._delivery.begin(transaction.recipients, header)

    async def _receive(self, transaction: Transaction | None) -> None:
        """Read content to its end; into the message, if there is a transaction for it. Raises Ended."""
        incoming = transaction.incoming if transaction is not None else None
        while True:
            piece = self.input.next_data()
            if piece is DataSignal.NEED_DATA:
                await self.more()
            elif isinstance(piece, DataSignal):
                return
            elif transaction is not None and incoming is not None:
                transaction.octets += len(piece)
                if transaction.octets > self._limit:
                    incoming.fail(TooBig("The message is too big."))
                else:
                    await incoming.write(piece)

    async def _deliver(self, transaction: Transaction) -> None:
        """Deliver, and say for each recipient what became of it (RFC 2033 section 4.2)."""
        outcomes = await transaction.deliver()
        for address, outcome in outcomes:
            if isinstance(outcome, Appended):
                self.reply(250, "2.0.0", f"<{address}> {transaction.ident} Saved")
            else:
                reply = reply_to(outcome)
                self.reply(reply.code, reply.enhanced, f"<{address}> {reply.text}")
        self._note(transaction, outcomes)
        self._reset()

    def _note(self, transaction: Transaction, outcomes: list[tuple[Address, Outcome]]) -> None:
        """Write what happened into the log."""
        failed = [(address, outcome) for address, outcome in outcomes if not isinstance(outcome, Appended)]
        self.log.info(
            "lmtp {ident}: from=<{sender}> octets={octets} saved for {saved} of {count}",
            ident=transaction.ident,
            sender=transaction.mail.sender or "",
            octets=transaction.octets,
            saved=len(outcomes) - len(failed),
            count=len(outcomes),
        )
        reasons: dict[str, list[Address]] = {}
        for address, outcome in failed:
            reasons.setdefault(str(outcome), []).append(address)
        for reason, addresses in reasons.items():
            self.log.warn(
                "lmtp {ident}: not for {to}: {error}", ident=transaction.ident, to=_some(addresses), error=reason
            )

    _commands = {
        "LHLO": _lhlo,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "BDAT": _bdat,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "HELP": _help,
        "STARTTLS": _starttls,
        "QUIT": _quit,
    }


def _some(addresses: list[Address]) -> str:
    """Return a few of the addresses, and how many more there are: a message too big is so for all recipients."""
    more = len(addresses) - NAMED
    return ", ".join(f"<{address}>" for address in addresses[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _no_argument(argument: bytes) -> None:
    if argument:
        raise Refusal(501, "5.5.4", "Invalid parameters")
