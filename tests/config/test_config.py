"""Settings: from the file, from options, their mistakes, and that the sample and the reference are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailhub.config import text
from mailhub.config.errors import ConfigError
from mailhub.config.settings import Settings
from mailhub.config.sources import Given, catalogue, load
from mailhub.tap.options import LAB_PASSWORD, in_force
from tests.server import scratch

ROOT = Path(__file__).resolve().parents[2]


class Sample(SynchronousTestCase):
    """etc/mailhub.toml and docs/configuration.md."""

    def test_sample_has_every_setting_with_its_default(self) -> None:
        """The sample parses; each setting stands there with its true default, or commented out where it has none."""
        written = (ROOT / "etc" / "mailhub.toml").read_text()
        document = tomllib.loads(written)
        for info in catalogue():
            if info.default is None:
                self.assertNotIn(info.name, document[info.section])
                section = written.split(f"[{info.section}]\n")[1].split("\n[")[0]
                self.assertRegex(section, rf"(?m)^# {info.name} =$")
        self.assertEqual(load(ROOT / "etc" / "mailhub.toml").settings, Settings())
        given = {f"{section}.{name}" for section, names in document.items() for name in names}
        self.assertEqual(given, {info.key for info in catalogue() if info.default is not None})

    def test_sample_is_what_the_command_prints(self) -> None:
        """etc/mailhub.toml is the output of `mailhub config sample`: write it anew after a change of settings."""
        self.assertEqual((ROOT / "etc" / "mailhub.toml").read_text(), text.sample())

    def test_reference(self) -> None:
        """docs/configuration.md names every setting, with its default and what is allowed."""
        self.assertIn(text.reference(), (ROOT / "docs" / "configuration.md").read_text())

    def test_every_setting_is_explained(self) -> None:
        """Each setting has a sentence of help and says what is allowed, and its default is allowed."""
        for info in catalogue():
            self.assertRegex(info.help, r"^[A-Z`].*[.]$", info.key)
            self.assertTrue(info.allowed, info.key)
            if info.check is not None and info.default is not None:
                self.assertTrue(info.check(info.default), info.key)


class Loading(SynchronousTestCase):
    """Values and where they come from."""

    def setUp(self) -> None:
        self.path = scratch(self) / "mailhub.toml"

    def test_sources(self) -> None:
        """A file overrides defaults, an option overrides the file; each origin is told."""
        self.path.write_text(
            '[imap]\nidle_timeout = 60\ngreeting = "hi"\n\n[listen]\nimap = 143\npop3 = ["110", 1110]\n'
        )
        loaded = load(self.path, {"imap.greeting": Given("hello", "--greeting")})
        self.assertEqual(loaded.settings.imap.idle_timeout, 60.0)
        self.assertIsInstance(loaded.settings.imap.idle_timeout, float)
        self.assertEqual(loaded.settings.imap.greeting, "hello")
        self.assertEqual(loaded.settings.listen.imap, ("143",))
        self.assertEqual(loaded.settings.listen.pop3, ("110", "1110"))
        self.assertEqual(loaded.origins["imap.idle_timeout"], f"{self.path}:2")
        self.assertEqual(loaded.origins["listen.pop3"], f"{self.path}:7")
        self.assertEqual(loaded.origins["imap.greeting"], "option --greeting")
        self.assertEqual(loaded.origins["imap.line_limit"], "default")

    def test_every_kind(self) -> None:
        """Booleans, numbers, texts, lists and tables are taken as TOML writes them."""
        self.path.write_text(
            '[imap]\nid_fields = { name = "x", vendor = "y" }\n[auth]\nlowercase = false\nmechanisms = ["PLAIN"]\n'
        )
        settings = load(self.path).settings
        self.assertEqual(settings.imap.id_fields, (("name", "x"), ("vendor", "y")))
        self.assertFalse(settings.auth.lowercase)
        self.assertEqual(settings.auth.mechanisms, ("PLAIN",))

    def mistake(self, content: str) -> str:
        self.path.write_text(content)
        with self.assertRaises(ConfigError) as raised:
            load(self.path)
        return str(raised.exception).replace(str(self.path), "FILE")

    def test_mistakes(self) -> None:
        """A mistake is told with file, line, key, what is wrong and what is allowed."""
        for content, told in (
            ("[imap]\nidle_tim = 1\n", 'FILE:2: imap.idle_tim: unknown setting; allowed: "idle_timeout" perhaps'),
            ("\n[impa]\nx = 1\n", 'FILE:2: impa: unknown section; allowed: "imap" perhaps'),
            ("[store]\nkind = 'mbox'\n", 'FILE:2: store.kind: "mbox" will not do; allowed: "maildir" or "memory"'),
            ("[auth]\nfailure_delay = 61\n", "FILE:2: auth.failure_delay: 61 will not do; allowed: 0 to 60"),
            ("[imap]\nline_limit = 'x'\n", 'FILE:2: imap.line_limit: "x" is not a whole number; allowed: 1000 or more'),
            ("[pop3]\nmark_seen = 1\n", "FILE:2: pop3.mark_seen: 1 is not true or false; allowed: true or false"),
            ("data = 1\n", 'FILE:1: data: stands outside of a section; allowed: keys below a line "[section]"'),
            ("[auth]\npassword = 5\n", "FILE:2: auth.password: what was given is not text; allowed: a word"),
            ("[pop3]\nuidl_format = '%s%s%s'\n", 'FILE:2: pop3.uidl_format: "%s%s%s" will not do; allowed: '),
            ("[imap]\ngreeting = \"a\\r\\nb\"\n", "FILE:2: imap.greeting: "),
        ):  # fmt: skip
            self.assertTrue(self.mistake(content).startswith(told), self.mistake(content))

    def test_no_toml(self) -> None:
        """What is not TOML is told with the line; a file that is missing or not UTF-8 by name."""
        self.assertIn("FILE:2: is not TOML", self.mistake("[imap]\nx = \n"))
        self.path.write_bytes(b"\xff")
        with self.assertRaises(ConfigError) as raised:
            load(self.path)
        self.assertIn("is not UTF-8", str(raised.exception))
        with self.assertRaises(ConfigError) as raised:
            load(self.path.with_name("none"))
        self.assertIn("No such file", str(raised.exception))

    def test_secrets(self) -> None:
        """Neither repr nor `config show` holds the password."""
        self.path.write_text('[auth]\npassword = "hidden"\n')
        loaded = load(self.path)
        self.assertNotIn("hidden", repr(loaded))
        shown = text.in_force(loaded)
        self.assertNotIn("hidden", shown)
        self.assertRegex(shown, rf'password = "\*\*\*" +# {re.escape(str(self.path))}:2')

    def test_shown_is_toml(self) -> None:
        """What `config show` prints is a configuration file again."""
        path = self.path.with_name("shown")
        path.write_text(text.in_force(load()))
        self.assertEqual(load(path).settings, Settings())


class InForce(SynchronousTestCase):
    """What no single value can be blamed for."""

    def given(self, **values: Any) -> dict[str, Given]:
        return {key.replace("__", "."): Given(value, f"--{key}") for key, value in values.items()}

    def test_lab_password(self) -> None:
        """Without password and users file any user has the password "pass"; a users file alone leaves it out."""
        self.assertEqual(in_force(None, {}).settings.auth.password, LAB_PASSWORD)
        self.assertIsNone(in_force(None, self.given(auth__users="x")).settings.auth.password)

    def test_absolute(self) -> None:
        """File names are made absolute, so that a daemon finds them from any folder."""
        settings = in_force(None, self.given(server__data="d", auth__users="~/users")).settings
        self.assertEqual(settings.server.data, str(Path("d").absolute()))
        self.assertEqual(settings.auth.users, str(Path("~/users").expanduser()))

    def test_loopback(self) -> None:
        """Loopback addresses of both families, unix sockets and bare ports are loopback; all else needs
        --allow-remote-any with one password for anybody, and not with a users file."""
        for place in (
            "0",
            "unix:/run/x",
            "tcp:1:interface=127.0.0.1",
            "tcp:1:interface=localhost",
            "tcp6:1:interface=\\:\\:1",
        ):
            in_force(None, self.given(listen__imap=(place,)))
        for place in (
            "tcp:1",
            "tcp:1:interface=0.0.0.0",
            "tcp6:1:interface=\\:\\:",
            "systemd:domain=INET:index=0",
            "ssl:1",
        ):
            with self.assertRaises(ConfigError):
                in_force(None, self.given(listen__imap=(place,)))
            in_force(None, self.given(listen__imap=(place,), auth__allow_remote_any=True))
            in_force(None, self.given(listen__imap=(place,), auth__users="x"))

    def test_tls_pair(self) -> None:
        """A certificate without a key is a mistake, and the other way round."""
        for name in ("cert", "key"):
            with self.assertRaises(ConfigError):
                in_force(None, self.given(**{f"tls__{name}": "x"}))
