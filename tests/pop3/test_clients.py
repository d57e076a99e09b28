"""poplib and raw sockets against a real port: RFC 1939, 2595, 8314."""

from __future__ import annotations

import poplib
import socket
from typing import Any

from twisted.internet import reactor

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.config.settings import AuthSettings, Pop3Settings, StoreSettings
from mailhub.memory.store import MemoryStore
from mailhub.pop3.factory import Pop3Factory
from mailhub.store.model import Addition, UserEntry
from tests.loopback import LoopbackTestCase

MESSAGES = [b"Subject: %d\r\n\r\n.dots\r\n%s\r\n" % (n, b"x" * 70 * n) for n in range(20)]


class ClientTests(LoopbackTestCase):
    async def setUp(self) -> None:
        self.tls = self.certificate()
        store = MemoryStore(clock=reactor, settings=StoreSettings())
        self.account: Any = await store.account(UserEntry("ann"))
        for message in MESSAGES:
            draft = await self.account.draft()
            draft.write(message)
            await self.account.append("INBOX", [Addition(draft)])
        login = Login(reactor=reactor, store=store, users=AnyPassword("pass"), settings=AuthSettings(password="pass"))
        self.factory = Pop3Factory(reactor=reactor, login=login, settings=Pop3Settings(), tls=self.tls)
        self.port = self.listen(self.factory)

    async def left(self) -> int:
        return int((await self.account.status("INBOX")).messages)

    def fetch_all(self, client: poplib.POP3, how: str) -> list[bytes]:
        if how == "apop":
            client.apop("ann", "pass")
        else:
            client.user("ann")
            client.pass_("pass")
        count, octets = client.stat()
        rows = client.list()[1]
        assert octets == sum(int(row.split()[1]) for row in rows)
        assert len(client.uidl()[1]) == count
        found = []
        for number in range(1, count + 1):
            found.append(b"".join(line + b"\r\n" for line in client.retr(number)[1]))
            client.dele(number)
        client.quit()
        return found

    async def test_poplib(self) -> None:
        """poplib fetches and removes all mail."""
        found = await self.thread(lambda: self.fetch_all(poplib.POP3("127.0.0.1", self.port, 20), "user"))
        self.assertEqual(found, MESSAGES)
        self.assertEqual(await self.left(), 0)

    async def test_poplib_apop(self) -> None:
        """poplib logs in by APOP."""
        found = await self.thread(lambda: self.fetch_all(poplib.POP3("127.0.0.1", self.port, 20), "apop"))
        self.assertEqual(found, MESSAGES)

    async def test_poplib_stls(self) -> None:
        """poplib begins TLS by STLS (RFC 2595 section 4); it is then no longer offered."""

        def session() -> list[bytes]:
            client = poplib.POP3("localhost", self.port, 20)
            assert "STLS" in client.capa()
            client.stls(self.trust)
            assert "STLS" not in client.capa()
            return self.fetch_all(client, "user")

        self.assertEqual(await self.thread(session), MESSAGES)

    async def test_poplib_tls(self) -> None:
        """poplib on a port with TLS from the first octet (RFC 8314)."""
        port = self.listen(self.factory, self.tls)
        found = await self.thread(
            lambda: self.fetch_all(poplib.POP3_SSL("localhost", port, timeout=20, context=self.trust), "user")
        )
        self.assertEqual(found, MESSAGES)

    async def test_injection_before_tls(self) -> None:
        """What is pipelined behind STLS is never run (RFC 2595 section 4)."""

        def session() -> tuple[bytes, bytes]:
            with socket.create_connection(("localhost", self.port), 20) as plain:
                stream = plain.makefile("rb")
                stream.readline()
                plain.sendall(b"STLS\r\nUSER evil\r\nNOOP\r\n")
                first = stream.readline()
                with self.trust.wrap_socket(plain, server_hostname="localhost") as tls:
                    tls.sendall(b"PASS pass\r\n")
                    return first, tls.makefile("rb").readline()

        answers = await self.thread(session)
        self.assertEqual(answers, (b"+OK Begin TLS negotiation now.\r\n", b"-ERR No username given.\r\n"))

    async def test_cut_off(self) -> None:
        """A connection that is cut removes nothing."""

        def session() -> None:
            client = poplib.POP3("127.0.0.1", self.port, 20)
            client.user("ann")
            client.pass_("pass")
            client.dele(1)
            client.sock.close()

        await self.thread(session)
        await self.factory.shutdown()
        self.assertEqual(await self.left(), len(MESSAGES))

    async def test_shell_client(self) -> None:
        """A script piped into a socket, whose end comes before the answers, is answered to its end."""

        def session() -> bytes:
            with socket.create_connection(("127.0.0.1", self.port), 20) as plain:
                plain.sendall(b"USER ann\nPASS pass\nDELE 1\nQUIT\n")
                plain.shutdown(socket.SHUT_WR)
                return plain.makefile("rb").read()

        self.assertTrue((await self.thread(session)).endswith(b"+OK Logging out, messages deleted.\r\n"))
        self.assertEqual(await self.left(), len(MESSAGES) - 1)

    async def test_handshake_cut_short(self) -> None:
        """Garbage in place of a TLS handshake ends that connection and no other."""
        port = self.listen(self.factory, self.tls)

        def session() -> bytes:
            with socket.create_connection(("127.0.0.1", port), 20) as plain:
                plain.sendall(b"USER ann\r\n" * 10)
                return plain.recv(100)

        await self.thread(session)
        found = await self.thread(lambda: self.fetch_all(poplib.POP3("127.0.0.1", self.port, 20), "user"))
        self.assertEqual(len(found), len(MESSAGES))
