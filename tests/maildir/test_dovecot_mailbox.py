"""Dovecot and mailhub on one Maildir: both see the same UIDs, UIDVALIDITY, flags and keywords, whoever changed them."""

from __future__ import annotations

import re

from mailhub.config.settings import StoreSettings
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.store.model import Addition, FlagOp, Uid
from tests.maildir.boxes import BoxCase
from tests.peer import Dovecot


class Beside(BoxCase):
    """Each acts, then the other looks."""

    def setUp(self) -> None:
        super().setUp()
        self.maildir = self.base / "mail" / "ann" / "Maildir"
        self.dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u/Maildir")

    def imap(self, *commands: str) -> str:
        """Have Dovecot run commands in INBOX; return what it answered."""
        self.dovecot.own(self.base / "mail")
        lines = ["SELECT INBOX", *commands, "LOGOUT"]
        script = "".join(f"a{number} {line}\r\n" for number, line in enumerate(lines))
        return self.dovecot.run("imap", "ann", script.encode()).decode("latin-1")

    def seen_by_dovecot(self, mailbox: str = "INBOX") -> tuple[int, dict[int, set[str]]]:
        """Return UIDVALIDITY and flags by UID."""
        answer = self.imap(f"EXAMINE {mailbox}", "UID FETCH 1:* (FLAGS)")
        validity = re.findall(r"UIDVALIDITY ([0-9]+)", answer)[-1]
        rows = re.findall(r"FETCH \(UID ([0-9]+) FLAGS \(([^)]*)\)", answer)
        return int(validity), {int(uid): set(flags.split()) - {"\\Recent"} for uid, flags in rows}

    def agree(self, mailbox: MaildirMailbox) -> dict[int, set[str]]:
        """Check that both say the same, also a store that opens it anew; return the flags."""
        validity, flags = self.seen_by_dovecot()
        self.assertEqual(self.flags(mailbox), flags)
        self.assertEqual(mailbox.snapshot.uidvalidity, validity)
        self.assertEqual(self.flags(self.inbox()), flags)
        return flags

    def test_mailhub_first(self) -> None:
        """What mailhub appended, flagged, copied and expunged."""
        account = self.account()
        mailbox: MaildirMailbox = self.get(account.open("INBOX"))  # type: ignore[assignment]
        for flags in ((), ("\\Seen",), ("\\Flagged", "$Label1", "work")):
            self.add(mailbox, flags=flags)
        self.edit(mailbox, [1, 2], FlagOp.ADD, "\\Answered", "Work", "later")
        self.get(mailbox.copy([Uid(1), Uid(3)], "INBOX"))
        self.get(mailbox.expunge([Uid(2)]))
        flags = self.agree(mailbox)
        self.assertEqual(sorted(flags), [1, 3, 4, 5])
        self.assertEqual(flags[5], {"\\Flagged", "$Label1", "work"})

    def test_dovecot_first(self) -> None:
        """What Dovecot appended, flagged, copied and expunged, while mailhub has the mailbox open."""
        self.put("1700000000.M1P1.a:2,S")
        mailbox = self.inbox()
        listener = self.watch(mailbox)
        self.imap(
            "APPEND INBOX (\\Seen kw) {9+}\r\nA: b\r\n\r\nc",
            "STORE 1 +FLAGS (\\Flagged other)",
        )
        self.imap("COPY 1:2 INBOX")
        self.assertEqual(sorted(self.agree(mailbox)), [1, 2, 3, 4])
        self.imap("STORE 1,3 +FLAGS (\\Deleted)", "EXPUNGE")
        self.imap("UID STORE 2 FLAGS (kw)")
        flags = self.agree(mailbox)
        self.assertEqual(flags, {2: {"kw"}, 4: {"\\Seen", "kw"}})
        self.assertGreater(len(listener.batches), 1)

    def test_in_turn(self) -> None:
        """Both add and change, one after the other; nobody gives a UID twice."""
        mailbox = self.inbox()
        for turn in range(3):
            self.add(mailbox, flags=["\\Seen"] if turn else [])
            self.imap("APPEND INBOX (one) {9+}\r\nA: b\r\n\r\nc", f"UID STORE {2 * turn + 1} +FLAGS (two{turn})")
            self.edit(mailbox, [2 * turn + 2], FlagOp.ADD, f"Three{turn}", "ONE")
        flags = self.agree(mailbox)
        self.assertEqual(sorted(flags), [1, 2, 3, 4, 5, 6])
        self.assertEqual(flags[4], {"one", "Three1"})

    def test_many_keywords(self) -> None:
        """Keywords past the 26th stay with who set them; those with letters are the same for both."""
        mailbox = self.inbox()
        self.add(mailbox)
        self.edit(mailbox, [1], FlagOp.ADD, *(f"w{n:02}" for n in range(30)))
        _, flags = self.seen_by_dovecot()
        self.assertEqual(len(flags[1]), 26)
        self.assertEqual(len(self.flags(mailbox)[1]), 30)
        self.imap("STORE 1 -FLAGS (w00)")
        self.assertEqual(len(self.flags(mailbox)[1]), 29)

    def test_uidlist_written_anew(self) -> None:
        """After expunges each shortens the uidlist; the other goes on with it."""
        mailbox = self.inbox()
        drafts = []
        for _ in range(20):
            drafts.append(mailbox.draft())
            drafts[-1].write(b"A: b\n\nc\n")
        self.get(mailbox.append([Addition(draft) for draft in drafts]))
        self.get(mailbox.expunge([Uid(uid) for uid in range(1, 16)]))
        self.assertEqual(len(self.uidlist().splitlines()), 6)
        self.assertEqual(sorted(self.agree(mailbox)), [16, 17, 18, 19, 20])
        self.imap("STORE 1:4 +FLAGS (\\Deleted)", "EXPUNGE", "APPEND INBOX {9+}\r\nA: b\r\n\r\nc")
        self.assertEqual(sorted(self.agree(mailbox)), [20, 21])
        self.assertEqual(self.add(mailbox), 22)
        self.agree(mailbox)

    def test_sizes_and_text(self) -> None:
        """RFC822.SIZE and BODY[] are the same for both, for odd line ends too."""
        mailbox = self.inbox()
        for data in (b"A: b\n\nc", b"A: b\r\n\r\nc\r\n", b"A: b\r\n\r\nc\rd\r\r\ne\r", b"A: b\n\r\n\0x\n", b""):
            self.add(mailbox, data)
        self.put("1700000000.M1P1.a:2,", b"A: b\n\r\nmixed\r\n")
        self.flags(mailbox)
        answer = self.imap("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[])")
        for uid, size in zip(mailbox.snapshot.uids, self.sizes(mailbox), strict=True):
            found = re.search(rf"UID {uid} RFC822.SIZE ([0-9]+) BODY\[\] (?:\{{([0-9]+)\}}|\"\")", answer)
            assert found is not None, (uid, answer)
            self.assertEqual((size, size), (int(found[1]), int(found[2] or 0)), uid)
            self.assertEqual(len(self.text(mailbox, uid) or b""), size)

    def test_recent(self) -> None:
        """New mail in new/ that mailhub claims is moved to cur/; Dovecot finds it there."""
        mailbox = self.inbox()
        self.add(mailbox)
        self.get(mailbox.claim_recent(Uid(2)))
        self.assertEqual(self.names("new"), [])
        self.agree(mailbox)

    settings = StoreSettings(fsync="never", lock_seconds=5.0)
