"""File names of messages."""

from __future__ import annotations

import os
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.filenames import (
    LETTER_OF_FLAG,
    Info,
    NameMaker,
    arrival,
    build_info,
    corrected,
    is_message,
    join_info,
    parse_info,
    split_info,
    stated_sizes,
    with_sizes,
)
from mailhub.store.model import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

infos = st.builds(
    Info,
    flags=st.frozensets(st.sampled_from(sorted(LETTER_OF_FLAG))),
    keywords=st.frozensets(st.sampled_from(b"abcxyz")).map(sorted).map(bytes),
    others=st.frozensets(st.sampled_from(b"ABPXZ019")).map(sorted).map(bytes),
    tail=st.one_of(st.just(b""), st.binary(max_size=5).map(lambda octets: b"," + octets)),
)


class InfoTests(SynchronousTestCase):
    def test_letters(self) -> None:
        """DFRST are the system flags, a to z keywords, others are kept apart."""
        info = parse_info(b"2,DFRSTabZ")
        self.assertEqual(info.flags, {DRAFT, FLAGGED, ANSWERED, SEEN, DELETED})
        self.assertEqual((info.keywords, info.others, info.tail), (b"ab", b"Z", b""))

    def test_tail(self) -> None:
        """What follows a second comma is kept as it stands."""
        self.assertEqual(join_info(b"x", parse_info(b"2,SaZ,more,S=")), b"x:2,SZa,more,S=")

    def test_sorted(self) -> None:
        """Letters are written once and in ASCII order, wherever they came from."""
        self.assertEqual(build_info(parse_info(b"2,baTTSF")), b"2,FSTab")

    def test_foreign_info(self) -> None:
        """An info that does not begin with "2," says nothing; none is no flags."""
        self.assertEqual(parse_info(b"1,S"), Info())
        self.assertEqual(split_info(b"base"), (b"base", b""))
        self.assertEqual(join_info(b"base", parse_info(b"")), b"base:2,")

    @given(infos)
    def test_round_trip(self, info: Info) -> None:
        """parse(build(x)) == x."""
        self.assertEqual(parse_info(build_info(info)), info)

    @given(st.binary(max_size=20).map(lambda octets: octets.replace(b":", b"")), infos)
    def test_split_join(self, base: bytes, info: Info) -> None:
        """A name falls apart into what it was put together from."""
        self.assertEqual(split_info(join_info(base, info)), (base, build_info(info)))

    @given(st.binary(max_size=40))
    def test_anything(self, name: bytes) -> None:
        """No name raises."""
        parse_info(split_info(name)[1])
        stated_sizes(name)
        arrival(name)
        is_message(name)


class SizeTests(SynchronousTestCase):
    def test_both(self) -> None:
        """S is octets on the disk, W with CRLF."""
        self.assertEqual(stated_sizes(b"1795401575.M73609P8294.vm,S=19,W=22:2,Sab"), (19, 22))
        self.assertEqual(stated_sizes(with_sizes(b"a", 5, 6)), (5, 6))

    def test_incomplete(self) -> None:
        """A size ends at a comma, a colon or the end; anything else is no size."""
        self.assertEqual(stated_sizes(b"a,S=19"), (19, None))
        self.assertEqual(stated_sizes(b"a,W=3:2,"), (None, 3))
        self.assertEqual(stated_sizes(b"a,W=3,S=2:2,"), (2, 3))
        self.assertEqual(stated_sizes(b"a,S=19x:2,S"), (None, None))

    def test_corrected(self) -> None:
        """A wrong size is replaced as Dovecot does: everything from the first comma of the base goes."""
        self.assertEqual(corrected(b"a,S=1,W=2:2,Sa", 77), b"a,S=77:2,Sa")
        self.assertEqual(corrected(b"a", 77), b"a,S=77")


class OrderTests(SynchronousTestCase):
    def test_order(self) -> None:
        """New messages are numbered by second, microsecond, name."""
        names = [b"9.x", b"10.M2P1.h", b"10.M10P1.h", b"10.5_1.h", b"10.M2P0.h", b"10.h", b"odd"]
        ordered = [b"odd", b"9.x", b"10.h", b"10.M2P0.h", b"10.M2P1.h", b"10.5_1.h", b"10.M10P1.h"]
        self.assertEqual(sorted(names, key=arrival), ordered)

    def test_is_message(self) -> None:
        """Dot files, names with a line end or without a base are none."""
        for name in (b".x", b"", b"a\nb", b"a\rb", b":2,S"):
            self.assertFalse(is_message(name), name)
        self.assertTrue(is_message(b"1.x:2,"))


class NameMakerTests(SynchronousTestCase):
    def test_form(self) -> None:
        """`<secs>.M<usecs>P<pid>.<host>`, with the host's slashes, colons and commas spelled in octal."""
        maker = NameMaker("a/b:c,d", 12, lambda: 1795401575.25)
        self.assertEqual(maker.make(), b"1795401575.M250000P12.a\\057b\\072c\\054d")

    def test_unique(self) -> None:
        """A clock that stands still or goes back makes no name twice, and names ascend."""
        times = iter([5.0, 5.0, 4.0, 6.0])
        maker = NameMaker("h", 1, lambda: next(times))
        names = [maker.make() for _ in range(4)]
        self.assertEqual(names, [b"5.M0P1.h", b"5.M1P1.h", b"5.M2P1.h", b"6.M0P1.h"])

    def test_defaults(self) -> None:
        """Without arguments: this host, process and time."""
        name = NameMaker().make()
        self.assertIn(b"P%d." % os.getpid(), name)
        self.assertApproximates(arrival(name)[0], time.time(), 60)
