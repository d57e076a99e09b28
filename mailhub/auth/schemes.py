"""Password schemes, as Dovecot names and writes them: `{SCHEME}value`, `{SCHEME.b64}value`, `{SCHEME.hex}value`; what
has no prefix is crypt(3).

Nothing here is cryptography of our own: hashlib, libcrypt, libpass and argon2-cffi do the work. CRAM-MD5, HMAC-MD5 and
OTP are not read: they store inner states of MD5, or one-time chains, that none of these offers.

Verifying may take a tenth of a second and more: call it in a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping

from mailhub.auth import unixcrypt

DEFAULT_SCHEME = "CRYPT"


class SchemeError(Exception):
    """The stored password cannot be checked. The message names the scheme, never the value."""


_PREFIX = re.compile(r"\{([A-Za-z0-9-]+)(?:\.(b64|base64|hex|HEX|B64|BASE64))?\}")


def split(stored: str) -> tuple[str, str, str]:
    """Return scheme (upper case), encoding ("", "b64" or "hex") and value of a stored password. Raises SchemeError."""
    if not stored.startswith("{"):
        return DEFAULT_SCHEME, "", stored
    match = _PREFIX.match(stored)
    if match is None:
        raise SchemeError("the password begins with { but names no scheme")
    encoding = (match[2] or "").lower()
    return match[1].upper(), "b64" if encoding == "base64" else encoding, stored[match.end() :]


def _raw(value: str, encoding: str, scheme: str) -> bytes:
    """Return what a value with an explicit encoding stands for."""
    try:
        if encoding == "hex":
            return bytes.fromhex(value)
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise SchemeError(f"{scheme}: the value is not {encoding}") from None


def plaintext(stored: str) -> bytes | None:
    """Return the password itself where it is stored so; None where it is not."""
    scheme, encoding, value = split(stored)
    if scheme not in ("PLAIN", "CLEAR", "CLEARTEXT") or not value:
        return None
    return _raw(value, encoding, scheme) if encoding else value.encode()


def verify(password: bytes, stored: str, user: str = "") -> bool:
    """Return whether `stored` is of this password; `user` counts only for DIGEST-MD5.

    Raises SchemeError where the scheme is unknown or the value broken."""
    scheme, encoding, value = split(stored)
    if not value:
        return False
    if scheme == "MD5":
        scheme = "MD5-CRYPT" if value.startswith("$1$") else "PLAIN-MD5"
    try:
        if scheme in _DIGESTS:
            return _verify_digest(scheme, encoding, value, password, user)
        check = _CHECKS.get(scheme)
        if check is None:
            raise SchemeError(f"{scheme}: this password scheme is not known here")
        text = _raw(value, encoding, scheme).decode("utf-8", "surrogateescape") if encoding else value
        return check(password, text, user)
    except UnicodeError:
        raise SchemeError(f"{scheme}: the value is broken") from None


def _hash(name: str) -> Callable[[bytes, str], bytes]:
    return lambda data, user: hashlib.new(name, data, usedforsecurity=False).digest()


def _md4(data: bytes, user: str) -> bytes:
    from passlib.hash import hex_md4

    return bytes.fromhex(hex_md4.hash(data))


def _digest_md5(data: bytes, user: str) -> bytes:
    """MD5 of user, realm and password (RFC 2831 section 2.1.2.1), the realm being what follows the user's "@"."""
    name, _, realm = user.rpartition("@") if "@" in user else (user, "", "")
    return hashlib.md5(f"{name}:{realm}:".encode() + data, usedforsecurity=False).digest()


_DIGESTS: Mapping[str, tuple[Callable[[bytes, str], bytes], int, bool]] = {
    # scheme: digest of password and salt, its octets, whether a salt follows it
    "SHA": (_hash("sha1"), 20, False),
    "SHA1": (_hash("sha1"), 20, False),
    "SHA256": (_hash("sha256"), 32, False),
    "SHA512": (_hash("sha512"), 64, False),
    "PLAIN-MD4": (_md4, 16, False),
    "PLAIN-MD5": (_hash("md5"), 16, False),
    "LDAP-MD5": (_hash("md5"), 16, False),
    "DIGEST-MD5": (_digest_md5, 16, False),
    "SSHA": (_hash("sha1"), 20, True),
    "SSHA256": (_hash("sha256"), 32, True),
    "SSHA512": (_hash("sha512"), 64, True),
    "SMD5": (_hash("md5"), 16, True),
}


def _verify_digest(scheme: str, encoding: str, value: str, password: bytes, user: str) -> bool:
    """Plain and salted digests; without a word on the encoding, twice the digest's length can only be hex."""
    compute, length, salted = _DIGESTS[scheme]
    if not encoding:
        encoding = "hex" if len(value) == 2 * length and not salted else "b64"
    raw = _raw(value, encoding, scheme)
    digest, salt = raw[:length], raw[length:]
    if len(digest) < length or (salt and not salted):
        raise SchemeError(f"{scheme}: the value has a wrong length")
    return hmac.compare_digest(compute(password + salt, user), digest)


def _plain(password: bytes, value: str, user: str) -> bool:
    return hmac.compare_digest(password, value.encode("utf-8", "surrogateescape"))


