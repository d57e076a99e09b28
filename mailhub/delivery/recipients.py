"""From an address to the user who gets the mail.

As Dovecot does it, what stands behind the first delimiter of the local part is a detail (RFC 5233 section 1) and
the user is looked up without it: first as local@domain, then as local, so that one users file may hold either kind
of name. A user whose name holds the delimiter is still found if nobody has the shorter name. Case is kept; whether
it matters is for the user directory to say.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailhub.store.errors import NoSuchUser
from mailhub.store.interfaces import IUserDirectory
from mailhub.store.model import UserEntry
from mailhub.wire.smtp import Address


def without_detail(local: str, delimiters: str) -> str:
    """Return the local part before the first of `delimiters`; all of it where nothing would be left."""
    cut = min((at for at in map(local.find, delimiters) if at > 0), default=len(local))
    return local[:cut]


def names(address: Address, delimiters: str) -> Iterator[str]:
    """Return the user names to try for an address, best first."""
    base = without_detail(address.local, delimiters)
    for local in (base,) if base == address.local else (base, address.local):
        if address.domain is not None:
            yield f"{local}@{address.domain}"
        if local:
            yield local


async def find_user(users: IUserDirectory, address: Address, delimiters: str) -> UserEntry:
    """Return who gets mail for `address`. Raises NoSuchUser, Unavailable."""
    for name in names(address, delimiters):
        user = await users.lookup(name)
        if user is not None:
            return user
    raise NoSuchUser(f"User doesn't exist: {without_detail(address.local, delimiters)}")
