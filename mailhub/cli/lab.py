"""`mailhub lab` (`make run`): a server on loopback with TLS and a demo account full of mail, in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mailhub.cli.common import EX_CONFIG, EX_OK, CommandError, add_common
from mailhub.config.errors import ConfigError
from mailhub.config.sources import Given
from mailhub.lab import demo
from mailhub.store.model import UserEntry
from mailhub.tap import listeners
from mailhub.tap.failure import StartFailed
from mailhub.tap.options import LAB_PASSWORD, in_force
from mailhub.tap.service import TITLES, Mailhub

DATA = "./mailhub-lab"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("lab", help="run a lab server with a demo account in the foreground")
    add_common(parser)
    parser.add_argument("--ready-file", metavar="FILE", help="written once every port listens")
    parser.add_argument("--store", metavar="KIND", help="maildir or memory [maildir]")
    for service in listeners.SERVICES:
        parser.add_argument(f"--{service}", action="append", metavar="PORT", help=argparse.SUPPRESS)
    parser.set_defaults(run=_lab)


def _lab(arguments: argparse.Namespace) -> int:
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        globalLogBeginner,
        textFileLogObserver,
    )

    keys = {"mail": "store.mail", "users": "auth.users", "ready_file": "server.ready_file", "store": "store.kind"}
    keys |= {service: f"listen.{service}" for service in listeners.SERVICES}
    given = {
        key: Given(getattr(arguments, name), f"--{name}") for name, key in keys.items() if getattr(arguments, name)
    }
    given["server.data"] = Given(arguments.data or DATA, "--data")
    try:
        loaded = in_force(arguments.config, given)
    except ConfigError as error:
        raise CommandError(str(error), EX_CONFIG) from None
    quiet = FilteringLogObserver(textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.warn)])
    globalLogBeginner.beginLoggingTo([quiet], redirectStandardIO=False)
    service = Mailhub(reactor, loaded)
    try:
        service.privilegedStartService()
    except StartFailed as error:
        raise CommandError(str(error)) from None
    failures: list[Any] = []

    def failed(failure: Any) -> None:
        failures.append(failure)
        reactor.stop()

    def begin() -> None:
        Deferred.fromCoroutine(_fill(service)).addCallback(lambda _: _open(service)).addErrback(failed)

    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.callWhenRunning(begin)
    reactor.run()
    if failures:
        failures[0].raiseException()
    return EX_OK


async def _fill(service: Any) -> None:
    account = await service.store.account(UserEntry(demo.USER))
    try:
        await demo.fill(account, demo.messages())
    finally:
        account.release()


def _open(service: Any) -> None:
    service.startService()
    sys.stdout.write(directions(service.places, Path(service.settings.server.data) / "tls" / "ca.pem"))
    sys.stdout.flush()


def directions(places: dict[str, list[dict[str, Any]]], ca: Path) -> str:
    """Return what to point a client at, with commands to try."""
    lines = ["", "mailhub lab is running. Point a mail client at:", ""]
    ports: dict[str, Any] = {}
    for service, title in TITLES.items():
        for place in places[service]:
            where = place["path"] if "path" in place else f"{place['host']}  port {place['port']}"
            lines.append(f"    {title:<20} {where}")
            ports.setdefault(service, place.get("port"))
    user, password = demo.USER, LAB_PASSWORD
    lines += [
        "",
        f"    user                 {user}   (any other name works too, and starts empty)",
        f"    password             {password}",
        f"    CA to trust          {ca}",
        "",
        "Or try:",
        "",
    ]
    if ports.get("imaps"):
        port = ports["imaps"]
        lines += [
            f"    curl --cacert {ca} --user {user}:{password} 'imaps://localhost:{port}/INBOX;MAILINDEX=1'",
            f"    mutt -e 'set ssl_ca_certificates_file={ca}' -f imaps://{user}:{password}@localhost:{port}/INBOX",
            f"    openssl s_client -quiet -CAfile {ca} -connect localhost:{port}",
        ]
    if ports.get("pop3s"):
        lines.append(f"    curl --cacert {ca} --user {user}:{password} pop3s://localhost:{ports['pop3s']}/1")
    if ports.get("lmtp"):
        letter = "'you@example.org', 'demo', 'Subject: hello\\n\\nhello'"
        lines.append(
            f"    python3 -c \"import smtplib; smtplib.LMTP('127.0.0.1', {ports['lmtp']}).sendmail({letter})\""
        )
    return "\n".join([*lines, "", "Stop with Ctrl-C.", ""]) + "\n"
