"""Colloidal particle adsorption: proteins as charged spheres in a hexagonal layer that repel each other.

    k_kin,i dq_i/dt = c_i - c*_i
    ln(c*_i / q_i) = n (3 + kappa R) / (4 Q) U_i - ln K_i
    U_i = sum_j q_j sqrt(B_i B_j) (a_i + a_j) / (2 R) exp(-kappa (R - a_i - a_j))
    R = sqrt( 2 phi / (sqrt(3) N_A Q) ),   Q = sum_j q_j

a radius, R distance of neighbours, phi surface per volume of solid, 1/kappa Debye length, n neighbours, B
strength of the repulsion in units of thermal energy. Source: X. Xu, A. M. Lenhoff, J. Chromatogr. A 1216
(2009) 6177.
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


# p: phi / N_A in mol/m2 m2/m3, kappa, n, smallest Q; per state: component, ln K, B, a, tau
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    nb = q.shape[0]
    total = 0.0
    for b in range(nb):
        total += q[b]
    low = p[3]
    if total < low:
        total = low * low / (2.0 * low - total)
    distance = math.sqrt(2.0 * p[0] / (1.7320508075688772 * total))
    front = p[2] * (3.0 + p[1] * distance) / (4.0 * total)
    for b in range(nb):
        at = 4 + 5 * b
        repulsion = 0.0
        for j in range(nb):
            other = 4 + 5 * j
            reach = p[at + 3] + p[other + 3]
            x = min(-p[1] * (distance - reach), 100.0)
            repulsion += q[j] * math.sqrt(p[at + 2] * p[other + 2]) * reach / (2.0 * distance) * math.exp(x)
        # logistic form: c - q exp(y), scaled by 1/(1 + exp(y))
        y = min(max(front * repulsion - p[at + 1], -600.0), 600.0)
        e = math.exp(-abs(y))
        near, far = 1.0 / (1.0 + e), e / (1.0 + e)
        up, down = (near, far) if y < 0.0 else (far, near)
        f[b] = up * c[int(p[at])] - down * q[b]
        slow = p[at + 4]
        if slow > 0.0:
            f[b] /= 1.0e-6 + slow * up


LAW = BindingLaw("colloidal", _rate)
AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Colloidal:
    """Colloidal particle adsorption at constant salt and pH.

    Parameters
    ----------
    surface : float
        phi in m2 per m3 of solid.
    debye_length : float
        1/kappa in m.
    ln_k, repulsion, radius : Mapping of str to float
        ln K (K in m3 of liquid per m3 of solid), B, a in m.
    neighbours : float
        n, 6 in a hexagonal layer.
    k_kin : Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    """

    surface: float
    debye_length: float
    ln_k: Mapping[str, float]
    repulsion: Mapping[str, float]
    radius: Mapping[str, float]
    neighbours: float = 6.0
    k_kin: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.ln_k)
        at = [component_index(name, components, LAW.name) for name in names]
        tau = time_constants(self.k_kin, names, LAW.name)
        ln_k = numbers(self.ln_k, names, LAW.name, "ln_k", lower=-600.0)
        repulsion = numbers(self.repulsion, names, LAW.name, "repulsion")
        radius = numbers(self.radius, names, LAW.name, "radius", lower=1e-12)
        density = self.surface / AVOGADRO
        # A layer a thousand times thinner than close packing: no neighbour is felt there.
        least = 1e-3 * 2.0 * density / (np.sqrt(3.0) * (2.0 * radius.max()) ** 2)
        head = [density, 1.0 / self.debye_length, self.neighbours, least]
        table = np.column_stack((at, ln_k, repulsion, radius, tau)).ravel()
        return lay_out(LAW, components, np.concatenate((head, table)), names, tau)
