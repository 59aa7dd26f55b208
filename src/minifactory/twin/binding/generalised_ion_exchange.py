"""Steric mass action with charge and strength that follow pH, salt and protein (generalised ion exchange).

    k_kin,i dq_i/dt = K_i c_i (qbar / c_ref)^nu_i - q_i (c_s / c_ref)^nu_i
    ln K_i = a0 + a1 d + a2 d^2 + s_i c_s + g_i c_i
    nu_i = n0 + n1 d + n2 d^2,   d = pH - pH_ref                                  (no pH: d = 0)
    qbar = Lambda - sum_j (nu_j + sigma_j) q_j,   q_s = Lambda - sum_j nu_j(pH_ref) q_j

s: salting out (or in), g: activity of the protein in crowded solution. The pH is a component of the network
(a number carried with the liquid). The counter-ion that a protein takes from the liquid is counted with its
charge at the reference pH, so that its mass balance stays closed. Sources: the SMA of C. A. Brooks, S. M.
Cramer, AIChE J. 38 (1992) 1969; T. C. Huuk, T. Hahn, K. Doninger, J. Griesbach, S. Hepbildikler, J. Hubbuch,
Biotechnol. J. 12 (2017) 1600336 (the dependences).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics.lanes import anywhere, select
from minifactory.twin.binding.protocol import (
    Array,
    BindingLaw,
    CompiledBinding,
    component_index,
    lay_out,
    numbers,
    time_constants,
)


# p: salt, pH (-1: none), Lambda, salt floor, qbar floor, ln c_ref, pH_ref; per state: component, sigma, tau,
# a0, a1, a2, n0, n1, n2, s, g
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    d = select(p[1] >= 0.0, min(max(c[max(int(p[1]), 0)] - p[6], -14.0), 14.0), 0.0)
    qbar, salt = p[2], c[int(p[0])]
    for b in range(q.shape[0]):
        at = 7 + 11 * b
        qbar -= (p[at + 6] + d * (p[at + 7] + d * p[at + 8]) + p[at + 1]) * q[b]
    # ln, continued by its tangent below the floors
    low_salt, low_qbar = max(salt, p[3]), max(qbar, p[4])
    log_salt = math.log(low_salt) + (salt - low_salt) / p[3]
    log_qbar = math.log(low_qbar) + (qbar - low_qbar) / p[4]
    for b in range(q.shape[0]):
        at = 7 + 11 * b
        protein = c[int(p[at])]
        nu = max(p[at + 6] + d * (p[at + 7] + d * p[at + 8]), 0.0)
        strength = p[at + 3] + d * (p[at + 4] + d * p[at + 5])
        strength += p[at + 9] * low_salt + p[at + 10] * protein
        x = min(max(strength + nu * (log_qbar - log_salt), -600.0), 600.0)
        e = math.exp(-abs(x))
        near = 1.0 / (1.0 + e)
        far = e * near
        f[b] = select(x > 0.0, near * protein - far * q[b], far * protein - near * q[b])
        if anywhere(p[at + 2] > 0.0):
            desorption = nu * (log_salt - p[5])
            total = max(desorption, desorption + x) + math.log1p(e)
            slow = p[at + 2] * math.exp(-min(max(total, -600.0), 600.0))
            f[b] = select(p[at + 2] > 0.0, f[b] / (1.0e-6 + slow), f[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    at_salt, at_ph = int(p[0]), max(int(p[1]), 0)
    # 1 where the pH acts, d d / d pH
    moves = select(p[1] >= 0.0, select(abs(c[at_ph] - p[6]) < 14.0, 1.0, 0.0), 0.0)
    d = select(p[1] >= 0.0, min(max(c[at_ph] - p[6], -14.0), 14.0), 0.0)
    qbar, salt, qbar_by_d = p[2], c[at_salt], 0.0 * p[2]
    for b in range(q.shape[0]):
        at = 7 + 11 * b
        qbar -= (p[at + 6] + d * (p[at + 7] + d * p[at + 8]) + p[at + 1]) * q[b]
        qbar_by_d -= (p[at + 7] + 2.0 * d * p[at + 8]) * q[b]
    low_salt, low_qbar = max(salt, p[3]), max(qbar, p[4])
    log_salt = math.log(low_salt) + (salt - low_salt) / p[3]
    log_qbar = math.log(low_qbar) + (qbar - low_qbar) / p[4]
    d_salt, d_qbar = 1.0 / low_salt, 1.0 / low_qbar
    for b in range(q.shape[0]):
        at = 7 + 11 * b
        own = int(p[at])
        protein = c[own]
        charge = p[at + 6] + d * (p[at + 7] + d * p[at + 8])
        nu, nu_by_d = max(charge, 0.0), select(charge > 0.0, p[at + 7] + 2.0 * d * p[at + 8], 0.0)
        strength = p[at + 3] + d * (p[at + 4] + d * p[at + 5])
        strength += p[at + 9] * low_salt + p[at + 10] * protein
        raw = strength + nu * (log_qbar - log_salt)
        x = min(max(raw, -600.0), 600.0)
        e = math.exp(-abs(x))
        near = 1.0 / (1.0 + e)
        far = e * near
        up, down = select(x > 0.0, near, far), select(x > 0.0, far, near)
        # f = factor (up c - down q);  d ln(factor) = share (d desorption + up dx), desorption the rate of it
        kinetic, desorption = p[at + 2] > 0.0, nu * (log_salt - p[5])
        total = max(desorption, desorption + x) + math.log1p(e)
        slow = select(kinetic, p[at + 2] * math.exp(-min(max(total, -600.0), 600.0)), 1.0 - 1.0e-6)
        factor = 1.0 / (1.0e-6 + slow)
        change = select(kinetic, factor * factor * slow * (up * protein - down * q[b]), 0.0)
        by_x = select(raw == x, factor * up * down * (protein + q[b]) + change * up, 0.0)
        x_by_salt = select(salt > p[3], p[at + 9], 0.0) - nu * d_salt
        x_by_d = p[at + 4] + 2.0 * d * p[at + 5] + nu_by_d * (log_qbar - log_salt) + nu * d_qbar * qbar_by_d
        jc[b, own] += factor * up + by_x * p[at + 10]
        jc[b, at_salt] += by_x * x_by_salt + change * nu * d_salt
        jc[b, at_ph] += moves * (by_x * x_by_d + change * nu_by_d * (log_salt - p[5]))
        for j in range(q.shape[0]):
            sites = p[7 + 11 * j + 6] + d * (p[7 + 11 * j + 7] + d * p[7 + 11 * j + 8]) + p[7 + 11 * j + 1]
            jq[b, j] -= by_x * nu * d_qbar * sites
        jq[b, b] -= factor * down


LAW = BindingLaw("generalised ion exchange", _rate, _jacobian)
Quadratic = tuple[float, float, float]


@dataclass(frozen=True)
class GeneralisedIonExchange:
    """SMA with pH, salt and protein effects.

    Parameters
    ----------
    counter_ion : str
        Component that carries the exchanged ion (mol/m3).
    ph : str or None
        Component that carries the pH; None: constant pH.
    capacity : float
        Ionic capacity, mol per m3 of solid.
    ph_reference : float
    ln_k, charge : Mapping of str to (float, float, float)
        Coefficients of 1, d and d^2.
    shielding : Mapping of str to float
    k_kin : Mapping of str to float, optional
        Time constants in s at `reference` (mol/m3); absent or 0: rapid equilibrium.
    salting, crowding : Mapping of str to float, optional
        s and g in m3/mol; absent: 0.
    """

    counter_ion: str
    ph: str | None
    capacity: float
    ph_reference: float
    ln_k: Mapping[str, Quadratic]
    charge: Mapping[str, Quadratic]
    shielding: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None
    reference: float = 1.0
    salting: Mapping[str, float] | None = None
    crowding: Mapping[str, float] | None = None

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        names = list(self.ln_k)
        salt = component_index(self.counter_ion, components, LAW.name)
        tau = time_constants(self.k_kin, names, LAW.name)
        sigma = numbers(self.shielding, names, LAW.name, "shielding")
        if not self.capacity > 0.0 or not self.reference > 0.0:
            found = f"capacity {self.capacity}, reference {self.reference}"
            raise InputError(Finding(f"binding model {LAW.name}", found, "both above 0"))
        at_ph = -1 if self.ph is None else component_index(self.ph, components, LAW.name)
        p: list[float] = [salt, at_ph, self.capacity]
        p += [1e-4 * self.capacity, 1e-4 * self.capacity, math.log(self.reference), self.ph_reference]
        for i, name in enumerate(names):
            p += [
                component_index(name, components, LAW.name),
                sigma[i],
                tau[i],
                *self.ln_k[name],
                *self.charge[name],
                (self.salting or {}).get(name, 0.0),
                (self.crowding or {}).get(name, 0.0),
            ]
        modifiers = [self.counter_ion] if self.ph is None else [self.counter_ion, self.ph]
        plain = lay_out(LAW, components, np.array(p), names, tau, modifiers)
        plain.stoichiometry[salt] = [-self.charge[name][0] for name in names]
        plain.fixed[salt] = self.capacity
        return plain
