"""Every answer equals Dovecot's for the same octets wherever the standards leave a choice.

The same messages lie in a Maildir that Dovecot reads; what it says to FETCH, SEARCH, SORT and THREAD is compared octet
by octet. Where mailhub answers otherwise on purpose, DIFFERENCES or a skip with its reason says so.
"""

# ruff: noqa: E501 (octets of messages)

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mailhub.message import known
from mailhub.message.binary import BinaryState, parse_binary
from mailhub.message.dates import BROKEN_DAY
from mailhub.message.folding import fold
from mailhub.message.message import Message, canonical
from mailhub.message.sections import Section, SectionText, find_part, header_has_end, read_section
from mailhub.message.sortkeys import SortKeys, parse_sort_keys
from mailhub.message.structure import RFC822
from mailhub.message.text import contains
from mailhub.message.threads import ordered_subject, parse_thread_keys, references, refs, render
from tests.message.dovecot_answers import FIRST_DATE, Session
from tests.message.odd_messages import DATES, HEADERS, SEARCHED, SORTED, STRUCTURES, THREADED, mutations

MUTATIONS = 400
SEED = 20

SECTIONS = [
    "",
    "HEADER",
    "TEXT",
    "1",
    "1.MIME",
    "1.HEADER",
    "1.TEXT",
    "1.1",
    "1.1.MIME",
    "1.1.1",
    "2",
    "2.MIME",
    "2.HEADER",
    "2.TEXT",
    "2.1",
    "2.1.MIME",
    "2.1.HEADER",
    "2.2",
    "2.3",
    "3",
    "3.1",
    "3.MIME",
    "3.1.MIME",
    "3.1.1",
    "3.HEADER",
    "3.TEXT",
    "3.1.TEXT",
    "3.2",
    "4",
    "HEADER.FIELDS (SUBJECT)",
    "HEADER.FIELDS.NOT (SUBJECT)",
    "HEADER.FIELDS (FROM TO SUBJECT CONTENT-TYPE X)",
    "1.HEADER.FIELDS (SUBJECT)",
    "2.HEADER.FIELDS (SUBJECT)",
    "2.HEADER.FIELDS.NOT (SUBJECT)",
]

DIFFERENCES = {
    'TO "\\"quoted\\""': "we also look at address fields as written, since HEADER To is the same key here",
    'TO "cmt"': "the same",
    'TO "grp: a@b, c@d;"': "the same",
    'TO "grp: a@b"': "the same",
    'TO "un;closed"': "the same",
    'TO "<a b>"': "the same",
    'TO "x.y <e@f>"': "the same",
    'HEADER To "john\\" <"': "the same: Dovecot's HEADER To does not look at the normal form",
    'BODY "džungla"': "a digraph equals its letters in any case; Dovecot's title case keeps one of them small",
}


def corpus(count: int) -> list[bytes]:
    """Return messages of the benchmark's corpus, none if that is not there."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "bench"
    if not (folder / "corpus.py").exists():
        return []
    sys.path.insert(0, str(folder))
    try:
        import corpus as maker  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return [maker.message(number)[0] for number in range(count)]


def section_of(text: str) -> Section:
    """Parse what stands between the brackets of BODY[...]."""
    match = re.fullmatch(r"((?:\d+\.?)*)([A-Z.]*)(?: \((.*)\))?", text)
    assert match is not None
    path = tuple(int(number) for number in match[1].split(".") if number)
    return Section(path, SectionText(match[2]), tuple((match[3] or "").split()))


def cut_short(message: Message, section: Section) -> bool:
    """Tell whether the fields asked for are of a nested header without its end.

    There Dovecot reads on into what follows, be it a boundary line and the next part's header; we do not."""
    part = find_part(message.root, section.path)
    if not section.path or part is None or part.kind != RFC822:
        return False
    return not header_has_end(message.data, part.children[0])


def numbers(text: str) -> list[int]:
    """Read a sequence set."""
    found: list[int] = []
    for piece in text.split(","):
        if piece:
            low, _, high = piece.partition(":")
            found += range(int(low), int(high or low) + 1)
    return found


