"""A reader of IMAP answers for tests, written from RFC 3501 section 9 and nothing else of this project.

It is strict: an answer that the grammar of RFC 3501, or of the extension it belongs to, does not allow raises
BadAnswer, so a test that reads an answer also checks its syntax. Values come out as
    NIL None, number int, string bytes, atom (flags too) str, parenthesized list list.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import Factory, define, frozen

from tests.imap.fetch_reader import message_attributes
from tests.imap.scan import ATOM, BadAnswer, Scan, Value

_LITERAL = re.compile(rb"~?\{([0-9]{1,20})\}\r\n$")
_STATUS_LINE = re.compile(rb"(?:\* (?:OK|NO|BAD|BYE|PREAUTH) |[^ *+]+ (?:OK|NO|BAD) |\+)", re.IGNORECASE)
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
_SET = re.compile(rb"[0-9]+(?::[0-9]+)?(?:,[0-9]+(?::[0-9]+)?)*")
_TEXT = re.compile(rb"[^\r\n\x00]+")


@frozen
class Code:
    """resp-text-code: the name in upper case and what is behind it."""

    name: str
    values: list[Value]


@frozen
class Status:
    """OK, NO, BAD, PREAUTH, BYE; `tag` is None for "*"."""

    tag: str | None
    kind: str
    code: Code | None
    text: str


@frozen
class Continuation:
    """continue-req, without its "+ "."""

    text: bytes


@frozen
class Data:
    """Any other untagged answer. `number` is that of EXISTS, RECENT, EXPUNGE and FETCH."""

    kind: str
    values: list[Value]
    number: int | None = None


@frozen
class FetchData:
    """FETCH: msg-att by name in upper case; header field names and parts as the server wrote them."""

    number: int
    items: dict[str, Value]
    kind: str = "FETCH"


Answer = Status | Continuation | Data | FetchData


@define
class Reader:
    """Takes octets as the network cuts them and returns the answers that are whole."""

    _buffer: bytearray = Factory(bytearray)

    def feed(self, data: bytes) -> list[Answer]:
        """Return the answers that `data` completes."""
        self._buffer += data
        octets = bytes(self._buffer)
        answers = []
        start = 0
        while (end := _whole(octets, start)) is not None:
            answers.append(parse(octets[start:end]))
            start = end
        del self._buffer[:start]
        return answers

    @property
    def pending(self) -> bytes:
        """What has come of an answer that is not whole."""
        return bytes(self._buffer)


def read(data: bytes) -> list[Answer]:
    """Return the answers in `data`, which must be whole."""
    reader = Reader()
    answers = reader.feed(data)
    if reader.pending:
        raise BadAnswer(f"half an answer: {reader.pending[:200]!r}")
    return answers


def _whole(data: bytes, start: int) -> int | None:
    """Return where the answer that begins at `start` ends, literals included."""
    end = data.find(b"\n", start) + 1
    if not end:
        return None
    if _STATUS_LINE.match(data, start):
        return end
    while True:
        if data[end - 2 : end] != b"\r\n":
            raise BadAnswer(f"a line without CRLF: {data[start:end]!r}")
        found = _LITERAL.search(data, max(end - 30, start), end)
        if found is None:
            return end
        end = data.find(b"\n", end + int(found.group(1))) + 1
        if not end:
            return None


def parse(answer: bytes) -> Answer:
    """Return one whole answer, CRLF included."""
    scan = Scan(answer)
    if scan.skip(b"+ "):
        text = b"" if scan.at(b"\r\n") else scan.take(_TEXT, "text")
        scan.end()
        return Continuation(text)
    if not scan.skip(b"* "):
        tag = scan.take(_TAG, "tag").decode("ascii")
        scan.space()
        kind = scan.word()
        if kind not in ("OK", "NO", "BAD"):
            raise scan.bad("resp-cond-state")
        return _status(scan, tag, kind)
    number = scan.try_number()
    if number is not None:
        scan.space()
        return _numbered(scan, number)
    kind = scan.word()
    if kind in ("OK", "NO", "BAD", "PREAUTH", "BYE"):
        return _status(scan, None, kind)
    rule = _DATA.get(kind)
    if rule is None:
        raise scan.bad("known kind of answer")
    values = rule(scan)
    scan.end()
    return Data(kind, values)


def _status(scan: Scan, tag: str | None, kind: str) -> Status:
    """SP resp-text; resp-text = ["[" resp-text-code "]" SP] text"""
    scan.space()
    code = None
    if scan.skip(b"["):
        code = _code(scan)
        scan.expect(b"]")
        scan.space()
    text = scan.take(_TEXT, "text").decode("utf-8")
    scan.end()
    return Status(tag, kind, code, text)


def _code(scan: Scan) -> Code:
    """resp-text-code, with UIDPLUS (RFC 4315), RFC 5530, APPENDLIMIT and others of the form atom [SP ...]"""
    name = scan.take(ATOM, "code").decode("ascii").upper()
    rule = _CODES.get(name)
    if rule is not None:
        return Code(name, rule(scan))
    values: list[Value] = []
    while scan.skip(b" "):
        values.append(scan.value())
    return Code(name, values)


def _one_number(scan: Scan) -> list[Value]:
    scan.space()
    return [scan.number(least=1)]


def _flag_list(scan: Scan) -> list[Value]:
    scan.space()
    return scan.list_of(scan.flag)


def _atoms(scan: Scan) -> list[Value]:
    """*(SP atom)"""
    values: list[Value] = []
    while scan.skip(b" "):
        values.append(scan.take(ATOM, "atom").decode("ascii"))
    return values


def _nothing(scan: Scan) -> list[Value]:
    return []


def _uid_set(scan: Scan) -> Value:
    return scan.take(_SET, "uid-set").decode("ascii")


def _append_uid(scan: Scan) -> list[Value]:
    values = _one_number(scan)
    scan.space()
    return [*values, _uid_set(scan)]


def _copy_uid(scan: Scan) -> list[Value]:
    values = _append_uid(scan)
    scan.space()
    return [*values, _uid_set(scan)]


_CODES: dict[str, Callable[[Scan], list[Value]]] = {
    "ALERT": _nothing,
    "APPENDUID": _append_uid,
    "BADCHARSET": lambda scan: scan.list_of(scan.astring, 1) if scan.skip(b" ") else [],
    "CAPABILITY": _atoms,
    "COPYUID": _copy_uid,
    "HIGHESTMODSEQ": _one_number,
    "PARSE": _nothing,
    "PERMANENTFLAGS": _flag_list,
    "READ-ONLY": _nothing,
    "READ-WRITE": _nothing,
    "TOOBIG": _nothing,
    "TRYCREATE": _nothing,
    "UIDNEXT": _one_number,
    "UIDVALIDITY": _one_number,
    "UNSEEN": _one_number,
}


def _mailbox_list(scan: Scan) -> list[Value]:
    """SP "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]"""
    flags = _flag_list(scan)
    scan.space()
    delimiter = scan.nstring()
    if delimiter is not None and len(delimiter) != 1:
        raise scan.bad("delimiter of one character")
    scan.space()
    values: list[Value] = [flags, delimiter, scan.astring()]
    if scan.skip(b" "):
        values.append(scan.list_of(lambda: _extended_item(scan)))
    return values


