"""The same conversation with mailhub and with Dovecot gives the same answers, but for the differences listed here.

Compared are all untagged lines, and status, code and text of tagged ones (of BAD only the status: reasons are our own).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.imap.conversation import MaildirWorld, World
from tests.peer import Dovecot

MAIL = (
    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: list: a@example.org, b@example.org;\r\n"
    "Subject: outer\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    "--b\r\n\r\nplain\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n"
)


def append(data: str, flags: str = "") -> str:
    return f"APPEND INBOX {flags}{{{len(data.encode())}+}}\r\n{data}"


SCRIPTS: dict[str, list[str]] = {
    "select": [
        append("Subject: a\r\n\r\nbody\r\n"),
        append("Subject: b\r\n\r\nbody\r\n", "(\\Seen work) "),
        "SELECT INBOX",
        "EXAMINE INBOX",
        "SELECT nosuch",
        "CHECK",
        "SELECT INBOX",
        "UNSELECT",
        "UNSELECT",
        "CLOSE",
    ],
    "fetch": [
        append(MAIL, '(\\Flagged) "01-Feb-2020 03:04:05 +0100" '),
        append("x: y\r\n\r\n"),
        append("no header"),
        "SELECT INBOX",
        "FETCH 1:* (UID FLAGS RFC822.SIZE)",
        "FETCH 1 ALL",
        "FETCH 1 FULL",
        "FETCH 1 (BODYSTRUCTURE ENVELOPE UID)",
        "FETCH 1 (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[2.HEADER] BODY.PEEK[2.1] BODY.PEEK[2.TEXT] BODY.PEEK[2.1.MIME])",
        "FETCH 1 (BODY.PEEK[3] BODY.PEEK[1.1] BODY.PEEK[2.2] BODY.PEEK[1.HEADER])",
        "FETCH 1 (BODY.PEEK[HEADER.FIELDS (TO from)] BODY.PEEK[HEADER.FIELDS.NOT (to)]<3.10>)",
        "FETCH 1 (BINARY.PEEK[2.1] BINARY.SIZE[2.1] BINARY.PEEK[1])",
        "UID FETCH 1 (BODY[TEXT]<0.5>)",
        "FETCH 1 (FLAGS BODY[TEXT]<0.5>)",
        "FETCH 2:3 (RFC822.HEADER RFC822.TEXT RFC822)",
        "FETCH 9 FLAGS",
        "FETCH 0 FLAGS",
        "UID FETCH 9 FLAGS",
        "UID FETCH 9:* FLAGS",
        "FETCH * (UID)",
        "FETCH 1 (FOO)",
        "FETCH 1 BODY[",
    ],
    "store": [
        *[append(f"Subject: {n}\r\n\r\nx\r\n") for n in range(4)],
        "SELECT INBOX",
        "STORE 1:2 +FLAGS (\\Seen)",
        "STORE 1:2 +FLAGS (\\Seen)",
        "STORE 1 FLAGS (\\Deleted new \\Answered)",
        "STORE 2 -FLAGS.SILENT (\\Seen)",
        "UID STORE 3 +FLAGS.SILENT (other)",
        "UID STORE 3 -FLAGS (OTHER)",
        "STORE 1 +FLAGS (\\Nosuch)",
        "STORE 1 +FLAGS (\\Recent)",
        "STORE 9 +FLAGS ()",
        "FETCH 1:* FLAGS",
        "UID EXPUNGE 2:4",
        "EXPUNGE",
        "STORE 1:* +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "FETCH 1 FLAGS",
        "UID FETCH 1:* FLAGS",
        "SEARCH 1:*",
    ],
    "copy": [
        *[append(f"Subject: {n}\r\n\r\nx\r\n") for n in range(3)],
        "SELECT INBOX",
        "CREATE box",
        "COPY 1,3 box",
        "COPY 1 nosuch",
        "COPY 9 box",
        "UID COPY 9 box",
        "MOVE 2 box",
        "UID MOVE 1 nosuch",
        "COPY 1 INBOX",
        "STATUS box (MESSAGES UIDNEXT UNSEEN)",
    ],
    "search": [
        append(MAIL),
        append("Subject: find me\r\nDate: Tue, 01 Jan 2002 00:00:00 +0000\r\n\r\nneedle\r\n", "(\\Seen) "),
        append("Subject: Re: find me\r\nDate: Mon, 01 Jan 2001 00:00:00 +0000\r\n\r\nhay\r\n", "(work) "),
        "SELECT INBOX",
        "SEARCH ALL",
        "SEARCH UNSEEN KEYWORD work",
        "SEARCH SUBJECT inner",
        "SEARCH SUBJECT find",
        "SEARCH CHARSET UTF-8 FROM {7+}\r\njürgen",
        "SEARCH BODY needle",
        "SEARCH TEXT hello",
        "SEARCH SENTSINCE 1-Jan-2001 SENTBEFORE 2-Jan-2002",
        "SEARCH OR 1 3 NOT SEEN",
        "SEARCH UID 2:*",
        "UID SEARCH RETURN (MIN MAX COUNT ALL) 1:2",
        "SEARCH RETURN () ALL",
        "SEARCH RETURN (COUNT MIN) DRAFT",
        "SEARCH CHARSET X-NONE ALL",
        "SEARCH FOO",
        "SORT (SUBJECT) UTF-8 ALL",
        "UID SORT (REVERSE DATE) UTF-8 ALL",
        "SORT (SIZE SUBJECT) US-ASCII UNSEEN",
        "THREAD ORDEREDSUBJECT UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "UID THREAD REFERENCES UTF-8 SEEN",
    ],
    "mailboxes": [
        "CREATE a.b.c",
        "CREATE a.b.c",
        "CREATE inbox",
        "CREATE x/y",
        "CREATE .x",
        "CREATE x..y",
        "CREATE ~x",
        'CREATE ""',
        "CREATE &bad",
        'CREATE "with space"',
        "CREATE &AOk-t",
        'LIST "" *',
        'LIST "" %',
        "LIST a. %",
        'LIST "" a%b',
        'LIST "" ""',
        'LIST "" InBoX',
        'LIST "" (INBOX a.*) RETURN (CHILDREN)',
        "SUBSCRIBE a.b.c",
        "SUBSCRIBE nosuch",
        'LSUB "" *',
        'LSUB "" %',
        'LIST (SUBSCRIBED) "" *',
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" %',
        'LIST (RECURSIVEMATCH) "" *',
        "STATUS a.b.c (MESSAGES RECENT UIDNEXT UNSEEN SIZE)",
        "STATUS nosuch (MESSAGES)",
        "STATUS INBOX ()",
        "RENAME nosuch z",
        "RENAME a.b.c a.d",
        "RENAME a.d INBOX",
        "DELETE nosuch",
        "DELETE a.d",
        'LSUB "" *',
        "UNSUBSCRIBE a.b.c",
        "UNSUBSCRIBE nosuch",
        'LIST "" *',
        "NAMESPACE",
    ],
    "levels": [
        "CREATE a",
        "CREATE a.b",
        "SUBSCRIBE a.b",
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))',
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" *',
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" a',
        'LSUB "" a',
        'LSUB "" %',
        "SUBSCRIBE a",
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" *',
    ],
}


class Differences(SynchronousTestCase):
    maxDiff = None

    def by_dovecot(self, commands: list[str]) -> bytes:
        """Ask command by command: of what is pipelined Dovecot puts off the tagged answers."""
        base = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, base, True)
        base.chmod(0o755)
        said = b""
        with Dovecot(base, f"maildir:{base}/home/%u/Maildir").popen("imap", "u") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            said += process.stdout.readline()
            for at, command in enumerate(commands):
                process.stdin.write(f"t{at} {command}\r\n".encode())
                process.stdin.flush()
                line = b"*"
                while line and not line.startswith(b"t%d " % at):
                    line = process.stdout.readline()
                    said += line
            process.stdin.close()
        return said

    def world(self) -> World:
        return World()

    def by_mailhub(self, commands: list[str]) -> bytes:
        client = self.world().user("u")
        for at, command in enumerate(commands):
            client.send(f"t{at} {command}\r\n".encode())
        return client.raw()

    def same(self, name: str) -> None:
        commands = SCRIPTS[name]
        self.assertEqual(comparable(self.by_mailhub(commands)), comparable(self.by_dovecot(commands)))

    def test_select(self) -> None:
        """SELECT, EXAMINE and their ends (RFC 3501 section 6.3.1)."""
        self.same("select")

    def test_fetch(self) -> None:
        """FETCH items, sections and partials (RFC 3501 section 6.4.5)."""
        self.same("fetch")

    def test_store(self) -> None:
        """STORE and EXPUNGE (RFC 3501 sections 6.4.3 and 6.4.6)."""
        self.same("store")

    def test_copy(self) -> None:
        """COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851)."""
        self.same("copy")

    def test_search(self) -> None:
        """SEARCH, SORT and THREAD (RFC 3501 section 6.4.4, RFC 4731, RFC 5256)."""
        self.same("search")

    def test_mailboxes(self) -> None:
        """Names, listing, subscriptions (RFC 3501 section 6.3, RFC 5258)."""
        self.same("mailboxes")

    def test_levels(self) -> None:
        """Mailboxes above subscribed ones (RFC 5258 section 3.5, RFC 5819 section 3)."""
        self.same("levels")


class MaildirDifferences(Differences):
    """The same with mailhub's Maildir store."""

    def world(self) -> World:
        base = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, base, True)
        world = MaildirWorld(base)
        self.addCleanup(world.store.close)
        return world


