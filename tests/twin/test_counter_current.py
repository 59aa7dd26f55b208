"""Counter-current capture: one turn after another, the cyclic steady state, and what more columns bring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import ModulatedLangmuir
from minifactory.twin.counter_current import CounterCurrentCapture, Recovery, capture
from minifactory.twin.engine import Bed, BedModel, Tolerance, Way, integrate, steady_cycle

COMPONENTS = ("salt", "product")
LOW, HIGH = np.array([20.0, 0.0]), np.array([500.0, 0.0])


def process(columns: int, turn: float = 1500.0) -> CounterCurrentCapture:
    """1 mL columns; the product binds at low salt and leaves at high salt."""
    binding = ModulatedLangmuir(
        {"product": 60.0}, {"product": 10.0}, {"salt": 20.0}, beta={("product", "salt"): 3.0}
    )
    bed = Bed(
        "bed", 0.025, 4e-5, 0.35, BedModel.LRMP, 0.8, 45e-6, 2e-6, 1e-7, binding=binding, elements=2, degree=4
    )
    flow = 1.2e-8
    recovery = (
        Recovery("wash", LOW, 2.0 * flow, 200.0), Recovery("elute", HIGH, 2.0 * flow, 300.0, pooled=True),
        Recovery("equilibrate", LOW, 2.0 * flow, 400.0),
    )  # fmt: skip
    in_row = turn - 1000.0 if columns == 2 else 0.0
    return CounterCurrentCapture(
        COMPONENTS, bed, columns, np.array([20.0, 0.04]), flow, turn, recovery, in_row
    )


@pytest.mark.parametrize("columns", [2, 3, 8])
def test_turns_lead_into_the_steady_state_and_mass_closes(columns: int) -> None:
    """One turn after another from equilibrated columns ends where Newton goes at once."""
    made = process(columns)
    start = made.network.initial_state(LOW)
    found = capture(made, start, accuracy=1e-5)
    cycling = steady_cycle(made.cycle(), start, way=Way.CYCLING, accuracy=1e-5, tolerance=Tolerance(1e-4))
    layout = made.network.layout
    for unit in range(columns):
        near = layout.bound(found.steady.state, unit)
        assert layout.bound(cycling.state, unit) == pytest.approx(near, abs=2e-3 * 2.0)
    # In the steady state what is loaded in a turn leaves in it: pooled or lost.
    assert found.pooled[1] + found.lost[1] == pytest.approx(found.loaded[1], rel=1e-3)
    assert 0.5 < found.yields[1] <= 1.0


def test_the_second_column_catches_what_breaks_through_the_first() -> None:
    """At three quarters of the capacity per turn the row keeps the product; far above it is lost."""
    made = [process(3, turn) for turn in (1500.0, 9000.0)]
    kept, lost = (capture(one, one.network.initial_state(LOW)) for one in made)
    # The wash flushes the feed out of the voids, 0.87 of a column: 0.87 CV c / (Q c turn) = 5 % of the load,
    # and some that desorbs meanwhile; it is not pooled.
    assert kept.yields[1] > 0.9
    # The load of a turn is five times what a column binds in equilibrium with the feed.
    assert lost.yields[1] < 0.3


def test_turns_in_time_are_those_of_the_map() -> None:
    """Three turns in one integration, column by column, against the map with its moves."""
    made = process(3)
    start = made.network.initial_state(LOW)
    sections = [s for number in range(3) for s in made.sections(number, number * made.turn)]
    whole = integrate(made.network, start, sections, np.zeros(0), (), Tolerance(1e-6))
    assert whole.balance.closure.max() < 1e-10
    state, cycle = start, made.cycle()
    for _ in range(3):
        turned = integrate(made.network, state, cycle.sections, np.zeros(0), (), Tolerance(1e-6))
        state = cycle.next_start(turned.state)
    layout = made.network.layout
    for unit in range(3):  # after three turns of three columns everybody is back
        assert layout.bound(state, unit) == pytest.approx(layout.bound(whole.state, unit), rel=1e-3, abs=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="recovery takes 900 s"):
        process(3, turn=800.0)
    with pytest.raises(InputError, match="2 to 8"):
        replace(process(3), columns=9)
