"""Settings as text: the commented sample file, the reference in docs/configuration.md, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import Any

from mailhub.config.sources import Loaded, SettingInfo, catalogue, section_help

WIDTH = 110


def toml_value(value: Any) -> str:
    """Return a setting's value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if value and isinstance(value[0], tuple):
        return "{ " + ", ".join(f"{_quoted(key)} = {_quoted(word)}" for key, word in value) + " }"
    return "[" + ", ".join(_quoted(word) for word in value) + "]"


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped) + '"'


def _sections() -> Iterator[tuple[str, list[SettingInfo]]]:
    for section, infos in groupby(catalogue(), key=lambda info: info.section):
        yield section, list(infos)


def sample() -> str:
    """Return etc/mailhub.toml: every setting with its explanation and default. What has no default is commented out."""
    lines = [
        "# Configuration of mailhub: every setting, each with its default. Copy what you change.",
        "# twistd mailhub --config FILE reads it; options of the command line override it.",
    ]
    for section, infos in _sections():
        lines += ["", *_comment(section_help(section)), f"[{section}]"]
        for info in infos:
            lines += ["", *_comment(f"{info.help} Allowed: {info.allowed}.")]
            if info.default is None:
                lines.append(f"# {info.name} =")
            else:
                lines.append(f"{info.name} = {toml_value(info.default)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(" ".join(text.split()), WIDTH)]


def reference() -> str:
    """Return the tables of docs/configuration.md: every setting with default, what is allowed and what it does."""
    lines: list[str] = []
    for section, infos in _sections():
        lines += ["", f"### [{section}]", "", section_help(section), ""]
        lines += ["| setting | default | allowed | what it does |", "| --- | --- | --- | --- |"]
        for info in infos:
            default = "none" if info.default is None else f"`{toml_value(info.default)}`"
            cells = [f"`{info.name}`", default, info.allowed, info.help]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def in_force(loaded: Loaded) -> str:
    """Return every setting with its value and where that came from; secrets are not shown."""
    lines: list[str] = []
    for section, infos in _sections():
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        part = getattr(loaded.settings, section)
        for info in infos:
            value = getattr(part, info.name)
            if value is None:
                text = f"# {info.name} ="
            else:
                text = f"{info.name} = " + ('"***"' if info.secret else toml_value(value))
            lines.append(f"{text:<50} # {loaded.origins[info.key]}")
    return "\n".join(lines) + "\n"
