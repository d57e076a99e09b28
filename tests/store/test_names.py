"""The rules for mailbox names; what is wrong is said as Dovecot 2.3 says it (asked live)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.store.errors import BadMailboxName
from mailhub.store.names import canonical_name, checked_name, new_name, parents

WRONG = {
    "": "Invalid mailbox name: Name is empty",
    ".": "Invalid mailbox name: Name is empty",
    "..": "Invalid mailbox name: Begins with hierarchy separator",
    ".x": "Invalid mailbox name: Begins with hierarchy separator",
    "a..b": "Invalid mailbox name: Has adjacent hierarchy separators",
    "~x": "Invalid mailbox name: Begins with '~'",
    "a/b": "Invalid mailbox name: Name must not have '/' characters",
    "a\x01": "Control characters not allowed in new mailbox names",
    "x" * 256: "Mailbox name too long",
    "a." + "ü" * 128: "Mailbox name too long",
    "a\ud800": "Mailbox name is not valid Unicode",
}


class NamesTests(SynchronousTestCase):
    def test_inbox(self) -> None:
        """INBOX in any case, alone or as the first level (RFC 3501 section 5.1)."""
        for name, canonical in (
            ("inbox", "INBOX"),
            ("InBox.a", "INBOX.a"),
            ("inboxes", "inboxes"),
            ("a.inbox", "a.inbox"),
            ("inbox/a", "inbox/a"),
        ):
            self.assertEqual(canonical_name(name, "."), canonical)

    def test_wrong_names(self) -> None:
        """Each wrong name is refused with its reason."""
        for name, reason in WRONG.items():
            with self.assertRaises(BadMailboxName) as caught:
                new_name(name, ".")
            self.assertEqual(str(caught.exception), reason)

    def test_wrong_with_slash(self) -> None:
        """With "/" as delimiter no level may be a way up."""
        for name in ("/etc", "a/../b", "..", "./a", "a//b"):
            with self.assertRaises(BadMailboxName):
                checked_name(name, "/")
        self.assertEqual(checked_name("a/b.c", "/"), "a/b.c")

    def test_existing_names(self) -> None:
        """A name that could not be made now may be there; one that ends in the delimiter cannot."""
        self.assertEqual(checked_name("a\x01", "."), "a\x01")
        with self.assertRaises(BadMailboxName) as caught:
            checked_name("a.", ".")
        self.assertEqual(str(caught.exception), "Invalid mailbox name: Ends with hierarchy separator")

    def test_trailing_delimiter(self) -> None:
        """CREATE may put the delimiter at the end (RFC 3501 section 6.3.3)."""
        self.assertEqual(new_name("a.b.", "."), "a.b")

    def test_parents(self) -> None:
        """The levels above a name."""
        self.assertEqual(parents("a.b.c", "."), ["a", "a.b"])
        self.assertEqual(parents("a", "."), [])

    @given(st.text(), st.sampled_from("./"))
    def test_anything(self, name: str, delimiter: str) -> None:
        """Whatever comes, it is a good name or BadMailboxName; a good one is its own canonical spelling."""
        try:
            good = new_name(name, delimiter)
        except BadMailboxName:
            return
        self.assertEqual(new_name(good, delimiter), good)
        self.assertTrue(all(good.split(delimiter)))
        self.assertNotIn("\0", good)
