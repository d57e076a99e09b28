"""What the commands share: option names, exit codes, settings, a store without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from attrs import frozen

from mailhub.config.errors import ConfigError
from mailhub.config.settings import Settings
from mailhub.config.sources import Given, Loaded
from mailhub.tap.options import in_force

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_NOUSER = 0, 64, 65, 66, 67
EX_UNAVAILABLE, EX_SOFTWARE, EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 69, 70, 73, 74, 75, 77, 78
"""Exit codes of sysexits.h, which mail transports understand."""

T = TypeVar("T")


class CommandError(Exception):
    """Ends a command: `message` on standard error, `status` as exit code."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that all commands have, named as those of `twistd mailhub`."""
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration file (TOML)")
    parser.add_argument("-d", "--data", metavar="DIR", help="where mailhub keeps what is its own")
    parser.add_argument("--mail", metavar="TEMPLATE", help="a user's mail, maildir:DIR with %%u %%n %%d %%h and ~")
    parser.add_argument("--users", metavar="FILE", help="a passwd-file")


def loaded(arguments: argparse.Namespace) -> Loaded:
    """Return the settings in force. Raises CommandError."""
    keys = {"data": "server.data", "mail": "store.mail", "users": "auth.users"}
    given = {
        key: Given(getattr(arguments, name), f"--{name}")
        for name, key in keys.items()
        if getattr(arguments, name, None) is not None
    }
    try:
        return in_force(arguments.config, given)
    except ConfigError as error:
        raise CommandError(str(error), EX_CONFIG) from None


@frozen
class Means:
    """What a command that works on mail gets."""

    settings: Settings
    reactor: Any
    store: Any
    """An IMessageStore."""
    users: Any
    """An IUserDirectory."""


def with_store(arguments: argparse.Namespace, work: Callable[[Means], Awaitable[T]]) -> T:
    """Open the store without a server, run `work` and close the store; return what `work` returned.

    Raises what `work` raises, CommandError."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from mailhub.concurrency.pool import Threads
    from mailhub.tap.rooms import message_store, user_sources

    settings = loaded(arguments).settings
    if settings.store.kind != "maildir":
        raise CommandError("a store in memory is only in the server that has it", EX_CONFIG)
    outcome: list[Any] = []

    async def run() -> None:
        threads = Threads(reactor)
        try:
            store = message_store(reactor, threads, settings)
        except ValueError as error:
            raise CommandError(str(error), EX_CONFIG) from None
        try:
            outcome.append(await work(Means(settings, reactor, store, user_sources(threads, settings))))
        finally:
            await store.close()
            threads.stop()

    def finished(result: Any) -> None:
        if isinstance(result, Failure):
            outcome[:] = [result]
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run()).addBoth(finished))
    reactor.run()
    if not outcome:
        raise CommandError("interrupted", EX_TEMPFAIL)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


def say(text: str) -> None:
    """Print a line of the answer."""
    sys.stdout.write(text + "\n")


def exit_status(error: BaseException) -> int | None:
    """Return the exit code that tells a mail transport what an error of the store means; None for errors of ours."""
    from mailhub.delivery import sysexits
    from mailhub.store.errors import HasChildren, MailboxExists, StoreError

    if isinstance(error, MailboxExists | HasChildren):
        return EX_CANTCREAT
    return sysexits.exit_status(error) if isinstance(error, StoreError) else None
