"""Real peers for tests: programs that must be there, and Dovecot on a Maildir of ours.

A peer that is missing skips the test; with MAILHUB_REQUIRE_PEERS=1 (CI) it fails it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import unittest
from pathlib import Path

OWNER = "nobody"
"""Who runs Dovecot when the tests run as root: it refuses to serve mail as root."""


def program(name: str) -> str:
    """Return the path of an installed program; skip the test, or in CI fail it, if it is missing."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/dovecot")
    if found is None:
        if os.environ.get("MAILHUB_REQUIRE_PEERS") == "1":
            raise AssertionError(f"{name} is not installed, and MAILHUB_REQUIRE_PEERS=1")
        raise unittest.SkipTest(f"{name} is not installed")
    return found


class Dovecot:
    """Dovecot's own imap and pop3 programs on standard input and output, already logged in; no daemon.

    `base` must be a folder that other accounts may enter; mail of user U lies in `template` with %u."""

    def __init__(self, base: Path, template: str, settings: str = "") -> None:
        self.doveadm = program("doveadm")
        program("dovecot")
        self.base = base
        self.template = template
        self.account = pwd.getpwnam(OWNER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        (base / "run").mkdir(parents=True, exist_ok=True)
        self.config = base / "dovecot.conf"
        self.config.write_text(
            f"mail_location = {template}\n"
            f"mail_home = {base}/home/%u\n"
            f"base_dir = {base}/run\nstate_dir = {base}/run\nlog_path = {base}/dovecot.log\n"
            f"ssl = no\nmail_fsync = never\nfirst_valid_uid = 1\n"
            f"default_internal_user = {self.account.pw_name}\ndefault_login_user = {self.account.pw_name}\n" + settings
        )
        (base / "home").mkdir(exist_ok=True)
        self.own(base)

    def own(self, path: Path) -> None:
        """Give a tree to the account that Dovecot runs as (needed after the tests, as root, wrote there)."""
        if os.getuid() == 0:
            for folder, _, files in os.walk(path):
                os.chown(folder, self.account.pw_uid, self.account.pw_gid)
                for name in files:
                    os.chown(
                        os.path.join(folder, name), self.account.pw_uid, self.account.pw_gid, follow_symlinks=False
                    )

    def popen(self, service: str, user: str) -> subprocess.Popen[bytes]:
        """Start `imap` or `pop3` for `user` (PREAUTH) with pipes on both sides."""
        (self.base / "home" / user).mkdir(exist_ok=True)
        self.own(self.base / "home")
        privileges = (
            {} if os.getuid() else {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        )
        return subprocess.Popen(
            [self.doveadm, "-c", str(self.config), "exec", service],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.base,
            env={"USER": user, "HOME": str(self.base / "home" / user), "PATH": os.environ.get("PATH", "")},
            **privileges,  # type: ignore[arg-type]
        )

    def run(self, service: str, user: str, script: bytes, timeout: float = 60) -> bytes:
        """Send a whole script (ending in LOGOUT or QUIT) and return all that came back."""
        with self.popen(service, user) as process:
            out, err = process.communicate(script, timeout)
        if process.returncode:
            raise AssertionError(f"doveadm exec {service}: {err.decode(errors='replace')}")
        return out


def free_port() -> int:
    """Return a port that nobody listens on now: only for peers that cannot tell which port the kernel chose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
