"""`mailhub config show`: what is in force and where each value came from; `mailhub config sample`."""

from __future__ import annotations

import argparse
import sys

from mailhub.cli.common import EX_OK, add_common, loaded
from mailhub.config.text import in_force, sample


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("config", help="show the configuration")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="print every setting in force, and where its value came from")
    add_common(show)
    show.set_defaults(run=_show)
    actions.add_parser("sample", help="print a commented file with every default").set_defaults(run=_sample)


def _show(arguments: argparse.Namespace) -> int:
    sys.stdout.write(in_force(loaded(arguments)))
    return EX_OK


def _sample(arguments: argparse.Namespace) -> int:
    sys.stdout.write(sample())
    return EX_OK
