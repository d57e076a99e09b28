"""The options of `twistd mailhub`, and the settings that come of them together with a configuration file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import MultiService
from twisted.python import usage

from mailhub.config.errors import ConfigError
from mailhub.config.settings import Settings
from mailhub.config.sources import Given, Loaded, load
from mailhub.tap import listeners

LAB_PASSWORD = "pass"
"""Of any user, where neither a password nor a users file is configured."""

KEYS = {
    "data": "server.data",
    "mail": "store.mail",
    "password": "auth.password",
    "users": "auth.users",
    "tls-cert": "tls.cert",
    "tls-key": "tls.key",
    "fsync": "store.fsync",
    "store": "store.kind",
    "ready-file": "server.ready_file",
}
"""Options that set one setting to a word."""

FILES = ("server.data", "server.ready_file", "auth.users", "tls.cert", "tls.key")


def in_force(config: str | None, options: dict[str, Given]) -> Loaded:
    """Return the settings of a configuration file and options, checked as a whole. Raises ConfigError."""
    loaded = load(Path(config) if config else None, options)
    settings, origins = loaded.settings, dict(loaded.origins)
    if settings.auth.password is None and settings.auth.users is None:
        settings = evolve(settings, auth=evolve(settings.auth, password=LAB_PASSWORD))
        origins["auth.password"] = "default without auth.users"
    _check(settings, origins)
    return Loaded(_absolute(settings), origins)


def _check(settings: Settings, origins: dict[str, str]) -> None:
    """Refuse what no single value can be blamed for."""
    if (settings.tls.cert is None) != (settings.tls.key is None):
        given, missing = ("tls.key", "tls.cert") if settings.tls.cert is None else ("tls.cert", "tls.key")
        raise ConfigError(origins[given], given, f"{missing} is missing", "both, or neither")
    for service in listeners.SERVICES:
        key = f"listen.{service}"
        try:
            found = listeners.parse(service, getattr(settings.listen, service))
        except ValueError as error:
            raise ConfigError(origins[key], key, str(error), listeners.ALLOWED) from None
        far = [listener.text for listener in found if not listener.loopback]
        if far and settings.auth.password is not None and not settings.auth.allow_remote_any:
            raise ConfigError(
                origins[key],
                key,
                f"{far[0]} is not on loopback, and any user may log in with one password "
                f"(auth.password: {origins['auth.password']})",
                "only loopback addresses and unix sockets, unless --allow-remote-any (auth.allow_remote_any) is given",
            )


def _absolute(settings: Settings) -> Settings:
    """Make file names absolute, so that a daemon that changes its folder still finds them."""
    for key in FILES:
        section, name = key.split(".")
        value = getattr(getattr(settings, section), name)
        if value is not None:
            part = evolve(getattr(settings, section), **{name: str(Path(value).expanduser().absolute())})
            settings = evolve(settings, **{section: part})
    return settings


class Options(usage.Options):
    """Command line of `twistd mailhub`; `loaded` holds the settings in force once it was parsed."""

    synopsis = "[options]"
    longdesc = (
        "Serve IMAP4, POP3 and LMTP from one Maildir. Without options: IMAP 1143, IMAPS 1993, POP3 1110, POP3S 1995, "
        'LMTP 1024 on 127.0.0.1, data under ./mailhub-data, any user with the password "pass".'
    )
    optParameters: Sequence[Sequence[Any]] = [
        ["config", "c", None, "Configuration file (TOML); options override it."],
        ["data", "d", None, "Where mailhub keeps what is its own. [./mailhub-data]"],
        ["mail", None, None, "A user's mail, maildir:DIR with %u %n %d %h and ~. [maildir:DATA/mail/%u/Maildir]"],
        ["password", None, None, "Accept any user name with this password."],
        ["users", None, None, "A passwd-file as Dovecot reads it."],
        ["tls-cert", None, None, "Certificate chain, PEM. [a CA and a certificate for localhost under DATA/tls]"],
        ["tls-key", None, None, "Private key, PEM."],
        ["fsync", None, None, "always or never: whether writes are durable before they are answered. [always]"],
        ["store", None, None, "maildir or memory. [maildir]"],
        ["ready-file", None, None, "Written once every port listens: JSON with pid, hosts and ports."],
    ]
    optFlags: Sequence[Sequence[Any]] = [
        ["allow-remote-any", None, "Allow --password on addresses that are not loopback."],
    ]

    loaded: Loaded

    def __init__(self) -> None:
        self._listen: dict[str, list[str]] = {}
        super().__init__()  # type: ignore[no-untyped-call]

    def postOptions(self) -> None:
        options = {key: Given(self[name], f"--{name}") for name, key in KEYS.items() if self[name] is not None}
        for service, values in self._listen.items():
            options[f"listen.{service}"] = Given(tuple(values), f"--{service}")
        if self["allow-remote-any"]:
            options["auth.allow_remote_any"] = Given(True, "--allow-remote-any")
        try:
            self.loaded = in_force(self["config"], options)
        except ConfigError as error:
            raise usage.UsageError(str(error)) from None


def _repeatable(service: str) -> Callable[[Options, str], None]:
    def option(self: Options, value: str) -> None:
        self._listen.setdefault(service, []).append(value)

    option.__doc__ = f"Where {service.upper()} listens: {listeners.ALLOWED}; repeatable."
    return option


for _service in listeners.SERVICES:
    setattr(Options, f"opt_{_service}", _repeatable(_service))


def makeService(options: Options) -> MultiService:
    """Return the service that twistd runs."""
    from twisted.internet import reactor

    from mailhub.tap.service import Mailhub

    return Mailhub(reactor, options.loaded)
