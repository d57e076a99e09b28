"""Text for SEARCH: decoded and folded (RFC 3501 section 6.4.4).

BODY looks at the bodies of text/* and message/* parts, TEXT also at all headers, those of the parts included.
Other attachments, preambles, epilogues and boundary lines are not looked at (as in Dovecot). Parts are set apart by
a NUL, which no search string can hold, so nothing is found across two of them.
"""

from __future__ import annotations

import re

from mailhub.message.addresses import parse_addresses
from mailhub.message.folding import fold, fold_bytes
from mailhub.message.headers import values
from mailhub.message.message import Message
from mailhub.message.params import ContentType
from mailhub.message.rfc822 import is_atom
from mailhub.message.structure import MULTIPART, RFC822, Part
from mailhub.message.transfer import decode_leniently
from mailhub.message.words import codec_of, decode_charset, decode_words, is_ascii_superset

SEPARATOR = b"\0"
_SPACES = re.compile(rb"[ \t]+")
_LISTS = frozenset((b"from", b"to", b"cc", b"bcc"))


def body_text(message: Message) -> bytes:
    """Return the folded text that BODY searches."""
    found: list[bytes] = []
    _gather(message.data, message.root, found, False)
    return SEPARATOR.join(found)


def full_text(message: Message) -> bytes:
    """Return the folded text that TEXT searches."""
    found: list[bytes] = []
    _gather(message.data, message.root, found, True)
    return SEPARATOR.join(found)


def _gather(data: bytes, part: Part, found: list[bytes], headers: bool) -> None:
    if headers:
        found.append(_header_text(part))
    if part.kind in (MULTIPART, RFC822):
        for child in part.children:
            _gather(data, child, found, headers)
        return
    # Of several Content-Type fields the last one counts, unlike in BODYSTRUCTURE (as in Dovecot).
    content_type = part.type if part.content.last_type is part.content.type else part.content.last_type
    if content_type is None or (content_type.main.lower() in (b"text", b"message") and content_type.sub):
        text = part_text(data, part, content_type)
        if text:
            found.append(text)


def part_text(data: bytes, part: Part, content_type: ContentType | None) -> bytes:
    """Return the folded text of a leaf."""
    octets = decode_leniently(data[part.body : part.end], part.content.encoding)
    charset = content_type.param(b"charset") if content_type is not None and content_type.params else None
    codec = codec_of(charset) if charset else "utf-8"
    if octets.isascii() and is_ascii_superset(codec):
        return octets.upper()
    return fold(decode_charset(octets, codec))


def _header_text(part: Part) -> bytes:
    """Return a header, each field on one line, decoded and folded."""
    lines = []
    for _, raw in part.fields:
        if b"=?" in raw:
            lines.append(fold(decode_words(raw)))
        else:
            lines.append(fold_bytes(raw.replace(b"\r\n", b"") if b"\n" in raw else raw))
    return b"\r\n".join(lines).replace(b"\0", b"\xef\xbf\xbd") + b"\r\n"


def header_values(message: Message, name: bytes) -> bytes:
    """Return what HEADER `name` (lower case) searches: SEPARATOR and the folded value for each field.

    No field: no octets at all. From, To, Cc and Bcc are given twice, as an address list in normal form (what
    Dovecot's FROM looks at) and as written (what its HEADER From looks at). In Subject runs of space are one."""
    found = []
    for value in values(message.fields, name):
        text = fold(decode_words(value))
        if name in _LISTS:
            found.append(fold(decode_words(written_addresses(value))))
        elif name == b"subject":
            text = _SPACES.sub(b" ", text)
        found.append(text)
    return b"".join([SEPARATOR + text for text in found])


def contains(fact: bytes, wanted: bytes) -> bool:
    """Tell whether a HEADER fact has a field that contains `wanted`, a folded text that may be empty."""
    return bool(fact) and wanted in fact


def written_addresses(value: bytes) -> bytes:
    """Write an address list in normal form: "name" <mailbox@domain>, group: ...; separated by comma and space."""
    pieces: list[bytes] = []
    members: list[bytes] | None = None
    for name, route, mailbox, domain in parse_addresses(value):
        if domain is not None:
            written = _written(name, route, mailbox or b"", domain)
            (pieces if members is None else members).append(written)
        elif members is None:
            pieces.append(_phrase(mailbox or b"") + b": ")
            members = []
        else:
            pieces[-1] += b", ".join(members) + b";"
            members = None
    return b", ".join(pieces)


def _written(name: bytes | None, route: bytes | None, mailbox: bytes, domain: bytes) -> bytes:
    local = mailbox if is_atom(mailbox.replace(b".", b"")) else _quoted(mailbox)
    address = b"<" + (route + b":" if route else b"") + local + (b"@" + domain if domain else b"") + b">"
    return _phrase(name) + b" " + address if name else address


def _phrase(text: bytes) -> bytes:
    """Quote a display name unless it is one atom or holds encoded words."""
    return text if b"=?" in text or is_atom(text) else _quoted(text)


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
