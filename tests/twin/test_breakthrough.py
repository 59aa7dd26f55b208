"""The column that is known by its breakthrough only: its curve, a second column, other feeds, elution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from minifactory.twin.binding import Breakthrough
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate

CV, POROSITY, FLOW = 1e-6, 0.9, 0.38e-6 / 60.0
HALF, SPREAD = 0.26, 0.10  # mol per m3 of column
MODEL = Breakthrough(
    {"p": HALF / (1.0 - POROSITY)}, {"p": SPREAD}, {"p": 60.0}, "salt", CV / FLOW, reference=500.0
)


def bed(name: str, elements: int = 6) -> Bed:
    return Bed(name, 0.025, CV / 0.025, POROSITY, BedModel.LRM, binding=MODEL, elements=elements)


def load(
    feed: float, volumes: float, columns: tuple[str, ...] = ("C1",), flow: float = FLOW
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load per column volume (nt,), breakthrough c / c0 (nt, columns) and the state at the end."""
    units = tuple(bed(name) for name in columns)
    links = tuple(Link(a, b) for a, b in zip(("in", *columns[:-1]), columns, strict=True))
    network = Network(("salt", "p"), units, (Inlet("in"),), links)
    end = volumes * CV / flow
    times = np.linspace(0.0, end, 161)
    state = network.initial_state(np.array([20.0, 0.0]))
    section = Section(0.0, end, np.full(len(links), flow), np.array([[20.0, feed]]))
    run = integrate(network, state, [section], times, columns, Tolerance(1e-5, scales=np.array([20.0, feed])))
    assert run.balance.closure.max() < 1e-10
    fed = np.maximum(times * flow / CV - POROSITY, 0.0) * feed
    return fed, run.outlet[:, :, 1] / feed, run.state


@pytest.mark.parametrize("feed", [0.0064, 0.00512, 0.02])
def test_the_breakthrough_is_an_error_function_of_the_load(feed: float) -> None:
    """Whatever the concentration of the feed: within 0.012 of the curve that was asked for."""
    fed, out, _ = load(feed, 2.0 * HALF / feed)
    assert np.abs(out[:, 0] - 0.5 * (1.0 + erf((fed - HALF) / (np.sqrt(2.0) * SPREAD)))).max() < 0.012


def test_a_slower_load_breaks_through_sharper() -> None:
    fed, out, _ = load(0.0064, 2.0 * HALF / 0.0064, flow=0.5 * FLOW)
    wanted = 0.5 * (1.0 + erf((fed - HALF) / (np.sqrt(2.0) * 0.5 * SPREAD)))
    assert np.abs(out[:, 0] - wanted).max() < 0.012


def test_the_second_column_catches_what_the_first_loses() -> None:
    """Two in a row take up what one column of twice the size would: bound + lost = fed."""
    fed, out, _ = load(0.0064, 45.0, ("C1", "C2"))
    lost = np.trapezoid(out, fed, axis=0)
    assert lost[0] == pytest.approx(9.0 * 0.0064, rel=0.1)
    assert lost[1] < 0.05 * lost[0]


def test_salt_elutes_what_is_bound() -> None:
    _, out, state = load(0.0064, 30.0)
    network = Network(("salt", "p"), (bed("C1"),), (Inlet("in"),), (Link("in", "C1"),))
    volumes = 6.0
    end = volumes * CV / FLOW
    section = Section(0.0, end, np.array([FLOW]), np.array([[600.0, 0.0]]))
    run = integrate(network, state, [section], np.array([end]), ("C1",), Tolerance(1e-5))
    held = 30.0 * 0.0064 - np.trapezoid(out[:, 0], np.linspace(0.0, 30.0, 161)) * 0.0064
    assert run.passed[-1, 0, 1] == pytest.approx(held * CV, rel=0.02)
