"""What CAPABILITY says: one table, and the rule by which a row is shown.

Only what is wholly there has a row. A row is taken out by `imap.capabilities_off`; the commands and the syntax
that belong to it are then unknown too (see table.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Flag, auto

from attrs import frozen


class When(Flag):
    """In which state a capability is announced."""

    BEFORE = auto()
    """Before login."""
    AFTER = auto()
    """After login."""
    ALWAYS = BEFORE | AFTER


@frozen
class Row:
    """A capability."""

    name: str
    rfc: int
    when: When = When.AFTER


CAPABILITIES: tuple[Row, ...] = (
    Row("IMAP4rev1", 3501, When.ALWAYS),
    Row("SASL-IR", 4959, When.ALWAYS),
    Row("ID", 2971, When.ALWAYS),
    Row("ENABLE", 5161, When.ALWAYS),
    Row("IDLE", 2177, When.ALWAYS),
    Row("SORT", 5256),
    Row("THREAD=REFERENCES", 5256),
    Row("THREAD=ORDEREDSUBJECT", 5256),
    Row("MULTIAPPEND", 3502),
    Row("UNSELECT", 3691),
    Row("CHILDREN", 3348),
    Row("NAMESPACE", 2342),
    Row("UIDPLUS", 4315),
    Row("LIST-EXTENDED", 5258),
    Row("ESEARCH", 4731),
    Row("WITHIN", 5032),
    Row("LIST-STATUS", 5819),
    Row("SPECIAL-USE", 6154),
    Row("CREATE-SPECIAL-USE", 6154),
    Row("BINARY", 3516),
    Row("MOVE", 6851),
    Row("STATUS=SIZE", 8438),
    Row("APPENDLIMIT", 7889),
    Row("LITERAL+", 7888, When.ALWAYS),
)
"""In the order in which they are sent, which is Dovecot's. STARTTLS, LOGINDISABLED and AUTH= follow before login."""


class Capabilities:
    """What this server announces, with some rows taken out."""

    def __init__(self, off: Sequence[str] = (), message_limit: int = 0) -> None:
        """`message_limit` is APPENDLIMIT's value, octets; 0 for none (RFC 7889 section 2)."""
        self.off = frozenset(name.upper() for name in off)
        rows = [row for row in CAPABILITIES if row.name.upper() not in self.off]
        self._before = [row.name for row in rows if When.BEFORE in row.when]
        names = [row.name for row in rows if When.AFTER in row.when]
        if message_limit:
            names = [f"APPENDLIMIT={message_limit}" if name == "APPENDLIMIT" else name for name in names]
        self._after = " ".join(names).encode()

    def has(self, name: str) -> bool:
        """Whether capability `name` (upper case) is not taken out."""
        return name not in self.off

    def before(self, starttls: bool, login: bool, mechanisms: Sequence[str]) -> bytes:
        """Return the list before login (RFC 3501 section 7.2.1): with STARTTLS if that is possible now,
        LOGINDISABLED unless `login`, and an AUTH= for each mechanism."""
        names = list(self._before)
        if starttls and self.has("STARTTLS"):
            names.append("STARTTLS")
        if not login:
            names.append("LOGINDISABLED")
        names += [f"AUTH={mechanism}" for mechanism in mechanisms]
        return " ".join(names).encode()

    def after(self) -> bytes:
        """Return the list after login."""
        return self._after
