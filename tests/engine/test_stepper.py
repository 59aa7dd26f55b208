"""The online form gives what the integration through sections gives, however it is called."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import StericMassAction
from minifactory.twin.engine import (
    Bed,
    Inlet,
    Link,
    Network,
    Section,
    Stepper,
    StirredTank,
    Tolerance,
    Tube,
    integrate,
)

FLOW = 5.25e-8
FEED = np.array([[20.0, 0.05], [1000.0, 0.0]])
SCALES = np.array([1000.0, 0.05])


def skid() -> Network:
    binding = StericMassAction("sodium", 1200.0, {"product": 7.7e-3}, {"product": 5.3}, {"product": 10.0})
    bed = Bed(
        "C1", 0.025, 2.01e-4, 0.37, particle_porosity=0.75, particle_radius=45e-6, film_coefficient=6.9e-6,
        axial_dispersion=2e-7, binding=binding, elements=5,
    )  # fmt: skip
    return Network(
        ("sodium", "product"),
        (StirredTank("mixer", 4e-7), Tube("tube", 2e-7, stages=6), bed, StirredTank("uv", 2e-8)),
        (Inlet("A"), Inlet("B")),
        (Link("A", "mixer"), Link("B", "mixer"), Link("mixer", "tube"), Link("tube", "C1"), Link("C1", "uv")),
    )


def flows(share_b: float) -> np.ndarray:
    return FLOW * np.array([1.0 - share_b, share_b, 1.0, 1.0, 1.0])


# Load, gradient, strip: times in s and share of B at both ends.
PHASES = ((0.0, 600.0, 0.0, 0.0), (600.0, 2400.0, 0.0, 0.3), (2400.0, 3000.0, 1.0, 1.0))


def by_sections(times: np.ndarray, tolerance: float) -> np.ndarray:
    network = skid()
    sections = [Section(a, b, flows(x), FEED, flows(y), FEED) for a, b, x, y in PHASES]
    state = network.initial_state({"sodium": 20.0})
    return integrate(network, state, sections, times, ["uv"], Tolerance(tolerance, SCALES)).outlet[:, 0]


def online(times: np.ndarray, tolerance: float) -> tuple[np.ndarray, Stepper]:
    network = skid()
    stepper = Stepper(
        network, network.initial_state({"sodium": 20.0}), 0.0, SCALES, ["uv"], Tolerance(tolerance)
    )
    rows, before = [], 0.0
    for t in times:
        for a, b, x, y in PHASES:
            start, end = max(a, before), min(b, t)
            if end > start:
                shares = [x + (y - x) * (s - a) / (b - a) for s in (start, end)]
                row = stepper.advance(end, flows(shares[0]), FEED, flows(shares[1]), FEED)
        rows.append(row[0])
        before = t
    return np.array(rows), stepper


@pytest.mark.parametrize("interval", [0.5, 7.0, 100.0])
def test_call_pattern_does_not_matter(interval: float) -> None:
    times = np.arange(100.0, 3001.0, 100.0)
    calls = np.unique(np.concatenate((np.arange(interval, 3000.0, interval), times)).round(9))
    outlet, stepper = online(calls, 1e-4)
    exact = by_sections(times, 1e-7)
    got = outlet[np.isin(calls, times)]
    # Local tolerance 1e-4 of each value and scale: the curves agree to a few times that.
    assert np.all(np.abs(got - exact) <= 1e-3 * np.abs(exact).max(axis=0))
    assert stepper.balance().closure.max() < 1e-10


def test_speculation_saves_steps() -> None:
    calls = np.arange(0.5, 3000.1, 0.5)
    _, stepper = online(calls, 1e-4)
    assert stepper.steps < len(calls) / 10


def test_noisy_inputs_agree_with_sections() -> None:
    """Inputs that change at every call: the same piecewise constant inputs through sections."""
    rng = np.random.default_rng(7)
    network = skid()
    state = network.initial_state({"sodium": 20.0})
    stepper = Stepper(network, state, 0.0, SCALES, ["uv"], Tolerance(1e-4))
    sections, outlet = [], []
    for i in range(300):
        q = flows(0.2) * (1.0 + 0.01 * rng.standard_normal())
        sections.append(Section(2.0 * i, 2.0 * i + 2.0, q, FEED))
        outlet.append(stepper.advance(2.0 * i + 2.0, q, FEED)[0])
    times = 2.0 * np.arange(1, 301)
    exact = integrate(network, state, sections, times, ["uv"], Tolerance(1e-7, SCALES)).outlet[:, 0]
    assert np.all(np.abs(np.array(outlet) - exact) <= 1e-3 * np.abs(exact).max(axis=0))


def test_going_back_is_refused() -> None:
    network = skid()
    stepper = Stepper(network, network.initial_state({"sodium": 20.0}), 5.0, SCALES, ["uv"])
    with pytest.raises(InputError, match="5"):
        stepper.advance(4.0, flows(0.0), FEED)


def test_state_is_that_of_the_sections() -> None:
    network = skid()
    state = network.initial_state({"sodium": 20.0})
    stepper = Stepper(network, state, 0.0, SCALES, ["uv"], Tolerance(1e-6))
    stepper.advance(333.0, flows(0.1), FEED)
    run = integrate(
        network,
        state,
        [Section(0.0, 333.0, flows(0.1), FEED)],
        np.array([333.0]),
        ["uv"],
        Tolerance(1e-6, SCALES),
    )
    np.testing.assert_allclose(stepper.state(), run.state, rtol=2e-4, atol=1e-5)
