"""The MIME tree of a message, by offsets (RFC 2045, RFC 2046).

One pass over the octets. While one boundary is open, which is nearly always, it is looked for as it is; with more, all
lines that begin with "--" are found by one pattern, and each is compared with the boundaries that are open there. No
part copies its body. Where the standards leave a choice, Dovecot's is taken:

- A boundary matches a line that begins with it; of several the longest wins, of equal ones the innermost.
- The line end before a boundary belongs to the boundary, even if it is the end of the header.
- An outer boundary closes all multiparts inside. A missing final boundary closes everything at the end.
- At most MAX_PARTS parts, nested at most MAX_DEPTH deep; a container beyond that is application/octet-stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailhub.message.content import NOTHING, Content, content_of
from mailhub.message.headers import HEADER_LIMIT, Field, split_block
from mailhub.message.params import ContentType

MAX_DEPTH = 100
MAX_PARTS = 10_000
_MAX_BOUNDARY = 80
_LEAST_HEADER = 1024
"""Octets of a part's header that are looked at even where HEADER_LIMIT is used up."""

_DASHES = re.compile(rb"\n--")

TEXT = 1
MULTIPART = 2
RFC822 = 3
OTHER = 4


class Part:
    """A part: its header is data[start:body], its body data[body:end]."""

    __slots__ = (
        "_fields",
        "body",
        "children",
        "content",
        "depth",
        "digest",
        "end",
        "header",
        "kind",
        "mime",
        "parent",
        "start",
        "type",
    )

    def __init__(self, parent: Part | None, start: int) -> None:
        self.parent = parent
        """None once the tree is complete, so that it goes as soon as nobody needs it."""
        self.start = start
        self.body = start
        self.end = start
        self.kind = TEXT
        """TEXT, MULTIPART, RFC822 (then there is one child, the message inside) or OTHER."""
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.mime = parent is not None and parent.kind == MULTIPART
        """Whether Content- fields count: there is a MIME-Version or Content-Type, or the part is in a multipart."""
        self.digest = False
        self.header = b""
        """Its octets, as many as are looked at."""
        self.content: Content = NOTHING
        self.type: ContentType | None = None
        """That of `content`, but for containers of which there are too many."""
        self.children: list[Part] = []
        self._fields: list[Field] | None = None

    @property
    def fields(self) -> list[Field]:
        """The fields of the header, in order."""
        fields = self._fields
        if fields is None:
            fields = self._fields = split_block(self.header)
        return fields


def parse_structure(data: bytes, header: bytes) -> Part:
    """Return the tree of `data`, which has CRLF line ends and begins with `header` (Message.header).

    Never raises; time is linear in len(data)."""
    return _Parser(data).parse(header)


