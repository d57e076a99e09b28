"""SMTP as LMTP speaks it, on the wire: lines in, commands out; DATA and BDAT content in pieces.

RFC 5321, 2033, 3030 (CHUNKING), 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8).

The session says what it reads: `next_command()`, and after DATA or BDAT `next_data()` until the content is over.
Content ends at CRLF "." CRLF and at nothing else. Dovecot 2.3.19 also takes LF "." LF (and the mixtures) for the
end and reads what follows as commands, which lets mail from a sender that only sees CRLF "." CRLF smuggle in a
second message; here such lines are content. So a dot is taken away after CRLF only, too: whoever adds
dots by the RFC adds them there. A bare LF in content passes and is a line end to the store.
"""

from __future__ import annotations

import re
from enum import Enum

from attrs import field, frozen

from mailhub.wire.lines import TOO_LONG, LineBuffer, LongLine

LINE_LIMIT = 4096
"""Octets of a command line: 512 of RFC 5321 section 4.5.3.1.4 and what extensions may add, with room."""

ADDRESS_LIMIT = 255
"""Octets of a local part, and of a domain. RFC 5321 section 4.5.3.1.2 has 255 for a domain and 64 for a local part,
which bounce addresses are longer than; these go into header lines, which may have 998."""

PIECE = 64 * 1024
"""Most octets of content handed out at a time."""

_END = b"\r\n.\r\n"


class Refusal(Exception):
    """A command that cannot be done as written: the reply to it."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(f"{code} {enhanced} {text}")
        self.code = code
        self.enhanced = enhanced
        """RFC 2034 and 3463."""
        self.text = text


@frozen
class Command:
    """One command line."""

    verb: str
    """In upper case."""
    argument: bytes = field(repr=False)
    """All after the blank that ends the verb, without trailing blanks; b"" if there is none."""


@frozen
class Address:
    """A mailbox of RFC 5321 section 4.1.2, source route dropped."""

    local: str
    """The local part without quoting."""
    domain: str | None = None
    """None where only a local part was given, as LMTP clients do."""

    def __str__(self) -> str:
        """Return it as it stands between < and >: the local part quoted where it has to be."""
        local = self.local
        if not _DOT_STRING.fullmatch(local):
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return local if self.domain is None else f"{local}@{self.domain}"


@frozen
class Mail:
    """MAIL FROM."""

    sender: Address | None
    """None for the null reverse-path <>."""
    size: int | None = None
    """As declared (RFC 1870), octets."""
    eight_bit: bool = False
    utf8: bool = False


class DataSignal(Enum):
    """What next_data() says besides content."""

    NEED_DATA = "need data"
    END = "end"
    """The content is complete; the next octets are a command."""


class SmtpInput:
    """What an LMTP client sends."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._lines = LineBuffer(limit)
        self._held: bytes | None = None
        """In DATA: octets that may be the beginning of the end, or None outside of DATA."""
        self._skip = 0
        self._chunk = 0
        """In BDAT: octets still to come."""

    def __len__(self) -> int:
        """Return how many octets wait."""
        return len(self._lines)

    def feed(self, data: bytes) -> None:
        """Take what the network gave."""
        self._lines.feed(data)

    def next_command(self) -> Command | LongLine | None:
        """Return the next command, TOO_LONG in the place of a line over the limit, None if more data is needed.

        Raises Refusal (the line is taken) where it holds control characters, or no verb."""
        line = self._lines.next_line()
        if line is None or line is TOO_LONG:
            return line
        if _CONTROL.search(line):
            raise Refusal(500, "5.5.2", "Invalid command syntax")
        verb, _, argument = line.rstrip(b" ").partition(b" ")
        if not verb.isascii() or argument.startswith(b" "):
            raise Refusal(500, "5.5.2", "Invalid command syntax")
        return Command(verb.decode("ascii").upper(), argument)

    def drop(self) -> int:
        """Forget what was pipelined behind STARTTLS (RFC 3207 section 4); return how many octets that were."""
        return self._lines.clear()

    def begin_data(self) -> None:
        """What comes next is content, up to CRLF "." CRLF."""
        # The end may come at once, as "." CRLF: the line end before it is that of the DATA command.
        self._held = b"\r\n"
        self._skip = 2

    def begin_chunk(self, size: int) -> None:
        """What comes next is a BDAT chunk of `size` octets."""
        self._chunk = size

    def next_data(self) -> bytes | DataSignal:
        """Return a piece of content, or a signal. Pieces are cut anywhere and never empty."""
        while self._held is not None:
            fresh = self._lines.take(PIECE)
            if not fresh:
                return DataSignal.NEED_DATA
            octets = self._held + fresh if self._held else fresh
            end = octets.find(_END)
            if end < 0:
                cut = len(octets) - _overlap(octets)
                self._held = octets[cut:]
            else:
                self._lines.give_back(octets[end + len(_END) :])
                self._held = None
                cut = end + 2
            content = octets[:cut]
            if b"\r\n." in content:
                content = content.replace(b"\r\n.", b"\r\n")
            if self._skip and content:
                content = content[self._skip :]
                self._skip = 0
            if content:
                return content
        if not self._chunk:
            return DataSignal.END
        piece = self._lines.take(min(PIECE, self._chunk))
        self._chunk -= len(piece)
        return piece or DataSignal.NEED_DATA


