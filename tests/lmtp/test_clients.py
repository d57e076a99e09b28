"""smtplib against a real port: RFC 2033, 3207."""

from __future__ import annotations

import smtplib
import socket
from typing import Any

from twisted.internet import reactor

from mailhub.concurrency.pool import Threads
from mailhub.config.settings import LmtpSettings, StoreSettings
from mailhub.delivery.delivery import Delivery
from mailhub.lmtp.factory import LmtpFactory
from mailhub.maildir.store import MaildirStore
from tests.lmtp.house import Directory
from tests.loopback import LoopbackTestCase

MESSAGE = "Subject: hi\r\n\r\n.dot\r\nlast\r\n"


def deliver(client: smtplib.LMTP, recipients: list[str], message: str) -> list[int]:
    """Send a message and return a code for each recipient; smtplib alone reads one reply after DATA for all."""
    client.ehlo_or_helo_if_needed()
    client.mail("s@example.org")
    codes = {recipient: client.rcpt(recipient)[0] for recipient in recipients}
    accepted = [recipient for recipient in recipients if codes[recipient] == 250]
    codes[accepted[0]] = client.data(message)[0]
    for recipient in accepted[1:]:
        codes[recipient] = client.getreply()[0]
    return [codes[recipient] for recipient in recipients]


class ClientTests(LoopbackTestCase):
    async def setUp(self) -> None:
        self.data = self.scratch()
        self.tls = self.certificate()
        threads = Threads(reactor, 4)
        self.addCleanup(threads.stop)
        store: Any = MaildirStore(
            reactor=reactor, threads=threads, settings=StoreSettings(fsync="never"), data=str(self.data)
        )
        self.addCleanup(store.close)
        self.factory = LmtpFactory(
            reactor=reactor,
            delivery=Delivery(store=store, users=Directory("ann", "bob")),
            settings=LmtpSettings(hostname="localhost"),
            message_limit=1_000_000,
            tls=self.tls,
        )
        self.port = self.listen(self.factory)

    def files(self, user: str) -> list[Any]:
        return sorted((self.data / "mail" / user / "Maildir" / "new").glob("*"))

    async def test_smtplib(self) -> None:
        """smtplib.LMTP delivers; a message for two users is one file on the disk."""

        def session() -> list[int]:
            with smtplib.LMTP("127.0.0.1", self.port, local_hostname="client") as client:
                return deliver(client, ["ann@x.org", "nobody@x.org", "bob+d@x.org"], MESSAGE)

        self.assertEqual(await self.thread(session), [250, 550, 250])
        (ann,), (bob,) = self.files("ann"), self.files("bob")
        self.assertTrue(ann.read_bytes().endswith(b"\nSubject: hi\n\n.dot\nlast\n"))
        self.assertEqual(ann.stat().st_ino, bob.stat().st_ino)

    async def test_starttls(self) -> None:
        """STARTTLS (RFC 3207): Received says LMTPS, STARTTLS is no longer offered."""

        def session() -> bool:
            with smtplib.LMTP("localhost", self.port, local_hostname="client") as client:
                client.ehlo()
                assert client.has_extn("starttls")
                client.starttls(context=self.trust)
                client.ehlo()
                client.sendmail("s@example.org", ["ann"], MESSAGE)
                return client.has_extn("starttls")

        self.assertFalse(await self.thread(session))
        self.assertIn(b"\tby localhost with LMTPS\n", self.files("ann")[0].read_bytes())

    async def test_injection_before_tls(self) -> None:
        """What is pipelined behind STARTTLS is never run (RFC 3207 section 4.2), and LHLO is needed again."""

        def session() -> tuple[bytes, bytes]:
            with socket.create_connection(("localhost", self.port), 20) as plain:
                stream = plain.makefile("rb")
                stream.readline()
                plain.sendall(b"STARTTLS\r\nLHLO evil\r\nMAIL FROM:<evil>\r\n")
                first = stream.readline()
                with self.trust.wrap_socket(plain, server_hostname="localhost") as tls:
                    tls.sendall(b"MAIL FROM:<>\r\n")
                    return first, tls.makefile("rb").readline()

        answers = await self.thread(session)
        self.assertEqual(answers, (b"220 2.0.0 Begin TLS negotiation now.\r\n", b"503 5.5.1 LHLO needed first\r\n"))

    async def test_large(self) -> None:
        """A message near the limit, in DATA; one over it is refused at MAIL."""

        def session() -> tuple[list[int], int]:
            with smtplib.LMTP("127.0.0.1", self.port, local_hostname="client") as client:
                done = deliver(client, ["ann", "bob"], "a: b\r\n\r\n" + ("x" * 78 + "\r\n") * 11_000)
                try:
                    client.sendmail("s@x", ["ann"], "a: b\r\n\r\n" + ("x" * 78 + "\r\n") * 20_000)
                except smtplib.SMTPSenderRefused as error:
                    return done, error.smtp_code
                return done, 0

        self.assertEqual(await self.thread(session), ([250, 250], 552))
        self.assertEqual(self.files("ann")[0].stat().st_ino, self.files("bob")[0].stat().st_ino)
        self.assertEqual(len(self.files("ann")), 1)