class _Parser:
    __slots__ = ("blank", "count", "dashes", "data", "lines", "open", "parts", "room", "single", "size", "texts")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.open: list[tuple[bytes, Part]] = []
        """Boundaries that may come, outermost first, with the multipart each separates."""
        self.texts: tuple[bytes, ...] = ()
        self.blank = -1
        """Offset of the first CRLF CRLF at or behind what was read: found once, not again for each part."""
        self.dashes = -1
        """The same for the first line that begins with "--"; `lines` gives those behind it."""
        self.lines: Iterator[re.Match[bytes]] | None = None
        self.single = -1
        """The same for the next line with the outermost boundary, while no other is open. That boundary is never
        replaced by another: once it is closed, nothing is open until the end."""
        self.count = 1
        self.parts: list[Part] = []
        """Those inside others."""
        self.room = HEADER_LIMIT
        """Octets of headers that will still be looked at."""

    def parse(self, header: bytes) -> Part:
        root = Part(None, 0)
        root.header = header
        part: Part | None = root
        while part is not None:
            part = self._read(part)
        for part in self.parts:
            part.parent = None
        return root

    def _read(self, part: Part) -> Part | None:
        """Read the part's header, and on to where the next part begins; return that, or None at the end."""
        line = self._header(part)
        inner = self._child(part, part.body) if part.kind == RFC822 else None
        if line < 0:
            if inner is not None:
                return inner
            return self._body(part, part.body) if self.open else self._close(part, None, self.size)
        # A boundary cut the header short; the line end before it is still in the parts around this one.
        part.end = part.body
        if inner is not None:
            inner.end = inner.body
        owner, text = self._match(line)
        self._close(part.parent, owner, line)
        return self._behind(owner, text, line)

    def _header(self, part: Part) -> int:
        """Read the header of `part`; return the boundary line that cut it short, or -1."""
        data, start = self.data, part.start
        if data.startswith(b"\r\n", start):
            end, complete = start + 2, True
        else:
            if self.blank < start:
                found = data.find(b"\r\n\r\n", start)
                self.blank = self.size if found < 0 else found
            complete = self.blank < self.size
            end = self.blank + 4 if complete else self.size
        line = self._next_boundary(start, end) if self.open else -1
        if line >= 0:
            part.body = max(line - 2, start)
            self._take_header(part)
            _describe(part, self.count >= MAX_PARTS)
            return line
        part.body = end
        if part.parent is not None:
            self._take_header(part)
        _describe(part, self.count >= MAX_PARTS)
        if part.kind == MULTIPART and complete and part.type is not None:
            boundary = part.type.param(b"boundary")
            if boundary is not None:
                self._push(boundary[:_MAX_BOUNDARY], part)
        if data.startswith(b"--", end) and self.open and data.startswith(self.texts, end + 2):
            owner, _ = self._match(end)
            if owner is not part and self.count < MAX_PARTS:
                part.body = end - 2
                return end
        return -1

    def _take_header(self, part: Part) -> None:
        """Take the header of a part, which was found, and charge it to the message."""
        start = part.start
        size = part.body - start
        limit = max(self.room, _LEAST_HEADER)
        self.room -= size
        part.header = self.data[start : start + min(size, limit)]

    def _body(self, part: Part, resume: int) -> Part | None:
        """Go from `resume`, in the body of `part`, to the next part; return that, or None at the end."""
        line = self._next_boundary(resume, self.size) if self.open else -1
        if line < 0:
            return self._close(part, None, self.size)
        owner, text = self._match(line)
        self._close(part, owner, line if line == resume else line - 2)
        return self._behind(owner, text, line)

    def _behind(self, owner: Part, text: bytes, line: int) -> Part | None:
        """Go on behind the boundary of `owner` at `line`: to its next part, or through its epilogue."""
        count = len(self.open)
        while self.open[-1][1] is not owner:
            self.open.pop()
        end = line + 2 + len(text)
        final = self.data.startswith(b"--", end)
        if final:
            self.open.pop()
        if len(self.open) < count:
            self.texts = tuple([text for text, _ in self.open])
        newline = self.data.find(b"\n", end)
        if newline < 0:
            return self._close(owner, None, self.size)
        return self._body(owner, newline + 1) if final else self._child(owner, newline + 1)

    def _push(self, boundary: bytes, part: Part) -> None:
        self.open.append((boundary, part))
        self.texts = (*self.texts, boundary)

    def _child(self, parent: Part, start: int) -> Part:
        child = Part(parent, start)
        parent.children.append(child)
        self.parts.append(child)
        self.count += 1
        return child

    def _close(self, part: Part | None, owner: Part | None, end: int) -> Part | None:
        """End `part` and the parts around it that are inside `owner`; return `owner`."""
        while part is not None and part is not owner:
            part.end = end
            part = part.parent
        return owner

    def _next_boundary(self, start: int, end: int) -> int:
        """Return the offset of the first boundary line in start..end, or -1."""
        if self.count >= MAX_PARTS:
            return -1
        data, texts = self.data, self.texts
        if len(texts) == 1:
            line = self.single
            if line < start:
                found = data.find(b"\n--" + texts[0], start - 1)
                line = self.single = self.size if found < 0 else found + 1
            return line if line < end else -1
        return self._next_of_several(start, end)

    def _next_of_several(self, start: int, end: int) -> int:
        data, texts, line = self.data, self.texts, self.dashes
        while True:
            if line < start:
                if self.lines is None:
                    self.lines = _DASHES.finditer(data, start - 1)
                dashes = next(self.lines, None)
                line = self.size if dashes is None else dashes.end() - 2
                continue
            if line >= end or data.startswith(texts, line + 2):
                break
            start = line + 1
        self.dashes = line
        return line if line < end else -1

    def _match(self, line: int) -> tuple[Part, bytes]:
        """Return the multipart whose boundary the line at `line` is, and the boundary."""
        if len(self.open) == 1:
            text, owner = self.open[0]
            return owner, text
        data, start = self.data, line + 2
        newline = data.find(b"\n", start, start + _MAX_BOUNDARY + 6)
        length = (newline if newline >= 0 else min(self.size, start + _MAX_BOUNDARY + 4)) - start
        if newline > start and data[newline - 1] == 0x0D:
            length -= 1
        dashes = length >= 2 and data.startswith(b"--", start + length - 2)
        best: tuple[bytes, Part] | None = None
        for entry in reversed(self.open):
            text = entry[0]
            if data.startswith(text, start) and (best is None or len(best[0]) < len(text)):
                best = entry
                if len(text) == length or (dashes and len(text) == length - 2):
                    break
        text, owner = best if best is not None else self.open[-1]
        return owner, text


def _describe(part: Part, full: bool) -> None:
    """Set what the header says about the part. `full`: there is room for no other part."""
    part.content = content = content_of(part.header)
    if content.mime:
        part.mime = True
    if content.type is None:
        digest = part.parent is not None and part.parent.digest
        part.kind = RFC822 if digest else TEXT
        return
    part.type = content.type
    main = content.main
    if (full or part.depth >= MAX_DEPTH) and _contains(main, content.sub):
        part.type = ContentType(b"application", b"octet-stream", content.type.params)
        main = b"application"
    if main == b"text":
        part.kind = TEXT
    elif main == b"multipart":
        part.kind = MULTIPART
        part.digest = content.sub == b"digest"
    elif main == b"message" and content.sub == b"rfc822":
        part.kind = RFC822
    else:
        part.kind = OTHER


def _contains(main: bytes, sub: bytes) -> bool:
    """Tell whether a type in lower case is one that holds other parts."""
    return main == b"multipart" or (main == b"message" and sub == b"rfc822")
