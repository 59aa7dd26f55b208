"""The beds against a short independent implementation: finite volumes and SciPy's BDF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from minifactory.twin.binding import BindingModel, Langmuir, LinearDrivingForce
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    ParticleSize,
    Section,
    Tolerance,
    integrate,
)
from tests.engine.binding_battery import COMPONENTS, SPECIMENS, Specimen

CELLS, SHELLS, FLOW, END = 60, 6, 2e-8, 400.0
LOAD, WASH = np.array([150.0, 0.5, 0.3, 7.0]), np.array([400.0, 0.0, 0.0, 7.0])
START = np.array([150.0, 0.0, 0.0, 7.0])


def _bdf(*arguments: object, **options: object) -> Any:
    """SciPy's BDF; it computes with rows it has not filled yet, and may so meet any number there."""
    with np.errstate(invalid="ignore", over="ignore"):
        return solve_ivp(*arguments, **options)  # type: ignore[arg-type, call-overload]


def column(model: BedModel, binding: BindingModel) -> Bed:
    return Bed(
        "bed", 0.02, 1e-4, 0.4, model, 0.7, 40e-6, 1e-5, 2e-6, pore_diffusion=8e-11, binding=binding,
        elements=4,
        degree=4, radial_nodes=4,
    )  # fmt: skip


def by_scipy(bed: Bed, times: np.ndarray) -> np.ndarray:
    """Outlet (nt, nc) by central finite volumes along the bed and shells of equal volume in the particle."""
    compiled = bed.binding.compile(COMPONENTS)
    nc, nb, law = len(COMPONENTS), len(compiled.bound), compiled.law
    eps, pore = bed.interstitial_porosity, bed.particle_porosity
    h, u, d = bed.length / CELLS, FLOW / bed.area / eps, bed.axial_dispersion
    phase = (1.0 - eps) / eps
    shells = {BedModel.LRM: 0, BedModel.LRMP: 1, BedModel.GRM: SHELLS}[bed.model]
    points = max(shells, 1)
    edges = bed.particle_radius * (np.arange(shells + 1) / max(shells, 1)) ** (1.0 / 3.0)
    middles = 0.5 * (edges[1:] + edges[:-1])
    volume = bed.particle_radius**3 / 3.0 / max(shells, 1)

    def rhs(_: float, y: np.ndarray, feed: np.ndarray) -> np.ndarray:
        c = y[: CELLS * nc].reshape(CELLS, nc)
        p = y[CELLS * nc : CELLS * nc * (1 + shells)].reshape(CELLS, shells, nc)
        q = y[CELLS * nc * (1 + shells) :].reshape(CELLS, points, nb)
        face = np.vstack([feed, 0.5 * (c[1:] + c[:-1]), c[-1]])
        slope = np.vstack([np.zeros(nc), (c[1:] - c[:-1]) / h, np.zeros(nc)])
        flux = u * face - d * slope
        dc = -(flux[1:] - flux[:-1]) / h
        dq = np.zeros_like(q)
        liquid = p if shells else c[:, None, :]
        for i in range(CELLS):
            for r in range(points):
                law.rate(compiled.parameters, liquid[i, r].copy(), q[i, r].copy(), dq[i, r])
        taken = dq @ compiled.stoichiometry.T
        if not shells:
            return np.concatenate([(dc - phase * taken[:, 0]).ravel(), dq.ravel()])
        if shells == 1:
            inward = bed.film_coefficient * (c - p[:, 0])
            dp = (3.0 / bed.particle_radius * inward - (1.0 - pore) * taken[:, 0])[:, None] / pore
        else:
            # film and half a shell of pores in series
            half = (edges[-1] - middles[-1]) / (pore * bed.pore_diffusion)
            inward = (c - p[:, -1]) / (1.0 / bed.film_coefficient + half)
            between = pore * bed.pore_diffusion * np.diff(p, axis=1) / np.diff(middles)[:, None]
            through = np.concatenate([np.zeros((CELLS, 1, nc)), between, inward[:, None]], axis=1)
            through = through * (edges**2)[:, None]
            dp = (np.diff(through, axis=1) / volume - (1.0 - pore) * taken) / pore
        dc = dc - phase * 3.0 / bed.particle_radius * inward
        return np.concatenate([dc.ravel(), dp.ravel(), dq.ravel()])

    from minifactory.twin.binding.equilibrium import equilibrium

    y = np.concatenate(
        [np.tile(START, CELLS * (1 + shells)), np.tile(equilibrium(compiled, START), CELLS * points)]
    )
    rows = []
    width = nc * (1 + shells) + points * nb
    for t0, t1, feed in ((0.0, 100.0, LOAD), (100.0, END, WASH)):
        inside = times[(times > t0) & (times <= t1)]
        # Sparsity: cells meet their neighbours, everything in a cell meets.
        cell = np.concatenate([
            np.repeat(np.arange(CELLS), nc), np.repeat(np.arange(CELLS), shells * nc),
            np.repeat(np.arange(CELLS), points * nb),
        ])  # fmt: skip
        pattern = (np.abs(cell[:, None] - cell[None, :]) <= 1).astype(float)
        solution = _bdf(
            rhs, (t0, t1), y, "BDF", t_eval=inside, args=(feed,), rtol=1e-4, atol=1e-6, jac_sparsity=pattern
        )
        rows.append(solution.y[(CELLS - 1) * nc : CELLS * nc].T)
        y = solution.y[:, -1]
    assert width * CELLS == len(y)
    return np.vstack(rows)