def _plain_trunc(password: bytes, value: str, user: str) -> bool:
    """`N-PASSWORD`: only the first N octets count; without a number all do."""
    match = re.match(r"(\d+)-", value)
    if match is None:
        return _plain(password, value, user)
    kept = value[match.end() :].encode()
    return hmac.compare_digest(password[: int(match[1])], kept[: int(match[1])])


def _crypt(prefix: str = "") -> Callable[[bytes, str, str], bool]:
    """A hash of crypt(3); a scheme that names its kind takes no other."""

    def check(password: bytes, value: str, user: str) -> bool:
        if not value.startswith(prefix):
            raise SchemeError("the value is of another kind of crypt(3) than its scheme says")
        try:
            return unixcrypt.verify(password, value)
        except unixcrypt.CryptUnavailable:
            raise SchemeError("crypt(3) does not know this kind of hash here") from None

    return check


def _argon2(password: bytes, value: str, user: str) -> bool:
    from argon2 import exceptions, low_level

    kind = low_level.Type.I if value.startswith("$argon2i$") else low_level.Type.ID
    try:
        return low_level.verify_secret(value.encode(), password, kind)
    except exceptions.VerifyMismatchError:
        return False
    except (exceptions.VerificationError, exceptions.InvalidHashError, UnicodeError):
        raise SchemeError("ARGON2: the value is broken") from None


def _pbkdf2(password: bytes, value: str, user: str) -> bool:
    """`$1$SALT$ROUNDS$HEX`: PBKDF2 with HMAC-SHA1."""
    match = re.fullmatch(r"\$1\$([^$]*)\$(\d{1,8})\$([0-9a-fA-F]{40})", value)
    if match is None or not int(match[2]):
        raise SchemeError("PBKDF2: the value is broken")
    computed = hashlib.pbkdf2_hmac("sha1", password, match[1].encode(), int(match[2]))
    return hmac.compare_digest(computed, bytes.fromhex(match[3]))


def _scram(name: str) -> Callable[[bytes, str, str], bool]:
    """`ROUNDS,SALT,StoredKey,ServerKey` (RFC 5802 section 3), the last three in base64."""

    def check(password: bytes, value: str, user: str) -> bool:
        from passlib.utils import saslprep

        try:
            rounds, salt, stored_key, server_key = value.split(",")
            expected = base64.b64decode(stored_key, validate=True), base64.b64decode(server_key, validate=True)
            prepared = saslprep(password.decode()).encode()
            salted = hashlib.pbkdf2_hmac(name, prepared, base64.b64decode(salt, validate=True), int(rounds))
        except UnicodeDecodeError:
            return False  # a password that is not UTF-8 cannot have been stored so
        except (ValueError, OverflowError):
            raise SchemeError("SCRAM: the value is broken") from None
        client_key = hmac.digest(salted, b"Client Key", name)
        computed = hashlib.new(name, client_key).digest(), hmac.digest(salted, b"Server Key", name)
        return hmac.compare_digest(b"".join(computed), b"".join(expected))

    return check


_CHECKS: Mapping[str, Callable[[bytes, str, str], bool]] = {
    "PLAIN": _plain,
    "CLEAR": _plain,
    "CLEARTEXT": _plain,
    "PLAIN-TRUNC": _plain_trunc,
    "CRYPT": _crypt(),
    "DES-CRYPT": _crypt(),
    "MD5-CRYPT": _crypt("$1$"),
    "SHA256-CRYPT": _crypt("$5$"),
    "SHA512-CRYPT": _crypt("$6$"),
    "BLF-CRYPT": _crypt("$2"),
    "ARGON2I": _argon2,
    "ARGON2ID": _argon2,
    "PBKDF2": _pbkdf2,
    "SCRAM-SHA-1": _scram("sha1"),
    "SCRAM-SHA-256": _scram("sha256"),
}

KNOWN = frozenset(_CHECKS) | frozenset(_DIGESTS) | {"MD5"}
"""Every scheme that verify() reads."""


def _sha512_crypt(password: bytes) -> str:
    from passlib.hash import sha512_crypt

    # As many rounds as `doveadm pw` takes; more would make each login of a test slower.
    return str(sha512_crypt.using(rounds=5000).hash(password))


def _argon2id(password: bytes) -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def _ssha512(password: bytes) -> str:
    salt = os.urandom(8)
    return base64.b64encode(hashlib.sha512(password + salt).digest() + salt).decode()


_MAKERS: Mapping[str, Callable[[bytes], str]] = {
    "SHA512-CRYPT": _sha512_crypt,
    "ARGON2ID": _argon2id,
    "SSHA512": _ssha512,
    "PLAIN": lambda password: password.decode(),
}

MADE = tuple(_MAKERS)
"""Schemes in which make() writes."""


def make(password: bytes, scheme: str = "SHA512-CRYPT") -> str:
    """Return a password ready to be stored, `{SCHEME}...`. Raises SchemeError."""
    maker = _MAKERS.get(scheme.upper())
    if maker is None:
        raise SchemeError(f"{scheme}: passwords are made in {', '.join(MADE)}")
    return f"{{{scheme.upper()}}}{maker(password)}"
