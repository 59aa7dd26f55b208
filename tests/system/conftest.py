"""Runs of the case that several tests look at; each is made once per session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.links import Options
from minifactory.app.main_job import Outcome, examine, run_case
from minifactory.historian import Store, load_run
from minifactory.records.run import Run
from tests.commands import minifactory

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"
SAMPLES = "3"


@dataclass(frozen=True)
class Done:
    """A command `run` that came to its end, and what it recorded."""

    folder: Path
    output: str
    errors: str
    code: int
    run: Run
    store: Store
    record: Path

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on its standard output."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def done(folder: Path, *words: str) -> Done:
    """The case run by the command line in `folder`."""
    ended = minifactory(folder, "run", CASE, "--samples", SAMPLES, *words)
    store = Store(folder / "runs" / "minifactory.db")
    (found,) = store.runs()
    record = folder / "runs" / found.identifier / "record.html"
    return Done(
        folder, ended.stdout, ended.stderr, ended.returncode, load_run(store, found.identifier), store, record
    )


@pytest.fixture(scope="session")
def case() -> Case:
    return open_case(CASE)


@pytest.fixture(scope="session")
def over_opcua(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The main job over secured OPC UA in lock-step, with ``--json``."""
    return done(tmp_path_factory.mktemp("opcua"), "--speed", "max", "--json")


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The main job in memory, for people."""
    return done(tmp_path_factory.mktemp("memory"), "--in-memory")


@pytest.fixture(scope="session")
def identical(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The case on a virtual skid whose truth is the prediction's."""
    folder = tmp_path_factory.mktemp("identical")
    return run_case(case, Options(in_memory=True, identical=True), folder, *examine(case, 0))


RECIPE = """\
name: short
version: "1"
description: Two steps for tests of the link
procedure:
  test:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, set: {Pressure.Limit: 0.5 MPa}}
    safe: {outlet: waste}
    operations:
      only:
        phases:
          first: {kind: equilibrate, column: C1, flow: 6 mL/min, until: 6 mL}
          second: {kind: wash, outlet: pool, flow: 3 mL/min, until: 20 CV}
          third: {kind: wash, outlet: waste, until: 1 mL}
"""
TARGETS = """\
source: assumed
targets:
  duration: "<= 10 h"
  max_pressure: "<= 0.5 MPa"
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A case of the same plant with two steps: 1 min, and then hours."""
    folder = tmp_path / "short"
    folder.mkdir()
    for name in ("factory.yaml", "parameters.yaml"):
        (folder / name).write_bytes((CASE / name).read_bytes())
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    return folder
