"""Probabilities, indices and boxes against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from minifactory.design.executor import InThisProcess
from minifactory.design.information import judged
from minifactory.design.ledger import Ledger
from minifactory.design.robustness import Probability, Robustness, base_for, robustness
from minifactory.design.search import Limit, Variable
from minifactory.design.space import design_space, largest_box
from minifactory.design.uncertainty import Factor, candidates_at, deviates, factors_of, parse_spread
from minifactory.errors import InputError
from minifactory.plant.parameters import Parameter, ParameterSet, Uncertainty
from minifactory.units import POSITIVE, TIME
from tests.design.parabola import Parabola

X = Factor("x", 0.3, Uncertainty("normal", 0.1))
Y = Factor("y", 0.5, Uncertainty("uniform", 0.2))
LIMITS = (Limit("buffer", False, 1.0), Limit("purity", True, 0.75))


@pytest.fixture(scope="module")
def found() -> Robustness:
    return robustness(Parabola(batch=64), [X, Y], LIMITS, Ledger(None, InThisProcess()), 4000, base=256)


def test_the_probability_is_that_of_the_closed_form(found: Robustness) -> None:
    """buffer = x + y <= 1 and purity = 1 - x / 2 >= 0.75, x normal, y uniform."""
    y = np.linspace(0.3, 0.7, 20001)
    buffer = float(np.mean(norm.cdf((1.0 - y - 0.3) / 0.1)))
    purity = float(norm.cdf((0.5 - 0.3) / 0.1))
    together = float(np.mean(norm.cdf((np.minimum(1.0 - y, 0.5) - 0.3) / 0.1)))
    for probability, exact in zip((*found.each, found.together), (buffer, purity, together), strict=True):
        # Five standard errors of the share: a seeded run stays far within.
        assert abs(probability.value - exact) < 5.0 * np.sqrt(exact * (1.0 - exact) / 4000)


def test_indices_are_the_shares_of_the_variance(found: Robustness) -> None:
    """buffer = x + y: the variances are 0.1^2 and 0.4^2 / 12."""
    share = 0.01 / (0.01 + 0.16 / 12.0)
    for index, exact in zip(found.indices["buffer"], (share, 1.0 - share), strict=True):
        assert index.first == pytest.approx(exact, abs=0.05)
        assert index.total == pytest.approx(exact, abs=0.05)


def test_tightening_tells_what_it_brings(found: Robustness) -> None:
    """With half the spread of x: the closed form at 0.05."""
    y = np.linspace(0.3, 0.7, 20001)
    exact = float(np.mean(norm.cdf((np.minimum(1.0 - y, 0.5) - 0.3) / 0.05)))
    tightened = {one.reference: one.probability for one in found.tightened}
    assert tightened["x"] == pytest.approx(exact, abs=0.02)


def test_the_way_to_fail_is_high_values(found: Robustness) -> None:
    assert found.failure is not None
    assert all(shift > 0.0 for _, shift in found.failure.driven_by)
    assert found.failure.values["x"] > 0.3


def test_clopper_and_pearson() -> None:
    """95 % interval of 5 in 20: 0.0866 to 0.4910 (any table of the beta distribution)."""
    low, high = Probability(5, 20).interval
    assert (low, high) == (pytest.approx(0.0866, abs=1e-4), pytest.approx(0.4910, abs=1e-4))
    assert Probability(0, 10).interval[0] == 0.0
    assert Probability(10, 10).interval == (pytest.approx(0.025 ** (1 / 10)), 1.0)


def test_a_study_is_extended_not_changed() -> None:
    assert np.array_equal(deviates(5, 3, 7), deviates(9, 3, 7)[:5])
    assert candidates_at([X], np.zeros((1, 1))) == [{"x": 0.3}]


def test_spreads_are_read() -> None:
    assert parse_spread("uniform 20 %", TIME, "x") == Uncertainty("uniform", 0.2, True)
    assert parse_spread("normal 2 min", TIME, "x") == Uncertainty("normal", 120.0)
    for text in ("about 3 %", "normal", "normal 3 mL"):
        with pytest.raises(InputError):
            parse_spread(text, TIME, "x")


def test_nothing_uncertain_is_refused() -> None:
    with pytest.raises(InputError, match="no factor"):
        robustness(Parabola(), [], LIMITS, Ledger(None, InThisProcess()), 10)


def test_indices_cost_at_most_half() -> None:
    assert base_for(10_000, 20) == 128
    assert base_for(100, 20) == 0


def test_the_largest_box_is_that_of_every_box_tried() -> None:
    random = np.random.default_rng(3)
    good = random.random((6, 7)) < 0.8
    found = largest_box(good, None)
    assert found is not None
    (a, b), (c, d) = found
    assert good[a : b + 1, c : d + 1].all()
    size = ((b - a) + 0.01) * ((d - c) + 0.01)
    for p in range(6):
        for q in range(p, 6):
            for r in range(7):
                for s in range(r, 7):
                    if good[p : q + 1, r : s + 1].all():
                        assert ((q - p) + 0.01) * ((s - r) + 0.01) <= size + 1e-12
    assert largest_box(np.zeros((2, 2), dtype=bool), None) is None


def test_a_design_space_holds_its_ranges() -> None:
    """buffer = x + y <= 1 with x uncertain (0.1, normal): along y the edge of 90 % lies at 0.7 - 0.128."""
    space = design_space(
        Parabola(batch=64), [Variable("y", 0.0, 1.0)], [X], LIMITS[:1], Ledger(None, InThisProcess()),
        points=41, samples=400, level=0.9, start={"y": 0.3},
    )  # fmt: skip
    proven = space.acceptable(0)
    assert proven is not None
    assert proven[0] == 0.0
    assert proven[1] == pytest.approx(0.7 - 0.1 * norm.ppf(0.9), abs=0.03)
    assert space.box() == (proven,)
    assert list(space.first_to_fail()) == ["Buffer used"]
    with pytest.raises(InputError, match="outside"):
        design_space(
            Parabola(), [Variable("y", 0.0, 1.0)], [X], LIMITS, Ledger(None, InThisProcess()),
            points=5, samples=1, level=0.9, start={"y": 2.0},
        )  # fmt: skip


def test_information_is_that_of_bayes() -> None:
    """One signal that sees only the first of two factors with noise 1: its variance halves."""
    found = judged({}, np.array([[1.0, 0.0]]), {"f": np.array([1.0, 1.0])}, {"f": 1.0}, ("a", "b"))
    assert found.decision == pytest.approx(0.75)
    assert found.determinant == pytest.approx(-0.5 * np.log(2.0))
    assert found.learnt[0] == ("a", pytest.approx(np.sqrt(0.5)))


def test_factors_that_are_correlated_are_sampled_so() -> None:
    spread = Uncertainty("lognormal", 0.1)
    parameters = ParameterSet(
        {name: Parameter(name, 2.0, POSITIVE, "test", spread) for name in ("a", "b", "c")},
        correlations={("a", "c"): -0.8},
    )
    factors = factors_of(parameters)
    drawn = candidates_at(factors, deviates(3000, 3, 5))
    table = np.log([[row[name] for name in ("a", "b", "c")] for row in drawn])
    assert np.corrcoef(table.T)[0] == pytest.approx([1.0, 0.0, -0.8], abs=0.06)
    assert table.std(axis=0) == pytest.approx([0.1] * 3, rel=0.05)
    alone = candidates_at(factors[:2], deviates(3000, 2, 5))  # what it goes with is held
    assert np.log([row["a"] for row in alone]).std() == pytest.approx(0.1, rel=0.05)
