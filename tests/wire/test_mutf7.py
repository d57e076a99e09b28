"""Modified UTF-7: RFC 3501 section 5.1.3."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.imap import mutf7

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


class Mutf7Tests(SynchronousTestCase):
    def test_known_names(self) -> None:
        """The examples of RFC 3501 section 5.1.3, and what folders are called in the world."""
        for raw, name in (
            (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            (b"Entw&APw-rfe", "Entwürfe"),
            (b"R&-D", "R&D"),
            (b"&2D3eCQ-", "😉"),
            (b"", ""),
        ):
            self.assertEqual(mutf7.decode(raw), name)
            self.assertEqual(mutf7.encode(name), raw)

    def test_only_the_canonical_form(self) -> None:
        """Each name has one spelling (RFC 3501 section 5.1.3): every other one is refused."""
        for raw in (
            b"&",  # a shift without an end
            b"a&b",
            b"&AOk",
            b"&AGE-",  # "a", which must stand for itself
            b"&ACY-",  # "&", which must be "&-"
            b"&U,BTFw-&ZeVnLIqe-",  # two shifts in a row, the RFC's own example
            b"&AOl-",  # padding bits that are not zero
            b"&AOk=-",
            b"&A-",
            b"&AO-",
            b"&2D0-",  # half of a surrogate pair
            b"&3gk-",
            b"&AO/-",  # "/" instead of ","
            "é".encode(),
            b"a\x00b",
            b"a\tb",
            b"a\x7f",
        ):
            with self.assertRaises(ValueError, msg=repr(raw)):
                mutf7.decode(raw)

    @given(NAMES)
    def test_round_trip(self, name: str) -> None:
        """Any Unicode name survives, in printable US-ASCII."""
        raw = mutf7.encode(name)
        self.assertTrue(all(0x20 <= octet <= 0x7E for octet in raw))
        self.assertEqual(mutf7.decode(raw), name)

    @given(st.binary(max_size=12) | st.text("&-AOkDgU,+/= ", max_size=10).map(str.encode))
    @example(b"&AOkA6Q-")
    def test_what_decodes_encodes_to_itself(self, raw: bytes) -> None:
        """decode() takes no two spellings of one name, and raises nothing but ValueError."""
        try:
            name = mutf7.decode(raw)
        except ValueError:
            return
        self.assertEqual(mutf7.encode(name), raw)

    def test_long_names(self) -> None:
        """Names too long for the cache are converted all the same."""
        name = "ü" * 5000
        self.assertEqual(mutf7.decode(mutf7.encode(name)), name)

    def test_lone_surrogate(self) -> None:
        """A lone surrogate has no encoding."""
        with self.assertRaises(UnicodeEncodeError):
            mutf7.encode("\ud83d")
