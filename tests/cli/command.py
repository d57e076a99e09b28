"""Runs the `mailhub` command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]


@frozen
class Done:
    """What a command did."""

    status: int
    out: bytes
    error: str


def mailhub(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    """Run `mailhub ARGUMENTS`; return exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "mailhub.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
