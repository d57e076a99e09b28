"""Stage 2 of the grammar: a framed command to a value of commands.py, by a table of names (RFC 3501 section 9).

Each rule stands on the octet behind the command's name and reads to the end. Names and items are read in any case.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable

from mailhub.wire.imap.commands import (
    Authenticate,
    Capability,
    Check,
    Close,
    Command,
    Copy,
    Create,
    Delete,
    Enable,
    Examine,
    Expunge,
    Id,
    Idle,
    Login,
    Logout,
    Move,
    Namespace,
    Noop,
    Rename,
    Select,
    Starttls,
    Store,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from mailhub.wire.imap.cursor import MISSING, Cursor
from mailhub.wire.imap.fetch_grammar import fetch
from mailhub.wire.imap.framer import CommandError
from mailhub.wire.imap.list_grammar import list_, lsub, status
from mailhub.wire.imap.search_grammar import search, sort, thread
from mailhub.wire.imap.values import flag, flag_list, mailbox, number_set

Rule = Callable[[Cursor], Command]

TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+(?= |\Z)")
"""tag = 1*<any ASTRING-CHAR except "+">"""
_NAME = re.compile(rb"[^ ]+")
_SHOWN = 32

SIMPLE: dict[bytes, Command] = {
    command.NAME.encode("ascii"): command
    for command in (Capability(), Noop(), Logout(), Namespace(), Check(), Close(), Unselect(), Expunge())
}
"""Commands without arguments, by name; in lower case too, since the fast path looks the line up as it came."""
SIMPLE |= {name.lower(): command for name, command in SIMPLE.items()}


def read_command(lines: list[bytes], literals: list[bytes]) -> Command:
    """Return the command in `lines`, the first of which begins with a good tag; CommandError if it is bad."""
    name, rule, pos = find_rule(lines[0])
    cursor = Cursor(lines, literals, pos)
    try:
        return rule(cursor)
    except CommandError as error:
        error.text = f"{name}: {error.text}"
        raise


def find_rule(line: bytes) -> tuple[str, Rule, int]:
    """Return the name, the rule and the end of the name of a command line; CommandError if it is not known.

    command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF"""
    start = line.find(b" ") + 1
    found = _NAME.match(line, start) if start else None
    if found is None:
        raise CommandError("Missing command name")
    name = found.group().upper()
    rules = RULES
    if name == b"UID":
        # uid = "UID" SP (copy / fetch / search / store), and more in extensions
        found = _NAME.match(line, found.end() + 1)
        if found is None:
            raise CommandError("Missing command name after UID")
        name = found.group().upper()
        rules = UID_RULES
    rule = rules.get(name)
    shown = name[:_SHOWN].decode("ascii", "replace")
    if rules is UID_RULES:
        shown = "UID " + shown
    if rule is None:
        raise CommandError(f"Unknown command {printable(shown)}")
    return shown, rule, found.end()


def printable(text: str) -> str:
    """Return `text` fit for a line of an answer."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def _plain(command: Command) -> Rule:
    """A command without arguments."""

    def rule(cursor: Cursor) -> Command:
        cursor.end()
        return command

    return rule


def _authenticate(cursor: Cursor) -> Command:
    """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] (RFC 4959 section 7)"""
    cursor.space()
    mechanism = cursor.atom().upper()
    initial = None
    if cursor.spaces() and cursor.peek():
        text = cursor.astring()
        if text == b"=":
            initial = b""
        else:
            try:
                initial = a2b_base64(text, strict_mode=True)
            except Base64Error:
                raise CommandError("Invalid base64 in initial response") from None
    cursor.end()
    return Authenticate(mechanism, initial)


def _login(cursor: Cursor) -> Command:
    """login = "LOGIN" SP userid SP password; both astring"""
    cursor.space()
    user = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.end()
    return Login(user, password)


def _id(cursor: Cursor) -> Command:
    """id = "ID" SP id-params-list; id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil

    Leniency: no argument is NIL (Dovecot); names and values may be atoms. RFC 2971 section 3.3."""
    if not cursor.spaces() or not cursor.peek():
        cursor.end()
        return Id(None)
    if not cursor.open():
        if cursor.nstring() is not None:
            raise CommandError("Invalid argument")
        cursor.end()
        return Id(None)
    fields: list[tuple[bytes, bytes | None]] = []
    if not cursor.skip(b")"):
        while True:
            name = cursor.astring()
            cursor.space()
            fields.append((name, cursor.nstring()))
            if cursor.close():
                break
    cursor.end()
    return Id(tuple(fields))


def _enable(cursor: Cursor) -> Command:
    """enable = "ENABLE" 1*(SP capability) (RFC 5161 section 4)"""
    cursor.space()
    names = [cursor.atom().upper()]
    while cursor.spaces() and cursor.peek():
        names.append(cursor.atom().upper())
    cursor.end()
    return Enable(tuple(names))


def _select(make: type[Select] | type[Examine]) -> Rule:
    """select = "SELECT" SP mailbox [select-params]; select-params = SP "(" select-param *(SP select-param) ")"

    select-param = "CONDSTORE" (RFC 4466 section 2.4, RFC 7162 section 3.1.8). Leniency: () (Dovecot)."""

    def rule(cursor: Cursor) -> Command:
        cursor.space()
        name = mailbox(cursor)
        condstore = False
        if cursor.spaces() and cursor.open() and not cursor.skip(b")"):
            while True:
                if cursor.word() != "CONDSTORE":
                    raise CommandError("Unknown parameter")
                condstore = True
                if cursor.close():
                    break
        cursor.end()
        return make(name, condstore)

    return rule


