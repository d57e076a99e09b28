"""Which mailboxes LIST and LSUB show, and how. Pure: rows of a mailbox list in, answers out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from mailhub.store.model import MailboxInfo
from mailhub.wire.imap.encode import mailbox, quoted

_WILDCARDS = re.compile(r"[%*]+")
TURN = 32
"""Names looked at between two turns of others."""
_SIMPLE = 2
"""Up to so many wildcards a regular expression is used; it could backtrack for long over more."""


class Pattern:
    """A list-mailbox pattern: "*" matches anything, "%" anything but the delimiter (RFC 3501 section 6.3.8).

    Matching takes time linear in name times pattern, whatever the pattern. INBOX matches in any case. `by_level` says
    whether "%" is in it."""

    def __init__(self, pattern: str, delimiter: str) -> None:
        self._delimiter = delimiter
        self._parts = [
            ("*" if "*" in part else "%") if part[0] in "%*" else part for part in re.split(r"([%*]+)", pattern) if part
        ]
        self.by_level = "%" in self._parts
        wild = {"*": ".*", "%": f"[^{re.escape(delimiter)}]*"}
        self._letters = sum(len(part) for part in self._parts if part[0] not in "%*")
        self._regex = None
        if len(_WILDCARDS.findall(pattern)) <= _SIMPLE:
            text = "".join(wild.get(part) or re.escape(part) for part in self._parts)
            self._regex = re.compile(text, re.DOTALL)

    def matches(self, name: str) -> bool:
        """Whether the pattern matches the full name."""
        if self._one(name):
            return True
        first, slash, rest = name.partition(self._delimiter)
        return first == "INBOX" and any(self._one(inbox + slash + rest) for inbox in self._inboxes())

    def _inboxes(self) -> Iterator[str]:
        """Spellings of INBOX that the pattern's own letters could mean."""
        head = self._parts[0] if self._parts else ""
        if head[:1].lower() == "i":
            word = head[:5]
            yield word + ("inbox" if word.islower() else "INBOX")[len(word) :]

    def _one(self, name: str) -> bool:
        if self._regex is not None:
            return self._regex.fullmatch(name) is not None
        if self._letters > len(name):
            return False
        # Bit n of an integer stands for the place before the n-th character, so that a step takes all places at once.
        places, found = 1, dict[str, int]()
        for part in self._parts:
            if part == "*":
                places = _from_first(places, (1 << len(name) + 1) - 1)
            elif part == "%":
                places = self._within_levels(places, name)
            else:
                if part not in found:
                    found[part] = _occurrences(part, name)
                places = (places & found[part]) << len(part)
            if not places:
                return False
        return bool(places >> len(name))

    def _within_levels(self, places: int, name: str) -> int:
        """Return the places that "%" leads to: from each up to the end of its level."""
        reached = start = 0
        while start <= len(name):
            end = name.find(self._delimiter, start)
            end = len(name) if end < 0 else end
            level = (1 << end + 1) - (1 << start)
            reached |= _from_first(places & level, level)
            start = end + 1
        return reached


def _from_first(places: int, within: int) -> int:
    """Return all places of `within` that are not before the first of `places`; none if there is none."""
    return within & -(places & -places) if places else 0


def _occurrences(part: str, name: str) -> int:
    """Return the places where `part` begins in `name`."""
    places, at = 0, name.find(part)
    while at >= 0:
        places |= 1 << at
        at = name.find(part, at + 1)
    return places


@frozen
class Asked:
    """What a LIST asks for, with options in upper case."""

    patterns: Sequence[Pattern]
    select: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    extended: bool = False


@frozen
class Line:
    """One mailbox of the answer."""

    name: str
    attributes: Sequence[str]
    has_status: bool = False
    """Whether LIST-STATUS gives its status: it can be selected, and was not only shown for what is below it
    (RFC 5819 section 2)."""
    childinfo: bool = False

    def render(self, delimiter: str, verb: bytes = b"LIST") -> bytes:
        extra = b' (CHILDINFO ("SUBSCRIBED"))' if self.childinfo else b""
        flags = " ".join(self.attributes).encode()
        return b"* %b (%b) %b %b%b\r\n" % (verb, flags, quoted(delimiter.encode()), mailbox(self.name), extra)


