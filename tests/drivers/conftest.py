"""The trivial skid and the identities of the OPC UA tests, for the drivers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "opcua"))

from minifactory.opcua.certificates import Identity, introduce, own_identity


@pytest.fixture
def introduced(tmp_path: Path) -> tuple[Identity, Identity]:
    """Server and client identity that trust each other."""
    server = own_identity(tmp_path / "skid", "urn:minifactory:test:skid1")
    client = own_identity(tmp_path / "orbit", "urn:minifactory:test:orbit1")
    introduce(server, client)
    return server, client
