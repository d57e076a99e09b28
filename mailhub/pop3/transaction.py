"""The TRANSACTION state and the UPDATE state (RFC 1939 sections 5 to 7)."""

from __future__ import annotations

from collections.abc import Iterator

from mailhub.concurrency.flow import PIECE
from mailhub.pop3.errors import store_text
from mailhub.pop3.maildrop import Maildrop
from mailhub.pop3.phase import Connection, Phase
from mailhub.store.errors import Damaged, StoreError
from mailhub.store.interfaces import IMessageBody
from mailhub.wire.pop3 import END, Command, DotStuffer, TopCutter, read_number, read_top, stuffed


class Transaction(Phase):
    """Serves an open maildrop until QUIT."""

    def __init__(self, connection: Connection, maildrop: Maildrop, capabilities: list[str]) -> None:
        super().__init__(connection, connection.settings.bad_commands)
        self._maildrop = maildrop
        self._capabilities = capabilities
        self.retrieved = 0
        """Messages sent by RETR."""
        self.removed = 0
        """Messages removed by QUIT."""

    def unknown(self, command: Command) -> str:
        return f"Unknown command: {command.text}" if command.text else "Unknown command."

    async def capa(self, argument: bytes) -> None:
        self.connection.lines(self._capabilities)

    async def stat(self, argument: bytes) -> None:
        self.connection.ok(f"{len(self._maildrop)} {self._maildrop.octets}")

    async def list(self, argument: bytes) -> None:
        if argument.strip(b" "):
            number = self._maildrop.check(read_number(argument))
            self.connection.ok(f"{number} {self._maildrop.size(number)}")
        else:
            self.connection.ok(f"{len(self._maildrop)} messages:")
            await self._rows(self._maildrop.sizes())

    async def uidl(self, argument: bytes) -> None:
        if argument.strip(b" "):
            number = self._maildrop.check(read_number(argument))
            self.connection.ok(f"{number} {self._maildrop.unique_id(number)}")
        else:
            self.connection.ok()
            await self._rows(self._maildrop.unique_ids())

    async def _rows(self, batches: Iterator[bytes]) -> None:
        connection = self.connection
        for batch in batches:
            connection.send(batch)
            if not connection.gate.open:
                await connection.ready()
        connection.send(END)

    async def retr(self, argument: bytes) -> None:
        number = self._maildrop.check(read_number(argument))
        body = await self._maildrop.body(number)
        try:
            await self._send_whole(body)
        finally:
            body.close()
        self._maildrop.note_read(number)
        self.retrieved += 1

    async def _send_whole(self, body: IMessageBody) -> None:
        connection = self.connection
        if body.whole is not None:
            connection.send(b"+OK %d octets\r\n" % body.size + stuffed(body.whole))
            return
        # Read before saying +OK: a file that cannot be read is then a plain -ERR.
        piece = await body.read(0, PIECE)
        if not piece and body.size:
            raise Damaged("The message cannot be read.")
        connection.send(b"+OK %d octets\r\n" % body.size)
        stuffer = DotStuffer()
        offset = 0
        while piece:
            offset += len(piece)
            connection.send(stuffer.feed(piece))
            piece = await self._next_piece(body, offset)
        connection.send(stuffer.finish())

    async def _next_piece(self, body: IMessageBody, offset: int) -> bytes:
        """Return the next octets once the client has read enough; b"" at the end."""
        connection = self.connection
        if offset >= body.size:
            return b""
        connection.flush()
        await connection.ready()
        try:
            piece = await body.read(offset, PIECE)
            if not piece:
                raise Damaged("The message is shorter than it was.")
        except StoreError:
            # In the middle of a message there is no way to say so but to hang up: a short message that ends well
            # would be taken for the whole.
            connection.transport.abortConnection()
            raise
        return piece

    async def top(self, argument: bytes) -> None:
        number, lines = read_top(argument)
        body = await self._maildrop.body(self._maildrop.check(number))
        try:
            cutter = TopCutter(lines)
            stuffer = DotStuffer()
            offset = 0
            piece = body.whole if body.whole is not None else await body.read(0, PIECE)
            self.connection.ok()
            while piece:
                offset += len(piece)
                self.connection.send(stuffer.feed(cutter.feed(piece)))
                piece = b"" if cutter.done else await self._next_piece(body, offset)
            self.connection.send(stuffer.finish())
        finally:
            body.close()

    async def dele(self, argument: bytes) -> None:
        self._maildrop.mark(self._maildrop.check(read_number(argument)))
        self.connection.ok("Marked to be deleted.")

    async def noop(self, argument: bytes) -> None:
        self.connection.ok()

    async def rset(self, argument: bytes) -> None:
        self._maildrop.unmark()
        self.connection.ok()

    async def quit(self, argument: bytes) -> None:
        """Enter the UPDATE state: +OK is said once the messages are gone for good."""
        self.over = True
        try:
            self.removed = await self._maildrop.update()
        except StoreError as error:
            self.connection.log.warn("pop3: messages not removed: {error}", error=error)
            self.connection.err(f"{store_text(error)} Some deleted messages not removed.")
            return
        self.connection.ok("Logging out, messages deleted." if self.removed else "Logging out.")

    table = {
        "CAPA": capa,
        "STAT": stat,
        "LIST": list,
        "UIDL": uidl,
        "RETR": retr,
        "TOP": top,
        "DELE": dele,
        "NOOP": noop,
        "RSET": rset,
        "QUIT": quit,
    }
