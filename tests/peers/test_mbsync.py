"""mbsync copies an account both ways, completely, and then finds nothing to do."""

from __future__ import annotations

import imaplib
import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.corpus import corpus
from tests.peer import program
from tests.peers.clients import imap_client, started
from tests.peers.maildirs import by_files, by_imap, contents

COUNT = 2000


class Mbsync(TestCase):
    """isync's mbsync over IMAPS, with the lab's CA."""

    def setUp(self) -> None:
        self.mbsync = program("mbsync")
        self.server = started(self)
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def configure(self, user: str, near: Path) -> Path:
        near.mkdir(parents=True, exist_ok=True)
        config = self.folder / f"{near.name}.mbsyncrc"
        config.write_text(
            f"IMAPAccount hub\nHost localhost\nPort {self.server.port('imaps')}\nUser {user}\nPass pass\n"
            f"SSLType IMAPS\nCertificateFile {self.server.ca}\n\n"
            "IMAPStore far\nAccount hub\n\n"
            f"MaildirStore near\nPath {near.absolute()}/\nInbox {near.absolute()}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nCopyArrivalDate yes\n"
            "SyncState *\nSync All\n"
        )
        return config

    def sync(self, config: Path) -> None:
        run = subprocess.run(
            [self.mbsync, "-V", "-c", str(config), "all"],
            capture_output=True,
            timeout=300,
            env={**os.environ, "HOME": str(self.folder.absolute())},
        )
        output = (run.stdout + run.stderr).decode(errors="replace")
        self.assertEqual(run.returncode, 0, output[-3000:])

    def test_both_ways(self) -> None:
        """2,000 messages with flags go from the server to a Maildir, and from there to a second account;
        every one arrives with its flags, and a second run transfers nothing."""
        corpus().write_maildir(str(self.server.maildir("ann")), COUNT, "mixed", 1)
        client = imap_client(self, self.server, "ann")
        client.select("INBOX")
        client.uid("STORE", "1:200", "+FLAGS", "($Forwarded)")
        client.uid("STORE", "150:300", "+FLAGS", "(\\Draft)")
        client.create("Work.Plans")
        client.uid("COPY", "1:50", "Work.Plans")
        near = self.folder / "near"
        config = self.configure("ann", near)
        self.sync(config)
        inbox = by_imap(client, "INBOX")
        self.assertEqual(len(inbox), COUNT)
        self.assertEqual(by_files(near / "INBOX"), contents(inbox))
        self.assertEqual(by_files(near / "Work" / "Plans"), contents(by_imap(client, "Work.Plans")))
        self.assertNothingToDo(config, near, client)

        # The way back: the same Maildir, without mbsync's state, to an account that is still empty.
        second = self.folder / "second"
        subprocess.run(["cp", "-a", str(near), str(second)], check=True)
        for state in second.glob("**/.mbsyncstate*"):
            state.unlink()
        for state in second.glob("**/.uidvalidity"):
            state.unlink()
        config = self.configure("bea", second)
        self.sync(config)
        other = imap_client(self, self.server, "bea")
        self.assertEqual(contents(by_imap(other, "INBOX")), contents(inbox))
        self.assertEqual(len(by_imap(other, "Work.Plans")), 50)
        self.assertNothingToDo(config, second, other)

    def assertNothingToDo(self, config: Path, near: Path, client: imaplib.IMAP4) -> None:
        """A further run changes neither a file on the near side nor a UID or flag on the far side."""
        before = (state(near), by_imap(client, "INBOX"), client.status("INBOX", "(UIDNEXT)"))
        self.sync(config)
        self.assertEqual((state(near), by_imap(client, "INBOX"), client.status("INBOX", "(UIDNEXT)")), before)


def state(near: Path) -> list[tuple[str, int, int]]:
    """Return (path, size, mtime in ns) of every message file below a folder."""
    files = (path for path in near.rglob("*") if path.parent.name in ("new", "cur"))
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
