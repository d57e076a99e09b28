"""Names of mailboxes: the rules that hold in every store, with Dovecot's words for what is wrong.

A name is Unicode, its levels joined by the account's delimiter. "INBOX" compares without case (RFC 3501 section
5.1), also as the first level of a longer name: otherwise "inbox.a" and "INBOX.a" would be two mailboxes that
clients cannot tell apart.
"""

from __future__ import annotations

from mailhub.store.errors import BadMailboxName

INBOX = "INBOX"
LEVEL_LIMIT = 255
"""Octets of one level in UTF-8; what a file system takes for one name."""

NAME_LIMIT = 4096
"""Characters of a whole name; Dovecot's limit. Each level above is a name as well, so that the levels of a longer one
would cost its square."""


def canonical_name(name: str, delimiter: str) -> str:
    """Return `name` with its first level spelled INBOX if it is that in any case."""
    head = name[: len(INBOX)]
    if head.upper() == INBOX and name[len(INBOX) : len(INBOX) + 1] in ("", delimiter):
        return INBOX + name[len(INBOX) :]
    return name


def checked_name(name: str, delimiter: str) -> str:
    """Return `name` in its canonical spelling. Raises BadMailboxName if no mailbox can have it."""
    wrong = _wrong(name, delimiter)
    if wrong:
        raise BadMailboxName(f"Invalid mailbox name: {wrong}")
    return canonical_name(name, delimiter)


def new_name(name: str, delimiter: str) -> str:
    """Return the canonical name of a mailbox to be made, without the delimiter that CREATE may put at its end
    (RFC 3501 section 6.3.3). Raises BadMailboxName, for more than checked_name() does."""
    name = checked_name(name.removesuffix(delimiter), delimiter)
    # U+2028 and U+2029 end lines (RFC 5198 section 2).
    if any(character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029" for character in name):
        raise BadMailboxName("Control characters not allowed in new mailbox names")
    try:
        too_long = any(len(level.encode()) > LEVEL_LIMIT for level in name.split(delimiter))
    except UnicodeEncodeError:
        raise BadMailboxName("Mailbox name is not valid Unicode") from None
    if too_long:
        raise BadMailboxName("Mailbox name too long")
    return name


def parents(name: str, delimiter: str) -> list[str]:
    """Return the levels above `name`, from the top."""
    levels = name.split(delimiter)
    return [delimiter.join(levels[:depth]) for depth in range(1, len(levels))]


def _wrong(name: str, delimiter: str) -> str | None:
    if len(name) > NAME_LIMIT:
        return "Name is too long"
    levels = name.split(delimiter)
    if not name:
        return "Name is empty"
    if not levels[0]:
        return "Begins with hierarchy separator"
    if not levels[-1]:
        return "Ends with hierarchy separator"
    if not all(levels):
        return "Has adjacent hierarchy separators"
    if name.startswith("~"):
        return "Begins with '~'"
    if delimiter != "/" and "/" in name:
        return "Name must not have '/' characters"
    if "\0" in name:
        return "Name must not have NUL characters"
    if any(level in (".", "..") for level in levels):
        return "Contains '.' or '..' part"
    return None
