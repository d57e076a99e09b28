"""crypt(3): the hashes of /etc/shadow, told apart by how they begin ($1$, $5$, $6$, $2y$, $y$ ..., 13 letters for DES).

The system's libcrypt is asked first: it knows all of them, bcrypt and yescrypt too, and lets other threads run
meanwhile. Where there is none, libpass does the same, but for bcrypt and yescrypt, which it needs more packages for.
"""

from __future__ import annotations

import ctypes
import hmac
from functools import cache
from typing import Any

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so.1.1")


class CryptUnavailable(Exception):
    """No library here knows this kind of hash."""


@cache
def _system() -> Any:
    """Return libcrypt's crypt_ra, the reentrant one that allocates what it needs, or None."""
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_ra
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = [
            ctypes.c_char_p,
            ctypes.c_char_p,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_int),
        ]
        return function
    return None


@cache
def _free() -> Any:
    function = ctypes.CDLL(None).free
    function.argtypes = [ctypes.c_void_p]
    function.restype = None
    return function


def crypt(password: bytes, setting: bytes) -> bytes | None:
    """Return the system's crypt(password, setting), or None if it does not know the setting. Without a system
    library raise CryptUnavailable. The password holds no NUL."""
    function = _system()
    if function is None:
        raise CryptUnavailable
    memory, size = ctypes.c_void_p(), ctypes.c_int(0)
    try:
        found: bytes | None = function(password, setting, ctypes.byref(memory), ctypes.byref(size))
        # What begins with "*" stands for a failure (crypt(3)).
        return None if found is None or found.startswith(b"*") else found
    finally:
        _free()(memory)


def verify(password: bytes, stored: str) -> bool:
    """Return whether `stored`, any hash of crypt(3), is of this password.

    Raises CryptUnavailable for a kind that nobody here knows."""
    if b"\0" in password or len(stored) < 13 or not stored.isascii():
        return False
    if _system() is not None:
        computed = crypt(password, stored.encode())
        if computed is None:
            raise CryptUnavailable
        return hmac.compare_digest(computed, stored.encode())
    return _portable(password, stored)


def _portable(password: bytes, stored: str) -> bool:
    from passlib.context import CryptContext
    from passlib.exc import MissingBackendError

    context = CryptContext(["sha512_crypt", "sha256_crypt", "md5_crypt", "bcrypt", "des_crypt", "bsdi_crypt"])
    try:
        return bool(context.verify(password, stored))
    except (MissingBackendError, ValueError, TypeError):
        raise CryptUnavailable from None
