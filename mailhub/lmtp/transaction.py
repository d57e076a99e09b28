"""A mail transaction: what MAIL and RCPT have said, and the message while it comes."""

from __future__ import annotations

from mailhub.delivery.delivery import Incoming, Outcome, Recipient
from mailhub.wire.smtp import Address, Mail


class Transaction:
    """From MAIL to the end of the message, or to RSET."""

    def __init__(self, mail: Mail, ident: str) -> None:
        self.mail = mail
        self.ident = ident
        """Stands in Received, in the replies and in the log."""
        self.addresses: list[Address] = []
        """Accepted recipients in the order of RCPT: each gets a reply after the message (RFC 2033 section 4.2)."""
        self._recipients: dict[Address, Recipient] = {}
        self.incoming: Incoming | None = None
        """Set once DATA or the first BDAT was granted."""
        self.octets = 0
        """Octets of the message so far."""
        self.broken = False
        """A BDAT failed: nothing but RSET helps (RFC 3030 section 2)."""

    def add(self, recipient: Recipient) -> None:
        """Accept a recipient. One who is named twice is answered twice and gets the message once."""
        self.addresses.append(recipient.address)
        self._recipients.setdefault(recipient.address, recipient)

    @property
    def recipients(self) -> list[Recipient]:
        """Return each recipient once."""
        return list(self._recipients.values())

    async def deliver(self) -> list[tuple[Address, Outcome]]:
        """Deliver the message; return an outcome for each accepted RCPT."""
        if self.incoming is None:
            return []
        outcomes = await self.incoming.deliver()
        by_address = {recipient.address: outcome for recipient, outcome in zip(self.recipients, outcomes, strict=True)}
        return [(address, by_address[address]) for address in self.addresses]

    def close(self) -> None:
        """Let go of the message. Idempotent."""
        if self.incoming is not None:
            self.incoming.close()
            self.incoming = None
