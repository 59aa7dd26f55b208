"""The skid as a process of its own: announces itself, ends when asked, does not outlive its parent."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.skid.server import main, parse_speed

REPOSITORY = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "tests.skid.plug_flow_server"]
PATIENCE = 300.0


def start(folder: Path, speed: str = "lockstep") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SERVER, str(folder), speed],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_its_endpoint_and_ends_cleanly_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        assert announced["endpoint"].startswith("opc.tcp://127.0.0.1:")
        assert announced["skid"] == "akta1"
        assert announced["pid"] == process.pid
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output, errors) == (0, "", "")


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({[*SERVER, str(tmp_path), 'real']!r})\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        skid = json.loads(parent.stdout.readline())["pid"]
        watched = os.pidfd_open(skid)
        parent.kill()
        parent.wait(timeout=PATIENCE)
        ended, _, _ = select.select([watched], [], [], PATIENCE)
        os.close(watched)
        assert ended, "the skid outlived its parent"


@pytest.mark.parametrize(("text", "speed"), [("real", 1.0), ("20", 20.0), ("lockstep", None)])
def test_speeds_are_read(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["max", "0", "-1", "nan", "1e9", ""])
def test_other_speeds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a speed"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--speed", "2x"], '"2x" is not a speed'),
        (["--skid", "akta9"], 'Did you mean "akta1"'),
        (["--fault", "nan:pH.Signl@10 s"], 'Did you mean "pH.Signal"'),
    ],
)
def test_bad_input_ends_with_a_finding_and_code_2(
    cases: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    code = main(["--case", str(cases / "cex-polish"), "--pki", str(tmp_path), *arguments])
    output, errors = capsys.readouterr()
    assert code == 2
    assert output == ""
    assert reason in errors
