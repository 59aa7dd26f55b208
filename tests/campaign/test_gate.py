"""The gate's advice against models whose answer is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from minifactory.campaign.gate import GateResult, gate, reserve
from minifactory.campaign.targets import Adjustable, Target, Targets
from minifactory.errors import Finding, SolverError, TargetError
from minifactory.records.performance import Performance
from minifactory.records.prediction import Prediction
from minifactory.units import COLUMN_VOLUMES, FRACTION, TIME
from tests.records.synthetic import make_run

RUN = make_run()
LOAD = Adjustable("load.volume", 0.0, 10.0, COLUMN_VOLUMES)
WASH = Adjustable("wash.volume", 0.0, 4.0, COLUMN_VOLUMES)
IDLE = Adjustable("idle.volume", 0.0, 1.0, COLUMN_VOLUMES)
YIELD = Target("yield", True, 0.85, FRACTION)
PURITY = Target("purity", True, 0.95, FRACTION)
DURATION = Target("duration", False, 3600.0, TIME)
START = {"load.volume": 6.0, "wash.volume": 1.0, "idle.volume": 0.5}

Model = Callable[[Mapping[str, float]], Performance]


def figures(yield_: float = 0.9, purity: float = 0.99, duration: float = 1000.0) -> Performance:
    return Performance("product", "Pool", {"yield": yield_, "purity": purity, "duration": duration})


class Counting:
    """A model that counts its simulations."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.seen: list[dict[str, float]] = []

    def __call__(self, values: Mapping[str, float]) -> Performance:
        self.seen.append(dict(values))
        return self.model(values)


def run_gate(
    model: Model, targets: tuple[Target, ...], adjustables: tuple[Adjustable, ...]
) -> tuple[GateResult, Counting]:
    simulate = Counting(model)
    prediction = Prediction(RUN, model(START))
    return gate(prediction, Targets(targets, adjustables=adjustables), START, simulate), simulate


def overloaded(values: Mapping[str, float]) -> Performance:
    """Yield falls with the square of the load beyond 4 CV: 0.80 at 6 CV, and 0.85 at 4 + sqrt(3) CV."""
    return figures(0.9 - 0.025 * max(0.0, values["load.volume"] - 4.0) ** 2)


def test_an_open_gate_costs_no_simulation() -> None:
    result, simulate = run_gate(lambda _: figures(), (YIELD,), (LOAD,))
    assert result.passed
    assert result.lines() == ()
    assert simulate.seen == []
    result.raise_if_missed()


def test_the_smallest_single_change_is_found_and_verified() -> None:
    result, simulate = run_gate(overloaded, (YIELD,), (LOAD, IDLE))
    assert not result.passed
    assert result.study is not None
    best = result.study.best
    assert best is not None
    (change,) = best.changes
    answer = 4.0 + math.sqrt(2.0)
    # The way is 6 - 5.414 CV, searched back to 1/16 of the first meeting step (at most twice the way).
    assert answer - 0.12 <= change.after <= answer
    assert best.meets
    assert best.performance["yield"] >= 0.85
    values = [entry["load.volume"] for entry in simulate.seen]
    assert change.after in values
    assert len(simulate.seen) == result.study.simulations <= 15
    assert str(best).startswith("Lower load.volume from 6 CV to 5.")


def test_sensitivities_are_those_of_the_model() -> None:
    result, _ = run_gate(overloaded, (YIELD,), (LOAD, IDLE))
    assert result.study is not None
    found = {item.reference: item.over_range for item in result.study.sensitivities}
    # d yield / d load = -0.05 (load - 4) = -0.1 per CV at 6 CV, times 10 CV; the step of 0.2 CV adds 5 %.
    assert found["load.volume"] == pytest.approx(-1.0, rel=0.06)
    assert found["idle.volume"] == 0.0


def test_other_targets_must_stay_met() -> None:
    """Less load helps the yield but below 5.7 CV the purity falls through: no single change helps."""

    def model(values: Mapping[str, float]) -> Performance:
        load = values["load.volume"]
        return figures(overloaded(values)["yield"], 0.99 if load > 5.7 else 0.90)

    result, _ = run_gate(model, (YIELD, PURITY), (LOAD,))
    assert result.study is not None
    assert result.study.best is None
    text = " ".join(result.lines())
    assert "No change within the bounds was found" in text
    assert "still not met" in text


