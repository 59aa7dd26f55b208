"""Identities are made once, kept private, renewed when expired; trust is explicit."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from minifactory.errors import EnvironmentFault, InputError
from minifactory.opcua import certificates as pki

URI = "urn:minifactory:test:one"
EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


def test_certificate_is_what_basic256sha256_asks(tmp_path: Path) -> None:
    identity = pki.own_identity(tmp_path, URI)
    parsed = x509.load_der_x509_certificate(identity.certificate)
    key = parsed.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size >= 2048
    assert parsed.signature_hash_algorithm is not None
    assert parsed.signature_hash_algorithm.name == "sha256"
    assert pki.application_uris(identity.certificate) == (URI,)
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    assert pki.weakness(identity.certificate) == ""


def test_key_is_private_and_reused(tmp_path: Path) -> None:
    first = pki.own_identity(tmp_path, URI)
    key_file = tmp_path / "own" / "key.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
    assert pki.own_identity(tmp_path, URI) == first
    assert "PRIVATE" not in repr(first)


def test_renewed_when_expired_and_when_uri_changes(tmp_path: Path) -> None:
    first = pki.own_identity(tmp_path, URI, now=EPOCH)
    assert pki.own_identity(tmp_path, URI, now=EPOCH + timedelta(days=1)) == first
    later = EPOCH + pki.VALID_FOR - pki.RENEW_BEFORE + timedelta(days=1)
    second = pki.own_identity(tmp_path, URI, now=later)
    assert second.certificate != first.certificate
    assert "expired" in pki.weakness(first.certificate, EPOCH + pki.VALID_FOR + timedelta(days=1))
    assert pki.weakness(second.certificate, EPOCH + pki.VALID_FOR + timedelta(days=1)) == ""
    assert "not valid before" in pki.weakness(second.certificate, EPOCH)
    third = pki.own_identity(tmp_path, URI + ":other", now=later)
    assert pki.application_uris(third.certificate) == (URI + ":other",)


def test_damaged_key_is_replaced_by_a_fresh_pair(tmp_path: Path) -> None:
    first = pki.own_identity(tmp_path, URI)
    (tmp_path / "own" / "key.pem").write_bytes(b"nonsense")
    assert pki.own_identity(tmp_path, URI).certificate != first.certificate


def _identity_in_process(folder: str) -> bytes:
    return pki.own_identity(Path(folder), URI).certificate


def test_processes_that_start_together_share_one_identity(tmp_path: Path) -> None:
    with get_context("spawn").Pool(2) as pool:
        made = pool.map(_identity_in_process, [str(tmp_path)] * 2)
        pool.close()
        pool.join()
    assert made[0] == made[1]


def test_trust_is_explicit_and_can_be_taken_back(tmp_path: Path) -> None:
    one = pki.own_identity(tmp_path / "one", URI)
    other = pki.own_identity(tmp_path / "other", "urn:minifactory:test:other")
    assert not pki.is_trusted(one.folder, other.certificate)
    mark = pki.reject(one.folder, other.certificate)
    assert [entry.trusted for entry in pki.trust_list(one.folder)] == [False]
    pki.trust(one.folder, pki.find_certificate(one.folder, mark[:6]))
    (entry,) = pki.trust_list(one.folder)
    assert entry.trusted
    assert entry.application_uri == "urn:minifactory:test:other"
    assert entry.thumbprint == mark
    assert pki.is_trusted(one.folder, other.certificate)
    pki.reject(one.folder, other.certificate)
    assert not pki.is_trusted(one.folder, other.certificate)


def test_introduction_is_mutual(tmp_path: Path) -> None:
    one = pki.own_identity(tmp_path / "one", URI)
    other = pki.own_identity(tmp_path / "other", URI + ":other")
    pki.introduce(one, other)
    assert pki.is_trusted(one.folder, other.certificate)
    assert pki.is_trusted(other.folder, one.certificate)


def test_stray_files_trust_nobody(tmp_path: Path) -> None:
    identity = pki.own_identity(tmp_path, URI)
    (tmp_path / "trusted" / "notes.pem").write_text("not a certificate")
    assert not pki.is_trusted(tmp_path, identity.certificate)
    assert pki.trust_list(tmp_path) == ()


def test_rejected_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "MOST_REJECTED", 1)
    one = pki.own_identity(tmp_path / "one", URI)
    for name in ("a", "b"):
        pki.reject(one.folder, pki.own_identity(tmp_path / name, URI + name).certificate)
    assert len(pki.trust_list(one.folder)) == 1


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="DER or PEM"):
        pki.trust(tmp_path, b"nonsense")
    with pytest.raises(InputError, match="exactly one"):
        pki.find_certificate(tmp_path, "abc")
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(EnvironmentFault, match="MINIFACTORY_HOME"):
        pki.own_identity(blocker / "pki", URI)


def test_home_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path))
    assert pki.home() == tmp_path
    monkeypatch.delenv("MINIFACTORY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert pki.home() == tmp_path / "data" / "minifactory"
