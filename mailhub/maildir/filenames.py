"""Names of message files: `<base>:2,<flags>`, where the base name says which message it is and the rest its flags.

    1795401575.M73609P8294.vm,S=19,W=22:2,Sab
    <------------- base -------------->:<info>

A mailbox of 100,000 messages has 100,000 of these and there are only a few dozen different infos. So a name is
split with one `partition`, and an info is understood once and remembered. Names are bytes (see disk.py).

Letters D F R S T are the system flags, a to z keywords by their number in dovecot-keywords; other letters belong to
other programs and are kept, as is everything after a second comma. Written names have their letters in ASCII order, as
Dovecot's.
Source: the Maildir format, https://cr.yp.to/proto/maildir.html, and Dovecot's additions.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable
from functools import lru_cache

from attrs import frozen

from mailhub.store.model import ANSWERED, DELETED, DRAFT, FLAGGED, NO_FLAGS, SEEN, Flags

FLAG_OF_LETTER: dict[int, str] = {
    ord("D"): DRAFT,
    ord("F"): FLAGGED,
    ord("R"): ANSWERED,
    ord("S"): SEEN,
    ord("T"): DELETED,
}
LETTER_OF_FLAG: dict[str, int] = {flag: letter for letter, flag in FLAG_OF_LETTER.items()}

KEYWORD_LETTERS = b"abcdefghijklmnopqrstuvwxyz"

_SIZE = re.compile(rb",S=(\d+)(?=[:,]|$)")
_VIRTUAL_SIZE = re.compile(rb",W=(\d+)(?=[:,]|$)")
_BOTH_SIZES = re.compile(rb"[^,:]*,S=(\d+),W=(\d+)(?=[:,]|$)")
_ARRIVAL = re.compile(rb"(\d*)(?:\.M?(\d+))?")


@frozen
class Info:
    """What the part of a file name after the colon says."""

    flags: Flags = NO_FLAGS
    """System flags."""
    keywords: bytes = b""
    """Keyword letters, sorted."""
    others: bytes = b""
    """Letters that mean nothing to us, sorted."""
    tail: bytes = b""
    """From the second comma on, as it stands."""


NO_INFO = Info()


def split_info(name: bytes) -> tuple[bytes, bytes]:
    """Return base name and info, which is empty where there is no colon."""
    base, _, info = name.partition(b":")
    return base, info


@lru_cache(maxsize=4096)
def parse_info(info: bytes) -> Info:
    """Understand the info of a name. One that does not begin with "2," says nothing and is not kept."""
    if not info.startswith(b"2,"):
        return NO_INFO
    letters, comma, tail = info[2:].partition(b",")
    present = bytes(sorted(set(letters)))
    return Info(
        flags=frozenset(FLAG_OF_LETTER[letter] for letter in present if letter in FLAG_OF_LETTER),
        keywords=bytes(letter for letter in present if letter in KEYWORD_LETTERS),
        others=bytes(letter for letter in present if letter not in FLAG_OF_LETTER and letter not in KEYWORD_LETTERS),
        tail=comma + tail,
    )


@lru_cache(maxsize=4096)
def build_info(info: Info) -> bytes:
    """Return what stands after the colon, beginning with "2,"."""
    letters = [LETTER_OF_FLAG[flag] for flag in info.flags if flag in LETTER_OF_FLAG]
    return b"2," + bytes(sorted({*letters, *info.keywords, *info.others})) + info.tail


def join_info(base: bytes, info: Info) -> bytes:
    """Return the name of message `base` with `info`."""
    return base + b":" + build_info(info)


def stated_sizes(name: bytes) -> tuple[int | None, int | None]:
    """Return the octets on the disk (,S=) and with CRLF line ends (,W=) that a name states, or None for either."""
    both = _BOTH_SIZES.match(name)
    if both:
        return int(both[1]), int(both[2])
    size, virtual = _SIZE.search(name), _VIRTUAL_SIZE.search(name)
    return int(size[1]) if size else None, int(virtual[1]) if virtual else None


def with_sizes(base: bytes, size: int, virtual_size: int) -> bytes:
    """Return a base name that states its sizes."""
    return b"%b,S=%d,W=%d" % (base, size, virtual_size)


def corrected(name: bytes, size: int) -> bytes:
    """Return the name a file gets whose ,S= is wrong: sizes dropped, the right one stated, the info kept."""
    base, colon, info = name.partition(b":")
    return b"%b,S=%d%b%b" % (base.partition(b",")[0], size, colon, info)


def arrival(name: bytes) -> tuple[int, int, bytes]:
    """Return a key that sorts new messages as Dovecot numbers them: second, microsecond, name."""
    found = _ARRIVAL.match(name)
    assert found is not None  # the pattern matches the empty string too
    return int(found[1] or 0), int(found[2] or 0), name


def is_message(name: bytes) -> bool:
    """Whether a directory entry of cur/ or new/ may be a message: no dot file, no base that is empty, no line end."""
    return name[:1] not in (b".", b":", b"") and b"\n" not in name and b"\r" not in name


class NameMaker:
    """Makes base names that are unique on this host. May be called from several threads.

    host, pid, clock: for tests; clock gives seconds since the epoch.
    """

    def __init__(self, host: str | None = None, pid: int | None = None, clock: Callable[[], float] = time.time) -> None:
        name = socket.gethostname() if host is None else host
        self._host = name.encode("utf-8", "surrogateescape").replace(b"/", b"\\057").replace(b":", b"\\072")
        self._host = self._host.replace(b",", b"\\054")
        self._pid = pid
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def make(self) -> bytes:
        """Return `<secs>.M<usecs>P<pid>.<host>`, later in time than every one before."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock() * 1_000_000))
            seconds, micros = divmod(self._last, 1_000_000)
        return b"%d.M%dP%d.%b" % (seconds, micros, self._pid or os.getpid(), self._host)
