"""What Dovecot answers about messages: one Maildir, one IMAP session, its untagged answers taken apart."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

from tests.peer import Dovecot

FIRST_DATE = 1_700_000_000
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_ATOM = re.compile(rb"[^ ()\r\n\"]+")


def write_maildir(path: Path, messages: Sequence[bytes]) -> None:
    """Write messages as they are, so that the n-th has UID n+1; FIRST_DATE + n is in its file name and its mtime."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, data in enumerate(messages):
        file = path / "cur" / f"{FIRST_DATE + number}.M{number:06d}P1.lab:2,S"
        file.write_bytes(data)
        os.utime(file, (FIRST_DATE + number, FIRST_DATE + number))


def _converse(dovecot: Dovecot, script: bytes, timeout: float) -> bytes:
    """Send a script that ends in LOGOUT and return the answers.

    The input stays open until the last answer came: at its end Dovecot drops what it has not yet sent."""
    with dovecot.popen("imap", "u") as process, ThreadPoolExecutor(2) as readers:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        timer = Timer(timeout, process.kill)
        timer.start()
        output, errors = readers.submit(process.stdout.read), readers.submit(process.stderr.read)
        try:
            process.stdin.write(script)
            process.stdin.flush()
            answers = output.result()
        finally:
            timer.cancel()
        if b"\r\nz OK" not in answers:
            raise AssertionError(f"Dovecot ended early: {answers[-300:]!r} {errors.result()!r}")
        return answers


class Session:
    """One run of Dovecot's imap program on some messages."""

    def __init__(self, messages: Sequence[bytes], commands: Sequence[bytes], timeout: float = 300) -> None:
        with tempfile.TemporaryDirectory(prefix="mailhub-test-") as folder:
            base = Path(folder)
            base.chmod(0o755)
            write_maildir(base / "mail" / "u", messages)
            dovecot = Dovecot(base, f"maildir:{base}/mail/%u", "protocol imap {\n  imap_fetch_failure = no-after\n}\n")
            lines = [b"a0 SELECT INBOX", *(b"a%d %s" % (i + 1, c) for i, c in enumerate(commands)), b"z LOGOUT", b""]
            self.output = _converse(dovecot, b"\r\n".join(lines), timeout)

    def untagged(self) -> list[bytes]:
        """Return all untagged answers, literals included, without "* " and CRLF."""
        found, at = [], 0
        out = self.output
        while at < len(out):
            start = at
            while True:
                end = out.index(b"\r\n", at)
                literal = re.search(rb"~?\{(\d+)\}\Z", out[at:end])
                if literal is None:
                    break
                at = end + 2 + int(literal[1])
            if out.startswith(b"* ", start):
                found.append(out[start + 2 : end])
            at = end + 2
        return found

    def fetched(self) -> dict[int, dict[bytes, bytes]]:
        """Return for each message what FETCH gave: item -> octets as sent; of a literal only its content."""
        found: dict[int, dict[bytes, bytes]] = {}
        for line in self.untagged():
            head = re.match(rb"(\d+) FETCH \(", line)
            if head is not None:
                found.setdefault(int(head[1]), {}).update(_items(line, head.end()))
        return found

    def answers(self, name: bytes) -> list[bytes]:
        """Return what stands behind untagged `name`, such as SEARCH, in order."""
        return [line[len(name) :].strip() for line in self.untagged() if line.startswith(name)]


def _items(line: bytes, at: int) -> dict[bytes, bytes]:
    found = {}
    while line[at : at + 1] not in (b")", b""):
        start = at
        while line[at : at + 1] not in (b" ", b")"):
            if line[at : at + 1] == b"[":
                at = line.index(b"]", at)
            at += 1
        name = line[start:at]
        at += 1
        start, at = at, _skip(line, at)
        value = line[start:at]
        literal = _LITERAL.match(value)
        if literal is not None and literal.end() + int(literal[1]) == len(value):
            value = value[literal.end() :]
        found[name] = value
        if line[at : at + 1] == b" ":
            at += 1
    return found


def _skip(line: bytes, at: int) -> int:
    """Return the offset behind the value at `at`."""
    depth = 0
    while True:
        char = line[at : at + 1]
        literal = _LITERAL.match(line, at)
        if literal is not None:
            at = literal.end() + int(literal[1])
        elif char == b"(":
            depth += 1
            at += 1
        elif char == b")":
            depth -= 1
            at += 1
        elif char == b'"':
            at += 1
            while line[at : at + 1] != b'"':
                at += 2 if line[at : at + 1] == b"\\" else 1
            at += 1
        elif char == b" ":
            at += 1
            continue
        else:
            atom = _ATOM.match(line, at)
            if atom is None:
                raise AssertionError(f"cannot read {line[at : at + 60]!r}")
            at = atom.end()
        if depth == 0:
            return at
