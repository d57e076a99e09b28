"""The contract of IMailbox.search: every key, and how keys combine."""

from __future__ import annotations

import time
from datetime import date, timedelta

from mailhub.store.interfaces import IMailbox
from mailhub.store.model import FlagOp, ModSeq, Uid
from mailhub.store.query import (
    All,
    And,
    BodyContains,
    DateField,
    DateIs,
    DateTest,
    HasFlag,
    HeaderContains,
    Larger,
    ModSeqAtLeast,
    Not,
    Older,
    Or,
    Query,
    Smaller,
    TextContains,
    UidIn,
    Younger,
)
from tests.store.base import StoreCase

PLAIN = (
    b"From: Ann Example <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Quarterly REPORT\r\n"
    b"Date: Fri, 03 Mar 2023 23:30:00 -0800\r\nX-Empty:\r\n\r\nThe numbers are fine.\r\n"
)
WORDS = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"
    b"Date: Sat, 4 Mar 2023 00:10:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nVmllbGUgR3LDvMOfZSBhdXMgS8O2bG4uCg==\r\n"
)
BARE = b"Subject: report two\r\n\r\n" + b"long line " * 200 + b"\r\n"


def day_of(seconds: int) -> date:
    """Return the day in the server's time zone."""
    return date.fromtimestamp(seconds)


NOON = int(time.mktime((2023, 6, 15, 12, 0, 0, 0, 0, -1)))


