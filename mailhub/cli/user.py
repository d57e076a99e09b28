"""`mailhub user add|passwd|list|remove`: the passwd-file."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from mailhub.auth import editing, schemes
from mailhub.auth.passwdfile import BrokenLine, parse_line
from mailhub.cli.common import EX_CANTCREAT, EX_CONFIG, EX_OK, EX_USAGE, CommandError, add_common, loaded, say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("user", help="change the passwd-file")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, run, text in (
        ("add", _add, "add a user"),
        ("passwd", _passwd, "give a user a new password"),
        ("remove", _remove, "take a user out; their mail stays"),
        ("list", _list, "print users and the schemes of their passwords"),
    ):
        action = actions.add_parser(name, help=text)
        add_common(action)
        action.set_defaults(run=run)
        if name != "list":
            action.add_argument("user", metavar="USER")
        if name in ("add", "passwd"):
            action.add_argument("--scheme", default="SHA512-CRYPT", metavar="SCHEME", help=", ".join(schemes.MADE))
            action.add_argument(
                "--password-stdin", action="store_true", help="read the password from a line of standard input"
            )
        if name == "add":
            action.add_argument("--home", default="", metavar="DIR", help="home folder (%%h and ~ in mail templates)")
            action.add_argument("--extra", default="", metavar="FIELDS", help="extra fields, such as userdb_mail=...")


def _file(arguments: argparse.Namespace) -> Path:
    users = loaded(arguments).settings.auth.users
    if users is None:
        raise CommandError("no passwd-file: give --users FILE, or set auth.users in --config FILE", EX_CONFIG)
    return Path(users)


def _password(arguments: argparse.Namespace) -> str:
    """Ask for a password, or read it; return it hashed."""
    if arguments.password_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            password = getpass.getpass("Password: ")
            again = getpass.getpass("Again: ")
        except EOFError:
            raise CommandError("no password was typed", EX_USAGE) from None
        if again != password:
            raise CommandError("the two are not the same", EX_USAGE)
    if not password:
        raise CommandError("an empty password lets nobody in", EX_USAGE)
    try:
        return schemes.make(password.encode(), arguments.scheme)
    except schemes.SchemeError as error:
        raise CommandError(str(error), EX_USAGE) from None


def _edited(work: object) -> int:
    try:
        work()  # type: ignore[operator]
    except editing.EditError as error:
        raise CommandError(str(error), EX_USAGE) from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", EX_CANTCREAT) from None
    return EX_OK


def _add(arguments: argparse.Namespace) -> int:
    path, password = _file(arguments), _password(arguments)
    return _edited(lambda: editing.add(path, arguments.user, password, arguments.home, arguments.extra))


def _passwd(arguments: argparse.Namespace) -> int:
    path, password = _file(arguments), _password(arguments)
    return _edited(lambda: editing.set_password(path, arguments.user, password))


def _remove(arguments: argparse.Namespace) -> int:
    path = _file(arguments)
    return _edited(lambda: editing.remove(path, arguments.user))


def _list(arguments: argparse.Namespace) -> int:
    path = _file(arguments)
    try:
        lines = path.read_text("utf-8", "surrogateescape").split("\n")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", EX_CONFIG) from None
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_line(line)
        except BrokenLine as error:
            print(f"{path}:{number}: {error}", file=sys.stderr)
            continue
        if entry is not None:
            scheme = schemes.split(entry.password)[0] if entry.password else "no password"
            say(f"{line.partition(':')[0]}\t{scheme}")
    return EX_OK
