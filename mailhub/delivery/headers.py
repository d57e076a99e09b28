"""What delivery writes above a message: Return-Path, Delivered-To, Received (RFC 5321 section 4.4).

The form and the order are those of Dovecot 2.3.19's LMTP server. There, Delivered-To and the "for" clause of Received
stand only where the message has a single recipient. That also lets several recipients share one file, and keeps
blind recipients unknown to each other (RFC 5321 section 7.2).
"""

from __future__ import annotations

from email.utils import formatdate

from attrs import frozen

from mailhub.wire.smtp import Address


@frozen
class Envelope:
    """Where a message comes from."""

    sender: Address | None
    """None for the null reverse-path."""
    hello: str
    """How the client named itself."""
    host: str
    """The client's address; "" on a unix socket."""
    by: str
    """This host."""
    protocol: str
    """LMTP, LMTPS (RFC 3848), UTF8LMTP or UTF8LMTPS (RFC 6531 section 4.3)."""
    ident: str
    """Names the transaction in our log."""


def trace(envelope: Envelope, recipient: Address | None, when: float) -> bytes:
    """Return the header lines to put above a message.

    recipient: the only one, or None if there are several; when: seconds since the epoch."""
    sender = "" if envelope.sender is None else str(envelope.sender)
    origin = envelope.hello
    if envelope.host:
        host = f"IPv6:{envelope.host}" if ":" in envelope.host else envelope.host
        origin = f"{origin} ([{host}])"
    delivered = single = ""
    if recipient is not None:
        delivered = f"Delivered-To: {recipient}\r\n"
        single = f"\r\n\tfor <{recipient}>"
    return (
        f"Return-Path: <{sender}>\r\n{delivered}"
        f"Received: from {origin}\r\n\tby {envelope.by} with {envelope.protocol}\r\n\tid {envelope.ident}\r\n"
        f"\t(envelope-from <{sender}>){single}; {formatdate(when, localtime=True)}\r\n"
    ).encode()
