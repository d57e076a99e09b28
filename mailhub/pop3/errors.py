"""What POP3 says of errors: the text behind "-ERR ", with the codes of RFC 2449 and 3206.

[SYS/TEMP] means that a later try may succeed, [SYS/PERM] that somebody has to mend something first, [AUTH] that
the credentials are at fault, [IN-USE] that another session holds the maildrop.
"""

from __future__ import annotations

from mailhub.auth.interfaces import (
    AuthenticationFailed,
    AuthorizationFailed,
    LoginError,
    LoginUnavailable,
    MalformedResponse,
    NoSuchMechanism,
    PrivacyRequired,
)
from mailhub.store import errors


class Refused(Exception):
    """A command is answered with "-ERR " and this text, and counts as a bad one."""


class InUse(Exception):
    """Another session holds the maildrop, and settings.lock_session allows one only."""


IN_USE = "[IN-USE] Mailbox is locked by another session."
TEMPORARY, PERMANENT = "[SYS/TEMP] ", "[SYS/PERM] "

STORE_CODES: dict[type[errors.StoreError], str] = {
    errors.NoSuchMailbox: PERMANENT,
    errors.MailboxExists: PERMANENT,
    errors.HasChildren: PERMANENT,
    errors.BadMailboxName: PERMANENT,
    errors.MailboxGone: TEMPORARY,
    errors.MessageGone: TEMPORARY,
    errors.NoSuchUser: PERMANENT,
    errors.OverQuota: TEMPORARY,
    errors.TooBig: PERMANENT,
    errors.TooMany: PERMANENT,
    errors.ReadOnly: PERMANENT,
    errors.Busy: TEMPORARY,
    errors.NotAllowed: PERMANENT,
    errors.Damaged: PERMANENT,
    errors.Unavailable: TEMPORARY,
}

LOGIN_TEXTS: dict[type[LoginError], str] = {
    AuthenticationFailed: "[AUTH] Authentication failed.",
    AuthorizationFailed: "[AUTH] Authorization failed.",
    LoginUnavailable: "[SYS/TEMP] Temporary authentication failure.",
    PrivacyRequired: "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
    MalformedResponse: "Invalid authentication response.",
    NoSuchMechanism: "[AUTH] Unsupported authentication mechanism.",
}


def store_text(error: errors.StoreError) -> str:
    """Return what to say of a store's error."""
    code = next((STORE_CODES[kind] for kind in type(error).__mro__ if kind in STORE_CODES), TEMPORARY)
    text = " ".join(str(error).split()) or (type(error).__doc__ or "").strip()
    return code + text


def login_text(error: LoginError) -> str:
    """Return what to say of a refused login."""
    return next((LOGIN_TEXTS[kind] for kind in type(error).__mro__ if kind in LOGIN_TEXTS), "Authentication failed.")
