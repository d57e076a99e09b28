"""Any user name with one password: for test labs. An account comes to be at its first login or delivery."""

from __future__ import annotations

from typing import Any

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from mailhub.auth import names
from mailhub.auth.users import IUserSource
from mailhub.store.model import UserEntry


@implementer(IUserSource)
class AnyPassword:
    """Accepts every name that can be a user, with one password compared in constant time."""

    credentialInterfaces = (IUsernamePassword, IUsernameHashedPassword)
    apop_possible = True

    def __init__(self, password: str, lowercase: bool = True) -> None:
        self._password = password.encode()
        self._lowercase = lowercase

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        if credentials.checkPassword(self._password):
            return succeed(UserEntry(credentials.username))
        return fail(UnauthorizedLogin())

    def lookup(self, name: str) -> Deferred[UserEntry | None]:
        user = names.normal(name, self._lowercase)
        return succeed(None if user is None else UserEntry(user))
