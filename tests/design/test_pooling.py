"""Cut points against what can be worked out otherwise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from minifactory.design.pooling import Curves, Fraction, Wanted, best_cuts, fraction_of
from minifactory.errors import InputError, TargetError

TIME = np.linspace(0.0, 200.0, 401)
FLOW = np.full(TIME.size, 2.0)


def curves(*peaks: tuple[float, float, float]) -> Curves:
    """Gaussian peaks: (area, place, width); component a, b, c ..."""
    passed = np.stack([area * norm.cdf(TIME, place, width) for area, place, width in peaks], axis=1)
    rates = np.stack([area * norm.pdf(TIME, place, width) for area, place, width in peaks], axis=1)
    return Curves(tuple("abcd"[: len(peaks)]), TIME, 2.0 * TIME, FLOW, passed, rates)


def test_the_best_cut_has_equal_local_purity_at_both_ends() -> None:
    """At the optimum of yield under purity the marginal impurity per product is the same at both cuts."""
    three = curves((1.0, 70.0, 9.0), (1.0, 100.0, 8.0), (1.0, 130.0, 9.0))
    (found,) = best_cuts(three, [Wanted("b", 1.0, purity=0.95)])
    assert found.purity == pytest.approx(0.95, abs=1e-6)
    start, end = (
        np.array([norm.pdf(t, 70.0, 9.0), norm.pdf(t, 100.0, 8.0), norm.pdf(t, 130.0, 9.0)])
        for t in (found.start, found.end)
    )
    assert start[1] / start.sum() == pytest.approx(end[1] / end.sum(), abs=1e-3)
    assert found.start + found.end == pytest.approx(200.0, abs=0.02)


def test_no_pair_of_cuts_on_a_fine_grid_is_better() -> None:
    two = curves((1.0, 90.0, 12.0), (0.6, 115.0, 10.0))
    wanted = Wanted("a", 1.0, purity=0.97, concentration=0.006)
    (found,) = best_cuts(two, [wanted])
    best = 0.0
    grid = np.arange(0.0, 200.5, 1.0)
    for start, end in itertools.combinations(grid, 2):
        one = fraction_of(two, wanted, start, end)
        if one.purity >= 0.97 and one.concentration >= 0.006:
            best = max(best, one.recovery)
    assert best <= found.recovery <= best + 0.01
    assert found.purity >= 0.97 - 1e-6
    assert found.concentration >= 0.006 - 1e-9


def test_several_components_share_the_time() -> None:
    three = curves((1.0, 70.0, 9.0), (1.0, 100.0, 8.0), (1.0, 130.0, 9.0))
    found = best_cuts(three, [Wanted(name, 1.0, purity=0.9) for name in "cab"])
    assert [one.component for one in found] == ["a", "b", "c"]
    for one, two in itertools.pairwise(found):
        assert one.end <= two.start + 1e-9
    assert all(one.purity >= 0.9 - 1e-6 for one in found)


def test_two_fractions_of_a_peak_that_another_splits() -> None:
    split = curves((1.0, 100.0, 20.0), (1.0, 100.0, 3.0))
    (one,) = best_cuts(split, [Wanted("a", 1.0, purity=0.98)])
    two = best_cuts(split, [Wanted("a", 1.0, purity=0.98, fractions=2)])
    assert len(two) == 2
    assert sum(part.recovery for part in two) > 1.5 * one.recovery


def test_a_volume_limit_holds() -> None:
    (found,) = best_cuts(curves((1.0, 100.0, 10.0)), [Wanted("a", 1.0, volume=40.0)])
    assert found.volume == pytest.approx(40.0, rel=1e-6)
    assert found.recovery == pytest.approx(2.0 * norm.cdf(1.0) - 1.0, abs=1e-5)


def test_what_cannot_be_had_is_said() -> None:
    near = curves((1.0, 100.0, 10.0), (1.0, 102.0, 10.0))
    with pytest.raises(TargetError, match=r"purity of 0\.99 is reached nowhere"):
        best_cuts(near, [Wanted("a", 1.0, purity=0.99)])
    two = curves((1.0, 90.0, 12.0), (0.6, 115.0, 10.0))
    with pytest.raises(TargetError, match="exclude each other"):
        best_cuts(two, [Wanted("a", 1.0, purity=0.99, recovery=0.95)])
    with pytest.raises(InputError, match='no component "q"'):
        best_cuts(two, [Wanted("q", 1.0)])


def test_an_empty_fraction_is_no_number() -> None:
    assert np.isnan(Fraction("a", 0.0, 0.0, 0.0, {"a": 0.0}, 0.0).purity)
