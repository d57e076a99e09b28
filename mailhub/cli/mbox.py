"""mbox files (RFC 4155), with the flags that mail programs keep in Status, X-Status and X-Keywords.

RFC 4155 leaves the quoting of "From " lines open. We write as the variant "mboxrd" does: a line of a message that is
"From " after any number of ">" gets one ">" more, and reading takes one away, so that nothing is lost. A line begins a
message only after an empty line and with a time and a year in it, so that an unquoted "From my desk" does not cut a
message in two.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from mailhub.cli.letters import Letter
from mailhub.store.model import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, SYSTEM_FLAGS, Flags

_POSTMARK = re.compile(rb"From .*\d\d?:\d\d.*\d{4}")
_DATE = re.compile(rb"([A-Z][a-z]{2}) +(\d\d?) (\d\d):(\d\d)(?::(\d\d))? (?:[A-Z+-][A-Za-z0-9+-]* )?(\d{4})")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_TO_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)
_OURS = re.compile(
    rb"^(?:Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase):.*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE
)
_STATUS = {"R": SEEN, "A": ANSWERED, "F": FLAGGED, "T": DRAFT, "D": DELETED}
_RETURN_PATH = re.compile(rb"^Return-Path:\s*<([^<>\s]+)>", re.MULTILINE | re.IGNORECASE)
_INTERNAL = b"FOLDER INTERNAL DATA"


def read(file: BinaryIO) -> Iterator[Letter]:
    """Yield the messages of an mbox. Raises ValueError if the file does not begin as one."""
    lines: list[bytes] = []
    postmark: bytes | None = None
    blank = True
    for line in file:
        if line.endswith(b"\r\n"):
            line = line[:-2] + b"\n"
        if blank and line.startswith(b"From ") and (postmark is None or _POSTMARK.match(line)):
            if postmark is not None:
                yield from _letter(postmark, lines)
            postmark, lines = line, []
        elif postmark is None:
            if line.strip():
                raise ValueError('this is no mbox: it does not begin with "From "')
        else:
            lines.append(line)
        blank = line == b"\n"
    if postmark is not None:
        yield from _letter(postmark, lines)


def _letter(postmark: bytes, lines: list[bytes]) -> Iterator[Letter]:
    """Make a message of its lines; the empty line before the next postmark is not part of it. Nothing comes of the
    pseudo-message in which UW IMAP keeps notes of its own."""
    if lines and lines[-1] == b"\n":
        lines.pop()
    header, body = _split(_QUOTED.sub(rb"\1", b"".join(lines)))
    if _INTERNAL in header and b"\nX-IMAP:" in b"\n" + header:
        return
    yield Letter(_OURS.sub(b"", header) + body, _flags(header), _date(postmark))


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return header and body; the body begins with the empty line between them."""
    if data.startswith(b"\n"):
        return b"", data
    end = data.find(b"\n\n")
    return (data, b"") if end < 0 else (data[: end + 1], data[end + 1 :])


def _flags(header: bytes) -> Flags:
    found: set[str] = set()
    for field in _OURS.findall(header):
        name, _, value = field.decode("utf-8", "replace").partition(":")
        if name.lower() in ("status", "x-status"):
            found.update(_STATUS[letter] for letter in value if letter in _STATUS)
        elif name.lower() == "x-keywords":
            found.update(value.split())
    return frozenset(found)


def _date(postmark: bytes) -> int | None:
    """Return the date of a postmark, which is UTC (RFC 4155 appendix A); None if it cannot be read."""
    match = _DATE.search(postmark)
    if match is None or match[1] not in _MONTHS:
        return None
    day, hour, minute, second, year = (int(part or 0) for part in match.group(2, 3, 4, 5, 6))
    try:
        return timegm((year, _MONTHS.index(match[1]) + 1, day, hour, minute, second))
    except (ValueError, OverflowError):
        return None


def write(letters: Iterable[Letter], file: BinaryIO) -> None:
    """Write messages as an mbox."""
    for letter in letters:
        file.write(formatted(letter))


def formatted(letter: Letter) -> bytes:
    """Return one message as it stands in an mbox."""
    header, body = _split(letter.data)
    header = _OURS.sub(b"", header)
    if header and not header.endswith(b"\n"):
        header += b"\n"
    sender = _RETURN_PATH.search(header)
    when = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(letter.date or 0))
    postmark = b"From %s %s\n" % (sender[1] if sender else b"MAILER-DAEMON", when.encode())
    text = _TO_QUOTE.sub(rb">\1", header + _status(letter.flags) + (body or b"\n"))
    return postmark + text + (b"" if text.endswith(b"\n") else b"\n") + b"\n"


def _status(flags: Flags) -> bytes:
    """Return the fields that hold the flags; "O" says that the message is not new."""
    states = "".join(letter for letter, flag in _STATUS.items() if flag in flags and flag != SEEN)
    keywords = sorted(flags.difference(SYSTEM_FLAGS))
    text = f"Status: {'RO' if SEEN in flags else 'O'}\n"
    if states:
        text += f"X-Status: {states}\n"
    if keywords:
        text += f"X-Keywords: {' '.join(keywords)}\n"
    return text.encode()
