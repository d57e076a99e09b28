"""Mailbox names as they stand in commands."""

from __future__ import annotations

from mailhub.imap.errors import No
from mailhub.wire.imap.types import MailboxName


def checked(name: MailboxName) -> str:
    """Return the mailbox a client means. Raises No if its octets are no name (RFC 3501 section 5.1.3)."""
    if not name.valid:
        raise No("Mailbox name is not valid mUTF-7", "CANNOT")
    return name.name
