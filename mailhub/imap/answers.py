"""What a command leaves behind for the session to send."""

from __future__ import annotations

from attrs import frozen

from mailhub.imap.errors import Refusal


@frozen(eq=False)
class Answer:
    """The answer to one of several commands that were run together."""

    untagged: bytes = b""
    text: bytes = b""
    """What follows "OK ", if it went well."""
    refusal: Refusal | None = None
