"""dovecot-uidlist: which UID belongs to which file of a mailbox.

    3 V1795423450 N3 Ge8484a11dafc036bf126000083ecc375
    1 :1795423450.M300913P9969.vm,S=5,W=5
    2 G<guid> W7 :1795423450.M303423P9969.vm

Dovecot may have the same mailbox open, so the file is read and written by its rules. Records are appended to the file
under dovecot-uidlist.lock; the header's N is then out of date, and the next UID is max(N, last UID + 1). Expunged
messages stay in it until a rewrite, which is a new file renamed into place. Readers take no lock, and so may meet half
a line at the end: it is left for the next reading.

A mailbox of 100,000 messages must open quickly: the file is taken apart by one pattern, and later readings look
only at what was appended. Records with fields of their own (sizes, GUIDs, UIDLs) are rare; their fields stay octets
until asked for, which also keeps the ones that mean nothing to us.

What if the file is damaged? A UID given once must never be given to another message (RFC 3501 section 2.3.1.1), and
clients would fetch everything again if UIDVALIDITY changed. So whatever can be read is salvaged: lines that make
sense keep their UIDs, and the next UID is above every number seen.
"""

from __future__ import annotations

import os
import re
import secrets
from array import array
from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from mailhub.maildir.disk import Disk
from mailhub.store.errors import Damaged

FILE = b"dovecot-uidlist"
TEMPORARY = b"dovecot-uidlist.tmp"

UID_LIMIT = 2**32 - 2
"""The largest UID; Dovecot takes a larger one, or 0, for damage."""

_RECORD = re.compile(rb"^([0-9]{1,10})((?: [A-Z][^ \n]*)*) :([^\n/]+)$", re.MULTILINE)
_RECORD_1 = re.compile(rb"^([0-9]{1,10})() ([^\n/]+)$", re.MULTILINE)
_FIELD = re.compile(rb"([A-Z])([^ ]*)")
_GUID = re.compile(rb"[0-9a-f]{32}")


class UidListDamaged(Damaged):
    """The file breaks the format.

    salvage: what could be read of it, to be completed and rewritten, or None if not even UIDVALIDITY could."""

    def __init__(self, reason: str, salvage: UidList | None) -> None:
        super().__init__(f"dovecot-uidlist is damaged: {reason}")
        self.salvage = salvage


@frozen
class Header:
    """The first line."""

    uidvalidity: int
    next_uid: int = 1
    guid: str = ""
    """32 hex digits; empty only in a file that a very old Dovecot wrote: the next rewrite adds one."""
    others: tuple[bytes, ...] = ()
    """Further fields, key letter and value in one, such as b"P%08Xu%08Xv"; kept."""

    @property
    def key(self) -> str:
        """What the index knows the mailbox by: it outlives a rename, and is another one when UIDs begin anew."""
        return f"{self.guid}.{self.uidvalidity}"


@frozen
class Record:
    """A line: a message."""

    uid: int
    name: bytes
    """The base name, without ":2," and flags."""
    fields: bytes = b""
    """Fields between UID and name as they stand in the file, such as b"Gabc W17"."""


