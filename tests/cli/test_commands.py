"""`mailhub` on the command line: configuration, delivery, mailboxes, usage."""

from __future__ import annotations

import poplib
import tomllib

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.command import Done, mailhub
from tests.server import PASSWORD, Server, scratch

MESSAGE = b"From: ann@example.org\nSubject: hello\n\nhello\n"


class CommandCase(SynchronousTestCase):
    """Commands on one data folder."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.data = self.base / "data"

    def run_it(self, *arguments: str, stdin: bytes = b"", status: int = 0) -> Done:
        done = mailhub(*arguments, "--data", str(self.data), stdin=stdin)
        self.assertEqual(done.status, status, done)
        self.assertNotIn("Traceback", done.error)
        return done


class Configuration(CommandCase):
    def test_show(self) -> None:
        """`config show` prints TOML with every value and its origin; a mistake gives EX_CONFIG (78)."""
        shown = self.run_it("config", "show").out.decode()
        self.assertEqual(tomllib.loads(shown)["server"]["data"], str(self.data))
        self.assertRegex(shown, r"(?m)^data = .* # option --data$")
        self.assertRegex(shown, r'(?m)^password = "\*\*\*" +# default without auth.users$')
        config = self.base / "mailhub.toml"
        config.write_text("[imap]\ngreting = 'x'\n")
        told = self.run_it("config", "show", "--config", str(config), status=78)
        self.assertIn(f'{config}:2: imap.greting: unknown setting; allowed: "greeting" perhaps', told.error)

    def test_usage(self) -> None:
        """A wrong command line gives EX_USAGE (64); --help names every command."""
        self.assertEqual(mailhub("nonsense").status, 64)
        self.assertEqual(mailhub("deliver").status, 64)
        listing = mailhub("--help").out.decode()
        for command in ("user", "deliver", "mailbox", "import", "export", "fsck", "config", "lab"):
            self.assertIn(f"    {command} ", listing)


class Deliver(CommandCase):
    def test_deliver(self) -> None:
        """A message on standard input is in INBOX afterwards, for the next POP3 session; a "From " line is dropped."""
        self.run_it("deliver", "ann", stdin=b"From x@example.org Mon Nov 23 10:00:00 2026\n" + MESSAGE)
        with Server(self.base) as server:
            client = poplib.POP3("127.0.0.1", server.port("pop3"), 30)
            client.user("ann")
            client.pass_(PASSWORD)
            self.assertEqual(b"\n".join(client.retr(1)[1]) + b"\n", MESSAGE)
            client.quit()

    def test_mailbox(self) -> None:
        """--mailbox chooses one, --create makes it; without it a mailbox that is not there means INBOX."""
        self.run_it("deliver", "ann", "--mailbox", "New", "--create", stdin=MESSAGE)
        self.run_it("deliver", "ann", "--mailbox", "None", stdin=MESSAGE)
        listing = self.run_it("mailbox", "status", "ann").out.decode()
        self.assertRegex(listing, r"(?m)^INBOX\tmessages=1 unseen=1 ")
        self.assertRegex(listing, r"(?m)^New\tmessages=1 unseen=1 ")

    def test_exit_codes(self) -> None:
        """sysexits.h: no such user 67, too big 65, trouble with the users file 75."""
        users = self.base / "users"
        self.run_it("deliver", "ann", "--users", str(users), stdin=MESSAGE, status=75)
        users.write_text("ann:{PLAIN}x\n")
        self.run_it("deliver", "ann", "--users", str(users), stdin=MESSAGE)
        self.run_it("deliver", "bob", "--users", str(users), stdin=MESSAGE, status=67)
        self.run_it("deliver", "../x", stdin=MESSAGE, status=67)
        config = self.base / "small.toml"
        config.write_text("[store]\nmessage_limit = 10\n")
        self.run_it("deliver", "ann", "--config", str(config), stdin=MESSAGE, status=65)


class Mailboxes(CommandCase):
    def test_life(self) -> None:
        """create, list, status and delete do what they say; what cannot be done has a reason and an exit code."""
        self.run_it("mailbox", "create", "ann", "Work", "Work.Plans", "Ünï")
        names = self.run_it("mailbox", "list", "ann").out.decode().split("\n")
        self.assertEqual(names, ["INBOX", "Work", "Work.Plans", "Ünï", ""])
        self.assertIn("exists", self.run_it("mailbox", "create", "ann", "Work", status=73).error)
        self.run_it("mailbox", "delete", "ann", "Work")
        names = self.run_it("mailbox", "list", "ann").out.decode().split("\n")
        self.assertEqual(names, ["INBOX", "Work.Plans", "Ünï", ""])
        self.run_it("mailbox", "delete", "ann", "None", status=73)
        self.run_it("mailbox", "delete", "ann", "INBOX", status=77)
        self.assertTrue(
            self.run_it("mailbox", "status", "ann", "Ünï").out.decode().startswith("Ünï\tmessages=0 unseen=0")
        )

    def test_unknown_user(self) -> None:
        """A user that the users file does not know has no mailboxes (67)."""
        users = self.base / "users"
        users.write_text("ann:{PLAIN}x\n")
        self.run_it("mailbox", "list", "bob", "--users", str(users), status=67)

    def test_memory(self) -> None:
        """A store in memory can only be worked on by its server (78)."""
        config = self.base / "memory.toml"
        config.write_text('[store]\nkind = "memory"\n')
        self.run_it("mailbox", "list", "ann", "--config", str(config), status=78)
