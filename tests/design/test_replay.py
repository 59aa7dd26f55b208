"""Runs along a frozen course are the closed-loop runs, scan for scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.app.case import Case
from minifactory.design.candidates import Evaluation
from minifactory.design.course import NotFrozen, freeze
from minifactory.design.description import Description
from minifactory.design.truth import Series, first_true
from minifactory.design.whole_case import WholeCase
from minifactory.recipe.conditions import Evaluator, Sample, parse_condition
from minifactory.units import ABSORBANCE

CONDITIONS = (
    "UV > 60 mAU and rising(UV, 30 s)",
    "once(UV > 120 mAU) and UV < 40 mAU and falling(UV, 2 min)",
    "for(UV > 50 mAU, 1 min)",
    "peak(UV, 20 mAU)",
    "valley(UV, 20 mAU)",
    "stable(UV, 1 mAU, 2 min)",
    "above(UV, 90 mAU, 50 mAU)",
    "below(UV, 50 mAU, 90 mAU) and volume >= 20 mL",
    "maximum(UV) > 200 mAU and not UV > 150 mAU",
    "slope(UV, 1 CV) < -5 mAU/CV or time >= 90 min",
    "abs(UV - 100 mAU) < 3 mAU and cv >= 1 CV",
    "UV * 2 > 150 mAU + 20 mAU",
)


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_series_answer_as_the_evaluator_does(text: str, seed: int) -> None:
    """Every function of the grammar on peaks of random height and place, with a gap of unknown values."""
    random = np.random.default_rng(seed)
    clock = np.arange(101.0, 5101.0)
    uv = sum(
        random.uniform(0.05, 0.3)
        * np.exp(-0.5 * ((clock - random.uniform(500, 4500)) / random.uniform(80, 300)) ** 2)
        for _ in range(3)
    )
    uv[random.integers(0, 300) : 350] = np.nan
    volume = np.cumsum(np.full(clock.size, 5e-8))
    series = Series(clock, clock - 100.0, volume, volume / 5e-5, {"UV": uv})
    expression = parse_condition(text, {"UV": ABSORBANCE})
    evaluator, first = Evaluator(expression), None
    for at in range(clock.size):
        seen = None if np.isnan(uv[at]) else float(uv[at])
        places = (clock[at], clock[at] - 100.0, volume[at], volume[at] / 5e-5)
        sample = Sample(*map(float, places), {"UV": seen})
        if evaluator.update(sample):
            first = at
            break
    assert first_true(expression, series) == first


@pytest.fixture(scope="module")
def both(description: Description) -> tuple[list[Evaluation], list[Evaluation]]:
    """Four parameter sets, two of them far out, replayed and in closed loop."""
    far = {
        "C1.product.k_eq": 8e-9,
        "akta1.PumpB.gain": 1.02,
        "akta1.UV1.gain": 0.9,
        "feed.product.strength": 1.2,
    }
    near = {
        "C1.ionic_capacity": 0.97 * description.plant.parameters["C1.ionic_capacity"],
        "elution.strength": 1.02,
    }
    sets = [{"C1.product.nu": 7.4}, near, far, {**far, "akta1.volume_factor": 0.9}]
    problem = WholeCase(description, elements=4, tolerance=1e-4)
    return problem.evaluate(sets), replace(problem, frozen=False).evaluate(sets)


def test_a_replayed_run_is_the_closed_loop_run(both: tuple[list[Evaluation], list[Evaluation]]) -> None:
    """A cut may fall a scan (1 s at 3.15 mL/min: 4e-4 of the pool) to either side: 1e-3 holds two."""
    for replayed, closed in zip(*both, strict=True):
        assert not replayed.fault
        assert not closed.fault
        assert replayed.figures.keys() == closed.figures.keys()
        for name, value in closed.figures.items():
            if name not in ("loss_in_load", "share.acidic", "share.aggregate"):
                assert replayed[name] == pytest.approx(value, rel=1e-3), name
        for name in ("loss_in_load", "share.acidic", "share.aggregate"):
            assert replayed[name] == pytest.approx(closed[name], abs=1e-5), name


def test_the_sets_differ(both: tuple[list[Evaluation], list[Evaluation]]) -> None:
    yields = [one["yield"] for one in both[0]]
    assert np.ptp(yields) > 0.003


def test_batches_do_not_change_the_numbers(description: Description) -> None:
    problem = WholeCase(description, elements=3)
    sets = [{"C1.product.nu": 7.4 + 0.02 * step} for step in range(3)]
    together = problem.evaluate(sets)
    alone = [problem.evaluate([one])[0] for one in sets]
    for one, other in zip(together, alone, strict=True):
        assert one["yield"] == pytest.approx(other["yield"], rel=1e-6)


def test_a_recipe_whose_phases_end_by_signals_is_not_frozen(case: Case, description: Description) -> None:
    text = description.texts["recipe.yaml"].replace(
        "until: PercentB >= 80.5 %B or 25.2 CV", 'until: "once(UV > 120 mAU) and UV < 20 mAU"'
    )
    changed = replace(description, texts={**description.texts, "recipe.yaml": text})
    with pytest.raises(NotFrozen, match="elute ends by"):
        freeze(case.plant, changed.bound, tolerance=1e-3, elements=3)
    problem = WholeCase(changed, elements=3)
    assert "elute" in problem.unfrozen()
    (found,) = problem.evaluate([{"C1.product.nu": 7.41}])
    assert found["yield"] > 0.8


def test_a_drift_that_parameters_state_moves_the_cut(description: Description) -> None:
    """Frozen course and closed loop alike; what only the device states is the virtual skid's own affair."""
    asked = [{"akta1.UV1.drift": sign * 0.5e-3 / 3600.0} for sign in (-1.0, 0.0, 1.0)]
    frozen, closed = (
        WholeCase(description, elements=3, frozen=each).evaluate(asked) for each in (True, False)
    )
    for figure in ("yield", "pool_volume"):
        falling, none, rising = (one[figure] for one in closed)
        assert falling < none < rising
        assert [one[figure] for one in frozen] == pytest.approx([falling, none, rising], rel=1e-3)
