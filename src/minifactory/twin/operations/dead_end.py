"""Dead-end and virus filters: how the flux decays at constant pressure, and how much a filter takes.

Hermia's four laws, J' = -K J (A J)^(2 - n) at constant pressure, as throughput v(t) (m3 per m2) from the
flux J0 of the clean filter:

    complete blocking      v = J0 / kb (1 - exp(-kb t))          every particle closes a pore
    standard blocking      v = J0 t / (1 + ks J0 t / 2)          pores narrow
    intermediate blocking  v = ln(1 + ki J0 t) / ki              particles land on each other too
    cake filtration        v = (sqrt(1 + 2 kc J0^2 t) - 1) / (kc J0)

The constants are those of the throughput form; one run of a small filter gives kind and constant. Sources:
J. Hermia, Trans. IChemE 60 (1982) 183; for virus filters: G. R. Bolton et al., Biotechnol. Appl. Biochem.
43 (2006) 55.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from minifactory.errors import Finding, InputError
from minifactory.plant.filters import blocked


class Fouling(Enum):
    """How a filter fouls."""

    COMPLETE = "complete blocking"
    STANDARD = "standard blocking"
    INTERMEDIATE = "intermediate blocking"
    CAKE = "cake filtration"


@dataclass(frozen=True)
class Filter:
    """A dead-end filter at constant pressure.

    Parameters
    ----------
    area : float
        m2.
    clean_flux : float
        J0 in m/s.
    fouling : Fouling
    constant : float
        1/s (complete), 1/m (standard, intermediate), s/m2 (cake).
    log_reduction : float
        LRV that is claimed (virus filters); it does not depend on the load up to `capacity`.
    capacity : float
        Throughput up to which it is claimed, m3/m2.
    """

    area: float
    clean_flux: float
    fouling: Fouling
    constant: float
    log_reduction: float = 0.0
    capacity: float = math.inf

    def throughput(self, time: float) -> float:
        """v in m3/m2 after `time` (s)."""
        j, k, t = self.clean_flux, self.constant, time
        if k == 0.0:
            return j * t
        if self.fouling is Fouling.COMPLETE:
            return -j / k * math.expm1(-k * t)
        if self.fouling is Fouling.STANDARD:
            return j * t / (1.0 + 0.5 * k * j * t)
        if self.fouling is Fouling.INTERMEDIATE:
            return math.log1p(k * j * t) / k
        return (math.sqrt(1.0 + 2.0 * k * j * j * t) - 1.0) / (k * j)

    def flux(self, time: float) -> float:
        """J = dv/dt in m/s after `time` (s)."""
        j, k, t = self.clean_flux, self.constant, time
        if self.fouling is Fouling.COMPLETE:
            return j * math.exp(-k * t)
        if self.fouling is Fouling.STANDARD:
            return j / (1.0 + 0.5 * k * j * t) ** 2
        if self.fouling is Fouling.INTERMEDIATE:
            return j / (1.0 + k * j * t)
        return j / math.sqrt(1.0 + 2.0 * k * j * j * t)

    def growth(self, throughput: float) -> float:
        """Resistance over that of the clean filter after `throughput` (m3/m2), whatever pressure and flow."""
        law, j = self.fouling.value.split()[0], self.clean_flux
        per_volume = {"complete": self.constant / j, "cake": self.constant * j}.get(law, self.constant)
        return float(blocked(law, per_volume * throughput))

    def most(self) -> float:
        """Throughput (m3/m2) that it never exceeds; inf where there is no such bound."""
        if self.constant == 0.0:
            return math.inf
        if self.fouling is Fouling.COMPLETE:
            return self.clean_flux / self.constant
        if self.fouling is Fouling.STANDARD:
            return 2.0 / self.constant
        return math.inf

    def time_for(self, volume: float) -> float:
        """Time (s) in which `volume` (m3) goes through.

        Raises
        ------
        InputError
            More than the filter can take, or more than its log reduction is claimed for.
        """
        v, j, k = volume / self.area, self.clean_flux, self.constant
        bound = min(self.most(), self.capacity)
        if v >= bound:
            raise InputError(
                Finding(
                    "filter",
                    f"{v:.4g} m3/m2",
                    f"below {bound:.4g} m3/m2",
                    f"Take {1.1 * volume / bound:.3g} m2.",
                )
            )
        if k == 0.0:
            return v / j
        if self.fouling is Fouling.COMPLETE:
            return -math.log1p(-k * v / j) / k
        if self.fouling is Fouling.STANDARD:
            return v / (j * (1.0 - 0.5 * k * v))
        if self.fouling is Fouling.INTERMEDIATE:
            return math.expm1(k * v) / (k * j)
        return ((1.0 + k * j * v) ** 2 - 1.0) / (2.0 * k * j * j)
