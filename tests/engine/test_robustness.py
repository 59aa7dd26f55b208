"""What breaks simulators: each case is solved, or refused by naming the place, in bounded work."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError, SolverError
from minifactory.twin.binding import BindingModel, GeneralisedIonExchange, Langmuir, StericMassAction
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Solution,
    StirredTank,
    Tolerance,
    integrate,
)

MAX_STEPS = 12_000
Feed = tuple[float, float, float]


def sma(nu: float = 5.0, k_eq: float = 1e-2, k_kin: float | None = None) -> StericMassAction:
    kinetics = None if k_kin is None else {"a": k_kin, "b": 10.0 * k_kin}
    charge, shielding = {"a": nu, "b": 0.8 * nu}, {"a": 10.0, "b": 8.0}
    return StericMassAction("salt", 1200.0, {"a": k_eq, "b": k_eq / 3.0}, charge, shielding, kinetics)


GENERALISED = GeneralisedIonExchange(
    "salt", None, 1200.0, 7.0, {"a": (-4.6, 0.0, 0.0), "b": (-5.7, 0.0, 0.0)},
    {"a": (5.0, 0.0, 0.0), "b": (4.0, 0.0, 0.0)}, {"a": 10.0, "b": 8.0},
)  # fmt: skip


def column(model: BedModel, binding: BindingModel, dispersion: float = 5.75e-8, elements: int = 6) -> Network:
    bed = Bed(
        "bed", 0.1, 2e-4, 0.37 if model.porous else 0.8, model, 0.75, 45e-6, 7e-6, dispersion,
        pore_diffusion=6e-11, binding=binding, elements=elements, transfer_coefficient=0.2,
    )  # fmt: skip
    return Network(("salt", "a", "b"), (bed,), (Inlet("in"),), (Link("in", "bed"),))


def run(
    network: Network,
    feeds: list[Feed],
    start: Feed,
    flows: list[float] | None = None,
    duration: float = 600.0,
    state: np.ndarray | None = None,
) -> Solution:
    flows = flows or [5e-8] * len(feeds)
    sections = [
        Section(i * duration, (i + 1) * duration, np.array([flow]), np.array([feed]))
        for i, (feed, flow) in enumerate(zip(feeds, flows, strict=True))
    ]
    state = network.initial_state(np.array(start)) if state is None else state
    times = np.linspace(0.0, sections[-1].t1, 201)
    solution = integrate(network, state, sections, times, ["bed"], Tolerance(1e-4, max_steps=MAX_STEPS))
    assert np.all(np.isfinite(solution.outlet))
    assert solution.balance.closure.max() <= 1e-8
    return solution


CYCLE: list[Feed] = [(50.0, 1.0, 1.0), (50.0, 0.0, 0.0), (1000.0, 0.0, 0.0), (50.0, 0.0, 0.0)]
# The equilibrium-dispersive model is the LRM with rapid binding.
MODELS = pytest.mark.parametrize(
    "model", [m for m in BedModel if m is not BedModel.EDM], ids=lambda model: model.name
)


@MODELS
@pytest.mark.parametrize(
    "binding",
    [
        pytest.param(sma(nu=12.0), id="nu 12"),
        pytest.param(sma(nu=12.0, k_kin=1e-3), id="nu 12 kinetic"),
        pytest.param(sma(k_kin=1e-6), id="rates times 1e6"),
        pytest.param(sma(k_eq=1e7), id="K 1e7"),
        pytest.param(Langmuir({"a": 1e7, "b": 1e5}, {"a": 50.0, "b": 50.0}), id="K 1e7 Langmuir"),
    ],
)
def test_extreme_binding(model: BedModel, binding: BindingModel) -> None:
    solution = run(column(model, binding), CYCLE, (50.0, 0.0, 0.0))
    assert solution.balance.entered[1] > 0.0


@MODELS
def test_very_little_salt_and_steps_to_one_molar(model: BedModel) -> None:
    feeds: list[Feed] = [(1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (1000.0, 0.0, 0.0), (1.0, 0.0, 0.0)]
    solution = run(column(model, sma()), feeds, (1.0, 0.0, 0.0))
    assert solution.outlet[:, 0, 0].max() > 990.0


@MODELS
def test_dry_start(model: BedModel) -> None:
    """Nothing dissolved at the start, not even salt."""
    feeds: list[Feed] = [(0.0, 1.0, 1.0), (50.0, 0.0, 0.0), (1000.0, 0.0, 0.0)]
    run(column(model, sma()), feeds, (0.0, 0.0, 0.0))


@MODELS
def test_negative_salt(model: BedModel) -> None:
    feeds: list[Feed] = [(-20.0, 1.0, 1.0), (50.0, 0.0, 0.0), (1000.0, 0.0, 0.0)]
    run(column(model, sma()), feeds, (50.0, 0.0, 0.0))


@MODELS
@pytest.mark.parametrize("binding", [sma(), GENERALISED], ids=["SMA", "generalised"])
@pytest.mark.parametrize("salt", [-19.9, -1.0])
def test_a_full_bed_in_negative_salt_takes_few_steps(
    model: BedModel, binding: BindingModel, salt: float
) -> None:
    """Equilibria steeper than the tolerance: settled by steps of Newton instead of ever shorter ones."""
    feeds: list[Feed] = [(salt, 1.0, 1.0), (50.0, 0.0, 0.0), (1000.0, 0.0, 0.0)]
    solution = run(column(model, binding), feeds, (50.0, 0.0, 0.0))
    assert solution.steps + solution.rejected < MAX_STEPS / 3


@MODELS
def test_standing_still(model: BedModel) -> None:
    """No flow at all: nothing enters or leaves, kinetics and diffusion go on, mass stays."""
    network = column(model, sma(k_kin=1e-2))
    loaded = run(network, CYCLE[:1], (50.0, 0.0, 0.0)).state
    solution = run(network, [(1000.0, 5.0, 5.0)], (50.0, 0.0, 0.0), flows=[0.0], state=loaded)
    assert np.all(solution.balance.entered == 0.0)
    assert np.all(solution.balance.left == 0.0)
    np.testing.assert_allclose(solution.balance.held_after, solution.balance.held_before, rtol=1e-12)
    assert np.abs(solution.state - loaded).max() > 1e-6


@MODELS
def test_stop_and_go(model: BedModel) -> None:
    run(column(model, sma()), CYCLE, (50.0, 0.0, 0.0), flows=[5e-8, 0.0, 5e-8, 0.0])


@MODELS
def test_load_far_over_capacity(model: BedModel) -> None:
    feeds: list[Feed] = [(50.0, 50.0, 50.0), (50.0, 0.0, 0.0), (1000.0, 0.0, 0.0)]
    solution = run(column(model, sma()), feeds, (50.0, 0.0, 0.0), duration=2000.0)
    assert solution.outlet[:, 0, 1].max() > 49.0


@MODELS
def test_hardly_any_dispersion(model: BedModel) -> None:
    """Pe = 1e5, strong binding: solved, if need be by the monotone scheme, and then said so."""
    network = column(model, sma(), dispersion=1e-9)
    solution = run(network, CYCLE, (50.0, 0.0, 0.0))
    assert solution.outlet[:, 0, 1:].min() >= -0.01 * max(1.0, solution.outlet[:, 0, 1:].max())
    assert solution.smeared in ((), ("bed",))


@MODELS
def test_langmuir_shock_hardly_any_dispersion(model: BedModel) -> None:
    binding = Langmuir({"a": 0.1, "b": 0.05}, {"a": 50.0, "b": 50.0})
    solution = run(
        column(model, binding, dispersion=1e-9), [(0.0, 10.0, 10.0), (0.0, 0.0, 0.0)], (0.0, 0.0, 0.0)
    )
    assert solution.outlet[:, 0, 1:].min() >= -0.01 * 10.0


@MODELS
def test_inconsistent_start(model: BedModel) -> None:
    """Bound states far from equilibrium with the liquid are taken as they are and relax; no mass is lost."""
    network = column(model, sma())
    state = network.initial_state(np.array([50.0, 1.0, 0.0]), bound={"bed": np.array([0.0, 30.0])})
    solution = run(network, CYCLE[1:], (0.0, 0.0, 0.0), state=state)
    gained = solution.balance.held_before - solution.balance.held_after
    assert solution.balance.left[2] == pytest.approx(gained[2], rel=1e-8)


@MODELS
@pytest.mark.parametrize("seed", range(5))
def test_random_extremes(model: BedModel, seed: int) -> None:
    """Anything at all: solved with every mass closed, or a SolverError that names place and cause."""
    random = np.random.default_rng(1000 + seed)

    def size(low: float, high: float) -> float:
        return float(10.0 ** random.uniform(low, high))

    binding: BindingModel = sma(random.uniform(0.5, 15.0), size(-6, 7), size(-8, 2) if seed % 2 else None)
    if seed % 3 == 0:
        binding = Langmuir({"a": size(-3, 7), "b": size(-3, 7)}, {"a": size(-1, 3), "b": size(-1, 3)})
    network = column(model, binding, size(-10, -4), int(random.integers(1, 12)))
    feeds: list[Feed] = [(size(-1, 3.2), size(-6, 2), size(-6, 2)) for _ in range(4)]
    flows = [float(random.choice([0.0, 1e-9, 5e-8, 1e-6])) for _ in feeds]
    try:
        run(network, feeds, (size(-1, 3), 0.0, 0.0), flows)
    except SolverError as fault:
        assert "unit bed, node" in str(fault)  # noqa: PT017


def test_not_a_number_names_the_unit() -> None:
    network = column(BedModel.LRMP, sma())
    state = network.initial_state(np.array([50.0, 0.0, 0.0]))
    flows, feed = np.array([5e-8]), np.array([[np.nan, 0.0, 0.0]])
    with pytest.raises(InputError, match="not finite"):
        integrate(network, state, [Section(0.0, 1.0, flows, feed)], np.array([1.0]), ["bed"])


def test_too_many_steps_names_place_and_time() -> None:
    network = column(BedModel.LRMP, sma())
    state = network.initial_state(np.array([50.0, 0.0, 0.0]))
    sections = [Section(0.0, 600.0, np.array([5e-8]), np.array([[50.0, 1.0, 1.0]]))]
    with pytest.raises(SolverError, match=r"t = .* s, unit bed, node \d+ of 36.*too many steps"):
        integrate(network, state, sections, np.array([600.0]), ["bed"], Tolerance(1e-6, max_steps=10))


def test_bad_flows_are_refused_by_name() -> None:
    tanks = (StirredTank("first", 1e-6), StirredTank("second", 1e-6))
    network = Network(("x",), tanks, (Inlet("in"),), (Link("in", "first"), Link("first", "second")))
    state = network.initial_state({"x": 0.0})
    for flows, word in (([1e-8, -1e-8], "first -> second"), ([1e-8, 2e-8], "unit first")):
        sections = [Section(0.0, 1.0, np.array(flows), np.zeros((1, 1)))]
        with pytest.raises(InputError, match=word):
            integrate(network, state, sections, np.array([1.0]), ["second"])


def test_all_faults_of_a_network_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Network(
            ("x", "x"),
            (StirredTank("tank", -1.0), Bed("bed", 0.1, 1e-4, 1.5)),
            (Inlet("in"),),
            (Link("inn", "tank"), Link("tank", "bedd")),
        )
    text = str(caught.value)
    for word in (
        '"x" appears 2 times',
        "volume is -1",
        "interstitial_porosity",
        "inn",
        "bedd",
        "Did you mean",
    ):
        assert word in text
