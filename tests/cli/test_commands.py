"""The commands as they are meant: results on stdout, everything else on stderr, files where asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet
import pytest
from rich.table import Table

from minifactory.cli.output import Exit, print_table, told
from minifactory.opcua.certificates import own_identity, thumbprint
from tests.cli.conftest import Speaks

COMMANDS = ("run", "check", "simulate", "skid", "trust", "import", "runs")


def test_the_help_is_a_table_of_contents(says: Speaks) -> None:
    said = says("--help")
    assert said.code == 0
    for name in COMMANDS:
        assert re.search(rf"^\W*{name}\b", said.output, re.MULTILINE), name
    for name in COMMANDS:
        assert says(name, "--help").code == 0


def test_the_version_is_that_of_the_package(says: Speaks) -> None:
    said = says("--version")
    assert (said.code, said.errors) == (0, "")
    assert version("minifactory") in said.output


def test_check_prints_the_tree_of_phases(case: Path, says: Speaks) -> None:
    said = says("check", case)
    assert said.code == 0
    assert "cex-polish on akta1: 15 phases" in said.output
    for name in ("high_salt", "elute", "storage", "mL/min", "CV"):
        assert name in said.output


def test_check_in_json(case: Path, says: Speaks) -> None:
    said = says("check", case, "--json")
    document = json.loads(said.output)
    assert (said.code, document["passed"]) == (0, True)
    assert len(document["phases"]) == 15
    assert document["assumed"]


def test_simulate_prints_draws_and_exports(case: Path, says: Speaks, tmp_path: Path) -> None:
    picture, table = tmp_path / "run.svg", tmp_path / "run.parquet"
    said = says("simulate", case, "--plot", picture, "--export", table)
    assert said.code == 0
    assert re.search(r"Yield +9\d", said.output)
    assert "predicting" not in said.output
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert pyarrow.parquet.read_table(table).num_rows > 1000


def test_simulate_in_json_with_an_interval(case: Path, says: Speaks, tmp_path: Path) -> None:
    said = says("simulate", case, "--samples", "2", "--json", "--export", tmp_path / "run.csv")
    document = json.loads(said.output)
    assert (said.code, document["targets_met"]) == (0, True)
    low, high = document["intervals"]["yield"]
    assert low <= high
    assert float(document["provenance"]["mass balance"]) < 1e-8
    assert (tmp_path / "run.csv").stat().st_size > 10_000


def test_import_tells_what_is_inside(says: Speaks, tmp_path: Path, shared_data: Path) -> None:
    file = shared_data / "akta" / "pH5pt1_25pt2CV.asc"
    said = says("import", file, "--json", "--plot", tmp_path / "x.png", "--export", tmp_path / "x.json")
    document = json.loads(said.output)
    assert said.code == 0
    assert "UV1_280nm" in said.output
    assert document
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    said = says("import", file)
    assert "column: XK16_SP_Seph_FF_16/25, 50.27 mL" in said.output
    (row,) = [line.split() for line in said.output.splitlines() if line.lstrip().startswith("UV1_280nm")]
    assert row == [
        "UV1_280nm",
        "UV",
        "absorbance",
        "1651",
        "-9.915",
        "200.69",
        "mAU",
        *["0", "to", "528", "0", "to", "2019"],
    ]
    (row,) = [line.split() for line in said.output.splitlines() if line.lstrip().startswith("Sani_1_0N")]
    assert row == ["Sani_1_0N", "490.16", "19.03", "149.47", "2.9733"]
    assert "{" not in said.output.replace("{ml}", "")


def test_trust_lists_trusts_and_rejects(says: Speaks, tmp_path: Path) -> None:
    other = own_identity(tmp_path / "other", "urn:test:other")
    file = tmp_path / "other.der"
    file.write_bytes(other.certificate)
    assert json.loads(says("trust", "orbit", "--json").output) == {"certificates": []}
    said = says("trust", "orbit", "--certificate", file, "--json")
    (entry,) = json.loads(said.output)["certificates"]
    assert entry["trusted"] is True
    assert entry["thumbprint"] == thumbprint(other.certificate)
    said = says("trust", "orbit", entry["thumbprint"][:12], "--reject", "--json")
    (entry,) = json.loads(said.output)["certificates"]
    assert (said.code, entry["trusted"]) == (0, False)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_a_closed_gate_gives_advice_that_holds(case: Path, says: Speaks) -> None:
    """The prediction misses a target: exit 1 and a computed change; the recipe with that change passes."""
    change(case / "targets.yaml", 'duration: "<= 10 h"', 'duration: "<= 9 h"')
    said = says("run", case, "--in-memory", "--samples", "0", "--json")
    document = json.loads(said.output)
    assert said.code == 1
    assert document["state"] == "Gate closed"
    assert document["record"] is None
    (missed,) = [item for item in document["targets"] if not item["met"]]
    assert missed["figure"] == "duration"
    assert missed["missed_by"] == pytest.approx(document["prediction"]["duration"]["value"] - 9 * 3600.0)
    advice = document["gate"]["advice"]
    assert advice[0].startswith("Duration")
    found = re.match(r"(?:Lower|Raise) (\S+) from (\S+ \S+) to (\S+ \S+?):", advice[1])
    assert found is not None, advice
    path, before, after = found.groups()
    assert path == "cex.loading.load.until" or path.startswith("cex.elution.elute")
    recipe = case / "recipe.yaml"
    change(recipe, WRITTEN[path].format(before), WRITTEN[path].format(after))
    assert says("simulate", case).code == 0


WRITTEN = {
    "cex.loading.load.until": 'until: {}\n            note: "log: Load',
    "cex.elution.elute.gradient.over": "over: {}}}",
    "cex.elution.elute.watch.pool_start.when.1": "UV > {} and",
    "cex.elution.elute.watch.pool_end.when.2": "UV < {} and",
}
"""How the recipe writes what may be adjusted."""


def test_tables_cut_nothing_off_on_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("run", "state")
    name = f"{'a-long-name-' * 20}20261125-023801-eae2"
    table.add_row(name, "Complete")
    print_table(table)
    assert name in capsys.readouterr().out


def test_help_is_given_for_the_short_option_too(says: Speaks) -> None:
    assert says("-h").code == says("run", "-h").code == 0


def test_a_file_in_place_of_a_case_is_called_a_file(tmp_path: Path, says: Speaks) -> None:
    file = tmp_path / "factory.yaml"
    file.write_text("name: x", encoding="utf-8")
    said = says("check", file)
    assert said.code == 2
    assert "a file; expected the folder of a case" in said.errors


LOADING = """
import sys
import minifactory.cli.main as command

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "minifactory.cli.checking":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
sys.argv[1:] = ["check", "anything"]
command.main()
"""


def test_ctrl_c_while_a_command_is_loading_is_quiet() -> None:
    ended = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.strip() == "Interrupted."


def test_an_interrupted_command_still_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as caught, told(as_json=True):
        raise KeyboardInterrupt
    said = capsys.readouterr()
    assert caught.value.code == 3
    assert json.loads(said.out)["error"] == "Interrupted"
    assert said.err.strip() == "Interrupted."


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_original_run_that_cannot_be_read_is_told_before_anything_is_run(
    case: Path, says: Speaks, command: str
) -> None:
    (case / "data").mkdir()
    (case / "data" / "odd.asc").write_text("nothing of the sort", encoding="utf-8")
    (case / "original.yaml").write_text("file: odd.asc\nsource: test\n", encoding="utf-8")
    said = says(command, case)
    assert said.code == 2
    assert said.errors.count("original.yaml file: ") == 1
    assert "Or remove original.yaml." in said.errors
    assert not (case.parent / "runs").exists()
