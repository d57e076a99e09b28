"""Threads from columns of keys: ORDEREDSUBJECT, REFERENCES and REFS (RFC 5256 section 3 and 4, draft-morg-inthread).

Pure functions. Rows come in the mailbox's order; what comes out names rows by their index. Where RFC 5256 leaves
order or ties open they fall as in Dovecot: by date, then by position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from attrs import frozen

from mailhub.message.dates import parse_date
from mailhub.message.headers import field_value
from mailhub.message.message import Message
from mailhub.message.rfc822 import MORE, Scanner
from mailhub.message.subject import base_subject

_SEPARATOR = b"\0"
_ID_STOP = re.compile(rb"[>\"(\[]")
_MOST_BROKEN = 10
"""So many broken ids with quotes or comments are looked at in one field: each may be read to the field's end."""
_SPACE = b" \t\r\n"

Thread = tuple[int | None, list["Thread"]]
"""A row's index (None: a message that is not here, only at the root), and its children in order."""


@frozen
class ThreadKeys:
    """What threading looks at in one message."""

    message_id: bytes
    """The first valid id of Message-ID without its angle brackets, or empty."""
    references: tuple[bytes, ...]
    """Ids of References, oldest first; of In-Reply-To the first one if there are none."""
    subject: bytes
    """Base subject, folded."""
    reply: bool
    """Whether the subject says that this is a reply or a forward."""
    sent: int | None
    """The Date field in seconds since the epoch; None: put the INTERNALDATE there before threading."""


def thread_keys(message: Message) -> bytes:
    """Return ThreadKeys as octets to keep; read them with parse_thread_keys()."""
    first: dict[bytes, bytes] = {}
    for name, raw in message.fields:
        if name in _WANTED and name not in first:
            first[name] = field_value(raw)
    identity = message_ids(first.get(b"message-id", b""), 1)
    references = message_ids(first.get(b"references", b"")) or message_ids(first.get(b"in-reply-to", b""), 1)
    subject = base_subject(first.get(b"subject", b""))
    sent = parse_date(first.get(b"date", b""))
    return _SEPARATOR.join(
        (
            identity[0] if identity else b"",
            b"\n".join(references),
            subject.text,
            b"1" if subject.reply else b"",
            b"" if sent is None else b"%d" % sent.seconds,
        )
    )


def parse_thread_keys(data: bytes) -> ThreadKeys:
    """Read what thread_keys() returned."""
    identity, references, subject, reply, sent = data.split(_SEPARATOR)
    ids = tuple(references.split(b"\n")) if references else ()
    return ThreadKeys(identity, ids, subject, bool(reply), int(sent) if sent else None)


def message_ids(value: bytes, most: int | None = None) -> list[bytes]:
    """Return the ids in a field, normalised: no angle brackets, no quotes, comments or space (RFC 5256 section 3).

    What is not "<" left "@" right ">" is passed over."""
    value = value.replace(b"\0", b"")
    found: list[bytes] = []
    at = broken = 0
    while (most is None or len(found) < most) and broken < _MOST_BROKEN:
        start = value.find(b"<", at) + 1
        stop = _ID_STOP.search(value, start) if start else None
        if stop is None:
            break
        if stop[0] == b">":
            at = stop.end()
            identity = value[start : stop.start()]
            if b"@" in identity:
                found.append(identity.translate(None, _SPACE))
            continue
        scanner = Scanner(value, start)
        odd = _odd_id(scanner)
        if odd is None:
            at = start
            broken += 1
        else:
            found.append(odd)
            at = scanner.pos
    return found


def _odd_id(scanner: Scanner) -> bytes | None:
    """msg-id with quoted string, comments or a domain literal."""
    scanner.skip()
    left, state = scanner.quoted() if scanner.peek() == b'"' else scanner.dot_atom()
    if state != MORE or scanner.peek() != b"@":
        return None
    right, state = scanner.domain()
    if state != MORE or scanner.peek() != b">":
        return None
    scanner.pos += 1
    return (left + b"@" + right).translate(None, _SPACE)


