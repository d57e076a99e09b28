"""Changes a passwd-file: under a lock, in one step, with every other line, comment and field left as it is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailhub.auth import names


class EditError(Exception):
    """The change cannot be made; the message says why."""


def add(path: Path, user: str, password: str, home: str = "", extra: str = "") -> None:
    """Add a user with a password as schemes.make() writes it. A missing file is made, readable by its owner only.

    Raises EditError if the user is there or a value cannot stand in a line; OSError."""
    line = ":".join(
        [_checked_name(user), _checked(password), "", "", "", _checked(home), "", _checked(extra, colons=True)]
    )

    def change(lines: list[str]) -> list[str]:
        if _find(lines, user) is not None:
            raise EditError(f"{user}: there is a user of that name")
        return [*lines, line.rstrip(":") if not home and not extra else line]

    _update(path, change)


def set_password(path: Path, user: str, password: str) -> None:
    """Replace a user's password; all other fields stay. Raises EditError, OSError."""

    def change(lines: list[str]) -> list[str]:
        at = _find(lines, user)
        if at is None:
            raise EditError(f"{user}: no such user")
        fields = lines[at].split(":")
        fields[1:2] = [_checked(password)]
        return [*lines[:at], ":".join(fields), *lines[at + 1 :]]

    _update(path, change)


def remove(path: Path, user: str) -> None:
    """Take a user out; their mail stays. Raises EditError, OSError."""

    def change(lines: list[str]) -> list[str]:
        at = _find(lines, user)
        if at is None:
            raise EditError(f"{user}: no such user")
        return lines[:at] + lines[at + 1 :]

    _update(path, change)


def _checked_name(user: str) -> str:
    if names.normal(user) is None or ":" in user or user.startswith("#"):
        raise EditError(f"{user!a} cannot be a user's name")
    return user


def _checked(value: str, colons: bool = False) -> str:
    if not value.isprintable() or (":" in value and not colons):
        raise EditError('a field holds ":" or a control character')
    return value


def _find(lines: list[str], user: str) -> int | None:
    wanted = names.normal(user)
    for at, line in enumerate(lines):
        if line and line[0] not in "#:" and names.normal(line.partition(":")[0]) == wanted:
            return at
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock beside the file: the file itself is replaced, so a lock on it would soon be on nothing."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _update(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = path.resolve()
    with _locked(path):
        try:
            status = path.stat()
            before = path.read_text("utf-8", "surrogateescape")
        except FileNotFoundError:
            status, before = None, ""
        lines = change(before.removesuffix("\n").split("\n") if before else [])
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        mode = 0o600 if status is None else status.st_mode & 0o7777
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(line + "\n" for line in lines))
            file.flush()
            if status is not None and os.geteuid() == 0:
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
