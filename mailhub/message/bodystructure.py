"""BODY and BODYSTRUCTURE as octets ready to send (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from mailhub.message.content import NOTHING, Content
from mailhub.message.envelope import envelope
from mailhub.message.headers import Field, field_value
from mailhub.message.params import (
    ContentType,
    Params,
    parse_disposition,
    parse_encoding,
    parse_languages,
)
from mailhub.message.quote import nstring, unfolded
from mailhub.message.structure import MULTIPART, RFC822, TEXT, Part

_CHARSET = b'"charset" "us-ascii"'
_EMPTY = b'("text" "plain" (' + _CHARSET + b') NIL NIL "7bit" 0 0%s)'
_TEXT_PLAIN = b'"text" "plain"'


class _Described:
    """What the Content- fields of a part say. Of several fields the first counts."""

    __slots__ = ("description", "disposition", "encoding", "identity", "languages", "location", "md5")

    def __init__(self, fields: list[Field]) -> None:
        self.identity: bytes | None = None
        self.description: bytes | None = None
        self.encoding: bytes | None = None
        self.md5: bytes | None = None
        self.disposition: ContentType | None = None
        self.languages: tuple[bytes, ...] = ()
        self.location: bytes | None = None
        for name, raw in fields:
            if not name.startswith(b"content-") or name == b"content-type":
                continue
            if name == b"content-transfer-encoding":
                if self.encoding is None:
                    self.encoding = parse_encoding(field_value(raw))
            elif name == b"content-disposition":
                # Dovecot takes a later one as long as none had parameters.
                if self.disposition is None or not self.disposition.params:
                    self.disposition = parse_disposition(field_value(raw)) or self.disposition
            elif name == b"content-id":
                if self.identity is None:
                    self.identity = field_value(raw)
            elif name == b"content-description":
                if self.description is None:
                    self.description = field_value(raw)
            elif name == b"content-md5":
                if self.md5 is None:
                    self.md5 = field_value(raw)
            elif name == b"content-language":
                if not self.languages:
                    self.languages = parse_languages(field_value(raw))
            elif name == b"content-location" and self.location is None:
                self.location = field_value(raw)


def body(data: bytes, root: Part) -> bytes:
    """Return BODY: the structure without extension data."""
    return b"(%s)" % _structure(data, root, False)


def bodystructure(data: bytes, root: Part) -> bytes:
    """Return BODYSTRUCTURE: with extension data."""
    return b"(%s)" % _structure(data, root, True)


def _structure(data: bytes, part: Part, extended: bool) -> bytes:
    content = part.content if part.mime else NOTHING
    if part.kind == MULTIPART and part.type is not None:
        if part.children:
            inner = b"".join([b"(%s)" % _structure(data, child, extended) for child in part.children])
        else:
            inner = _EMPTY % (b" NIL NIL NIL NIL" if extended else b"")
        text = b"%s %s" % (inner, nstring(part.type.sub))
        if not extended:
            return text
        return text + b" " + _params(part.type.params, False) + _common(_Described(content.fields))
    if part.kind == RFC822 or part.type is not content.type:
        front, behind = _around(content, part.type, part.kind == RFC822)
    else:
        front, behind = content.shown or _around_leaf(content)
    text = b"%s %d" % (front, part.end - part.body)
    if part.kind == RFC822:
        text += b" %s (%s) %d" % (
            envelope(part.children[0].header),
            _structure(data, part.children[0], extended),
            data.count(b"\n", part.body, part.end),
        )
    elif part.kind == TEXT:
        text += b" %d" % data.count(b"\n", part.body, part.end)
    return text + behind if extended else text


def _around_leaf(content: Content) -> tuple[bytes, bytes]:
    content.shown = shown = _around(content, content.type, False)
    return shown


def _around(content: Content, content_type: ContentType | None, rfc822: bool) -> tuple[bytes, bytes]:
    """Return what stands before the size of a part that is not multipart, and behind its lines."""
    described = _Described(content.fields)
    front = b"%s %s %s %s" % (
        _type(content_type, rfc822),
        nstring(unfolded(described.identity)),
        nstring(unfolded(described.description)),
        b'"7bit"' if described.encoding is None else nstring(described.encoding),
    )
    return front, b" " + nstring(unfolded(described.md5)) + _common(described)


def _type(content_type: ContentType | None, rfc822: bool) -> bytes:
    """Render type, subtype and parameters of a leaf or a message/rfc822 part."""
    if content_type is None:
        return b'"message" "rfc822" NIL' if rfc822 else _TEXT_PLAIN + b" (" + _CHARSET + b")"
    if rfc822:
        return b'"message" "rfc822" ' + _params(content_type.params, False)
    main = content_type.main
    return b"%s %s %s" % (
        nstring(main),
        nstring(content_type.sub),
        _params(content_type.params, main.lower() == b"text"),
    )


def _params(params: Params, text: bool) -> bytes:
    if not params:
        return b"(" + _CHARSET + b")" if text else b"NIL"
    words = [nstring(word) for pair in params for word in pair]
    if text and all(name.lower() != b"charset" for name, _ in params):
        words.append(_CHARSET)
    return b"(%s)" % b" ".join(words)


def _common(content: _Described) -> bytes:
    """Disposition, language, location: what all kinds of parts end with."""
    if content.disposition is None:
        disposition = b"NIL"
    else:
        disposition = b"(%s %s)" % (nstring(content.disposition.main), _params(content.disposition.params, False))
    languages = b"(%s)" % b" ".join([nstring(tag) for tag in content.languages]) if content.languages else b"NIL"
    return b" %s %s %s" % (disposition, languages, nstring(unfolded(content.location)))