def _create(cursor: Cursor) -> Command:
    """create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] (RFC 6154 section 6)"""
    cursor.space()
    name = mailbox(cursor)
    uses: list[str] = []
    if cursor.spaces() and cursor.open():
        if cursor.word() != "USE":
            raise CommandError("Unknown parameter")
        cursor.space()
        uses = _use_attributes(cursor)
        if not cursor.close():
            raise CommandError("Unknown parameter")
    cursor.end()
    return Create(name, tuple(uses))


def _use_attributes(cursor: Cursor) -> list[str]:
    r"""use-attr = "\All" / "\Archive" / ... / "\" atom"""
    if not cursor.open():
        raise CommandError("Invalid argument")
    uses: list[str] = []
    if cursor.skip(b")"):
        return uses
    while True:
        cursor.expect(b"\\")
        uses.append("\\" + cursor.atom())
        if cursor.close():
            return uses


def _on_mailbox(make: type[Delete] | type[Subscribe] | type[Unsubscribe]) -> Rule:
    """SP mailbox: DELETE, SUBSCRIBE, UNSUBSCRIBE."""

    def rule(cursor: Cursor) -> Command:
        cursor.space()
        name = mailbox(cursor)
        cursor.end()
        return make(name)

    return rule


def _rename(cursor: Cursor) -> Command:
    """rename = "RENAME" SP mailbox SP mailbox"""
    cursor.space()
    old = mailbox(cursor)
    cursor.space()
    new = mailbox(cursor)
    cursor.end()
    return Rename(old, new)


def _store(cursor: Cursor, uid: bool = False) -> Command:
    """store = "STORE" SP sequence-set SP store-att-flags

    store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))"""
    cursor.space()
    numbers = number_set(cursor)
    cursor.space()
    op = "+" if cursor.skip(b"+") else "-" if cursor.skip(b"-") else "="
    word = cursor.word()
    if word not in ("FLAGS", "FLAGS.SILENT"):
        raise CommandError(f"Unknown store item {word}" if word else MISSING)
    cursor.space()
    if cursor.peek() == b"(":
        flags = flag_list(cursor)
    else:
        several = {flag(cursor): None}
        while cursor.spaces() and cursor.peek():
            several[flag(cursor)] = None
        flags = tuple(several)
    cursor.end()
    return Store(numbers, op, flags, word != "FLAGS", uid)


def _to_mailbox(make: type[Copy] | type[Move], uid: bool) -> Rule:
    """copy = "COPY" SP sequence-set SP mailbox; move likewise (RFC 6851 section 4)"""

    def rule(cursor: Cursor) -> Command:
        cursor.space()
        numbers = number_set(cursor)
        cursor.space()
        name = mailbox(cursor)
        cursor.end()
        return make(numbers, name, uid)

    return rule


def _uid_expunge(cursor: Cursor) -> Command:
    """uid-expunge = "UID" SP "EXPUNGE" SP sequence-set (RFC 4315 section 4)"""
    cursor.space()
    numbers = number_set(cursor)
    cursor.end()
    return Expunge(numbers)


def _append(cursor: Cursor) -> Command:
    """An APPEND whose message did not come; append_grammar.py reads the ones that have it."""
    raise CommandError("Missing message literal")


RULES: dict[bytes, Rule] = {
    b"APPEND": _append,
    b"AUTHENTICATE": _authenticate,
    b"CAPABILITY": _plain(Capability()),
    b"CHECK": _plain(Check()),
    b"CLOSE": _plain(Close()),
    b"COPY": _to_mailbox(Copy, uid=False),
    b"CREATE": _create,
    b"DELETE": _on_mailbox(Delete),
    b"ENABLE": _enable,
    b"EXAMINE": _select(Examine),
    b"EXPUNGE": _plain(Expunge()),
    b"FETCH": fetch,
    b"ID": _id,
    b"IDLE": _plain(Idle()),
    b"LIST": list_,
    b"LOGIN": _login,
    b"LOGOUT": _plain(Logout()),
    b"LSUB": lsub,
    b"MOVE": _to_mailbox(Move, uid=False),
    b"NAMESPACE": _plain(Namespace()),
    b"NOOP": _plain(Noop()),
    b"RENAME": _rename,
    b"SEARCH": search,
    b"SELECT": _select(Select),
    b"SORT": sort,
    b"STARTTLS": _plain(Starttls()),
    b"STATUS": status,
    b"STORE": _store,
    b"SUBSCRIBE": _on_mailbox(Subscribe),
    b"THREAD": thread,
    b"UNSELECT": _plain(Unselect()),
    b"UNSUBSCRIBE": _on_mailbox(Unsubscribe),
}
"""Every command by its name in upper case."""

UID_RULES: dict[bytes, Rule] = {
    b"COPY": _to_mailbox(Copy, uid=True),
    b"EXPUNGE": _uid_expunge,
    b"FETCH": lambda cursor: fetch(cursor, uid=True),
    b"MOVE": _to_mailbox(Move, uid=True),
    b"SEARCH": lambda cursor: search(cursor, uid=True),
    b"SORT": lambda cursor: sort(cursor, uid=True),
    b"STORE": lambda cursor: _store(cursor, uid=True),
    b"THREAD": lambda cursor: thread(cursor, uid=True),
}
"""The same for what follows "UID"."""
