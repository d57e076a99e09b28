"""Where a protocol listens: a port on loopback, 0, "off", or a Twisted endpoint string."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.internet.address import UNIXAddress
from twisted.internet.error import CannotListenError

from mailhub.config.settings import LOOPBACK

SERVICES = ("imap", "imaps", "pop3", "pop3s", "lmtp")
ON_TLS = frozenset({"imaps", "pop3s"})
ALLOWED = 'a port, 0, "off" or a Twisted endpoint string such as tcp:143:interface=0.0.0.0 or unix:/run/imap'
_ENDPOINT_TYPE = re.compile(r"[a-z][a-z0-9]*:")


@frozen
class Listener:
    """One place to listen."""

    service: str
    text: str
    """What the user wrote."""
    port: int | None
    """A TCP port on loopback; None for an endpoint string."""

    @property
    def has_tls(self) -> bool:
        """Whether the endpoint itself brings TLS."""
        return self.text.startswith("ssl:")

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can connect."""
        if self.port is not None:
            return True
        kind, fields = _split(self.text)
        if kind == "unix":
            return True
        if kind not in ("tcp", "tcp6", "ssl"):
            return False
        interface = fields.get("interface", "")
        try:
            return ipaddress.ip_address(interface).is_loopback
        except ValueError:
            return interface == "localhost"

    def endpoint(self, reactor: Any) -> Any:
        """Return the Twisted server endpoint. Raises ValueError if the string means nothing."""
        from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString

        if self.port is not None:
            return TCP4ServerEndpoint(reactor, self.port, backlog=1024, interface=LOOPBACK)
        try:
            return serverFromString(reactor, self.text)
        except (TypeError, KeyError, IndexError, OSError) as error:
            raise ValueError(str(error)) from None


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Return the type and the named fields of an endpoint string, in which a backslash escapes ":" and "="."""
    kind, *rest = re.split(r"(?<!\\):", text)
    pairs = (re.split(r"(?<!\\)=", part, maxsplit=1) for part in rest)
    return kind, {pair[0]: re.sub(r"\\(.)", r"\1", pair[1]) for pair in pairs if len(pair) == 2}


def parse(service: str, values: Sequence[str]) -> list[Listener]:
    """Return what `values` of a service ask for. Raises ValueError with the value that is wrong."""
    found: list[Listener] = []
    for value in values:
        text = value.strip()
        if text.lower() == "off":
            continue
        if text.isascii() and text.isdigit():
            if int(text) > 65535:
                raise ValueError(f"{text} is no port")
            found.append(Listener(service, text, int(text)))
        elif _ENDPOINT_TYPE.match(text):
            found.append(Listener(service, text, None))
        else:
            raise ValueError(f'"{text}" is not {ALLOWED}')
    return found


def place(address: Any) -> dict[str, Any]:
    """Return a bound address as the ready file shows it."""
    if isinstance(address, UNIXAddress):
        return {"path": os.fsdecode(address.name or b"")}
    return {"host": address.host, "port": address.port}


def said(address: Any) -> str:
    """Return a bound address in words."""
    where = place(address)
    return str(where["path"]) if "path" in where else f"{where['host']} port {where['port']}"


def cannot_listen(listener: Listener, error: BaseException | None) -> str:
    """Return in words why a port cannot be had, and what may help."""
    what = f"{listener.service} cannot listen on {listener.text}"
    cause = error.socketError if isinstance(error, CannotListenError) else error
    number = getattr(cause, "errno", None)
    if number == errno.EADDRINUSE:
        return f"{what}: another program listens there; choose another with --{listener.service}, or 0 for any free one"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"{what}: not permitted; ports below 1024 need root (start as root with twistd's --uid and --gid) or "
            "CAP_NET_BIND_SERVICE, and a unix socket needs a folder that may be written"
        )
    if number == errno.EADDRNOTAVAIL:
        return f"{what}: this machine has no such address"
    return f"{what}: {cause}"
