"""The standard library's clients, logged in to a test server."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import re
import socket

from twisted.trial.unittest import TestCase

from tests.server import PASSWORD, Server, scratch

TIMEOUT = 60
"""Seconds after which a client gives up: a bound for a test that fails, not a judgement of speed."""


def started(case: TestCase, *options: str, config: str | None = None) -> Server:
    """Return a running server that stops, in good order, at the end of the test."""
    server = Server(scratch(case), *options, config=config).start()
    case.addCleanup(server.stop)
    return server


def imap_client(case: TestCase, server: Server, user: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=TIMEOUT)
    case.addCleanup(_drop, client)
    client.login(user, PASSWORD)
    return client


def _drop(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):  # it logged out
        client.shutdown()


def pop3_client(server: Server, user: str) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=TIMEOUT)
    client.user(user)
    client.pass_(PASSWORD)
    return client


def uidls(server: Server, user: str) -> list[tuple[bytes, bytes]]:
    """Return (number, unique-id) of each message in a POP3 session of its own."""
    client = pop3_client(server, user)
    lines = client.uidl()[1]
    client.quit()
    return [(number, uidl) for number, uidl in (line.split(b" ") for line in lines)]


def ask(server: Server, user: str, script: bytes) -> bytes:
    """Log in by IMAP, send a whole script that ends in LOGOUT at once, and return all that came back."""
    with socket.create_connection(("127.0.0.1", server.port("imap")), TIMEOUT) as connection:
        connection.sendall(b"login LOGIN %b %b\r\n" % (user.encode(), PASSWORD.encode()) + script)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    return re.sub(rb"\A.*?\r\nlogin OK[^\r]*\r\n", b"", said, count=1, flags=re.S)