def by_engine(bed: Bed, times: np.ndarray) -> np.ndarray:
    network = Network(COMPONENTS, (bed,), (Inlet("in"),), (Link("in", "bed"),))
    flows = np.array([FLOW])
    sections = [Section(0.0, 100.0, flows, LOAD[None]), Section(100.0, END, flows, WASH[None])]
    return integrate(network, network.initial_state(START), sections, times, ["bed"], Tolerance(1e-5)).outlet[
        :, 0
    ]


def _by_cells(
    rates: Callable[[np.ndarray, np.ndarray], np.ndarray], width: int, start: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Outlet liquid (nt, nc) of a chain of cells; `rates` (transport of the liquid, state) of all cells."""
    nc = len(COMPONENTS)
    h = 0.02 / CELLS

    def rhs(_: float, y: np.ndarray, feed: np.ndarray) -> np.ndarray:
        state = y.reshape(CELLS, width)
        c = state[:, :nc]
        face = np.vstack([feed, 0.5 * (c[1:] + c[:-1]), c[-1]])
        slope = np.vstack([np.zeros(nc), (c[1:] - c[:-1]) / h, np.zeros(nc)])
        flux = FLOW / 1e-4 / 0.4 * face - 2e-6 * slope
        return rates(-(flux[1:] - flux[:-1]) / h, state).ravel()

    cell = np.repeat(np.arange(CELLS), width)
    pattern = (np.abs(cell[:, None] - cell[None, :]) <= 1).astype(float)
    y, rows = np.tile(start, CELLS), []
    for t0, t1, feed in ((0.0, 100.0, LOAD), (100.0, END, WASH)):
        inside = times[(times > t0) & (times <= t1)]
        solution = _bdf(
            rhs, (t0, t1), y, "BDF", t_eval=inside, args=(feed,), rtol=1e-5, atol=1e-7, jac_sparsity=pattern
        )
        rows.append(solution.y[(CELLS - 1) * width : (CELLS - 1) * width + nc].T)
        y = solution.y[:, -1]
    return np.vstack(rows)


K, Q_MAX = np.array([0.8, 0.3]), np.array([12.0, 15.0])
LANGMUIR = Langmuir({"a": 0.8, "b": 0.3}, {"a": 12.0, "b": 15.0})
PHASE = 1.5  # (1 - 0.4) / 0.4


def edm_rates(transport: np.ndarray, state: np.ndarray) -> np.ndarray:
    """(I + F dq/dc) c' = transport, with q = q_max K c / (1 + sum K c) of the second and third component."""
    rates = transport.copy()
    c = state[:, 1:3]
    taken = 1.0 + c @ K
    for i in range(len(c)):
        slope = np.diag(Q_MAX * K) / taken[i] - np.outer(Q_MAX * K * c[i], K) / taken[i] ** 2
        rates[i, 1:3] = np.linalg.solve(np.eye(2) + PHASE * slope, transport[i, 1:3])
    return rates


def tdm_rates(transport: np.ndarray, state: np.ndarray) -> np.ndarray:
    """q' = k (c - c*),  c* = q / (K q_max (1 - sum q / q_max)),  c' = transport - F q'."""
    q = state[:, 4:]
    free = 1.0 - (q / Q_MAX).sum(axis=1, keepdims=True)
    taken = TRANSFER * (state[:, 1:3] - q / (K * Q_MAX * free))
    liquid = transport.copy()
    liquid[:, 1:3] -= PHASE * taken
    return np.hstack([liquid, taken])


def ldf_rates(transport: np.ndarray, state: np.ndarray) -> np.ndarray:
    """q' = k (q*(c) - q),  c' = transport - F q'."""
    c, q = state[:, 1:3], state[:, 4:]
    taken = TRANSFER * (Q_MAX * K * c / (1.0 + c @ K)[:, None] - q)
    liquid = transport.copy()
    liquid[:, 1:3] -= PHASE * taken
    return np.hstack([liquid, taken])


SIZES = (ParticleSize(25e-6, 0.4, film=1.5), ParticleSize(60e-6, 0.6, film=0.8))


def sizes_rates(transport: np.ndarray, state: np.ndarray) -> np.ndarray:
    """LRMP of two sizes, Langmuir kinetics: per size liquid p (nc) and bound q (2)."""
    nc, pore, film, liquid = 4, 0.7, 1e-5, transport.copy()
    blocks = []
    for j, size in enumerate(SIZES):
        at = nc + j * (nc + 2)
        p, q = state[:, at : at + nc], state[:, at + nc : at + nc + 2]
        taken = K * Q_MAX * p[:, 1:3] * (1.0 - (q / Q_MAX).sum(axis=1, keepdims=True)) - q
        inward = 3.0 / size.radius * film * (size.film or 1.0) * (state[:, :nc] - p)
        liquid -= PHASE * size.fraction * inward
        inside = inward / pore
        inside[:, 1:3] -= (1.0 - pore) / pore * taken
        blocks += [inside, taken]
    return np.hstack([liquid, *blocks])


TRANSFER = 0.05
EVERY = np.arange(20.0, END + 1.0, 20.0)


@pytest.mark.parametrize(
    ("rates", "width", "bed"),
    [
        (edm_rates, 4, column(BedModel.EDM, LANGMUIR)),
        (tdm_rates, 6, replace(column(BedModel.TDM, LANGMUIR), transfer_coefficient=TRANSFER)),
        (ldf_rates, 6, column(BedModel.LRM, LinearDrivingForce(LANGMUIR, {"a": TRANSFER, "b": TRANSFER}))),
        (
            sizes_rates, 16,
            replace(
                column(BedModel.LRMP, replace(LANGMUIR, k_kin={"a": 1.0, "b": 1.0})), particle_radius=0.0,
                particle_sizes=SIZES,
            ),
        ),
    ],
    ids=["EDM", "TDM", "linear driving force", "two particle sizes"],
)  # fmt: skip
def test_written_out_beds_agree(rates: Callable[..., np.ndarray], width: int, bed: Bed) -> None:
    """Beds whose equations stand above, law included: nothing of the engine in the reference."""
    pores = np.concatenate([START, np.zeros(2)])
    start = np.concatenate([START, pores, pores] if bed.particle_sizes else [START, np.zeros(width - 4)])
    exact, got = _by_cells(rates, width, start, EVERY), by_engine(bed, EVERY)
    scale = np.array([400.0, 0.5, 0.3, 7.0])
    assert np.all(np.abs(got - exact) <= 5e-3 * scale), (np.abs(got - exact).max(axis=0) / scale).tolist()


# Every law on the cheapest bed, every bed with one law.
CASES = [(BedModel.LRM, s) for s in SPECIMENS] + [(m, SPECIMENS[1]) for m in (BedModel.LRMP, BedModel.GRM)]


@pytest.mark.parametrize(("model", "specimen"), CASES, ids=[f"{m.name} {s.name}" for m, s in CASES])
def test_beds_agree_with_scipy(model: BedModel, specimen: Specimen) -> None:
    bed = column(model, specimen.kinetic)
    times = np.arange(20.0, END + 1.0, 20.0)
    exact, got = by_scipy(replace(bed), times), by_engine(bed, times)
    # Sixty cells of second order at Pe 5 per metre of front: errors of a few thousandths of the feed.
    scale = np.array([400.0, 0.5, 0.3, 7.0])
    assert np.all(np.abs(got - exact) <= 1e-2 * scale), (np.abs(got - exact).max(axis=0) / scale).tolist()
