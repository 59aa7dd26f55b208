"""Identities that trust each other, and a server with the trivial skid behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.opcua.certificates import Identity, introduce, own_identity

SERVER_URI = "urn:minifactory:test:skid1"
CLIENT_URI = "urn:minifactory:test:orbit1"


@pytest.fixture
def server_identity(tmp_path: Path) -> Identity:
    """The skid's identity; trusts nobody yet."""
    return own_identity(tmp_path / "skid", SERVER_URI)


@pytest.fixture
def client_identity(tmp_path: Path) -> Identity:
    """The controller's identity; trusts nobody yet."""
    return own_identity(tmp_path / "orbit", CLIENT_URI)


@pytest.fixture
def introduced(server_identity: Identity, client_identity: Identity) -> tuple[Identity, Identity]:
    """Server and client identity that trust each other."""
    introduce(server_identity, client_identity)
    return server_identity, client_identity
