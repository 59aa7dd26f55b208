"""Relations between the bed models that hold exactly."""

from __future__ import annotations

import numpy as np

from minifactory.twin.binding import Linear
from minifactory.twin.engine import BedModel
from tests.engine import verification as cases

TIMES = np.linspace(50.0, 1450.0, 57)


def _outlet(model: BedModel, **numbers: object) -> np.ndarray:
    network, flow = cases._column(model, ("x",), Linear({"x": 8.0}), (6, 4, 5), **numbers)
    return cases._pulse("particles", network, flow, 1.0, 10.0, 1500.0, "").run(TIMES, 1e-8).outlet[:, 0, 0]


def test_surface_diffusion_adds_to_pore_diffusion() -> None:
    """With linear equilibrium the flux is (eps_p D_p + (1 - eps_p) K D_s) grad c."""
    d_p, d_s, pore, henry = 4e-11, 2e-12, 0.75, 8.0
    together = _outlet(BedModel.GRM, pore_diffusion=d_p, surface_diffusion=d_s)
    alone = _outlet(BedModel.GRM, pore_diffusion=d_p + (1.0 - pore) / pore * henry * d_s)
    without = _outlet(BedModel.GRM, pore_diffusion=d_p)
    assert np.abs(together - alone).max() < 1e-6 * alone.max()
    assert np.abs(together - without).max() > 1e-2 * alone.max()


def test_fast_pore_diffusion_makes_the_particle_well_mixed() -> None:
    fast, mixed = _outlet(BedModel.GRM, pore_diffusion=1e-5), _outlet(BedModel.LRMP)
    assert np.abs(fast - mixed).max() < 1e-4 * mixed.max()


def test_fast_film_makes_particles_part_of_the_liquid() -> None:
    """LRMP with an unlimited film is LRM with the total porosity, at the same flow and solid."""
    porous = _outlet(BedModel.LRMP, film_coefficient=1.0)
    eps = 0.37 + 0.63 * 0.75
    network, _ = cases._column(
        BedModel.LRM, ("x",), Linear({"x": 8.0}), (6, 4, 5), interstitial_porosity=eps,
        # per liquid volume: the dispersive flux of the bed is that of its interstitial liquid
        axial_dispersion=5.75e-8 * 0.37 / eps,
    )  # fmt: skip
    lumped = cases._pulse("lumped", network, 5.75e-4 * 0.37, 1.0, 10.0, 1500.0, "").run(TIMES, 1e-8)
    assert np.abs(porous - lumped.outlet[:, 0, 0]).max() < 1e-4 * porous.max()


def test_smaller_accessible_pores_elute_earlier() -> None:
    """First moment of a non-binding solute: t0 (1 + F eps_p a)."""
    times = np.linspace(0.0, 300.0, 3001)
    means = []
    for accessible in (1.0, 0.5, 0.25):
        network, flow = cases._column(
            BedModel.LRMP,
            ("x",),
            Linear({"x": 0.0}),
            (6, 4, 5),
            accessibility=accessible,
            film_coefficient=1e-4,
        )
        c = cases._pulse("tracer", network, flow, 1.0, 1.0, 300.0, "").run(times, 1e-7).outlet[:, 0, 0]
        means.append(float(times @ c / c.sum()) - 0.5)
    t0, phase = 0.014 / 5.75e-4, 0.63 / 0.37
    np.testing.assert_allclose(means, [t0 * (1.0 + phase * 0.75 * a) for a in (1.0, 0.5, 0.25)], rtol=1e-3)
