"""User names: what may be one, and how it is written when it names a folder or is compared.

A user name becomes part of a path (%u in the mail template), so a name that could leave its folder is refused before
anything else looks at it.
"""

from __future__ import annotations

LONGEST = 255
"""Octets; no file system takes a longer folder name."""


def safe(name: str) -> bool:
    """Return whether `name` can be a user: not empty, no control characters, no "/" and not "." or ".." or a name
    that begins with one of these and a separator."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= LONGEST
        and name.isprintable()
        and "/" not in name
        and ".." not in name
        and not name.startswith((".", "~", "@"))
        and not any(char.isspace() for char in name)
    )


def normal(name: str, lowercase: bool = True) -> str | None:
    """Return the name as mail is kept under it, or None if it can be nobody's."""
    if not safe(name):
        return None
    return name.lower() if lowercase else name


def decode(name: bytes, lowercase: bool = True) -> str | None:
    """As normal(), from the octets that a client sent (UTF-8)."""
    try:
        return normal(name.decode("utf-8"), lowercase)
    except UnicodeDecodeError:
        return None
