"""Colloidal particle adsorption (CPA): proteins as charged spheres in a hexagonal layer.

    k_kin,i dq_i/dt = c_i - c*_i
    ln(c*_i / q_i) = n (3 + kappa R) / (4 Q) U_i - ln K_i
    U_i = sum_j q_j sqrt(B_i B_j) (a_i + a_j) / (2 R) exp(-kappa (R - a_i - a_j))
    R = sqrt( 2 phi / (sqrt(3) N_A Q) ),   Q = sum_j q_j

    with pH:   ln K_i = L_i exp(s_i h),   B_i = B_i0 (h / h_0)^m_i,   h = 10^(3 - pH) mol/m3,  h_0 = 1 mol/m3
    with salt: 1/kappa = 0.304 nm sqrt(1 mol/L / I)              I ionic strength of a 1:1 salt, 25 degC

The spheres repel each other: a radius, R distance of neighbours, phi surface per volume of solid, 1/kappa
Debye length, n neighbours, B strength of the repulsion in units of thermal energy. Sources: X. Xu, A. M.
Lenhoff, J. Chromatogr. A 1216 (2009) 6177; the forms in pH are those of the published protein A case in
docs/engine.md; J. Israelachvili, Intermolecular and Surface Forces, 3rd ed., 2011, ch. 14 (Debye length).
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


# p: phi / N_A in mol/m2 m2/m3, kappa (0: from salt), n, smallest Q, salt (-1: none), H+ or pH (-1: none), 1
# if that is a pH; per state: component, L, B0, a, tau, s, m
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    nb = q.shape[0]
    total = 0.0
    for b in range(nb):
        total += q[b]
    low = p[3]
    if total < low:
        total = low * low / (2.0 * low - total)
    kappa = p[1]
    if p[4] >= 0.0:
        salt = c[int(p[4])]
        if salt < 0.1:
            salt = 0.01 / (0.2 - salt)
        kappa = math.sqrt(1e-3 * salt) / 0.304e-9
    protons = 1.0
    if p[5] >= 0.0:
        protons = c[int(p[5])]
        if p[6] == 1.0:
            protons = math.exp(2.302585092994046 * (3.0 - min(max(protons, -2.0), 16.0)))
        elif protons < 1e-8:  # pH 11
            protons = 1e-16 / (2e-8 - protons)
    log_protons = math.log(protons)
    distance = math.sqrt(2.0 * p[0] / (1.7320508075688772 * total))
    front = p[2] * (3.0 + kappa * distance) / (4.0 * total)
    for b in range(nb):
        at = 7 + 7 * b
        repulsion = 0.0
        for j in range(nb):
            other = 7 + 7 * j
            reach = p[at + 3] + p[other + 3]
            x = min(-kappa * (distance - reach), 100.0)
            power = 0.5 * (p[at + 6] + p[other + 6]) * log_protons
            strength = math.sqrt(p[at + 2] * p[other + 2]) * math.exp(min(max(power, -100.0), 100.0))
            repulsion += q[j] * strength * reach / (2.0 * distance) * math.exp(x)
        log_k = p[at + 1] * math.exp(min(max(p[at + 5] * protons, -100.0), 3.0))
        # logistic form: c - q exp(y), scaled by 1/(1 + exp(y))
        y = min(max(front * repulsion - log_k, -600.0), 600.0)
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
    """Colloidal particle adsorption.

    Parameters
    ----------
    surface : float
        phi in m2 per m3 of solid.
    debye_length : float
        1/kappa in m; 0: from `salt`.
    ln_k, repulsion, radius : Mapping of str to float
        L or ln K (K in m3 of liquid per m3 of solid), B, a in m.
    neighbours : float
        n, 6 in a hexagonal layer.
    k_kin : Mapping of str to float, optional
        Time constants in s; absent or 0: rapid equilibrium.
    hydrogen, ph : str, optional
        Component that carries the concentration of H+ (mol/m3), or the pH; at most one of them.
    ln_k_slope, repulsion_power : Mapping of str to float, optional
        s in m3/mol and m of the forms in pH; absent: 0.
    salt : str, optional
        Component whose concentration (mol/m3) is the ionic strength.
    """

    surface: float
    debye_length: float
    ln_k: Mapping[str, float]
    repulsion: Mapping[str, float]
    radius: Mapping[str, float]
    neighbours: float = 6.0
    k_kin: Mapping[str, float] | None = None
    hydrogen: str | None = None
    ph: str | None = None
    ln_k_slope: Mapping[str, float] | None = None
    repulsion_power: Mapping[str, float] | None = None
    salt: str | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.ln_k)
        if self.hydrogen is not None and self.ph is not None:
            raise InputError(
                Finding("binding model colloidal", "both hydrogen and ph", "at most one of them")
            )
        if not self.surface > 0.0 or (not self.debye_length > 0.0 and self.salt is None):
            found = f"surface {self.surface}, debye_length {self.debye_length}"
            raise InputError(Finding("binding model colloidal", found, "above 0, or a salt for the second"))
        modifiers = [name for name in (self.salt, self.hydrogen, self.ph) if name is not None]
        at = [component_index(name, components, LAW.name) for name in names]
        tau = time_constants(self.k_kin, names, LAW.name)
        ln_k = numbers(self.ln_k, names, LAW.name, "ln_k", lower=-600.0)
        repulsion = numbers(self.repulsion, names, LAW.name, "repulsion")
        radius = numbers(self.radius, names, LAW.name, "radius", lower=1e-12)
        slope = [(self.ln_k_slope or {}).get(name, 0.0) for name in names]
        power = [(self.repulsion_power or {}).get(name, 0.0) for name in names]
        density = self.surface / AVOGADRO
        # A layer a thousand times thinner than close packing: no neighbour is felt there.
        least = 1e-3 * 2.0 * density / (np.sqrt(3.0) * (2.0 * radius.max()) ** 2)
        modifier = self.hydrogen if self.ph is None else self.ph
        head = [
            density,
            1.0 / self.debye_length if self.debye_length > 0.0 else 0.0,
            self.neighbours,
            least,
            -1.0 if self.salt is None else component_index(self.salt, components, LAW.name),
            -1.0 if modifier is None else component_index(modifier, components, LAW.name),
            float(self.ph is not None),
        ]
        table = np.column_stack((at, ln_k, repulsion, radius, tau, slope, power)).ravel()
        return lay_out(LAW, components, np.concatenate((head, table)), names, tau, modifiers)
