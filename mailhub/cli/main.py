"""The console script `mailhub`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mailhub.cli import config, deliver, fsck, lab, mailbox, transfer, user
from mailhub.cli.common import EX_TEMPFAIL, EX_USAGE, CommandError, exit_status

COMMANDS = (user, deliver, mailbox, transfer, fsck, config, lab)


class Parser(argparse.ArgumentParser):
    """As argparse's, with the exit code of sysexits.h."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = Parser(prog="mailhub", description="Work on the mail of a mailhub, whether its server runs or not.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except CommandError as error:
        print(f"mailhub: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return EX_TEMPFAIL
    except BrokenPipeError:
        # Whoever read our answer has enough; nothing more can be said.
        sys.stderr.close()
        return 0
    except Exception as error:
        if (status := exit_status(error)) is None:
            raise
        print(f"mailhub: {error or type(error).__name__}", file=sys.stderr)
        return status


if __name__ == "__main__":
    sys.exit(main())
