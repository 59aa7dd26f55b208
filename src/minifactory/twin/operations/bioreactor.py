"""A perfusion bioreactor as the source of a feed: cells, substrate, by-product and product (Monod).

    mu = mu_max S / (K_S + S) K_L / (K_L + L) - k_d
    X' = (mu - B/V) X                       cells, kept by the retention device; B bleed
    S' = D (S_in - S) - q_S X               D = perfusion rate per volume, q_S = mu+ / Y + m
    L' = q_L X - D L                        inhibiting by-product
    P' = q_P X - D P                        product, leaves with the harvest

Steady state of the cells at given bleed: mu = B / V. Source: J. E. Bailey, D. F. Ollis, Biochemical
Engineering Fundamentals, 2nd ed., 1986, ch. 7 and 9; parameters of a CHO line must be given, the defaults
are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from minifactory.twin.engine import Section
from minifactory.twin.engine.tables import Array

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True)
class Perfusion:
    """A perfusion culture; concentrations in mol/m3, cells in 1e12 per m3 (= 1e6/mL).

    Parameters
    ----------
    growth, death : float
        mu_max and k_d in 1/s.
    substrate_constant, inhibition_constant : float
        K_S and K_L, mol/m3.
    cell_yield : float
        1e12 cells per mol of substrate.
    maintenance, by_product_rate, product_rate : float
        mol per (1e12 cells s).
    feed_substrate : float
        S_in, mol/m3.
    perfusion, bleed : float
        D and B/V, 1/s.
    """

    growth: float = 0.035 / HOUR
    death: float = 0.002 / HOUR
    substrate_constant: float = 0.5
    inhibition_constant: float = 40.0
    cell_yield: float = 0.9
    maintenance: float = 4e-3 / HOUR
    by_product_rate: float = 6e-3 / HOUR
    product_rate: float = 1.0e-6 / HOUR
    feed_substrate: float = 40.0
    perfusion: float = 1.0 / DAY
    bleed: float = 0.0


@dataclass(frozen=True)
class Culture:
    """A culture in time: times (nt,) in s; cells, substrate, by-product and product (nt,) as in Perfusion."""

    times: Array
    cells: Array
    substrate: Array
    by_product: Array
    product: Array


def grow(culture: Perfusion, start: tuple[float, float, float, float], times: Array) -> Culture:
    """The culture at `times` (s) from cells, substrate, by-product and product at the first of them."""

    def slopes(_: float, y: Array) -> list[float]:
        x, s, inhibitor, p = np.maximum(y, 0.0)
        gross = culture.growth * s / (culture.substrate_constant + s)
        gross *= culture.inhibition_constant / (culture.inhibition_constant + inhibitor)
        uptake = gross / culture.cell_yield + culture.maintenance * s / (s + 1e-3)
        return [
            (gross - culture.death - culture.bleed) * x,
            culture.perfusion * (culture.feed_substrate - s) - uptake * x,
            culture.by_product_rate * x - culture.perfusion * inhibitor,
            culture.product_rate * x - culture.perfusion * p,
        ]

    answer = solve_ivp(
        slopes,
        (float(times[0]), float(times[-1])),
        start,
        t_eval=times,
        method="LSODA",
        rtol=1e-8,
        atol=1e-10,
    )
    return Culture(np.asarray(times), *answer.y)


def harvest_sections(culture: Culture, flow: float, background: Array, product: int) -> list[Section]:
    """Sections of a network with one link and one inlet that bring the harvest.

    Parameters
    ----------
    flow : float
        m3/s.
    background : ndarray (nc,)
        mol/m3 of everything else.
    product : int
        Place of the product.
    """
    feeds = np.repeat(background[None, None, :], len(culture.times), axis=0)
    feeds[:, 0, product] = culture.product
    flows = np.array([flow])
    return [
        Section(float(t0), float(t1), flows, feeds[i], None, feeds[i + 1])
        for i, (t0, t1) in enumerate(zip(culture.times[:-1], culture.times[1:], strict=True))
    ]
