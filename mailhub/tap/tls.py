"""TLS for the ports: the user's certificate, or one for localhost from a CA of our own under DATA/tls.

Keys are EC P-256, made in a millisecond where RSA would take a good part of a second. The CA stays over restarts, so
that a client told once to trust DATA/tls/ca.pem goes on doing so; the certificate is renewed when it runs out.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, PKey, load_certificate, load_privatekey
from twisted.internet.ssl import CertificateOptions, TLSVersion

CA_DAYS = 3650
CERTIFICATE_DAYS = 800
"""Some clients refuse certificates that are good for more than 825 days."""
RENEW_DAYS = 7


class TlsError(Exception):
    """Certificate or key cannot be used; the message names the file."""


def context(certificate: Path, key: Path) -> CertificateOptions:
    """Return the TLS context of a certificate chain and a key in PEM files. Raises TlsError."""
    chain = _chain(certificate)
    options = CertificateOptions(
        privateKey=_key(key),
        certificate=chain[0],
        extraCertChain=chain[1:],
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    try:
        options.getContext().check_privatekey()
    except SSL.Error:
        raise TlsError(f"{key} is not the key of {certificate}") from None
    return options


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from None


def _chain(path: Path) -> list[X509]:
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in _read(path).split(end)[:-1]]
    try:
        chain = [load_certificate(FILETYPE_PEM, part) for part in parts]
    except (SSL.Error, ValueError):
        chain = []
    if not chain:
        raise TlsError(f"{path}: no certificate in PEM form")
    return chain


def _key(path: Path) -> PKey:
    try:
        return load_privatekey(FILETYPE_PEM, _read(path))
    except Exception:
        raise TlsError(f"{path}: no private key in PEM form, or one with a passphrase") from None


def lab_certificate(folder: Path) -> tuple[Path, Path]:
    """Return certificate and key for localhost under `folder`, made if they are missing or about to run out.

    `folder`/ca.pem is what clients are to trust. Raises OSError, TlsError."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    if not (key.exists() and _good(certificate)):
        folder.mkdir(parents=True, exist_ok=True)
        _make(folder, certificate, key)
    return certificate, key


def _good(certificate: Path) -> bool:
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return parsed.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def _make(folder: Path, certificate: Path, key: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName

    authority, authority_key = _authority(folder)
    own_key = ec.generate_private_key(ec.SECP256R1())
    names: list[Any] = [DNSName("localhost"), IPAddress(ip_address("127.0.0.1")), IPAddress(ip_address("::1"))]
    signed = _builder("localhost", authority.subject, own_key.public_key(), CERTIFICATE_DAYS)
    signed = signed.add_extension(SubjectAlternativeName(names), critical=False)
    signed = _extended(signed, own_key.public_key(), authority_key.public_key(), is_authority=False)
    _write(key, _private(own_key), 0o600)
    _write(certificate, _pem(signed, authority_key), 0o644)


def _authority(folder: Path) -> tuple[Any, Any]:
    """Return the CA's certificate and key, made if there is none that still serves."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path, key_path = folder / "ca.pem", folder / "ca-key.pem"
    if key_path.exists() and _good(path):
        return (
            x509.load_pem_x509_certificate(path.read_bytes()),
            load_pem_private_key(key_path.read_bytes(), None),
        )
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial in the name keeps two labs' CAs apart in a client's trust store.
    name = f"mailhub lab CA {os.urandom(4).hex()}"
    builder = _extended(
        _builder(name, None, key.public_key(), CA_DAYS), key.public_key(), key.public_key(), is_authority=True
    )
    pem = _pem(builder, key)
    _write(key_path, _private(key), 0o600)
    _write(path, pem, 0o644)
    return x509.load_pem_x509_certificate(pem), key


def _builder(common_name: str, issuer: Any, public_key: Any, days: int) -> Any:
    from cryptography import x509

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _extended(builder: Any, public_key: Any, issuer_key: Any, is_authority: bool) -> Any:
    """Add what RFC 5280 section 4.2.1 asks of a CA's or a server's certificate; strict verifiers miss it otherwise."""
    from cryptography import x509

    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = builder.add_extension(
        x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True
    )
    builder = builder.add_extension(
        x509.KeyUsage(digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usage),
        critical=True,
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    if not is_authority:
        server = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(server, critical=False)
    return builder


def _pem(builder: Any, key: Any) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    pem: bytes = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return pem


def _private(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _write(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)
