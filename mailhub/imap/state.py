"""The states of an IMAP connection (RFC 3501 section 3)."""

from __future__ import annotations

from enum import IntFlag


class State(IntFlag):
    """A session is in exactly one; a table row names several."""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4
    LOGOUT = 8


ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
LOGGED_IN = State.AUTHENTICATED | State.SELECTED
