"""Which session a new message is \\Recent for (RFC 3501 section 2.3.2)."""

from __future__ import annotations

from mailhub.imap.selected import Selected
from mailhub.store.errors import MailboxGone, StoreError
from mailhub.store.interfaces import IMailbox


async def claim_recent(mailbox: IMailbox, view: Selected) -> None:
    """Claim \\Recent for what no session has claimed; a read-only view only looks (RFC 3501 section 2.3.2)."""
    below = view.latest.uidnext
    first: int = mailbox.snapshot.recent_from
    if not view.read_only:
        try:
            first = await mailbox.claim_recent(below)
        except MailboxGone:
            raise
        except StoreError:
            return  # nobody gets them now; the messages themselves are not concerned
    view.add_recent(first, below)
