"""Structured MIME fields: Content-Type, Content-Disposition and their parameters (RFC 2045 section 5.1).

Parameters that RFC 2231 cut in pieces come out joined, still percent-encoded, with "*" behind their name if
any piece was extended: that is how Dovecot shows them in BODYSTRUCTURE (RFC 2231 section 3, 4).
Garbage between parameters is skipped up to the next ";".
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

from attrs import frozen

from mailhub.message.rfc822 import BROKEN, END, Scanner

Params = tuple[tuple[bytes, bytes], ...]
"""Parameter names and values in Dovecot's order: whole ones as written, then joined ones by name."""

_PLAIN = re.compile(
    rb"[ \t\r\n]*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+)/([!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+)[ \t\r\n]*(?=;|\Z)"
)
_PARAM = re.compile(
    rb";[ \t\r\n]*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+)[ \t\r\n]*=[ \t\r\n]*"
    rb"(?:\"([^\"\\\r\n\x00]*)\"|([!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+))[ \t\r\n]*(?=;|\Z)"
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~\x80-\xff]+")
_PIECE = re.compile(rb"([^*]*)\*([0-9]*)(\*?)\Z")


@frozen
class ContentType:
    """Content-Type. `main` and `sub` are as written; both are empty if the field is broken."""

    main: bytes
    sub: bytes
    params: Params = ()

    def param(self, name: bytes) -> bytes | None:
        """Return the value of the first parameter `name` (lower case)."""
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None


def parse_content_type(value: bytes) -> ContentType:
    """Parse a Content-Type value. "multipart" without a subtype is application/octet-stream."""
    # Most mail has one of a few; boundaries differ each time and would push those out.
    return _remembered(value) if len(value) < 80 and b"boundary" not in value else _parse_content_type(value)


def _parse_content_type(value: bytes) -> ContentType:
    plain = _PLAIN.match(value)
    if plain is not None:
        if plain.end() == len(value):
            return ContentType(plain[1], plain[2])
        return ContentType(plain[1], plain[2], parse_params(Scanner(value, plain.end())))
    scanner = Scanner(value)
    scanner.skip()
    main, state = scanner.mime_token()
    if state <= END:
        # Nothing behind the first word, or a comment without an end.
        return ContentType(b"application", b"octet-stream") if main.lower() == b"multipart" else ContentType(main, b"")
    if not main or scanner.peek() != b"/":
        return ContentType(b"", b"")
    scanner.pos += 1
    if scanner.skip() <= END:
        return ContentType(b"", b"")
    sub, state = scanner.mime_token()
    if not sub or state == BROKEN or (state != END and scanner.peek() != b";"):
        return ContentType(b"", b"")
    return ContentType(main, sub, parse_params(scanner))


_remembered = lru_cache(maxsize=1024)(_parse_content_type)


def parse_encoding(value: bytes) -> bytes | None:
    """Parse a Content-Transfer-Encoding value: one token as written, or None if it is anything else."""
    if _TOKEN.fullmatch(value):
        return value
    scanner = Scanner(value)
    scanner.skip()
    token, state = scanner.mime_token()
    return token if token and state == END else None


def parse_disposition(value: bytes) -> ContentType | None:
    """Parse a Content-Disposition value; the type is in `main`. None if it is broken (RFC 2183)."""
    scanner = Scanner(value)
    scanner.skip()
    token, state = scanner.mime_token()
    if state == BROKEN:
        return None
    return ContentType(token, b"", parse_params(scanner))


def parse_languages(value: bytes) -> tuple[bytes, ...]:
    """Parse a Content-Language value up to what is not a list of tags (RFC 3282)."""
    scanner = Scanner(value)
    scanner.skip()
    found = []
    while True:
        tag, state = scanner.atom()
        if state == BROKEN:
            break
        found.append(tag)
        if scanner.peek() != b",":
            break
        scanner.pos += 1
        scanner.skip()
    return tuple(found)


def parse_params(scanner: Scanner) -> Params:
    """Parse *(";" parameter) to the end of the value."""
    found: list[tuple[bytes, bytes]] = []
    data, size, extended = scanner.data, len(scanner.data), False
    while scanner.pos < size:
        plain = _PARAM.match(data, scanner.pos)
        if plain is not None:
            scanner.pos = plain.end()
            key, value = plain[1], plain[3] if plain[2] is None else plain[2]
        else:
            parsed = _odd_param(scanner)
            if parsed is None:
                # Skip what could not be read up to the next place where a parameter may begin.
                scanner.pos = scanner.pos + 1 if scanner.pos < size else size
                if data[scanner.pos : scanner.pos + 1] != b";":
                    following = data.find(b";", scanner.pos)
                    scanner.pos = size if following < 0 else following
                continue
            key, value = parsed
        extended = extended or b"*" in key
        found.append((key, value))
    return _join_pieces(found) if extended else tuple(found)


def _odd_param(scanner: Scanner) -> tuple[bytes, bytes] | None:
    """Read one parameter that the pattern did not match: with comments, quoted pairs or errors."""
    if scanner.peek() != b";":
        return None
    scanner.pos += 1
    if scanner.skip() <= END:
        return None
    key, state = scanner.mime_token()
    if state <= END or scanner.peek() != b"=":
        return None
    scanner.pos += 1
    state, value = scanner.skip(), b""
    if state > END:
        first = scanner.peek()
        if first == b'"':
            value, state = scanner.quoted()
        elif first == b"=":
            # Such as name==?utf-8?b?...?=, an encoded word where none may be.
            value = scanner.until_space()
        else:
            value, state = scanner.mime_token()
    return None if state == BROKEN else (key, value)


def _join_pieces(found: list[tuple[bytes, bytes]]) -> Params:
    """Join name*0=, name*1*=, ... (RFC 2231 section 3). With a piece missing they stay apart."""
    whole: list[tuple[bytes, bytes]] = []
    pieces: list[tuple[bytes, int, bool, bytes]] = []
    index = 0
    for key, value in found:
        match = _PIECE.match(key)
        if match is None:
            if b"*" in key and key[key.index(b"*") + 1 :]:
                digits = re.match(rb"[0-9]*", key[key.index(b"*") + 1 :])
                index = int(digits[0][-12:] or b"0") & 0xFFFFFFFF if digits else 0
            whole.append((key, value))
            continue
        name, digits_text, star = match.groups()
        if digits_text or star:
            # name*= keeps the number of the piece before it, a slip of Dovecot's that shows in its answers.
            index = int(digits_text[-12:] or b"0") & 0xFFFFFFFF
            pieces.append((name, index, bool(star), value))
        else:
            pieces.append((name, index, True, value))
    pieces.sort(key=lambda piece: (piece[0], piece[1]))
    for _, group in groupby(pieces, key=lambda piece: piece[0].lower()):
        run = list(group)
        if any(piece[1] != position for position, piece in enumerate(run)):
            whole += [(b"%s*%d%s" % (name, at, b"*" if star else b""), value) for name, at, star, value in run]
            continue
        starred = any(piece[2] for piece in run)
        text = b"".join(v.replace(b"%", b"%25") if starred and not star else v for _, _, star, v in run)
        if starred and not run[0][2]:
            text = b"''" + text
        whole.append((run[0][0] + (b"*" if starred else b""), text))
    return tuple(whole)
