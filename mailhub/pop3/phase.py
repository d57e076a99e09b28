"""What the AUTHORIZATION and the TRANSACTION state have in common: reading commands and refusing bad ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from mailhub.concurrency.conversation import Conversation
from mailhub.config.settings import Pop3Settings
from mailhub.pop3.errors import Refused, store_text
from mailhub.store.errors import StoreError
from mailhub.wire.lines import LongLine
from mailhub.wire.pop3 import END, BadArgument, Command, Pop3Input

IMPLEMENTATION = "mailhub"


class Connection(Conversation):
    """What both states need of the connection."""

    input: Pop3Input
    settings: Pop3Settings
    context: Any
    """The TLS context factory, or None."""

    def ok(self, text: str = "") -> None:
        """Send a positive response of one line."""
        self.send(f"+OK {text}\r\n".encode() if text else b"+OK\r\n")

    def err(self, text: str) -> None:
        """Send a negative response (RFC 1939 section 3)."""
        self.send(f"-ERR {text}\r\n".encode("utf-8", "replace"))

    def lines(self, lines: list[str]) -> None:
        """Send a multi-line response; no line begins with a dot."""
        self.send(b"+OK\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + END)


Run = Callable[[Any, bytes], Awaitable[None]]


class Phase:
    """Serves the commands of one state until it is over."""

    table: ClassVar[Mapping[str, Run]]
    """The commands of this state by keyword."""

    def __init__(self, connection: Connection, bad_limit: int) -> None:
        self.connection = connection
        self.over = False
        """Set by the command that ends this state."""
        self.broken_off = False
        """Too many bad commands in a row: the connection is to be closed."""
        self._bad_limit = bad_limit
        self._bad = 0

    def unknown(self, command: Command) -> str:
        """Return what to say to a command that is not in the table."""
        return "Unknown command."

    async def serve(self) -> None:
        """Run commands. Raises Ended."""
        connection = self.connection
        take = connection.input.next_command
        while not self.over:
            command: Command | LongLine = await connection.next(take)
            try:
                if isinstance(command, LongLine):
                    raise Refused("Line too long.")
                run = self.table.get(command.keyword)
                if run is None:
                    raise Refused(self.unknown(command))
                await run(self, command.argument)
                self._bad = 0
            except (BadArgument, Refused) as error:
                connection.err(str(error))
                self._bad += 1
                if self._bad >= self._bad_limit:
                    self.break_off("bad commands")
            except StoreError as error:
                connection.log.warn("pop3: {error}", error=error)
                connection.err(store_text(error))

    def break_off(self, what: str) -> None:
        """End the session because of too many of `what`, and say so."""
        connection = self.connection
        connection.log.info("pop3: {host} sent too many {what}", host=connection.host or "unix", what=what)
        connection.err(f"Too many {what}.")
        self.over = self.broken_off = True


def capabilities(connection: Connection, user: bool, mechanisms: tuple[str, ...], stls: bool) -> list[str]:
    """Return what CAPA answers (RFC 2449 section 5)."""
    lines = ["TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"]
    if stls:
        lines.append("STLS")
    if user:
        lines.append("USER")
    if mechanisms:
        lines.append("SASL " + " ".join(mechanisms))
    return [*lines, "EXPIRE NEVER", f"IMPLEMENTATION {IMPLEMENTATION}"]
