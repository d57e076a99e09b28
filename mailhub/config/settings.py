"""Every setting as a frozen value with its default; where a value came from is config.sources' business.

One class a section of the configuration file. A field's metadata["help"] is the sentence that etc/mailhub.toml
and error messages show; metadata["allowed"] says in words what may stand there, and metadata["check"], where there
is one, is the same as a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen


@frozen
class Check:
    """A condition on a value, and the same in words."""

    words: str
    holds: Callable[[Any], bool]


def one_of(*values: str) -> Check:
    """Return the condition that a value is one of these words."""
    quoted = [f'"{value}"' for value in values]
    words = " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]
    return Check(words, lambda value: value in values)


def between(low: float, high: float, unit: str = "") -> Check:
    """Return the condition that a number lies from `low` to `high`."""
    return Check(f"{low} to {high}{unit and ' ' + unit}", lambda value: low <= value <= high)


def at_least(low: float, unit: str = "") -> Check:
    """Return the condition that a number is `low` or more."""
    return Check(f"{low} or more{unit and ' ' + unit}", lambda value: value >= low)


def each_of(*values: str) -> Check:
    """Return the condition that a list holds nothing but these words."""
    return Check("a list of " + ", ".join(f'"{value}"' for value in values), lambda given: set(given) <= set(values))


def setting(default: Any, help: str, allowed: str | Check = "", secret: bool = False) -> Any:
    """Return an attrs field with a default, its explanation and what is allowed: in words, or as a Check. The value of
    a secret is shown nowhere."""
    metadata: dict[str, Any] = {"help": help, "allowed": allowed, "secret": secret}
    if isinstance(allowed, Check):
        metadata.update(allowed=allowed.words, check=allowed.holds)
    return field(default=default, metadata=metadata, repr=not secret)


def matching(words: str, test: Callable[[Any], object]) -> Check:
    """Return a condition of one's own."""
    return Check(words, lambda value: bool(test(value)))


def _is_uidl_format(text: str) -> bool:
    """1 to 70 printable ASCII characters come out, without spaces (RFC 1939 section 7)."""
    try:
        made = text % (2**32 - 1, 2**32 - 1)
    except (ValueError, TypeError):
        return False
    return 1 <= len(made) <= 70 and made.isascii() and made.isprintable() and " " not in made


ONE_LINE = matching("one line of text", str.isprintable)
HOSTNAME = matching("a host name", lambda text: text and text.isascii() and text.isprintable() and " " not in text)
LOOPBACK = "127.0.0.1"


@frozen
class ServerSettings:
    """The process itself."""

    data: str = setting(
        "./mailhub-data",
        "Where mailhub keeps what is its own, and mail unless `store.mail` says otherwise.",
        "a folder",
    )
    ready_file: str | None = setting(None, "Written once every port listens.", "a file")
    connection_limit: int = setting(
        0, "Most connections at a time; 0: as many as the limit of open files has room for.", at_least(0)
    )
    shutdown_seconds: float = setting(5.0, "How long a stop waits for commands under way.", between(0, 3600, "seconds"))


PLACES = 'ports, 0, "off", or endpoints such as "tcp:143:interface=0.0.0.0" and "unix:/run/imap"'


@frozen
class ListenSettings:
    """Where each protocol listens: ports on 127.0.0.1, 0 for one chosen by the kernel, "off", or Twisted endpoint
    strings; several are allowed."""

    imap: tuple[str, ...] = setting(("1143",), "IMAP with STARTTLS.", PLACES)
    imaps: tuple[str, ...] = setting(("1993",), "IMAP on TLS.", PLACES)
    pop3: tuple[str, ...] = setting(("1110",), "POP3 with STLS.", PLACES)
    pop3s: tuple[str, ...] = setting(("1995",), "POP3 on TLS.", PLACES)
    lmtp: tuple[str, ...] = setting(("1024",), "LMTP.", PLACES)


@frozen
class TlsSettings:
    """Certificate of the TLS ports and of STARTTLS and STLS."""

    cert: str | None = setting(None, "Certificate chain, PEM; none: one is made under DATA/tls.", "a file")
    key: str | None = setting(None, "Private key, PEM.", "a file")


@frozen
class AuthSettings:
    """Who may log in, and how."""

    password: str | None = setting(
        None,
        'Any user is accepted with this password; without this and `users` it is "pass".',
        matching("a word", bool),
        secret=True,
    )
    allow_remote_any: bool = setting(False, "Allow `password` on addresses that are not loopback.")
    users: str | None = setting(None, "A passwd-file as Dovecot reads it.", "a file")
    mechanisms: tuple[str, ...] = setting(("PLAIN", "LOGIN"), "SASL mechanisms offered.", each_of("PLAIN", "LOGIN"))
    plaintext_without_tls: str = setting(
        "loopback", "Where passwords may be sent without TLS.", one_of("never", "loopback", "always")
    )
    failure_delay: float = setting(0.0, "Seconds before a failed login is answered.", between(0, 60))
    lowercase: bool = setting(True, "User names are taken in lower case, as Dovecot does.")


