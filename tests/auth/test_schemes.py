"""Password schemes, against hashes that Dovecot made and with Dovecot checking ours."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from mailhub.auth import schemes, unixcrypt
from tests.peer import program

USER, PASSWORD = "joe@example.org", "pä ss"


def _doveadm(*arguments: str) -> str:
    done = subprocess.run([program("doveadm"), "pw", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


class WithDovecot(SynchronousTestCase):
    """doveadm pw makes what we read, and reads what we make."""

    def test_reads_every_scheme_and_encoding(self) -> None:
        """A password stored by `doveadm pw -s SCHEME[.b64|.hex]` is recognised, and another one is not."""
        for scheme in sorted(schemes.KNOWN):
            for encoding in ("", ".b64", ".hex"):
                with self.subTest(scheme=scheme + encoding):
                    stored = _doveadm("-s", scheme + encoding, "-u", USER, "-p", PASSWORD)
                    if scheme == "MD5" and encoding:
                        continue  # an encoded {MD5} is read as a digest; Dovecot wraps an $1$ hash there
                    self.assertTrue(schemes.verify(PASSWORD.encode(), stored, USER), stored)
                    self.assertFalse(schemes.verify(b"wrong", stored, USER), stored)

    def test_writes_what_dovecot_reads(self) -> None:
        """`doveadm pw -t` accepts each password that we make."""
        for scheme in schemes.MADE:
            stored = schemes.make(PASSWORD.encode(), scheme)
            self.assertIn("(verified)", _doveadm("-t", stored, "-p", PASSWORD))

    def test_libpass_where_there_is_no_libcrypt(self) -> None:
        """Without the system's crypt(3) libpass recognises the same hashes; bcrypt is said to be unknown."""
        self.patch(unixcrypt, "_system", lambda: None)
        for scheme in ("DES-CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT"):
            stored = _doveadm("-s", scheme, "-p", "pass")
            self.assertTrue(schemes.verify(b"pass", stored), stored)
            self.assertFalse(schemes.verify(b"wrong", stored), stored)


class Reading(SynchronousTestCase):
    """Prefixes, defaults and broken values."""

    def test_no_prefix_is_crypt(self) -> None:
        """A value without {SCHEME} is crypt(3), as in a passwd-file of Dovecot."""
        self.assertEqual(schemes.split("$6$x$y"), ("CRYPT", "", "$6$x$y"))

    def test_scheme_in_any_case(self) -> None:
        """{plain} is {PLAIN}."""
        self.assertTrue(schemes.verify(b"x", "{plain}x"))
        self.assertTrue(schemes.verify(b"x", "{Plain.hex}78"))

    def test_empty_value_matches_nothing(self) -> None:
        """An empty password in the file lets nobody in."""
        for stored in ("", "{PLAIN}", "{CRYPT}", "{SHA}"):
            self.assertFalse(schemes.verify(b"", stored), stored)

    def test_nul_does_not_cut_a_password_short(self) -> None:
        """crypt(3) would read "pass\\0x" as "pass"; such a password is wrong."""
        stored = schemes.make(b"pass")
        self.assertFalse(schemes.verify(b"pass\0x", stored))

    def test_trouble_is_told_without_the_value(self) -> None:
        """An unknown scheme or a broken value raises SchemeError that names the scheme and not the secret."""
        for stored in (
            "{ROT13}secret",
            "{SHA}secret",
            "{SSHA.hex}secret",
            "{ARGON2ID}$argon2id$secret",
            "{PBKDF2}secret",
            "{SCRAM-SHA-1}secret",
            "{secret",
            "{PLAIN.b64}secret!",
            "{SHA512-CRYPT}$5$secret",
            "$secret$secretsecret",
        ):
            with self.assertRaises(schemes.SchemeError) as raised:
                schemes.verify(b"x", stored)
            self.assertNotIn("secret", str(raised.exception))

    def test_plaintext(self) -> None:
        """APOP can use PLAIN, CLEAR and CLEARTEXT, encoded or not, and nothing else."""
        self.assertEqual(schemes.plaintext("{CLEARTEXT.b64}cGFzcw=="), b"pass")
        self.assertEqual(schemes.plaintext("{PLAIN}pass"), b"pass")
        self.assertIsNone(schemes.plaintext("{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI="))
        self.assertIsNone(schemes.plaintext("pass"))
