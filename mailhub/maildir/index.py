"""The index of an account: what would cost reading every message to know again, in one SQLite database.

Problem: modseqs, the expunge log, keywords past 26, sizes and parsed facts have no place in file names. Dovecot keeps
them in its own binary index; here a database is used because several processes may write it at once, and because SQLite
has crash safety that need not be invented again.

It is a cache. It may be deleted, or be full of garbage, at any time: then it is made again, which is logged once, no
caller sees an error, and what it held is computed or (modseqs) begun anew above all that were given before, because a
modseq is never below the clock (design law 4). So a failure to write it never fails a change of a mailbox.

It is sparse: a mailbox of 100,000 messages that was only looked at has one row in `arrival` and none in `message`. A
message without a modseq of its own has that of the latest arrival row at or below its UID.

Transactions run in threads, one at a time (a lock), on one connection. The reactor has a connection of its own that
only reads: in WAL mode it never waits for a writer, and a read of a few hundred rows costs less than a thread hop. What
it reads (facts, sizes) never changes for a message, so that it is always right.

The facts of one kind of one mailbox are a set with a number, and a fact's row id is made of that number and the UID:
SQLite then keeps values of a few KiB, such as the text of a message, within its tree, not in chains of pages beside it.

A mailbox is known by a key made of its GUID and UIDVALIDITY, so a mailbox whose UIDs began anew meets nothing old.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from attrs import frozen
from twisted.logger import Logger

T = TypeVar("T")

FILE_NAME = b"mailhub.index.sqlite"
"""Has no leading dot, so that no layout takes it for a mailbox."""

FACT_SETS = 16
"""Most different facts of one family (what stands before "/" in the key) kept for a mailbox: a client can ask for any
combination of header fields, and each is a family member."""

EXPUNGE_LOG = 20_000
"""Most expunged UIDs remembered for a mailbox."""

_BUSY_SECONDS = 10.0
_SETUP_SECONDS = 1.0
"""How long another process may take to make the database. Only a file that was emptied or overwritten while others have
it open is locked for longer at that stage, and that never ends by itself."""
_PAGE = 8192
"""Octets of a page: twice SQLite's default, for values of a few KiB."""
_CHECKPOINT_PAGES = 2000
"""Pages in the log at which they are copied to the database and synced: a first search of many messages writes a lot,
and to sync every few MiB of that would take longer than to search."""
_VERSION = 2
_SCHEMA = f"""
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, modseq INTEGER NOT NULL, log_from INTEGER NOT NULL,
    recent INTEGER, uidnext INTEGER, folder TEXT
);
CREATE TABLE arrival (mailbox INTEGER, uid INTEGER, modseq INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE TABLE message (
    mailbox INTEGER, uid INTEGER, modseq INTEGER, size INTEGER, date INTEGER, saved INTEGER, keywords TEXT,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE TABLE expunged (mailbox INTEGER, modseq INTEGER, uid INTEGER, PRIMARY KEY (mailbox, modseq, uid)) WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, fact TEXT NOT NULL UNIQUE);
CREATE TABLE used (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER, fact INTEGER, at REAL NOT NULL, UNIQUE (mailbox, fact)
);
CREATE TABLE fact (id INTEGER PRIMARY KEY, value BLOB);
PRAGMA user_version = {_VERSION};
"""


@frozen(eq=False)
class Known:
    """What the index knows of a mailbox when it is opened."""

    modseq: int
    """The highest that was given."""
    recent: int | None
    """Messages from this UID on are unclaimed; None if that was never noted."""
    uidnext: int | None
    """The next UID when the mailbox was last written here; None if the index did not know the mailbox."""
    folder: str | None
    """What seal() noted then."""
    arrivals: Sequence[tuple[int, int]]
    """(first UID, modseq), ascending."""
    rows: Sequence[tuple[int, int | None, str | None]]
    """(UID, modseq, keywords joined by spaces), ascending, of messages that have either."""
    expunged: frozenset[int]


_UID_BITS = 32
"""The low bits of a fact's row id, which are the UID."""

