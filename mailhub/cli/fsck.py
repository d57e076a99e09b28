"""`mailhub fsck [--repair] [USER...]`: looks whether the files of accounts make sense."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mailhub.auth.passwdfile import BrokenLine, parse_line
from mailhub.cli.common import EX_CONFIG, EX_NOUSER, EX_OK, CommandError, Means, add_common, say, with_store
from mailhub.config.settings import Settings

EX_PROBLEMS = 1
"""Something is wrong that was not mended."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("fsck", help="check uidlists, keywords and the index of users' mail")
    add_common(parser)
    parser.add_argument("names", nargs="*", metavar="USER", help="[all of the users file, or all below DATA/mail]")
    parser.add_argument("--repair", action="store_true", help="mend what can be mended")
    parser.set_defaults(run=_fsck)


def _fsck(arguments: argparse.Namespace) -> int:
    async def work(means: Means) -> int:
        from mailhub.maildir.fsck import Checker

        problems = 0
        for name in arguments.names or everybody(means.settings):
            user = await means.users.lookup(name)
            if user is None:
                raise CommandError(f"{name}: no such user", EX_NOUSER)
            tree, index = means.store.files(user)
            count = 0
            for found in Checker(tree, index, means.settings.store.lock_seconds, arguments.repair).check():
                kind = "mended" if found.mended else "problem" if found.problem else "note"
                say(f"{user.name}: {found.mailbox + ': ' if found.mailbox else ''}{kind}: {found.text}")
                count += kind == "problem"
            say(f"{user.name}: {count or 'no'} problem{'' if count == 1 else 's'}{' left' if arguments.repair else ''}")
            problems += count
        return problems

    return EX_PROBLEMS if with_store(arguments, work) else EX_OK


def everybody(settings: Settings) -> Sequence[str]:
    """Return the names in the users file; without one those who have mail in the default place. Raises CommandError."""
    if settings.auth.users is not None:
        return _listed(Path(settings.auth.users))
    if settings.store.mail is not None:
        raise CommandError("say which users to check: with --mail they cannot be found", EX_CONFIG)
    folder = Path(settings.server.data) / "mail"
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()) if folder.is_dir() else ()


def _listed(path: Path) -> Sequence[str]:
    found: list[str] = []
    try:
        lines = path.read_text("utf-8", "surrogateescape").split("\n")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", EX_CONFIG) from None
    for line in lines:
        try:
            if parse_line(line) is not None:
                found.append(line.partition(":")[0])
        except BrokenLine:
            continue
    return found
