"""The grammar beside Dovecot's: the same lines are taken (OK or NO) or refused (BAD), but for a list of reasons."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap.events import Received, Refused
from tests.peer import Dovecot
from tests.wire.conversation import converse

SAME = rb"""
NOOP
noop
CHECK
SELECT INBOX
select inbox (condstore)
SELECT INBOX ()
SELECT INBOX (FOO)
SELECT
SELECT "INBOX
SELECT nowhere
EXAMINE INBOX
SELECT INBOX
CREATE "a\"b"
CREATE a&b
CREATE
CREATE se (USE (\Sent))
CREATE st(ar
CREATE st*ar
CREATE pc%nt
CREATE back\slash
CREATE ]x]
DELETE nowhere
DELETE
RENAME a
RENAME nowhere elsewhere
SUBSCRIBE nowhere
SUBSCRIBE
LIST "" *
LIST  ""  %
LIST "" ""
LIST ""
LIST "" (a b)
LIST "" ()
LIST "" (a
LIST () "" *
LIST (SUBSCRIBED) "" *
LIST (subscribed recursivematch) "" *
LIST (RECURSIVEMATCH) "" *
LIST (REMOTE RECURSIVEMATCH) "" *
LIST (FOO) "" *
LIST "" * RETURN (CHILDREN SUBSCRIBED)
LIST "" * return ()
LIST "" * RETURN (FOO)
LIST "" * RETURN (STATUS (MESSAGES))
LIST "" * RETURN (STATUS ())
LIST "" * RETURN (STATUS)
LSUB "" *
LSUB ""
STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)
STATUS INBOX ( messages )
STATUS INBOX ()
STATUS INBOX MESSAGES
STATUS INBOX (FOO)
STATUS INBOX ("MESSAGES")
ID NIL
ID ()
ID ("a" "b")
ID ("a" NIL)
ID
ENABLE X
NAMESPACE
FETCH 1 ALL
FETCH 1 full
FETCH 1 (ALL)
FETCH 1 FLAGS
FETCH 01 FLAGS
FETCH 1  FLAGS
FETCH 1 ( FLAGS  UID )
FETCH 1 (FLAGS
FETCH 1 FLAGS)
FETCH 1 FLAGS UID
FETCH 1 ()
FETCH 1
FETCH
FETCH 0 FLAGS
FETCH 1:* FLAGS
FETCH * FLAGS
FETCH *:1 FLAGS
FETCH 1: FLAGS
FETCH a FLAGS
FETCH "1" FLAGS
FETCH 4294967296 FLAGS
FETCH 1 "FLAGS"
FETCH 1 ("FLAGS")
FETCH 1 FOO
FETCH 1 BODY
FETCH 1 BODY[]
FETCH 1 body.peek[]
FETCH 1 BODY.PEEK
FETCH 1 BODY[TEXT]
FETCH 1 BODY[MIME]
FETCH 1 BODY[1.MIME]
FETCH 1 BODY[1.]
FETCH 1 BODY[FOO]
FETCH 1 BODY[HEADER]
FETCH 1 BODY[HEADER.FIELDS (Date)]
FETCH 1 BODY[HEADER.FIELDS ( Date "From" )]
FETCH 1 BODY[HEADER.FIELDS.NOT (Date)]
FETCH 1 BODY[1.HEADER.FIELDS (Date)]
FETCH 1 BODY[HEADER.FIELDS ()]
FETCH 1 BODY[HEADER.FIELDS Date]
FETCH 1 BODY[HEADER.FIELDS]
FETCH 1 BODY[]<0.10>
FETCH 1 BODY[]<0.0>
FETCH 1 BODY[]<a>
FETCH 1 BINARY[1]
FETCH 1 BINARY.PEEK[1]<0.5>
FETCH 1 BINARY.SIZE[1]
FETCH 1 BINARY
FETCH 1 RFC822
FETCH 1 RFC822.PEEK
FETCH 1 RFC822.SIZE
UID FETCH 1 (FLAGS BODY[])
UID FETCH 1
STORE 1 FLAGS (\Seen kw)
STORE 1 flags \seen kw
STORE 1 +FLAGS.SILENT ()
STORE 1 -FLAGS ( \Seen )
STORE 1 FLAGS (\Recent)
STORE 1 FLAGS (\Foo)
STORE 1 FLAGS ("kw")
STORE 1 FOO (kw)
STORE 1
STORE 0 FLAGS (kw)
UID STORE 1 +FLAGS kw
COPY 1 nowhere
COPY 1
COPY 0 nowhere
UID COPY 1 nowhere
MOVE 1 nowhere
UID MOVE 1 nowhere
UID EXPUNGE 1
UID EXPUNGE
UID EXPUNGE a
UID NOOP
UID
UID  FETCH 1 FLAGS
FOO
SEARCH ALL
SEARCH
SEARCH NOT
SEARCH NOT NOT ALL
SEARCH OR ALL
SEARCH OR ALL OR ALL ALL
SEARCH ()
SEARCH (ALL)
SEARCH (ALL
SEARCH ALL)
SEARCH ( ALL  SEEN )
SEARCH FOO
SEARCH "ALL"
SEARCH 1
SEARCH 0
SEARCH *
SEARCH 1:*,2
SEARCH 4294967296
SEARCH UID 1
SEARCH UID 0
SEARCH UID
SEARCH SUBJECT x
SEARCH SUBJECT "x y"
SEARCH SUBJECT
SEARCH SUBJECT (x)
SEARCH SUBJECT NIL
SEARCH HEADER X ""
SEARCH HEADER X
SEARCH SINCE 1-Jan-2020
SEARCH SINCE "01-jan-2020"
SEARCH SINCE 1-Jan-20
SEARCH SINCE 1-Foo-2020
SEARCH SENTON 1-Jan-2020
SEARCH LARGER 5
SEARCH LARGER -1
SEARCH LARGER 99999999999
SEARCH OLDER 5
SEARCH OLDER 0
SEARCH KEYWORD x
SEARCH KEYWORD "x"
SEARCH KEYWORD \Seen
SEARCH UNKEYWORD $x
SEARCH NEW OLD RECENT UNDRAFT
SEARCH CHARSET UTF-8 ALL
SEARCH CHARSET FOO ALL
SEARCH CHARSET
SEARCH RETURN () ALL
SEARCH RETURN (MIN COUNT) ALL
SEARCH return (all) charset utf-8 all
SEARCH RETURN (FOO) ALL
SEARCH RETURN (MIN)
SEARCH CHARSET UTF-8 RETURN (MIN) ALL
UID SEARCH ALL
SORT (DATE REVERSE SUBJECT) UTF-8 ALL
SORT () UTF-8 ALL
SORT (REVERSE) UTF-8 ALL
SORT (FOO) UTF-8 ALL
SORT (DATE) FOO ALL
SORT (DATE) UTF-8
THREAD REFERENCES UTF-8 ALL
THREAD orderedsubject us-ascii seen
THREAD FOO UTF-8 ALL
THREAD REFERENCES UTF-8
APPEND INBOX
APPEND INBOX "text"
APPEND
EXPUNGE
UNSELECT
SELECT INBOX
CLOSE
"""

STRICTER = {
    b"NOOP x": "what follows a command without arguments is a mistake worth telling",
    b"CREATE a b": "as above, for the commands with one mailbox",
    b"ENABLE": "RFC 5161 wants a capability",
    b'ID ("a")': "a name without its value",
    b"SEARCH SINCE 31-Feb-2020": "a day that there is not",
    b"SEARCH 1,": "half a set",
    b"SORT (REVERSE REVERSE DATE) UTF-8 ALL": "REVERSE stands once",
    b"FETCH 1 BODY[0]": "part numbers begin with 1",
    b"FETCH 1 BODY[]<0>": "a partial without its length is syntax of answers, not of commands",
    b"STORE 1 FLAGS": "no flags at all",
    b"STORE 1 FLAGS a%b": "a keyword is an atom; Dovecot says NO [CANNOT]",
    b"SEARCH MODSEQ 1": "CONDSTORE is not advertised",
    b"FETCH 1 MODSEQ": "CONDSTORE is not advertised",
    b"FETCH 1 FLAGS (CHANGEDSINCE 1)": "CONDSTORE is not advertised",
}
"""What Dovecot takes and we do not."""


class DovecotTests(SynchronousTestCase):
    def _answers(self, lines: list[bytes]) -> dict[bytes, str]:
        """Return what Dovecot says to each line. Between them NOOPs, so that it does not hang up on us."""
        script = b"start SELECT INBOX\r\n"
        for number, line in enumerate(lines):
            script += b"t%d %b\r\nn%d NOOP\r\n" % (number, line, number)
            if line in (b"EXAMINE INBOX", b"SELECT nowhere", b"SELECT INBOX (FOO)"):
                script += b"again SELECT INBOX\r\n"
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            base.chmod(0o755)
            dovecot = Dovecot(base, f"maildir:{base}/mail/%u")
            new = base / "mail" / "grammar" / "new"
            new.mkdir(parents=True)
            (new / "1.M1P1.x").write_bytes(b"Subject: x\n\nbody\n")
            dovecot.own(base)
            said = dovecot.run("imap", "grammar", script + b"end LOGOUT\r\n").decode("latin-1")
        kinds = dict(re.findall(r"^(t[0-9]+) (OK|NO|BAD) ", said, re.MULTILINE))
        return {line: kinds[f"t{number}"] for number, line in enumerate(lines)}

    def test_same_lines(self) -> None:
        """What Dovecot takes or refuses, we take or refuse."""
        lines = SAME.strip().split(b"\n")
        theirs = self._answers(lines)
        for line in lines:
            (event,) = converse([b"t " + line + b"\r\n"])
            ours = isinstance(event, Received) or (isinstance(event, Refused) and event.no)
            self.assertEqual(ours, theirs[line] != "BAD", (line, theirs[line], event))

    def test_deliberate_differences(self) -> None:
        """Each difference is there still, on both sides."""
        lines = list(STRICTER)
        theirs = self._answers(lines)
        for line in lines:
            (event,) = converse([b"t " + line + b"\r\n"])
            self.assertIsInstance(event, Refused, line)
            self.assertNotEqual(theirs[line], "BAD", line)
