"""The ready file: written once every port listens, so that whoever started the server knows where it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write(path: Path, ports: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write `{"pid": N, "imap": [{"host": ..., "port": N}], ...}` in one step: a reader sees all of it or nothing.

    Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), **ports}) + "\n", encoding="ascii")
    draft.replace(path)


def remove(path: Path) -> None:
    """Take the ready file away. One that another process wrote, or none, is left as it is."""
    try:
        if json.loads(path.read_text(encoding="ascii"))["pid"] == os.getpid():
            path.unlink()
    except (OSError, ValueError, LookupError, TypeError):
        pass
