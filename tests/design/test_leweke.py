"""The published study: cuts at the published gradient, the optimum from scratch, its robustness."""

from __future__ import annotations

import pytest

from minifactory.design.executor import InThisProcess
from minifactory.design.ledger import Ledger
from minifactory.design.optimisation import Effort, optimise
from minifactory.design.robustness import robustness
from minifactory.design.search import Limit, Objective
from minifactory.design.uncertainty import Factor
from minifactory.plant.parameters import Uncertainty
from tests.design import leweke
from tests.engine.verification import PROTEINS


def test_cuts_at_the_published_gradient() -> None:
    """Within 1 s at the purity that a converged model gives the published cuts (0.9505, not 0.95)."""
    fine = leweke.step((8, 4, 5), 1e-5)
    (at_published,) = fine.evaluate([leweke.published()])
    assert at_published["purity"] == pytest.approx(0.95, abs=1e-3)
    (best,) = leweke.step((8, 4, 5), 1e-5, purity=at_published["purity"]).evaluate([{}])
    assert best["cut_start"] == pytest.approx(leweke.PUBLISHED_CUTS[0], abs=1.0)
    assert best["cut_end"] == pytest.approx(leweke.PUBLISHED_CUTS[1], abs=1.0)
    assert best["yield"] >= at_published["yield"]


def test_the_optimum_from_scratch_is_at_least_as_good() -> None:
    """A short search; the recommendation is computed again on a fine mesh, as is the published one."""
    found = optimise(
        leweke.step(), leweke.SHAPE, [Objective("yield", True)], [], Ledger(None, InThisProcess()),
        Effort(24, 240, 120, 1),
    )  # fmt: skip
    fine = leweke.step((8, 4, 5), 1e-5)
    (best,) = fine.evaluate([found.values])
    (published,) = fine.evaluate([leweke.published()])
    assert best["purity"] >= 0.95 - 1e-9
    assert best["yield"] >= published["yield"]


def test_its_robustness_against_the_load() -> None:
    """Loads uniform +-20 %, cuts fixed: a probability with its interval, the same every time."""
    factors = [Factor(f"load.start.{name}", 1.0, Uncertainty("uniform", 0.2)) for name in PROTEINS]
    limits = [Limit("purity", True, 0.95), Limit("yield", True, 0.88)]
    found = robustness(
        leweke.step(), factors, limits, Ledger(None, InThisProcess()), 96, fixed=leweke.published()
    )
    low, high = found.each[0].interval
    assert 0.2 < low < found.each[0].value < high < 0.9
    assert found.failure is not None
    assert dict(found.failure.driven_by)["load.start.cytochrome"] < 0.0
