"""dovecot-uidlist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from array import array
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk
from mailhub.maildir.uidlist import (
    UID_LIMIT,
    Header,
    Record,
    UidList,
    UidListDamaged,
    UidListFile,
    format_fields,
    new_uidlist,
    parse_fields,
)
from mailhub.store.errors import Damaged
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot

GUID = "e8484a11dafc036bf126000083ecc375"
HEADER = f"3 V7 N3 G{GUID}\n".encode()


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = scratch(self)
        self.file = UidListFile(Disk(), octets(self.directory))
        self.path = self.directory / "dovecot-uidlist"

    def write(self, data: bytes) -> UidList:
        self.path.write_bytes(data)
        known = self.file.load()
        assert known is not None
        return known

    def damaged(self, data: bytes) -> UidList | None:
        self.path.write_bytes(data)
        return self.assertRaises(UidListDamaged, self.file.load).salvage

    def test_read(self) -> None:
        """Header fields in any order, unknown ones kept; record fields kept as octets."""
        known = self.write(b"3 N9 Xfoo V7 P%%f G%b\n1 :a,S=5,W=6\n4 W7 Gabc :b:c d\n" % GUID.encode())
        self.assertEqual(known.header, Header(7, 9, GUID, (b"Xfoo", b"P%f")))
        self.assertEqual((known.uids, known.names), (array("I", [1, 4]), [b"a,S=5,W=6", b"b:c d"]))
        self.assertEqual(parse_fields(known.fields[4]), {"W": b"7", "G": b"abc"})
        self.assertEqual(known.next_uid, 9)
        self.assertTrue(known.sound)

    def test_next_uid(self) -> None:
        """The next UID is max(N, last UID + 1): after appends N is out of date."""
        self.assertEqual(self.write(HEADER + b"1 :a\n12 :b\n").next_uid, 13)

    def test_missing(self) -> None:
        """No file is no error."""
        self.assertIsNone(self.file.load())
        self.assertIsNone(self.file.refresh(new_uidlist(1)))

    def test_written_bytes(self) -> None:
        """What is written is exactly what Dovecot writes: records appended, N stale until a rewrite."""
        known = new_uidlist(1795423450, GUID)
        self.file.rewrite(known)
        self.assertEqual(self.path.read_bytes(), f"3 V1795423450 N1 G{GUID}\n".encode())
        self.file.append(known, [Record(1, b"x,S=5,W=5"), Record(2, b"y", format_fields({"G": b"z", "W": b"7"}))])
        body = b"1 :x,S=5,W=5\n2 Gz W7 :y\n"
        self.assertEqual(self.path.read_bytes(), f"3 V1795423450 N1 G{GUID}\n".encode() + body)
        self.file.rewrite(known, keep=frozenset({1}))
        self.assertEqual(self.path.read_bytes(), f"3 V1795423450 N3 G{GUID}\n1 :x,S=5,W=5\n".encode())
        self.assertEqual(os.listdir(self.directory), ["dovecot-uidlist"])

    def test_refresh_tail(self) -> None:
        """What another program appended is read from where we were; nothing new costs a stat."""
        mine = self.write(HEADER + b"1 :a\n")
        other = self.file.load()
        assert other is not None
        self.assertIs(self.file.refresh(mine), mine)
        self.file.append(other, [Record(3, b"b", b"W9")])
        self.assertIs(self.file.refresh(mine), mine)
        self.assertEqual((list(mine.uids), mine.names, mine.fields), ([1, 3], [b"a", b"b"], {3: b"W9"}))
        self.assertEqual(mine.end, self.path.stat().st_size)

    def test_append_names(self) -> None:
        """Many names at once get the next UIDs in their order, appended or with a rewrite."""
        known = self.write(HEADER + b"1 :a\n")
        self.file.append_names(known, [b"b", b"c"])
        self.assertEqual(self.path.read_bytes(), HEADER + b"1 :a\n3 :b\n4 :c\n")
        self.assertIs(self.file.refresh(known), known)
        known.sound = False
        self.file.append_names(known, [b"d"])
        self.assertEqual(self.path.read_bytes(), f"3 V7 N6 G{GUID}\n1 :a\n3 :b\n4 :c\n5 :d\n".encode())
        self.assertTrue(known.sound)
        self.assertIs(self.file.refresh(known), known)
        full = self.write(f"3 V7 N{UID_LIMIT} G{GUID}\n".encode())
        self.assertRaises(Damaged, self.file.append_names, full, [b"x", b"y"])

    def test_refresh_replaced(self) -> None:
        """A file that was renamed into place is read whole; the next UID never goes down."""
        mine = self.write(HEADER + b"1 :a\n8 :b\n")
        other = self.directory / "other"
        other.write_bytes(HEADER + b"1 :a\n")
        other.rename(self.path)
        fresh = self.file.refresh(mine)
        assert fresh is not None
        self.assertIsNot(fresh, mine)
        self.assertEqual((list(fresh.uids), fresh.next_uid), ([1], 9))

    def test_refresh_same_inode(self) -> None:
        """A file replaced by one with the same inode number and size is noticed: numbers are used again."""
        first = HEADER + b"1 :aa\n2 :bb\n"
        for other in (
            HEADER + b"1 :aa\n3 :cc\n",
            HEADER + b"2 :bb\n3 :cc\n4 :dd\n",
            HEADER.replace(b"N3", b"N9") + b"1 :aa\n2 :bb\n",
            HEADER + b"2 :bb\n",
        ):
            mine = self.write(first)
            with open(self.path, "r+b") as file:
                file.truncate()
                file.write(other)
            os.utime(self.path, ns=(0, self.path.stat().st_mtime_ns + 1))
            self.assertEqual((self.path.stat().st_dev, self.path.stat().st_ino), mine.file)
            fresh = self.file.refresh(mine)
            now = self.file.load()
            assert fresh is not None
            assert now is not None
            self.assertEqual((list(fresh.uids), fresh.names), (list(now.uids), now.names))
            self.assertGreaterEqual(fresh.next_uid, now.next_uid)

    def test_half_line(self) -> None:
        """Half a line at the end is somebody writing: it is left, and under the lock rewritten before an append."""
        known = self.write(HEADER + b"1 :a\n2 :hal")
        self.assertEqual((list(known.uids), known.sound), ([1], False))
        self.file.append(known, [Record(3, b"c")])
        self.assertEqual(self.path.read_bytes(), f"3 V7 N4 G{GUID}\n1 :a\n3 :c\n".encode())
        self.assertTrue(known.sound)

    def test_half_line_completed(self) -> None:
        """Once the rest of the line comes, it is a record."""
        mine = self.write(HEADER + b"1 :a\n")
        with open(self.path, "ab") as file:
            file.write(b"2 :b")
        self.assertIs(self.file.refresh(mine), mine)
        self.assertEqual((len(mine), mine.sound), (1, False))
        with open(self.path, "ab") as file:
            file.write(b"c\n")
        self.assertIs(self.file.refresh(mine), mine)
        self.assertEqual(mine.names, [b"a", b"bc"])

    def test_version_1(self) -> None:
        """Version 1 is read, and becomes version 3 with the next change."""
        known = self.write(b"1 7 5\n1 a\n4 b c\n")
        self.assertEqual((known.header.uidvalidity, known.next_uid, known.names), (7, 5, [b"a", b"b c"]))
        self.file.append(known, [Record(5, b"d")])
        self.assertRegex(self.path.read_bytes(), rb"\A3 V7 N6 G[0-9a-f]{32}\n1 :a\n4 :b c\n5 :d\n\Z")

    def test_no_guid(self) -> None:
        """A header without a mailbox GUID gets one by a rewrite."""
        known = self.write(b"3 V7 N3\n1 :a\n")
        self.assertFalse(known.sound)
        self.file.rewrite(known)
        self.assertTrue(re.match(rb"3 V7 N3 G[0-9a-f]{32}\n1 :a\n", self.path.read_bytes()))

    def test_salvage(self) -> None:
        """Of a damaged file the good lines keep their UIDs, and no number in it is given again (RFC 3501
        section 2.3.1.1)."""
        for bad in (b"garbage\n", b"2 q :x\n", b"5 :a/b\n", b"0 :x\n", b"1 :again\n", b"4294967295 :x\n", b"\n"):
            salvage = self.damaged(HEADER + b"1 :a\n" + bad + b"30 W2 :c\n")
            assert salvage is not None
            self.assertEqual((salvage.header.uidvalidity, salvage.header.guid), (7, GUID), bad)
            self.assertEqual((list(salvage.uids), salvage.names, salvage.fields), ([1, 30], [b"a", b"c"], {30: b"W2"}))
            self.assertEqual(salvage.next_uid, 31)
            self.assertFalse(salvage.sound)

    def test_salvage_skips_used(self) -> None:
        """A line that makes no sense still says that its UID was used."""
        salvage = self.damaged(HEADER + b"1 :a\n77 broken\n")
        assert salvage is not None
        self.assertEqual((list(salvage.uids), salvage.next_uid), ([1], 78))

    def test_salvage_header(self) -> None:
        """UIDVALIDITY survives a header that is otherwise wrong; without one there is nothing to salvage."""
        salvage = self.damaged(f"3 V7 N0 G{GUID}\n1 :a\n".encode())
        assert salvage is not None
        self.assertEqual((salvage.header.uidvalidity, salvage.header.guid, list(salvage.uids)), (7, GUID, [1]))
        for data in (b"", b"\0\0\0\0", b"2 7 1\n", b"3 V0 N1\n", b"3 V4294967296 N1\n", b"3 N1\n1 :a\n", b"hello"):
            self.assertIsNone(self.damaged(data), data)

    def test_header(self) -> None:
        """The first line can be read alone; a file that is missing or damaged has none."""
        self.assertIsNone(self.file.header())
        self.write(HEADER + b"1 :a\n")
        self.assertEqual(self.file.header(), Header(7, 3, GUID))
        self.path.write_bytes(b"garbage")
        self.assertIsNone(self.file.header())

    def test_order(self) -> None:
        """A UID that is not above all before, or impossible, is never written."""
        known = self.write(HEADER + b"1 :a\n")
        for uid in (1, 2, 0, UID_LIMIT + 1):
            self.assertRaises(Damaged, self.file.rewrite, known, [Record(uid, b"x")])
        self.assertEqual(self.path.read_bytes(), HEADER + b"1 :a\n")

    def test_full_disk(self) -> None:
        """A write that fails leaves what was known as it was, and the next one starts from a sound file."""

        class Full(Disk):
            def before(self, operation: str, path: bytes) -> None:
                if operation == "write":
                    raise OSError(28, "No space left on device")

        known = self.write(HEADER + b"1 :a\n")
        full = UidListFile(Full(), octets(self.directory))
        self.assertRaises(OSError, full.append, known, [Record(3, b"b")])
        self.assertRaises(OSError, full.rewrite, known, [Record(3, b"b")])
        self.assertEqual((list(known.uids), known.sound), ([1], False))
        self.file.append(known, [Record(3, b"b")])
        self.assertEqual(self.path.read_bytes(), f"3 V7 N4 G{GUID}\n1 :a\n3 :b\n".encode())

    names = st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & set(b"/\n"))

    @settings(max_examples=60, deadline=None)
    @given(st.dictionaries(st.integers(1, UID_LIMIT), names), st.integers(1, 2**32 - 1))
    def test_round_trip(self, messages: dict[int, bytes], uidvalidity: int) -> None:
        """What was written is read again, in one piece or in two."""
        uids = sorted(messages)
        records = [Record(uid, messages[uid], b"G%d" % uid if uid % 3 == 0 else b"") for uid in uids]
        written = new_uidlist(uidvalidity)
        self.file.rewrite(written, records[:1])
        early = self.file.load()
        assert early is not None
        if records[1:]:
            self.file.append(written, records[1:])
        read = self.file.load()
        assert read is not None
        self.assertIs(self.file.refresh(early), early)
        for known in (read, early):
            self.assertEqual((known.uids, known.names, known.fields), (written.uids, written.names, written.fields))
            self.assertEqual((known.next_uid, known.end), (written.next_uid, written.end))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda octets: HEADER + octets))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever the file holds, it is read or called damaged; the next UID is above every UID kept."""
        self.path.write_bytes(data)
        try:
            known = self.file.load()
        except UidListDamaged as error:
            known = error.salvage
        if known is not None and known.uids:
            self.assertGreater(known.next_uid, max(known.uids))