def test_a_combination_when_no_single_change_suffices() -> None:
    """Each reference alone gives at most half of what is missing."""

    def model(values: Mapping[str, float]) -> Performance:
        gained = 0.04 * (6.0 - values["load.volume"]) / 6.0 + 0.04 * (values["wash.volume"] - 1.0) / 3.0
        return figures(0.79 + gained)

    result, _ = run_gate(model, (YIELD,), (LOAD, WASH))
    assert result.study is not None
    assert [advice.meets for advice in result.study.singles] == [False, False]
    best = result.study.best
    assert best is not None
    assert best.performance["yield"] >= 0.85
    changes = {change.adjustable.reference: change.after for change in best.changes}
    # Scaled slopes are 0.0667 (load, room 0.6) and 0.0533 (wash, room 0.75). Least squares wants shares of
    # 0.549 and 0.439, both inside the room.
    assert changes["load.volume"] == pytest.approx(6.0 - 5.486, abs=0.1)
    assert changes["wash.volume"] == pytest.approx(1.0 + 1.756, abs=0.1)
    assert "No single change" in " ".join(result.lines())


def test_honest_when_nothing_within_the_bounds_helps() -> None:
    def model(values: Mapping[str, float]) -> Performance:
        return figures(0.5 + 0.01 * (10.0 - values["load.volume"]))

    result, _ = run_gate(model, (YIELD,), (LOAD, WASH))
    assert result.study is not None
    assert result.study.best is None
    nearest = result.study.nearest
    assert nearest is not None
    assert nearest.performance["yield"] == pytest.approx(0.6)
    assert nearest.changes[0].after == 0.0
    with pytest.raises(TargetError, match=r"No change|still not met"):
        result.raise_if_missed()


def test_an_upper_limit() -> None:
    result, _ = run_gate(lambda v: figures(duration=1000.0 * v["load.volume"]), (DURATION,), (LOAD,))
    assert result.study is not None
    assert result.study.best is not None
    assert 3.4 < result.study.best.changes[0].after <= 3.6
    assert "missed by 40 min" in result.lines()[0]


def test_a_simulation_that_fails_misses() -> None:
    def model(values: Mapping[str, float]) -> Performance:
        if values["load.volume"] < 5.5:
            raise SolverError(Finding("engine", "did not converge"))
        return overloaded(values)

    result, _ = run_gate(model, (YIELD,), (LOAD,))
    assert result.study is not None
    assert result.study.best is None


def test_without_anything_adjustable_the_misses_are_told() -> None:
    result, _ = run_gate(overloaded, (YIELD,), ())
    assert result.study is None
    assert len(result.lines()) == 2


def test_the_confidence_asked_for_is_a_reserve_on_the_nominal_value() -> None:
    """Samples spread by +-0.05 around the nominal: 90 % confidence needs about 0.04 more than the limit."""
    target = replace(YIELD, confidence=0.9)
    nominal = overloaded({"load.volume": 5.0})
    samples = tuple(figures(nominal["yield"] + 0.05 * (n - 50) / 50) for n in range(101))
    prediction = Prediction(RUN, nominal, samples)
    assert reserve(prediction, target) == pytest.approx(0.04)
    start = {**START, "load.volume": 5.0}
    result = gate(prediction, Targets((target,), adjustables=(LOAD,)), start, overloaded)
    assert not result.passed  # 0.875 nominally, but only 75 % of the samples
    assert result.study is not None
    best = result.study.best
    assert best is not None
    assert best.performance["yield"] >= 0.89


def test_every_single_change_is_listed_smallest_first() -> None:
    def model(values: Mapping[str, float]) -> Performance:
        return figures(0.8 + 0.1 * (6.0 - values["load.volume"]) + 0.05 * (values["wash.volume"] - 1.0))

    result, _ = run_gate(model, (YIELD,), (WASH, LOAD))
    lines = result.lines()
    assert lines[1].startswith("Lower load.volume")
    assert lines[2].startswith("Raise wash.volume")
