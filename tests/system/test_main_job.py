"""`minifactory run` as a user sees it: what is printed where, exit codes, and the commands on its record."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet
import pytest

from minifactory.records.performance import FIGURES
from tests.commands import minifactory
from tests.system.conftest import CASE, Done

pytestmark = pytest.mark.slow


def test_with_json_there_is_one_document_on_stdout(over_opcua: Done) -> None:
    assert over_opcua.code == 0
    document = over_opcua.document  # json.loads accepts one document and nothing else
    assert {"state", "performance", "prediction", "deviation", "targets", "record"} <= set(document)
    assert document["state"] == "Complete"
    assert document["decision"] == "targets met"
    assert set(FIGURES) <= set(document["performance"])
    assert set(FIGURES) == set(document["prediction"])
    assert {item["figure"] for item in document["targets"]} >= {"yield", "purity", "duration"}
    assert all(item["met"] for item in document["targets"])
    assert set(document["deviation"]) == {"figures", "trends", "fronts", "phases"}
    assert document["run"] == over_opcua.run.identifier
    assert (over_opcua.folder / document["record"]).samefile(over_opcua.record)
    assert document["provenance"]["backend"] == "OPC UA"


def test_the_figures_are_plausible_and_consistent(over_opcua: Done) -> None:
    document = over_opcua.document
    figures = document["performance"]
    assert 0.85 <= figures["yield"] <= 1.0
    assert 0.95 <= figures["purity"] <= 1.0
    assert figures["yield"] == pytest.approx(figures["pool_mass"] / figures["loaded_mass"])
    assert figures["pool_concentration"] == pytest.approx(figures["pool_mass"] / figures["pool_volume"])
    assert figures["duration"] == over_opcua.run.duration
    for name, item in document["prediction"].items():
        if item["lower"] is not None:
            assert item["lower"] <= item["upper"], name


def test_progress_goes_to_stderr_only(over_opcua: Done, in_memory: Done) -> None:
    for item in (over_opcua, in_memory):
        assert "cex.elution.elute" in item.errors
        assert re.search(r"Running .* CV, .* left .*UV .*cond .*pH .*pressure", item.errors)
        assert "Traceback" not in item.errors
    assert "cex.elution.elute" not in in_memory.output


def test_the_last_line_is_the_path_of_the_record(in_memory: Done) -> None:
    assert in_memory.code == 0
    (line,) = in_memory.output.splitlines()
    assert (in_memory.folder / line).samefile(in_memory.record)


def test_nothing_is_left_behind(over_opcua: Done) -> None:
    """Besides the record: the database and its journals, nothing of spool or lock."""
    runs = over_opcua.folder / "runs"
    assert {item.name for item in over_opcua.folder.iterdir()} == {"home", "runs"}
    names = {item.name for item in runs.iterdir()} - {over_opcua.run.identifier, "minifactory.db"}
    assert names <= {"minifactory.db-wal", "minifactory.db-shm", "spool"}
    assert not list((runs / "spool").glob("*"))


def test_runs_are_listed(over_opcua: Done) -> None:
    ended = minifactory(over_opcua.folder, "runs", "list", "--json")
    assert ended.returncode == 0
    (found,) = json.loads(ended.stdout)["runs"]
    assert (found["identifier"], found["state"]) == (over_opcua.run.identifier, "Complete")
    assert over_opcua.run.identifier in minifactory(over_opcua.folder, "runs", "list").stdout


def test_a_run_is_shown(over_opcua: Done) -> None:
    ended = minifactory(over_opcua.folder, "runs", "show", over_opcua.run.identifier, "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert len(document["phases"]) == 15
    assert document["trends"]["UV1.Signal"] > 30_000


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_run_is_exported(over_opcua: Done, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"run.{suffix}"
    ended = minifactory(over_opcua.folder, "runs", "export", over_opcua.run.identifier, file)
    assert (ended.returncode, ended.stdout.strip()) == (0, str(file))
    if suffix == "parquet":
        assert pyarrow.parquet.read_table(file).num_rows > 30_000
    else:
        assert "UV1.Signal" in file.read_text(encoding="utf-8").splitlines()[0:5].__repr__()


def test_the_record_of_a_run_is_found_and_verified(over_opcua: Done) -> None:
    name = over_opcua.run.identifier
    reported = minifactory(over_opcua.folder, "runs", "report", name)
    assert reported.returncode == 0
    assert Path(reported.stdout.strip()).samefile(over_opcua.record)
    verified = minifactory(over_opcua.folder, "runs", "verify", name, "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["intact"] is True


def test_an_unknown_run_is_answered_with_the_closest(over_opcua: Done) -> None:
    for word in ("show", "report", "verify"):
        ended = minifactory(over_opcua.folder, "runs", word, over_opcua.run.identifier[:-1])
        assert ended.returncode == 2
        assert over_opcua.run.identifier in ended.stderr


def test_held_with_nobody_to_ask_the_run_is_stopped_with_the_reason(tmp_path: Path, short: Path) -> None:
    recipe = short / "recipe.yaml"
    interlock = 'interlocks: {high: {when: "Pressure > 0.4 MPa", action: hold, message: too high}}\n'
    recipe.write_text(interlock + recipe.read_text(encoding="utf-8"), encoding="utf-8")
    ended = minifactory(
        *(tmp_path, "run", short, "--in-memory", "--samples", "0", "--json"),
        *("--fault", "constant:Pressure.System=0.45 MPa@300 s"),
    )
    document = json.loads(ended.stdout)
    assert ended.returncode == 3
    assert document["state"] == "Stopped"
    assert "Held for 10 min" in " ".join(document["reasons"])
    assert "too high" in " ".join(document["reasons"])


def test_nobody_at_the_other_end_is_exit_3(tmp_path: Path, short: Path) -> None:
    ended = minifactory(
        tmp_path, "run", short, "--samples", "0", "--connect", "opc.tcp://127.0.0.1:9", "--json"
    )
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"] == "EquipmentError"
    assert "127.0.0.1:9" in ended.stderr


def test_the_case_itself_was_not_touched(over_opcua: Done) -> None:
    assert not [
        item
        for item in CASE.iterdir()
        if item.suffix not in (".yaml", ".md") and item.name not in ("data", "studies", "expected.json")
    ]
    assert over_opcua.record.is_file()
