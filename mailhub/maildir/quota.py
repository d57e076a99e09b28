"""maildirsize: what the Maildir++ quota of an account is used up to.

The file belongs to whoever enforces a quota (Dovecot's quota = maildir). If it is there, what we add and remove is
appended to it as everyone does: `<octets> <messages>` and a line end, in one write. Whoever finds it wrong counts anew.
"""

from __future__ import annotations

import os

from mailhub.maildir.means import Means

FILE = b"maildirsize"


def add_to_quota(means: Means, octets: int, messages: int) -> None:
    """Note that mail was added or, with negative numbers, removed. Never raises: the file is a hint. Threads only."""
    if not means.root or not (octets or messages):
        return
    try:
        fd = os.open(os.path.join(means.root, FILE), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"%d %d\n" % (octets, messages))
    except OSError:
        pass
    finally:
        os.close(fd)
