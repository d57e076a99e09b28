"""The real server for tests: `twistd -n mailhub` as a process of its own, on ports that the kernel chooses.

    server = Server(scratch(self), "--fsync", "never").start()
    ... server.port("imap"), server.ca, server.maildir("ann") ...
    server.stop()

Any user may log in with PASSWORD unless the options say otherwise.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PASSWORD = "pass"
SERVICES = ("imap", "imaps", "pop3", "pop3s", "lmtp")
START_SECONDS = 30.0
"""How long a start may take on a busy machine before a test calls it a failure."""
STOP_SECONDS = 30.0
CLEAN = (0, -signal.SIGTERM)
"""What twistd exits with after it stopped in good order on SIGTERM: it ends itself with the same signal."""


def scratch(case: Any) -> Path:
    """Return a new folder for a test case, short enough for unix sockets, that other accounts may enter; it is gone
    after the test."""
    folder = tempfile.mkdtemp(prefix="mailhub-")
    os.chmod(folder, 0o755)
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class Server:
    """One mailhub in a folder of its own. `ports` is the ready file's content while it runs."""

    def __init__(self, base: Path, *options: str, config: str | None = None) -> None:
        self.base = base
        base.mkdir(parents=True, exist_ok=True)
        self.data = base / "data"
        self.log = base / "log"
        self.ready_file = base / "ready.json"
        self.ports: dict[str, Any] = {}
        self.start_seconds = 0.0
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        if config is not None:
            (base / "mailhub.toml").write_text(config)
            self._options += ["--config", str(base / "mailhub.toml")]

    @property
    def command(self) -> list[str]:
        """The command line, with each service on a free port unless the options or the file say where it listens."""
        given = " ".join(self._options)
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
        command += ["mailhub", "--data", str(self.data), "--ready-file", str(self.ready_file)]
        if "--config" not in self._options:
            for service in SERVICES:
                if f"--{service} " not in given + " " and f"--{service}=" not in given:
                    command += [f"--{service}", "0"]
        return command + self._options

    def start(self) -> Server:
        """Start and wait until every port listens. Raises AssertionError with the log if that does not come."""
        begun = time.monotonic()
        self.ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
        watched = os.pidfd_open(self._process.pid)
        try:
            while not self.ready_file.exists():
                # Wakes at once if the process ends; otherwise looks for the file again.
                ended, _, _ = select.select([watched], [], [], 0.01)
                if ended:
                    raise AssertionError(f"mailhub ended with {self._process.wait()}:\n{self.text()}")
                if time.monotonic() > begun + START_SECONDS:
                    self.kill()
                    raise AssertionError(f"mailhub was not ready in {START_SECONDS} s:\n{self.text()}")
        finally:
            os.close(watched)
        self.start_seconds = time.monotonic() - begun
        self.ports = json.loads(self.ready_file.read_text())
        return self

    def stop(self) -> None:
        """Stop by SIGTERM; assert that it went in good order: exit status, ready file gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"mailhub did not stop in {STOP_SECONDS} s:\n{self.text()}") from None
        if status not in CLEAN or self.ready_file.exists():
            raise AssertionError(f"mailhub ended with {status}:\n{self.text()}")

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop and start on the same data; free ports are chosen anew."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def ca(self) -> Path:
        """The CA that clients are to trust."""
        return self.data / "tls" / "ca.pem"

    def port(self, service: str) -> int:
        """The first TCP port of a service, on 127.0.0.1."""
        port: int = self.ports[service][0]["port"]
        return port

    def maildir(self, user: str) -> Path:
        """Where the default template keeps a user's mail."""
        return self.data / "mail" / user / "Maildir"

    def tls(self) -> ssl.SSLContext:
        """A client's TLS context that verifies the server's certificate and name against the CA."""
        return ssl.create_default_context(cafile=str(self.ca))

    def text(self) -> str:
        """All that was logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def failed_start(base: Path, *options: str, config: str | None = None) -> str:
    """Start a server that must refuse to; return what it said. Raises AssertionError if it runs, or ends well."""
    server = Server(base, *options, config=config)
    done = subprocess.run(
        server.command,
        cwd=base,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=START_SECONDS,
        env=_environment(),
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode in CLEAN:
        raise AssertionError(f"mailhub ended with {done.returncode}:\n{said}")
    return said


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
