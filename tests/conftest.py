"""What pytest does around every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run in a folder of our own: trial's mktemp() makes its folders in the working directory."""
    folder: Path = tmp_path_factory.mktemp("trial")
    for above in (folder, *folder.parents):
        status = above.stat()
        if status.st_uid == folder.stat().st_uid and status.st_mode & 0o005 != 0o005:
            above.chmod(status.st_mode | 0o005)  # other accounts run peers in there
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield
