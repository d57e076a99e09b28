"""`mailhub deliver USER`: a message from standard input into an account, as a mail transport calls it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from mailhub.cli.common import EX_OK, Means, add_common, with_store
from mailhub.delivery.delivery import INBOX, Delivery

CHUNK = 64 * 1024


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "deliver", help="deliver a message from standard input; exit codes are those of sysexits.h"
    )
    add_common(parser)
    parser.add_argument("user", metavar="USER")
    parser.add_argument("--mailbox", default=INBOX, metavar="NAME", help="where to put it [INBOX]")
    parser.add_argument("--create", action="store_true", help="make the mailbox if there is none; else INBOX is taken")
    parser.set_defaults(run=_deliver)


def _deliver(arguments: argparse.Namespace) -> int:
    async def work(means: Means) -> None:
        delivery = Delivery(store=means.store, users=means.users)
        await delivery.deliver_local(arguments.user, _chunks(), arguments.mailbox, arguments.create)

    with_store(arguments, work)
    return EX_OK


def _chunks() -> Iterator[bytes]:
    while chunk := sys.stdin.buffer.read(CHUNK):
        yield chunk
