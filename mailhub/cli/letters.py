"""A message outside of a store, as import and export carry it."""

from __future__ import annotations

from attrs import field, frozen

from mailhub.store.model import NO_FLAGS, Flags


@frozen
class Letter:
    """One message."""

    data: bytes = field(repr=False)
    """With LF line ends, as files have them."""
    flags: Flags = NO_FLAGS
    date: int | None = None
    """The internal date, seconds since the epoch."""