@frozen
class Mailboxes:
    """All that exists and all that is subscribed."""

    delimiter: str
    infos: Mapping[str, MailboxInfo]
    subscribed: frozenset[str] = field(default=frozenset())
    _parents: set[str] = field(init=False)

    @_parents.default
    def _find_parents(self) -> set[str]:
        return {above for name in self.infos for above in ancestors(name, self.delimiter)}

    def list(self, asked: Asked) -> Iterator[Line | None]:
        """Return the answer to a LIST (RFC 5258 section 3), with None now and then where others may have a turn."""
        names: Iterable[str] = self.infos
        if "SUBSCRIBED" in asked.select:
            names = self._with_subscribed("RECURSIVEMATCH" in asked.select)
        inside = self._above_chosen(asked) if "RECURSIVEMATCH" in asked.select else frozenset()
        for count, name in enumerate(names, 1):
            if not count % TURN:
                yield None
            if any(pattern.matches(name) for pattern in asked.patterns):
                line = self._line(name, asked, name in inside)
                if line is not None:
                    yield line

    def _with_subscribed(self, recursive: bool) -> Iterable[str]:
        extra = set(self.subscribed)
        if recursive:
            extra |= {above for name in self.subscribed for above in ancestors(name, self.delimiter)}
        return [*self.infos, *sorted(extra - self.infos.keys())]

    def _chosen(self, name: str, asked: Asked) -> bool:
        """Whether a mailbox meets the selection options."""
        if "SUBSCRIBED" in asked.select and name not in self.subscribed:
            return False
        info = self.infos.get(name)
        return "SPECIAL-USE" not in asked.select or (info is not None and bool(info.special_use))

    def _above_chosen(self, asked: Asked) -> frozenset[str]:
        """Names above a chosen mailbox, which get CHILDINFO; a name that is not chosen itself only if that mailbox is
        one that no pattern shows, since the answer would be redundant (RFC 5258 section 3.5)."""
        found: set[str] = set()
        for name in self.subscribed:
            if self._chosen(name, asked):
                shown = any(pattern.matches(name) for pattern in asked.patterns)
                found.update(
                    above for above in ancestors(name, self.delimiter) if not shown or self._chosen(above, asked)
                )
        return frozenset(found)

    def _line(self, name: str, asked: Asked, childinfo: bool) -> Line | None:
        info = self.infos.get(name)
        chosen = self._chosen(name, asked)
        if not chosen and not childinfo:
            return None
        attributes = []
        if name in self.subscribed and ("SUBSCRIBED" in asked.select or "SUBSCRIBED" in asked.returns):
            attributes.append("\\Subscribed")
        selectable = info is not None and info.exists and info.selectable
        if not selectable:
            level_only = info is not None and info.exists
            attributes.append("\\Noselect" if level_only or not asked.extended else "\\NonExistent")
        if info is not None and not info.inferiors:
            attributes.append("\\NoInferiors")
        elif "CHILDREN" in asked.returns:
            attributes.append("\\HasChildren" if name in self._parents else "\\HasNoChildren")
        if info is not None and ("SPECIAL-USE" in asked.returns or "SPECIAL-USE" in asked.select):
            attributes += sorted(info.special_use)
        return Line(name, attributes, selectable and chosen, childinfo)

    def lsub(self, pattern: Pattern) -> Iterator[Line]:
        """Return the answer to LSUB: a pattern with "%" shows a name above a subscribed one that it keeps out of sight
        as \\Noselect; other patterns show subscribed names alone (RFC 3501 section 6.3.9)."""
        found: dict[str, Line] = {}
        for name in self.subscribed:
            if pattern.matches(name):
                found[name] = Line(name, ())
            elif pattern.by_level:
                for above in ancestors(name, self.delimiter):
                    if above not in self.subscribed and pattern.matches(above):
                        found.setdefault(above, Line(above, ("\\Noselect",)))
        return iter([found[name] for name in sorted(found, key=lambda name: (name != "INBOX", name))])


def ancestors(name: str, delimiter: str) -> Iterator[str]:
    """Return the names of the levels above `name`."""
    at = name.find(delimiter)
    while at > 0:
        yield name[:at]
        at = name.find(delimiter, at + 1)
