"""The verdict on runs that went well, missed, were cut short, or could not be analysed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minifactory.campaign.judge import Decision, judge
from minifactory.campaign.targets import Target, Targets
from minifactory.records.compare import compare
from minifactory.records.performance import evaluate
from minifactory.records.pools import UvAssay
from minifactory.records.prediction import Prediction
from minifactory.records.run import Event
from minifactory.units import FRACTION
from tests.records.synthetic import CV_TIME, EXTINCTION, PATH_LENGTH, SPECIES, make_run

TARGETS = Targets((Target("yield", True, 0.85, FRACTION), Target("purity", True, 0.9, FRACTION)))


def test_met() -> None:
    run = make_run()
    verdict = judge(run, evaluate(run, SPECIES), TARGETS)
    assert (verdict.decision, verdict.exit_code, verdict.reasons) == (Decision.MET, 0, ())


def test_missed_says_by_how_much() -> None:
    run = replace(make_run(), loaded={"product": 1.125e-5})
    verdict = judge(run, evaluate(run, SPECIES), TARGETS)
    assert (verdict.decision, verdict.exit_code) == (Decision.MISSED, 1)
    assert verdict.reasons == ("Yield 80 %, required >= 85 %: missed by 5 %",)


def test_a_run_cut_short_is_incomplete_with_its_reason() -> None:
    run = make_run(stop_at=3 * CV_TIME)
    run = replace(
        run,
        events=(
            Event(0.0, "run", "akta1", "Run of test"),
            Event(3 * CV_TIME, "run", "orbit", "Aborted: pressure over 0.3 MPa"),
        ),
    )
    verdict = judge(run, evaluate(run, SPECIES), TARGETS)
    assert (verdict.decision, verdict.exit_code) == (Decision.INCOMPLETE, 3)
    assert "pressure over 0.3 MPa" in verdict.reasons[0]


@pytest.mark.parametrize("category", ["transition", "alarm"])
def test_without_an_end_the_last_that_happened_is_the_reason(category: str) -> None:
    run = replace(make_run(stop_at=CV_TIME), events=(Event(1.0, category, "x", "link lost"),))
    assert "link lost" in judge(run, evaluate(run, SPECIES), TARGETS).reasons[0]


def test_an_estimate_from_uv_leaves_purity_open() -> None:
    run = make_run(analysed=False)
    assay = UvAssay("UV1.Signal", PATH_LENGTH, EXTINCTION / 1.2)
    verdict = judge(run, evaluate(run, SPECIES, assay=assay), TARGETS)
    assert verdict.decision is Decision.UNDECIDED
    assert any("estimate from UV" in reason for reason in verdict.reasons)
    assert any("Purity: not known" in reason for reason in verdict.reasons)


def test_what_lies_outside_the_prediction_is_said() -> None:
    nominal = make_run()
    base = evaluate(nominal, SPECIES)
    samples = tuple(replace(base, values={**base.values, "yield": value}) for value in (0.5, 0.6, 0.7))
    prediction = Prediction(nominal, base, samples)
    run = make_run("measured")
    performance = evaluate(run, SPECIES)
    verdict = judge(run, performance, TARGETS, compare(prediction, run, performance))
    assert verdict.decision is Decision.MET
    assert verdict.reasons == ("Outside the predicted interval: yield.",)