def comparable(answers: bytes) -> list[str]:
    """Return answers as lines, without what differs from run to run and the deliberate differences."""
    text = answers.decode("utf-8", "surrogateescape")
    text = re.sub(r"^\* PREAUTH.*\r\n", "", text)
    text = re.sub(r" \([0-9. +]+ secs\)\.(?=\r\n)", "", text)
    text = re.sub(r"(UIDVALIDITY|APPENDUID|COPYUID) [0-9]+", r"\1 N", text)
    text = re.sub(r'INTERNALDATE "[^"]*"', "INTERNALDATE D", text)
    lines = [compared for line in text.removesuffix("\r\n").split("\r\n") if (compared := _compared(line)) is not None]
    return _sorted_lists(lines)


def _compared(line: str) -> str | None:
    if line.startswith("* OK [HIGHESTMODSEQ"):
        return None  # CONDSTORE is not there yet
    if re.match(r"t[0-9]+ BAD ", line):
        return line.split(" BAD ")[0] + " BAD"
    # RFC 5530 has codes for what Dovecot 2.3 answers without one.
    line = line.replace("NO [NONEXISTENT] ", "NO ").replace("NO [CANNOT] Mailbox name is", "NO Mailbox name is")
    # thread-data has no space where there is no thread (RFC 5256 section 5).
    line = line.rstrip(" ") if line == "* THREAD " else line
    # Dovecot tells \\UnMarked when it happens to know.
    return line.replace(" \\UnMarked", "")


def _sorted_lists(lines: list[str]) -> list[str]:
    """Mailboxes are listed in no order that means anything: INBOX first here, last there."""
    result: list[str] = []
    run: list[str] = []
    for line in lines:
        if line.startswith(("* LIST ", "* LSUB ")):
            run.append(line)
        else:
            result += sorted(run)
            run = []
            result.append(line)
    return result + sorted(run)
