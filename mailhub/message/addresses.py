"""Address lists: mailboxes, groups, obsolete and broken syntax (RFC 5322 section 3.4, 4.4; RFC 6854).

Nothing is refused: what is missing is named MISSING_MAILBOX and MISSING_DOMAIN, what cannot be read has the domain
SYNTAX_ERROR, as Dovecot answers in ENVELOPE. A group is an entry with only a mailbox (its name), then its
members, then an entry with nothing (RFC 3501 section 7.4.2).
"""

from __future__ import annotations

import re

from mailhub.message.rfc822 import BROKEN, END, MORE, Scanner

Address = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
"""Display name, source route, mailbox, domain: the four of an IMAP address structure."""

_ATOM = rb"[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~\x80-\xff]+"
_DOTS = _ATOM + rb"(?:\." + _ATOM + rb")*"
_USUAL = re.compile(
    rb"[ \t\r\n]*(?:(?:\"([^\"\\\r\n\x00]*)\"[ \t]*|(" + _ATOM + rb"(?: " + _ATOM + rb")*)[ \t]+)?"
    rb"<(" + _DOTS + rb")@(" + _DOTS + rb")>|(" + _DOTS + rb")@(" + _DOTS + rb"))[ \t\r\n]*(?:(,)|\Z)"
)
"""The forms nearly all mail has: name <local@domain> and local@domain."""


def parse_addresses(value: bytes, pos: int = 0, most: int | None = None) -> list[Address]:
    """Parse an address-list from `pos`, or its first `most` addresses. Empty if there is nothing but space and
    comments."""
    found: list[Address] = []
    size = len(value)
    while True:
        usual = _USUAL.match(value, pos)
        if usual is None:
            break
        quoted, words, mailbox, domain, bare_mailbox, bare_domain, comma = usual.groups()
        if mailbox is not None:
            found.append((quoted or words or None, None, mailbox, domain))
        else:
            found.append((None, None, bare_mailbox, bare_domain))
        pos = usual.end()
        if comma is None or pos >= size or len(found) == most:
            return found
    _AddressList(value, pos, found).read(most)
    return found