_WANTED = frozenset((b"message-id", b"references", b"in-reply-to", b"subject", b"date"))


def ordered_subject(rows: Sequence[ThreadKeys]) -> list[Thread]:
    """THREAD=ORDEREDSUBJECT: messages with one base subject under the earliest of them."""
    groups: dict[bytes, list[int]] = {}
    for index in sorted(range(len(rows)), key=lambda index: (rows[index].sent or 0, index)):
        groups.setdefault(rows[index].subject, []).append(index)
    return [(group[0], [(index, []) for index in group[1:]]) for group in groups.values()]


def references(rows: Sequence[ThreadKeys]) -> list[Thread]:
    """THREAD=REFERENCES."""
    return _Forest(rows).by_references()


def refs(rows: Sequence[ThreadKeys]) -> list[Thread]:
    """THREAD=REFS: as REFERENCES without looking at subjects; threads in order of their latest message."""
    return _Forest(rows).by_refs()


class _Node:
    __slots__ = ("children", "linked", "parent", "row")

    def __init__(self, row: int | None) -> None:
        self.row = row
        self.parent: _Node | None = None
        self.linked = False
        """Whether some node has this one as its parent."""
        self.children: list[_Node] = []


class _Root:
    __slots__ = ("merged", "node", "reply", "under")

    def __init__(self, node: _Node) -> None:
        self.node = node
        self.reply = False
        self.under: _Root | None = None
        """The root of the thread with the same subject that this one goes with."""
        self.merged = False
        """Whether it went there, and so is no root any more."""


