"""Networks whose streams lead round: against matrix exponentials, transforms, and themselves unrolled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from minifactory.errors import InputError
from minifactory.twin.binding import Langmuir, Linear, StericMassAction
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
    Tube,
    Variant,
    integrate,
    sensitivities,
    simulate_many,
)
from tests.engine.laplace import inverse_laplace, lrmp_bed

IN = (Inlet("in"),)
FINE = Tolerance(1e-7)


def column(name: str, **changes: object) -> Bed:
    numbers: dict[str, object] = {
        "length": 0.014, "area": 1.0, "interstitial_porosity": 0.37, "model": BedModel.LRMP,
        "particle_porosity": 0.75, "particle_radius": 45e-6, "film_coefficient": 6.9e-6,
        "axial_dispersion": 2e-7, "binding": Linear({"x": 35.5}, k_kin={"x": 10.0}), "elements": 8,
    }  # fmt: skip
    numbers.update(changes)
    return Bed(name, **numbers)  # type: ignore[arg-type]


def test_tanks_in_a_ring_follow_the_matrix_exponential() -> None:
    tanks = (StirredTank("a", 1.0), StirredTank("b", 2.0), StirredTank("c", 0.5))
    links = (Link("in", "a"), Link("a", "b"), Link("b", "c"), Link("c", "a"), Link("c", "c"))
    network = Network(("x",), tanks, IN, links)
    flows = np.array([0.5, 2.0, 2.0, 1.5, 0.7])
    times = np.linspace(0.0, 4.0, 9)
    solution = integrate(
        network, network.initial_state({"x": 0.0}), [Section(0.0, 4.0, flows, np.ones((1, 1)))], times,
        ["a", "b", "c"], Tolerance(1e-9),
    )  # fmt: skip
    rates = np.array([[-2.0, 0.0, 1.5], [1.0, -1.0, 0.0], [0.0, 4.0, -4.0]])
    source = np.array([0.5, 0.0, 0.0])
    exact = [np.linalg.solve(rates, (expm(rates * t) - np.eye(3)) @ source) for t in times]
    assert solution.outlet[:, :, 0] == pytest.approx(np.array(exact), abs=1e-8)
    assert solution.balance.closure.max() < 1e-12


def test_recycle_over_a_column_meets_its_laplace_inversion() -> None:
    """Feed and recycle join before column 1, half of column 2's outlet goes back: closed in the transform."""
    bed, other = column("one"), column("two", length=0.02, binding=Linear({"x": 20.0}, k_kin={"x": 5.0}))
    network = Network(("x",), (bed, other), IN, (Link("in", "one"), Link("one", "two"), Link("two", "one")))
    feed, back = 1.0e-4, 0.8e-4
    flows, times = np.array([feed, feed + back, back]), np.linspace(20.0, 4000.0, 200)
    pulse, end = 300.0, 4000.0
    sections = [
        Section(0.0, pulse, flows, np.ones((1, 1))),
        Section(pulse, end, flows, np.zeros((1, 1))),
    ]
    solution = integrate(network, network.initial_state({"x": 0.0}), sections, times, ["two"], FINE)

    def outlet(s: np.ndarray) -> np.ndarray:
        both = lrmp_bed(bed, "x", feed + back, s) * lrmp_bed(other, "x", feed + back, s)
        share = feed / (feed + back)
        return share * both / (1.0 - (1.0 - share) * both) * (1.0 - np.exp(-s * pulse)) / s

    exact = inverse_laplace(outlet, times)
    assert np.abs(solution.outlet[:, 0, 0] - exact).max() < 2e-5 * exact.max()
    assert exact.max() > 0.05


