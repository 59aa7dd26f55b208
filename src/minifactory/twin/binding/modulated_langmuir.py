"""Langmuir binding whose strength follows mobile-phase modulators (salt, organic solvent, several at once).

    k_kin,i dq_i/dt = K_i(m) q_max,i c_i (1 - sum_j q_j / q_max,j) - q_i
    ln K_i(m) = ln K_i + sum_m [ gamma_im (c_m - r_m) - beta_im ln(c_m / r_m) ]

gamma: hydrophobic (solvophobic) strength per mol/m3; beta: ion-exchange power; r_m: reference concentration,
below a thousandth of which the modulator's effect levels off.
Source: W. R. Melander, Z. El Rassi, C. Horvath, J. Chromatogr. 469 (1989) 3.
"""

from __future__ import annotations

import math
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
    time_constants,
)


# p: number of modulators; per modulator: component, reference; per state: component, K, q_max, tau, then
# gamma and beta per modulator.
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    m = int(p[0])
    width, first = 4 + 2 * m, 1 + 2 * m
    free = 1.0
    for b in range(q.shape[0]):
        free -= q[b] / p[first + b * width + 2]
    for b in range(q.shape[0]):
        at = first + b * width
        x = math.log(p[at + 1])
        for k in range(m):
            reference = p[2 + 2 * k]
            s = c[int(p[1 + 2 * k])]
            # smooth floor at a thousandth of the reference: positive whatever the solver tries
            low = 1e-3 * reference
            if s < low:
                s = low * low / (2.0 * low - s)
            x += p[at + 4 + 2 * k] * (s - reference) - p[at + 5 + 2 * k] * math.log(s / reference)
        strength = math.exp(min(max(x, -300.0), 300.0)) * p[at + 2]
        bracket = strength * c[int(p[at])] * free - q[b]
        slow = p[at + 3]
        f[b] = bracket / (1.0 + strength) if slow == 0.0 else bracket / (slow + 1.0e-6 * (1.0 + strength))


def _isotherm(p: Array, c: Array, q: Array) -> None:
    m = int(p[0])
    width, first = 4 + 2 * m, 1 + 2 * m
    taken = 1.0
    for b in range(q.shape[0]):
        at = first + b * width
        x = math.log(p[at + 1])
        for k in range(m):
            reference = p[2 + 2 * k]
            s = c[int(p[1 + 2 * k])]
            low = 1e-3 * reference
            if s < low:
                s = low * low / (2.0 * low - s)
            x += p[at + 4 + 2 * k] * (s - reference) - p[at + 5 + 2 * k] * math.log(s / reference)
        strength = math.exp(min(max(x, -300.0), 300.0)) * c[int(p[at])]
        taken += max(strength, 0.0)
        q[b] = p[at + 2] * strength
    for b in range(q.shape[0]):
        q[b] /= taken


LAW = BindingLaw("modulated Langmuir", _rate, isotherm=_isotherm)


@dataclass(frozen=True)
class ModulatedLangmuir:
    """Langmuir binding with modulators.

    Parameters
    ----------
    k_eq, q_max : Mapping of str to float
        At the reference; m3 of liquid per mol; mol per m3 of solid.
    reference : Mapping of str to float
        The modulators and their reference concentrations, mol/m3.
    gamma, beta : Mapping of (component, modulator) to float
        m3/mol, dimensionless; absent: 0.
    k_kin : Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    """

    k_eq: Mapping[str, float]
    q_max: Mapping[str, float]
    reference: Mapping[str, float]
    gamma: Mapping[tuple[str, str], float] | None = None
    beta: Mapping[tuple[str, str], float] | None = None
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names, modulators = list(self.k_eq), list(self.reference)
        tau = time_constants(self.k_kin, names, LAW.name)
        k = numbers(self.k_eq, names, LAW.name, "k_eq", lower=1e-300)
        q_max = numbers(self.q_max, names, LAW.name, "q_max", lower=1e-300)
        reference = numbers(self.reference, modulators, LAW.name, "reference", lower=1e-300)
        p: list[float] = [float(len(modulators))]
        for name, value in zip(modulators, reference, strict=True):
            p += [component_index(name, components, LAW.name), value]
        for i, name in enumerate(names):
            p += [component_index(name, components, LAW.name), k[i], q_max[i], tau[i]]
            for modulator in modulators:
                p += [
                    (self.gamma or {}).get((name, modulator), 0.0),
                    (self.beta or {}).get((name, modulator), 0.0),
                ]
        return lay_out(LAW, components, np.array(p), names, tau, modulators)
