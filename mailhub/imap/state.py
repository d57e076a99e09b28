"""The states of an IMAP connection (RFC 3501 section 3)."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """A session is in exactly one; a table row names several by their sum. (An IntFlag would take longer to test than
    NOOP takes to run.)"""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4
    LOGOUT = 8


ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
LOGGED_IN = State.AUTHENTICATED | State.SELECTED