def test_a_ring_of_nonlinear_columns_equals_a_chain_fed_with_its_recycle() -> None:
    """SMA columns in a loop, four components, against the same columns with the recycle as a long chain."""
    sma = StericMassAction(
        "salt", 1200.0, {"a": 1e-2, "b": 3e-3}, {"a": 5.0, "b": 4.0}, {"a": 10.0, "b": 8.0}
    )
    bed = column("bed", binding=sma, elements=2, area=2e-4)
    components = ("salt", "a", "b")
    tube = Tube("back", 1e-6, stages=3)
    network = Network(
        components, (bed, tube), IN, (Link("in", "bed"), Link("bed", "back"), Link("back", "bed"))
    )
    feed = np.array([[80.0, 1.0, 0.5]])
    flows = np.array([3e-8, 5e-8, 2e-8])
    state = network.initial_state({"salt": 50.0})
    times = np.linspace(0.0, 300.0, 31)
    sections = [Section(0.0, 100.0, flows, feed), Section(100.0, 300.0, flows, feed, flows1=2.0 * flows)]
    loop = integrate(network, state, sections, times, ["bed", "back"], FINE)
    assert loop.balance.closure.max() < 1e-10
    # The returning stream, known at last, as an inlet of the open network: the same answer.
    grid = np.linspace(0.0, 300.0, 1501)
    fine = integrate(network, state, sections, grid, ["back"], Tolerance(1e-8)).outlet[:, 0]
    open_ended = Network(
        components, (bed,), (Inlet("in"), Inlet("return")), (Link("in", "bed"), Link("return", "bed"))
    )
    ramps = np.where(grid <= 100.0, 1.0, 1.0 + (grid - 100.0) / 200.0)
    pieces = [
        Section(grid[i], grid[i + 1], ramps[i] * flows[[0, 2]], np.vstack((feed, fine[i])),
                ramps[i + 1] * flows[[0, 2]], np.vstack((feed, fine[i + 1])))
        for i in range(len(grid) - 1)
    ]  # fmt: skip
    chain = integrate(open_ended, open_ended.initial_state({"salt": 50.0}), pieces, times, ["bed"], FINE)
    assert loop.outlet[:, 0] == pytest.approx(chain.outlet[:, 0], rel=2e-5, abs=2e-5)


def test_valves_decide_which_streams_go_round() -> None:
    """Links in both directions between the units; a section with no loop, one with, one without again."""
    components = ("x",)
    units = (StirredTank("a", 1.0), column("bed", area=0.01), StirredTank("b", 2.0))
    links = (
        Link("in", "a"),
        Link("a", "bed"),
        Link("bed", "b"),
        Link("b", "a"),
        Link("b", "bed"),
        Link("bed", "a"),
    )
    network = Network(components, units, IN, links)
    through = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) * 1e-3
    around = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0]) * 1e-3
    other = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]) * 1e-3
    sections = [
        Section(0.0, 100.0, through, np.ones((1, 1))),
        Section(100.0, 300.0, around, np.ones((1, 1))),
        Section(300.0, 400.0, other, np.ones((1, 1))),
    ]
    solution = integrate(
        network, network.initial_state({"x": 0.2}), sections, np.array([100.0, 300.0, 400.0]), ["a", "b"],
        Tolerance(1e-6),
    )  # fmt: skip
    assert solution.balance.closure.max() < 1e-12
    assert solution.balance.left[0] > 0.0
    # In recirculation nothing enters and nothing leaves.
    ring = integrate(
        network, network.initial_state({"x": 0.2}), [Section(0.0, 300.0, around, np.ones((1, 1)))],
        np.array([300.0]), ["a"],
    )  # fmt: skip
    assert ring.balance.entered[0] == 0.0
    assert abs(ring.balance.left[0]) < 1e-15


def test_online_and_in_sections_agree_around_a_loop() -> None:
    binding = Langmuir({"x": 0.5}, {"x": 10.0})
    network = Network(
        ("x",), (column("bed", binding=binding, elements=3), StirredTank("tank", 2e-3)), IN,
        (Link("in", "bed"), Link("bed", "tank"), Link("tank", "bed")),
    )  # fmt: skip
    flows, feed = np.array([1e-4, 3e-4, 2e-4]), np.ones((1, 1))
    state = network.initial_state({"x": 0.0})
    whole = integrate(network, state, [Section(0.0, 60.0, flows, feed)], np.array([60.0]), ["tank"], FINE)
    stepper = Stepper(network, state, 0.0, np.ones(1), ["tank"], FINE)
    for second in range(1, 61):
        outlet = stepper.advance(float(second), flows, feed)
    assert outlet[0, 0] == pytest.approx(whole.outlet[0, 0, 0], rel=1e-5)
    assert stepper.balance().closure.max() < 1e-10