class _AddressList:
    """Reads what the pattern above did not."""

    __slots__ = ("domain", "found", "invalid", "mailbox", "name", "read_text", "route", "scanner")

    def __init__(self, value: bytes, pos: int, found: list[Address]) -> None:
        self.scanner = Scanner(value, pos)
        self.found = found
        self.read_text = b""
        """What there was of the last local part, also if it was broken."""
        self._clear()

    def _clear(self) -> None:
        self.name: bytes | None = None
        self.route: bytes | None = None
        self.mailbox: bytes | None = None
        self.domain: bytes | None = None
        self.invalid = False

    def _add(self) -> None:
        self.found.append((self.name, self.route, self.mailbox, self.domain))
        self._clear()

    def _add_filled(self) -> None:
        if self.mailbox is None:
            self.mailbox = b"MISSING_MAILBOX"
        if not self.domain:
            self.domain = b"MISSING_DOMAIN"
        self._add()

    def read(self, most: int | None) -> None:
        """address-list = (address *("," address)) / obs-addr-list"""
        scanner = self.scanner
        if scanner.skip() <= END:
            return
        while self._address() != END and scanner.peek() == b"," and (most is None or len(self.found) < most):
            scanner.pos += 1
            state = scanner.skip()
            if state == BROKEN:
                self._add_filled()
            if state != MORE:
                return

    def _address(self) -> int:
        """address = mailbox / group"""
        start = self.scanner.pos
        state = self._group()
        if state == BROKEN:
            self.scanner.pos = start
            state = self._mailbox()
        return state

    def _group(self) -> int:
        """group = display-name ":" [group-list] ";" [CFWS]; BROKEN if this is no group."""
        scanner = self.scanner
        name, state = scanner.phrase()
        if state != MORE or scanner.peek() != b":":
            return BROKEN
        scanner.pos += 1
        state = scanner.skip()
        self.mailbox = name
        self._add()
        if state == MORE and scanner.peek() != b";":
            while True:
                self._mailbox()
                if scanner.peek() != b",":
                    break
                scanner.pos += 1
                if scanner.skip() != MORE:
                    state = BROKEN
                    break
        if state >= END:
            if scanner.peek() != b";":
                state = BROKEN
            else:
                scanner.pos += 1
                state = scanner.skip()
        self._add()
        return END if state == END else MORE

    def _mailbox(self) -> int:
        """mailbox = name-addr / addr-spec"""
        start = self.scanner.pos
        state = self._name_addr()
        if state == BROKEN:
            self.scanner.pos = start
            state = self._addr_spec()
            if self.invalid and self.name is None and self.mailbox is not None and self.domain is None:
                self.name, self.mailbox = self.mailbox, None
        self._add_filled()
        return state

    def _name_addr(self) -> int:
        """name-addr = [display-name] angle-addr; BROKEN if this is none."""
        scanner = self.scanner
        name, state = scanner.phrase()
        if state != MORE or scanner.peek() != b"<":
            return BROKEN
        self.name = name or None
        if self._angle_addr() == BROKEN:
            self.domain = b"SYNTAX_ERROR"
            self.invalid = True
        return MORE if scanner.pos < scanner.size else END

    def _angle_addr(self) -> int:
        """angle-addr = "<" [ "@" route ":" ] addr-spec ">" [CFWS]"""
        scanner = self.scanner
        scanner.pos += 1
        if scanner.skip() != MORE:
            return BROKEN
        if scanner.peek() == b"@":
            if self._route() == MORE and scanner.peek() == b":":
                scanner.pos += 1
            else:
                self.route = b"INVALID_ROUTE"
                if scanner.pos >= scanner.size:
                    return BROKEN
            if scanner.skip() != MORE:
                return BROKEN
        if scanner.peek() != b">":
            if self._local_part() != MORE:
                return BROKEN
            if scanner.peek() == b"@" and self._domain() != MORE:
                return BROKEN
        if scanner.peek() != b">":
            return BROKEN
        scanner.pos += 1
        return scanner.skip()

    def _route(self) -> int:
        """obs-domain-list = "@" domain *(*(CFWS / ",") [CFWS] "@" domain)"""
        scanner, domains = self.scanner, []
        while True:
            if scanner.pos >= scanner.size:
                return END
            if scanner.peek() != b"@":
                break
            domain, state = scanner.domain()
            domains.append(b"@" + domain)
            if state != MORE:
                return state
            while scanner.skip() == MORE and scanner.peek() == b",":
                scanner.pos += 1
        self.route = b",".join(domains)
        return MORE

    def _local_part(self) -> int:
        """local-part = dot-atom / quoted-string / obs-local-part"""
        scanner = self.scanner
        text, state = scanner.quoted() if scanner.peek() == b'"' else scanner.dotted_local()
        self.read_text = text
        if state != BROKEN:
            self.mailbox = text
        return state

    def _domain(self) -> int:
        text, state = self.scanner.domain()
        if state != BROKEN:
            self.domain = text
        return state

    def _addr_spec(self) -> int:
        """addr-spec = local-part "@" domain; a comment behind it is the display name (RFC 822's habit)."""
        scanner = self.scanner
        scanner.comment = b""
        quoted = scanner.peek() == b'"'
        state = self._local_part()
        if state <= END:
            self.invalid = True
        has_domain = False
        if state != END and scanner.peek() == b"@":
            has_domain = True
            domain_state = self._domain()
            if domain_state <= END:
                state = domain_state
        if scanner.comment:
            self.name = scanner.comment
        elif not has_domain:
            # One word alone is a mailbox; with more behind it, all are a name.
            rest, _ = scanner.phrase()
            if rest:
                self.mailbox, self.name = None, self.read_text + b" " + rest
            elif not quoted:
                self.domain = b""
            self.invalid = True
            state = BROKEN
        return state
