"""Hydrophobic interaction with water activity.

    k_kin,i dq_i/dt = K_i c_i (1 - sum_j q_j / q_max,j)^n_i - q_i a^(n_i beta)
    beta = b0 exp(b1 c_s)

    constant activity     a = a_w, usually 0.1
    with bound protein    a = sum_j q_j / q_0           (q_0 = 1 mol per m3 of solid)

n_i ligands take part; beta well-ordered water molecules per ligand leave the surface on binding, their number
depends on salt; a is the activity of what holds them there. K_i in m3 of liquid per m3 of solid. Sources: G.
Wang, T. Hahn, J. Hubbuch, J. Chromatogr. A 1465 (2016) 71 (with bound protein); R. C. Jaepel, J. F. Buyel, J.
Chromatogr. A 1680 (2022) 463408 (constant activity).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.binding.protocol import (
    Array,
    BindingLaw,
    CompiledBinding,
    component_index,
    lay_out,
    numbers,
    time_constants,
)


# p: salt, b0, b1, ln a_w (1: with bound protein); per state: component, ln K, n, q_max, tau
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    beta = p[1] * math.exp(min(max(p[2] * c[int(p[0])], -50.0), 5.0))
    free, total = 1.0, 0.0
    for b in range(q.shape[0]):
        free -= q[b] / p[5 * b + 7]
        total += q[b]
    if free < 1e-6:
        free = 1e-12 / (2e-6 - free)
    activity = p[3]
    if activity > 0.0:
        # the law is singular at an empty surface: a smooth floor far below any load
        activity = math.log(total if total >= 1e-6 else 1e-12 / (2e-6 - total))
    for b in range(q.shape[0]):
        n, slow = p[5 * b + 6], p[5 * b + 8]
        # logistic form of a difference of two exponentials, as in the SMA
        desorption = activity * n * beta
        x = min(max(p[5 * b + 5] + n * math.log(free) - desorption, -600.0), 600.0)
        e = math.exp(-abs(x))
        near, far = 1.0 / (1.0 + e), e / (1.0 + e)
        up, down = (near, far) if x > 0.0 else (far, near)
        f[b] = up * c[int(p[5 * b + 4])] - down * q[b]
        if slow > 0.0:
            total = max(desorption, desorption + x) + math.log1p(e)
            f[b] /= 1.0e-6 + slow * math.exp(-min(max(total, -600.0), 600.0))


LAW = BindingLaw("hydrophobic interaction", _rate)


@dataclass(frozen=True)
class HydrophobicInteraction:
    """HIC with water activity.

    Parameters
    ----------
    salt : str
        Component that drives binding.
    beta : (float, float)
        b0 (dimensionless) and b1 (m3/mol).
    k_eq, ligands, q_max : Mapping of str to float
        K (m3 of liquid per m3 of solid), n, q_max (mol per m3 of solid).
    k_kin : Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    activity : float or None
        Constant activity a_w, below 1; None: that of the bound protein.
    """

    salt: str
    beta: tuple[float, float]
    k_eq: Mapping[str, float]
    ligands: Mapping[str, float]
    q_max: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None
    activity: float | None = 0.1

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.k_eq)
        at = [component_index(name, components, LAW.name) for name in names]
        tau = time_constants(self.k_kin, names, LAW.name)
        k = numbers(self.k_eq, names, LAW.name, "k_eq", lower=1e-300)
        n = numbers(self.ligands, names, LAW.name, "ligands")
        q_max = numbers(self.q_max, names, LAW.name, "q_max", lower=1e-300)
        if self.activity is not None and not 0.0 < self.activity < 1.0:
            raise InputError(Finding(f"binding model {LAW.name}", f"activity {self.activity}", "0 to 1"))
        activity = 1.0 if self.activity is None else math.log(self.activity)
        head = [component_index(self.salt, components, LAW.name), *self.beta, activity]
        table = np.column_stack((at, np.log(k), n, q_max, tau)).ravel()
        return lay_out(LAW, components, np.concatenate((head, table)), names, tau, [self.salt])