@frozen
class StoreSettings:
    """Where mail is kept."""

    kind: str = setting("maildir", "Which store; memory forgets all at the end.", one_of("maildir", "memory"))
    mail: str | None = setting(
        None,
        "Mail of a user, with Dovecot's %u %n %d %h and ~; default maildir:DATA/mail/%u/Maildir.",
        matching('"maildir:FOLDER"', lambda value: value.startswith("maildir:") and len(value) > len("maildir:")),
    )
    layout: str = setting("maildir++", "Folders as .A.B or as A/B.", one_of("maildir++", "fs"))
    separator: str | None = setting(
        None, "Hierarchy delimiter for clients; default that of the layout.", one_of(".", "/")
    )
    fsync: str = setting("always", "Whether writes are durable before they are answered.", one_of("always", "never"))
    message_limit: int = setting(64 * 1024 * 1024, "Largest message, octets with CRLF.", between(1, 2**31))
    mailbox_limit: int = setting(10_000, "Most mailboxes of an account.", at_least(1))
    keyword_limit: int = setting(1_000, "Most keywords of a mailbox.", at_least(0))
    cache_mib: int = setting(64, "Memory for mailboxes nobody has open.", at_least(0, "MiB"))
    lock_seconds: float = setting(120.0, "How long a write waits for another process's lock.", at_least(0, "seconds"))


@frozen
class ImapSettings:
    """IMAP sessions."""

    greeting: str = setting("mailhub ready.", "Text of the greeting.", ONE_LINE)
    idle_timeout: float = setting(1800.0, "Seconds without a command before BYE (RFC 3501 section 5.4).", at_least(0.1))
    login_timeout: float = setting(180.0, "Seconds to log in.", at_least(0.1))
    line_limit: int = setting(65536, "Longest command line, octets without literals.", at_least(1000))
    literal_limit: int = setting(65536, "Largest literal in other commands than APPEND, octets.", at_least(1000))
    bad_commands: int = setting(20, "Bad commands in a row after login before BYE.", at_least(1))
    bad_commands_login: int = setting(3, "The same before login; failed logins, too.", at_least(1))
    idle_notify: float = setting(120.0, "Seconds between keep-alives in IDLE; 0 for none.", at_least(0))
    id_fields: tuple[tuple[str, str], ...] = setting((("name", "mailhub"),), "What ID answers.")
    capabilities_off: tuple[str, ...] = setting((), "Capabilities taken out.")


@frozen
class Pop3Settings:
    """POP3 sessions."""

    greeting: str = setting("mailhub ready.", "Text of the greeting.", ONE_LINE)
    timeout: float = setting(600.0, "Autologout, seconds; RFC 1939 section 3 wants 600 or more.", at_least(0.1))
    login_timeout: float = setting(180.0, "Seconds to log in.", at_least(0.1))
    mark_seen: bool = setting(True, "RETR sets \\Seen.")
    lock_session: bool = setting(False, "One session a maildrop: others get [IN-USE].")
    bad_commands: int = setting(20, "Bad commands in a row before the connection is closed.", at_least(1))
    bad_commands_login: int = setting(3, "The same before login; failed logins, too.", at_least(1))
    uidl_format: str = setting(
        "%08x%08x", "UIDL from UID and UIDVALIDITY.", matching("a printf format of two numbers", _is_uidl_format)
    )


@frozen
class LmtpSettings:
    """Mail coming in."""

    hostname: str | None = setting(None, "Name in the greeting and in Received; default the machine's.", HOSTNAME)
    timeout: float = setting(300.0, "Seconds without a command before 421.", at_least(0.1))
    recipient_limit: int = setting(1000, "Most recipients of one message.", at_least(1))
    recipient_delimiter: str = setting(
        "+", "Separates user and detail; empty for none.", matching("at most one character", lambda text: len(text) < 2)
    )
    bad_commands: int = setting(20, "Bad commands in a row before the connection is closed.", at_least(1))


@frozen
class Settings:
    """Everything in force."""

    server: ServerSettings = field(factory=ServerSettings)
    listen: ListenSettings = field(factory=ListenSettings)
    tls: TlsSettings = field(factory=TlsSettings)
    auth: AuthSettings = field(factory=AuthSettings)
    store: StoreSettings = field(factory=StoreSettings)
    imap: ImapSettings = field(factory=ImapSettings)
    pop3: Pop3Settings = field(factory=Pop3Settings)
    lmtp: LmtpSettings = field(factory=LmtpSettings)
