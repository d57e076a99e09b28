"""The base subject of SORT and THREAD (RFC 5256 section 2.1)."""

from __future__ import annotations

import re

from attrs import frozen

from mailhub.message.folding import fold
from mailhub.message.words import decode_words

_SPACE = re.compile(rb"[ \t\r\n]+")
_BLOBS = re.compile(rb"(?:\[[^\[\]]*\] ?)*")
_REFWD = re.compile(rb"(?:RE|FWD?) ?(?:\[[^\[\]]*\] ?)?:")


@frozen
class BaseSubject:
    text: bytes
    """Folded: equal for equal base subjects, and to be sorted by."""
    reply: bool
    """Whether anything that marks a reply or a forward was taken away."""


def base_subject(value: bytes) -> BaseSubject:
    """Return the base subject of the value of a Subject field."""
    text = _SPACE.sub(b" ", fold(decode_words(value)))
    start, end, reply = 0, len(text), False
    while True:
        # (2) Take trailers away.
        trailing = end
        while trailing > start:
            if text[trailing - 1] == 0x20:
                trailing -= 1
            elif text.endswith(b"(FWD)", start, trailing):
                trailing -= 5
                reply = True
            else:
                break
        end = trailing
        start, led = _behind_leaders(text, start, end)
        reply = reply or led
        # (6) [Fwd: ...]
        if not (text.startswith(b"[FWD:", start, end) and text.endswith(b"]", start, end)):
            break
        start, end, reply = start + 5, end - 1, True
    return BaseSubject(text[start:end], reply)


def _behind_leaders(text: bytes, start: int, end: int) -> tuple[int, bool]:
    """Steps (3) to (5): return the offset behind leaders and blobs, and whether there was a "re" or "fwd".

    subj-leader = (*subj-blob subj-refwd) / WSP. The last blob stays if nothing would remain."""
    reply = False
    while start < end:
        if text[start] == 0x20:
            start += 1
            continue
        blobs = _BLOBS.match(text, start, end)
        behind = start if blobs is None else blobs.end()
        refwd = _REFWD.match(text, behind, end)
        if refwd is not None:
            start, reply = refwd.end(), True
        elif start < behind < end:
            start = behind
        elif behind == end and text.rfind(b"[", start, end) > start:
            start = text.rfind(b"[", start, end)
        else:
            break
    return start, reply
