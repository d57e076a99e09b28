"""The passwd-file, as Dovecot reads it (AuthDatabase.PasswdFile)."""

from __future__ import annotations

import hashlib
import os

from twisted.cred.error import UnauthorizedLogin
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth.credentials import ApopCredentials, PasswordCredentials, UnknownUser
from mailhub.auth.interfaces import Peer
from mailhub.auth.passwdfile import BrokenLine, PasswdFile, net_allowed, parse_line
from mailhub.concurrency.pool import InlinePool
from mailhub.store.errors import Unavailable
from tests.server import scratch

HERE = Peer("127.0.0.1", False, "imap", True)


class Lines(SynchronousTestCase):
    """One line each."""

    def test_all_fields(self) -> None:
        """user:password:uid:gid:gecos:home:shell:extra; extra fields may hold ":" and userdb_ ones lose the prefix."""
        entry = parse_line(
            "Ann@Example.org:{PLAIN}x:500:500:Ann A.:/home/ann:/bin/sh:userdb_mail=maildir:~/Maildir "
            "userdb_quota_rule=*:storage=1G allow_nets=10.0.0.0/8 nodelay"
        )
        assert entry is not None
        self.assertEqual(entry.user.name, "ann@example.org")
        self.assertEqual(entry.user.home, "/home/ann")
        self.assertEqual(entry.user.mail, "maildir:~/Maildir")
        self.assertEqual(entry.user.extra, {"quota_rule": "*:storage=1G"})
        self.assertEqual(entry.extra, {"allow_nets": "10.0.0.0/8", "nodelay": "yes"})
        self.assertEqual(entry.password, "{PLAIN}x")

    def test_short_and_empty_fields(self) -> None:
        """Only the name is needed; empty fields say nothing; userdb_home is stronger than the home field."""
        for line in ("ann", "ann:", "ann:::::::", "ann:{plain}x::::::"):
            entry = parse_line(line)
            assert entry is not None
            self.assertEqual((entry.user.name, entry.user.home, entry.user.mail), ("ann", None, None))
        entry = parse_line("ann:x::::/a::userdb_home=/b")
        assert entry is not None
        self.assertEqual(entry.user.home, "/b")

    def test_no_user(self) -> None:
        """Comments, empty lines and lines that begin with ":" are passed over."""
        for line in ("", "# ann:x", ":x", "\r\n"):
            self.assertIsNone(parse_line(line))

    def test_broken(self) -> None:
        """A name that could leave its folder, or a scheme without end, breaks the line; no secret is told."""
        for line in ("../ann:x", "a/b:x", "ann:{PLAIN", "a b:x", "ann:x::::::user=../x"):
            with self.assertRaises(BrokenLine):
                parse_line(line)

    def test_pam_pwdfile(self) -> None:
        """hash[34] is MD5 in hex and hash[13] crypt(3), as libpam-pwdfile writes them."""
        entry = parse_line("ann:9dd4e461268c8034f5c8564e155c67a6[34]")
        assert entry is not None
        self.assertEqual(entry.password, "{PLAIN-MD5}9dd4e461268c8034f5c8564e155c67a6")
        entry = parse_line("ann:0wKMfBvz1QcHY[13]")
        assert entry is not None
        self.assertEqual(entry.password, "{CRYPT}0wKMfBvz1QcHY")

    def test_secrets_are_not_shown(self) -> None:
        """The repr of an entry holds neither the password nor extra fields."""
        self.assertNotIn("hidden", repr(parse_line("ann:{PLAIN}hidden::::::pass=hidden")))

    def test_allow_nets(self) -> None:
        """Addresses, networks of both families, IPv4 in IPv6, and "local" for unix sockets."""
        nets = "127.0.0.0/8, 192.168.1.7,2001:db8::/32,local"
        for host in ("127.0.0.1", "192.168.1.7", "2001:db8::1", "::ffff:127.0.0.1", ""):
            self.assertTrue(net_allowed(nets, Peer(host, False, "imap")), host)
        for host in ("192.168.1.8", "::1"):
            self.assertFalse(net_allowed(nets, Peer(host, False, "imap")), host)
        self.assertFalse(net_allowed("127.0.0.1", Peer("", True, "imap")))
        with self.assertRaises(ValueError):
            net_allowed("nonsense", HERE)


