"""Mailbox names on the disk: a level of a name in Unicode <-> octets of a directory name.

On the disk levels are in modified UTF-7 as clients write them, or in UTF-8 where the mail location says so. Only
canonical spellings are understood: a directory with another spelling cannot be reached under any name (the same name
spells differently when written), so it is not listed. Dovecot lists such directories but cannot open them either.
"""

from __future__ import annotations

import re

from mailhub.store.errors import BadMailboxName
from mailhub.wire.imap import mutf7

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LevelCodec:
    """Spells levels. `utf8`: in UTF-8 rather than modified UTF-7."""

    def __init__(self, utf8: bool = False) -> None:
        self._utf8 = utf8

    def encode(self, level: str) -> bytes:
        """Return the octets of a level. Raises BadMailboxName for what cannot be written."""
        try:
            return level.encode("utf-8") if self._utf8 else mutf7.encode(level)
        except ValueError:
            raise BadMailboxName("Mailbox name is not valid Unicode") from None

    def decode(self, octets: bytes) -> str:
        """Return the level that is spelled so. Raises ValueError for a spelling that encode() never gives."""
        level = octets.decode("utf-8") if self._utf8 else mutf7.decode(octets)
        if _CONTROL.search(level):
            raise ValueError("control character in a mailbox name")
        return level
