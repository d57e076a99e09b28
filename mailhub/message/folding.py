"""Text made comparable: i;unicode-casemap (RFC 5051), as SEARCH, SORT and THREAD want it (RFC 5255 section 4).

Both sides of a comparison go through fold(): the message's text when it is indexed, the client's when it is
sought. Each letter becomes its title case, then what is composed is taken apart. Letters whose upper case would be
several letters, such as sharp s and ligatures, are only equal to themselves.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ASCII = bytes(range(128))
_RUN = re.compile(rb"[\x80-\xff]+")
_SHORT = 64
"""Octets of a run up to which its form is remembered."""
_FEW = 16
"""Different letters above ASCII up to which they are folded one by one."""


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
    octets = text.encode("utf-8", "surrogatepass")
    rare = octets.translate(None, _ASCII)
    if len(rare) < len(octets) // 48:
        return _fold_runs(octets, rare)
    if len(rare) < len(octets) // 8 and len(chars := set(rare.decode("utf-8", "surrogatepass"))) <= _FEW:
        # Most letters are ASCII, the others few: each of those is replaced where it stands. UTF-8 never has the octets
        # of one character within those of others.
        pairs = [_alone(char) for char in chars]
        if None not in pairs:
            octets = octets.upper()
            for pair in pairs:
                if pair is not None:
                    octets = octets.replace(*pair)
            return octets
    return _fold(text).encode("utf-8", "surrogatepass")


def _fold_runs(octets: bytes, rare: bytes) -> bytes:
    """Fold UTF-8 of which only the octets `rare` are above ASCII: where the next of them is, is quickly found. What is
    composed is taken apart within a run; a letter before it does not change that."""
    upper = octets.upper()
    pieces: list[bytes] = []
    seen = at = 0
    while seen < len(rare):
        start = octets.find(rare[seen], at)
        run = _RUN.match(octets, start)
        assert run is not None
        pieces += (upper[at:start], _fold_short(run[0]) if len(run[0]) <= _SHORT else _fold_run(run[0]))
        at = run.end()
        seen += at - start
    pieces.append(upper[at:])
    return b"".join(pieces)


def _fold_run(run: bytes) -> bytes:
    return _fold(run.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")


_fold_short = lru_cache(maxsize=1024)(_fold_run)


def _fold(text: str) -> str:
    pattern, table = _odd_letters()
    if pattern.search(text) is None:
        return unicodedata.normalize("NFKD", text.upper())
    pieces = pattern.split(text)
    return "".join([table.get(piece) or unicodedata.normalize("NFKD", piece.upper()) for piece in pieces])


@lru_cache(maxsize=1024)
def _alone(char: str) -> tuple[bytes, bytes] | None:
    """Return a character above ASCII and its folded form, or None if that depends on what stands around it or is
    folded further."""
    folded = _fold(char)
    if unicodedata.combining(folded[0]) or any(_fold(each) != each for each in folded if not each.isascii()):
        return None
    return char.encode("utf-8", "surrogatepass"), folded.encode("utf-8", "surrogatepass")


def fold_bytes(text: bytes) -> bytes:
    """Fold UTF-8; octets that are not become U+FFFD."""
    return text.upper() if text.isascii() else fold(text.decode("utf-8", "replace"))
