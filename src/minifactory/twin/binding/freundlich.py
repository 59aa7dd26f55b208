"""Freundlich binding.

    k_kin,i dq_i/dt = K_i g(c_i) - q_i        g(c) = c^(1/n_i),  below c_0 continued by a parabola through 0

The slope of c^(1/n) is infinite at c = 0; below c_0 = 1e-4 mol/m3 a parabola with the same value and slope at
c_0 takes over. Source: H. Freundlich, Z. Phys. Chem. 57 (1906) 385.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.twin.binding.protocol import (
    Array,
    BindingLaw,
    CompiledBinding,
    component_index,
    lay_out,
    numbers,
    relaxation_speed,
    time_constants,
)


# 1e-4 mol/m3 is spelled out in the law, as kernels need it.
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    for b in range(q.shape[0]):
        x, power = c[int(p[4 * b])], p[4 * b + 2]
        if x >= 1e-4:
            g = x**power
        else:
            # a x + b x2 with value and slope of x^power at x0
            value = 1e-4**power
            z = x / 1e-4
            g = value * ((2.0 - power) * z + (power - 1.0) * z * z) if z > 0.0 else value * (2.0 - power) * z
        f[b] = p[4 * b + 3] * (p[4 * b + 1] * g - q[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    for b in range(q.shape[0]):
        at, power = int(p[4 * b]), p[4 * b + 2]
        x = c[at]
        if x >= 1e-4:
            slope = power * x ** (power - 1.0)
        else:
            z = max(x / 1e-4, 0.0)
            slope = 1e-4**power * ((2.0 - power) + 2.0 * (power - 1.0) * z) / 1e-4
        jc[b, at] = p[4 * b + 3] * p[4 * b + 1] * slope
        jq[b, b] = -p[4 * b + 3]


def _isotherm(p: Array, c: Array, q: Array) -> None:
    for b in range(q.shape[0]):
        x, power = c[int(p[4 * b])], p[4 * b + 2]
        if x >= 1e-4:
            q[b] = p[4 * b + 1] * x**power
        else:
            z = x / 1e-4
            bend = (power - 1.0) * z * z if z > 0.0 else 0.0
            q[b] = p[4 * b + 1] * 1e-4**power * ((2.0 - power) * z + bend)


LAW = BindingLaw("Freundlich", _rate, _jacobian, isotherm=_isotherm)


@dataclass(frozen=True)
class Freundlich:
    """Freundlich binding.

    Parameters
    ----------
    k_eq : Mapping of str to float
        K in mol/(m3 solid) per (mol/m3)^(1/n).
    n : Mapping of str to float
        Exponent n >= 1.
    k_kin : Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    """

    k_eq: Mapping[str, float]
    n: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.k_eq)
        at = [component_index(name, components, LAW.name) for name in names]
        tau = time_constants(self.k_kin, names, LAW.name)
        k = numbers(self.k_eq, names, LAW.name, "k_eq")
        power = 1.0 / numbers(self.n, names, LAW.name, "n", lower=1.0)
        table = np.column_stack((at, k, power, relaxation_speed(tau, k * 1e-4 ** (power - 1.0))))
        return lay_out(LAW, components, table, names, tau)
