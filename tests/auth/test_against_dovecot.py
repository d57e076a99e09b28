"""The same passwd-file, the same logins: Dovecot's auth service and ours must agree on who gets in."""

from __future__ import annotations

import grp
import os
import pwd
import select
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.cred.error import LoginFailed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth import names
from mailhub.auth.credentials import PasswordCredentials
from mailhub.auth.interfaces import Peer
from mailhub.auth.passwdfile import PasswdFile
from mailhub.concurrency.pool import InlinePool
from tests.peer import OWNER, program
from tests.server import scratch

LINES = """\
# comment:{PLAIN}x
:{PLAIN}x
short:{plain}x
plain:{PLAIN}x::::::
none
empty:
emptyplain:{PLAIN}
any:::::::nopassword
crypt:$1$ELB1ToC1$Ot68yzx0HRetzztJnePFW.
des:iSa8.2lEmrD1M
sha:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=
shahex:{SHA.hex}11f6ad8ec52a2984abaafd7c3b516503785c2072
md5:{MD5}9dd4e461268c8034f5c8564e155c67a6
pam34:9dd4e461268c8034f5c8564e155c67a6[34]
pam13:iSa8.2lEmrD1M[13]
fields:{PLAIN}x:1000:1000:Name:/home/f:/bin/sh:userdb_mail=maildir:~/Maildir userdb_x=y
near:{PLAIN}x::::::allow_nets=127.0.0.0/8,192.168.1.1
far:{PLAIN}x::::::allow_nets=10.0.0.0/8
twice:{PLAIN}x
twice:{PLAIN}y
unknown:{ROT13}k
other:{PLAIN}x::::::user=somebody
Upper:{PLAIN}x
"""
USERS = [
    *sorted({line.split(":")[0] for line in LINES.splitlines()} - {"", "# comment"}),
    "nobody-here",
    "PLAIN",
    "upper",
]
PASSWORDS = ("x", "y", "k", "wrong")
KNOWN = {("Upper", "x"), ("upper", "x")}
"""Where we differ: Dovecot makes the name that a client sends lower case, but not the names in the file, so that nobody
can log in as a user with a capital in the file. We take both in lower case."""


class Agreement(SynchronousTestCase):
    def setUp(self) -> None:
        self.base = scratch(self)
        self.file = self.base / "users"
        self.file.write_text(LINES)
        self.config = self.base / "dovecot.conf"
        account = OWNER if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self.config.write_text(
            f"base_dir = {self.base}/run\nstate_dir = {self.base}/run\nlog_path = {self.base}/log\n"
            f"protocols =\nssl = no\n"
            f"default_internal_user = {account}\ndefault_internal_group = {_group(account)}\n"
            f"default_login_user = {account}\nauth_failure_delay = 0\n"
            f"service anvil {{\n  chroot =\n}}\n"
            f"passdb {{\n  driver = passwd-file\n  args = {self.file}\n}}\n"
            f"userdb {{\n  driver = passwd-file\n  args = {self.file}\n}}\n"
        )
        self.doveadm = program("doveadm")
        subprocess.run([program("dovecot"), "-c", str(self.config)], check=True)
        self.addCleanup(_stopped, self.base, [self.doveadm, "-c", str(self.config), "stop"])

    def dovecot(self, asked: tuple[int, tuple[str, str]]) -> bool:
        """Ask Dovecot, each time from another address: it makes an address wait that failed before."""
        number, (user, password) = asked
        command = [self.doveadm, "-c", str(self.config), "auth", "test", "-x", f"rip=127.0.1.{number}", user, password]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0

    def ours(self, users: PasswdFile, user: str, password: str) -> bool:
        name = names.normal(user)
        assert name is not None
        credentials = PasswordCredentials(name, password.encode(), Peer("127.0.0.1", False, "imap", True))
        results: list[object] = []
        users.requestAvatarId(credentials).addBoth(results.append)
        if isinstance(results[0], Failure):
            results[0].trap(LoginFailed)
            return False
        return True

    def test_same_logins(self) -> None:
        """Every user with every password gets in on both servers or on neither."""
        users = PasswdFile(self.file, InlinePool())
        pairs = [(user, password) for user in USERS for password in PASSWORDS]
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(self.dovecot, enumerate(pairs)))
        for (user, password), answer in zip(pairs, answers, strict=True):
            expected = answer or (user, password) in KNOWN
            self.assertEqual(self.ours(users, user, password), expected, f"{user} with {password}")


def _group(account: str) -> str:
    return grp.getgrgid(pwd.getpwnam(account).pw_gid).gr_name


def _stopped(base: Path, command: list[str]) -> None:
    """Stop the daemon and wait until it is gone."""
    pid = int((base / "run" / "master.pid").read_text())
    watched = os.pidfd_open(pid)
    subprocess.run(command, check=False, timeout=60)
    select.select([watched], [], [], 60)
    os.close(watched)
