"""`mailhub mailbox list|create|delete|status`: an account's mailboxes, with or without a running server."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mailhub.cli.common import EX_NOUSER, EX_OK, CommandError, Means, add_common, say, with_store
from mailhub.store.interfaces import IAccount

T = TypeVar("T")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("mailbox", help="list, make, delete mailboxes of a user, or say how they stand")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, work, names, text in (
        ("list", _list, None, "print the names of a user's mailboxes"),
        ("create", _create, "+", "make mailboxes"),
        ("delete", _delete, "+", "delete mailboxes with their mail"),
        ("status", _status, "*", "print messages, unseen, UIDNEXT, UIDVALIDITY and octets; of all without a name"),
    ):
        action = actions.add_parser(name, help=text)
        add_common(action)
        action.add_argument("user", metavar="USER")
        if names is not None:
            action.add_argument("mailboxes", nargs=names, metavar="MAILBOX")
        action.set_defaults(run=_runner(work))


def _runner(work: Callable[[IAccount, argparse.Namespace], Awaitable[None]]) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        async def inside(means: Means) -> None:
            await with_account(means, arguments.user, lambda account: work(account, arguments))

        with_store(arguments, inside)
        return EX_OK

    return run


async def with_account(means: Means, user: str, work: Callable[[Any], Awaitable[T]]) -> T:
    """Open the account of a user, run `work` on it, let it go. Raises CommandError if nobody has that name."""
    entry = await means.users.lookup(user)
    if entry is None:
        raise CommandError(f"{user}: no such user", EX_NOUSER)
    account = await means.store.account(entry)
    try:
        return await work(account)
    finally:
        account.release()


async def _list(account: IAccount, arguments: argparse.Namespace) -> None:
    for info in await account.mailboxes():
        if info.selectable:
            say(info.name)


async def _create(account: IAccount, arguments: argparse.Namespace) -> None:
    for name in arguments.mailboxes:
        await account.create(name)


async def _delete(account: IAccount, arguments: argparse.Namespace) -> None:
    for name in arguments.mailboxes:
        await account.delete(name)


async def _status(account: IAccount, arguments: argparse.Namespace) -> None:
    names = arguments.mailboxes or [info.name for info in await account.mailboxes() if info.selectable]
    for name in names:
        status = await account.status(name, size=True)
        numbers = (
            f"messages={status.messages}",
            f"unseen={status.unseen}",
            f"recent={status.recent}",
            f"uidnext={status.uidnext}",
            f"uidvalidity={status.uidvalidity}",
            f"size={status.size}",
        )
        say(f"{name}\t{' '.join(numbers)}")
