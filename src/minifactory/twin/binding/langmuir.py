"""Competitive multicomponent Langmuir binding.

    dq_i/dt = (K_i c_i q_max,i (1 - sum_j q_j / q_max,j) - q_i) / k_kin,i

    rapid equilibrium: q_i = q_max,i K_i c_i / (1 + sum_j K_j c_j)

K_i in m3 of liquid per mol, q_max in mol per m3 of solid. Source: G. Guiochon et al., Fundamentals of
Preparative and Nonlinear Chromatography, 2nd ed., Academic Press 2006, ch. 4.
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


def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    free = 1.0
    for b in range(q.shape[0]):
        free -= q[b] / p[4 * b + 2]
    for b in range(q.shape[0]):
        f[b] = p[4 * b + 3] * (p[4 * b + 1] * p[4 * b + 2] * c[int(p[4 * b])] * free - q[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    free = 1.0
    for b in range(q.shape[0]):
        free -= q[b] / p[4 * b + 2]
    for b in range(q.shape[0]):
        rate, slope, at = p[4 * b + 3], p[4 * b + 1] * p[4 * b + 2], int(p[4 * b])
        jc[b, at] = rate * slope * free
        for j in range(q.shape[0]):
            jq[b, j] = -rate * slope * c[at] / p[4 * j + 2]
        jq[b, b] -= rate


def _isotherm(p: Array, c: Array, q: Array) -> None:
    taken = 1.0
    for b in range(q.shape[0]):
        taken += p[4 * b + 1] * max(c[int(p[4 * b])], 0.0)
    for b in range(q.shape[0]):
        q[b] = p[4 * b + 2] * p[4 * b + 1] * c[int(p[4 * b])] / taken


LAW = BindingLaw("langmuir", _rate, _jacobian, isotherm=_isotherm)


@dataclass(frozen=True)
class Langmuir:
    """Competitive Langmuir binding of the components named in `k_eq`.

    Parameters
    ----------
    k_eq : Mapping of str to float
        Equilibrium constants, m3 of liquid per mol.
    q_max : Mapping of str to float
        Capacities, mol per m3 of solid.
    k_kin : Mapping of str to float, optional
        Time constants in s (reciprocal desorption rate constants); absent or 0: rapid equilibrium.
    """

    k_eq: Mapping[str, float]
    q_max: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.k_eq)
        at = [component_index(name, components, "Langmuir") for name in names]
        tau = time_constants(self.k_kin, names, "Langmuir")
        k = numbers(self.k_eq, names, "Langmuir", "k_eq")
        q_max = numbers(self.q_max, names, "Langmuir", "q_max", lower=1e-300)
        table = np.column_stack((at, k, q_max, relaxation_speed(tau, k * q_max)))
        return lay_out(LAW, components, table, names, tau)
