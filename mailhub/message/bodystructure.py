"""BODY and BODYSTRUCTURE as octets ready to send (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from functools import lru_cache

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
from mailhub.message.structure import MULTIPART, RFC822, Part

_CHARSET = b'"charset" "us-ascii"'
_EMPTY = b'("text" "plain" (' + _CHARSET + b') NIL NIL "7bit" 0 0%s)'
_TEXT_PLAIN = b'"text" "plain"'


class _Content:
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
    content = _Content(part.fields if part.mime else [])
    if part.kind == MULTIPART and part.type is not None:
        if part.children:
            inner = b"".join([b"(%s)" % _structure(data, child, extended) for child in part.children])
        else:
            inner = _EMPTY % (b" NIL NIL NIL NIL" if extended else b"")
        text = b"%s %s" % (inner, nstring(part.type.sub))
        return text + b" " + _params(part.type.params, False) + _common(content) if extended else text
    is_text = part.kind != RFC822 and (part.type is None or part.type.main.lower() == b"text")
    text = b"%s %s %s %s %d" % (
        _type(part.type, part.kind == RFC822),
        nstring(unfolded(content.identity)),
        nstring(unfolded(content.description)),
        b'"7bit"' if content.encoding is None else nstring(content.encoding),
        part.end - part.body,
    )
    if is_text:
        text += b" %d" % data.count(b"\n", part.body, part.end)
    elif part.kind == RFC822:
        text += b" %s (%s) %d" % (
            envelope(part.children[0].fields),
            _structure(data, part.children[0], extended),
            data.count(b"\n", part.body, part.end),
        )
    return text + b" " + nstring(unfolded(content.md5)) + _common(content) if extended else text


def _type(content_type: ContentType | None, rfc822: bool) -> bytes:
    """Render type, subtype and parameters of a leaf or a message/rfc822 part."""
    if content_type is None:
        return b'"message" "rfc822" NIL' if rfc822 else _TEXT_PLAIN + b" (" + _CHARSET + b")"
    if rfc822:
        return b'"message" "rfc822" ' + _params(content_type.params, False)
    words = content_type.params
    if len(words) == 1 and len(words[0][1]) < 40:
        return _common_type(content_type.main, content_type.sub, words)
    return _written_type(content_type.main, content_type.sub, words)


def _written_type(main: bytes, sub: bytes, params: Params) -> bytes:
    return b"%s %s %s" % (nstring(main), nstring(sub), _params(params, main.lower() == b"text"))


_common_type = lru_cache(maxsize=256)(_written_type)


def _params(params: Params, text: bool) -> bytes:
    if not params:
        return b"(" + _CHARSET + b")" if text else b"NIL"
    words = [nstring(word) for pair in params for word in pair]
    if text and all(name.lower() != b"charset" for name, _ in params):
        words.append(_CHARSET)
    return b"(%s)" % b" ".join(words)


def _common(content: _Content) -> bytes:
    """Disposition, language, location: what all kinds of parts end with."""
    if content.disposition is None:
        disposition = b"NIL"
    else:
        disposition = b"(%s %s)" % (nstring(content.disposition.main), _params(content.disposition.params, False))
    languages = b"(%s)" % b" ".join([nstring(tag) for tag in content.languages]) if content.languages else b"NIL"
    return b" %s %s %s" % (disposition, languages, nstring(unfolded(content.location)))
