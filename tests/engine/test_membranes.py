"""Membranes between stirred tanks: what they keep and what they catch, against another solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from minifactory.errors import InputError
from minifactory.twin.engine import (
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Tube,
    Variant,
    Vessel,
    integrate,
    simulate_many,
)

PASSES = {"salt": 1.0, "small": 0.3, "large": 0.0}
NAMES = tuple(PASSES)
FEED = np.array([[1.0, 2.0, 3.0]])


def cell(passes: dict[str, float] = PASSES, catches: bool = False) -> Network:
    """A cell of 2 m3 from which a part goes through the membrane and the rest past it."""
    units = (StirredTank("cell", 2.0), StirredTank("behind", 0.5, passes, catches), StirredTank("past", 0.1))
    links = (Link("in", "cell"), Link("cell", "behind"), Link("cell", "past"))
    return Network(NAMES, units, (Inlet("in"),), links)


def test_a_membrane_keeps_back_while_its_flow_changes() -> None:
    network, first, last = cell(), np.array([1.0, 0.2, 0.8]), np.array([1.0, 0.7, 0.3])
    times, passing = np.linspace(0.0, 6.0, 7), np.array(list(PASSES.values()))
    solution = integrate(
        network, network.initial_state(np.zeros(3)), [Section(0.0, 6.0, first, FEED, last)], times,
        ["cell", "behind"], Tolerance(1e-8),
    )  # fmt: skip

    def slopes(t: float, y: np.ndarray) -> np.ndarray:
        through = 0.2 + 0.5 * t / 6.0
        fed, behind = y[:3], y[3:]
        return np.concatenate(
            [
                (FEED[0] - (1.0 - through) * fed - through * passing * fed) / 2.0,
                through * (passing * fed - behind) / 0.5,
            ]
        )

    exact = solve_ivp(slopes, (0.0, 6.0), np.zeros(6), t_eval=times, rtol=1e-11, atol=1e-13).y.T
    assert solution.outlet.reshape(7, 6) == pytest.approx(exact, rel=1e-6, abs=1e-7)
    assert solution.balance.closure.max() < 1e-12
    assert np.all(solution.outlet[:, 1, 2] == 0.0)


def test_what_is_kept_collects_in_the_vessel_that_is_recirculated() -> None:
    """A loop with a vessel that empties through the membrane: the large molecule stays, mass closes."""
    units = (Vessel("tank", 10.0, 6.0), StirredTank("cell", 0.2), StirredTank("behind", 0.1, PASSES))
    links = (Link("tank", "cell"), Link("cell", "tank"), Link("cell", "behind"))
    network = Network(NAMES, units, (), links)
    section = Section(0.0, 10.0, np.array([5.0, 4.6, 0.4]), np.zeros((0, 3)))
    solution = integrate(
        network, network.initial_state(np.ones(3)), [section],
        np.linspace(0.0, 10.0, 11), ["tank", "behind"], Tolerance(1e-7),
    )  # fmt: skip
    passing = np.array(list(PASSES.values()))

    def slopes(t: float, y: np.ndarray) -> np.ndarray:
        tank, fed = y[:3] / (6.0 - 0.4 * t), y[3:]
        return np.concatenate([4.6 * fed - 5.0 * tank, (5.0 * tank - 4.6 * fed - 0.4 * passing * fed) / 0.2])

    start = np.concatenate([np.full(3, 6.0), np.ones(3)])
    exact = solve_ivp(slopes, (0.0, 10.0), start, rtol=1e-11, atol=1e-13).y[:3, -1] / 2.0
    assert solution.outlet[-1, 0] == pytest.approx(exact, rel=1e-5)
    assert solution.outlet[-1, 0, 0] == pytest.approx(1.0, rel=1e-6)
    assert solution.balance.closure.max() < 1e-11


def test_what_is_caught_leaves_the_network() -> None:
    network = cell({"large": 1e-6}, catches=True)
    flows = np.array([1.0, 1.0, 0.0])
    solution = integrate(
        network, network.initial_state(np.zeros(3)), [Section(0.0, 60.0, flows, FEED)], np.array([60.0]),
        ["cell", "behind"], Tolerance(1e-6),
    )  # fmt: skip
    assert solution.outlet[-1, 0] == pytest.approx(FEED[0], rel=1e-6)  # nothing collects before it
    assert solution.outlet[-1, 1] == pytest.approx(FEED[0] * [1.0, 1.0, 1e-6], rel=1e-6)
    assert solution.balance.closure.max() < 1e-12
    assert solution.balance.left[2] > 170.0  # nearly all that entered


def test_lanes_have_membranes_of_their_own() -> None:
    flows, times = np.array([1.0, 0.4, 0.6]), np.linspace(0.0, 5.0, 6)
    networks = [cell({"small": part, "large": 0.0}) for part in (0.1, 0.5, 0.9)]
    variants = [
        Variant(each, each.initial_state(np.zeros(3)), [Section(0.0, 5.0, flows, FEED)]) for each in networks
    ]
    together = simulate_many(variants, times, ["behind"], Tolerance(1e-6))
    for at, variant in enumerate(variants):
        alone = integrate(
            variant.network, variant.state, variant.sections, times, ["behind"], Tolerance(1e-6)
        )
        assert together.outlet[at] == pytest.approx(alone.outlet, rel=1e-9, abs=1e-12)


def test_a_membrane_is_checked() -> None:
    units = (Tube("tube", 1.0, stages=5), StirredTank("behind", 1.0, {"salt": 1.5, "sugar": 0.5}))
    with pytest.raises(InputError) as caught:
        Network(NAMES, units, (Inlet("in"),), (Link("in", "tube"), Link("tube", "behind")))
    text = str(caught.value)
    assert 'sieving of "salt" is 1.5' in text
    assert 'sieving of "sugar" is 0.5' in text
    assert "network link tube -> behind: a membrane behind what is no stirred tank" in text
