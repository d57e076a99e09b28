"""A passwd-file as Dovecot reads it: who may log in, and where their mail is.

    user:password:uid:gid:(gecos):home:(shell):extra fields

Only the user is needed. A password without `{SCHEME}` is crypt(3); `hash[34]` and `hash[13]` are libpam-pwdfile's.
Extra fields are separated by spaces and may hold ":". Of them these count: userdb_home and userdb_mail; user (the name
mail is kept under); nopassword, nologin and allow_nets; proxy and host, for users this server does not hold, refuse a
login. The rest of userdb_* goes into UserEntry.extra. uid, gid, gecos and shell say nothing to a server that runs as
one account.

The file is looked at on every login and read again when it changed. That, and the checking of hashes, happens in a
thread. A line that cannot be read is logged once and left out; the others stand.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, field, frozen
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from mailhub.auth import names, schemes
from mailhub.auth.credentials import ApopCredentials, PasswordCredentials, UnknownUser
from mailhub.auth.interfaces import Peer
from mailhub.auth.users import IUserSource
from mailhub.concurrency.pool import IThreads
from mailhub.store.errors import Unavailable
from mailhub.store.model import UserEntry

_PAM_PWDFILE = re.compile(r"([^{$].*)\[(\d+)\]", re.DOTALL)


_NOBODY = "$6$nobody$" + "." * 86
"""A hash that no password has, as costly to check as those that `mailhub user` makes."""


@frozen
class PasswdEntry:
    """One line."""

    user: UserEntry
    password: str = field(repr=False)
    extra: Mapping[str, str] = field(default=Factory(dict), repr=False)
    """Extra fields without the userdb_ ones; a field without "=" has the value "yes"."""


class BrokenLine(Exception):
    """A line makes no sense; the message says why and holds no secret."""


def parse_line(line: str, lowercase: bool = True) -> PasswdEntry | None:
    """Return what a line says; None for comments and lines without a user. Raises BrokenLine."""
    line = line.rstrip("\r\n")
    if not line or line[0] in "#:":
        return None
    name, *fields = line.split(":")
    fields += [""] * (6 - len(fields))
    user = names.normal(name, lowercase)
    if user is None:
        raise BrokenLine("the user's name will not do")
    password = _password(fields[0])
    extra, userdb = _extra(":".join(fields[6:]))
    home = userdb.pop("home", None) or fields[4] or None
    if "user" in extra:
        user = names.normal(extra["user"], lowercase)
        if user is None:
            raise BrokenLine("the name in user= will not do")
    return PasswdEntry(UserEntry(user, home, userdb.pop("mail", None), userdb), password, extra)


def _password(text: str) -> str:
    if match := _PAM_PWDFILE.fullmatch(text):
        # libpam-pwdfile: [34] is MD5 in hex, anything else crypt(3).
        return ("{PLAIN-MD5}" if match[2] == "34" else "{CRYPT}") + match[1]
    try:
        schemes.split(text)
    except schemes.SchemeError as error:
        raise BrokenLine(str(error)) from None
    return text


def _extra(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return extra fields, and those of the userdb without their prefix."""
    extra: dict[str, str] = {}
    userdb: dict[str, str] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        target = userdb if key.startswith("userdb_") else extra
        target[key.removeprefix("userdb_")] = value if equals else "yes"
    return extra, userdb


def net_allowed(nets: str, peer: Peer) -> bool:
    """Return whether allow_nets, addresses and networks separated by commas or "local" for unix sockets, has `peer`.

    Raises ValueError if it cannot be read."""
    parts = [part.strip() for part in nets.split(",") if part.strip()]
    if not peer.host:
        return "local" in parts
    address: Any = ipaddress.ip_address(peer.host)
    address = getattr(address, "ipv4_mapped", None) or address
    networks = [ipaddress.ip_network(part, strict=False) for part in parts if part != "local"]
    return any(address.version == network.version and address in network for network in networks)


@frozen
class _Table:
    """What the file held when it looked like `stamp`."""

    stamp: tuple[int, int, int] | None
    entries: Mapping[str, PasswdEntry] = field(repr=False)
    apop_possible: bool


