"""The two published moving beds, and their cyclic steady state by different ways."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError, SolverError
from minifactory.twin.binding import Langmuir, Linear
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Cycle,
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Vessel,
    Way,
    integrate,
    steady_cycle,
)
from minifactory.twin.moving_bed import MovingBed


def four_columns(elements: int) -> MovingBed:
    """Four columns, competitive Langmuir; shared/verification, "Simulated moving bed", first."""
    porosity, length, switch = 0.4, 1.0, 20.0
    one, two, three, four = (-(m * porosity - m - porosity) * length / switch for m in (1.2, 0.6, 0.9, 0.4))
    binding = Langmuir({"C0": 0.1, "C1": 0.05}, {"C0": 10.0, "C1": 10.0})
    bed = Bed(
        "bed", length, 1.0, porosity, BedModel.LRM, axial_dispersion=1e-4, binding=binding, elements=elements
    )
    return MovingBed(
        ("C0", "C1"), bed, (1, 1, 1, 1), (one, two, three, four), switch, np.full(2, 10.0), np.zeros(2)
    )


def eight_columns(elements: int = 4) -> MovingBed:
    """Eight columns, linear (Klatt 2002); shared/verification, "Simulated moving bed", second."""
    two, feed, raffinate, eluent = 1.05e-7, 2.00e-8, 2.66e-8, 4.14e-8
    three = two + feed
    four = three - raffinate
    bed = Bed(
        "bed", 0.536, math.pi / 4.0 * 0.026**2, 0.38, BedModel.LRM, axial_dispersion=3.81e-6,
        binding=Linear({"A": 0.54, "B": 0.28}), elements=elements,
    )  # fmt: skip
    return MovingBed(
        ("A", "B"),
        bed,
        (2, 2, 2, 2),
        (four + eluent, two, three, four),
        1552.0,
        np.full(2, 2.78),
        np.zeros(2),
    )


@pytest.mark.parametrize(
    ("time", "component", "value", "elements"), [(165.9, 1, 7.92810008, 20), (411.7, 0, 6.875020286, 10)]
)
def test_four_columns_meet_the_published_raffinate(
    time: float, component: int, value: float, elements: int
) -> None:
    """Shocks run through the ring: the earlier point stands on one and needs the finer mesh."""
    smb = four_columns(elements)
    period = int(time // smb.switch_time)
    port = smb.raffinate_column(period)
    state = smb.network.initial_state(np.zeros(2))
    solution = integrate(
        smb.network, state, smb.sections(period + 1), np.array([time]), [port], Tolerance(2e-5)
    )
    assert solution.outlet[0, 0, component] == pytest.approx(value, rel=1e-3)
    assert solution.balance.closure.max() < 1e-12


@pytest.fixture(scope="module")
def steady() -> tuple[MovingBed, np.ndarray]:
    smb = eight_columns()
    found = steady_cycle(smb.cycle(), smb.network.initial_state(np.zeros(2)), accuracy=1e-7)
    assert found.cycles < 80
    return smb, found.state


def test_eight_columns_meet_the_published_steady_state(steady: tuple[MovingBed, np.ndarray]) -> None:
    """Where a period ends and the next starts, to a thousandth of the feed."""
    smb, state = steady
    network = smb.network
    extract, raffinate = smb.extract_column(0), smb.raffinate_column(0)
    end = integrate(
        network,
        state,
        smb.cycle().sections,
        np.array([smb.switch_time]),
        [extract, raffinate],
        Tolerance(1e-6),
    ).outlet[0]
    published = np.array([[0.33386940857675, 0.00547664864214], [0.00850628039779, 2.36029224200598]])
    assert np.abs(end - published).max() < 1e-3 * 2.78


@pytest.mark.parametrize("way", [Way.ANDERSON, Way.CYCLING])
def test_every_way_finds_the_same_steady_state(steady: tuple[MovingBed, np.ndarray], way: Way) -> None:
    smb, state = steady
    found = steady_cycle(smb.cycle(), smb.network.initial_state(np.zeros(2)), way=way, accuracy=1e-7)
    layout = smb.network.layout
    for unit in range(layout.tables.units):
        # Cycling is still about ten times its last change away.
        assert layout.liquid(found.state, unit) == pytest.approx(layout.liquid(state, unit), abs=2e-5)


def test_the_ports_feed_and_draw_what_the_zones_say(steady: tuple[MovingBed, np.ndarray]) -> None:
    """In the steady state what enters in a period leaves in it."""
    smb, state = steady
    solution = integrate(smb.network, state, smb.cycle().sections, np.zeros(0), (), Tolerance(1e-6))
    assert solution.balance.entered == pytest.approx(2.0e-8 * 1552.0 * 2.78, rel=1e-9)
    assert solution.balance.left == pytest.approx(solution.balance.entered, rel=1e-5)


def test_zone_flows_that_turn_a_port_round_are_refused() -> None:
    smb = eight_columns()
    with pytest.raises(InputError, match="extract flow"):
        replace(smb, flows=(smb.flows[1] * 0.9, *smb.flows[1:]))


def test_a_cycle_with_a_vessel_and_a_nonlinear_column_settles() -> None:
    """Fed into a hold vessel and drawn from it in turns, binding nonlinear: Newton as by cycling."""
    bed = Bed(
        "bed", 0.1, 1e-4, 0.4, BedModel.LRM, axial_dispersion=1e-6, elements=3,
        binding=Langmuir({"x": 0.5}, {"x": 20.0}),
    )  # fmt: skip
    network = Network(
        ("x",), (Vessel("hold", 1e-4, 2e-5), bed, StirredTank("cell", 1e-7)), (Inlet("in"), Inlet("buffer")),
        (Link("in", "hold"), Link("hold", "bed"), Link("buffer", "bed"), Link("bed", "cell")),
    )  # fmt: skip
    feed = np.array([[2.0], [0.0]])
    sections = [
        Section(0.0, 30.0, np.array([1e-6, 0.0, 1e-6, 1e-6]), feed),
        Section(30.0, 90.0, np.array([0.0, 5e-7, 0.0, 5e-7]), feed),
    ]
    cycle = Cycle(network, sections)
    start = network.initial_state({"x": 0.0})
    newton, cycling = (
        steady_cycle(cycle, start, way=way, accuracy=1e-6) for way in (Way.NEWTON, Way.CYCLING)
    )
    assert newton.cycles < cycling.cycles + 10
    counted = slice(0, network.layout.tables.integrals)
    assert newton.state[counted] == pytest.approx(cycling.state[counted], rel=1e-3, abs=1e-8)
    with pytest.raises(SolverError, match="still changes by"):
        steady_cycle(cycle, start, way=Way.CYCLING, accuracy=1e-6, max_cycles=2)
