"""The file of subscriptions."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.disk import Disk
from mailhub.maildir.subscriptions import (
    Subscriptions,
    SubscriptionsFile,
    escape,
    format_subscriptions,
    parse_subscriptions,
    unescape,
)
from mailhub.store.errors import Busy
from tests.maildir.scratch import octets, scratch
from tests.peer import Dovecot

levels = st.binary(min_size=1, max_size=6)


class FormatTests(SynchronousTestCase):
    def test_version_2(self) -> None:
        """Levels are joined by TAB and escaped."""
        data = b"V\t2\n\nA\tB\nq\\t\tx\n\x01t\ncaf&AOk-\n"
        read = parse_subscriptions(data, b".")
        self.assertEqual(read.names, ((b"A", b"B"), (b"q\\t", b"x"), (b"\t",), (b"caf&AOk-",)))
        self.assertEqual(format_subscriptions(read, b"."), data)

    def test_version_1(self) -> None:
        """A file without a version has names with the separator of the layout, and keeps that."""
        read = parse_subscriptions(b"a.b\nc\n", b".")
        self.assertEqual((read.version, read.names), (1, ((b"a", b"b"), (b"c",))))
        self.assertEqual(format_subscriptions(read, b"."), b"a.b\nc\n")
        self.assertEqual(parse_subscriptions(b"a/b.c\n", b"/").names, ((b"a", b"b.c"),))

    def test_empty(self) -> None:
        """An empty file is as none: what is written next is version 2."""
        self.assertEqual(parse_subscriptions(b"", b"."), Subscriptions())

    def test_twice(self) -> None:
        """A name that stands there twice counts once; empty lines count for nothing."""
        self.assertEqual(parse_subscriptions(b"V\t2\n\na\n\na\nb", b".").names, ((b"a",), (b"b",)))

    @given(st.lists(st.lists(levels, min_size=1, max_size=3).map(tuple), unique=True))
    def test_round_trip(self, names: list[tuple[bytes, ...]]) -> None:
        """What is written is read again."""
        subscriptions = Subscriptions(tuple(names))
        self.assertEqual(parse_subscriptions(format_subscriptions(subscriptions, b"."), b"."), subscriptions)

    @given(st.binary())
    def test_escape(self, octets: bytes) -> None:
        """Escaping hides what ends a level, and is undone."""
        self.assertNotIn(b"\t", escape(octets))
        self.assertNotIn(b"\n", escape(octets))
        self.assertEqual(unescape(escape(octets)), octets)


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.path = self.base / "subscriptions"
        self.file = SubscriptionsFile(Disk(), octets(self.base), b".", lock_seconds=0.05)

    def test_change(self) -> None:
        """A new file is version 2; what changes nothing writes nothing."""
        self.assertFalse(self.file.change((b"A",), False))
        self.assertFalse(self.path.exists())
        self.assertTrue(self.file.change((b"A", b"B"), True))
        self.assertFalse(self.file.change((b"A", b"B"), True))
        self.assertTrue(self.file.change((b"INBOX",), True))
        self.assertEqual(self.path.read_bytes(), b"V\t2\n\nA\tB\nINBOX\n")
        self.assertTrue(self.file.change((b"A", b"B"), False))
        self.assertEqual(self.path.read_bytes(), b"V\t2\n\nINBOX\n")
        self.assertEqual(os.listdir(self.base), ["subscriptions"])

    def test_keeps_version_1(self) -> None:
        """Version 1 stays version 1."""
        self.path.write_bytes(b"a.b\n")
        self.file.change((b"x", b"y"), True)
        self.assertEqual(self.path.read_bytes(), b"a.b\nx.y\n")

    def test_locked(self) -> None:
        """Another program's lock is waited for, then given up."""
        lock = self.base / "subscriptions.lock"
        lock.write_bytes(b"")
        self.assertRaises(Busy, self.file.change, (b"a",), True)
        self.assertTrue(lock.exists())

    def test_dovecot(self) -> None:
        """Dovecot lists what we subscribed, adds its own, and we see that."""
        dovecot = Dovecot(self.base, f"maildir:{self.base}/mail/%u")
        mail = self.base / "mail" / "u"
        mail.mkdir(parents=True)
        file = SubscriptionsFile(Disk(), octets(mail), b".", lock_seconds=1)
        for name in ((b"A", b"B"), (b"caf&AOk-",), (b"a b",)):
            file.change(name, True)
        dovecot.own(self.base / "mail")
        script = b'1 LSUB "" *\r\n2 CREATE new.one\r\n3 SUBSCRIBE new.one\r\n4 UNSUBSCRIBE A.B\r\n5 LOGOUT\r\n'
        answer = dovecot.run("imap", "u", script)
        for name in (b'"." A.B\r\n', b'"." caf&AOk-\r\n', b'"." "a b"\r\n'):
            self.assertIn(b"* LSUB () " + name, answer)
        self.assertEqual(file.load().names, ((b"caf&AOk-",), (b"a b",), (b"new", b"one")))
        self.assertEqual(file.load().version, 2)
