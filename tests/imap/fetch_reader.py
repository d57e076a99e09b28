"""The attributes of FETCH answers: sections, envelopes, body structures (RFC 3501 section 9); for reader.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.imap.scan import Scan, Value

_DATE_TIME = re.compile(
    rb'"[ 0-3][0-9]-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-[0-9]{4} '
    rb'[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"'
)
_PARTIAL = re.compile(rb"<[0-9]+>")
_SECTION = re.compile(rb"[A-Za-z0-9.]*")


def message_attributes(scan: Scan) -> Iterator[tuple[str, Value]]:
    """msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")" """
    scan.expect(b"(")
    while True:
        name = scan.word()
        if scan.at(b"["):
            name += _section(scan)
            if _PARTIAL.match(scan.data, scan.pos):
                name += scan.take(_PARTIAL, "partial").decode("ascii")
            scan.space()
            yield name, scan.number() if name.startswith("BINARY.SIZE") else scan.nstring()
        else:
            rule = _ATTRIBUTES.get(name)
            if rule is None:
                raise scan.bad("known attribute")
            scan.space()
            yield name, rule(scan)
        if scan.skip(b")"):
            return
        scan.space()


def _section(scan: Scan) -> str:
    """section = "[" [section-spec] "]", back as it stands with string field names as atoms"""
    scan.expect(b"[")
    path = scan.take(_SECTION, "section").decode("ascii")
    if scan.skip(b" "):
        names = scan.list_of(scan.astring, 1)
        path += " (" + " ".join(name.decode("latin-1") for name in names if isinstance(name, bytes)) + ")"
    scan.expect(b"]")
    return f"[{path}]"


def _date_time(scan: Scan) -> Value:
    return scan.take(_DATE_TIME, "date-time")[1:-1]


def _envelope(scan: Scan) -> Value:
    """envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc
    SP env-in-reply-to SP env-message-id ")" """
    scan.expect(b"(")
    values: list[Value] = [scan.nstring()]
    for place in range(1, 10):
        scan.space()
        values.append(_addresses(scan) if 2 <= place <= 7 else scan.nstring())
    scan.expect(b")")
    return values


def _addresses(scan: Scan) -> Value:
    """ "(" 1*address ")" / nil; address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" """
    if scan.skip(b"NIL"):
        return None
    scan.expect(b"(")
    addresses: list[Value] = []
    while not scan.skip(b")"):
        address = scan.list_of(scan.nstring, 1)
        if len(address) != 4:
            raise scan.bad("address of four strings")
        addresses.append(address)
    if not addresses:
        raise scan.bad("address")
    return addresses


def _body(scan: Scan, extended: bool) -> Value:
    """body = "(" (body-type-1part / body-type-mpart) ")", with the extension data in BODYSTRUCTURE only"""

    def parameters() -> Value:
        return _parameters(scan)

    def then(rule: Callable[[], Value]) -> Value:
        scan.space()
        return rule()

    scan.expect(b"(")
    values: list[Value] = []
    if scan.at(b"("):
        while scan.at(b"("):
            values.append(_body(scan, extended))
        values = [values, then(scan.string)]
        extension = [parameters]
    else:
        values.append(scan.string())
        fields = (scan.string, parameters, scan.nstring, scan.nstring, scan.string, scan.number)
        values += [then(field) for field in fields]
        values += _body_kind(scan, values, extended)
        extension = [scan.nstring]
    extension += [lambda: _disposition(scan), lambda: _language(scan), scan.nstring]
    # body-ext-1part and body-ext-mpart: each field only behind the ones before it.
    for field in extension:
        if not (extended and scan.at(b" ")):
            break
        values.append(then(field))
    scan.expect(b")")
    return values


def _body_kind(scan: Scan, values: list[Value], extended: bool) -> list[Value]:
    """What TEXT (lines) and MESSAGE/RFC822 (envelope, body, lines) have more than body-type-basic."""
    kind, subtype = values[0], values[1]
    assert isinstance(kind, bytes)
    assert isinstance(subtype, bytes)
    more: list[Value] = []
    if kind.upper() == b"MESSAGE" and subtype.upper() == b"RFC822":
        scan.space()
        more.append(_envelope(scan))
        scan.space()
        more.append(_body(scan, extended))
    elif kind.upper() != b"TEXT":
        return more
    scan.space()
    more.append(scan.number())
    return more


def _parameters(scan: Scan) -> Value:
    """body-fld-param = "(" string SP string *(SP string SP string) ")" / nil"""
    if scan.skip(b"NIL"):
        return None
    values = scan.list_of(scan.string, 1)
    if len(values) % 2:
        raise scan.bad("pairs")
    return values


def _disposition(scan: Scan) -> Value:
    """body-fld-dsp = "(" string SP body-fld-param ")" / nil"""
    if scan.skip(b"NIL"):
        return None
    scan.expect(b"(")
    kind = scan.string()
    scan.space()
    parameters = _parameters(scan)
    scan.expect(b")")
    return [kind, parameters]


def _language(scan: Scan) -> Value:
    """body-fld-lang = nstring / "(" string *(SP string) ")" """
    return scan.list_of(scan.string, 1) if scan.at(b"(") else scan.nstring()


_ATTRIBUTES: dict[str, Callable[[Scan], Value]] = {
    "BODY": lambda scan: _body(scan, extended=False),
    "BODYSTRUCTURE": lambda scan: _body(scan, extended=True),
    "ENVELOPE": _envelope,
    "FLAGS": lambda scan: scan.list_of(scan.flag),
    "INTERNALDATE": _date_time,
    "MODSEQ": lambda scan: scan.list_of(lambda: scan.number(least=1), 1),
    "RFC822": Scan.nstring,
    "RFC822.HEADER": Scan.nstring,
    "RFC822.SIZE": Scan.number,
    "RFC822.TEXT": Scan.nstring,
    "UID": lambda scan: scan.number(least=1),
}
