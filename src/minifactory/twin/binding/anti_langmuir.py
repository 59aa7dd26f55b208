"""Langmuir binding in which bound components may help each other (anti-Langmuir).

    k_kin,i dq_i/dt = K_i q_max,i c_i (1 - sum_j p_j q_j / q_max,j) - q_i        p_j = +1 competes, -1 helps

With p = -1 a single component has q = q_max K c / (1 - K c): peaks lean forward; the model holds for K c < 1.
Source: G. Guiochon et al., Fundamentals of Preparative and Nonlinear Chromatography, 2nd ed., 2006, ch. 3.
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
        free -= p[5 * b + 4] * q[b] / p[5 * b + 2]
    for b in range(q.shape[0]):
        f[b] = p[5 * b + 3] * (p[5 * b + 1] * p[5 * b + 2] * c[int(p[5 * b])] * free - q[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    free = 1.0
    for b in range(q.shape[0]):
        free -= p[5 * b + 4] * q[b] / p[5 * b + 2]
    for b in range(q.shape[0]):
        rate, slope, at = p[5 * b + 3], p[5 * b + 1] * p[5 * b + 2], int(p[5 * b])
        jc[b, at] = rate * slope * free
        for j in range(q.shape[0]):
            jq[b, j] = -rate * slope * c[at] * p[5 * j + 4] / p[5 * j + 2]
        jq[b, b] -= rate


def _isotherm(p: Array, c: Array, q: Array) -> None:
    taken = 1.0
    for b in range(q.shape[0]):
        taken += p[5 * b + 4] * p[5 * b + 1] * max(c[int(p[5 * b])], 0.0)
    for b in range(q.shape[0]):
        q[b] = p[5 * b + 2] * p[5 * b + 1] * c[int(p[5 * b])] / max(taken, 1e-6)


LAW = BindingLaw("anti-Langmuir", _rate, _jacobian, isotherm=_isotherm)


@dataclass(frozen=True)
class AntiLangmuir:
    """Langmuir binding with cooperation.

    Parameters
    ----------
    k_eq, q_max, k_kin : Mapping of str to float
        As Langmuir.
    helps : tuple of str
        Components that make room instead of taking it.
    """

    k_eq: Mapping[str, float]
    q_max: Mapping[str, float]
    helps: tuple[str, ...]
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.k_eq)
        at = [component_index(name, components, LAW.name) for name in names]
        tau = time_constants(self.k_kin, names, LAW.name)
        k = numbers(self.k_eq, names, LAW.name, "k_eq")
        q_max = numbers(self.q_max, names, LAW.name, "q_max", lower=1e-300)
        sign = [-1.0 if name in self.helps else 1.0 for name in names]
        table = np.column_stack((at, k, q_max, relaxation_speed(tau, k * q_max), sign))
        return lay_out(LAW, components, table, names, tau)
