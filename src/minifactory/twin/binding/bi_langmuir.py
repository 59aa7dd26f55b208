"""Competitive binding on two kinds of site (bi-Langmuir; with time constants, two-site kinetics).

    k_kin,is dq_is/dt = K_is q_max,is c_i (1 - sum_j q_js / q_max,js) - q_is         site s = 1, 2

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
    for site in range(2):
        free = 1.0
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                free -= q[b] / p[5 * b + 2]
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                f[b] = p[5 * b + 3] * (p[5 * b + 1] * p[5 * b + 2] * c[int(p[5 * b])] * free - q[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    for site in range(2):
        free = 1.0
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                free -= q[b] / p[5 * b + 2]
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                rate, slope, at = p[5 * b + 3], p[5 * b + 1] * p[5 * b + 2], int(p[5 * b])
                jc[b, at] = rate * slope * free
                for j in range(q.shape[0]):
                    if int(p[5 * j + 4]) == site:
                        jq[b, j] = -rate * slope * c[at] / p[5 * j + 2]
                jq[b, b] -= rate


def _isotherm(p: Array, c: Array, q: Array) -> None:
    for site in range(2):
        taken = 1.0
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                taken += p[5 * b + 1] * max(c[int(p[5 * b])], 0.0)
        for b in range(q.shape[0]):
            if int(p[5 * b + 4]) == site:
                q[b] = p[5 * b + 2] * p[5 * b + 1] * c[int(p[5 * b])] / taken


LAW = BindingLaw("bi-Langmuir", _rate, _jacobian, isotherm=_isotherm)


@dataclass(frozen=True)
class BiLangmuir:
    """Two kinds of site; every mapping is given twice, once per site, with the same components.

    Parameters
    ----------
    k_eq, q_max : tuple of two Mapping of str to float
        m3 of liquid per mol; mol per m3 of solid.
    k_kin : tuple of two Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    """

    k_eq: tuple[Mapping[str, float], Mapping[str, float]]
    q_max: tuple[Mapping[str, float], Mapping[str, float]]
    k_kin: tuple[Mapping[str, float], Mapping[str, float]] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`; the states are named component.site."""
        rows, taus, states, labels = [], [], [], []
        for site in range(2):
            names = list(self.k_eq[site])
            at = [component_index(name, components, LAW.name) for name in names]
            tau = time_constants(None if self.k_kin is None else self.k_kin[site], names, LAW.name)
            k = numbers(self.k_eq[site], names, LAW.name, "k_eq")
            q_max = numbers(self.q_max[site], names, LAW.name, "q_max", lower=1e-300)
            rows.append(
                np.column_stack((at, k, q_max, relaxation_speed(tau, k * q_max), np.full(len(names), site)))
            )
            taus.append(tau)
            states += names
            labels += [f"{name}.{site + 1}" for name in names]
        return lay_out(LAW, components, np.vstack(rows), states, np.concatenate(taus), names=labels)
