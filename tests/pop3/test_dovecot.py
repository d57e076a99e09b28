"""The same questions to Dovecot 2.3 and to us, on the same Maildir: the same answers, octet for octet.

Deliberate differences, left out here: a message whose very first octet is a dot gets it doubled, as RFC 1939 section 3
says (Dovecot 2.3.19 forgets that one); blanks behind a message number are forgiven; CAPA lists more, and no "CAPA".
"""

from __future__ import annotations

import shutil
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.login import Login
from mailhub.concurrency.pool import InlinePool
from mailhub.config.settings import AuthSettings, Pop3Settings, StoreSettings
from mailhub.maildir.store import MaildirStore
from mailhub.pop3.factory import Pop3Factory
from tests.maildir.scratch import scratch
from tests.peer import Dovecot
from tests.pop3.house import LOCAL
from tests.talk import Talk

MESSAGES = [
    b"Subject: plain\n\none\ntwo\nthree\n",
    b"Subject: dots\n\n.\n..\n.x\n\n.\n",
    b"Subject: no final line end\n\nlast",
    b"Subject: only a header\n",
    b"Subject: header and blank line\n\n",
    b"Subject: no line end at all",
    b"\nno header\nat all\n",
    b"\n\n\n",
    b"Subject: crlf\r\n\r\nline\r\nother\r\n",
    b"Subject: mixed\n\r\nline\r\nother\n",
    b"Subject: bare cr\n\na\rb\r\rc\n",
    b"Subject: 8 bit \xe4\xff\n\n\xc3\xa4\n",
    b"Subject: long\n\n" + b"x" * 100_000 + b"\n.\n",
    b"Subject: long\n\n" + b".line\n" * 60_000,
]


class DovecotTests(SynchronousTestCase):
    """A script goes to both, already logged in; what they say must be the same."""

    def setUp(self) -> None:
        base = scratch(self)
        mail = base / "peer" / "ann" / "Maildir"
        for name in ("cur", "new", "tmp"):
            (mail / name).mkdir(parents=True)
        for number, message in enumerate(MESSAGES):
            (mail / "cur" / f"10000000{number:02}.M1P1.host:2,").write_bytes(message)
        self.dovecot = Dovecot(base, f"maildir:{base}/peer/%u/Maildir")
        self.dovecot.own(base / "peer")
        self.dovecot.run("pop3", "ann", b"QUIT\r\n")
        shutil.copytree(base / "peer" / "ann", base / "mail" / "ann")
        for cache in (base / "mail" / "ann" / "Maildir").glob("dovecot.index*"):
            cache.unlink()
        clock = Clock()
        clock.advance(2_000_000_000)
        settings = StoreSettings(fsync="never")
        self.store: Any = MaildirStore(reactor=clock, threads=InlinePool(), settings=settings, data=str(base))
        auth = AuthSettings(password="pass")
        login = Login(reactor=clock, store=self.store, users=AnyPassword("pass"), settings=auth)
        self.factory = Pop3Factory(reactor=clock, login=login, settings=Pop3Settings())
        self.clock = clock

    def tearDown(self) -> Deferred[None] | None:
        self.successResultOf(self.store.close())
        return None

    def ask(self, *commands: bytes) -> tuple[bytes, bytes]:
        """Return what Dovecot and what we say to a session with these commands and QUIT."""
        script = b"".join(command + b"\r\n" for command in (*commands, b"QUIT"))
        theirs = self.dovecot.run("pop3", "ann", script)
        client = Talk(self.factory, self.clock, LOCAL)
        client(b"USER ann\r\nPASS pass\r\n")
        return theirs, client(script)

    def check(self, *commands: bytes) -> None:
        theirs, ours = self.ask(*commands)
        self.assertEqual(ours.split(b"\r\n"), theirs.split(b"\r\n"))

    def test_lists(self) -> None:
        """STAT, LIST, UIDL: sizes with CRLF line ends, ids from UID and UIDVALIDITY."""
        self.check(b"STAT", b"LIST", b"UIDL", b"LIST 3", b"UIDL 3", b"LIST 03", b"LIST ", b"NOOP", b"NOOP x")

    def test_messages(self) -> None:
        """RETR of messages as the world has them."""
        self.check(*(b"RETR %d" % (number + 1) for number in range(len(MESSAGES))))

    def test_tops(self) -> None:
        """TOP cuts at the same line."""
        for lines in (0, 1, 2, 3, 1000):
            self.check(*(b"TOP %d %d" % (number + 1, lines) for number in range(len(MESSAGES))))

    def test_refusals(self) -> None:
        """What is refused, and in which words."""
        self.check(
            *(b"RETR 99", b"RETR 0", b"RETR", b"RETR x", b"RETR -1", b"RETR +1", b"RETR 1 2", b"LIST x", b"NOOP"),
            *(b"TOP 1 x", b"TOP 1 -1", b"TOP 1 1 1", b"TOP 99 1", b"DELE x", b"DELE 99", b"DELE", b"NOOP"),
            *(b"FOO", b"foo bar", b"USER ann", b"AUTH", b"", b"RETR 99999999999999999999", b"LAST", b"NOOP"),
        )

    def test_deletion(self) -> None:
        """DELE, what marked messages look like, RSET, and QUIT that removes."""
        gone = (b"DELE 2", b"DELE 2", b"RETR 2", b"LIST 2", b"UIDL 2", b"TOP 2 0")
        self.check(*gone, b"STAT", b"LIST", b"UIDL", b"RSET", b"STAT", b"LIST")
        self.check(b"DELE 1", b"DELE 3", b"DELE 5", b"RSET", b"DELE 3", b"STAT")
        self.check(b"STAT", b"LIST", b"UIDL")