WRITER = """
import sys
from mailhub.maildir.disk import Disk
from mailhub.maildir.dotlock import DotLock
from mailhub.maildir.uidlist import Record, UidListFile
disk = Disk(fsync=False)
file = UidListFile(disk, {directory!r})
known = file.load()
for number in range({count}):
    with DotLock(disk, file.path, 60):
        known = file.refresh(known)
        record = Record(known.next_uid, b"%d.{name}" % number)
        (file.rewrite if number % 10 == 9 else file.append)(known, [record])
"""


class TogetherTests(SynchronousTestCase):
    def test_processes(self) -> None:
        """Several processes append and rewrite at once: every record is there, no UID is given twice."""
        directory = octets(scratch(self))
        file = UidListFile(Disk(fsync=False), directory)
        file.rewrite(new_uidlist(7, GUID))
        scripts = [WRITER.format(directory=directory, count=60, name=name) for name in ("a", "b", "c")]
        writers = [subprocess.Popen([sys.executable, "-c", script]) for script in scripts]
        # A reader takes no lock, and at any moment sees a sound list that only grows.
        seen, known = 0, file.load()
        while any(writer.poll() is None for writer in writers):
            assert known is not None
            known = file.refresh(known)
            assert known is not None
            self.assertGreaterEqual(len(known), seen)
            seen = len(known)
        self.assertEqual([writer.wait() for writer in writers], [0, 0, 0])
        final = file.load()
        assert final is not None
        self.assertEqual(list(final.uids), list(range(1, 181)))
        self.assertEqual(len(set(final.names)), 180)
        self.assertEqual(os.listdir(directory), [b"dovecot-uidlist"])


