"""The command line in this process, for commands that need no process of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minifactory.cli.main import main

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    output: str
    errors: str


Speaks = Callable[..., Said]


@pytest.fixture
def says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Speaks]:
    """A function that runs one command; home and runs lie in `tmp_path`."""
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MINIFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def said(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["minifactory", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        code = ended.value.code
        return Said(0 if code is None else int(code), output, errors)

    yield said
    capsys.readouterr()


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A copy of the case that may be damaged."""
    folder = tmp_path / "cex-polish"
    folder.mkdir()
    for file in CASE.glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder
