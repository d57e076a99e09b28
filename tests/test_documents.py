"""What the documents say is what the server does."""

from __future__ import annotations

import re
import smtplib
import socket
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.peers.clients import imap_client, pop3_client, started
from tests.server import SERVICES

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = {"IMAP": 3, "POP3": 3, "LMTP": 3}
"""The sections of the RFC index that have an "announced" column, and where it stands."""


def rows(section: str) -> list[list[str]]:
    """Return the cells of a section's table in docs/rfc-index.md."""
    text = (ROOT / "docs" / "rfc-index.md").read_text()
    _, _, rest = text.partition(f"\n## {section}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def announced(section: str) -> set[str]:
    """Return every name that the index says is announced, and check that only implemented ones are."""
    names: set[str] = set()
    for row in rows(section):
        found = {name.strip() for name in row[SECTIONS[section]].split(",") if name.strip()}
        assert row[2] != "No" or not found, row
        names |= found
    return names


class RfcIndex(TestCase):
    """docs/rfc-index.md against the running server."""

    def test_imap(self) -> None:
        """CAPABILITY, in both states and with passwords refused, says exactly what the index lists."""
        config = '[auth]\nplaintext_without_tls = "never"\npassword = "pass"\n[store]\nkind = "memory"\n[listen]\n'
        config += "".join(f"{service} = 0\n" for service in SERVICES)
        server = started(self, config=config)
        with socket.create_connection(("127.0.0.1", server.port("imap")), 60) as connection:
            greeting = connection.recv(4096).decode()
        said = set(re.search(r"\[CAPABILITY ([^\]]*)\]", greeting)[1].split())  # type: ignore[index]
        open_server = started(self, "--store", "memory")
        said |= set(imap_client(self, open_server, "ann").capability()[1][0].decode().split())
        said = {re.sub(r"=\d+$", "", name) for name in said if not name.startswith("AUTH=")}
        self.assertEqual(said, announced("IMAP"))

    def test_pop3(self) -> None:
        """CAPA says exactly what the index lists (the mechanisms of SASL and free values apart)."""
        server = started(self, "--store", "memory")
        client = pop3_client(server, "ann")
        after = set(client.capa())
        client.quit()
        with socket.create_connection(("127.0.0.1", server.port("pop3")), 60) as connection:
            connection.sendall(b"CAPA\r\nQUIT\r\n")
            text = b""
            while piece := connection.recv(4096):
                text += piece
        before = {line.split()[0].decode() for line in text.split(b"\r\n.\r\n")[0].split(b"\r\n")[2:]}
        self.assertEqual(before | after, announced("POP3"))

    def test_lmtp(self) -> None:
        """LHLO says exactly what the index lists."""
        server = started(self, "--store", "memory")
        with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as lmtp:
            lmtp.ehlo()
            said = {name.upper() for name in lmtp.esmtp_features}
        self.assertEqual(said, announced("LMTP"))

    def test_tests_exist(self) -> None:
        """Each place of tests that the index names is there."""
        text = (ROOT / "docs" / "rfc-index.md").read_text()
        named = set(re.findall(r"\btests/[\w/.]+", text))
        self.assertTrue(named)
        self.assertEqual([name for name in sorted(named) if not (ROOT / name).exists()], [])


class Readme(TestCase):
    """README.md stays true."""

    def test_links_and_targets(self) -> None:
        """Every file that README links to exists, and every `make` target it names is in the Makefile."""
        text = (ROOT / "README.md").read_text()
        links = re.findall(r"\]\(([^):]+)\)", text)
        self.assertTrue(links)
        self.assertEqual([link for link in links if not (ROOT / link).exists()], [])
        makefile = (ROOT / "Makefile").read_text()
        for target in re.findall(r"^    make (\w+)", text, re.M):
            self.assertRegex(makefile, rf"(?m)^{target}:")

    def test_dependencies_have_a_reason(self) -> None:
        """Each run-time dependency of setup.cfg is named in README with why it is there."""
        config = (ROOT / "setup.cfg").read_text()
        block = config.partition("install_requires =\n")[2].partition("\nzip_safe")[0]
        text = (ROOT / "README.md").read_text()
        for line in block.splitlines():
            name = re.match(r"\s*([\w-]+)", line)
            assert name is not None, line
            self.assertIn(name[1].lower(), text.lower())
