"""fetchmail, getmail6 and curl fetch a user's mail by POP3 and IMAP, over TLS and without."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.peer import OWNER, program
from tests.peers.clients import imap_client, started
from tests.peers.maildirs import digest

MAIL = [
    f"From: sender{number}@example.org\r\nTo: ann@example.org\r\nSubject: number {number}\r\n"
    f"Message-ID: <{number}@example.org>\r\n\r\nLine one of {number}\r\n.\r\n..two dots\r\nFrom here\r\n".encode()
    for number in range(1, 21)
]


class Fetchers(TestCase):
    """Each fetches the same twenty messages."""

    def setUp(self) -> None:
        self.server = started(self)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        client = imap_client(self, self.server, "ann")
        for data in MAIL:
            self.assertEqual(client.append("INBOX", "", None, data)[0], "OK")
        client.logout()

    def run_program(self, *command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        run = subprocess.run(  # type: ignore[call-overload]
            command,
            capture_output=True,
            timeout=60,
            env={**os.environ, "HOME": str(self.folder), "FETCHMAILHOME": str(self.folder)},
            **options,
        )
        result: subprocess.CompletedProcess[bytes] = run
        self.assertEqual(run.returncode, 0, (command, run.stdout[-2000:], run.stderr[-2000:]))
        return result

    def bodies(self, data: bytes) -> list[bytes]:
        """The body of each message, whatever headers a fetcher added."""
        return data.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1:]

    def fetchmail(self, protocol: str, listener: str, tls: bool) -> None:
        out = self.folder / f"{protocol}-{listener}"
        out.mkdir()
        deliver = self.folder / "deliver"
        deliver.write_text('#!/bin/sh\ncat > "$(mktemp "$1/XXXXXX")"\n')
        deliver.chmod(0o755)
        rc = self.folder / "fetchmailrc"
        security = f"ssl sslcertfile {self.server.ca} sslcertck" if tls else "sslproto ''"
        rc.write_text(
            f"poll localhost protocol {protocol} port {self.server.port(listener)} auth password\n"
            f'  user ann password pass {security} fetchall keep mda "{deliver} {out}"\n'
        )
        rc.chmod(0o600)
        self.run_program(
            program("fetchmail"), "-f", str(rc), "--nosyslog", "--nodetach", "--pidfile", str(self.folder / "pid")
        )
        got = sorted(body for path in out.iterdir() for body in self.bodies(path.read_bytes()))
        self.assertEqual(got, sorted(body for data in MAIL for body in self.bodies(data)))

    def test_fetchmail_pop3s(self) -> None:
        """fetchmail retrieves everything over POP3 on TLS, verifying the certificate."""
        self.fetchmail("pop3", "pop3s", True)

    def test_fetchmail_imaps(self) -> None:
        """fetchmail retrieves everything over IMAP on TLS."""
        self.fetchmail("imap", "imaps", True)

    def test_fetchmail_pop3(self) -> None:
        """fetchmail retrieves everything over POP3 in the clear."""
        self.fetchmail("pop3", "pop3", False)

    def getmail(self, retriever: str, listener: str) -> None:
        out = self.folder / "box"
        for sub in ("cur", "new", "tmp"):
            (out / sub).mkdir(parents=True)
        extra = 'mailboxes = ("INBOX",)\n' if "IMAP" in retriever else ""
        (self.folder / "getmailrc").write_text(
            f"[retriever]\ntype = {retriever}\nserver = localhost\nport = {self.server.port(listener)}\n"
            f"username = ann\npassword = pass\nca_certs = {self.folder}/ca.pem\n{extra}"
            f"[destination]\ntype = Maildir\npath = {out}/\n[options]\nread_all = true\ndelivered_to = false\n"
            f"received = false\n"
        )
        (self.folder / "ca.pem").write_bytes(Path(self.server.ca).read_bytes())
        privileges: dict[str, object] = {}
        if os.getuid() == 0:  # getmail refuses to deliver into a Maildir as root
            account = pwd.getpwnam(OWNER)
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
            for parent in self.folder.parents:
                if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o005 != 0o005 and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o005)
            privileges = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.run_program(program("getmail"), "--getmaildir", str(self.folder), **privileges)
        got = sorted(body for path in (out / "new").iterdir() for body in self.bodies(path.read_bytes()))
        self.assertEqual(got, sorted(body for data in MAIL for body in self.bodies(data)))

    def test_getmail_pop3s(self) -> None:
        """getmail6 retrieves every message over POP3 on TLS, every body octet for octet."""
        self.getmail("SimplePOP3SSLRetriever", "pop3s")

    def test_getmail_imaps(self) -> None:
        """getmail6 retrieves every message over IMAP on TLS, every body octet for octet."""
        self.getmail("SimpleIMAPSSLRetriever", "imaps")

    def curl(self, url: str, *options: str) -> bytes:
        return self.run_program(
            program("curl"), "-sS", "--cacert", str(self.server.ca), "--user", "ann:pass", *options, url
        ).stdout

    def test_curl(self) -> None:
        """curl fetches a message by imap, imaps, pop3 and pop3s, with STARTTLS and STLS where asked."""
        for scheme, options in (
            ("imap", ()),
            ("imap", ("--ssl-reqd",)),
            ("imaps", ()),
            ("pop3", ()),
            ("pop3", ("--ssl-reqd",)),
            ("pop3s", ()),
        ):
            where = "INBOX;UID=3" if scheme.startswith("imap") else "3"
            got = self.curl(f"{scheme}://localhost:{self.server.port(scheme)}/{where}", *options)
            self.assertEqual(digest(got), digest(MAIL[2]), (scheme, options))
        listing = self.curl(f"imap://localhost:{self.server.port('imap')}/")
        self.assertIn(b"INBOX", listing)
