"""The generator of realistic mail, if it lies beside the checkout; tests that need it skip without it."""

from __future__ import annotations

import importlib.util
import unittest
from pathlib import Path
from types import ModuleType

BENCH = Path(__file__).resolve().parents[2] / "shared" / "bench"


def corpus() -> ModuleType:
    """Return the corpus module: message(number, profile), write_maildir(path, count, profile, seed)."""
    path = BENCH / "corpus.py"
    if not path.exists():
        raise unittest.SkipTest("the corpus generator is not beside the checkout")
    spec = importlib.util.spec_from_file_location("corpus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