class File(SynchronousTestCase):
    """The file as a source of users."""

    def setUp(self) -> None:
        self.path = scratch(self) / "users"
        self.users = PasswdFile(self.path, InlinePool())

    def check(self, user: str, password: str) -> object:
        return self.successResultOf(self.users.requestAvatarId(PasswordCredentials(user, password.encode(), HERE))).name

    def refuse(self, user: str, password: str, kind: type[Exception] = UnauthorizedLogin) -> None:
        self.failureResultOf(self.users.requestAvatarId(PasswordCredentials(user, password.encode(), HERE)), kind)

    def test_login(self) -> None:
        """Right passwords are accepted, wrong ones refused, unknown names told apart (to the next source only)."""
        self.path.write_text(
            "ann:{PLAIN}one\nbob:$1$ELB1ToC1$Ot68yzx0HRetzztJnePFW.\nCid:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n"
        )
        self.assertEqual(self.check("ann", "one"), "ann")
        self.assertEqual(self.check("bob", "x"), "bob")
        self.assertEqual(self.check("cid", "x"), "cid")
        self.refuse("ann", "two")
        self.refuse("ann", "")
        self.refuse("dora", "one", UnknownUser)

    def test_refused_by_extra_fields(self) -> None:
        """nologin, proxy, host and a foreign allow_nets refuse a login with the right password; the users exist."""
        fields = (
            "nologin",
            "nologin=y",
            "proxy host=10.0.0.1",
            "host=10.0.0.1",
            "allow_nets=10.0.0.0/8",
            "allow_nets=?",
        )
        for number, extra in enumerate(fields):
            self.path.write_text(f"ann{number}:{{PLAIN}}x::::::{extra}\n")
            self.refuse(f"ann{number}", "x")
            self.assertIsNotNone(self.successResultOf(self.users.lookup(f"ann{number}")))

    def test_no_password(self) -> None:
        """An empty password lets nobody in, unless `nopassword` says that any will do."""
        self.path.write_text("ann:\nbob:::::::nopassword\n")
        self.refuse("ann", "")
        self.refuse("ann", "x")
        self.assertEqual(self.check("bob", "x"), "bob")

    def test_other_name(self) -> None:
        """user= names whose mail it is."""
        self.path.write_text("ann:{PLAIN}x::::::user=box7\n")
        self.assertEqual(self.check("ann", "x"), "box7")
        self.assertEqual(self.successResultOf(self.users.lookup("Ann")).name, "box7")

    def test_read_again(self) -> None:
        """The file is read again when it changed, by rename or in place."""
        self.path.write_text("ann:{PLAIN}one\n")
        self.assertEqual(self.check("ann", "one"), "ann")
        draft = self.path.with_name("draft")
        draft.write_text("ann:{PLAIN}two\n")
        draft.replace(self.path)
        self.assertEqual(self.check("ann", "two"), "ann")
        self.path.write_text("ann:{PLAIN}six\n")
        os.utime(self.path, ns=(1, 1))
        self.assertEqual(self.check("ann", "six"), "ann")

    def test_broken_lines(self) -> None:
        """A broken line, a second line of a user or an unknown scheme leaves the others as they are."""
        self.path.write_bytes(b"../x:y\nann:{PLAIN}one\nann:{PLAIN}two\nbob:{ROT13}k\n\xff\xfe:x\ncid:{PLAIN}x")
        self.assertEqual(self.check("ann", "one"), "ann")
        self.refuse("bob", "x")
        self.assertEqual(self.check("cid", "x"), "cid")

    def test_missing(self) -> None:
        """Without the file nobody can be looked up for now: that is no refusal."""
        self.refuse("ann", "x", Unavailable)
        self.failureResultOf(self.users.lookup("ann"), Unavailable)
        self.assertFalse(self.users.apop_possible)

    def test_apop(self) -> None:
        """APOP works with a plain password and only with that (RFC 1939 section 7)."""
        self.path.write_text("bob:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n")
        self.assertFalse(self.users.apop_possible)
        self.path.write_text("mrose:{PLAIN}tanstaaf\nbob:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n")
        self.assertTrue(self.users.apop_possible)
        stamp, digest = b"<1896.697170952@dbc.mtview.ca.us>", b"c4c9334bac560ecc979e58001b3e22fb"
        login = self.users.requestAvatarId(ApopCredentials("mrose", stamp, digest, HERE))
        self.assertEqual(self.successResultOf(login).name, "mrose")
        wrong = hashlib.md5(stamp + b"x").hexdigest().encode()
        for user, given in (("mrose", wrong), ("bob", wrong), ("mrose", b"")):
            self.failureResultOf(
                self.users.requestAvatarId(ApopCredentials(user, stamp, given, HERE)), UnauthorizedLogin
            )
