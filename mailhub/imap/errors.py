"""Refusals: what is answered in place of OK, and the one map from store errors to IMAP answers (RFC 5530)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailhub.auth import interfaces as auth
from mailhub.store import errors as store


class Refusal(Exception):
    """Ends a command with NO or BAD.

    `text` is for people; `code` stands in the brackets, such as "TRYCREATE", or is None."""

    status = b"NO"

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class No(Refusal):
    """The command was understood and cannot be done."""


class Bad(Refusal):
    """The command makes no sense: the client's mistake. Counted towards `bad_commands`."""

    status = b"BAD"


class Disconnect(Exception):
    """The session must end with `* BYE text`."""


CODES: dict[type[store.StoreError], str | None] = {
    store.NoSuchMailbox: "NONEXISTENT",
    store.MailboxExists: "ALREADYEXISTS",
    store.HasChildren: "HASCHILDREN",
    store.BadMailboxName: "CANNOT",
    store.MailboxGone: "NONEXISTENT",
    store.MessageGone: "EXPUNGEISSUED",
    store.NoSuchUser: "NONEXISTENT",
    store.OverQuota: "OVERQUOTA",
    store.TooBig: "TOOBIG",
    store.TooMany: "LIMIT",
    store.ReadOnly: "READ-ONLY",
    store.Busy: "INUSE",
    store.NotAllowed: "NOPERM",
    store.Damaged: "CORRUPTION",
    store.Unavailable: "UNAVAILABLE",
}
"""Response codes of all store errors. READ-ONLY is of RFC 3501, TOOBIG of RFC 4469, HASCHILDREN of RFC 9051."""

LOGIN_CODES: dict[type[auth.LoginError], str | None] = {
    auth.AuthenticationFailed: "AUTHENTICATIONFAILED",
    auth.AuthorizationFailed: "AUTHORIZATIONFAILED",
    auth.LoginUnavailable: "UNAVAILABLE",
    auth.PrivacyRequired: "PRIVACYREQUIRED",
    auth.NoSuchMechanism: None,
    auth.MalformedResponse: None,
}

_TEXTS: dict[type[store.StoreError], str] = {
    store.MailboxExists: "Mailbox already exists",
    store.HasChildren: "Mailbox has children",
    store.BadMailboxName: "Invalid mailbox name",
    store.MailboxGone: "Mailbox was deleted under us",
    store.MessageGone: "Some messages were already expunged",
    store.NoSuchUser: "No such user",
    store.OverQuota: "Quota exceeded (mailbox for user is full)",
    store.TooBig: "Message is too large",
    store.TooMany: "Limit reached",
    store.ReadOnly: "Mailbox is read-only",
    store.Busy: "Mailbox is locked by another process, try again",
    store.NotAllowed: "Permission denied",
    store.Damaged: "Message cannot be read",
    store.Unavailable: "Storage is unavailable at the moment, try again",
}


SHOWN = 200
"""Characters of a name that a text repeats: a client may send one of 64 KiB."""


def refusal(error: store.StoreError, name: str = "", target: bool = False) -> No:
    """Return the answer to a store error.

    `name` is the mailbox meant, for the texts that name it; with `target`, a missing one is answered
    [TRYCREATE] (RFC 3501 sections 6.3.11 and 6.4.7)."""
    kind = type(error)
    if kind is store.NoSuchMailbox:
        shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
        return No(f"Mailbox doesn't exist: {shown}", "TRYCREATE" if target else "NONEXISTENT")
    text = str(error) or _TEXTS.get(kind, "")
    if kind is store.BadMailboxName and not text.startswith(("Invalid mailbox name", "Can't")):
        text = f"Invalid mailbox name: {text}"
    return No(text, CODES.get(kind, "UNAVAILABLE"))


@contextmanager
def refusing(name: str, target: bool = False) -> Iterator[None]:
    """Turn store errors of what is done inside into their answers; arguments as for refusal()."""
    try:
        yield
    except store.StoreError as error:
        raise refusal(error, name, target) from None


def login_refusal(error: auth.LoginError) -> Refusal:
    """Return the answer to a failed login."""
    kind = type(error)
    if kind is auth.MalformedResponse:
        return Bad(str(error) or "Invalid authentication data")
    return No(str(error) or "Authentication failed.", LOGIN_CODES.get(kind, "AUTHENTICATIONFAILED"))
