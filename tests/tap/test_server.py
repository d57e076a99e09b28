"""The real server: starting, ports, the ready file, mistakes, stopping."""

from __future__ import annotations

import imaplib
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.command import mailhub
from tests.server import SERVICES, Server, failed_start, scratch


class Running(SynchronousTestCase):
    """A server on free ports with the memory store."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.server = Server(self.base, "--store", "memory")
        self.addCleanup(self.server.stop)
        self.server.start()

    def test_ready_file(self) -> None:
        """The ready file holds the pid and host and port of every service; each port listens."""
        ready = json.loads(self.server.ready_file.read_text())
        self.assertEqual(ready["pid"], self.server.pid)
        self.assertEqual(set(ready), {"pid", *SERVICES})
        for service in SERVICES:
            (place,) = ready[service]
            self.assertEqual(place["host"], "127.0.0.1")
            socket.create_connection((place["host"], place["port"]), 10).close()
        print(f"start took {self.server.start_seconds:.3f} s")

    def test_first_log_lines(self) -> None:
        """The log says what listens where, who may log in and where mail is."""
        log = self.server.text()
        for title in ("IMAP with STARTTLS", "IMAP on TLS", "POP3 with STLS", "POP3 on TLS", "LMTP"):
            self.assertIn(f"{title} on 127.0.0.1 port ", log)
        self.assertIn('any user with the password "pass"', log)
        self.assertIn("mail in memory", log)

    def test_tls_verifies(self) -> None:
        """A client that trusts DATA/tls/ca.pem accepts the certificate for localhost and 127.0.0.1; one that does not
        trust it refuses. No certificate was given, so it was made (and its keys are nobody else's to read)."""
        for name in ("localhost", "127.0.0.1"):
            for service in ("imaps", "pop3s"):
                with (
                    socket.create_connection(("127.0.0.1", self.server.port(service)), 10) as plain,
                    self.server.tls().wrap_socket(plain, server_hostname=name) as secure,
                ):
                    self.assertIn(secure.version(), ("TLSv1.2", "TLSv1.3"))
        with (
            socket.create_connection(("127.0.0.1", self.server.port("imaps")), 10) as plain,
            self.assertRaises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        for key in ("key.pem", "ca-key.pem"):
            self.assertEqual((self.server.data / "tls" / key).stat().st_mode & 0o777, 0o600)

    def test_certificate_stays(self) -> None:
        """CA and certificate are made once and used again after a restart."""
        before = {path.name: path.read_bytes() for path in (self.server.data / "tls").iterdir()}
        self.server.restart()
        self.assertEqual({path.name: path.read_bytes() for path in (self.server.data / "tls").iterdir()}, before)

    def test_port_in_use(self) -> None:
        """A port that another program has ends the start with a sentence and status 1, not with a traceback."""
        said = failed_start(self.base / "second", "--store", "memory", "--imap", str(self.server.port("imap")))
        self.assertIn("imap cannot listen on", said)
        self.assertIn("another program listens there", said)
        self.assertNotIn("Traceback", said)

    def test_stop_says_goodbye(self) -> None:
        """Sessions that are open when the server stops are told: BYE (RFC 3501 section 7.1.5), 421 (RFC 5321 section
        3.8); POP3 is closed."""
        clients: dict[str, bytes] = {}
        sockets: dict[str, socket.socket] = {}
        for service in ("imap", "pop3", "lmtp"):
            sockets[service] = socket.create_connection(("127.0.0.1", self.server.port(service)), 10)
            self.addCleanup(sockets[service].close)
            sockets[service].recv(1000)
        self.server.stop()
        for service, client in sockets.items():
            clients[service] = b"".join(iter(lambda client=client: client.recv(1000), b""))
        self.assertIn(b"* BYE ", clients["imap"])
        self.assertTrue(clients["lmtp"].startswith(b"421 "))

    def test_stop_takes_the_ready_file_away(self) -> None:
        """SIGTERM ends the server in good order, and the ready file is gone."""
        self.server.stop()
        self.assertFalse(self.server.ready_file.exists())
        self.assertIn("Server Shut Down", self.server.text())
        self.assertNotIn("Traceback", self.server.text())


class Stopping(SynchronousTestCase):
    """A stop while work is under way."""

    def test_lock_of_another_program(self) -> None:
        """A write that waits for another program's lock does not hold a stop for longer than server.shutdown_seconds;
        it was not acknowledged."""
        config = "[server]\nshutdown_seconds = 0.5\n[store]\nlock_seconds = 1000\n[listen]\n"
        config += "".join(f"{service} = 0\n" for service in SERVICES)
        server = Server(scratch(self), config=config).start()
        self.addCleanup(server.stop)
        mailhub("mailbox", "list", "ann", "--data", str(server.data))
        lock = server.maildir("ann") / "dovecot-uidlist.lock"
        lock.write_text(f"{os.getpid()}:{socket.gethostname()}")
        with socket.create_connection(("127.0.0.1", server.port("imap")), 10) as client:
            client.sendall(b"a LOGIN ann pass\r\nb APPEND INBOX {14+}\r\nSubject: x\r\n\r\n\r\n")
            said = b""
            while b"a OK" not in said:
                said += client.recv(1000)
            # Another session's turn comes after the APPEND was taken up.
            imaplib.IMAP4("127.0.0.1", server.port("imap"), 30).login("bob", "pass")
            server.stop()
            said += b"".join(iter(lambda: client.recv(1000), b""))
        self.assertNotIn(b"b OK", said)
        self.assertIn("took too long", server.text())


class Listening(SynchronousTestCase):
    """Where services can listen."""

    def start(self, *options: str) -> Server:
        server = Server(scratch(self), "--store", "memory", *options)
        self.addCleanup(server.stop)
        return server.start()

    def test_off(self) -> None:
        """off leaves a service out; the ready file says so by an empty list."""
        server = self.start("--imap", "0", "--pop3", "off", "--pop3s=off", "--imaps", "off", "--lmtp", "off")
        self.assertEqual([len(server.ports[service]) for service in SERVICES], [1, 0, 0, 0, 0])

    def test_several_and_unix(self) -> None:
        """An option may be given again; endpoint strings are taken, and a unix socket stands in the ready file as
        path."""
        path = scratch(self) / "lmtp"
        server = self.start("--lmtp", "0", "--lmtp", f"unix:{path}", "--imap", "tcp:0:interface=\\:\\:1", "--imap", "0")
        self.assertEqual(server.ports["lmtp"][1], {"path": str(path)})
        self.assertEqual([place["host"] for place in server.ports["imap"]], ["::1", "127.0.0.1"])
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
        server.stop()
        self.assertFalse(path.exists())

    def test_own_certificate(self) -> None:
        """--tls-cert and --tls-key are used in place of the lab's."""
        lab = self.start().data / "tls"
        server = self.start("--tls-cert", str(lab / "cert.pem"), "--tls-key", str(lab / "key.pem"))
        self.assertFalse((server.data / "tls").exists())
        context = ssl.create_default_context(cafile=str(lab / "ca.pem"))
        with (
            socket.create_connection(("127.0.0.1", server.port("imaps")), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            self.assertTrue(secure.getpeercert())


class Refused(SynchronousTestCase):
    """Mistakes stop the start, with one clear sentence."""

    def refused(self, *options: str, config: str | None = None) -> str:
        base = scratch(self)
        said = failed_start(base, *options, config=config)
        self.assertNotIn("Traceback", said)
        return said

    def test_password_on_the_network(self) -> None:
        """One password for anybody is refused on an address that is not loopback, also the default one."""
        for options in (("--password", "secret"), ()):
            said = self.refused("--imap", "tcp:0:interface=0.0.0.0", *options)
            self.assertIn("not on loopback", said)
            self.assertIn("--allow-remote-any", said)
            self.assertNotIn("secret", said)

    def test_bad_listener(self) -> None:
        """What is no port and no endpoint is refused with the service's name."""
        for value in ("imap", "70000", "", "nonsense:1"):
            self.assertIn("imap", self.refused("--store", "memory", "--allow-remote-any", "--imap", value))

    def test_bad_option_value(self) -> None:
        """A value outside of what a setting allows names the option and what is allowed."""
        said = self.refused("--fsync", "sometimes")
        self.assertIn("option --fsync: store.fsync", said)
        self.assertIn('allowed: "always" or "never"', said)

    def test_config_file(self) -> None:
        """A mistake in the file is told with file, line, key and the nearest known name."""
        said = self.refused(config='[store]\nkind = "memory"\n[imap]\nidle_timout = 5\n')
        self.assertIn('mailhub.toml:4: imap.idle_timout: unknown setting; allowed: "idle_timeout" perhaps', said)

    def test_missing_certificate(self) -> None:
        """A certificate that cannot be read, or has no key, is told."""
        self.assertIn("tls.key is missing", self.refused("--tls-cert", "nowhere.pem"))
        said = self.refused("--store", "memory", "--tls-cert", "nowhere.pem", "--tls-key", "x.pem")
        self.assertIn("nowhere.pem", said)

    def test_files(self) -> None:
        """A users file that is not there, a ready file without a folder and a mail template that is none are told."""
        self.assertIn("none: there is no such file", self.refused("--users", "none"))
        self.assertIn("its folder is missing", self.refused("--ready-file", "none/ready"))
        self.assertIn("store.mail", self.refused("--mail", "mbox:~/mail"))
        self.assertIn("%x", self.refused("--mail", "maildir:/srv/%x"))

    def test_data_not_writable(self) -> None:
        """A data folder that cannot be made is told."""
        self.assertIn("Not a directory", self.refused("--store", "memory", "--data", "/dev/null/x"))


class Plugin(SynchronousTestCase):
    """twistd knows mailhub."""

    def test_listed(self) -> None:
        """`twistd --help` lists mailhub, and its own help names every option that scripts rely on."""
        run = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        listing = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(listing, r"\n +mailhub +IMAP4")
        options = subprocess.run([*run, "mailhub", "--help"], capture_output=True, text=True, check=True).stdout
        for name in ("config", "data", "mail", "password", "users", "tls-cert", "tls-key", "fsync", "ready-file"):
            self.assertIn(f"--{name}=", options)
        for service in SERVICES:
            self.assertIn(f"--{service}=", options)
        self.assertIn("--allow-remote-any", options)


class Daemon(SynchronousTestCase):
    """twistd in the background, with its own pid file and log."""

    def setUp(self) -> None:
        self.base = scratch(self)
        self.server = Server(self.base, "--store", "memory")
        start, end = self.server.command, self.server.command.index("mailhub")
        files = [f"--pidfile={self.base / 'pid'}", f"--logfile={self.base / 'log'}"]
        self.command = [*start[: end - 2], *files, *start[end:]]

    def test_life(self) -> None:
        """The command returns once the ports are bound; the pid file and the ready file name the process that serves;
        both are gone after SIGTERM."""
        done = subprocess.run(self.command, cwd=self.base, stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        pid = int((self.base / "pid").read_text())
        watched = os.pidfd_open(pid)
        self.addCleanup(os.close, watched)
        for _ in range(1000):  # bound already: the reactor writes the file in its first turn
            if self.server.ready_file.exists():
                break
            select.select([watched], [], [], 0.01)
        ready = json.loads(self.server.ready_file.read_text())
        self.assertEqual(ready["pid"], pid)
        with socket.create_connection(("127.0.0.1", ready["imap"][0]["port"]), 10) as client:
            self.assertTrue(client.recv(1000).startswith(b"* OK "))
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(select.select([watched], [], [], 30)[0], [watched])
        self.assertFalse((self.base / "pid").exists())
        self.assertFalse(self.server.ready_file.exists())

    def test_port_in_use(self) -> None:
        """The command ends with status 1, says where to look, and leaves no pid file."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            command = [*self.command, "--imap", str(taken.getsockname()[1])]
            done = subprocess.run(command, cwd=self.base, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("imap cannot listen on", done.stderr)
        self.assertFalse((self.base / "pid").exists())
