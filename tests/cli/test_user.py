"""`mailhub user`: changes to the passwd-file."""

from __future__ import annotations

import os
import poplib
import pty
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth import editing, schemes
from tests.cli.command import ROOT, Done, mailhub
from tests.server import Server, scratch


def _read(terminal: int) -> bytes:
    """Read what was written to a terminal; nothing once the other side is closed."""
    try:
        return os.read(terminal, 1000)
    except OSError:
        return b""


class UserCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.users = self.base / "users"

    def run_it(self, action: str, *arguments: str, password: str = "", status: int = 0) -> Done:
        words = ["user", action, *arguments, "--users", str(self.users)]
        if action in ("add", "passwd"):
            words.append("--password-stdin")
        done = mailhub(*words, stdin=password.encode() + b"\n")
        self.assertEqual(done.status, status, done)
        self.assertNotIn("Traceback", done.error)
        return done

    def stored(self, user: str) -> str:
        (line,) = [line for line in self.users.read_text().split("\n") if line.startswith(f"{user}:")]
        return line.split(":")[1]

    def test_life(self) -> None:
        """add, passwd, list and remove; the file is for its owner only; passwords are hashed."""
        self.run_it("add", "ann", password="one")
        self.assertEqual(self.users.stat().st_mode & 0o777, 0o600)
        self.assertTrue(schemes.verify(b"one", self.stored("ann")))
        self.assertTrue(self.stored("ann").startswith("{SHA512-CRYPT}$6$"))
        self.run_it(
            "add",
            "bob",
            "--scheme",
            "ARGON2ID",
            "--home",
            "/srv/bob",
            "--extra",
            "userdb_mail=maildir:~/M",
            password="two",
        )
        self.assertIn(":/srv/bob::userdb_mail=maildir:~/M\n", self.users.read_text())
        self.assertEqual(self.run_it("list").out, b"ann\tSHA512-CRYPT\nbob\tARGON2ID\n")
        self.run_it("passwd", "bob", password="three")
        self.assertTrue(schemes.verify(b"three", self.stored("bob")))
        self.assertIn(":/srv/bob::userdb_mail=maildir:~/M\n", self.users.read_text())
        self.run_it("remove", "ann")
        self.assertEqual(self.run_it("list").out, b"bob\tSHA512-CRYPT\n")

    def test_mistakes(self) -> None:
        """Names twice or unknown, bad names, empty passwords and unknown schemes are refused; nothing is written."""
        self.run_it("add", "ann", password="one")
        before = self.users.read_bytes()
        self.run_it("add", "Ann", password="x", status=64)
        self.run_it("passwd", "bob", password="x", status=64)
        self.run_it("remove", "bob", status=64)
        self.run_it("add", "../x", password="x", status=64)
        self.run_it("add", "a:b", password="x", status=64)
        self.run_it("add", "bob", password="", status=64)
        self.run_it("add", "bob", "--scheme", "ROT13", password="x", status=64)
        self.run_it("add", "bob", "--home", "a:b", password="x", status=64)
        self.assertEqual(self.users.read_bytes(), before)
        self.assertEqual(mailhub("user", "list").status, 78)

    def test_other_lines_stay(self) -> None:
        """Comments, order, unknown octets, mode and other users' lines are left as they were."""
        self.users.write_bytes(b"# staff\nann:x:1:2:An\xe9:/a:/bin/sh:k=v:w\n\nbroken line\n")
        self.users.chmod(0o640)
        self.run_it("add", "bob", password="two")
        self.run_it("passwd", "ann", password="one")
        lines = self.users.read_bytes().split(b"\n")
        self.assertEqual([lines[0], *lines[2:4]], [b"# staff", b"", b"broken line"])
        self.assertEqual(lines[1].split(b":")[2:], b"1:2:An\xe9:/a:/bin/sh:k=v:w".split(b":"))
        self.assertEqual(self.users.stat().st_mode & 0o777, 0o640)

    def test_at_once(self) -> None:
        """Twenty that add a user at the same time all do: the file is locked."""
        code = (
            "import sys; from pathlib import Path; from mailhub.auth import editing; "
            "editing.add(Path(sys.argv[1]), sys.argv[2], '{PLAIN}x')"
        )
        running = [
            subprocess.Popen([sys.executable, "-c", code, str(self.users), f"user{number}"], cwd=ROOT)
            for number in range(20)
        ]
        self.assertEqual([process.wait(60) for process in running], [0] * 20)
        self.assertEqual(len(self.users.read_text().split("\n")), 21)
        with self.assertRaises(editing.EditError):
            editing.add(self.users, "user7", "{PLAIN}x")

    def test_prompt(self) -> None:
        """On a terminal the password is asked for twice, and not shown."""
        command = [sys.executable, "-m", "mailhub.cli.main", "user", "add", "ann", "--users", str(self.users)]
        for typed, status in ((["one\n", "other\n"], 64), (["\x04"], 64), (["one\n", "one\n"], 0)):
            terminal, inside = pty.openpty()
            ends = {"stdin": inside, "stdout": inside, "stderr": inside}
            with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **ends) as process:
                os.close(inside)
                shown = b""
                for line in typed:
                    while not shown.endswith(b": "):
                        shown += os.read(terminal, 1000)
                    os.write(terminal, line.encode())
                    shown = b""
                while chunk := _read(terminal):
                    shown += chunk
                self.assertEqual(process.wait(60), status)
                self.assertNotIn(b"one", shown)
            os.close(terminal)
        self.assertTrue(schemes.verify(b"one", self.stored("ann")))

    def test_running_server(self) -> None:
        """A running server takes a new user and a new password at once."""
        self.run_it("add", "ann", password="one")
        with Server(self.base / "server", "--store", "memory", "--users", str(self.users)) as server:

            def login(user: str, password: str) -> bytes:
                client = poplib.POP3("127.0.0.1", server.port("pop3"), 30)
                self.addCleanup(client.close)
                client.user(user)
                return client.pass_(password)

            login("ann", "one")
            self.run_it("passwd", "ann", password="two")
            login("ann", "two")
            self.run_it("add", "bob", password="three")
            login("bob", "three")
            for user, password in (("ann", "one"), ("cid", "pass")):
                with self.assertRaises(poplib.error_proto) as refused:
                    login(user, password)
                self.assertIn("[AUTH]", str(refused.exception))