def test_a_column_turned_round_is_the_same_column() -> None:
    """Loaded forwards, then flushed backwards: what went in last comes out first."""
    bed = column("bed", elements=4)
    links = (
        Link("in", "bed"),
        Link("in", "bed", target_end="outlet"),
        Link("bed", "after"),
        Link("bed", "after", source_end="inlet"),
    )
    network = Network(("x",), (bed, StirredTank("after", 1e-6)), IN, links)
    forward, backward = np.array([1, 0, 1, 0]) * 2e-4, np.array([0, 1, 0, 1]) * 2e-4
    feed, none = np.ones((1, 1)), np.zeros((1, 1))
    state = network.initial_state({"x": 0.0})
    load = Section(100.0, 200.0, forward, feed)
    there = integrate(network, state, [load], np.array([200.0]), ["after"], FINE)
    times = np.linspace(200.0, 1200.0, 51)
    back = integrate(network, there.state, [Section(200.0, 1200.0, backward, none)], times, ["after"], FINE)
    on = integrate(network, there.state, [Section(200.0, 1200.0, forward, none)], times, ["after"], FINE)
    mean = [np.sum(times * run.outlet[:, 0, 0]) / np.sum(run.outlet[:, 0, 0]) for run in (back, on)]
    # The front has gone part of the way: back it is nearer.
    assert back.outlet[1, 0, 0] > 10.0 * abs(on.outlet[1, 0, 0])
    assert mean[0] < mean[1]
    # The state is told the right way round: a mirrored start and mirrored flows give the same outlet.
    layout = network.layout
    at = layout.unit_index["bed"]
    mirrored = there.state.copy()
    for view in (layout.liquid, layout.particles, layout.bound):
        view(mirrored, at)[:] = view(there.state, at)[::-1]
    same = integrate(network, mirrored, [Section(200.0, 1200.0, forward, none)], times, ["after"], FINE)
    assert same.outlet == pytest.approx(back.outlet, abs=1e-12)
    view_end = layout.liquid(back.state, at)
    assert view_end == pytest.approx(layout.liquid(same.state, at)[::-1], abs=1e-12)
    assert back.balance.closure.max() < 1e-12


def test_liquid_does_not_enter_a_bed_at_both_ends() -> None:
    links = (Link("in", "bed"), Link("in", "bed", target_end="outlet"))
    network = Network(("x",), (column("bed"),), IN, links)
    with pytest.raises(InputError, match="in at one end, out at the other"):
        integrate(
            network, network.initial_state({"x": 0.0}), [Section(0.0, 1.0, np.ones(2), np.ones((1, 1)))],
            np.array([1.0]), ["bed"],
        )  # fmt: skip


def recycled(henry: float, flow: float = 1e-4) -> Variant:
    """A column with a part of its outlet led back, loaded for a while, as one simulation of a batch."""
    bed = column("bed", binding=Linear({"x": henry}, k_kin={"x": 5.0}), elements=4)
    links = (Link("in", "bed"), Link("bed", "tank"), Link("tank", "bed"))
    network = Network(("x",), (bed, StirredTank("tank", 1e-3)), IN, links)
    flows = np.array([flow, 1.5 * flow, 0.5 * flow])
    sections = [Section(0.0, 300.0, flows, np.ones((1, 1))), Section(300.0, 900.0, flows, np.zeros((1, 1)))]
    return Variant(network, network.initial_state({"x": 0.0}), sections)


def test_batches_and_sensitivities_go_round_too() -> None:
    times = np.linspace(0.0, 900.0, 19)
    batch = simulate_many([recycled(20.0), recycled(30.0, 1.3e-4)], times, ["tank"], FINE, threads=1)
    for at, one in enumerate((recycled(20.0), recycled(30.0, 1.3e-4))):
        alone = integrate(one.network, one.state, one.sections, times, ["tank"], FINE)
        assert batch.outlet[at] == pytest.approx(alone.outlet, abs=1e-6)
    slope = sensitivities(lambda p: recycled(p["henry"]), {"henry": 20.0}, times, ["tank"], FINE)
    up, down = (
        integrate(one.network, one.state, one.sections, times, ["tank"], Tolerance(1e-9)).outlet
        for one in (recycled(20.2), recycled(19.8))
    )
    assert slope.outlet[0] == pytest.approx((up - down) / 0.4, abs=2e-5)
    assert np.abs(slope.outlet).max() > 1e-3