SizeRow = tuple[int, int | None, int | None, int | None]
"""UID, RFC822.SIZE, INTERNALDATE, save date; None where it is not known."""


@frozen(eq=False)
class Arrival:
    """A message that was added here."""

    uid: int
    modseq: int
    size: int | None
    date: int | None
    saved: int


class Transaction:
    """One mailbox, within a transaction. Everything is committed together, or nothing."""

    def __init__(self, connection: sqlite3.Connection, mailbox: int, now: float) -> None:
        self._db = connection
        self._id = mailbox
        self._now = now

    def known(self) -> Known:
        """Read all that opening a mailbox needs."""
        modseq, recent, uidnext, folder = self._db.execute(
            "SELECT modseq, recent, uidnext, folder FROM mailbox WHERE id = ?", (self._id,)
        ).fetchone()
        arrivals = self._db.execute(
            "SELECT uid, modseq FROM arrival WHERE mailbox = ? ORDER BY uid", (self._id,)
        ).fetchall()
        rows = self.changed_since(0)
        gone = self._db.execute("SELECT uid FROM expunged WHERE mailbox = ?", (self._id,))
        return Known(modseq, recent, uidnext, folder, arrivals, rows, frozenset(uid for (uid,) in gone))

    def highest(self) -> int:
        """Return the highest modseq that any process gave."""
        (modseq,) = self._db.execute("SELECT modseq FROM mailbox WHERE id = ?", (self._id,)).fetchone()
        return int(modseq)

    def changed_since(self, modseq: int) -> list[tuple[int, int | None, str | None]]:
        """Return (UID, modseq, keywords) of messages with a later modseq of their own, or with keywords if 0."""
        return self._db.execute(
            "SELECT uid, modseq, keywords FROM message"
            " WHERE mailbox = ?1 AND (modseq > ?2 OR (?2 = 0 AND keywords <> '')) ORDER BY uid",
            (self._id, modseq),
        ).fetchall()

    def raise_to(self, modseq: int) -> None:
        """Note that `modseq` was given."""
        self._db.execute("UPDATE mailbox SET modseq = max(modseq, ?) WHERE id = ?", (modseq, self._id))

    def seal(self, uidnext: int, folder: str, recent: int | None = None) -> None:
        """Note the state of the mailbox after this transaction: `folder` differs once any file was renamed since;
        `recent` is the first unclaimed UID, where none is known."""
        self._db.execute(
            "UPDATE mailbox SET uidnext = ?, folder = ?, recent = coalesce(recent, ?) WHERE id = ?",
            (uidnext, folder, recent, self._id),
        )

    def all_changed(self, modseq: int) -> None:
        """Give every message `modseq`: while nobody looked, any of them may have changed or been expunged."""
        self._db.execute("UPDATE message SET modseq = NULL WHERE mailbox = ?", (self._id,))
        self._db.execute("DELETE FROM arrival WHERE mailbox = ?", (self._id,))
        self._db.execute("UPDATE mailbox SET log_from = ? WHERE id = ?", (modseq, self._id))
        self.arrived(1, modseq)

    def arrived(self, uid: int, modseq: int) -> None:
        """Give messages from `uid` on that have no modseq of their own this one."""
        self._db.execute("INSERT OR REPLACE INTO arrival VALUES (?, ?, ?)", (self._id, uid, modseq))
        self.raise_to(modseq)

    def flagged(self, rows: Iterable[tuple[int, int]]) -> None:
        """Note (UID, modseq) of messages whose flags changed."""
        self._db.executemany(
            f"INSERT INTO message (mailbox, uid, modseq) VALUES ({self._id}, ?, ?)"  # noqa: S608 - an integer
            " ON CONFLICT DO UPDATE SET modseq = max(coalesce(modseq, 0), excluded.modseq)",
            rows,
        )

    def added(self, rows: Iterable[Arrival]) -> None:
        """Note new messages with all that is known of them."""
        self._db.executemany(
            "INSERT OR REPLACE INTO message (mailbox, uid, modseq, size, date, saved)"  # noqa: S608
            f" VALUES ({self._id}, ?, ?, ?, ?, ?)",
            ((row.uid, row.modseq, row.size, row.date, row.saved) for row in rows),
        )

    def keywords(self, rows: Iterable[tuple[int, str]]) -> None:
        """Note (UID, keywords joined by spaces) that have no letter."""
        self._db.executemany(
            f"INSERT INTO message (mailbox, uid, keywords) VALUES ({self._id}, ?, ?)"  # noqa: S608
            " ON CONFLICT DO UPDATE SET keywords = excluded.keywords",
            rows,
        )

    def measured(self, rows: Iterable[SizeRow]) -> None:
        """Note sizes and dates; None leaves what is known."""
        self._db.executemany(
            f"INSERT INTO message (mailbox, uid, size, date, saved) VALUES ({self._id}, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO UPDATE SET size = coalesce(excluded.size, size), date = coalesce(excluded.date, date),"
            " saved = coalesce(excluded.saved, saved)",
            rows,
        )

    def keep(self, key: str, rows: Iterable[tuple[int, bytes]]) -> None:
        """Keep fact `key`: (UID, value) pairs."""
        first = self._use(key)
        self._db.executemany(f"INSERT OR REPLACE INTO fact VALUES ({first} + ?, ?)", rows)  # noqa: S608

    def removed(self, uids: Sequence[int], modseq: int, log_limit: int = EXPUNGE_LOG) -> None:
        """Forget messages and log that they were expunged at `modseq`."""
        self._db.executemany(
            f"INSERT OR REPLACE INTO expunged VALUES ({self._id}, {modseq}, ?)",  # noqa: S608
            ((uid,) for uid in uids[-log_limit:]),
        )
        sets = self._db.execute("SELECT id FROM used WHERE mailbox = ?", (self._id,)).fetchall()
        runs = _runs(uids)
        self._db.executemany(f"DELETE FROM message WHERE mailbox = {self._id} AND uid BETWEEN ? AND ?", runs)  # noqa: S608
        for (number,) in sets:
            first = number << _UID_BITS
            self._db.executemany(f"DELETE FROM fact WHERE id BETWEEN {first} + ? AND {first} + ?", runs)  # noqa: S608
        self.raise_to(modseq)
        self._prune(log_limit)

    def recent(self, below: int, fallback: int) -> int:
        """Claim \\Recent of messages below UID `below`; return the first UID that was unclaimed. `fallback` is
        that UID where the index did not know."""
        (first,) = self._db.execute("SELECT recent FROM mailbox WHERE id = ?", (self._id,)).fetchone()
        found = int(fallback if first is None else first)
        if first is None or found < below:
            self._db.execute("UPDATE mailbox SET recent = ? WHERE id = ?", (max(found, below), self._id))
        return found

    def copied(self, source: str, pairs: Sequence[tuple[int, int]], now: int, limit: int = 8192) -> None:
        """Take sizes and facts from mailbox `source` for (source UID, target UID) pairs, saved at `now`; facts
        over `limit` octets are left to be computed again when they are asked for."""
        row = self._db.execute("SELECT id FROM mailbox WHERE key = ?", (source,)).fetchone()
        if row is None:
            return
        (origin,) = row
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS pair (source INTEGER PRIMARY KEY, target INTEGER)")
        self._db.execute("DELETE FROM pair")
        self._db.executemany("INSERT OR REPLACE INTO pair VALUES (?, ?)", pairs)
        self._db.execute(
            "INSERT INTO message (mailbox, uid, size, date, saved) SELECT ?, target, size, date, ?"
            " FROM pair CROSS JOIN message ON mailbox = ? AND uid = source WHERE true ORDER BY target"
            " ON CONFLICT DO UPDATE SET size = coalesce(excluded.size, size), date = coalesce(excluded.date, date)",
            (self._id, now, origin),
        )
        used = self._db.execute(
            "SELECT used.id, name.fact FROM used JOIN name ON name.id = used.fact WHERE mailbox = ?", (origin,)
        )
        for number, key in used.fetchall():
            first = self._use(key)
            self._db.execute(
                "INSERT OR REPLACE INTO fact SELECT ?1 + target, value FROM pair CROSS JOIN fact"
                " ON id = ?2 + source WHERE length(value) <= ?3 ORDER BY target",
                (first, number << _UID_BITS, limit),
            )

    def _use(self, key: str) -> int:
        """Note that the mailbox keeps a fact; drop the one of its family used longest ago if there are too many.

        Returns the row id of its value for UID 0."""
        fact = _fact_id(self._db, key)
        row = self._db.execute("SELECT id FROM used WHERE mailbox = ? AND fact = ?", (self._id, fact)).fetchone()
        if row is not None:
            self._db.execute("UPDATE used SET at = ? WHERE id = ?", (self._now, row[0]))
            return int(row[0]) << _UID_BITS
        made = self._db.execute("INSERT INTO used (mailbox, fact, at) VALUES (?, ?, ?)", (self._id, fact, self._now))
        number = made.lastrowid or 0
        family = key.partition("/")[0] + "/"
        members = self._db.execute(
            "SELECT used.id FROM used JOIN name ON name.id = used.fact"
            " WHERE mailbox = ? AND substr(name.fact, 1, ?) = ? ORDER BY at DESC",
            (self._id, len(family), family),
        ).fetchall()
        for (old,) in members[FACT_SETS:]:
            self.drop(old)
        return number << _UID_BITS

    def drop(self, number: int) -> None:
        """Forget a set of facts. Its number is never given again, so nobody who just looked it up finds others."""
        first = number << _UID_BITS
        last = first + (1 << _UID_BITS) - 1
        self._db.execute("DELETE FROM fact WHERE id BETWEEN ? AND ?", (first, last))
        self._db.execute("DELETE FROM used WHERE id = ?", (number,))

    def _prune(self, limit: int) -> None:
        """Cut the expunge log to `limit` UIDs, oldest first, and note from where on it is complete."""
        (count,) = self._db.execute("SELECT count(*) FROM expunged WHERE mailbox = ?", (self._id,)).fetchone()
        if count > limit:
            (modseq,) = self._db.execute(
                "SELECT modseq FROM expunged WHERE mailbox = ? ORDER BY modseq LIMIT 1 OFFSET ?",
                (self._id, count - limit - 1),
            ).fetchone()
            self._db.execute("DELETE FROM expunged WHERE mailbox = ? AND modseq <= ?", (self._id, modseq))
            self._db.execute("UPDATE mailbox SET log_from = max(log_from, ?) WHERE id = ?", (modseq, self._id))


