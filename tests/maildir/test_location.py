"""Mail locations."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from mailhub.maildir.location import Location, LocationTemplate, checked_user
from mailhub.store.errors import NoSuchUser
from mailhub.store.model import UserEntry


class LocationTests(SynchronousTestCase):
    def expand(self, text: str, user: str = "Jo@Example.org", home: str | None = "/home/jo") -> Location:
        return LocationTemplate(text).expand(UserEntry(user, home=home), "/data/%u")

    def test_variables(self) -> None:
        """Dovecot's variables, short and long, with the modifier that lowers the case."""
        for text, root in {
            "maildir:/m/%u": b"/m/Jo@Example.org",
            "maildir:/m/%d/%n": b"/m/Example.org/Jo",
            "maildir:/m/%Ld/%Ln/Maildir": b"/m/example.org/jo/Maildir",
            "maildir:~/Maildir": b"/home/jo/Maildir",
            "maildir:%h/Maildir": b"/home/jo/Maildir",
            "maildir:/m/100%%/%{user}": b"/m/100%/Jo@Example.org",
            "maildir:%{home}/%{domain}/%{username}": b"/home/jo/Example.org/Jo",
            "/m/%u": b"/m/Jo@Example.org",
            "~/Maildir": b"/home/jo/Maildir",
        }.items():
            self.assertEqual(self.expand(text).root, root)

    def test_default_home(self) -> None:
        """A user without a home has the default one."""
        self.assertEqual(self.expand("maildir:~/M", "jo", None).root, b"/data/jo/M")

    def test_relative(self) -> None:
        """A relative directory is made absolute when it is expanded."""
        self.assertEqual(self.expand("maildir:m").root, os.fsencode(os.path.abspath("m")))

    def test_options(self) -> None:
        """What stands behind the directory."""
        text = "maildir:/m:LAYOUT=fs:INBOX=/i/%u:CONTROL=/c:INDEX=/x:UTF-8"
        location = self.expand(text, "jo")
        self.assertEqual(location, Location(b"/m", b"/i/jo", b"/c", b"/x", "fs", True))
        self.assertEqual(self.expand("maildir:/m:INDEX=MEMORY").index, None)
        self.assertEqual(self.expand("maildir:/m:LAYOUT=Maildir++").layout, "maildir++")

    def test_wrong_templates(self) -> None:
        """A template that makes no sense says what is wrong, before any user comes."""
        for text, words in {
            "mbox:/m": 'does not begin with "maildir:"',
            "Maildir": 'does not begin with "maildir:"',
            "maildir:": "names no directory",
            "maildir:/m/%x": 'mail location "maildir:/m/%x": "%x" is none of %u, %n, %d, %h and %%',
            "maildir:/m/%": '"%" is none of',
            "maildir:/m/%{nope}": '"%{nope}" is none of',
            "maildir:/m:LAYOUT=index": '"LAYOUT=index" is none of LAYOUT=maildir++, LAYOUT=fs',
            "maildir:/m:INBOX=": '"INBOX=" is none of',
            "maildir:/m:utf8": '"utf8" is none of',
        }.items():
            self.assertIn(words, str(self.assertRaises(ValueError, LocationTemplate, text)))

    def test_users_that_lead_astray(self) -> None:
        """A user name never becomes a path out of its directory, or a hidden one."""
        for name in ("", "..", ".", "a/b", "../etc", "a\0b", ".hidden", "a@..", "a@.", "a\nb", "x" * 256, "\ud800"):
            self.assertRaises(NoSuchUser, self.expand, "maildir:/m/%u", name)
            self.assertRaises(NoSuchUser, checked_user, name)
        self.assertEqual(checked_user("jo+x@example.org"), "jo+x@example.org")

    def test_missing_parts(self) -> None:
        """A variable that is empty for this user would name another directory than meant."""
        self.assertRaises(NoSuchUser, self.expand, "maildir:/m/%d/%n", "jo")
        self.assertRaises(NoSuchUser, self.expand, "maildir:/m/%n", "@example.org")
        self.assertEqual(self.expand("maildir:/m/%n", "jo").root, b"/m/jo")

    def test_directory(self) -> None:
        """A data directory may hold characters that mean something in a template, once percent signs are doubled."""
        template = LocationTemplate.of_directory("/a:b/100%%/%u")
        self.assertEqual(template.expand(UserEntry("jo"), "/").root, b"/a:b/100%/jo")
