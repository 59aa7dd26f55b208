"""Opening a case, and the options of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.home import runs_folder
from minifactory.app.links import Options
from minifactory.cli.running import options
from minifactory.errors import EnvironmentFault, InputError


def test_an_opened_case_knows_the_hashes_of_its_files(cases: Path) -> None:
    case = open_case(cases / "cex-polish")
    assert case.name == "cex-polish"
    assert set(case.hashes) == {
        *("factory.yaml", "recipe.yaml", "parameters.yaml", "targets.yaml", "original.yaml")
    }
    for name, value in case.hashes.items():
        assert value == hashlib.sha256((cases / "cex-polish" / name).read_bytes()).hexdigest()


def test_the_measured_file_is_found_in_the_data_folder(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tmp_path / "case"
    case.mkdir()
    for file in (cases / "cex-polish").glob("*.yaml"):
        (case / file.name).write_bytes(file.read_bytes())
    monkeypatch.delenv("MINIFACTORY_DATA", raising=False)
    before = open_case(case).original
    assert before is not None
    assert before.path is None
    (tmp_path / "data" / "akta").mkdir(parents=True)
    file = tmp_path / "data" / "akta" / "pH5pt1_25pt2CV.asc"
    file.write_bytes(b"")
    monkeypatch.setenv("MINIFACTORY_DATA", str(tmp_path / "data"))
    after = open_case(case).original
    assert after is not None
    assert after.path == file


@pytest.mark.parametrize(
    ("speed", "factor", "text"), [("max", None, "max"), ("real", 1.0, "real"), ("20", 20.0, "20")]
)
def test_speeds(speed: str, factor: float | None, text: str) -> None:
    found = options(speed, False, "", False, 1, ())
    assert found == Options(speed=factor)
    assert found.speed_text == text


def test_a_real_server_sets_the_pace() -> None:
    assert options("max", False, "opc.tcp://somewhere:4840", False, 1, ()).speed == 1.0


@pytest.mark.parametrize("speed", ["fast", "0", "-3", "nan", "inf", "1e9", ""])
def test_other_speeds_are_refused(speed: str) -> None:
    with pytest.raises(InputError, match="--speed"):
        options(speed, False, "", False, 1, ())


def test_a_folder_of_runs_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="cannot be made"):
        runs_folder(tmp_path / "file" / "runs")
