"""What LMTP says of store errors: reply code, enhanced status code (RFC 3463), text."""

from __future__ import annotations

from attrs import frozen

from mailhub.store import errors


@frozen
class Reply:
    """A reply of one line."""

    code: int
    enhanced: str
    text: str


TROUBLE = Reply(451, "4.3.0", "Temporary internal error")

REPLIES: dict[type[errors.StoreError], Reply] = {
    errors.NoSuchUser: Reply(550, "5.1.1", "User doesn't exist"),
    errors.TooBig: Reply(552, "5.3.4", "Message size exceeds fixed limit"),
    # A full mailbox may be emptied: the sender is to try again, as Dovecot's LMTP has it by default.
    errors.OverQuota: Reply(452, "4.2.2", "Quota exceeded (mailbox for user is full)"),
    # All else is ours to mend, and no reason to return the mail to its sender.
    errors.StoreError: TROUBLE,
}


def reply_to(error: errors.StoreError) -> Reply:
    """Return the reply for an error."""
    return next(REPLIES[kind] for kind in type(error).__mro__ if kind in REPLIES)
