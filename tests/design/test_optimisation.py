"""Searches on a problem whose answers are known, and what is said when there is none."""

from __future__ import annotations

import pytest

from minifactory.design.executor import InThisProcess
from minifactory.design.ledger import Ledger
from minifactory.design.optimisation import Effort, Optimum, knee, optimise
from minifactory.design.search import Limit, Objective, Space, Variable
from minifactory.errors import InputError, TargetError
from tests.design.parabola import Parabola

SQUARE = Space((Variable("x", 0.0, 1.0), Variable("y", 0.0, 1.0)))
YIELD = Objective("yield", True)


def search(space: Space, objectives: list[Objective], limits: list[Limit], seed: int = 1) -> Optimum:
    effort = Effort(16, 240, 80, seed)
    return optimise(Parabola(), space, objectives, limits, Ledger(None, InThisProcess()), effort)


def test_the_top_is_found_and_polished() -> None:
    found = search(SQUARE, [YIELD], [])
    assert found.values["x"] == pytest.approx(0.3, abs=1e-3)
    assert found.values["y"] == pytest.approx(0.7, abs=1e-3)


def test_a_limit_is_met_exactly() -> None:
    """buffer = x + y <= 0.8: the nearest point of that line to (0.3, 0.7) is (0.2, 0.6)."""
    found = search(SQUARE, [YIELD], [Limit("buffer", False, 0.8)])
    assert found.values["x"] == pytest.approx(0.2, abs=5e-3)
    assert found.evaluation["buffer"] <= 0.8 + 1e-9
    assert found.evaluation["yield"] == pytest.approx(0.98, abs=1e-4)


def test_whole_numbers_and_choices_stay_what_they_are() -> None:
    space = Space((Variable("x", 0.0, 1.0, step=0.25), Variable("y", 0.1, 0.9, choices=(0.1, 0.6, 0.9))))
    found = search(space, [YIELD], [])
    assert found.values == {"x": 0.25, "y": 0.6}


def test_compromises_do_not_beat_each_other() -> None:
    objectives = [YIELD, Objective("buffer", False)]
    found = search(SQUARE, objectives, [])
    yields = [one["yield"] for _, one in found.front]
    buffers = [one["buffer"] for _, one in found.front]
    assert len(yields) > 5
    assert yields == sorted(yields, reverse=True)
    assert buffers == sorted(buffers, reverse=True)
    assert 0 < knee(found.front, objectives) < len(yields) - 1


def test_the_same_seed_gives_the_same_answer() -> None:
    assert search(SQUARE, [YIELD], [], 5) == search(SQUARE, [YIELD], [], 5)


def test_limits_that_exclude_each_other_are_named() -> None:
    limits = [Limit("buffer", False, 0.2), Limit("yield", True, 0.9)]
    with pytest.raises(TargetError, match="exclude each other"):
        search(SQUARE, [YIELD], limits)
    with pytest.raises(TargetError, match="out of reach"):
        search(SQUARE, [YIELD], [Limit("yield", True, 1.5)])


def test_an_objective_that_nothing_moves_is_refused() -> None:
    with pytest.raises(InputError, match='"duration" does not depend on x, y'):
        search(SQUARE, [Objective("duration", False)], [])
    with pytest.raises(InputError, match='"resin_cost" is not known'):
        search(SQUARE, [Objective("resin_cost", False)], [])


def test_a_variable_that_means_nothing_is_told() -> None:
    space = Space((*SQUARE.variables, Variable("z", 0.0, 1.0)))
    assert search(space, [YIELD], []).idle == ("z",)


def test_candidates_that_fail_are_avoided() -> None:
    space = Space((Variable("x", -3.0, 1.0), Variable("y", 0.0, 1.0)))
    found = search(space, [YIELD], [])
    assert any(one.fault for one in found.evaluations)
    assert found.values["x"] == pytest.approx(0.3, abs=0.01)
    with pytest.raises(TargetError, match="x is below -1"):
        search(Space((Variable("x", -3.0, -2.0),)), [YIELD], [])
