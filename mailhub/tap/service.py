"""The running server: rooms, ports, and a stop that finishes what is under way.

Ports are bound in privilegedStartService, which twistd calls before it gives up root and before the reactor runs: a
port that cannot be had ends the process with one line and status 1. Whatever is slow to import is imported there too,
after twistd has become a daemon.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailhub.concurrency.pool import Threads
from mailhub.config.settings import Settings
from mailhub.config.sources import Loaded
from mailhub.store.interfaces import IMessageStore
from mailhub.tap import listeners, ready
from mailhub.tap.door import Crowd, Door, allowed
from mailhub.tap.failure import StartFailed
from mailhub.tap.rooms import login_for, message_store, protocols, user_sources

TITLES = {
    "imap": "IMAP with STARTTLS",
    "imaps": "IMAP on TLS",
    "pop3": "POP3 with STLS",
    "pop3s": "POP3 on TLS",
    "lmtp": "LMTP",
}


class Mailhub(MultiService):
    """All of mailhub as one service of a twistd application."""

    log = Logger()

    def __init__(self, reactor: Any, loaded: Loaded) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._loaded = loaded
        self._threads = Threads(reactor)
        self._clean = True
        """Whether a stop met nothing that took too long."""
        self._store: Any = None
        self._factories: dict[str, Any] = {}
        self._crowd: Any = None
        self._ports: dict[str, list[Any]] = {service: [] for service in listeners.SERVICES}
        self._pending: list[Deferred[Any]] = []
        self._troubles: list[Failure] = []

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._loaded.settings

    @property
    def store(self) -> IMessageStore:
        """The store, once privilegedStartService() has run."""
        store: IMessageStore = self._store
        return store

    @property
    def places(self) -> dict[str, list[dict[str, Any]]]:
        """Where each service listens, as the ready file shows it."""
        return {service: [listeners.place(port.getHost()) for port in ports] for service, ports in self._ports.items()}

    def privilegedStartService(self) -> None:
        """Build everything and bind the ports. Raises StartFailed."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        # All that is imported and built from here on stays: the collector would look through it several times in vain,
        # which is a tenth of the time that a start takes. It comes back once the server is ready.
        gc.disable()
        self._reactor.addSystemEventTrigger("after", "shutdown", self._end_threads)
        self._look_at_files()
        tls = self._context()
        try:
            self._build(tls)
        except ValueError as error:
            raise StartFailed(str(error)) from None
        for service in listeners.SERVICES:
            for listener in listeners.parse(service, getattr(self.settings.listen, service)):
                self._listen(listener, tls)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        DeferredList(self._pending).addCallback(lambda _: self._reactor.callWhenRunning(self._listening))

    def _look_at_files(self) -> None:
        """Find out now what would only be noticed at the first login, or once every port listens."""
        server, users = self.settings.server, self.settings.auth.users
        try:
            Path(server.data).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"{server.data}: {error.strerror}; choose another with --data") from None
        if users is not None and not os.access(users, os.R_OK):
            raise StartFailed(f"{users}: there is no such file, or it may not be read (auth.users)")
        if server.ready_file is not None and not os.access(Path(server.ready_file).parent, os.W_OK):
            raise StartFailed(f"{server.ready_file}: its folder is missing, or may not be written (server.ready_file)")

    def _context(self) -> Any:
        from mailhub.tap.tls import TlsError, context, lab_certificate

        chosen = self.settings.tls
        try:
            if chosen.cert is not None and chosen.key is not None:
                return context(Path(chosen.cert), Path(chosen.key))
            return context(*lab_certificate(Path(self.settings.server.data) / "tls"))
        except (TlsError, OSError, ValueError) as error:
            raise StartFailed(f"TLS: {error}") from None

    def _build(self, tls: Any) -> None:
        settings, reactor = self.settings, self._reactor
        self._store = message_store(reactor, self._threads, settings)
        users = user_sources(self._threads, settings)
        login = login_for(reactor, self._store, users, settings)
        factories = self._factories = protocols(reactor, self._threads, self._store, users, login, settings, tls)
        limit = allowed(settings.server.connection_limit)
        self._crowd = Crowd(reactor, limit, lambda: sum(factory.connections for factory in factories.values()))

    def _listen(self, listener: listeners.Listener, tls: Any) -> None:
        factory = self._factories[listener.service.removesuffix("s")]
        if listener.service in listeners.ON_TLS and not listener.has_tls:
            from twisted.protocols.tls import TLSMemoryBIOFactory

            factory = TLSMemoryBIOFactory(tls, False, factory, self._reactor)
        factory = Door(factory, self._crowd)
        factory.noisy = False  # what listens where is said once, in our own words
        try:
            bound = listener.endpoint(self._reactor).listen(factory)
        except Exception as error:
            raise StartFailed(listeners.cannot_listen(listener, error)) from None
        failures: list[Failure] = []
        bound.addCallbacks(self._ports[listener.service].append, failures.append)
        if failures:
            raise StartFailed(listeners.cannot_listen(listener, failures[0].value))
        if not bound.called:
            self._pending.append(bound.addCallback(lambda _: self._troubles.extend(failures)))

    def _listening(self) -> None:
        """All endpoints have answered, also those of plugins, which may take their time."""
        if self._troubles:
            self.log.error("a port cannot be had: {error}", error=self._troubles[0].value)
            self._reactor.stop()
        else:
            self._started()

    def _started(self) -> None:
        for service, ports in self._ports.items():
            for port in ports:
                self.log.info("{title} on {place}", title=TITLES[service], place=listeners.said(port.getHost()))
        settings = self.settings
        self.log.info("{rule}", rule=password_rule(self._loaded))
        mail = settings.store.mail or f"maildir:{settings.server.data}/mail/%u/Maildir"
        self.log.info("mail in {where}", where="memory" if settings.store.kind == "memory" else mail)
        if settings.tls.cert is None:
            self.log.info("clients trust {ca}", ca=Path(settings.server.data) / "tls" / "ca.pem")
        if settings.server.ready_file is not None:
            try:
                ready.write(Path(settings.server.ready_file), self.places)
            except OSError as error:
                self.log.error("ready file: {error}", error=error)
                self._reactor.stop()
        gc.freeze()
        gc.enable()

    def stopService(self) -> Deferred[Any]:
        """Stop listening, let sessions say goodbye, finish writes; all within server.shutdown_seconds."""
        if self.settings.server.ready_file is not None:
            ready.remove(Path(self.settings.server.ready_file))
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        deadline = self._reactor.seconds() + self.settings.server.shutdown_seconds
        ports = [port for ports in self._ports.values() for port in ports]
        steps: list[tuple[str, Iterable[Callable[[], Any]]]] = [
            ("ports", [port.stopListening for port in ports]),
            ("sessions", [factory.shutdown for factory in self._factories.values()]),
            ("the store", [self._store.close] if self._store is not None else []),
            ("services", [super().stopService]),
        ]
        for what, calls in steps:
            done = DeferredList([maybeDeferred(call).addErrback(self._trouble, what) for call in calls])
            if not await self._ended(done, max(0.1, deadline - self._reactor.seconds())):
                self._clean = False
                self.log.warn("stopping {what} took too long; left as it is", what=what)

    def _ended(self, done: Deferred[Any], seconds: float) -> Deferred[bool]:
        """Return a Deferred with whether `done` fires within `seconds`. It is not cancelled if it does not, since a
        write under way cannot be."""
        waiter: Deferred[bool] = Deferred()
        timer = self._reactor.callLater(seconds, waiter.callback, False)

        def ended(_: object) -> None:
            if not waiter.called:
                timer.cancel()
                waiter.callback(True)

        done.addBoth(ended)
        return waiter

    def _end_threads(self) -> None:
        """Wait for the disk, unless that has been waited for in vain: what is not done then was never acknowledged."""
        if self._clean:
            self._threads.stop()

    def _trouble(self, failure: Failure, what: str) -> None:
        self.log.failure("stopping {what}", failure=failure, what=what)


def password_rule(loaded: Loaded) -> str:
    """Say who may log in, without the password unless everybody knows it."""
    auth, origin = loaded.settings.auth, loaded.origins["auth.password"]
    anyone = (
        'any user with the password "pass" (neither --users nor --password was given)'
        if origin.startswith("default")
        else f"any user with the password of {origin}"
    )
    if auth.users is None:
        return anyone
    listed = f"users of {auth.users}"
    return listed if auth.password is None else f"{listed}; others: {anyone}"
