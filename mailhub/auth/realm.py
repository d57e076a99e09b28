"""The cred realm: whoever was let in gets the IAccount that the store has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from zope.interface import Interface, implementer

from mailhub.store.interfaces import IAccount, IMessageStore
from mailhub.store.model import UserEntry


@implementer(IRealm)
class MailRealm:
    """Avatars are accounts; an avatar id is a UserEntry (or the bare name, from a checker of another make)."""

    def __init__(self, store: IMessageStore) -> None:
        self._store = store

    async def _account(self, user: UserEntry) -> tuple[Any, IAccount, Callable[[], None]]:
        account = await self._store.account(user)
        return IAccount, account, account.release

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type[Interface]) -> Any:
        if IAccount not in interfaces:
            raise NotImplementedError("only IAccount is to be had here")
        if isinstance(avatarId, bytes):
            avatarId = avatarId.decode()
        user = avatarId if isinstance(avatarId, UserEntry) else UserEntry(avatarId)
        return Deferred.fromCoroutine(self._account(user))