@implementer(IUserSource)
class PasswdFile:
    """Checks passwords against a passwd-file and looks users up in it."""

    credentialInterfaces = (IUsernamePassword, IUsernameHashedPassword)
    log = Logger()

    def __init__(self, path: Path, threads: IThreads, lowercase: bool = True) -> None:
        self._path = path
        self._threads = threads
        self._lowercase = lowercase
        self._told: set[tuple[object, ...]] = set()
        self._table = _Table(None, {}, False)

    @property
    def apop_possible(self) -> bool:
        try:
            return self._current().apop_possible
        except Unavailable:
            return False

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        return self._threads.call(lambda: self._checked(credentials))

    def lookup(self, name: str) -> Deferred[UserEntry | None]:
        try:
            unchanged = self._stamp() == self._table.stamp
        except OSError:
            unchanged = False
        return succeed(self._found(name)) if unchanged else self._threads.call(lambda: self._found(name))

    def _found(self, name: str) -> UserEntry | None:
        entry = self._current().entries.get(names.normal(name, self._lowercase) or "")
        return None if entry is None else entry.user

    def _checked(self, credentials: Any) -> UserEntry:
        """Return the user these credentials are of. Runs in a thread. Raises UnauthorizedLogin."""
        entry = self._current().entries.get(credentials.username)
        if entry is None:
            if isinstance(credentials, PasswordCredentials):
                # As slow as for a user that exists, so that the time does not tell who does.
                schemes.verify(credentials.password, _NOBODY)
            raise UnknownUser
        try:
            allowed = self._allowed(entry, credentials.peer) and self._matches(entry, credentials)
        except (schemes.SchemeError, ValueError) as error:
            self._tell(credentials.username, str(error))
            allowed = False
        if not allowed:
            raise UnauthorizedLogin
        return entry.user

    def _allowed(self, entry: PasswdEntry, peer: Peer) -> bool:
        extra = entry.extra
        if any(key in extra for key in ("nologin", "proxy", "proxy_maybe", "host")):
            return False
        return "allow_nets" not in extra or net_allowed(extra["allow_nets"], peer)

    def _matches(self, entry: PasswdEntry, credentials: Any) -> bool:
        if isinstance(credentials, ApopCredentials):
            stored = schemes.plaintext(entry.password)
            return stored is not None and credentials.checkPassword(stored)
        if not entry.password:
            return "nopassword" in entry.extra
        return schemes.verify(credentials.password, entry.password, credentials.username)

    def _stamp(self) -> tuple[int, int, int]:
        status = os.stat(self._path)
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _current(self) -> _Table:
        """Return the file as it is now. Raises Unavailable."""
        try:
            stamp = self._stamp()
            if stamp != self._table.stamp:
                self._table = self._parsed(self._path.read_bytes(), stamp)
        except OSError as error:
            self._tell("", error.strerror or "cannot be read")
            raise Unavailable("the users file cannot be read") from None
        return self._table

    def _parsed(self, data: bytes, stamp: tuple[int, int, int]) -> _Table:
        entries: dict[str, PasswdEntry] = {}
        apop = False
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            try:
                entry = parse_line(line, self._lowercase)
                if entry is None:
                    continue
                name = names.normal(line.partition(":")[0], self._lowercase) or ""
                if name in entries:
                    raise BrokenLine("the user stands in the file more than once; the first counts")
                entries[name] = entry
                apop = apop or schemes.plaintext(entry.password) is not None
            except (BrokenLine, schemes.SchemeError) as error:
                self._tell(number, str(error))
        return _Table(stamp, entries, apop)

    def _tell(self, where: object, what: str) -> None:
        """Log a trouble with the file, once."""
        if (where, what) in self._told:
            return
        self._told.add((where, what))
        place = f"{self._path}:{where}" if isinstance(where, int) else f"{self._path}: {where}" if where else self._path
        self.log.warn("{place}: {what}", place=str(place), what=what)
