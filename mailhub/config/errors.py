"""A mistake in the configuration, told so that it can be mended: where, which setting, what is wrong, what is right."""

from __future__ import annotations

from difflib import get_close_matches


class ConfigError(Exception):
    """Stops the start.

    `where` is a file name (with a line where one is known) or an option; `key` is "section.name" or ""."""

    def __init__(self, where: str, key: str, problem: str, allowed: str = "") -> None:
        self.where = where
        self.key = key
        self.problem = problem
        self.allowed = allowed
        super().__init__(
            ": ".join(part for part in (where, key, problem) if part) + (allowed and f"; allowed: {allowed}")
        )


def nearest(word: str, known: list[str]) -> str:
    """Return in words which of `known` may have been meant, or all of them."""
    close = get_close_matches(word, known, n=1)
    return f'"{close[0]}" perhaps' if close else ", ".join(sorted(known))