def _extended_item(scan: Scan) -> Value:
    """mbox-list-extended-item = astring SP tagged-ext-val (RFC 5258 section 6), as [name, value]"""
    name = scan.astring()
    scan.space()
    return [name, scan.value()]


def _status_data(scan: Scan) -> list[Value]:
    """SP mailbox SP "(" [status-att SP number *(SP status-att SP number)] ")" """
    scan.space()
    values: list[Value] = [scan.astring()]
    scan.space()

    def item() -> Value:
        name = scan.word()
        scan.space()
        return [name, None if name == "APPENDLIMIT" and scan.skip(b"NIL") else scan.number()]

    values.append(scan.list_of(item))
    return values


def _numbers(scan: Scan) -> list[Value]:
    """*(SP nz-number), with " (MODSEQ n)" of RFC 7162"""
    values: list[Value] = []
    while scan.skip(b" "):
        values.append(scan.value() if scan.at(b"(") else scan.number(least=1))
    return values


def _esearch(scan: Scan) -> list[Value]:
    """esearch-response = "ESEARCH" [SP "(" "TAG" SP string ")"] [SP "UID"] *(SP search-return-data) (RFC 4466)"""
    values: list[Value] = []
    correlator: bytes | None = None
    uid: Value = None
    while scan.skip(b" "):
        if scan.skip(b"(TAG "):
            if values or correlator is not None or uid:
                raise scan.bad("correlator only in front")
            correlator = scan.string()
            scan.expect(b")")
            continue
        name = scan.word()
        if name == "UID" and not values and not uid:
            uid = "UID"
            continue
        scan.space()
        values.append([name, _uid_set(scan) if name == "ALL" else scan.number()])
    return [correlator, uid, values]


