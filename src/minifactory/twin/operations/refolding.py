"""Refolding and precipitation in a stirred vessel.

Refolding competes with aggregation, U' = -k1 U - k2 U^n (n = 2 here), N' = k1 U:

    U = U0 exp(-k1 t) / (1 + a (1 - exp(-k1 t))),  N = U0 ln(1 + a (1 - exp(-k1 t))) / a,  a = k2 U0 / k1

so that the final yield is ln(1 + a) / a: dilution pays. Fed-batch refolding adds U slowly.

Precipitation: solubility after Cohn, log10 S = beta - K_s I, approached at the rate of growth of what is
there already, c' = -k (c - S). Sources: T. Kiefhaber et al., Bio/Technology 9 (1991) 825; E. J. Cohn,
Physiol. Rev. 5 (1925) 349.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Refolding:
    """Rate constants: folding k1 in 1/s, aggregation k2 in m3/(mol s)."""

    folding: float
    aggregation: float

    def batch(self, unfolded: float, time: float) -> tuple[float, float, float]:
        """Unfolded, native and aggregated protein (mol/m3) after `time` (s) from `unfolded`."""
        a = self.aggregation * unfolded / self.folding
        gone = -math.expm1(-self.folding * time)
        left = unfolded * (1.0 - gone) / (1.0 + a * gone)
        native = unfolded * (math.log1p(a * gone) / a if a > 0.0 else gone)
        return left, native, unfolded - left - native

    def final_yield(self, unfolded: float) -> float:
        """Native part at the end of a batch."""
        a = self.aggregation * unfolded / self.folding
        return math.log1p(a) / a if a > 0.0 else 1.0

    def fed_batch(self, total: float, volume: float, feeding: float, times: Array) -> Array:
        """Unfolded and native (mol/m3), (nt, 2): `total` mol fed evenly for `feeding` s into `volume` m3."""
        from scipy.integrate import solve_ivp  # 24 ms that a simulation need not wait for

        def slopes(t: float, y: Array) -> list[float]:
            fed = total / volume / feeding if t < feeding else 0.0
            return [fed - self.folding * y[0] - self.aggregation * y[0] ** 2, self.folding * y[0]]

        answer = solve_ivp(
            slopes, (0.0, float(times[-1])), [0.0, 0.0], t_eval=times, rtol=1e-8, atol=1e-14,
            max_step=feeding / 20.0,
        )  # fmt: skip
        return np.asarray(answer.y.T)


@dataclass(frozen=True)
class Precipitation:
    """Cohn's beta (log10 of mol/m3) and K_s (m3/mol of ionic strength), and the rate k in 1/s."""

    beta: float
    salting_out: float
    rate: float

    def solubility(self, ionic_strength: float) -> float:
        """mol/m3 at an ionic strength in mol/m3."""
        return float(10.0 ** (self.beta - self.salting_out * ionic_strength))

    def dissolved(self, start: float, ionic_strength: float, time: float) -> float:
        """mol/m3 left in solution after `time` (s); nothing dissolves where the solution is not saturated."""
        end = self.solubility(ionic_strength)
        return start if start <= end else end + (start - end) * math.exp(-self.rate * time)
