"""Directories for tests that Dovecot, running as another account, may enter."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase, TestCase


def scratch(test: SynchronousTestCase | TestCase) -> Path:
    """Return a new directory that is removed when the test ends."""
    path = Path(tempfile.mkdtemp(prefix="mailhub-test-"))
    path.chmod(0o755)
    test.addCleanup(shutil.rmtree, path, ignore_errors=True)
    return path


def octets(path: Path) -> bytes:
    """Return a path as the store wants it."""
    return os.fsencode(path)
