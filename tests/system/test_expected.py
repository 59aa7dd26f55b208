"""Every case against its ``expected.json``: figures of performance, each with an absolute tolerance.

`by` says how they come about: ``run`` (on the virtual skid in memory, whose truth is not that of the
prediction) or ``simulate``. A case without the file fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.links import Options
from minifactory.app.main_job import examine, run_case
from minifactory.app.predict import predict
from minifactory.app.predict_plant import predict_plant
from minifactory.campaign.gate import gate
from minifactory.campaign.targets import Target
from minifactory.records.performance import FIGURES, Performance
from minifactory.units import FRACTION, POSITIVE, Kind, parse

CASES = sorted(item.parent for item in (Path(__file__).parents[2] / "cases").glob("*/factory.yaml"))


@dataclass(frozen=True)
class Expected:
    """One figure of a case, SI."""

    figure: str
    value: float
    tolerance: float
    kind: Kind


def kind_of(figure: str) -> Kind:
    if figure.startswith("share."):
        return FRACTION
    return POSITIVE if figure.startswith("log_reduction.") else FIGURES[figure].kind


def expected_figures(document: dict[str, Any]) -> Iterator[Expected]:
    for figure, stated in document["figures"].items():
        kind = kind_of(figure)
        value, tolerance = (parse(stated[key], kind).value for key in ("value", "tolerance"))
        yield Expected(figure, value, tolerance, kind)


def performance(case: Case, by: str, folder: Path) -> Performance:
    """That of the case as `by` says; the gate must be open and the targets met."""
    if by == "simulate":
        prediction = predict(case, 0) if len(case.bounds) == 1 else predict_plant(case, 0).whole
        assert gate(prediction, case.targets).passed
        return prediction.performance
    assert by == "run"
    outcome = run_case(case, Options(in_memory=True), folder, *examine(case, 0))
    assert outcome.exit_code == 0
    assert outcome.performance is not None
    return outcome.performance


@pytest.mark.parametrize("folder", CASES, ids=lambda item: item.name)
def test_the_case_gives_what_it_says(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    wanted = list(expected_figures(document))
    assert wanted
    found = performance(open_case(folder, several=True), document["by"], tmp_path)
    values = {item.figure: Target(item.figure, True, 0.0, item.kind).value(found) for item in wanted}
    assert values == {item.figure: pytest.approx(item.value, abs=item.tolerance) for item in wanted}
