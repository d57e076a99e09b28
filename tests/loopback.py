"""Real sockets on loopback for tests of protocols: a listening factory, blocking clients in threads, TLS."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase

from mailhub.tap.tls import context, lab_certificate

T = TypeVar("T")


class LoopbackTestCase(TestCase):
    """Listens on ports that the kernel chooses."""

    timeout = 60

    def scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="mailhub-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def certificate(self) -> Any:
        """Make a certificate for localhost; return the server's context factory."""
        folder = self.scratch() / "tls"
        certificate, key = lab_certificate(folder)
        self.trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        return context(certificate, key)

    def listen(self, factory: Any, tls: Any = None) -> int:
        """Listen and return the port; on TLS from the first octet, if `tls` is given."""
        served = factory if tls is None else TLSMemoryBIOFactory(tls, False, factory)
        port: Any = reactor.listenTCP(0, served, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(factory.shutdown)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def thread(self, work: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """Run a blocking client."""
        return deferToThread(work, *arguments)
