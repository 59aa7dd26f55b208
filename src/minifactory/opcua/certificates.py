"""Application instance certificates and trust lists: who we are on OPC UA, and whom we believe.

A PKI folder belongs to one application and holds three folders: ``own`` (certificate and private key, made
on first use), ``trusted`` (certificates of the applications that may talk to us) and ``rejected`` (those that
tried). Trusting means moving a certificate from ``rejected`` to ``trusted``; nothing is trusted by itself.

The certificates are self-signed X.509 v3 with RSA 2048 and SHA-256, and carry the application URI in the
subject's alternative name, as OPC 10000-6 (Mappings) section 6.2.2 and the policy Basic256Sha256 ask.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from minifactory.errors import EnvironmentFault, Finding, InputError

KEY_BITS = 2048
VALID_FOR = timedelta(days=5 * 365)
RENEW_BEFORE = timedelta(days=30)
MOST_REJECTED = 50  # a flood of unknown certificates must not fill the disk


@dataclass(frozen=True)
class Identity:
    """An application's own certificate and the PKI folder that it lives in.

    Parameters
    ----------
    application_uri : str
        As in the certificate's subject alternative name.
    folder : Path
        The PKI folder with ``own``, ``trusted`` and ``rejected``.
    certificate : bytes
        DER.
    key : bytes
        Private key, PEM (PKCS 8).
    """

    application_uri: str
    folder: Path
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Identity({self.application_uri!r}, {thumbprint(self.certificate)[:8]})"


@dataclass(frozen=True)
class TrustEntry:
    """A certificate of another application in a trust list."""

    thumbprint: str
    subject: str
    application_uri: str
    expires: datetime
    trusted: bool
    path: Path


def home() -> Path:
    """The user's data folder: env ``MINIFACTORY_HOME``, else ``minifactory`` in the XDG data folder."""
    chosen = os.environ.get("MINIFACTORY_HOME")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "minifactory"


def own_identity(
    folder: Path,
    application_uri: str,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    now: datetime | None = None,
) -> Identity:
    """The application's identity; made on first use, and anew when expired or when the URI has changed.

    Parameters
    ----------
    folder : Path
        The PKI folder; made if missing, readable by its owner only.
    application_uri : str
        E.g. ``urn:minifactory:orbit:akta1``; goes into the certificate.
    hosts : sequence of str
        Names and addresses under which a server is reached; go into the certificate.
    now : datetime, optional
        Time by which validity is judged (UTC); the wall clock by default.

    Raises
    ------
    EnvironmentFault
        The folder cannot be made or written, or holds an unreadable key; names the file.
    """
    now = now or datetime.now(UTC)
    certificate_file, key_file = folder / "own" / "certificate.der", folder / "own" / "key.pem"
    try:
        for part in ("own", "trusted", "rejected"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / "own" / ".lock"):
            if certificate_file.is_file() and key_file.is_file():
                certificate, key = certificate_file.read_bytes(), key_file.read_bytes()
                if _still_good(certificate, key, application_uri, now):
                    os.chmod(key_file, 0o600)
                    return Identity(application_uri, folder, certificate, key)
            certificate, key = _make(application_uri, hosts, now)
            _write(key_file, key, 0o600)
            _write(certificate_file, certificate, 0o644)
    except OSError as fault:
        raise EnvironmentFault(
            Finding(
                str(fault.filename or folder),
                f"certificate store cannot be used ({fault.strerror})",
                "a folder that this user may write",
                "Set MINIFACTORY_HOME to such a folder.",
            )
        ) from fault
    return Identity(application_uri, folder, certificate, key)


def trust(folder: Path, certificate: bytes) -> str:
    """Put `certificate` (DER or PEM) on the trust list of `folder`; its thumbprint comes back."""
    der = _der(certificate, "certificate")
    _store(folder / "trusted", der)
    _remove(folder / "rejected", der)
    return thumbprint(der)


def reject(folder: Path, certificate: bytes) -> str:
    """Take `certificate` (DER or PEM) off the trust list, keep it as rejected; its thumbprint comes back."""
    der = _der(certificate, "certificate")
    _remove(folder / "trusted", der)
    if sum(1 for _ in (folder / "rejected").glob("*.der")) < MOST_REJECTED:
        _store(folder / "rejected", der)
    return thumbprint(der)


def introduce(one: Identity, other: Identity) -> None:
    """Let two applications of the same owner trust each other."""
    trust(one.folder, other.certificate)
    trust(other.folder, one.certificate)


