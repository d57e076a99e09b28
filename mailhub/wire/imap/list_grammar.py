"""LIST with its extensions, LSUB and STATUS (RFC 3501 section 6.3.8, RFC 5258, 5819, 6154, 8438, 7889)."""

from __future__ import annotations

from mailhub.wire.imap.commands import List, Lsub, Status
from mailhub.wire.imap.cursor import Cursor
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.types import MailboxName, StatusItem
from mailhub.wire.imap.values import list_mailbox, mailbox

_SELECT_OPTIONS = frozenset(("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"))
_RETURN_OPTIONS = frozenset(("SUBSCRIBED", "CHILDREN", "SPECIAL-USE"))
_BASE_OPTIONS = frozenset(("SUBSCRIBED",))
"""Not SPECIAL-USE, which is a list-select-independent-opt (RFC 6154 section 6)."""
_STATUS_ITEMS = {item.value: item for item in StatusItem}
MAX_PATTERNS = 100
"""Each pattern is a pass over all mailboxes."""


def list_(cursor: Cursor) -> List:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]  (RFC 5258 section 6)
    mbox-or-pat = list-mailbox / patterns; patterns = "(" list-mailbox *(SP list-mailbox) ")"
    """
    cursor.space()
    select = None
    if cursor.peek() == b"(":
        select = _select_options(cursor)
        cursor.space()
    reference = mailbox(cursor)
    cursor.space()
    several = cursor.peek() == b"("
    patterns = _patterns(cursor) if several else (list_mailbox(cursor),)
    returns: tuple[str, ...] | None = None
    status = None
    if cursor.spaces() and cursor.peek():
        returns, status = _return_options(cursor)
    cursor.end()
    extended = select is not None or several or returns is not None
    return List(reference, patterns, select or (), returns or (), status, extended)


def lsub(cursor: Cursor) -> Lsub:
    """lsub = "LSUB" SP mailbox SP list-mailbox"""
    cursor.space()
    reference = mailbox(cursor)
    cursor.space()
    pattern = list_mailbox(cursor)
    cursor.end()
    return Lsub(reference, pattern)


def status(cursor: Cursor) -> Status:
    """status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" """
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    items = _status_items(cursor)
    cursor.end()
    return Status(name, items)


def _select_options(cursor: Cursor) -> tuple[str, ...]:
    """list-select-opts = "(" [list-select-opt *(SP list-select-opt)] ")"

    RECURSIVEMATCH needs a base option beside it: BAD otherwise (RFC 5258 section 3.1)."""
    cursor.open()
    options: dict[str, None] = {}
    if cursor.skip(b")"):
        return ()
    while True:
        option = cursor.word()
        if option not in _SELECT_OPTIONS:
            raise CommandError(f"Unknown LIST selection option {option}")
        options[option] = None
        if cursor.close():
            break
    if "RECURSIVEMATCH" in options and not _BASE_OPTIONS & options.keys():
        raise CommandError("RECURSIVEMATCH must not be the only selection option")
    return tuple(options)


def _patterns(cursor: Cursor) -> tuple[MailboxName, ...]:
    """patterns; leniency: () is no pattern at all, which matches nothing (Dovecot)."""
    cursor.open()
    patterns: list[MailboxName] = []
    if cursor.skip(b")"):
        return ()
    while True:
        patterns.append(list_mailbox(cursor))
        if len(patterns) > MAX_PATTERNS:
            raise CommandError("Too many mailbox patterns", "LIMIT", no=True)
        if cursor.close():
            return tuple(patterns)


def _return_options(cursor: Cursor) -> tuple[tuple[str, ...], tuple[StatusItem, ...] | None]:
    """list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
    return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / "STATUS" SP "(" status-att *(SP status-att) ")"
    """
    if cursor.word() != "RETURN":
        raise CommandError("Too many arguments")
    cursor.space()
    if not cursor.open():
        raise CommandError("Missing LIST return options")
    options: dict[str, None] = {}
    status = None
    if cursor.skip(b")"):
        return (), None
    while True:
        option = cursor.word()
        if option == "STATUS":
            cursor.space()
            status = _status_items(cursor)
        elif option in _RETURN_OPTIONS:
            options[option] = None
        else:
            raise CommandError(f"Unknown LIST return option {option}")
        if cursor.close():
            return tuple(options), status


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    """ "(" status-att *(SP status-att) ")"

    status-att = "MESSAGES" / "RECENT" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" (RFC 3501), "SIZE" and "DELETED"
    (RFC 8438, RFC 9051), "APPENDLIMIT" (RFC 7889), "HIGHESTMODSEQ" (RFC 7162)"""
    if not cursor.open():
        raise CommandError("Missing status items")
    items: dict[StatusItem, None] = {}
    while True:
        word = cursor.word()
        item = _STATUS_ITEMS.get(word)
        if item is None:
            raise CommandError(f"Invalid status item {word}" if word else "Empty status list")
        items[item] = None
        if cursor.close():
            return tuple(items)
