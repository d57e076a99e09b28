"""Reads a configuration file: TOML whose sections are the classes of config.settings.

The values come out as written; config.sources makes settings of them and checks them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

from mailhub.config.errors import ConfigError

_SECTION = re.compile(r"^\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_KEY = re.compile(r"^\s*\"?([A-Za-z0-9_-]+)\"?\s*[.=]")
_LINE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")


@frozen
class ConfigFile:
    """A file that was read: raw values by section and key, and where each stands."""

    path: str
    sections: dict[str, dict[str, Any]]
    lines: dict[str, int]
    """Line numbers, from 1, by "section" and "section.key" as far as they could be found."""

    def where(self, key: str) -> str:
        """Return "FILE:LINE" of a section or "section.key", or only the file."""
        line = self.lines.get(key)
        return f"{self.path}:{line}" if line else self.path


def _lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SECTION.match(line):
            section = match[1]
            found.setdefault(section, number)
        elif match := _KEY.match(line):
            found.setdefault(f"{section}.{match[1]}" if section else match[1], number)
    return found


def read_toml(path: Path) -> ConfigFile:
    """Read a configuration file. Raises ConfigError if it cannot be read or is not TOML with sections."""
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(name, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(name, "", f"is not UTF-8 at octet {error.start}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        where = f"{name}:{line[1]}" if line and line[1] else name
        raise ConfigError(where, "", f"is not TOML: {_LINE.sub('', str(error)).strip()}") from None
    found = ConfigFile(name, document, _lines(text))
    for key, value in document.items():
        if not isinstance(value, dict):
            raise ConfigError(found.where(key), key, "stands outside of a section", 'keys below a line "[section]"')
    return found
