"""Properties over random beds, isotherms and inlets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minifactory.twin.binding import (
    BindingModel,
    Freundlich,
    HydrophobicInteraction,
    Langmuir,
    ModulatedLangmuir,
    StericMassAction,
)
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Tube,
    integrate,
)

FAST = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


@dataclass(frozen=True)
class Draw:
    """A random chain of mixer, tube and bed, and what enters it."""

    bed: Bed
    feeds: tuple[tuple[float, float, float], ...]
    flows: tuple[float, ...]

    def network(self, components: tuple[str, ...] = ("salt", "a", "b"), scale: float = 1.0) -> Network:
        bed = replace(self.bed, area=self.bed.area * scale)
        units = (StirredTank("mixer", 2e-7 * scale), Tube("tube", 1e-7 * scale, stages=4), bed)
        return Network(
            components,
            units,
            (Inlet("in"),),
            (Link("in", "mixer"), Link("mixer", "tube"), Link("tube", "bed")),
        )

    def sections(
        self, order: tuple[int, ...] = (0, 1, 2), scale: float = 1.0, parts: int = 1
    ) -> list[Section]:
        sections = []
        for i, (feed, flow) in enumerate(zip(self.feeds, self.flows, strict=True)):
            after = self.feeds[min(i + 1, len(self.feeds) - 1)]
            for part in range(parts):
                ends = [
                    (1.0 - x) * np.array(feed) + x * np.array(after)
                    for x in (part / parts, (part + 1) / parts)
                ]
                c0, c1 = (end[list(order)][None, :] for end in ends)
                t0, t1 = 200.0 * (i + part / parts), 200.0 * (i + (part + 1) / parts)
                sections.append(Section(t0, t1, np.full(3, flow * scale), c0, inlets1=c1))
        return sections


def _bindings() -> st.SearchStrategy[BindingModel]:
    number = st.floats(0.02, 2.0)
    langmuir = st.builds(
        lambda a, b, qa, qb: Langmuir({"a": a, "b": b}, {"a": qa, "b": qb}),
        number, number, st.floats(5.0, 50.0), st.floats(5.0, 50.0),
    )  # fmt: skip
    sma = st.builds(
        lambda ka, kb, na, nb: StericMassAction(
            "salt", 1000.0, {"a": ka, "b": kb}, {"a": na, "b": nb}, {"a": 10.0, "b": 12.0}
        ),
        st.floats(1e-3, 0.1), st.floats(1e-3, 0.1), st.floats(2.0, 6.0), st.floats(2.0, 6.0),
    )  # fmt: skip
    freundlich = st.builds(
        lambda a, b, n: Freundlich({"a": a, "b": b}, {"a": n, "b": 1.2}),
        st.floats(0.5, 5.0), st.floats(0.5, 5.0), st.floats(1.0, 2.5),
    )  # fmt: skip
    modulated = st.builds(
        lambda a, b, power: ModulatedLangmuir(
            {"a": a, "b": b}, {"a": 20.0, "b": 30.0}, {"salt": 100.0}, None, {("a", "salt"): power}
        ),
        number, number, st.floats(0.0, 3.0),
    )  # fmt: skip
    hic = st.builds(
        lambda k, n: HydrophobicInteraction(
            "salt", (0.05, 2e-3), {"a": k, "b": 2.0}, {"a": n, "b": 1.5}, {"a": 12.0, "b": 15.0}
        ),
        st.floats(0.5, 8.0), st.floats(1.0, 3.0),
    )  # fmt: skip
    return langmuir | sma | freundlich | modulated | hic


@st.composite
def draws(draw: st.DrawFn) -> Draw:
    model = draw(st.sampled_from(list(BedModel)))
    bed = Bed(
        "bed", draw(st.floats(0.01, 0.05)), 1e-4, draw(st.floats(0.3, 0.45)), model,
        draw(st.floats(0.4, 0.9)), draw(st.floats(15e-6, 60e-6)), draw(st.floats(3e-6, 3e-5)),
        draw(st.floats(2e-7, 2e-6)),
        accessibility={"salt": 1.0, "a": draw(st.floats(0.3, 1.0)), "b": 0.8}, pore_diffusion=8e-11,
        binding=draw(_bindings()), elements=6, degree=3, radial_nodes=3, transfer_coefficient=0.3,
    )  # fmt: skip
    feed = st.tuples(st.floats(20.0, 400.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
    return Draw(
        bed,
        tuple(draw(st.lists(feed, min_size=3, max_size=3))),
        tuple(draw(st.lists(st.sampled_from([0.0, 5e-9, 2e-8, 5e-8]), min_size=3, max_size=3))),
    )


TIMES = np.linspace(0.0, 600.0, 61)


def _run(network: Network, sections: list[Section], start: np.ndarray, tolerance: float = 1e-5) -> np.ndarray:
    state = network.initial_state(start)
    run = integrate(network, state, sections, TIMES, ["bed"], Tolerance(tolerance, max_steps=5000))
    assert run.balance.closure.max() <= 1e-10
    return run.outlet[:, 0]


def _near(a: np.ndarray, b: np.ndarray, draw: Draw, part: float = 2e-3) -> None:
    scale = np.array([400.0, 2.0, 2.0])
    assert np.all(np.abs(a - b) <= part * scale), np.abs(a - b).max(axis=0) / scale
    assert draw.bed.length > 0.0


START = np.array([50.0, 0.0, 0.0])


@FAST
@given(draws())
def test_mass_closes_and_nothing_is_negative(draw: Draw) -> None:
    outlet = _run(draw.network(), draw.sections(), START)
    assert np.all(np.isfinite(outlet))
    # The undershoot that the tolerance allows to bound components, before the monotone scheme takes over.
    assert np.all(outlet.min(axis=0)[1:] >= -0.01 * np.array([2.0, 2.0]))
    # The salt is not one of them: on 24 nodes its sharp fronts may show five per cent of the feed.
    assert outlet[:, 0].min() >= -0.05 * 400.0


@FAST
@given(draws())
def test_permuting_components_permutes_results(draw: Draw) -> None:
    straight = _run(draw.network(), draw.sections(), START)
    order = (2, 0, 1)
    names = tuple(("salt", "a", "b")[i] for i in order)
    mixed = _run(draw.network(names), draw.sections(order), START[list(order)])
    _near(straight[:, list(order)][:, [1, 2, 0]], mixed[:, [1, 2, 0]], draw)


@FAST
@given(draws())
def test_splitting_a_section_changes_nothing(draw: Draw) -> None:
    whole = _run(draw.network(), draw.sections(), START)
    parts = _run(draw.network(), draw.sections(parts=3), START)
    _near(whole, parts, draw)


@FAST
@given(draws(), st.floats(1e-2, 1e2))
def test_other_units_of_concentration_change_nothing(draw: Draw, unit: float) -> None:
    """A Langmuir isotherm in another unit: concentrations and capacities times it, K divided by it."""
    k, q_max = {"a": 0.5, "b": 0.1}, {"a": 20.0, "b": 35.0}
    outlets = []
    for factor in (1.0, unit):
        scaled = Langmuir(
            {name: value / factor for name, value in k.items()},
            {name: value * factor for name, value in q_max.items()},
        )
        feeds = tuple(tuple(factor * value for value in feed) for feed in draw.feeds)
        one = replace(draw, bed=replace(draw.bed, binding=scaled), feeds=feeds)  # type: ignore[arg-type]
        outlets.append(_run(one.network(), one.sections(), factor * START) / factor)
    _near(outlets[0], outlets[1], draw)


@FAST
@given(draws(), st.integers(-10, 10), st.floats(1e-3, 1e3))
def test_a_larger_plant_with_larger_flows_is_the_same(draw: Draw, doublings: int, scale: float) -> None:
    small = _run(draw.network(), draw.sections(), START)
    # Powers of two change no digit: nothing but the ratio of flow and volume may count.
    factor = 2.0**doublings
    exact = _run(draw.network(scale=factor), draw.sections(scale=factor), START)
    _near(small, exact, draw, 1e-12)
    # Other factors change the last digit, and where an isotherm has a kink (Freundlich) that decides which
    # steps are rejected: the results agree to some tolerances of 1e-5.
    large = _run(draw.network(scale=scale), draw.sections(scale=scale), START)
    _near(small, large, draw, 1e-4)