class DovecotTests(SynchronousTestCase):
    """The same file under Dovecot's eyes."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        self.mail: Path = self.base / "mail" / "u"

    def test_dovecot_reads(self) -> None:
        """UIDVALIDITY, UIDs and next UID that we wrote are those that Dovecot shows."""
        for part in ("cur", "new", "tmp"):
            (self.mail / part).mkdir(parents=True)
        for name in ("a", "b"):
            (self.mail / "cur" / f"{name}:2,S").write_bytes(b"Subject: x\n\nhello\n")
        file = UidListFile(Disk(), octets(self.mail))
        known = new_uidlist(4711, GUID)
        file.rewrite(known, [Record(5, b"b")])
        file.append(known, [Record(9, b"a", b"W21")])
        self.dovecot.own(self.base / "mail")
        answer = self.dovecot.run("imap", "u", b"1 SELECT INBOX\r\n2 UID FETCH 1:* RFC822.SIZE\r\n3 LOGOUT\r\n")
        self.assertIn(b"[UIDVALIDITY 4711]", answer)
        self.assertIn(b"[UIDNEXT 10]", answer)
        self.assertIn(b"* 1 FETCH (UID 5 RFC822.SIZE ", answer)
        self.assertIn(b"* 2 FETCH (UID 9 RFC822.SIZE 21)", answer)

    def test_we_read(self) -> None:
        """A file that Dovecot made and appended to is understood to its last octet."""
        answer = self.dovecot.run(
            "imap",
            "u",
            b"1 APPEND INBOX {3+}\r\nabc\r\n2 APPEND INBOX {3+}\r\ndef\r\n3 STATUS INBOX (UIDNEXT)\r\n4 LOGOUT\r\n",
        )
        known = UidListFile(Disk(), octets(self.mail)).load()
        assert known is not None
        self.assertEqual((list(known.uids), known.next_uid, known.sound), ([1, 2], 3, True))
        self.assertIn(b"[APPENDUID %d 2]" % known.header.uidvalidity, answer)
        self.assertEqual(known.end, (self.mail / "dovecot-uidlist").stat().st_size)
