"""Steric mass action with several bound states per protein (orientations, spreading).

    dq_is/dt = [ K_is c_i (qbar/c_ref)^nu_is - q_is (c_s/c_ref)^nu_is ] / k_kin,is + w_is - w_i,s+1
    w_is = k_is [ q_i,s-1 (qbar/c_ref)^(nu_is - nu_i,s-1) - R_is q_is (c_s/c_ref)^(nu_is - nu_i,s-1) ]

States of a protein are ordered by charge. Conversion s-1 <-> s has the rate constant k_is, and R_is = K_i,s-1
/ K_is follows from detailed balance, so that equilibrium is that of the SMA for every state. Kinetic only.

Source: the multi-state SMA of J. Diedrich and others, J. Chromatogr. A 1525 (2017) 60.
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
)


# p: salt, Lambda, salt floor, qbar floor, ln c_ref; per state: component, ln K, nu, sigma, tau, k, chained
# (1: follows the state before it)
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    qbar, salt = p[1], c[int(p[0])]
    for b in range(q.shape[0]):
        qbar -= (p[7 * b + 7] + p[7 * b + 8]) * q[b]
    # ln, continued by its tangent below the floors
    low_salt, low_qbar = max(salt, p[2]), max(qbar, p[3])
    log_salt = math.log(low_salt) + (salt - low_salt) / p[2]
    log_qbar = math.log(low_qbar) + (qbar - low_qbar) / p[3]
    for b in range(q.shape[0]):
        at = 7 * b + 5
        nu = p[at + 2]
        adsorption = math.exp(min(p[at + 1] + nu * (log_qbar - p[4]), 600.0))
        desorption = math.exp(min(nu * (log_salt - p[4]), 600.0))
        speed = 1.0 / (p[at + 4] + 1.0e-6 * (adsorption + desorption))
        f[b] = speed * (adsorption * c[int(p[at])] - desorption * q[b])
    for b in range(1, q.shape[0]):
        at = 7 * b + 5
        if p[at + 6] == 1.0:
            step = p[at + 2] - p[at - 5]
            forth = p[at + 5] * math.exp(min(step * (log_qbar - p[4]), 600.0))
            back = p[at + 5] * math.exp(min(p[at - 6] - p[at + 1] + step * (log_salt - p[4]), 600.0))
            slowing = 1.0 / (1.0 + 1.0e-6 * (forth + back))
            change = slowing * (forth * q[b - 1] - back * q[b])
            f[b] += change
            f[b - 1] -= change


LAW = BindingLaw("multi-state steric mass action", _rate)


@dataclass(frozen=True)
class MultiStateSMA:
    """SMA with several bound states per protein; every mapping gives one number per state.

    Parameters
    ----------
    counter_ion : str
    capacity : float
        mol per m3 of solid.
    k_eq, charge, shielding, k_kin : Mapping of str to tuple of float
        Per state, ordered by charge; k_kin in s at `reference`, above 0.
    conversion : Mapping of str to tuple of float
        Rate constants in 1/s of the conversions between neighbouring states, one fewer than states.
    reference : float
        mol/m3.
    """

    counter_ion: str
    capacity: float
    k_eq: Mapping[str, tuple[float, ...]]
    charge: Mapping[str, tuple[float, ...]]
    shielding: Mapping[str, tuple[float, ...]]
    k_kin: Mapping[str, tuple[float, ...]]
    conversion: Mapping[str, tuple[float, ...]]
    reference: float = 1.0

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`; states are named component.1, component.2 ..."""
        salt = component_index(self.counter_ion, components, LAW.name)
        p: list[float] = [
            salt,
            self.capacity,
            1e-4 * self.capacity,
            1e-4 * self.capacity,
            math.log(self.reference),
        ]
        states, labels, charges = [], [], []
        for name, strengths in self.k_eq.items():
            at = component_index(name, components, LAW.name)
            for s, k in enumerate(strengths):
                nu, rate = self.charge[name][s], self.conversion[name][s - 1] if s else 0.0
                p += [at, math.log(k), nu, self.shielding[name][s], self.k_kin[name][s], rate, float(s > 0)]
                states.append(name)
                labels.append(f"{name}.{s + 1}")
                charges.append(nu)
        plain = lay_out(
            LAW, components, np.array(p), states, np.ones(len(states)), [self.counter_ion], labels
        )
        plain.stoichiometry[salt] = -np.array(charges)
        plain.fixed[salt] = self.capacity
        return plain