class SearchContract(StoreCase):
    """Searching."""

    async def mail(self) -> IMailbox:
        """Put three messages in: 1 PLAIN, 2 WORDS, 3 BARE; return the mailbox."""
        await self.add(PLAIN, flags=frozenset(["\\Seen", "Work"]), date=NOON)
        await self.add(WORDS, flags=frozenset(["\\Flagged"]), date=NOON + 86400)
        await self.add(BARE, date=NOON + 2 * 86400)
        return await self.inbox()

    async def found(self, mailbox: IMailbox, query: Query) -> list[int]:
        return list(await mailbox.search(query, mailbox.snapshot))

    async def check(self, *expected: tuple[Query, list[int]]) -> None:
        mailbox = await self.mail()
        for query, uids in expected:
            self.case.assertEqual(await self.found(mailbox, query), uids, query)

    async def test_all(self) -> None:
        """ALL finds every message, ascending; its opposite none (RFC 3501 section 6.4.4)."""
        await self.check((All(), [1, 2, 3]), (Not(All()), []), (And(()), [1, 2, 3]), (Or(()), []))

    async def test_empty_mailbox(self) -> None:
        """In an empty mailbox nothing is found, whatever is asked."""
        inbox = await self.inbox()
        for query in (All(), Not(HasFlag("\\Seen")), TextContains("x"), Larger(0), Not(BodyContains("x"))):
            self.case.assertEqual(await self.found(inbox, query), [])

    async def test_uids(self) -> None:
        """Ranges of UIDs, also of such as are not there."""
        await self.check(
            (UidIn([(1, 1), (3, 9)]), [1, 3]),
            (UidIn([(2, 4294967295)]), [2, 3]),
            (UidIn([(7, 8)]), []),
            (UidIn([]), []),
        )

    async def test_flags(self) -> None:
        """System flags, and keywords in any case, also unknown ones."""
        await self.check(
            (HasFlag("\\Seen"), [1]),
            (Not(HasFlag("\\Seen")), [2, 3]),
            (HasFlag("WORK"), [1]),
            (Not(HasFlag("work")), [2, 3]),
            (HasFlag("unknown"), []),
            (Not(HasFlag("unknown")), [1, 2, 3]),
        )

    async def test_flags_follow_the_snapshot(self) -> None:
        """Flags are those of the snapshot that is searched."""
        inbox = await self.mail()
        before = inbox.snapshot
        await self.edit(inbox, [Uid(2)], FlagOp.ADD, "\\Seen")
        self.case.assertEqual(await self.found(inbox, HasFlag("\\Seen")), [1, 2])
        self.case.assertEqual(list(await inbox.search(HasFlag("\\Seen"), before)), [1])

    async def test_sizes(self) -> None:
        """LARGER and SMALLER do not include the size itself (RFC 3501 section 6.4.4)."""
        size = len(BARE)
        await self.check(
            (Larger(size), []), (Larger(size - 1), [3]), (Smaller(size), [1, 2]), (Smaller(size + 1), [1, 2, 3])
        )

    async def test_internal_dates(self) -> None:
        """BEFORE, ON and SINCE look at the day alone (RFC 3501 section 6.4.4)."""
        second = day_of(NOON + 86400)
        internal = DateField.INTERNAL
        await self.check(
            (DateIs(internal, DateTest.BEFORE, second), [1]),
            (DateIs(internal, DateTest.ON, second), [2]),
            (DateIs(internal, DateTest.SINCE, second), [2, 3]),
            (DateIs(internal, DateTest.SINCE, date(1900, 1, 1)), [1, 2, 3]),
            (DateIs(internal, DateTest.BEFORE, date.max), [1, 2, 3]),
            (DateIs(internal, DateTest.ON, date.max), []),
            (DateIs(internal, DateTest.ON, date.min), []),
        )

    async def test_sent_dates(self) -> None:
        """SENT keys look at the date as written, without time and zone (RFC 3501 section 6.4.4); a message without one
        counts as of 1970, as in Dovecot."""
        sent = DateField.SENT
        await self.check(
            (DateIs(sent, DateTest.ON, date(2023, 3, 3)), [1]),
            (DateIs(sent, DateTest.ON, date(2023, 3, 4)), [2]),
            (DateIs(sent, DateTest.BEFORE, date(2023, 3, 4)), [1, 3]),
            (DateIs(sent, DateTest.SINCE, date(2023, 3, 3)), [1, 2]),
        )

    async def test_saved_dates(self) -> None:
        """SAVED keys look at when the message came here (RFC 8514)."""
        long_ago, tomorrow = date(2001, 1, 1), day_of(int(time.time())) + timedelta(days=2)
        await self.check(
            (DateIs(DateField.SAVED, DateTest.SINCE, long_ago), [1, 2, 3]),
            (DateIs(DateField.SAVED, DateTest.BEFORE, tomorrow), [1, 2, 3]),
            (DateIs(DateField.SAVED, DateTest.ON, long_ago), []),
        )

    async def test_within(self) -> None:
        """YOUNGER and OLDER count seconds back from now (RFC 5032)."""
        now = NOON + 2 * 86400 + 10
        await self.check(
            (Younger(60, now), [3]),
            (Younger(86400 + 10, now), [2, 3]),
            (Older(60, now), [1, 2]),
            (Older(2 * 86400 + 10, now), [1]),
            (Older(2 * 86400 + 11, now), []),
        )

    async def test_modseq(self) -> None:
        """MODSEQ finds what changed since (RFC 7162 section 3.1.5)."""
        inbox = await self.mail()
        outcome = await self.edit(inbox, [Uid(2)], FlagOp.ADD, "\\Seen")
        self.case.assertEqual(await self.found(inbox, ModSeqAtLeast(outcome.modseq)), [2])
        self.case.assertEqual(await self.found(inbox, ModSeqAtLeast(ModSeq(outcome.modseq + 1))), [])
        self.case.assertEqual(await self.found(inbox, ModSeqAtLeast(ModSeq(1))), [1, 2, 3])

    async def test_headers(self) -> None:
        """Header keys are substring matches without case, over decoded text (RFC 3501 section 6.4.4)."""
        await self.check(
            (HeaderContains("Subject", "report"), [1, 3]),
            (HeaderContains("SUBJECT", "ly rep"), [1]),
            (HeaderContains("subject", "GRÜ"), [2]),
            (HeaderContains("Subject", "grüßE"), [2]),
            (HeaderContains("From", "jürgen"), [2]),
            (HeaderContains("From", "ann@EXAMPLE"), [1]),
            (HeaderContains("To", "bob"), [1]),
            (HeaderContains("Cc", "bob"), []),
            (HeaderContains("Cc", ""), []),
            (HeaderContains("X-Empty", ""), [1]),
            (HeaderContains("X-Empty", "x"), []),
            (HeaderContains("Subject", ""), [1, 2, 3]),
        )

    async def test_bodies(self) -> None:
        """BODY looks through the decoded text, not the header (RFC 3501 section 6.4.4)."""
        await self.check(
            (BodyContains("NUMBERS are"), [1]),
            (BodyContains("aus köln"), [2]),
            (BodyContains("VmllbGU"), []),
            (BodyContains("report"), []),
            (BodyContains("long line long"), [3]),
            (BodyContains(""), [1, 2, 3]),
        )

    async def test_text(self) -> None:
        """TEXT looks through header and body."""
        await self.check(
            (TextContains("report"), [1, 3]),
            (TextContains("KÖLN"), [2]),
            (TextContains("jürgen"), [2]),
            (TextContains("x-empty"), [1]),
            (TextContains("nowhere"), []),
        )

    async def test_combinations(self) -> None:
        """And, Or and Not of cheap and dear keys, nested (RFC 3501 section 6.4.4)."""
        seen, report, big = HasFlag("\\Seen"), HeaderContains("Subject", "report"), Larger(len(BARE) - 1)
        koeln = BodyContains("Köln")
        await self.check(
            (And((report, Not(seen))), [3]),
            (And((seen, report, big)), []),
            (Or((seen, koeln)), [1, 2]),
            (Or((big, seen)), [1, 3]),
            (Not(Or((report, koeln))), []),
            (Not(And((report, big))), [1, 2]),
            (And((Or((seen, big)), Not(koeln), report)), [1, 3]),
            (Or((And((seen, koeln)), And((Not(seen), Not(koeln))))), [3]),
            (Not(Not(report)), [1, 3]),
            (And((UidIn([(2, 3)]), Or((TextContains("line"), TextContains("grüße"))))), [2, 3]),
        )

    async def test_expunged_meanwhile(self) -> None:
        """Messages gone since the snapshot do not match keys that need their content."""
        inbox = await self.mail()
        before = inbox.snapshot
        await inbox.expunge([Uid(1)])
        self.case.assertEqual(list(await inbox.search(HeaderContains("Subject", "report"), before)), [3])
        self.case.assertEqual(list(await inbox.search(Larger(0), before)), [2, 3])
        self.case.assertEqual(list(await inbox.search(TextContains("report"), before)), [3])

    async def test_many_keys(self) -> None:
        """Ten thousand keys and any nesting are answered (issue: bad input)."""
        inbox = await self.mail()
        flags = tuple(HasFlag(f"k{number}") for number in range(10_000))
        self.case.assertEqual(await self.found(inbox, Or((*flags, HasFlag("\\Seen")))), [1])
        self.case.assertEqual(await self.found(inbox, And(tuple(Not(key) for key in flags))), [1, 2, 3])
        subjects = tuple(HeaderContains("Subject", f"no {number}") for number in range(10_000))
        self.case.assertEqual(await self.found(inbox, Or((*subjects, HeaderContains("Subject", "two")))), [3])
        deep: Query = HasFlag("\\Seen")
        for _ in range(10_001):
            deep = Not(deep)
        self.case.assertEqual(await self.found(inbox, deep), [2, 3])
        for number in range(3_000):
            deep = Or((HasFlag(f"k{number}"), Not(deep)))
        self.case.assertEqual(await self.found(inbox, deep), [2, 3])

    async def test_many_messages(self) -> None:
        """A search goes on over batches of any number of messages, and keeps their order."""
        uids = await self.add(*(b"Subject: %d\r\n\r\nbody %d\r\n" % (number % 3, number) for number in range(1_300)))
        inbox = await self.inbox()
        await self.edit(inbox, uids[::2], FlagOp.ADD, "\\Seen")
        self.case.assertEqual(await self.found(inbox, HeaderContains("subject", "1")), uids[1::3])
        wanted = [uid for uid in uids if uid % 2 == 1 or uid % 3 == 1]
        self.case.assertEqual(await self.found(inbox, Or((HasFlag("\\Seen"), HeaderContains("subject", "0")))), wanted)
        self.case.assertEqual(await self.found(inbox, BodyContains("body 1299")), [1300])
