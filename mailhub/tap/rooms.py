"""Builds the rooms of the house out of settings: store, users, login. Nothing here listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet.task import deferLater

from mailhub.auth.anypassword import AnyPassword
from mailhub.auth.interfaces import ILogin
from mailhub.auth.users import IUserSource, UserSources
from mailhub.concurrency.pool import IThreads
from mailhub.config.settings import Settings
from mailhub.store.interfaces import IMessageStore


def message_store(reactor: Any, threads: IThreads, settings: Settings) -> IMessageStore:
    """Return the configured store."""
    if settings.store.kind == "memory":
        from mailhub.memory.store import MemoryStore

        memory = MemoryStore(clock=reactor, settings=settings.store, pause=lambda: deferLater(reactor, 0))
        return cast(IMessageStore, memory)
    from mailhub.maildir.store import MaildirStore

    store = MaildirStore(reactor=reactor, threads=threads, settings=settings.store, data=settings.server.data)
    return cast(IMessageStore, store)


def user_sources(threads: IThreads, settings: Settings) -> IUserSource:
    """Return who may log in and who has mail: the users file first, then any name with the one password."""
    sources: list[IUserSource] = []
    if settings.auth.users is not None:
        from mailhub.auth.passwdfile import PasswdFile

        sources.append(PasswdFile(Path(settings.auth.users), threads, settings.auth.lowercase))
    if settings.auth.password is not None:
        sources.append(AnyPassword(settings.auth.password, settings.auth.lowercase))
    return sources[0] if len(sources) == 1 else UserSources(sources)


def login_for(reactor: Any, store: IMessageStore, users: IUserSource, settings: Settings) -> ILogin:
    """Return the way in for all protocols."""
    from mailhub.auth.login import Login

    return Login(reactor=reactor, store=store, users=users, settings=settings.auth)


def protocols(
    reactor: Any,
    threads: IThreads,
    store: IMessageStore,
    users: IUserSource,
    login: ILogin,
    settings: Settings,
    tls: Any,
) -> dict[str, Any]:
    """Return the protocol factories by name."""
    from mailhub.delivery.delivery import Delivery
    from mailhub.imap.protocol import ImapFactory
    from mailhub.lmtp.factory import LmtpFactory
    from mailhub.pop3.factory import Pop3Factory

    limit = settings.store.message_limit
    return {
        "imap": ImapFactory(
            reactor=reactor, login=login, settings=settings.imap, tls=tls, message_limit=limit, threads=threads
        ),
        "pop3": Pop3Factory(reactor=reactor, login=login, settings=settings.pop3, tls=tls),
        "lmtp": LmtpFactory(
            reactor=reactor,
            delivery=Delivery(store=store, users=users),
            settings=settings.lmtp,
            message_limit=limit,
            tls=tls,
        ),
    }
