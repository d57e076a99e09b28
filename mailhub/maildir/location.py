"""Where a user's mail lies: `maildir:DIR[:LAYOUT=fs][:INBOX=DIR][:CONTROL=DIR][:INDEX=DIR][:UTF-8]`, as in Dovecot.

Variables are Dovecot's: %u the user, %n and %d what stands before and after the @, %h the home, %% a percent sign; an
L between lowers the case (%Ld); %{user}, %{username}, %{domain} and %{home} are the same in long. "~" at the beginning
of a path is the home.

A template is checked when the server starts, a user when they come. User names come from clients: one that would lead
out of the directory meant for it, or hide in it, is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from attrs import frozen

from mailhub.store.errors import NoSuchUser
from mailhub.store.model import UserEntry

LONGEST_USER = 255

_VARIABLE = re.compile(r"%(L?)(?:\{(\w+)\}|(.?))", re.DOTALL)
_SHORT = {"u": "user", "n": "username", "d": "domain", "h": "home"}
_LAYOUTS = {"maildir++": "maildir++", "fs": "fs"}
_DIRECTORIES = ("INBOX", "CONTROL", "INDEX")


@frozen
class Location:
    """Where the parts of one user's mail lie; all paths absolute."""

    root: bytes
    inbox: bytes | None = None
    """None: in the root."""
    control: bytes | None = None
    """Where uidlists, keywords and subscriptions lie; None: with the mail."""
    index: bytes | None = None
    """Where the index lies; None: in the root."""
    layout: str = "maildir++"
    utf8: bool = False
    """Whether mailbox names are in UTF-8 on the disk rather than in modified UTF-7."""


class LocationTemplate:
    """A mail location with variables.

    Raises ValueError, saying what is wrong, for a text that is not one. `layout` holds where the text names none."""

    def __init__(self, text: str, layout: str = "maildir++") -> None:
        kind, colon, rest = text.partition(":")
        if text.startswith(("/", "~", "%h")):
            rest = text
        elif not colon or kind != "maildir":
            raise ValueError(f'mail location "{text}" does not begin with "maildir:"')
        self._text = text
        self._layout = layout
        self._utf8 = False
        path, *options = rest.split(":")
        self._paths = {"": path}
        for option in options:
            self._option(option)
        if not path:
            raise ValueError(f'mail location "{text}" names no directory')
        for part in self._paths.values():
            try:
                _expand(part, lambda name: name)
            except ValueError as error:
                raise ValueError(f'mail location "{text}": {error}') from None

    @classmethod
    def of_directory(cls, directory: str, layout: str = "maildir++") -> LocationTemplate:
        """Return the template of a directory (with variables), which may hold any character."""
        template = cls("maildir:/", layout)
        template._paths[""] = directory
        return template

    def _option(self, option: str) -> None:
        key, _, value = option.partition("=")
        if option == "UTF-8":
            self._utf8 = True
        elif key == "LAYOUT" and value.lower() in _LAYOUTS:
            self._layout = _LAYOUTS[value.lower()]
        elif key in _DIRECTORIES and value:
            # Dovecot's INDEX=MEMORY keeps no index on the disk; ours is needed there, and lies with the mail.
            if value != "MEMORY":
                self._paths[key] = value
        else:
            allowed = 'LAYOUT=maildir++, LAYOUT=fs, INBOX=, CONTROL=, INDEX= and "UTF-8"'
            raise ValueError(f'mail location "{self._text}": "{option}" is none of {allowed}')

    def expand(self, user: UserEntry, default_home: str) -> Location:
        """Return where the mail of `user` lies. `default_home` is for users without a home; it may hold variables but
        those of the home.

        Raises NoSuchUser for a name that must not become part of a path."""
        values = _values(user)
        values["home"] = user.home or _expand(default_home, values.__getitem__)
        paths = {key: self._path(path, values) for key, path in self._paths.items()}
        return Location(
            root=paths[""],
            inbox=paths.get("INBOX"),
            control=paths.get("CONTROL"),
            index=paths.get("INDEX"),
            layout=self._layout,
            utf8=self._utf8,
        )

    def _path(self, template: str, values: dict[str, str]) -> bytes:
        def value(name: str) -> str:
            if not values[name]:
                # "%d/%n" of a user without a domain would be a directory above the one meant.
                raise NoSuchUser("The user name lacks a part that the mail location needs")
            return values[name]

        path = _expand(template, value)
        if path == "~" or path.startswith("~/"):
            path = value("home") + path[1:]
        return os.path.abspath(os.fsencode(path))


def checked_user(name: str) -> str:
    """Return a user name that may become part of a path. Raises NoSuchUser."""
    wrong = (
        not name
        or "/" in name
        or name.startswith(".")
        or any(character < " " or character == "\x7f" for character in name)
        or any(part in (".", "..") for part in name.split("@"))
    )
    try:
        if wrong or len(name.encode("utf-8")) > LONGEST_USER:
            raise NoSuchUser("The user name cannot have mail here")
    except UnicodeEncodeError:
        raise NoSuchUser("The user name cannot have mail here") from None
    return name


def _values(user: UserEntry) -> dict[str, str]:
    local, _, domain = checked_user(user.name).partition("@")
    return {"user": user.name, "username": local, "domain": domain}


def _expand(text: str, value: Callable[[str], str]) -> str:
    """Replace variables. Raises ValueError for one that does not exist."""

    def replace(found: re.Match[str]) -> str:
        lower, long, short = found.groups()
        if short == "%" and not lower:
            return "%"
        name = long or _SHORT.get(short or "", "")
        if name not in _SHORT.values():
            raise ValueError(f'"{found[0]}" is none of %u, %n, %d, %h and %%')
        return value(name).lower() if lower else value(name)

    return _VARIABLE.sub(replace, text)