def _overlap(octets: bytes) -> int:
    """Return how many octets at the end of `octets` may be the beginning of the end of content."""
    for count in (4, 3, 2, 1):
        if octets.endswith(_END[:count]):
            return count
    return 0


_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_TEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a0-\U0010ffff"
# Leniency as Dovecot's: dots may stand anywhere in a local part.
_DOT_STRING = re.compile(rf"[{_TEXT}.]+")
_NAME = r"[A-Za-z0-9_.\-\u00a0-\U0010ffff]+|\[[A-Za-z0-9.:\-]+\]"
# Path = "<" [ A-d-l ":" ] Mailbox ">" ; a source route is read and ignored (RFC 5321 appendix F.2)
_PATH = re.compile(
    rf'<(?:@[^<>:,\s]+(?:,@[^<>:,\s]+)*:)?(?:({_DOT_STRING.pattern})|"((?:[^"\\]|\\.)*)")(?:@({_NAME}))?>'
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9\-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?")
_HELLO = re.compile(rb"[A-Za-z0-9_.\-]+|\[[A-Za-z0-9.:\-]+\]")
_CHUNK = re.compile(rb"([0-9]{1,18})(?: ([!-~]+))?")


def read_hello(argument: bytes) -> str:
    """Read the argument of LHLO: a domain or an address literal. Raises Refusal."""
    if not _HELLO.fullmatch(argument):
        raise Refusal(501, "5.5.4", "Invalid hostname parameter")
    return argument.decode("ascii")


def read_mail(argument: bytes) -> Mail:
    """Read `FROM:<reverse-path> [SP parameters]` (RFC 5321 section 4.1.1.2). Raises Refusal."""
    path, rest = _path(argument, "FROM", "MAIL")
    size: int | None = None
    body = ""
    utf8 = False
    for keyword, value in _parameters(rest, "MAIL"):
        if keyword == "SIZE" and value is not None and value.isascii() and value.isdigit() and len(value) <= 20:
            size = int(value)
        elif keyword == "BODY" and value is not None and value.upper() in ("7BIT", "8BITMIME"):
            body = value.upper()
        elif keyword == "BODY":
            raise Refusal(555, "5.5.4", "Unsupported mail BODY type")
        elif keyword == "SMTPUTF8" and value is None:
            utf8 = True
        elif keyword in ("SIZE", "SMTPUTF8"):
            raise Refusal(501, "5.5.4", f"Invalid {keyword} parameter")
        else:
            raise Refusal(555, "5.5.4", "Unsupported parameters")
    return Mail(_address(path, "FROM", utf8), size, body == "8BITMIME", utf8)


def read_rcpt(argument: bytes, utf8: bool = False) -> Address:
    """Read `TO:<forward-path>` (RFC 5321 section 4.1.1.3); no parameters are offered. Raises Refusal.

    utf8: MAIL said SMTPUTF8, so that the address may be outside of ASCII (RFC 6531 section 3.4)."""
    path, rest = _path(argument, "TO", "RCPT")
    if _parameters(rest, "RCPT"):
        raise Refusal(555, "5.5.4", "Unsupported parameters")
    address = _address(path, "TO", utf8)
    if address is None:
        raise Refusal(501, "5.5.4", "Invalid TO: Null path not allowed")
    return address


@frozen
class Chunk:
    """The arguments of BDAT."""

    size: int
    last: bool
    refusal: Refusal | None = None
    """The command is wrong, but its size is clear: read that many octets, then refuse."""


def read_bdat(argument: bytes) -> Chunk:
    """Read `chunk-size [SP "LAST"]` (RFC 3030 section 2). Raises Refusal where not even the size is clear."""
    found = _CHUNK.fullmatch(argument)
    if found is None:
        raise Refusal(501, "5.5.4", "Invalid chunk size parameter")
    marker = found[2]
    if marker is None or marker.upper() == b"LAST":
        return Chunk(int(found[1]), marker is not None)
    return Chunk(int(found[1]), False, Refusal(501, "5.5.4", "Invalid BDAT parameter"))


def _path(argument: bytes, keyword: str, command: str) -> tuple[str, str]:
    """Return the path with its brackets, and what stands behind it."""
    try:
        text = argument.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(501, "5.5.4", "Invalid parameters") from None
    head, colon, text = text.partition(":")
    if not colon or head.upper() != keyword:
        raise Refusal(501, "5.5.4", "Invalid parameters")
    if text.startswith(" "):
        raise Refusal(501, "5.5.4", f"Invalid {keyword}: Unexpected whitespace before path")
    if not text.startswith("<"):
        raise Refusal(501, "5.5.4", f"Invalid {keyword}: Missing '<' at beginning of path")
    if text.startswith("<>"):
        end = 2
    else:
        found = _PATH.match(text)
        if found is None:
            raise Refusal(501, "5.5.4", f"Invalid {keyword}: Not an address in '<' and '>'")
        end = found.end()
    rest = text[end:]
    if rest and not rest.startswith(" "):
        raise Refusal(501, "5.5.4", f"Invalid {command} parameters")
    return text[:end], rest


def _address(path: str, keyword: str, utf8: bool) -> Address | None:
    """Return the address in `path`, which _path() has checked; None for the null path."""
    if not utf8 and not path.isascii():
        # RFC 6531 section 3.5
        raise Refusal(553, "5.6.7", f"Invalid {keyword}: Non-ASCII address without SMTPUTF8")
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    plain, quoted, domain = found.groups()
    local = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
    if len(local.encode()) > ADDRESS_LIMIT or (domain is not None and len(domain.encode()) > ADDRESS_LIMIT):
        raise Refusal(501, "5.1.3" if keyword == "TO" else "5.1.7", f"Invalid {keyword}: Address is too long")
    return Address(local, domain)


def _parameters(rest: str, command: str) -> list[tuple[str, str | None]]:
    """Return keyword (in upper case) and value of each parameter: `esmtp-keyword ["=" esmtp-value]`."""
    found: dict[str, str | None] = {}
    for word in filter(None, rest.split(" ")):
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None:
            raise Refusal(501, "5.5.4", f"Invalid {command} parameter")
        keyword = parameter[1].upper()
        if keyword in found:
            raise Refusal(501, "5.5.4", f"Repeated {command} parameter")
        found[keyword] = parameter[2]
    return list(found.items())