class FetchTests(SynchronousTestCase):
    def compare_structure(self, messages: Sequence[bytes]) -> None:
        fetched = Session(messages, [b"FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)", b"FETCH 1:* BODY"]).fetched()
        facts = {b"ENVELOPE": known.ENVELOPE, b"BODYSTRUCTURE": known.BODYSTRUCTURE, b"BODY": known.BODY}
        for number, data in enumerate(messages, 1):
            message = Message(canonical(data))
            theirs = fetched[number]
            self.assertEqual(int(theirs[b"RFC822.SIZE"]), len(message.data), data[:2000])
            for name, fact in facts.items():
                ours = fact.make(message)
                if name == b"BODY" and b'"TEXT" "' in ours.upper():
                    # Of a plain 7-bit message Dovecot's cache forgets in which case its type was written.
                    self.assertEqual(theirs[name].lower(), ours.lower(), data[:2000])
                else:
                    self.assertEqual(theirs[name], ours, data[:2000])

    def compare_sections(self, messages: Sequence[bytes], sections: Sequence[str]) -> None:
        commands = [b"FETCH 1:* (BODY.PEEK[%s])" % text.encode() for text in sections]
        fetched = Session(messages, commands).fetched()
        for number, data in enumerate(messages, 1):
            message = Message(canonical(data))
            for text in sections:
                section = section_of(text)
                if section.fields and cut_short(message, section):
                    continue
                theirs = fetched[number][b"BODY[%s]" % text.upper().encode()]
                ours = read_section(message, section)
                self.assertEqual(b"" if theirs == b'""' else theirs, ours, (text, data[:2000]))

    def test_structures(self) -> None:
        """RFC 3501 7.4.2, RFC 2046 5.1: BODYSTRUCTURE of nested, broken, missing, empty and very many parts."""
        self.compare_structure(STRUCTURES)

    def test_headers(self) -> None:
        """RFC 3501 7.4.2, RFC 5322 4.4, RFC 2231: ENVELOPE and parameters of broken and obsolete fields."""
        self.compare_structure(HEADERS)

    def test_mutations(self) -> None:
        """RFC 3501 7.4.2: whatever breaks in a message, the answer is Dovecot's."""
        self.compare_structure(mutations(MUTATIONS, SEED))

    def test_corpus(self) -> None:
        """RFC 3501 7.4.2: mail as it usually is."""
        messages = corpus(60)
        if not messages:
            raise SkipTest("the benchmark's corpus is not here")
        self.compare_structure(messages)
        self.compare_sections(messages, SECTIONS[:12])

    def test_sections_of_structures(self) -> None:
        """RFC 3501 6.4.5: all sections that exist and many that do not; NUL is shown as 0x80."""
        self.compare_sections([data for data in STRUCTURES if len(data) < 50_000], SECTIONS)

    def test_sections_of_mutations(self) -> None:
        """RFC 3501 6.4.5: sections of broken messages."""
        self.compare_sections(mutations(MUTATIONS // 2, SEED + 1), SECTIONS)

    def test_binary(self) -> None:
        """RFC 3516 4.2, 4.3: decoded parts; an encoding that is unknown or broken is told.

        BINARY.SIZE is left out: Dovecot's is wrong for a multipart with no part to decode, and refuses if any
        part anywhere cannot be decoded; ours is the size of what BINARY gives (RFC 3516 section 4.3)."""
        for data in BINARIES:
            message = Message(canonical(data))
            for text in ("", "1", "2", "3", "1.1", "9"):
                session = Session([data], [b"FETCH 1 (BINARY.PEEK[%s])" % text.encode()])
                path = tuple(int(number) for number in text.split(".") if number)
                ours = parse_binary(known.binary(path).make(message))
                if ours.state is BinaryState.UNKNOWN_ENCODING:
                    self.assertIn(b"NO [UNKNOWN-CTE]", session.output, (text, data))
                elif ours.state is BinaryState.BROKEN:
                    self.assertRegex(session.output, rb"a1 NO \[PARSE\]", (text, data))
                else:
                    name = b"BINARY[%s]" % text.encode()
                    fetched = session.fetched().get(1, {})
                    self.assertIn(name, fetched, (text, data, session.output[-200:]))
                    self.assertEqual(fetched[name].replace(b'""', b""), ours.data, (text, data))


BINARIES = (
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nYmluAAFkYXRhDQp4Cnk=\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nZm9v!!YmFy\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nZm9vZg==\nYmFy\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nZm 9v\n\n  YmFy\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\na=ZZb =\n= x=\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\na=3db  \t\nx=  \ny=3D\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\nraw\x00nul\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: x-y\n\nfoo\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: foo bar\n\nfoo\n",
    b"MIME-Version: 1.0\nContent-Transfer-Encoding: \n\nx\n",
    b"Content-Transfer-Encoding: base64\n\nZm9v\n",
    b"Content-Transfer-Encoding: base64 ; x\n\nZm9v\n",
    b"Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: quoted-printable\n\nYW=41=\n",
    b"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nContent-Transfer-Encoding: base64\nSubject: x\n\nZm9v\n",
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\npre\n--b\nContent-Transfer-Encoding: base64\nX: y\n\n"
    b"aGVsbG8ACndvcmxk\n--b\nContent-Transfer-Encoding: quoted-printable\n\na=3Db soft=\nx  \ny\n--b\n\nplain\n--b--\nepi\n",
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: x-foo\n\nunknown\n"
    b"--b\n\nplain\n--b--\n",
    b"Subject: only\n",
    b"",
)


class SearchTests(SynchronousTestCase):
    def compare(self, messages: Sequence[bytes], queries: Sequence[str]) -> None:
        commands = [b"SEARCH RETURN (ALL) " + self.command(query) for query in queries]
        output = Session(messages, commands).output
        found: dict[int, list[int]] = {}
        for line in output.split(b"\r\n"):
            answer = re.match(rb'\* ESEARCH \(TAG "a(\d+)"\)(?: ALL (.*))?', line)
            if answer is not None:
                found[int(answer[1])] = numbers((answer[2] or b"").decode())
        parsed = [Message(canonical(data)) for data in messages]
        for number, query in enumerate(queries, 1):
            ours = [place for place, message in enumerate(parsed, 1) if self.matches(message, query)]
            if query in DIFFERENCES:
                self.assertNotEqual(found[number], ours, f"{query}: no difference any more")
            else:
                self.assertEqual(found[number], ours, query)

    def command(self, query: str) -> bytes:
        if query.isascii():
            return query.encode()
        key, _, text = query.partition(' "')
        octets = text.rstrip('"').encode()
        return b"CHARSET UTF-8 %s {%d+}\r\n%s" % (key.encode(), len(octets), octets)

    def matches(self, message: Message, query: str) -> bool:
        key, _, text = query.partition(" ")
        name = key
        if key == "HEADER":
            name, _, text = text.partition(" ")
        if key.startswith("SENT"):
            return self.sent(message, key, text)
        wanted = fold(text[1:-1].replace('\\"', '"') if text.startswith('"') else text)
        if key == "BODY":
            return wanted in known.BODY_TEXT.make(message)
        if key == "TEXT":
            return wanted in known.FULL_TEXT.make(message)
        return contains(known.header_text(name).make(message), wanted)

    def sent(self, message: Message, key: str, text: str) -> bool:
        day, month, year = text.split("-")
        wanted = BROKEN_DAY.replace(int(year), MONTHS.index(month) + 1, int(day))
        sent = known.parse_sent_date(known.SENT_DATE.make(message))
        have = BROKEN_DAY if sent is None else sent.day
        return {"SENTON": have == wanted, "SENTBEFORE": have < wanted, "SENTSINCE": have >= wanted}[key]

    def test_text(self) -> None:
        """RFC 3501 6.4.4, RFC 2047, RFC 5051: header words, transfer encodings and charsets are decoded."""
        self.compare(SEARCHED, QUERIES)

    def test_mutations(self) -> None:
        """RFC 3501 6.4.4: what is searched of broken messages, and what is not."""
        self.compare(
            mutations(MUTATIONS, SEED + 2),
            [
                *(
                    f"BODY {word}"
                    for word in ("x", "foo", "body", "inner", "hello", "soft", '"é"', "=", "leaf", '"--"')
                ),
                *(f"TEXT {word}" for word in ("subject", '"content-type"', "boundary", "cut", "epi", "pre")),
                *("SUBJECT x", 'SUBJECT "IMAP4rev1 WG"', "HEADER content-type text", "HEADER From gray"),
            ],
        )

    def test_sent_dates(self) -> None:
        """RFC 3501 6.4.4, RFC 5322 4.3: SENTON compares the date as written; a broken one is 1-Jan-1970.

        Dates before 1970 and behind 2038 are left out: Dovecot keeps them in 32 bits."""
        self.compare(DATES, DATE_QUERIES)


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DATE_QUERIES = [
    "SENTON 7-Feb-1994",
    "SENTON 8-Feb-1994",
    "SENTON 2-Mar-2020",
    "SENTON 1-Jan-2020",
    "SENTON 2-Jan-2020",
    "SENTON 31-Dec-2016",
    "SENTON 1-Jan-2017",
    "SENTON 1-Jan-1970",
    "SENTON 1-Feb-2020",
    "SENTON 30-Apr-2020",
    "SENTBEFORE 1-Jan-2030",
    "SENTON 1-Jan-2069",
]
QUERIES = [
    "BODY topsubj",
    "BODY preamble",
    "BODY bndry",
    "BODY mimehdr",
    "BODY plaintext",
    "BODY attachtext",
    "BODY attname",
    "BODY innersubj",
    "BODY innerbody",
    "BODY epilogue",
    "TEXT topsubj",
    "TEXT preamble",
    "TEXT bndry",
    "TEXT mimehdr",
    "TEXT plaintext",
    "TEXT attachtext",
    "TEXT attname",
    "TEXT innersubj",
    "TEXT innerbody",
    "TEXT epilogue",
    'TEXT "X-Mime: mimehdr"',
    'TEXT "x-mime:"',
    'TEXT "subject: topsubj"',
    'BODY "grüße"',
    'BODY "grusse"',
    'BODY "gru"',
    'BODY "naive"',
    "BODY filter",
    'BODY "ﬁlter"',
    'BODY "x2"',
    'BODY "ab"',
    "BODY strasse",
    'BODY "straße"',
    'BODY "σασσ"',
    "BODY istanbul",
    'BODY "ix"',
    'BODY "džungla"',
    'BODY "softbreak"',
    'BODY "tail   x"',
    'BODY "tail x"',
    'BODY "caf"',
    'BODY "here"',
    'BODY "caf?"',
    'SUBJECT "grüße welt"',
    'SUBJECT "grüßewelt"',
    'SUBJECT "raw folded"',
    'SUBJECT "welt raw"',
    'TO "quoted"',
    'TO "\\"quoted\\""',
    "HEADER X-Multi one",
    "HEADER X-Multi two",
    'HEADER X-Multi "one two"',
    "HEADER X-Multi onetwo",
    'HEADER X-Empty ""',
    'HEADER X-Ws ""',
    'HEADER X-None ""',
    'HEADER X-Multi ""',
    'BODY "multi line"',
    'BODY "line spaced"',
    'BODY "line  spaced"',
    "BODY jsonbody",
    "BODY dsnbody",
    "BODY baretext",
    "BODY brokentype",
    "BODY htmltag",
    'BODY "<b>tag"',
    'BODY "tag</b>word"',
    'BODY "& x"',
    "BODY unkcte",
    "BODY foobar",
    "BODY foo",
    "BODY unb64",
    "SUBJECT rawlatin",
    'SUBJECT "café"',
    'SUBJECT "cafe"',
    'SUBJECT "aembeddedb"',
    "SUBJECT embedded",
    'SUBJECT "with space"',
    'SUBJECT "with_space"',
    'SUBJECT "=?bad"',
    'SUBJECT "ok"',
    'SUBJECT "y?= ok"',
    "BODY hidden",
    "BODY noboundary",
    "BODY encbody",
    "TEXT encin",
    'SUBJECT "tab tab"',
    'SUBJECT "tab two spaces"',
    'SUBJECT "tab  two  spaces"',
    'BODY ""',
    'TEXT ""',
    'SUBJECT ""',
    'HEADER "X-Multi:" one',
    'HEADER X-Ws2 "a  b"',
    'HEADER X-Ws2 "b c"',
    'HEADER X-Ws2 "c d"',
    'HEADER X-Ws2 "d e"',
    'HEADER X-Ws2 "d   e"',
    'HEADER X-Ws2 "a b"',
    'HEADER X-Enc "ené x"',
    'HEADER X-Enc "x ab"',
    'HEADER X-Enc "x a b"',
    'TO "doe, john"',
    'TO "\\"doe, john\\""',
    'TO "john\\" <"',
    'TO "cmt"',
    'TO "john.doe@example.org>, grp"',
    'TO "grp: a@b, c@d;"',
    'TO "grp: a@b"',
    'TO "<a@b>"',
    'TO "jü plain <z@z>"',
    'TO "un"',
    'TO "un;closed"',
    'HEADER To "cmt"',
    'HEADER To "john\\" <"',
    'HEADER Reply-To "\\"R, q\\" <r@r>"',
    'TO "broken"',
    'TO "<a b>"',
    'CC "foo"',
    'CC "<foo>"',
    'HEADER Message-ID "<abc@d>"',
    'TO "one@x"',
    'TO "two@x"',
    'TO "one@x, two@x"',
    "SUBJECT first",
    "SUBJECT second",
    'TO "<a@b>, \\"pl ain\\""',
    'TO "pl ain <c@d>"',
    'TO "x.y <e@f>"',
    'TO "\\"x.y\\" <e@f>"',
    'TO "@r1:g@h"',
    'TO "<g@h>"',
    'TEXT "s1 x-ws2"',
    'TEXT "a  b"',
    'TEXT "ené x ab"',
    'TEXT "x-enc: ené"',
    'TEXT "cmt"',
    'TEXT "c d   e"',
    'TEXT "b c"',
    'TEXT "Message-ID:  <abc"',
    'TEXT "Message-ID: <abc"',
    'TO ""',
    'CC ""',
    'BCC ""',
    'HEADER Cc ""',
]


class OrderTests(SynchronousTestCase):
    def test_sort(self) -> None:
        """RFC 5256 2.1, 3, RFC 5957: every sort key gives Dovecot's order; ties fall by position."""
        keys = [parse_sort_keys(known.SORT_KEYS.make(Message(canonical(data)))) for data in SORTED]

        def of(name: str, key: SortKeys, place: int) -> object:
            if name == "DATE":
                return key.sent or FIRST_DATE + place
            columns = {"FROM": "sender", "DISPLAYFROM": "display_from", "DISPLAYTO": "display_to"}
            return getattr(key, columns.get(name, name.lower()))

        for name in ("SUBJECT", "FROM", "TO", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO"):
            theirs = Session(SORTED, [b"SORT (%s) UTF-8 ALL" % name.encode()]).answers(b"SORT")[0]
            columns = [of(name, key, place) for place, key in enumerate(keys)]
            ours = sorted(range(len(keys)), key=lambda place: (columns[place], place))
            self.assertEqual([int(number) for number in theirs.split()], [place + 1 for place in ours], name)

    def test_thread(self) -> None:
        """RFC 5256 3, 4: ORDEREDSUBJECT, REFERENCES and REFS build Dovecot's trees."""
        for messages in (SORTED, THREADED):
            rows = [parse_thread_keys(known.THREAD_KEYS.make(Message(canonical(data)))) for data in messages]
            rows = [evolve(row, sent=row.sent or FIRST_DATE + place) for place, row in enumerate(rows)]
            for name, algorithm in (("ORDEREDSUBJECT", ordered_subject), ("REFERENCES", references), ("REFS", refs)):
                theirs = Session(messages, [b"THREAD %s UTF-8 ALL" % name.encode()]).answers(b"THREAD")[0]
                self.assertEqual(theirs, render(algorithm(rows), lambda row: row + 1), name)
