"""Steric mass action (SMA) ion exchange.

    k_kin,i dq_i/dt = K_i c_i (qbar / c_ref)^nu_i - q_i (c_s / c_ref)^nu_i
    qbar = Lambda - sum_j (nu_j + sigma_j) q_j             free, accessible counter-ions
    q_s  = Lambda - sum_j nu_j q_j                         bound counter-ions, by electroneutrality

Lambda and q per m3 of solid. K_i does not depend on c_ref; k_kin does. The bound counter-ion has no state of
its own.

Numerics: with x_i = ln K_i + nu_i ln(qbar / c_s) and the logistic function a_i = 1/(1 + exp(-x_i)) the
bracket is a positive factor times a_i c_i - (1 - a_i) q_i, which neither overflows nor cancels at any salt;
the factor (the relaxation rate) is limited to RATE_CAP. Below a ten-thousandth of Lambda the logarithms of
salt and qbar go on along their tangents: whatever a solver tries has a value, and a bed that is full to the
last site is not steeper than a tolerance can see.

Source: C. A. Brooks, S. M. Cramer, AIChE J. 38 (1992) 1969.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics.lanes import anywhere, select
from minifactory.twin.binding.protocol import (
    RATE_CAP,
    Array,
    BindingLaw,
    CompiledBinding,
    component_index,
    time_constants,
)

# p: counter-ion, Lambda, floor of salt, floor of qbar, ln c_ref; then per bound state:
# component, ln K, nu, sigma, 1/k_kin (0: rapid equilibrium)
_HEAD, _WIDTH = 5, 5


def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    qbar, salt = p[1], c[int(p[0])]
    for b in range(q.shape[0]):
        qbar -= (p[5 * b + 7] + p[5 * b + 8]) * q[b]
    # ln, continued by its tangent below the floors
    low_salt, low_qbar = max(salt, p[2]), max(qbar, p[3])
    ratio = math.log(low_qbar / low_salt) + (qbar - low_qbar) / p[3] - (salt - low_salt) / p[2]
    for b in range(q.shape[0]):
        nu, speed, protein = p[5 * b + 7], p[5 * b + 9], c[int(p[5 * b + 5])]
        x = min(max(p[5 * b + 6] + nu * ratio, -600.0), 600.0)
        e = math.exp(-abs(x))
        near = 1.0 / (1.0 + e)
        far = e * near
        f[b] = select(x > 0.0, near * protein - far * q[b], far * protein - near * q[b])
        if anywhere(speed > 0.0):
            desorption = nu * (math.log(low_salt) + (salt - low_salt) / p[2] - p[4])
            # ln of (adsorption + desorption rate) / speed
            total = max(desorption, desorption + x) + math.log1p(e)
            slow = math.exp(-min(max(total, -600.0), 600.0)) / select(speed > 0.0, speed, 1.0)
            f[b] = select(speed > 0.0, f[b] / (1.0e-6 + slow), f[b])


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:
    qbar, salt, at_salt = p[1], c[int(p[0])], int(p[0])
    for b in range(q.shape[0]):
        qbar -= (p[5 * b + 7] + p[5 * b + 8]) * q[b]
    # d ln(salt) / d c_s and d ln(qbar) / d qbar, through the smooth floors
    low_salt, low_qbar = max(salt, p[2]), max(qbar, p[3])
    d_salt, d_qbar = 1.0 / low_salt, 1.0 / low_qbar
    ratio = math.log(low_qbar * d_salt) + (qbar - low_qbar) / p[3] - (salt - low_salt) / p[2]
    for b in range(q.shape[0]):
        nu, speed, at = p[5 * b + 7], p[5 * b + 9], int(p[5 * b + 5])
        raw = p[5 * b + 6] + nu * ratio
        x = min(max(raw, -600.0), 600.0)
        e = math.exp(-abs(x))
        near = 1.0 / (1.0 + e)
        far = e * near
        up, down = select(x > 0.0, near, far), select(x > 0.0, far, near)
        # f = factor (up c - down q);  d/dx = factor up down (c + q) + (up c - down q) d factor
        factor, by_salt, by_qbar = 1.0, 0.0, 0.0
        if anywhere(speed > 0.0):
            desorption = nu * (math.log(low_salt) + (salt - low_salt) / p[2] - p[4])
            total = max(desorption, desorption + x) + math.log1p(e)
            slow = math.exp(-min(max(total, -600.0), 600.0)) / select(speed > 0.0, speed, 1.0)
            factor = select(speed > 0.0, 1.0 / (1.0e-6 + slow), 1.0)
            # d ln(total) = down * nu dln(salt) + up * nu dln(qbar)
            change = select(speed > 0.0, factor * factor * slow * (up * c[at] - down * q[b]), 0.0)
            by_salt, by_qbar = change * down * nu, change * up * nu
        by_x = select(raw == x, factor * up * down * (c[at] + q[b]), 0.0)
        jc[b, at] += factor * up
        jc[b, at_salt] += (by_salt - nu * by_x) * d_salt
        for j in range(q.shape[0]):
            jq[b, j] -= (by_qbar + nu * by_x) * d_qbar * (p[5 * j + 7] + p[5 * j + 8])
        jq[b, b] -= factor * down


def _equilibrium(p: Array, c: Array) -> Array:
    """Bisection on qbar: the sum of occupied sites falls monotonically with qbar."""
    table = p[_HEAD:].reshape(-1, _WIDTH)
    capacity, salt = p[1], max(float(c[int(p[0])]), p[2])
    protein = np.maximum(c[table[:, 0].astype(int)], 0.0)
    sites = table[:, 2] + table[:, 3]

    def bound(qbar: float) -> Array:
        exponent = np.minimum(table[:, 1] + table[:, 2] * math.log(qbar / salt), 600.0)
        return np.asarray(protein * np.exp(exponent))

    low, high = 1e-12 * capacity, capacity
    if capacity - float(sites @ bound(high)) >= high:
        return bound(high)
    for _ in range(200):
        middle = 0.5 * (low + high)
        if capacity - float(sites @ bound(middle)) > middle:
            low = middle
        else:
            high = middle
    return bound(0.5 * (low + high))


LAW = BindingLaw("steric mass action", _rate, _jacobian, _equilibrium)


@dataclass(frozen=True)
class StericMassAction:
    """SMA ion exchange of the components named in `k_eq` against one counter-ion; others do not bind.

    Parameters
    ----------
    counter_ion : str
        The component that is exchanged (sodium, chloride).
    capacity : float
        Ionic capacity Lambda, mol per m3 of solid.
    k_eq, charge, shielding : Mapping of str to float
        Equilibrium constant (dimensionless), characteristic charge nu, steric factor sigma.
    k_kin : Mapping of str to float, optional
        Time constants in s at `reference`; absent or 0: rapid equilibrium.
    reference : float
        c_ref in mol/m3 to which k_kin refers; it does not change the equilibrium.
    """

    counter_ion: str
    capacity: float
    k_eq: Mapping[str, float]
    charge: Mapping[str, float]
    shielding: Mapping[str, float]
    k_kin: Mapping[str, float] | None = None
    reference: float = 1.0

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`.

        Raises
        ------
        InputError
            Unknown components, or numbers that are not positive.
        """
        names = list(self.k_eq)
        salt = component_index(self.counter_ion, components, "SMA")
        at = [component_index(name, components, "SMA") for name in names]
        tau = time_constants(self.k_kin, names, "SMA")
        k = np.array([self.k_eq[name] for name in names], dtype=float)
        nu = np.array([self.charge[name] for name in names], dtype=float)
        sigma = np.array([self.shielding[name] for name in names], dtype=float)
        if not self.capacity > 0.0 or np.any(~(k > 0.0)) or np.any(~(nu > 0.0)) or np.any(~(sigma >= 0.0)):
            raise InputError(
                Finding(
                    "binding model SMA",
                    f"capacity {self.capacity}, k_eq {k}, charge {nu}, shielding {sigma}",
                    "capacity, k_eq and charge above 0, shielding 0 or more",
                )
            )
        speed = np.where(tau > 0.0, 1.0 / np.where(tau > 0.0, tau, 1.0), 0.0)
        head = [salt, self.capacity, 1e-4 * self.capacity, 1e-4 * self.capacity, math.log(self.reference)]
        body = np.column_stack((at, np.log(k), nu, sigma, speed)).ravel()
        stoichiometry = np.zeros((len(components), len(names)))
        stoichiometry[at, np.arange(len(names))] = 1.0
        stoichiometry[salt, :] = -nu
        fixed = np.zeros(len(components))
        fixed[salt] = self.capacity
        takes_part = np.zeros(len(components), dtype=np.bool_)
        takes_part[[salt, *at]] = True
        return CompiledBinding(
            LAW, np.concatenate((head, body)), tuple(names), stoichiometry, fixed, takes_part, tau > 0.0
        )


assert 1.0 / RATE_CAP == 1.0e-6  # the law above spells the cap as a literal, as kernels need
