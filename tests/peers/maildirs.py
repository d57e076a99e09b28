"""What a mailbox holds, read by a plain IMAP client or off the disk, in a form that two sides can be compared in."""

from __future__ import annotations

import hashlib
import imaplib
import re
from pathlib import Path

LINE = re.compile(rb"UID (\d+)")
MARK = re.compile(rb"^X-TUID: .*\n", re.M)
FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")


def digest(data: bytes) -> str:
    """Return a digest of a message that does not depend on its line ends, nor on the header field by which mbsync
    finds its own copies."""
    return hashlib.sha256(MARK.sub(b"", data.replace(b"\r\n", b"\n"), count=1)).hexdigest()


def by_imap(client: imaplib.IMAP4, mailbox: str) -> dict[int, tuple[str, frozenset[str]]]:
    """Return {uid: (digest, flags without \\Recent)} of a mailbox."""
    status, _ = client.select(f'"{mailbox}"', readonly=True)
    assert status == "OK", mailbox
    status, answers = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")
    assert status == "OK", mailbox
    found = {}
    rest = b""
    for answer in answers:
        if isinstance(answer, tuple):
            head, body = answer
            uid = LINE.search(head)
            flags = FLAGS.search(head)
            assert uid is not None, head
            assert flags is not None, head
            found[int(uid[1])] = (digest(body), names(flags[1]))
        else:
            rest += answer or b""
    return found


def names(flags: bytes) -> frozenset[str]:
    """Split a flag list, leaving out \\Recent."""
    return frozenset(flag for flag in flags.decode().split() if flag != "\\Recent")


LETTERS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted", "P": "$Forwarded"}


def by_files(maildir: Path) -> list[tuple[str, frozenset[str]]]:
    """Return sorted (digest, flags) of the messages of a Maildir that another program wrote."""
    found = []
    for sub in ("new", "cur"):
        for path in (maildir / sub).iterdir():
            _, _, info = path.name.partition(":2,")
            found.append(
                (digest(path.read_bytes()), frozenset(LETTERS[letter] for letter in info if letter in LETTERS))
            )
    return sorted(found, key=lambda item: (item[0], sorted(item[1])))


def contents(mailbox: dict[int, tuple[str, frozenset[str]]]) -> list[tuple[str, frozenset[str]]]:
    """Return by_imap()'s answer without UIDs, sorted."""
    return sorted(mailbox.values(), key=lambda item: (item[0], sorted(item[1])))
