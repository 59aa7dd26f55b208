"""A client of another implementation (node-opcua) is refused before it is trusted, and works after."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from trivial_skid import __file__ as skid_script

from minifactory.opcua.certificates import Identity, own_identity, trust, trust_list
from minifactory.opcua.process import start_server

HERE = Path(__file__).parent
PACKAGE = "node-opcua-client@2.182.2"
OLDEST_NODE = (20, 19)
"""The first that may `require` ES modules, as the package does."""


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node-opcua installed from npm, or a reason to skip."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm and node are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, version.strip().lstrip("v").split(".")[:2])) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is too old for {PACKAGE}")
    folder = tmp_path_factory.mktemp("node")
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
        "--fetch-retries=0",
        PACKAGE,
    ]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not answer")
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"


def foreign(modules: Path, url: str, identity: Identity, folder: Path) -> dict[str, Any]:
    """What the foreign client reports."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(x509.load_der_x509_certificate(identity.certificate).public_bytes(Encoding.PEM))
    key.write_bytes(identity.key)
    arguments = [url, str(certificate), str(key), identity.application_uri, str(folder / "pki")]
    done = subprocess.run(
        [str(shutil.which("node")), str(HERE / "foreign_client.js"), *arguments],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.slow
def test_foreign_client_is_refused_until_trusted(
    node_modules: Path, server_identity: Identity, tmp_path: Path
) -> None:
    stranger = own_identity(tmp_path / "foreign", "urn:foreign:client")
    command = (sys.executable, skid_script, str(server_identity.folder), "real", "0")
    with start_server(command) as server:
        refused = foreign(node_modules, server.endpoint, stranger, tmp_path)
        assert "BadCertificateUntrusted" in refused["refused"]
        (entry,) = trust_list(server_identity.folder)
        assert not entry.trusted
        assert entry.application_uri == stranger.application_uri
        trust(server_identity.folder, stranger.certificate)
        seen = foreign(node_modules, server.endpoint, stranger, tmp_path)
    assert {"System", "UV1", "OutletValve", "Instruction"} <= set(seen["folders"])
    assert "Simulation" not in seen["folders"]
    assert seen["flow"] == 0.0
    assert seen["status"] == "Good"
    assert seen["stamped"] is True
    assert seen["unit"] == "mL/min"
    assert seen["states"] == ["Ready", "Running", "Paused"]
    assert seen["written"] == "Good"
    assert seen["called"] == [True, ""]
