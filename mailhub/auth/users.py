"""Several sources of users as one: asked in order, the first that knows the name decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.internet.defer import Deferred
from zope.interface import Attribute, implementer

from mailhub.auth.credentials import UnknownUser
from mailhub.store.interfaces import IUserDirectory
from mailhub.store.model import UserEntry


class IUserSource(ICredentialsChecker, IUserDirectory):
    """A user database: checks credentials (avatar ids are UserEntry) and looks names up."""

    apop_possible: bool = Attribute("Whether a password is stored in a form that allows APOP.")


@implementer(IUserSource)
class UserSources:
    """A name that one source knows is not asked of the next, so that a wrong password stays wrong."""

    credentialInterfaces = (IUsernamePassword, IUsernameHashedPassword)

    def __init__(self, sources: Sequence[IUserSource]) -> None:
        self._sources = sources

    @property
    def apop_possible(self) -> bool:
        return any(source.apop_possible for source in self._sources)

    async def _check(self, credentials: Any) -> Any:
        for source in self._sources:
            try:
                return await source.requestAvatarId(credentials)
            except UnknownUser:
                continue
        raise UnknownUser

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._check(credentials))

    async def _lookup(self, name: str) -> UserEntry | None:
        for source in self._sources:
            if (user := await source.lookup(name)) is not None:
                return user
        return None

    def lookup(self, name: str) -> Deferred[UserEntry | None]:
        return Deferred.fromCoroutine(self._lookup(name))
