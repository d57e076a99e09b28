"""Files in a Maildir that cannot be read, are no files, change or vanish behind the server; and names that would lead
out of it."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

from tests.hostile.attack import MIB, SECRET, Attacked

SMALL = b"Subject: small\r\n\r\ntext\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * (MIB // 72)
WORD = SECRET.encode()


class Files(Attacked):
    """One message that is broken is no reason to hang, to end the session or to keep the others back."""

    options = ("--fsync", "never")
    log_limit = 60

    def filled(self, user: str, *messages: bytes) -> Path:
        """Make an account with messages and return its Maildir; nobody has it open."""
        wire = self.imap(user)
        for message in messages:
            self.append(wire, message)
        wire.ask(b"SELECT INBOX")
        wire.ask(b"LOGOUT")
        return self.server.maildir(user)

    def test_no_messages_at_all(self) -> None:
        """Directories, dangling links, FIFOs, sockets and devices named like messages are passed over at once, wherever
        they lie; the mail beside them is there."""
        maildir = self.filled("things", SMALL)
        for folder in ("cur", "new"):
            base = maildir / folder
            (base / "1700000000.M1.dir:2,").mkdir()
            (base / "1700000001.M1.link:2,").symlink_to("/nonexistent/file")
            (base / "1700000002.M1.loop:2,").symlink_to("1700000002.M1.loop:2,")
            os.mkfifo(base / "1700000003.M1.fifo:2,S")
            os.mkfifo(base / "1700000004.M1.fifo")
            (base / ("1700000005." + "x" * 230)).write_bytes(SMALL)
        wire = self.imap("things", mailbox="INBOX")
        said = wire.ask(b"FETCH 1:* (FLAGS BODY.PEEK[] ENVELOPE)")
        self.assertIn(b"q OK", said)
        self.assertIn(b"small", said)
        self.assertRegex(wire.ask(b"SEARCH TEXT text"), rb"q OK")
        pop3 = self.pop3("things")
        pop3.send(b"RETR 1\r\n")
        self.assertIn(b"small", pop3.until(rb"\r\n\.\r\n"))

    def test_known_message_becomes_something_else(self) -> None:
        """A message that the server knows and whose file then is a FIFO, a directory, a dangling link or a device is
        answered with NO; no thread and no session waits for a writer of the FIFO."""
        maildir = self.filled("changed", *[SMALL] * 4, *[LARGE] * 4)
        wire = self.imap("changed", mailbox="INBOX")
        wire.ask(b"FETCH 1:* (FLAGS)")
        files = sorted(maildir.glob("cur/*"), key=lambda path: (path.stat().st_size, path.name))
        for start in (0, 4):
            for path in files[start : start + 4]:
                path.unlink()
            os.mkfifo(files[start])
            files[start + 1].mkdir()
            files[start + 2].symlink_to("/nonexistent/file")
            files[start + 3].symlink_to("/dev/zero")
        for number in range(1, 9):
            for item in (b"BODY.PEEK[]", b"ENVELOPE", b"RFC822.SIZE", b"BODY.PEEK[TEXT]<0.10>"):
                said = wire.ask(b"FETCH %d (%b)" % (number, item))
                self.assertRegex(said, rb"q (?:OK|NO \[[A-Z]+\]|BAD) ", (number, item))
        self.assertRegex(wire.ask(b"SEARCH TEXT nothing"), rb"q (?:OK|NO) ")
        self.assertRegex(wire.ask(b"UID COPY 1:* Trash"), rb"q (?:OK|NO) ")
        self.assertRegex(wire.ask(b"STORE 1:* +FLAGS (\\Deleted)"), rb"q (?:OK|NO|BAD) ")
        self.assertRegex(wire.ask(b"EXPUNGE"), rb"q (?:OK|NO) ")

    def test_retr_of_a_fifo(self) -> None:
        """The same for POP3: -ERR."""
        maildir = self.filled("popped", SMALL, LARGE)
        wire = self.pop3("popped")
        for path in sorted(maildir.glob("cur/*")):
            path.unlink()
            os.mkfifo(path)
        for number in (1, 2):
            for command in (b"RETR %d\r\n", b"TOP %d 1\r\n"):
                wire.send(command % number)
                self.assertRegex(wire.line(), rb"\A-ERR .{5,}")
        wire.send(b"QUIT\r\n")
        self.assertRegex(wire.line(), rb"\A(?:\+OK|-ERR)")

    def test_deleted_behind_the_server(self) -> None:
        """A file that is gone is an expunge: NO or nothing for it now, EXPUNGE later; the others are answered."""
        maildir = self.filled("gone", SMALL, SMALL, SMALL)
        wire = self.imap("gone", mailbox="INBOX")
        sorted(maildir.glob("cur/*"))[1].unlink()
        said = wire.ask(b"FETCH 1:3 BODY.PEEK[]")
        self.assertEqual(said.count(b"small"), 2)
        self.assertRegex(said, rb"q (?:OK|NO \[(?:EXPUNGEISSUED|CORRUPTION)\]) ")
        wire.ask(b"NOOP")
        self.assertIn(b"* 2 EXISTS", wire.ask(b"SELECT INBOX"))

    def test_shorter_and_longer_than_its_name_says(self) -> None:
        """Files cut or grown behind the server, and ,S= that lies: the literal's length is right all the same."""
        maildir = self.filled("lies", SMALL, LARGE, LARGE)
        paths = sorted(maildir.glob("cur/*"), key=lambda path: path.stat().st_size)
        wire = self.imap("lies", mailbox="INBOX")
        wire.ask(b"FETCH 1:* RFC822.SIZE")
        paths[0].write_bytes(b"")
        os.truncate(paths[1], 100_000)
        with paths[2].open("ab") as file:
            file.write(b"more\n" * 100_000)
        (maildir / "cur" / "1700000009.M1.x,S=99999999999999999999,W=-5:2,S").write_bytes(SMALL)
        (maildir / "cur" / "1700000010.M1.x,S=5,W=7:2,abcdefghijklmnopqrstuvwxyzABC,,:2,").write_bytes(SMALL)
        for _ in range(2):
            other = self.imap("lies")
            said = other.ask(b"SELECT INBOX")
            self.assertIn(b"q OK", said)
            said = other.ask(b"FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[])")
            self.assertRegex(said[-300:], rb"q (?:OK|NO \[)|\* BYE ")

    def test_damaged_lists(self) -> None:
        """dovecot-uidlist, dovecot-keywords, subscriptions, the index and the locks as garbage, empty, as directories,
        FIFOs or without a reader's right: the mail is served, or refused with a reason, but nothing hangs."""
        noted = ""
        for what in (b"\0" * 1000, b"3 V1 N1\n99999999999999999999 :x\n-1 y\n", b"x" * MIB, b"", None):
            user = f"lists{0 if what is None else len(what)}"
            maildir = self.filled(user, SMALL, SMALL)
            for name in ("dovecot-uidlist", "dovecot-keywords", "subscriptions", "dovecot-uidvalidity"):
                path = maildir / name
                if what is None:
                    path.unlink(missing_ok=True)
                    path.mkdir()
                else:
                    path.write_bytes(what)
            self.bystander.finish()
            noted += self.log()
            self.server.restart()
            self._log_at = len(self.server.text())
            self.begin()
            wire = self.imap(user)
            said = wire.ask(b"SELECT INBOX")
            self.assertRegex(said, rb"q (?:OK|NO \[)", what)
            if b"q OK" in said:
                self.assertIn(b"* 2 EXISTS", said)
                self.assertEqual(wire.ask(b"FETCH 1:* BODY.PEEK[]").count(b"small"), 2)
            for command in (b'LIST "" *', b'LSUB "" *', b"STORE 1 +FLAGS (word)", b"SUBSCRIBE INBOX", b"CREATE sub"):
                self.assertRegex(wire.ask(command)[-300:], rb"(?:\A|\n)q (?:OK|NO|BAD) ", (what, command))
        self.assertNotIn("Traceback", noted)

    def test_account_removed_behind_the_server(self) -> None:
        """A Maildir that is removed, or becomes a file, while it is open: NO or BYE, and the server goes on."""
        maildir = self.filled("removed", SMALL)
        wire = self.imap("removed", mailbox="INBOX")
        maildir.rename(self.base / "away")
        for command in (b"NOOP", b"FETCH 1 BODY[]", b"SELECT INBOX", b'LIST "" *'):
            said = wire.ask(command)
            if not said or b"BYE" in said:
                break
        maildir = self.filled("filed", SMALL)
        maildir.rename(self.base / "away too")
        maildir.write_bytes(b"x")
        other = self.wire("imap")
        other.send(b'q LOGIN filed "%b"\r\nr SELECT INBOX\r\nz LOGOUT\r\n' % WORD)
        self.assertRegex(other.rest(), rb"(?:q|r) (?:NO|BAD)|BYE")

    def test_cut_off(self) -> None:
        """APPEND and DATA that are cut off leave nothing, in tmp neither; nor does a MULTIAPPEND of 2,000 messages."""
        maildir = self.filled("torn")
        for _ in range(2):
            wire = self.imap("torn")
            wire.send(b"q APPEND INBOX {%d+}\r\n" % (8 * MIB) + b"x" * MIB)
            wire.reset()
            wire = self.lmtp(b"MAIL FROM:<>", b"RCPT TO:<torn>", b"DATA")
            wire.send(b"Subject: torn\r\n\r\n" + b"x" * MIB)
            wire.reset()
        wire = self.imap("torn")
        said = wire.pour([b"q APPEND INBOX" + b" {3+}\r\nA:b" * 2_000 + b" {3}\r\n"], rb"(?m)^(?:\+|q NO|q BAD) ")
        wire.reset()
        other = self.imap("torn", mailbox="INBOX")
        deadline = 200
        while deadline and list(maildir.glob("tmp/*")):
            other.ask(b"NOOP")
            deadline -= 1
        self.assertEqual([path for folder in ("tmp", "cur", "new") for path in (maildir / folder).iterdir()], [], said)
        self.assertIn(b"* 0 EXISTS", other.ask(b"SELECT INBOX"))

    def test_names_that_lead_elsewhere(self) -> None:
        """User names and mailbox names with "..", "/", NUL or 10 KB make no folder, in or out of the data."""
        self.imap("inside")
        before = self.tree()
        for user in (
            b"../x",
            b"a/b",
            b"..",
            b".",
            b"~root",
            b"",
            b"u" * 300,
            b"u" * 10_000,
            b"\xff\xfe",
            b"a b",
            b"@x",
            b"-",
        ):
            wire = self.wire("imap")
            wire.send(b"q LOGIN {%d+}\r\n%b {%d+}\r\n%b\r\n" % (len(user), user, len(WORD), WORD))
            said = wire.answer()
            if user != b"-":
                self.assertRegex(said, rb"q (?:NO|BAD) ", user[:20])
            wire.close()
            wire = self.wire("imap")
            wire.ask(b"AUTHENTICATE PLAIN " + b64encode(user + b"\0" + user + b"\0" + WORD))
            wire.close()
            wire = self.wire("pop3")
            wire.send(b"USER %b\r\nPASS %b\r\nQUIT\r\n" % (user, WORD))
            wire.rest()
            wire = self.lmtp(b"MAIL FROM:<>")
            wire.send(b'RCPT TO:<"%b">\r\nDATA\r\nQUIT\r\n' % user[:3_000])
            wire.until(rb"221 [^\n]*\n|503 [^\n]*\n|354 [^\n]*\n")
            wire.reset()
        wire = self.imap("inside")
        for name in (
            b"..",
            b"../x",
            b"a/../../../x",
            b"/tmp/x",
            b"a/b",
            b".",
            b"x." * 200 + b"x",
            b"&AC4ALg-",
            b"&AC8-",
        ):
            for command in (b'CREATE "%b"', b'RENAME INBOX "%b"', b'SUBSCRIBE "%b"', b'DELETE "%b"'):
                self.assertRegex(wire.ask(command % name), rb"q (?:NO|BAD|OK) ")
        after = self.tree()
        strange = {path for path in after - before if not path.startswith(("mail/inside/", "mail/-"))}
        self.assertEqual(strange, set())

    def tree(self) -> set[str]:
        """All files and folders below the test's own folder, as paths below the data."""
        found = set()
        for folder, folders, files in os.walk(self.base):
            for name in folders + files:
                found.add(os.path.relpath(os.path.join(folder, name), self.server.data))
        return found