class _Forest:
    """The tree of RFC 5256 section 3, REFERENCES, step by step."""

    __slots__ = ("dates", "nodes", "roots", "rows")

    def __init__(self, rows: Sequence[ThreadKeys]) -> None:
        self.rows = rows
        self.dates = [row.sent or 0 for row in rows]
        self.nodes: list[_Node] = []
        self._link()
        self._plant()

    def _link(self) -> None:
        """Step (1): link messages by their ids. A link that is there stays, and none may make a loop."""
        by_id: dict[bytes, _Node] = {}
        spare: list[_Node] = []
        for index, row in enumerate(self.rows):
            node = by_id.get(row.message_id) if row.message_id else None
            if node is None or node.row is not None:
                fresh = _Node(index)
                if node is None and row.message_id:
                    by_id[row.message_id] = fresh
                    self.nodes.append(fresh)
                else:
                    spare.append(fresh)
                node = fresh
            else:
                node.row = index
            parent: _Node | None = None
            for identity in row.references:
                child = by_id.get(identity)
                if child is None:
                    child = by_id[identity] = _Node(None)
                    self.nodes.append(child)
                if parent is not None:
                    _adopt(parent, child)
                parent = child
            if node.parent is not None and node.parent is not parent:
                node.parent = None
            if parent is not None:
                _adopt(parent, node)
        # Messages without an id of their own come behind the others where dates are equal (Dovecot).
        self.nodes += spare

    def _plant(self) -> None:
        """Steps (2) and (3): hang each message under the nearest one above it that is here; keep missing roots."""
        self.roots = [node for node in self.nodes if node.parent is None]
        for node in self.nodes:
            parent = node.parent
            if parent is None or node.row is None:
                continue
            while parent.row is None and parent.parent is not None:
                parent = parent.parent
            parent.children.append(node)

    def _date(self, node: _Node) -> tuple[int, int]:
        """Return what a node that is here is sorted by."""
        row = node.row or 0
        return self.dates[row], row

    def _sort_roots(self, roots: list[_Root]) -> list[_Root]:
        """Step (4): order by date, a missing root by its first child; put its only child in its place."""
        kept = []
        for root in roots:
            if root.merged:
                continue
            if root.node.row is None:
                if not root.node.children:
                    continue
                if len(root.node.children) == 1:
                    root.node = root.node.children[0]
            kept.append(root)
        kept.sort(key=lambda root: self._date(self._first(root.node)))
        return kept

    def _first(self, node: _Node) -> _Node:
        """Return the message that stands for a root: itself, or its earliest child."""
        return node if node.row is not None else min(node.children, key=self._date)

    def by_references(self) -> list[Thread]:
        roots = self._sort_roots([_Root(node) for node in self.roots])
        self._gather_subjects(roots)
        return self._threads([root.node for root in self._sort_roots(self._merge(roots))])

    def _gather_subjects(self, roots: list[_Root]) -> None:
        """Step (5) (A) and (B): find for each root another one with the same subject to go with."""
        table: dict[bytes, _Root] = {}
        for root in roots:
            keys = self.rows[self._first(root.node).row or 0]
            if not keys.subject:
                continue
            root.reply = keys.reply
            known = table.get(keys.subject)
            if known is None:
                table[keys.subject] = root
            elif known.node.row is not None and (root.node.row is None or (known.reply and not root.reply)):
                known.under = root
                table[keys.subject] = root
            else:
                root.under = known

    def _merge(self, roots: list[_Root]) -> list[_Root]:
        """Step (5) (C): bring threads with one subject together."""
        made: list[_Root] = []
        for root in roots:
            if root.under is None or root.merged:
                continue
            head = root.under
            while head.under is not None:
                head = head.under
            # Keep the way to the head short, however many threads share one subject.
            root.under = head
            if root.node.row is None:
                head.node.children += root.node.children
            elif head.node.row is None or (root.reply and not head.reply):
                head.node.children.append(root.node)
            else:
                # Neither answers the other: both go under a message that is not here.
                both = _Root(_Node(None))
                both.node.children = [head.node, root.node]
                head.under = both
                head.merged = True
                made.append(both)
            root.merged = True
        return roots + made

    def by_refs(self) -> list[Thread]:
        """Order by the latest message of each thread."""
        roots = [root for root in self.roots if root.row is not None or root.children]
        latest: dict[int, int] = {}
        for node in self.nodes:
            if node.row is None:
                continue
            top = node
            while top.parent is not None:
                top = top.parent
            latest[id(top)] = max(latest.get(id(top), 0), self.dates[node.row])
        roots.sort(key=lambda root: (latest.get(id(root), 0), -1 if root.row is None else root.row))
        return self._threads(roots)

    def _threads(self, roots: list[_Node]) -> list[Thread]:
        """Turn nodes into what is returned, children by date. Without recursion: threads may be deep."""
        result: list[Thread] = []
        work: list[tuple[list[_Node], list[Thread]]] = [(roots, result)]
        while work:
            nodes, target = work.pop()
            for node in nodes:
                below: list[Thread] = []
                target.append((node.row, below))
                if node.children:
                    work.append((sorted(node.children, key=self._date), below))
        return result


def _adopt(parent: _Node, child: _Node) -> None:
    """Make `parent` the parent of `child` unless it has one or that would make a loop."""
    if child.parent is not None or parent is child:
        return
    if child.linked:
        above: _Node | None = parent
        while above is not None:
            if above is child:
                return
            above = above.parent
    child.parent = parent
    parent.linked = True


def render(threads: Sequence[Thread], number: Callable[[int], int]) -> bytes:
    """Write thread-list (RFC 5256 section 5); `number` gives a row's message number or UID."""
    pieces: list[bytes] = []
    work: list[Thread | bytes] = [piece for thread in reversed(threads) for piece in (b")", thread, b"(")]
    while work:
        item = work.pop()
        if isinstance(item, bytes):
            pieces.append(item)
            continue
        row, children = item
        if row is not None:
            pieces.append(b"%d" % number(row))
        if len(children) == 1:
            work.append(children[0])
            if row is not None:
                work.append(b" ")
        elif children:
            if row is not None:
                pieces.append(b" ")
            work += [piece for child in reversed(children) for piece in (b")", child, b"(")]
    return b"".join(pieces)
