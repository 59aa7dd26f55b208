"""Vessels whose volume changes: mixing against closed forms, mass to rounding, empty and full."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from minifactory.errors import InputError
from minifactory.twin.binding import StericMassAction
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Stepper,
    StirredTank,
    Tolerance,
    Vessel,
    integrate,
    vessel_levels,
)

FEED = np.full((1, 1), 5.0)


def hold_tank(filled: float = 1.0, capacity: float = 10.0) -> Network:
    units = (Vessel("hold", capacity, filled), StirredTank("cell", 0.1))
    return Network(("x",), units, (Inlet("in"),), (Link("in", "hold"), Link("hold", "cell")))


def test_filling_mixes_and_drawing_keeps_the_concentration() -> None:
    network = hold_tank()
    sections = [
        Section(0.0, 4.0, np.array([1.0, 0.0]), FEED),
        Section(4.0, 9.0, np.array([0.0, 1.0]), FEED),
    ]
    times = np.array([0.0, 2.0, 4.0, 6.0, 8.9])
    solution = integrate(
        network, network.initial_state({"x": 2.0}), sections, times, ["hold", "cell"], Tolerance(1e-7)
    )
    assert solution.outlet[:, 0, 0] == pytest.approx([2.0, 4.0, 4.4, 4.4, 4.4], rel=1e-6)
    assert solution.volumes[:, 0] == pytest.approx([1.0, 3.0, 5.0, 3.0, 0.1], rel=1e-12)
    # Empty to the last drop, and all of it has gone through the cell.
    assert abs(solution.balance.held_after[0] - 0.1 * 4.4) < 1e-5
    assert solution.balance.closure.max() < 1e-12


def test_filled_and_drawn_at_once_with_a_ramp() -> None:
    network = hold_tank()
    flows0, flows1, times = np.array([1.0, 0.4]), np.array([2.0, 0.4]), np.linspace(0.0, 4.0, 9)
    solution = integrate(
        network, network.initial_state({"x": 2.0}), [Section(0.0, 4.0, flows0, FEED, flows1)], times,
        ["hold"], Tolerance(1e-8),
    )  # fmt: skip
    exact = solve_ivp(
        lambda t, c: (1.0 + t / 4.0) * (5.0 - c) / (1.0 + 0.6 * t + t * t / 8.0), (0.0, 4.0), [2.0],
        t_eval=np.linspace(0.0, 4.0, 801), rtol=1e-12, atol=1e-12,
    ).y[0]  # fmt: skip
    assert solution.outlet[:, 0, 0] == pytest.approx(exact[::100], rel=1e-7)
    assert solution.volumes[-1, 0] == pytest.approx(1.0 + 0.6 * 4.0 + 2.0, rel=1e-12)
    assert solution.passed[-1, 0, 0] == pytest.approx(np.trapezoid(0.4 * exact, dx=0.005), rel=1e-5)


def test_an_empty_vessel_fills_with_what_enters() -> None:
    network = hold_tank(filled=0.0)
    sections = [
        Section(0.0, 3.0, np.array([1.0, 0.0]), FEED),
        Section(3.0, 5.0, np.array([0.5, 1.0]), 2.0 * FEED),
    ]
    solution = integrate(
        network, network.initial_state({"x": 0.0}), sections, np.array([1.0, 3.0]), ["hold"], Tolerance(1e-7)
    )
    assert solution.outlet[:, 0, 0] == pytest.approx(5.0, rel=1e-9)
    assert solution.balance.closure.max() < 1e-12


def test_empty_and_full_are_foreseen_by_name_and_time() -> None:
    network = hold_tank(capacity=4.0)
    state = network.initial_state({"x": 2.0})
    drawing = [Section(0.0, 10.0, np.array([0.0, 0.1]), FEED, np.array([0.0, 0.3]))]
    levels = vessel_levels(network, state, drawing)
    # 1 - 0.1 t - 0.01 t^2 = 0
    assert [(e.vessel, e.what) for e in levels.events] == [("hold", "empty")]
    assert levels.events[0].time == pytest.approx(5.0 * (np.sqrt(5.0) - 1.0), rel=1e-6)
    with pytest.raises(InputError, match=r"hold.*runs empty at t = 6\.18"):
        integrate(network, state, drawing, np.array([1.0]), ["hold"])
    filling = [Section(0.0, 10.0, np.array([1.0, 0.5]), FEED)]
    with pytest.raises(InputError, match="runs full at t = 6 s"):
        integrate(network, state, filling, np.array([1.0]), ["hold"])
    whole = vessel_levels(network, state, filling)
    assert whole.volumes[:, 0] == pytest.approx([1.0, 6.0])


def test_online_the_vessel_goes_on_from_call_to_call() -> None:
    network = hold_tank()
    state = network.initial_state({"x": 2.0})
    stepper = Stepper(network, state, 0.0, np.array([5.0]), ["hold", "cell"], Tolerance(1e-8))
    for second in range(1, 5):
        outlet = stepper.advance(float(second), np.array([1.0, 0.25]), FEED)
    flows = np.array([1.0, 0.25])
    whole = integrate(
        network, state, [Section(0.0, 4.0, flows, FEED)], np.array([4.0]), ["hold", "cell"], Tolerance(1e-8)
    )
    assert outlet == pytest.approx(whole.outlet[0], rel=1e-6)
    assert stepper.volumes[0] == pytest.approx(4.0, rel=1e-12)
    assert stepper.balance().closure.max() < 1e-12
    with pytest.raises(InputError, match="runs empty"):
        stepper.advance(30.0, np.array([0.0, 1.0]), FEED)


def test_initial_volume_may_be_given() -> None:
    network = hold_tank()
    state = network.initial_state({"x": 2.0}, volumes={"hold": 3.0})
    assert network.layout.amounts(state)[0] == pytest.approx(3.0 * 2.0 + 0.1 * 2.0)
    with pytest.raises(InputError, match="initial volume of cell"):
        network.initial_state({"x": 2.0}, volumes={"cell": 3.0})


def test_column_to_hold_tank_to_column_closes_its_mass_balance() -> None:
    """A pool is collected in an empty vessel, then loaded on a second column: the whole network closes."""
    charge, shielding = {"a": 5.0, "b": 4.0}, {"a": 10.0, "b": 8.0}
    sma = StericMassAction("salt", 1200.0, {"a": 1e-2, "b": 3e-3}, charge, shielding)

    def bed(name: str) -> Bed:
        return Bed(
            name, 0.014, 1e-4, 0.37, BedModel.LRMP, 0.75, 45e-6, 6.9e-6, 5.75e-8, binding=sma, elements=3
        )

    units = (bed("C1"), Vessel("hold", 1e-5), bed("C2"), StirredTank("waste cell", 1e-9))
    links = (
        Link("in", "C1"), Link("C1", "waste cell"), Link("C1", "hold"), Link("in", "hold"),
        Link("hold", "C2"),
    )  # fmt: skip
    network = Network(("salt", "a", "b"), units, (Inlet("in"),), links)
    q = 5.75e-8
    load, wash, elute = (np.array([[salt, x, x]]) for salt, x in ((50.0, 1.0), (50.0, 0.0), (500.0, 0.0)))
    to_waste, to_hold = np.array([q, q, 0.0, 0.0, 0.0]), np.array([q, 0.0, q, 0.0, 0.0])
    dilute, on = np.array([0.0, 0.0, 0.0, 2.0 * q, 0.0]), np.array([0.0, 0.0, 0.0, 0.0, q])
    sections = [
        Section(0.0, 10.0, to_waste, load), Section(10.0, 90.0, to_waste, wash),
        Section(90.0, 130.0, to_hold, elute),
        Section(130.0, 170.0, dilute, np.zeros((1, 3))), Section(170.0, 270.0, on, wash),
    ]  # fmt: skip
    times = np.linspace(0.0, 270.0, 28)
    state = network.initial_state({"salt": 50.0})
    solution = integrate(network, state, sections, times, ["hold", "C2"], Tolerance(1e-5))
    assert solution.balance.closure.max() < 1e-10
    assert solution.volumes[-1, 0] == pytest.approx(20.0 * q, rel=1e-9)
    assert solution.outlet[17, 0, 0] == pytest.approx(solution.outlet[13, 0, 0] / 3.0, rel=1e-3)
