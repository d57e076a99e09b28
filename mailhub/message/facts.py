"""Facts: named pure functions of a message, whose results a store may keep.

A store can cache what protocols need (an ENVELOPE ready to send, the text that SEARCH looks through)
without knowing any protocol: it keeps `fact.key -> bytes` and calls `fact.make` where it has none. The key
names the algorithm's version, so that a corrected algorithm never meets bytes of the old one.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from mailhub.message.message import Message


@frozen
class Fact:
    """One thing to know about a message."""

    key: str
    """Names the function, its parameters and its version, such as "envelope/1"."""
    make: Callable[[Message], bytes] = field(eq=False, repr=False)
    """Never raises, whatever the message holds; its time is linear in the message's size."""
    keep: bool = True
    """Whether a store should cache the result."""