class Index:
    """The database of an account.

    path: its file. durable: whether checkpoints are synced (fsync = always). clock: seconds since the epoch.
    """

    _log = Logger()

    def __init__(self, path: bytes, durable: bool = True, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._durable = durable
        self._clock = clock
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._generation = 0
        self._reader: sqlite3.Connection | None = None
        self._reader_generation = -1
        self._reader_ids: dict[str, int] = {}
        self._failed = False

    def write(self, key: str, base: int, job: Callable[[Transaction], T]) -> T | None:
        """Run `job` in a transaction on mailbox `key`; threads only.

        `base` is the modseq of messages the index knows nothing of, should it not know the mailbox. Returns what
        `job` returned, or None if the database could not be written, which is logged once. `job` may be run twice."""
        with self._lock:
            for attempt in (1, 2):
                try:
                    result = self._run(key, base, job)
                except sqlite3.Error as error:
                    self._failure(error, attempt)
                else:
                    self._failed = False
                    return result
        return None

    def stamp(self) -> tuple[int, int]:
        """Return what changes when any process writes the index: cheap enough for every look at a mailbox."""
        try:
            found = os.stat(self.path + b"-wal")
        except OSError:
            return (0, 0)
        return (found.st_size, found.st_mtime_ns)

    def standing(self, key: str) -> tuple[int, int]:
        """Return the highest modseq and the first unclaimed UID of a mailbox, 0 where they are not known; threads
        only."""
        with self._lock:
            try:
                return _standing(self._db, key)
            except sqlite3.Error:
                return 0, 0

    def standing_now(self, key: str) -> tuple[int, int]:
        """As standing(); reactor thread only."""
        try:
            return _standing(self._readable(), key)
        except sqlite3.Error:
            return 0, 0

    def sizes(self, key: str, uids: Sequence[int]) -> Sequence[SizeRow]:
        """Return what is known of messages `uids` (ascending), without those unknown; may return others too.
        Reactor thread."""
        try:
            mailbox = self._mailbox(key)
            if mailbox is None:
                return []
            where = f"WHERE mailbox = {mailbox} AND uid"
            return self._select(f"SELECT uid, size, date, saved FROM message {where}", 0, uids)  # noqa: S608
        except sqlite3.Error:
            # The next write finds out what is wrong and mends it; what is not found here is computed.
            return []

    def facts(self, key: str, fact: str, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the values kept of a fact for messages `uids` (ascending); may return others too. Reactor thread."""
        try:
            mailbox, reader = self._mailbox(key), self._reader
            if mailbox is None or reader is None:
                return {}
            found = reader.execute(
                "SELECT used.id FROM name JOIN used ON used.mailbox = ? AND used.fact = name.id WHERE name.fact = ?",
                (mailbox, fact),
            ).fetchone()
            if found is None:
                return {}
            first = found[0] << _UID_BITS
            return dict(self._select(f"SELECT id - {first}, value FROM fact WHERE id", first, uids))  # noqa: S608
        except sqlite3.Error:
            return {}

    def forget(self, key: str) -> None:
        """Drop all that is known of a mailbox that was deleted; threads only."""

        def drop(transaction: Transaction) -> None:
            used = "SELECT id FROM used WHERE mailbox = ?"
            for (number,) in transaction._db.execute(used, (transaction._id,)).fetchall():
                transaction.drop(number)
            for table in ("arrival", "message", "expunged"):
                transaction._db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (transaction._id,))  # noqa: S608
            transaction._db.execute("DELETE FROM mailbox WHERE id = ?", (transaction._id,))

        self.write(key, 0, drop)

    def close(self) -> None:
        """Close the database. It is opened again if it is needed again."""
        with self._lock:
            self._drop()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
            self._reader_generation = -1

    # Writing

    def _run(self, key: str, base: int, job: Callable[[Transaction], T]) -> T:
        db = self._writable()
        db.execute("BEGIN IMMEDIATE")
        try:
            found = db.execute("SELECT id FROM mailbox WHERE key = ?", (key,)).fetchone()
            if found is None:
                cursor = db.execute("INSERT INTO mailbox (key, modseq, log_from) VALUES (?, ?, ?)", (key, base, base))
                mailbox = cursor.lastrowid or 0
                db.execute("INSERT INTO arrival VALUES (?, 1, ?)", (mailbox, base))
            else:
                (mailbox,) = found
            result = job(Transaction(db, mailbox, self._clock()))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def _writable(self) -> sqlite3.Connection:
        """Return the connection to the file that is at `path` now."""
        if self._db is not None:
            try:
                now = os.stat(self.path)
            except OSError:
                now = None
            if now is not None and (now.st_dev, now.st_ino) == self._inode:
                return self._db
            self._log.warn("Index was removed and is made again: {path}", path=os.fsdecode(self.path))
            self._drop()
        db = self._connect("rwc")
        try:
            db.execute(f"PRAGMA page_size = {_PAGE}")
            _use_log(db)
            db.execute(f"PRAGMA synchronous = {'NORMAL' if self._durable else 'OFF'}")
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"schema version {version}")
            if not version:
                for statement in _SCHEMA.strip().split(";\n"):
                    db.execute(statement)
            db.execute("COMMIT")
            made = os.stat(self.path)
        except BaseException:
            db.close()
            raise
        self._inode = (made.st_dev, made.st_ino)
        self._db = db
        self._generation += 1
        return db

    def _connect(self, mode: str) -> sqlite3.Connection:
        name = f"file:{quote(self.path)}?mode={mode}"
        return sqlite3.connect(
            name, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    def _failure(self, error: sqlite3.Error, attempt: int) -> None:
        """Make ready for a second attempt: a database that is no database, or of a shape we do not know, is moved
        aside; a full disk or a lock that is held too long changes nothing."""
        operational = isinstance(error, sqlite3.OperationalError)
        about_shape = operational and ("no such" in str(error) or "no column" in str(error))
        self._drop()
        if not self._failed or attempt == 2:
            self._failed = True
            self._log.warn(
                "Index cannot be used: {error} ({path})", error=str(error), path=os.fsdecode(self.path), attempt=attempt
            )
        if attempt == 1 and (not operational or about_shape):
            try:
                os.replace(self.path, self.path + b".corrupt")
            except OSError:
                pass
            for ending in (b"-wal", b"-shm"):
                try:
                    os.unlink(self.path + ending)
                except OSError:
                    pass

    def _drop(self) -> None:
        if self._db is not None:
            try:
                self._db.close()
            except sqlite3.Error:
                pass
            self._db = None

    # Reading on the reactor

    def _readable(self) -> sqlite3.Connection | None:
        """Return the reactor's connection, or None while nothing was ever written."""
        if self._reader_generation != self._generation:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self._reader_ids.clear()
            self._reader_generation = self._generation
        if self._reader is None and self._generation:
            self._reader = self._connect("rw")
        return self._reader

    def _mailbox(self, key: str) -> int | None:
        """Return the number of a mailbox, or None if the index does not know it; makes the reader ready."""
        reader = self._readable()
        if reader is None:
            return None
        mailbox = self._reader_ids.get(key)
        if mailbox is None:
            row = reader.execute("SELECT id FROM mailbox WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            mailbox = self._reader_ids[key] = row[0]
        return mailbox

    def _select(self, select: str, first: int, uids: Sequence[int]) -> list[Any]:
        """Read the rows whose number is `first` plus one of `uids` (ascending): by one range where those lie close
        together. `select` ends with the column that holds the number."""
        reader = self._reader
        if not uids or reader is None:
            return []
        if uids[-1] - uids[0] < 4 * len(uids):
            return reader.execute(select + " BETWEEN ? AND ?", (first + uids[0], first + uids[-1])).fetchall()
        wanted = "[" + ",".join([str(first + uid) for uid in uids]) + "]"
        return reader.execute(select + " IN (SELECT value FROM json_each(?))", (wanted,)).fetchall()  # noqa: S608


def _fact_id(db: sqlite3.Connection, key: str) -> int:
    """Return the number of a fact's key, which is given one if it has none."""
    row = db.execute("SELECT id FROM name WHERE fact = ?", (key,)).fetchone()
    return int(row[0]) if row else db.execute("INSERT INTO name (fact) VALUES (?)", (key,)).lastrowid or 0


def _use_log(db: sqlite3.Connection) -> None:
    """Put a database into WAL mode, in which it is already unless it was just made. Raises DatabaseError, and not
    OperationalError, where it is damaged under the hands of others, so that it is moved aside."""
    db.execute(f"PRAGMA busy_timeout = {int(_SETUP_SECONDS * 1000)}")
    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise sqlite3.DatabaseError("overwritten while in use") from error
        raise
    db.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")


def _standing(db: sqlite3.Connection | None, key: str) -> tuple[int, int]:
    if db is None:
        return 0, 0
    row = db.execute("SELECT modseq, coalesce(recent, 0) FROM mailbox WHERE key = ?", (key,)).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _runs(uids: Sequence[int]) -> list[tuple[int, int]]:
    """Return `uids` (ascending) as closed ranges."""
    runs: list[tuple[int, int]] = []
    start = last = None
    for uid in uids:
        if last is None or uid != last + 1:
            if start is not None and last is not None:
                runs.append((start, last))
            start = uid
        last = uid
    if start is not None and last is not None:
        runs.append((start, last))
    return runs
