"""APPEND, read line by line while its messages pass by (RFC 3501 section 6.3.11, RFC 3502, RFC 3516).

append = "APPEND" SP mailbox 1*append-message
append-message = [SP flag-list] [SP date-time] SP append-data; append-data = literal / literal8
"""

from __future__ import annotations

import re

from attrs import frozen

from mailhub.wire.imap.cursor import Cursor
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.types import MailboxName
from mailhub.wire.imap.values import date_time, flag_list, mailbox

APPEND = re.compile(rb"[^ ]+ append(?: |\Z)", re.IGNORECASE)


@frozen
class MessageHead:
    """What stands before the literal of a message."""

    flags: tuple[str, ...]
    internal_date: int | None


def mailbox_is_literal(lines: list[bytes]) -> bool:
    """Say if the literal that the last of the lines of an APPEND announces is the mailbox's name."""
    return len(lines) == 1 and len(lines[0].split(b" ")) == 3 and lines[0].endswith(b" ")


def append_mailbox(cursor: Cursor) -> MailboxName:
    """SP mailbox, the cursor being behind "APPEND"."""
    cursor.space()
    return mailbox(cursor)


def message_head(cursor: Cursor) -> MessageHead:
    """[SP flag-list] [SP date-time] SP, up to the literal that the line announced."""
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = flag_list(cursor)
        cursor.space()
    moment = None
    text = cursor.quoted()
    if text is not None:
        moment = date_time(text)
        cursor.space()
    if cursor.peek():
        raise CommandError("Invalid argument")
    return MessageHead(flags, moment)
