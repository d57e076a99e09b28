"""`mailhub import` and `export`: between an account and mbox files or folders of .eml.

A folder may hold a whole account: each folder with .eml files in it, and each NAME.mbox, is a mailbox of that name.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from attrs import frozen
from tqdm import tqdm

from mailhub.cli import eml, mbox
from mailhub.cli.common import (
    EX_CANTCREAT,
    EX_DATAERR,
    EX_NOINPUT,
    EX_OK,
    EX_USAGE,
    CommandError,
    Means,
    add_common,
    say,
    with_store,
)
from mailhub.cli.letters import Letter
from mailhub.cli.mailbox import with_account
from mailhub.store.errors import MailboxExists, TooBig
from mailhub.store.interfaces import IAccount
from mailhub.store.model import Addition, Uid, Wanted

BATCH_MESSAGES, BATCH_OCTETS = 64, 8 * 2**20
"""Messages of an import that are made durable together."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to the parser."""
    bring = commands.add_parser("import", help="bring mail into an account")
    add_common(bring)
    bring.add_argument("user", metavar="USER")
    bring.add_argument("sources", nargs="+", metavar="SOURCE", help="an mbox file, - for standard input, or a folder")
    bring.add_argument("--mailbox", metavar="NAME", help="where to put it; a folder's mailboxes go below it [INBOX]")
    bring.set_defaults(run=_import)
    take = commands.add_parser("export", help="write mail of an account to files")
    add_common(take)
    take.add_argument("user", metavar="USER")
    take.add_argument(
        "target", metavar="TARGET", help="with --mailbox an mbox file (- for standard output) or a folder"
    )
    take.add_argument("--mailbox", metavar="NAME", help="only this one; otherwise TARGET is a folder for all")
    take.add_argument("--format", choices=("mbox", "eml"), default="mbox", help="[mbox]")
    take.set_defaults(run=_export)


@frozen
class Source:
    """A file or folder that holds one mailbox."""

    mailbox: tuple[str, ...]
    """Its levels below the mailbox named on the command line."""
    path: Path | None
    """None for standard input."""

    def letters(self) -> Iterator[Letter]:
        """Yield its messages. Raises CommandError."""
        try:
            if self.path is None:
                yield from mbox.read(sys.stdin.buffer)
            elif self.path.is_dir():
                yield from eml.read(self.path)
            else:
                with self.path.open("rb") as file:
                    yield from mbox.read(file)
        except ValueError as error:
            raise CommandError(f"{self.path or 'standard input'}: {error}", EX_DATAERR) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", EX_NOINPUT) from None


def find_sources(text: str) -> list[Source]:
    """Return what a SOURCE argument holds. Raises CommandError."""
    if text == "-":
        return [Source((), None)]
    path = Path(text)
    if not path.exists():
        raise CommandError(f"{text}: there is no such file or folder", EX_NOINPUT)
    if path.suffix.lower() == ".eml" and path.is_file():
        raise CommandError(f"{text}: name the folder that holds .eml files, or use mailhub deliver", EX_USAGE)
    return list(_below(path, ())) if path.is_dir() else [Source((), path)]


def _below(folder: Path, levels: tuple[str, ...]) -> Iterator[Source]:
    if eml.files(folder):
        yield Source(levels, folder)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _below(path, (*levels, unquote(path.name)))
        elif path.suffix.lower() == ".mbox":
            yield Source((*levels, unquote(path.stem)), path)


def _progress(total: int | None, what: str) -> Any:
    """Return a progress bar on standard error; nothing is shown where that is no terminal."""
    return tqdm(total=total, desc=what, unit=" msg", disable=not sys.stderr.isatty(), leave=False)


def _import(arguments: argparse.Namespace) -> int:
    sources = [source for text in arguments.sources for source in find_sources(text)]

    async def work(means: Means) -> tuple[int, int]:
        return await with_account(means, arguments.user, lambda account: _bring(account, sources, arguments.mailbox))

    count, refused = with_store(arguments, work)
    say(f"{count} messages imported into {len({source.mailbox for source in sources})} mailboxes")
    return EX_DATAERR if refused else EX_OK


async def _bring(account: IAccount, sources: Sequence[Source], below: str | None) -> tuple[int, int]:
    count = refused = 0
    delimiter = account.namespaces[0].delimiter
    with _progress(None, "import") as bar:
        for source in sources:
            levels = source.mailbox
            if below is not None and not (below.upper() == "INBOX" and levels):
                levels = (below, *levels)
            name = delimiter.join(levels) or "INBOX"
            await _made(account, name)
            batch: list[Letter] = []
            for letter in source.letters():
                batch.append(letter)
                if len(batch) == BATCH_MESSAGES or sum(len(one.data) for one in batch) > BATCH_OCTETS:
                    refused += await _append(account, name, batch)
                    batch = []
                count += 1
                bar.update()
            refused += await _append(account, name, batch)
    return count - refused, refused


