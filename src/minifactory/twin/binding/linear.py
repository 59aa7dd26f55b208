"""Linear binding.

    dq_i/dt = (K_i c_i - q_i) / k_kin,i          rapid equilibrium: q_i = K_i c_i

K_i is the Henry constant in m3 of liquid per m3 of solid, k_kin the reciprocal of the desorption rate
constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    for b in range(f.shape[0]):
        f[b] = p[3 * b + 2] * (p[3 * b + 1] * c[int(p[3 * b])] - q[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:  # noqa: ARG001
    for b in range(q.shape[0]):
        jc[b, int(p[3 * b])] = p[3 * b + 2] * p[3 * b + 1]
        jq[b, b] = -p[3 * b + 2]


def _isotherm(p: Array, c: Array, q: Array) -> None:
    for b in range(q.shape[0]):
        q[b] = p[3 * b + 1] * c[int(p[3 * b])]


LAW = BindingLaw("linear", _rate, _jacobian, isotherm=_isotherm)


@dataclass(frozen=True)
class Linear:
    """Linear binding of the components named in `k_eq`.

    Parameters
    ----------
    k_eq : Mapping of str to float
        Henry constants, m3 of liquid per m3 of solid.
    k_kin : Mapping of str to float, optional
        Time constants in s (reciprocal desorption rate constants); absent or 0: rapid equilibrium.
    """

    k_eq: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.k_eq)
        at = [component_index(name, components, "Linear") for name in names]
        tau = time_constants(self.k_kin, names, "Linear")
        k = numbers(self.k_eq, names, "Linear", "k_eq")
        table = np.column_stack((at, k, relaxation_speed(tau, k)))
        return replace(lay_out(LAW, components, table, names, tau), linear=True)
