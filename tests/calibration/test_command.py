"""The command `generate`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands import minifactory


def test_the_command_writes_a_case_and_prints_what_is_open(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "akta" / "unicorn7_capto_q.zip"
    done = minifactory(tmp_path, "generate", file, "-o", "cases/q", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["system"] == "AKTA pure 25"
    assert max(abs(item["difference_cv"]) for item in told["fronts"]) <= 0.05
    assert {item["about"] for item in told["open_questions"]} >= {"columns.C1.binding", "materials.feed"}
    assert sorted(path.name for path in (tmp_path / "cases" / "q").iterdir()) == [
        "README.md",
        "factory.yaml",
        "original.yaml",
        "parameters.yaml",
        "recipe.yaml",
        "targets.yaml",
    ]
    again = minifactory(tmp_path, "generate", file, "-o", "cases/q")
    assert again.returncode == 2
    assert "at this place already" in again.stderr


def test_a_file_without_a_log_is_refused_with_all_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("time [s],UV 280 [mAU]\n0,1\n1,2\n2,3\n")
    done = minifactory(tmp_path, "generate", "plain.csv")
    assert done.returncode == 2
    assert "no logbook" in done.stderr
    assert "conductivity" in done.stderr
    assert not (tmp_path / "cases").exists()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign.zip").write_bytes(b"PK\x03\x04 not a result")
    done = minifactory(tmp_path, "generate", "foreign.zip", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["findings"]
    assert "Traceback" not in done.stderr
