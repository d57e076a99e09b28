"""Where each setting's value comes from: the default, a file, an option; a later source overrides an earlier one."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import frozen

from mailhub.config.errors import ConfigError, nearest
from mailhub.config.settings import Settings
from mailhub.config.toml import ConfigFile, read_toml

DEFAULT = "default"


@frozen
class Loaded:
    """Settings in force and, by "section.key", where each came from: "default", "FILE:LINE" or "option --x"."""

    settings: Settings
    origins: Mapping[str, str]


@frozen
class Given:
    """A value from an option."""

    value: Any
    option: str
    """As the user wrote it, such as "--imap"."""


@frozen
class SettingInfo:
    """What is known of one setting."""

    section: str
    name: str
    kind: Any
    default: Any
    help: str
    allowed: str
    check: Any
    secret: bool

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"


@cache
def catalogue() -> tuple[SettingInfo, ...]:
    """Return every setting, in the order of the classes."""
    return tuple(_describe(Settings))


def _describe(root: type[Any]) -> Iterator[SettingInfo]:
    sections = get_type_hints(root)
    for outer in attrs.fields(root):
        kinds = get_type_hints(sections[outer.name])
        for inner in attrs.fields(sections[outer.name]):
            metadata = inner.metadata
            yield SettingInfo(
                outer.name,
                inner.name,
                kinds[inner.name],
                inner.default,
                metadata.get("help", ""),
                metadata.get("allowed", "") or words(kinds[inner.name]),
                metadata.get("check"),
                metadata.get("secret", False),
            )


def section_help(section: str) -> str:
    """Return what a section is about, in a sentence."""
    return (get_type_hints(Settings)[section].__doc__ or "").strip()


def words(kind: Any) -> str:
    """Return what values of a type look like, for people."""
    if kind is bool:
        return "true or false"
    if kind is int:
        return "a whole number"
    if kind is float:
        return "a number"
    if get_origin(kind) is tuple:
        return "a table of texts" if get_origin(get_args(kind)[0]) is tuple else "a list of texts"
    if get_origin(kind) in (Union, types.UnionType):
        return words(next(choice for choice in get_args(kind) if choice is not type(None)))
    return "text"


def load(path: Path | None = None, options: Mapping[str, Given] | None = None) -> Loaded:
    """Return the settings in force from a file, if one is given, and options, by "section.key".

    Raises ConfigError."""
    file = read_toml(path) if path is not None else ConfigFile("", {}, {})
    known = {info.key: info for info in catalogue()}
    _refuse_unknown(file, known)
    values: dict[str, dict[str, Any]] = {}
    origins = dict.fromkeys(known, DEFAULT)
    for key, info in known.items():
        given = (options or {}).get(key)
        if given is not None:
            where, raw = f"option {given.option}", given.value
        elif info.name in file.sections.get(info.section, {}):
            where, raw = file.where(key), file.sections[info.section][info.name]
        else:
            continue
        values.setdefault(info.section, {})[info.name] = _checked(info, raw, where)
        origins[key] = where
    kinds = get_type_hints(Settings)
    return Loaded(Settings(**{name: kinds[name](**given) for name, given in values.items()}), origins)


def _refuse_unknown(file: ConfigFile, known: Mapping[str, SettingInfo]) -> None:
    sections = {info.section for info in known.values()}
    for section, keys in file.sections.items():
        if section not in sections:
            raise ConfigError(file.where(section), section, "unknown section", nearest(section, list(sections)))
        for name in keys:
            if f"{section}.{name}" not in known:
                names = [info.name for info in known.values() if info.section == section]
                where = file.where(f"{section}.{name}")
                raise ConfigError(where, f"{section}.{name}", "unknown setting", nearest(name, names))


def _checked(info: SettingInfo, raw: Any, where: str) -> Any:
    try:
        value = convert(info.kind, raw)
    except ValueError:
        raise ConfigError(where, info.key, f"{_shown(info, raw)} is not {words(info.kind)}", info.allowed) from None
    if info.check is not None and value is not None and not info.check(value):
        raise ConfigError(where, info.key, f"{_shown(info, raw)} will not do", info.allowed)
    return value


def _shown(info: SettingInfo, raw: Any) -> str:
    if info.secret:
        return "what was given"
    return f'"{raw}"' if isinstance(raw, str) else str(raw).lower() if isinstance(raw, bool) else str(raw)


def convert(kind: Any, raw: Any) -> Any:
    """Return `raw`, a value of TOML or of an option, as a setting's type. Raises ValueError."""
    if get_origin(kind) in (Union, types.UnionType):
        return convert(next(choice for choice in get_args(kind) if choice is not type(None)), raw)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind)[0], raw)
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is not kind:
        raise ValueError(raw)
    return raw


def _tuple(item: Any, raw: Any) -> Any:
    """A list; one value may stand for a list of one, and a number for the text that it is (a port)."""
    if get_origin(item) is tuple:
        if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
            raise ValueError(raw)
        return tuple(raw.items())
    parts = raw if isinstance(raw, (list, tuple)) else [raw]
    if not all(type(part) in (str, int) for part in parts):
        raise ValueError(raw)
    return tuple(str(part) for part in parts)
