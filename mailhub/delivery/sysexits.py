"""What a local delivery that failed says to the mail system that called it: exit codes of sysexits.h."""

from __future__ import annotations

from mailhub.store import errors

OK = 0
USAGE = 64
"""EX_USAGE: the command was used wrongly."""
DATAERR = 65
"""EX_DATAERR: something is wrong with the message; it is returned to its sender."""
NOUSER = 67
"""EX_NOUSER: there is no such user."""
SOFTWARE = 70
"""EX_SOFTWARE: a mistake of ours."""
CANTCREAT = 73
"""EX_CANTCREAT: the mailbox cannot be."""
TEMPFAIL = 75
"""EX_TEMPFAIL: keep the message and try again."""
NOPERM = 77
"""EX_NOPERM: not allowed."""

STATUS: dict[type[errors.StoreError], int] = {
    errors.NoSuchUser: NOUSER,
    errors.TooBig: DATAERR,
    errors.NoSuchMailbox: CANTCREAT,
    errors.BadMailboxName: CANTCREAT,
    errors.NotAllowed: NOPERM,
    errors.ReadOnly: NOPERM,
}


def exit_status(error: errors.StoreError) -> int:
    """Return the exit code for an error; whatever may pass (a full disk, a lock) is TEMPFAIL."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), TEMPFAIL)
