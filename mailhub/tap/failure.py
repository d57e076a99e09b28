"""A start that cannot be: told in one line, with exit status 1."""

from __future__ import annotations


class StartFailed(SystemExit, Exception):
    """Raised before the reactor runs.

    As an Exception it lets twistd remove its pid file and tell the parent of a daemon; as a SystemExit it ends the
    process with its message on standard error and status 1, not with a traceback."""
