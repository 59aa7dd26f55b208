"""The beds against a short independent implementation: finite volumes and SciPy's BDF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from minifactory.twin.binding import BindingModel
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate
from tests.engine.binding_battery import COMPONENTS, SPECIMENS, Specimen

CELLS, SHELLS, FLOW, END = 60, 6, 2e-8, 400.0
LOAD, WASH = np.array([150.0, 0.5, 0.3, 7.0]), np.array([400.0, 0.0, 0.0, 7.0])
START = np.array([150.0, 0.0, 0.0, 7.0])


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
        solution = solve_ivp(
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
