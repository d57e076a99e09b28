"""`mailhub import` and `export`: mbox (RFC 4155), folders of .eml, whole accounts."""

from __future__ import annotations

import io
import mailbox
import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.cli import mbox
from mailhub.cli.letters import Letter
from mailhub.cli.transfer import file_name
from mailhub.store.model import ANSWERED, FLAGGED, SEEN
from tests.cli.command import Done, mailhub
from tests.server import scratch

DATE = 1_700_000_000
_LINES = st.sampled_from(
    [
        b"",
        b"text",
        b"From me",
        b">From me",
        b">>From x Mon Nov 23 10:00:00 2026",
        b"From x Mon Nov 23 10:00:00 2026",
        b"\xe9",
    ]
)


def written(*letters: Letter) -> bytes:
    """Return letters as an mbox."""
    file = io.BytesIO()
    mbox.write(letters, file)
    return file.getvalue()


class Mbox(SynchronousTestCase):
    """The format."""

    def test_round_trip(self) -> None:
        """What is written is read again: octets, flags, keywords and date."""
        letters = [
            Letter(
                b"Subject: one\n\nFrom here\n>From there\n\n", frozenset({SEEN, ANSWERED, "Work", "$Forwarded"}), DATE
            ),
            Letter(b"Subject: two\n\n", frozenset(), DATE),
            Letter(b"Return-Path: <ann@example.org>\nSubject: three\n\nhello\n", frozenset({FLAGGED}), DATE),
        ]
        data = written(*letters)
        self.assertEqual(list(mbox.read(io.BytesIO(data))), letters)
        self.assertTrue(data.startswith(b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n"))
        self.assertIn(b"\nFrom ann@example.org ", data)
        self.assertIn(b"\n>From here\n>>From there\n", data)

    @given(st.lists(st.tuples(st.lists(_LINES, max_size=6), st.integers(0, 2**31)), max_size=4))
    def test_any_lines(self, messages: list[tuple[list[bytes], int]]) -> None:
        """No line of a message is taken for the beginning of another, whatever it is."""
        letters = [
            Letter(b"\n".join([b"Subject: x", b"", *lines, b""]), frozenset({SEEN}), date) for lines, date in messages
        ]
        self.assertEqual(list(mbox.read(io.BytesIO(written(*letters)))), letters)

    def test_python_reads_it(self) -> None:
        """The standard library's mailbox.mbox sees the same messages and flags."""
        path = scratch(self) / "mbox"
        path.write_bytes(
            written(Letter(b"Subject: one\n\nFrom x\n", frozenset({SEEN, FLAGGED}), DATE), Letter(b"Subject: two\n\n"))
        )
        box = mailbox.mbox(path)
        self.addCleanup(box.close)
        self.assertEqual([message["Subject"] for message in box], ["one", "two"])
        self.assertEqual([message.get_flags() for message in box], ["ROF", "O"])

    def test_as_others_write(self) -> None:
        """Flags from Status and X-Status; dates with and without zone; "From " lines in a text that were never quoted;
        CRLF; UW's internal message is left out."""
        data = (
            b"From MAILER-DAEMON Mon Nov 23 10:00:00 2026\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
            b"X-IMAP: 1 2\n\nnotes\n\n"
            b"From bob@example.net Fri Jan  2 03:04:05 2026 +0100\nStatus: RO\nX-Status: AF\nX-Keywords: a b\n  c\n"
            b"Subject: one\n\nDear\n\nFrom my desk\n\n"
            b"From x Fri Jan 2 03:04 MET 2026\r\nSubject: two\r\n\r\nhi\r\n"
        )
        one, two = mbox.read(io.BytesIO(data))
        self.assertEqual(one.data, b"Subject: one\n\nDear\n\nFrom my desk\n")
        self.assertEqual(one.flags, {SEEN, ANSWERED, FLAGGED, "a", "b", "c"})
        self.assertEqual((one.date, two.date), (1767323045, 1767323040))
        self.assertEqual(two.data, b"Subject: two\n\nhi\n")

    def test_no_mbox(self) -> None:
        """A file that does not begin with "From " is none; an empty one has no messages."""
        with self.assertRaises(ValueError):
            list(mbox.read(io.BytesIO(b"Subject: x\n\n")))
        self.assertEqual(list(mbox.read(io.BytesIO(b""))), [])

    def test_file_names(self) -> None:
        """Levels of mailbox names become file names that stay in their folder."""
        self.assertEqual(file_name("Rechnungen & Belege"), "Rechnungen & Belege")
        self.assertEqual(file_name(".."), "%2E.")
        self.assertEqual(file_name("a/b%"), "a%2Fb%25")
        self.assertEqual(file_name("Übung"), "Übung")


class Accounts(SynchronousTestCase):
    """The commands, on real accounts."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.letters = [
            Letter(b"Subject: %d\n\ntext %d\nFrom x\n" % (number, number), flags, DATE + number)
            for number, flags in enumerate(
                [frozenset(), frozenset({SEEN}), frozenset({FLAGGED, "Work", "$Forwarded"})] * 30
            )
        ]
        self.mbox = self.base / "in.mbox"
        self.mbox.write_bytes(written(*self.letters))

    def run_it(self, *arguments: str, stdin: bytes = b"", status: int = 0) -> Done:
        done = mailhub(*arguments, "--data", str(self.base / "data"), stdin=stdin)
        self.assertEqual(done.status, status, done)
        self.assertNotIn("Traceback", done.error)
        return done

    def test_mbox(self) -> None:
        """import and export of one mailbox give the same mbox back: messages, flags, keywords and dates."""
        said = self.run_it("import", "ann", str(self.mbox), "--mailbox", "Work")
        self.assertEqual(said.out, b"90 messages imported into 1 mailboxes\n")
        self.assertEqual(said.error, "")  # no progress bar where there is no terminal
        self.run_it("export", "ann", str(self.base / "out.mbox"), "--mailbox", "Work")
        self.assertEqual((self.base / "out.mbox").read_bytes(), self.mbox.read_bytes())
        self.assertEqual(self.run_it("export", "ann", "-", "--mailbox", "Work").out, self.mbox.read_bytes())

    def test_standard_input(self) -> None:
        """ "-" is standard input; what it holds goes to INBOX."""
        self.run_it("import", "ann", "-", stdin=self.mbox.read_bytes())
        self.assertIn("INBOX\tmessages=90 unseen=60 ", self.run_it("mailbox", "status", "ann").out.decode())

    def test_account(self) -> None:
        """A whole account goes through files, as mbox and as .eml, with its folders, and comes out the same."""
        self.run_it("import", "ann", str(self.mbox))
        self.run_it("import", "ann", str(self.mbox), "--mailbox", "Lists.Übung & mehr")
        for form in ("mbox", "eml"):
            folder = self.base / form
            self.run_it("export", "ann", str(folder), "--format", form)
            self.run_it("import", f"bob-{form}", str(folder))
            names = self.run_it("mailbox", "list", f"bob-{form}").out.decode().splitlines()
            self.assertEqual(names, ["INBOX", "Lists.Übung & mehr"])
            for name in names:
                again = self.run_it("export", f"bob-{form}", "-", "--mailbox", name)
                self.assertEqual(again.out, self.mbox.read_bytes())
        self.assertEqual(os.stat(self.base / "eml" / "INBOX" / "00000003.eml").st_mtime, DATE + 2)

    def test_mistakes(self) -> None:
        """No such file 66, no mbox 65, no such mailbox 73, a target that cannot be written 73."""
        self.run_it("import", "ann", str(self.base / "none"), status=66)
        (self.base / "text").write_text("hello\n")
        self.run_it("import", "ann", str(self.base / "text"), status=65)
        self.run_it("export", "ann", str(self.base / "x"), "--mailbox", "None", status=73)
        self.run_it("export", "ann", "/dev/null/x", status=73)
        config = self.base / "small.toml"
        config.write_text("[store]\nmessage_limit = 40\n")
        self.mbox.write_bytes(
            written(self.letters[0], Letter(b"Subject: big\n\n" + b"x" * 100 + b"\n"), self.letters[1])
        )
        said = self.run_it("import", "cid", str(self.mbox), "--config", str(config), status=65)
        self.assertIn("too big", said.error)
        self.assertEqual(said.out, b"2 messages imported into 1 mailboxes\n")
