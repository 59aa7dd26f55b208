"""Virus inactivation by low pH or solvent/detergent: log reduction over the residence time distribution.

Inactivation is of first order, n' = -k n, in every element of liquid; what leaves a reactor has stayed for
different times, so the surviving part is the Laplace transform of its residence time distribution at k:

    n / n0 = int E(t) exp(-k t) dt,   LRV = -log10(n / n0)
    plug flow   exp(-k t)        N stirred tanks   (1 + k t / N)^-N
    dispersed plug flow, closed ends   4 r exp(Pe (1 - r) / 2) / ((1 + r)^2 - (1 - r)^2 exp(-Pe r)),
                                       r2 = 1 + 4 k t / Pe

Short-cuts decide: a stirred tank kills one decade where plug flow kills k t / 2.3. The rate constant
follows pH and temperature by its z-values. Sources: O. Levenspiel, Chemical Reaction Engineering, 3rd ed.,
1999, ch. 11 to 13; P. V. Danckwerts, Chem. Eng. Sci. 2 (1953) 1. Kinetics of a given virus and chemistry
must be measured; none is built in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Inactivation:
    """First-order kinetics of one virus in one chemistry.

    Parameters
    ----------
    rate : float
        k in 1/s at `ph` and `temperature` (K).
    ph_per_decade : float
        pH units that slow it down ten times, upwards; inf: no effect.
    kelvin_per_decade : float
        K that speed it up ten times; inf: no effect.
    limit : float
        Largest LRV that is claimed.
    """

    rate: float
    ph: float = 3.6
    temperature: float = 293.15
    ph_per_decade: float = math.inf
    kelvin_per_decade: float = math.inf
    limit: float = math.inf

    def at(self, ph: float, temperature: float) -> float:
        """k in 1/s at another pH and temperature."""
        decades = (self.ph - ph) / self.ph_per_decade
        decades += (temperature - self.temperature) / self.kelvin_per_decade
        return float(self.rate * 10.0**decades)


def plug_flow(rate: float, residence: float) -> float:
    """LRV of plug flow or of a batch: k t / ln 10."""
    return rate * residence / math.log(10.0)


def stirred_tanks(rate: float, residence: float, tanks: int = 1) -> float:
    """LRV of equal stirred tanks in a row with the whole `residence` (s)."""
    return tanks * math.log10(1.0 + rate * residence / tanks)


def dispersed(rate: float, residence: float, peclet: float) -> float:
    """LRV of dispersed plug flow between closed ends: a tube, a coil, a packed bed."""
    r = math.sqrt(1.0 + 4.0 * rate * residence / peclet)
    below = (1.0 + r) ** 2 - (1.0 - r) ** 2 * math.exp(-peclet * r)
    return -(math.log(4.0 * r / below) + 0.5 * peclet * (1.0 - r)) / math.log(10.0)


def of_distribution(rate: float, times: Array, outlet: Array) -> float:
    """LRV of a reactor whose response to a short pulse is `outlet` at `times` (s).

    Raises
    ------
    InputError
        A response that is empty.
    """
    area = float(np.trapezoid(outlet, times))
    if not area > 0.0:
        raise InputError(
            Finding("residence time distribution", f"area {area:g}", "above 0", "Look at the pulse.")
        )
    left = float(np.trapezoid(outlet * np.exp(-rate * (times - times[0])), times)) / area
    return -math.log10(max(left, 1e-300))


def packed_bed_peclet(length: float, particle_diameter: float, dispersivity: float = 2.0) -> float:
    """Peclet number of a bed of inert beads, L / (dispersivity d_p); 2 in liquids is assumed."""
    return length / (dispersivity * particle_diameter)


def residence_for(wanted: float, rate: float, peclet: float) -> float:
    """Residence time (s) that gives the LRV `wanted` in dispersed plug flow."""
    low, high = 0.0, max(1.0 / rate, 1e-9)
    while dispersed(rate, high, peclet) < wanted:
        low, high = high, 2.0 * high
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if dispersed(rate, middle, peclet) < wanted else (low, middle)
    return high


def total_reduction(steps: Sequence[float], limit_per_step: float = math.inf) -> float:
    """LRV of a process: the sum of its steps', each at most what is claimed for one."""
    return float(sum(min(step, limit_per_step) for step in steps))
