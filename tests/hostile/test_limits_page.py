"""docs/limits.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mailhub.config import settings
from mailhub.message.headers import HEADER_LIMIT
from mailhub.message.structure import MAX_DEPTH as PART_DEPTH
from mailhub.message.structure import MAX_PARTS
from mailhub.store.names import NAME_LIMIT
from mailhub.wire import pop3, smtp
from mailhub.wire.imap.list_grammar import MAX_PATTERNS
from mailhub.wire.imap.search_grammar import MAX_DEPTH, MAX_KEYS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "limits.md"
ROW = re.compile(r"^\|[^|]*\| ((?:`[a-z0-9]+\.[a-z_]+`(?:, )?)+) \| `([^`]+)`", re.MULTILINE)


class Page(SynchronousTestCase):
    def test_settings(self) -> None:
        """Each setting exists and has the default that the page gives."""
        values = settings.Settings()
        rows = ROW.findall(PAGE.read_text())
        self.assertGreater(len(rows), 15)
        for names, default in rows:
            for section, name in re.findall(r"`([a-z0-9]+)\.([a-z_]+)`", names):
                self.assertEqual(str(getattr(getattr(values, section), name)), default, name)

    def test_fixed(self) -> None:
        """The fixed limits are those of the code."""
        text = PAGE.read_text()
        for limit in (
            f"{pop3.LINE_LIMIT} octets",
            f"{smtp.LINE_LIMIT} octets",
            f"{smtp.ADDRESS_LIMIT} octets each",
            f"{MAX_DEPTH} deep",
            f"| {MAX_KEYS} |",
            f"| {MAX_PATTERNS} |",
            f"{MAX_PARTS:,}, nested {PART_DEPTH} deep",
            f"{HEADER_LIMIT // 2**20} MiB for all of a message",
            f"{NAME_LIMIT} characters",
        ):
            self.assertIn(limit, text)