async def _made(account: IAccount, name: str) -> None:
    if name.upper() == "INBOX":
        return
    try:
        await account.create(name)
    except MailboxExists:
        pass


async def _append(account: IAccount, name: str, letters: Sequence[Letter]) -> int:
    """Append messages in one step; return how many were too big and were left out."""
    additions: list[Addition] = []
    refused = 0
    for letter in letters:
        draft = await account.draft(name)
        try:
            if (waiting := draft.write(letter.data)) is not None:
                await waiting
            additions.append(Addition(draft, letter.flags, letter.date))
        except TooBig:
            draft.discard()
            refused += 1
            print(f"mailhub: a message of {len(letter.data)} octets is too big for {name}; left out", file=sys.stderr)
    if additions:
        try:
            await account.append(name, additions)
        finally:
            for addition in additions:
                addition.draft.discard()
    return refused


def _export(arguments: argparse.Namespace) -> int:
    async def work(means: Means) -> tuple[int, int]:
        return await with_account(means, arguments.user, lambda account: _take(account, arguments))

    try:
        count, mailboxes = with_store(arguments, work)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", EX_CANTCREAT) from None
    print(f"{count} messages exported from {mailboxes} mailboxes", file=sys.stderr)
    return EX_OK


def file_name(level: str) -> str:
    """Return a level of a mailbox name as a file name: no separator, no leading dot, and unquote() gives it back."""
    return re.sub(r"[%/\x00-\x1f\x7f]|^[.]", lambda found: f"%{ord(found[0]):02X}", level)


async def _take(account: IAccount, arguments: argparse.Namespace) -> tuple[int, int]:
    target = Path(arguments.target)
    if arguments.mailbox is not None:
        if arguments.format == "mbox" and arguments.target == "-":
            return await _to_mbox(account, arguments.mailbox, sys.stdout.buffer), 1
        return await _one(account, arguments.mailbox, target, arguments.format), 1
    count = mailboxes = 0
    for info in await account.mailboxes():
        if info.selectable:
            levels = [file_name(level) for level in info.name.split(account.namespaces[0].delimiter)]
            path = target.joinpath(*levels)
            if arguments.format == "mbox":
                path = path.with_name(path.name + ".mbox")
            count += await _one(account, info.name, path, arguments.format)
            mailboxes += 1
    return count, mailboxes


async def _one(account: IAccount, name: str, path: Path, form: str) -> int:
    if form == "eml":
        writer = eml.Writer(path)
        count = await _each(account, name, writer.write)
        writer.close()
        return count
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        count = await _to_mbox(account, name, file)
    draft.replace(path)
    return count


async def _to_mbox(account: IAccount, name: str, file: BinaryIO) -> int:
    return await _each(account, name, lambda uid, letter: cast(None, file.write(mbox.formatted(letter))))


async def _each(account: IAccount, name: str, write: Callable[[int, Letter], None]) -> int:
    """Call `write` with UID and message for each message of a mailbox; return how many there were."""
    mailbox = await account.open(name)
    snapshot = mailbox.snapshot
    count = at = 0
    uids = [Uid(uid) for uid in snapshot.uids]
    with _progress(len(uids), name) as bar:
        while at < len(uids):
            bodies = await mailbox.bodies(uids[at : at + BATCH_MESSAGES])
            part = uids[at : at + len(bodies)]
            at += len(bodies)
            records = await mailbox.read(part, Wanted(dates=True))
            dates = dict(zip(records.uids, records.dates, strict=True))
            for uid, body in zip(part, bodies, strict=True):
                if body is not None:
                    data = await _whole(body)
                    write(uid, Letter(data.replace(b"\r\n", b"\n"), snapshot.flags(uid) or frozenset(), dates.get(uid)))
                    count += 1
                bar.update()
    return count


async def _whole(body: Any) -> bytes:
    try:
        if body.whole is not None:
            return cast(bytes, body.whole)
        pieces: list[bytes] = []
        while (have := sum(map(len, pieces))) < body.size:
            pieces.append(await body.read(have, min(2**20, body.size - have)))
            if not pieces[-1]:
                break
        return b"".join(pieces)
    finally:
        body.close()
