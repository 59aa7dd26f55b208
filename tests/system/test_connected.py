"""A stand-alone skid and `run --connect`: trust decides, the run goes on until it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minifactory.opcua.certificates import introduce, own_identity
from tests.commands import COMMAND, environment, minifactory
from tests.system.going import PATIENCE, going

pytestmark = pytest.mark.slow


@pytest.fixture
def endpoint(tmp_path: Path, short: Path) -> Iterator[str]:
    """The URL of `minifactory skid` at speed 20."""
    with subprocess.Popen(
        [*COMMAND, "skid", str(short), "--port", "0", "--speed", "20"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield line.split('"endpoint": "')[1].split('"')[0]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0


def test_who_is_not_trusted_is_refused_and_then_runs(tmp_path: Path, short: Path, endpoint: str) -> None:
    refused = minifactory(tmp_path, "run", short, "--samples", "0", "--connect", endpoint, "--speed", "20")
    assert refused.returncode == 3
    assert "Traceback" not in refused.stderr
    assert "trust" in refused.stderr
    pki = tmp_path / "home" / "pki"
    introduce(
        own_identity(pki / "orbit", "urn:minifactory:orbit"),
        own_identity(pki / "skid-akta1", "urn:minifactory:skid:akta1", ("localhost", "127.0.0.1")),
    )
    with going(tmp_path, short, "--connect", endpoint, "--speed", "20") as command:
        command.wait_for("test.only.second")
        os.kill(command.process.pid, signal.SIGINT)
        assert command.end() == 3
        said = command.said.decode()
    run = command.run
    assert "Traceback" not in said
    assert f"by {endpoint}" in said
    assert (run.state, run.origin) == ("Aborted", "skid")
    assert run.phases[0].reason == "6 mL"
