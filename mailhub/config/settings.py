"""Every setting as a frozen value with its default; where a value came from is config.sources' business.

One class a section of the configuration file. A field's metadata["help"] is the sentence that etc/mailhub.toml
and error messages show; metadata["allowed"] says in words what may stand there.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen


def setting(default: Any, help: str, allowed: str = "") -> Any:
    """Return an attrs field with a default and its explanation."""
    return field(default=default, metadata={"help": help, "allowed": allowed})


LOOPBACK = "127.0.0.1"


@frozen
class ServerSettings:
    data: str = setting("./mailhub-data", "Where mailhub keeps what is its own.", "a folder")
    ready_file: str | None = setting(None, "Written once every port listens.", "a file")
    shutdown_seconds: float = setting(5.0, "How long a stop waits for commands under way.", "seconds")


@frozen
class ListenSettings:
    """Ports, "off", 0 for a port chosen by the kernel, or Twisted endpoint strings; several allowed."""

    imap: tuple[str, ...] = setting(("1143",), "IMAP with STARTTLS.")
    imaps: tuple[str, ...] = setting(("1993",), "IMAP on TLS.")
    pop3: tuple[str, ...] = setting(("1110",), "POP3 with STLS.")
    pop3s: tuple[str, ...] = setting(("1995",), "POP3 on TLS.")
    lmtp: tuple[str, ...] = setting(("1024",), "LMTP.")


@frozen
class TlsSettings:
    cert: str | None = setting(None, "Certificate chain, PEM; none: one is made under DATA/tls.", "a file")
    key: str | None = setting(None, "Private key, PEM.", "a file")


@frozen
class AuthSettings:
    password: str | None = setting(None, "Any user is accepted with this password.", "a word")
    allow_remote_any: bool = setting(False, "Allow `password` on addresses that are not loopback.")
    users: str | None = setting(None, "A passwd-file as Dovecot reads it.", "a file")
    mechanisms: tuple[str, ...] = setting(("PLAIN", "LOGIN"), "SASL mechanisms offered.")
    plaintext_without_tls: str = setting(
        "loopback", "Where passwords may be sent without TLS.", '"never", "loopback" or "always"'
    )
    failure_delay: float = setting(0.0, "Seconds before a failed login is answered.", "0 to 60")


@frozen
class StoreSettings:
    kind: str = setting("maildir", "Which store.", '"maildir" or "memory"')
    mail: str | None = setting(None, "Mail of a user, with %u %n %d %h and ~; default maildir:DATA/mail/%u/Maildir.")
    layout: str = setting("maildir++", "Folders as .A.B or as A/B.", '"maildir++" or "fs"')
    separator: str | None = setting(None, "Hierarchy delimiter for clients; default that of the layout.", '"." or "/"')
    fsync: str = setting("always", "Whether writes are durable before they are answered.", '"always" or "never"')
    message_limit: int = setting(64 * 1024 * 1024, "Largest message, octets with CRLF.", "1 to 2**31")
    mailbox_limit: int = setting(10_000, "Most mailboxes of an account.")
    keyword_limit: int = setting(1_000, "Most keywords of a mailbox.")
    cache_mib: int = setting(64, "Memory for mailboxes nobody has open.", "MiB")
    lock_seconds: float = setting(120.0, "How long a write waits for another process's lock.", "seconds")


@frozen
class ImapSettings:
    greeting: str = setting("mailhub ready.", "Text of the greeting.")
    idle_timeout: float = setting(1800.0, "Seconds without a command before BYE (RFC 3501 section 5.4).")
    login_timeout: float = setting(180.0, "Seconds to log in.")
    line_limit: int = setting(65536, "Longest command line, octets without literals.")
    literal_limit: int = setting(65536, "Largest literal in other commands than APPEND, octets.")
    bad_commands: int = setting(20, "Bad commands in a row after login before BYE.")
    bad_commands_login: int = setting(3, "The same before login.")
    idle_notify: float = setting(120.0, "Seconds between keep-alives in IDLE; 0 for none.")
    id_fields: tuple[tuple[str, str], ...] = setting((("name", "mailhub"),), "What ID answers.")
    capabilities_off: tuple[str, ...] = setting((), "Capabilities taken out.")


@frozen
class Pop3Settings:
    greeting: str = setting("mailhub ready.", "Text of the greeting.")
    timeout: float = setting(600.0, "Autologout, seconds (RFC 1939 section 3).", "600 or more, but for tests")
    mark_seen: bool = setting(True, "RETR sets \\Seen.")
    lock_session: bool = setting(False, "One session a maildrop: others get [IN-USE].")
    bad_commands: int = setting(20, "Bad commands in a row before the connection is closed.")
    bad_commands_login: int = setting(3, "The same before login.")
    uidl_format: str = setting("%08x%08x", "UIDL from UID and UIDVALIDITY.")


@frozen
class LmtpSettings:
    hostname: str | None = setting(None, "Name in the greeting and in Received; default the machine's.")
    timeout: float = setting(300.0, "Seconds without a command before 421.")
    recipient_limit: int = setting(1000, "Most recipients of one message.")
    recipient_delimiter: str = setting("+", "Separates user and detail.")
    bad_commands: int = setting(20, "Bad commands in a row before the connection is closed.")


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