class UidList:
    """What a dovecot-uidlist said when it was last read or written. It belongs to whoever holds the mailbox's lane.

    uids (ascending), names: run parallel, one entry a record. Names may carry a ":2,..." in files of others.
    fields: of the records that have any, by UID.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.uids: array[int] = array("I")
        self.names: list[bytes] = []
        self.fields: dict[int, bytes] = {}
        self.file = (0, 0)
        """Device and inode of the file."""
        self.time = 0
        """Its modification time, nanoseconds."""
        self.first = b""
        """Its first line, as it stands."""
        self.end = 0
        """Octets of the file that have been understood."""
        self.sound = True
        """Whether records may be appended; if not, the file wants a rewrite (half a line at its end, version 1,
        no GUID)."""

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def next_uid(self) -> int:
        """The UID that the next message gets at least."""
        return max(self.header.next_uid, self.uids[-1] + 1 if self.uids else 1)

    def add(self, records: Iterable[Record]) -> None:
        """Take records into memory; their UIDs go on from next_uid, ascending. Raises Damaged otherwise."""
        for record in records:
            if not self.next_uid <= record.uid <= UID_LIMIT:
                raise Damaged(f"UID {record.uid} is out of order")
            self.uids.append(record.uid)
            self.names.append(record.name)
            if record.fields:
                self.fields[record.uid] = record.fields


def new_guid() -> str:
    """Return a mailbox GUID, 32 lowercase hex digits."""
    return secrets.token_hex(16)


def new_uidlist(uidvalidity: int, guid: str = "", next_uid: int = 1) -> UidList:
    """Return the list of a mailbox without messages, to be written by rewrite()."""
    created = UidList(Header(uidvalidity, next_uid, guid or new_guid()))
    created.sound = False
    return created


def parse_fields(fields: bytes) -> dict[str, bytes]:
    """Return the fields of a record by key letter: S size, W size with CRLF, P POP3 UIDL, O POP3 order, G GUID."""
    return {key.decode("ascii"): value for key, value in _FIELD.findall(fields)}


def format_fields(fields: dict[str, bytes]) -> bytes:
    """Return the octets of fields for Record.fields. Values hold no space or line end."""
    return b" ".join(key.encode("ascii") + value for key, value in fields.items())


class UidListFile:
    """The file of one mailbox. Writing methods are called with dovecot-uidlist.lock held. Blocks: threads only.

    directory: where it lies (the mailbox, or its place under CONTROL=)."""

    def __init__(self, disk: Disk, directory: bytes) -> None:
        self._disk = disk
        self._directory = directory
        self.path = os.path.join(directory, FILE)

    def load(self) -> UidList | None:
        """Read the whole file; None if there is none. Raises UidListDamaged, OSError."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                data = file.read()
        except FileNotFoundError:
            return None
        return _parse(data, status)

    def header(self) -> Header | None:
        """Read the first line only; None if there is no file or it makes no sense. Raises OSError."""
        try:
            with open(self.path, "rb") as file:
                return _parse_header(file.readline(4096).rstrip(b"\n"))[0]
        except (FileNotFoundError, ValueError):
            return None

    def refresh(self, known: UidList) -> UidList | None:
        """Look what others did to the file since `known` was current.

        Returns `known`, with what was appended added to it; or a new object if the file was replaced; or None if
        it is gone. Raises UidListDamaged, OSError."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        if (status.st_dev, status.st_ino) == known.file:
            if status.st_size == known.end and status.st_mtime_ns == known.time:
                return known
            if self._read_tail(known):
                return known
        fresh = self.load()
        if fresh is not None and fresh.header.uidvalidity == known.header.uidvalidity:
            # Whatever another program wrote there, a UID we saw in use is not given again.
            fresh.header = evolve(fresh.header, next_uid=max(fresh.header.next_uid, known.next_uid))
        return fresh

    def append(self, known: UidList, records: Sequence[Record]) -> None:
        """Write `records` behind those in the file, durably, and add them to `known`.

        `known` must be current (refresh() under the lock). Rewrites the file where it cannot be appended to.
        Raises OSError; then `known` is as before, and what was written is half a line at most."""
        if not known.sound:
            self.rewrite(known, records)
            return
        data = b"".join(map(_line, records))
        self._write_tail(known, data)
        known.add(records)
        known.end += len(data)

    def append_names(self, known: UidList, names: Sequence[bytes]) -> None:
        """As append(), for messages without fields, which get the next UIDs in their order: 100,000 at a time when a
        mailbox is first seen."""
        start = known.next_uid
        if start + len(names) > UID_LIMIT:
            raise Damaged("there are no UIDs left")
        grown = UidList(known.header)
        grown.uids = known.uids + array("I", range(start, start + len(names)))
        grown.names = [*known.names, *names]
        if known.sound:
            data = b"".join([b"%d :%b\n" % pair for pair in enumerate(names, start)])
            self._write_tail(known, data)
            known.end += len(data)
            known.uids, known.names = grown.uids, grown.names
            return
        grown.fields = known.fields
        self.rewrite(grown)
        known.header, known.uids, known.names, known.sound = grown.header, grown.uids, grown.names, grown.sound
        known.file, known.time, known.first, known.end = grown.file, grown.time, grown.first, grown.end

    def rewrite(self, known: UidList, records: Sequence[Record] = (), keep: frozenset[int] | None = None) -> None:
        """Write the file anew, with `records` added; if `keep` is given, without the UIDs not in it.

        `known` becomes what was written. Raises OSError; then neither has changed."""
        changed = UidList(known.header)
        changed.uids, changed.names, changed.fields = known.uids[:], known.names[:], dict(known.fields)
        changed.add(records)
        header = evolve(known.header, next_uid=changed.next_uid, guid=known.header.guid or new_guid())
        if keep is not None:
            _compact(changed, keep)
        data = _format(header, changed)
        temporary = os.path.join(self._directory, TEMPORARY)
        self._disk.store(self.path, data, temporary)
        status = os.stat(self.path)
        known.header = header
        known.uids, known.names, known.fields = changed.uids, changed.names, changed.fields
        known.first = data[: data.index(b"\n") + 1]
        known.file, known.time = (status.st_dev, status.st_ino), status.st_mtime_ns
        known.end, known.sound = len(data), True

    def _write_tail(self, known: UidList, data: bytes) -> None:
        fd = self._disk.append(self.path)
        try:
            self._disk.write(fd, data, self.path)
            self._disk.sync(fd, self.path)
            known.time = os.fstat(fd).st_mtime_ns
        except OSError:
            known.sound = False
            raise
        finally:
            os.close(fd)

    def _read_tail(self, known: UidList) -> bool:
        """Take in what was appended; say whether all of it made sense (if not, a whole reading tells why).

        The inode alone does not tell that the file is the one we know: after two rewrites a number may be used again.
        But a rewrite that changes anything changes the first line, or where the last line known to us stands."""
        last = _last_line(known)
        with open(self.path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != known.file or file.read(len(known.first)) != known.first:
                return False
            file.seek(known.end - len(last))
            data = file.read()
        if not data.startswith(last):
            return False
        data = data[len(last) :]
        whole = data[: data.rfind(b"\n") + 1]
        uids, names, fields = _records(whole, _RECORD)
        if len(uids) != whole.count(b"\n") or not _ascending(uids, known.uids[-1] if known.uids else 0):
            return False
        known.uids.extend(uids)
        known.names += names
        known.fields.update(fields)
        known.end += len(whole)
        known.time = status.st_mtime_ns
        known.sound = known.sound and len(whole) == len(data)
        return True


def _last_line(known: UidList) -> bytes:
    if not known.uids:
        return known.first
    uid = known.uids[-1]
    return _line(Record(uid, known.names[-1], known.fields.get(uid, b"")))


def _line(record: Record) -> bytes:
    if record.fields:
        return b"%d %b :%b\n" % (record.uid, record.fields, record.name)
    return b"%d :%b\n" % (record.uid, record.name)


def _format(header: Header, known: UidList) -> bytes:
    words = [b"3", b"V%d" % header.uidvalidity, b"N%d" % header.next_uid, b"G" + header.guid.encode("ascii")]
    lines = [b" ".join([*words, *header.others]) + b"\n"]
    fields = known.fields
    if fields:
        lines += [
            _line(Record(uid, name, fields.get(uid, b""))) for uid, name in zip(known.uids, known.names, strict=True)
        ]
    else:
        lines += [b"%d :%b\n" % pair for pair in zip(known.uids, known.names, strict=True)]
    return b"".join(lines)


def _compact(known: UidList, keep: frozenset[int]) -> None:
    kept = [(uid, name) for uid, name in zip(known.uids, known.names, strict=True) if uid in keep]
    known.uids = array("I", [uid for uid, _ in kept])
    known.names = [name for _, name in kept]
    known.fields = {uid: value for uid, value in known.fields.items() if uid in keep}


def _records(data: bytes, pattern: re.Pattern[bytes]) -> tuple[list[int], list[bytes], dict[int, bytes]]:
    """Return UIDs, names and fields of all lines that are records; the caller compares their number with the lines."""
    if pattern is _RECORD and data.count(b" :") == data.count(b"\n") and b"/" not in data:
        # Mostly no record has fields. Without a tuple a line this is five times as fast.
        cells = data.replace(b" :", b"\n").split(b"\n")
        numbers = cells[:-1:2]
        if b"".join(numbers).isdigit() and b"" not in cells[:-1] and max(map(len, numbers)) <= 10:
            return list(map(int, numbers)), cells[1:-1:2], {}
    found = pattern.findall(data)
    uids = [int(uid) for uid, _, _ in found]
    names = [name for _, _, name in found]
    fields = {int(uid): value[1:] for uid, value, _ in found if value}
    return uids, names, fields


def _ascending(uids: list[int], last: int) -> bool:
    """Whether `uids` rise strictly from above `last` and are possible."""
    if not uids:
        return True
    if uids[0] <= last or uids[-1] > UID_LIMIT:
        return False
    # Sorting what is sorted and counting what is distinct beats a comparison of each pair in Python.
    return sorted(uids) == uids and len(set(uids)) == len(uids)


def _parse_header(line: bytes) -> tuple[Header, int]:
    """Return the header and the version. Raises ValueError with what is wrong."""
    words = line.split(b" ")
    if words[0] == b"1" and len(words) == 3 and words[1].isdigit() and words[2].isdigit():
        return Header(_uidvalidity(words[1]), max(1, int(words[2]))), 1
    if words[0] != b"3":
        raise ValueError("its version is not 3")
    uidvalidity, next_uid, guid, others = 0, 0, "", []
    for word in words[1:]:
        key, value = word[:1], word[1:]
        if key == b"V" and value.isdigit():
            uidvalidity = _uidvalidity(value)
        elif key == b"N" and value.isdigit():
            next_uid = int(value)
        elif key == b"G" and _GUID.fullmatch(value):
            guid = value.decode("ascii")
        elif key not in (b"", b"V", b"N", b"G"):
            others.append(word)
    if uidvalidity == 0:
        raise ValueError("it has no UIDVALIDITY")
    if not 1 <= next_uid <= UID_LIMIT + 1:
        raise ValueError("its next UID is impossible")
    return Header(uidvalidity, next_uid, guid, tuple(others)), 3


def _uidvalidity(digits: bytes) -> int:
    value = int(digits)
    if not 1 <= value < 2**32:
        raise ValueError("its UIDVALIDITY is impossible")
    return value


def _parse(data: bytes, status: os.stat_result) -> UidList:
    first, _, body = data.partition(b"\n")
    try:
        header, version = _parse_header(first)
    except ValueError as error:
        raise UidListDamaged(str(error), _salvage(data, None)) from error
    whole = body[: body.rfind(b"\n") + 1]
    uids, names, fields = _records(whole, _RECORD if version == 3 else _RECORD_1)
    if len(uids) != whole.count(b"\n"):
        raise UidListDamaged("a line is not a record", _salvage(data, header))
    if not _ascending(uids, 0):
        raise UidListDamaged("its UIDs do not ascend", _salvage(data, header))
    known = UidList(header)
    known.uids, known.names, known.fields = array("I", uids), names, fields
    known.file, known.time = (status.st_dev, status.st_ino), status.st_mtime_ns
    known.first = first + b"\n"
    known.end = len(first) + 1 + len(whole)
    known.sound = version == 3 and bool(header.guid) and len(whole) == len(body)
    return known


def _salvage(data: bytes, header: Header | None) -> UidList | None:
    """Return what makes sense of a damaged file: records that ascend, and a next UID above every number seen."""
    if header is None:
        uidvalidity = re.search(rb"\A3 (?:[^\n]* )?V([1-9][0-9]{0,9})(?=[ \n]|\Z)", data)
        guid = re.search(rb"\A3 (?:[^\n]* )?G([0-9a-f]{32})(?=[ \n]|\Z)", data)
        if uidvalidity is None or int(uidvalidity[1]) >= 2**32:
            return None
        header = Header(int(uidvalidity[1]), 1, guid[1].decode("ascii") if guid else "")
    uids, names, fields = _records(data, _RECORD)
    seen = [int(number) for number in re.findall(rb"^([0-9]{1,10})(?![0-9])", data.partition(b"\n")[2], re.MULTILINE)]
    highest = max((number for number in seen if number < UID_LIMIT), default=0)
    known = UidList(evolve(header, next_uid=1))
    known.add(Record(uid, name, fields.get(uid, b"")) for uid, name in _rising(uids, names))
    known.header = evolve(header, next_uid=max(header.next_uid, highest + 1))
    known.sound = False
    return known


def _rising(uids: list[int], names: list[bytes]) -> Iterable[tuple[int, bytes]]:
    """Yield the pairs whose UID is above those before, each name once."""
    last, taken = 0, set()
    for uid, name in zip(uids, names, strict=True):
        if last < uid <= UID_LIMIT and name not in taken:
            last = uid
            taken.add(name)
            yield uid, name
