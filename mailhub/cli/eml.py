"""Folders of .eml files: a message a file, its date as the file's time, flags in a file .flags.json beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailhub.cli.letters import Letter

FLAGS_FILE = ".flags.json"
"""`{"00000001.eml": ["\\\\Seen", "Work"], ...}`"""


def files(folder: Path) -> list[Path]:
    """Return the .eml files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".eml" and path.is_file())


def read(folder: Path) -> Iterator[Letter]:
    """Yield the messages of a folder."""
    flags = _flags(folder)
    for path in files(folder):
        data = path.read_bytes().replace(b"\r\n", b"\n")
        yield Letter(data, frozenset(flags.get(path.name, ())), int(path.stat().st_mtime))


def _flags(folder: Path) -> dict[str, list[str]]:
    """Return flags by file name. Raises ValueError if the flags file is there and makes no sense."""
    path = folder / FLAGS_FILE
    if not path.exists():
        return {}
    known: Any = json.loads(path.read_text("utf-8"))
    if not isinstance(known, dict) or not all(
        isinstance(value, list) and all(isinstance(flag, str) for flag in value) for value in known.values()
    ):
        raise ValueError(f"{path} does not hold lists of flags by file name")
    return known


class Writer:
    """Writes messages into a folder, which is made; call close() at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._flags = _flags(folder)

    def write(self, number: int, letter: Letter) -> None:
        """Write a message under its UID."""
        path = self._folder / f"{number:08d}.eml"
        path.write_bytes(letter.data)
        if letter.date is not None:
            os.utime(path, (letter.date, letter.date))
        self._flags[path.name] = sorted(letter.flags)

    def close(self) -> None:
        path = self._folder / FLAGS_FILE
        path.write_text(json.dumps(self._flags, indent=1, sort_keys=True) + "\n", "utf-8")
