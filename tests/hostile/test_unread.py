"""Clients that never read: the server stops producing for them, and nobody else waits (design: memory is bounded)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.attack import MIB, SECRET, Attacked

MESSAGE = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * (MIB // 72)
SMALL = b"Subject: small\r\n\r\n" + (b"y" * 70 + b"\r\n") * 1_000


class Unread(Attacked):
    """Each test leaves a client that sends and does not read; the memory it costs is bounded."""

    memory_limit = 96 * MIB

    def test_fetch(self) -> None:
        """100,000 FETCHes of a message of 1 MB, in the clear, over imaps and behind STARTTLS."""
        owner = self.imap("large")
        self.append(owner, MESSAGE)
        for service in ("imap", "imaps"):
            wire = self.imap("large", service, "INBOX")
            self.assertLess(wire.stuff(many(b"f FETCH 1 BODY[]\r\n", 100_000)), 20 * MIB)
        wire = self.wire("imap")
        wire.ask(b"STARTTLS")
        wire.wrap(self.server.tls())
        wire.ask(b'LOGIN large "%b"' % SECRET.encode())
        wire.ask(b"SELECT INBOX")
        self.assertLess(wire.stuff(many(b"f FETCH 1 BODY[]\r\n", 100_000)), 20 * MIB)

    def test_fetch_of_small_messages(self) -> None:
        """FETCHes of many messages at once, and of what is not a body: headers, structure, flags."""
        owner = self.imap("small")
        for _ in range(100):
            self.append(owner, SMALL)
        for items in (b"BODY[]", b"(FLAGS ENVELOPE BODYSTRUCTURE)", b"BODY.PEEK[HEADER]", b"FLAGS"):
            wire = self.imap("small", mailbox="INBOX")
            self.assertLess(wire.stuff(many(b"f FETCH 1:* %b\r\n" % items, 100_000)), 20 * MIB)

    def test_other_commands(self) -> None:
        """Commands whose answers are longer than they are."""
        owner = self.imap("wide")
        for number in range(300):
            owner.ask(b"CREATE folder%d" % number)
        for command in (
            b'l LIST "" *\r\n',
            b"c CAPABILITY\r\n",
            b"n NOOP\r\n",
            b"s STATUS INBOX (MESSAGES UIDNEXT)\r\n",
        ):
            wire = self.imap("wide")
            self.assertLess(wire.stuff(many(command, 2_000_000)), 20 * MIB)

    def test_retr(self) -> None:
        """100,000 RETRs and other commands with long answers, in the clear and on TLS."""
        self.deliver("popper", MESSAGE)
        for service in ("pop3", "pop3s"):
            for command in (b"RETR 1\r\n", b"TOP 1 999999\r\n", b"CAPA\r\n"):
                wire = self.pop3("popper", service)
                self.assertLess(wire.stuff(many(command, 1_000_000)), 20 * MIB)

    def test_lmtp(self) -> None:
        """LHLO, a million times."""
        wire = self.lmtp()
        self.assertLess(wire.stuff(many(b"LHLO here\r\n", 1_000_000)), 20 * MIB)

    def test_idle(self) -> None:
        """A client in IDLE that does not read is told of changes only as far as it reads: what it is not told of is
        told in one go, not kept event by event."""
        owner = self.imap("idler", mailbox="INBOX")
        for _ in range(200):
            self.append(owner, b"Subject: small\r\n\r\n")
        wires = []
        for _ in range(3):
            wire = self.imap("idler", mailbox="INBOX")
            wire.send(b"i IDLE\r\n")
            wires.append(wire)
        pieces = (
            b"".join(
                b"s STORE 1:* +FLAGS.SILENT (\\Flagged)\r\nt STORE 1:* -FLAGS.SILENT (\\Flagged)\r\n" for _ in range(50)
            )
            for _ in range(20)
        )
        said = owner.pour([*pieces, b"end NOOP\r\n"], rb"end OK")
        self.assertEqual(said.count(b"s OK"), 1_000)
        for wire in wires:
            wire.send(b"DONE\r\nz NOOP\r\n")
            self.assertIn(b"z OK", wire.answer(b"z"))

    def test_sends_on_behind_the_end(self) -> None:
        """A client on TLS that sends on after its session has ended, and never reads, is not listened to."""
        for service, end in (("pop3s", b"QUIT\r\n"), ("imaps", b"q LOGOUT\r\n")):
            wire = self.wire(service)
            wire.stuff([end, *many(b"x" * 998 + b"\r\n", 300_000)])


def many(command: bytes, count: int) -> Iterator[bytes]:
    """Yield a pipeline of `count` times the same command."""
    for _ in range(count // 1_000):
        yield command * 1_000