def trust_list(folder: Path) -> tuple[TrustEntry, ...]:
    """All certificates of other applications that `folder` knows, trusted ones first."""
    entries = []
    for part in ("trusted", "rejected"):
        for path, der in _certificates(folder / part):
            parsed = x509.load_der_x509_certificate(der)
            entries.append(
                TrustEntry(
                    thumbprint(der),
                    parsed.subject.rfc4514_string(),
                    (application_uris(der) or ("",))[0],
                    parsed.not_valid_after_utc,
                    part == "trusted",
                    path,
                )
            )
    return tuple(entries)


def find_certificate(folder: Path, beginning: str) -> bytes:
    """The one certificate (DER) in `folder` whose thumbprint begins with `beginning`; else InputError."""
    known = {entry.thumbprint: entry.path for entry in trust_list(folder)}
    found = [mark for mark in known if mark.startswith(beginning.lower().replace(":", ""))]
    if len(found) != 1 or not beginning:
        raise InputError(
            Finding(
                str(folder),
                f'{len(found)} certificates have a thumbprint that begins with "{beginning}"',
                "exactly one",
                f"Known: {', '.join(mark[:12] for mark in sorted(known)) or 'none'}.",
            )
        )
    return _der(known[found[0]].read_bytes(), found[0])


def is_trusted(folder: Path, certificate: bytes) -> bool:
    """Whether exactly this certificate (DER) is on the trust list of `folder`."""
    return any(der == certificate for _, der in _certificates(folder / "trusted"))


def application_uris(certificate: bytes) -> tuple[str, ...]:
    """The application URIs that a certificate (DER) names."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.value.get_values_for_type(x509.UniformResourceIdentifier))


def thumbprint(certificate: bytes) -> str:
    """SHA-1 of the DER as hexadecimal text: how OPC UA names a certificate (a name, no protection)."""
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


def weakness(certificate: bytes, now: datetime | None = None) -> str:
    """Why a certificate (DER) cannot be accepted even if trusted; empty text when nothing is wrong.

    Checks the key (RSA of 2048 to 4096 bits), the signature's hash (SHA-256 or better) and the period of
    validity, as the security policy Basic256Sha256 asks.
    """
    now = now or datetime.now(UTC)
    parsed = x509.load_der_x509_certificate(certificate)
    key = parsed.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not 2048 <= key.key_size <= 4096:
        return "its key is not RSA of 2048 to 4096 bits"
    digest = parsed.signature_hash_algorithm
    if digest is None or digest.digest_size < 32:
        return "it is signed with a hash weaker than SHA-256"
    if now < parsed.not_valid_before_utc:
        return f"it is not valid before {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if now > parsed.not_valid_after_utc:
        return f"it expired on {parsed.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return ""


def _make(application_uri: str, hosts: Sequence[str], now: datetime) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, application_uri.rsplit(":", 1)[-1][:64] or "MiniFactory"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MiniFactory"),
        ]
    )
    alternative: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri)]
    for host in hosts:
        try:
            alternative.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            alternative.append(x509.DNSName(host))
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.DER), pem


def _still_good(certificate: bytes, key: bytes, application_uri: str, now: datetime) -> bool:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
        matches = parsed.public_key() == private.public_key()
    except (ValueError, TypeError):
        return False
    return (
        matches
        and application_uris(certificate) == (application_uri,)
        and not weakness(certificate, now)
        and now + RENEW_BEFORE < parsed.not_valid_after_utc
    )


def _der(certificate: bytes, where: str) -> bytes:
    try:
        if b"-----BEGIN" in certificate:
            parsed = x509.load_pem_x509_certificate(certificate)
        else:
            parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as fault:
        raise InputError(Finding(where, "cannot be read as a certificate", "X.509 in DER or PEM")) from fault
    return parsed.public_bytes(serialization.Encoding.DER)


def _certificates(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in (".der", ".crt", ".cer", ".pem"):
            try:
                yield path, _der(path.read_bytes(), str(path))
            except (InputError, OSError):
                continue  # a stray file in the folder is no certificate and so trusts nobody


def _store(folder: Path, der: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(folder / f"{thumbprint(der)}.der", der, 0o644)


def _remove(folder: Path, der: bytes) -> None:
    for path, known in list(_certificates(folder)):
        if known == der:
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two processes that start together must not each make a key."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
