"""Text made comparable: i;unicode-casemap (RFC 5051), as SEARCH, SORT and THREAD want it (RFC 5255 section 4).

Both sides of a comparison go through fold(): the message's text when it is indexed, the client's when it is
sought. Each letter becomes its title case, then what is composed is taken apart. Letters whose upper case would be
several letters, such as sharp s and ligatures, are only equal to themselves.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=1)
def _odd_letters() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return the letters that upper() would make several of, and what they are compared as."""
    letters = [chr(code) for code in range(0x80, 0x10000) if len(chr(code).upper()) > 1]
    titles = {letter: letter.title() if len(letter.title()) == 1 else letter for letter in letters}
    table = {letter: unicodedata.normalize("NFKD", title) for letter, title in titles.items()}
    return re.compile(f"([{''.join(letters)}])"), table


def fold(text: str) -> bytes:
    """Return the comparable form of `text` as UTF-8. Substrings of texts are found in the folded ones too."""
    if text.isascii():
        return text.upper().encode()
    pattern, table = _odd_letters()
    if pattern.search(text) is None:
        text = unicodedata.normalize("NFKD", text.upper())
    else:
        pieces = pattern.split(text)
        text = "".join([table.get(piece) or unicodedata.normalize("NFKD", piece.upper()) for piece in pieces])
    return text.encode("utf-8", "surrogatepass")


def fold_bytes(text: bytes) -> bytes:
    """Fold UTF-8; octets that are not become U+FFFD."""
    return text.upper() if text.isascii() else fold(text.decode("utf-8", "replace"))
