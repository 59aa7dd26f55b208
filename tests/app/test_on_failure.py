"""What a description says is to be done when something fails is what the controller does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.links import Options
from minifactory.app.main_job import examine, run_case

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"
RECIPE = """\
name: failing
version: "1"
procedure:
  test:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, set: {Pressure.Limit: 0.5 MPa}}
    safe: {outlet: waste}
    operations: {only: {phases: {wash: {kind: wash, outlet: waste, flow: 3 mL/min, until: 10 mL}}}}
"""
TARGETS = 'source: assumed\ntargets: {duration: "<= 10 h"}\n'


@pytest.mark.parametrize(
    ("declared", "state", "reason"),
    [
        ("{tags: {pH.Signal: alarm}}", "Complete", "all phases are done"),
        ("{tags: {pH.Signal: abort}}", "Aborted", "pH.Signal is bad or stale"),
    ],
)
def test_a_reading_that_fails(tmp_path: Path, declared: str, state: str, reason: str) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    shutil.copy(CASE / "parameters.yaml", folder)
    factory = (CASE / "factory.yaml").read_text(encoding="utf-8")
    system = "    system: AKTAexplorer 100\n"
    assert system in factory
    block = f"    on_failure: {declared}\n"
    (folder / "factory.yaml").write_text(factory.replace(system, system + block), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    case = open_case(folder)
    options = Options(in_memory=True, faults=("bad:pH.Signal@60 s",))
    outcome = run_case(case, options, tmp_path / "runs", *examine(case, 0))
    assert outcome.run is not None
    assert outcome.run.state == state
    ended = [event.text for event in outcome.run.events if event.category == "transition"]
    assert reason in " ".join(ended)
