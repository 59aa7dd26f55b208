"""A titratable resin: weak ion exchange groups that take up protons, so that salt and pH move each other.

    R-H + M+ = R-M + H+          q = Lambda K m / (K m + h)

q is what the groups hold of the metal ion M (mol per m3 of solid), m its concentration, h = 10^-pH of the
liquid where the group is, K = 10^-pKa of the exchange (h in mol/L, m relative to 1 mol/m3: the group is half
dissociated at pH pKa in 1 mM of M). What a group lets go of M leaves a proton in, and the reverse; protons
are not components, their balance is electroneutrality. A step in salt at constant pH therefore sends a pH
wave through the column.

h follows from the charge balance of the liquid, with the pKa values of its buffers (activity coefficients 1,
their effect belongs into the pKa values given). Source: T. M. Pabst, G. Carta, J. Chromatogr. A 1142 (2007)
19.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minifactory.twin.binding.protocol import (
    Array,
    BindingLaw,
    CompiledBinding,
    component_index,
    lay_out,
    time_constants,
)


# p: metal, Lambda, K, tau, number of strong ions, number of weak acids; per strong ion: component, charge;
# per weak acid: component, charge of the acid, number of pKa, three of them
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    strong, weak = int(p[4]), int(p[5])
    low, high = -2.0, 16.0
    fixed = 0.0
    for i in range(strong):
        fixed += p[6 + 2 * i + 1] * 1e-3 * c[int(p[6 + 2 * i])]
    ph = 7.0
    for _ in range(60):
        h = math.exp(-ph * 2.302585092994046)
        charge, slope = fixed + h - 1.008e-14 / h, -2.302585092994046 * (h + 1.008e-14 / h)
        for i in range(weak):
            at = 6 + 2 * strong + 6 * i
            total, mean, square, term = 1.0, p[at + 1], p[at + 1] * p[at + 1], 1.0
            for step in range(int(p[at + 2])):
                term *= math.exp((ph - p[at + 3 + step]) * 2.302585092994046)
                z = p[at + 1] - step - 1.0
                total += term
                mean += term * z
                square += term * z * z
            mean /= total
            amount = 1e-3 * max(c[int(p[at])], 0.0)
            charge += amount * mean
            slope -= 2.302585092994046 * amount * (square / total - mean * mean)
        if charge > 0.0:
            low = ph
        else:
            high = ph
        step_ph = charge / slope
        if abs(step_ph) < 1e-13:
            break
        ph -= step_ph
        if not low < ph < high:
            ph = 0.5 * (low + high)
    metal = p[2] * max(c[int(p[0])], 0.0)
    h = math.exp(-ph * 2.302585092994046)
    f[0] = p[1] * metal / (metal + h) - q[0]
    if p[3] > 0.0:
        f[0] /= p[3]


LAW = BindingLaw("weak exchanger", _rate)


@dataclass(frozen=True)
class WeakExchanger:
    """Titratable groups of a resin.

    Parameters
    ----------
    metal : str
        Component that exchanges with the protons, e.g. sodium (for a weak anion exchanger: the anion, with
        `acidic` false, is not covered).
    capacity : float
        Groups, mol per m3 of solid.
    pka : float
        pH at which half of the groups hold the metal in 1 mM of it.
    strong : Mapping of str to int
        Charges of the strong ions of the liquid by component.
    weak : Mapping of str to (int, sequence of float)
        Buffers by component: charge of the fully protonated form, and up to three pKa values at the ionic
        strength of use.
    k_kin : float
        Time constant in s; 0: rapid equilibrium.
    """

    metal: str
    capacity: float
    pka: float
    strong: Mapping[str, int]
    weak: Mapping[str, tuple[int, Sequence[float]]] = field(default_factory=dict)
    k_kin: float = 0.0

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        tau = time_constants({self.metal: self.k_kin}, [self.metal], LAW.name)
        p: list[float] = [
            component_index(self.metal, components, LAW.name), self.capacity, 10.0**-self.pka, tau[0],
            len(self.strong), len(self.weak),
        ]  # fmt: skip
        for name, charge in self.strong.items():
            p += [component_index(name, components, LAW.name), charge]
        for name, (charge, pka) in self.weak.items():
            steps = [*pka, 0.0, 0.0, 0.0][:3]
            p += [component_index(name, components, LAW.name), charge, len(pka), *steps]
        modifiers = [name for name in (*self.strong, *self.weak) if name != self.metal]
        return lay_out(LAW, components, np.array(p), [self.metal], tau, modifiers)