def _threads(scan: Scan) -> list[Value]:
    """thread-data = "THREAD" [SP 1*thread-list]: each list its numbers and the lists inside it"""
    if not scan.skip(b" "):
        return []
    values: list[Value] = [_thread(scan)]
    while scan.at(b"("):
        values.append(_thread(scan))
    return values


def _thread(scan: Scan) -> Value:
    """thread-list = "(" (thread-members / thread-nested) ")" (RFC 5256 section 5)"""
    scan.expect(b"(")
    members: list[Value] = []
    if not scan.at(b"("):
        members.append(scan.number(least=1))
        while scan.skip(b" "):
            if scan.at(b"("):
                break
            members.append(scan.number(least=1))
    nested: list[Value] = []
    while scan.at(b"("):
        nested.append(_thread(scan))
    if len(nested) == 1:
        raise scan.bad("second thread-list")
    scan.expect(b")")
    return [*members, *nested]


def _id(scan: Scan) -> list[Value]:
    """SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)"""
    scan.space()
    if scan.skip(b"NIL"):
        return [None]

    def pair() -> Value:
        name = scan.string()
        scan.space()
        return [name, scan.nstring()]

    return [scan.list_of(pair)]


def _namespaces(scan: Scan) -> list[Value]:
    """3(SP namespace): nil or 1*("(" string SP (string / nil) ")") without spaces between (RFC 2342 section 6)"""
    values: list[Value] = []
    for _ in range(3):
        scan.space()
        if scan.skip(b"NIL"):
            values.append(None)
            continue
        scan.expect(b"(")
        spaces: list[Value] = []
        while not scan.skip(b")"):
            scan.expect(b"(")
            prefix = scan.string()
            scan.space()
            spaces.append([prefix, scan.nstring()])
            scan.expect(b")")
        if not spaces:
            raise scan.bad("namespace")
        values.append(spaces)
    return values


_DATA: dict[str, Callable[[Scan], list[Value]]] = {
    "CAPABILITY": _atoms,
    "ENABLED": _atoms,
    "ESEARCH": _esearch,
    "FLAGS": _flag_list,
    "ID": _id,
    "LIST": _mailbox_list,
    "LSUB": _mailbox_list,
    "NAMESPACE": _namespaces,
    "SEARCH": _numbers,
    "SORT": _numbers,
    "STATUS": _status_data,
    "THREAD": _threads,
}


def _numbered(scan: Scan, number: int) -> Answer:
    """number SP ("EXISTS" / "RECENT") / nz-number SP ("EXPUNGE" / ("FETCH" SP msg-att))"""
    kind = scan.word()
    if kind in ("EXISTS", "RECENT"):
        scan.end()
        return Data(kind, [], number)
    if number == 0:
        raise scan.bad("message number")
    if kind == "EXPUNGE":
        scan.end()
        return Data(kind, [], number)
    if kind != "FETCH":
        raise scan.bad("EXISTS, RECENT, EXPUNGE or FETCH")
    scan.space()
    items: dict[str, Value] = {}
    for name, value in message_attributes(scan):
        if name in items:
            raise scan.bad(f"{name} only once")
        items[name] = value
    scan.end()
    return FetchData(number, items)
