"""All facts of all octets: nothing raises, and time grows no faster than the message."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.message import known
from mailhub.message.binary import parse_binary
from mailhub.message.facts import Fact
from mailhub.message.message import Message, canonical
from mailhub.message.sections import Section, SectionText
from mailhub.message.sortkeys import parse_sort_keys
from mailhub.message.structure import Part
from mailhub.message.threads import parse_thread_keys
from tests.message.odd_messages import PIECES, mutations

FACTS = (
    known.ENVELOPE,
    known.BODY,
    known.BODYSTRUCTURE,
    known.BODY_TEXT,
    known.FULL_TEXT,
    known.SORT_KEYS,
    known.THREAD_KEYS,
    known.SENT_DATE,
    known.headers(("a", "subject")),
    known.headers(("a",), True),
    known.header_text("From"),
    known.header_text("Subject"),
    known.binary(()),
    known.binary((1, 1)),
    known.binary_size((1,)),
    known.locate(Section((1,), SectionText.MIME)),
    known.section(Section((1, 1), SectionText.FIELDS, ("x",))),
)
octets = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=40).map(b"".join)

LONG = {
    "dash lines": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--\n" * 40_000,
    "parts without header ends": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nx\n" * 20_000,
    "nested, then dash lines": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(99)
    )
    + b"\n"
    + b"--b\n" * 30_000,
    "open comments": b"To: " + b"(" * 120_000 + b"\n\n",
    "open angles": b"To: " + b"<" * 60_000 + b"\nReferences: " + b"<" * 60_000 + b"\n\n",
    "odd ids": b"References: " + b"<(" * 60_000 + b"\n\n",
    "quotes": b"To: " + b'a"b' * 40_000 + b"\n\n",
    "dots": b"To: " + b"a." * 60_000 + b"\n\n",
    "words": b"Subject: " + b"=?a?q?" * 20_000 + b"\n\n",
    "blobs": b"Subject: " + b"[a]" * 40_000 + b"\n\n",
    "forwards": b"Subject: " + b"[fwd:" * 20_000 + b"]" * 20_000 + b"\n\n",
    "parameters": b"Content-Type: text/plain" + b"; a*0=b" * 15_000 + b"\n\n",
    "continued lines": b"To: b\n" + b" c\n" * 40_000 + b"\n",
    "soft line ends": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= \n" * 40_000,
    "one line": b"Subject: x\n\n" + b"m" * 120_000,
}


class FactTests(SynchronousTestCase):
    def check(self, data: bytes) -> None:
        message = Message(canonical(data))
        made = {fact.key: fact.make(message) for fact in FACTS}
        parse_sort_keys(made[known.SORT_KEYS.key])
        parse_thread_keys(made[known.THREAD_KEYS.key])
        known.parse_sent_date(made[known.SENT_DATE.key])
        parse_binary(made[known.binary(()).key])
        self.check_tree(message.root, len(message.data))

    def check_tree(self, part: Part, end: int) -> None:
        self.assertLessEqual(part.start, part.body)
        self.assertLessEqual(part.body, part.end)
        self.assertLessEqual(part.end, end)
        at = part.body
        for child in part.children:
            self.assertGreaterEqual(child.start, at)
            self.check_tree(child, part.end)
            at = child.end

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(octets)
    def test_any_octets(self, data: bytes) -> None:
        """Whatever a message holds, each fact is made; parts lie inside each other and in order."""
        self.check(data)

    def test_mutations(self) -> None:
        """The same for real messages that were broken."""
        for data in mutations(500, 7):
            self.check(data)

    def test_linear(self) -> None:
        """Time is linear in the message's size: what is made to take long takes no longer than a second."""
        for name, data in LONG.items():
            message = Message(canonical(data))
            for fact in FACTS:
                self.assertLess(self.seconds(fact, message), 2.0, (name, fact.key))

    def seconds(self, fact: Fact, message: Message) -> float:
        start = time.process_time()
        fact.make(message)
        return time.process_time() - start

    def test_keys_differ(self) -> None:
        """A store keeps facts by key: no two facts share one."""
        keys = [fact.key for fact in FACTS]
        self.assertEqual(len(set(keys)), len(keys))
        self.assertEqual(known.header_text("X-y").key, known.header_text("x-Y").key)
