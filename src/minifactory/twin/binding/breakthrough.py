"""Capture known only by its breakthrough: an error function of the load per resin volume, no isotherm.

Of many capture columns nothing is published but how much breaks through at which load,

    c / c0 = (1 + erf((x - m) / (sqrt(2) s))) / 2        x: mol fed per column volume

with two constants at a given residence time. Bound irreversibly at a rate that the free capacity limits, a
column in plug flow gives the same curve as a logistic function (Bohart and Adams, exactly),

    dq_i/dt = k_i c_i (1 - sum_j q_j / m_j) m_i - r_i (c_salt / c_r)^n q_i
    c / c0  = 1 / (1 + (exp(m / w) - 1) exp(-x / w)),   k = 1 / (w t),   w = s / 1.702

t: residence time in the empty bed at which m and s were measured. The logistic function is nowhere further
than 0.010 from the error function. It is a function of the load, not of concentration or time, so it holds
for any feed; a bed that has taken up some load goes on from there, and the second of two columns catches
what the first loses. At another flow the spread is proportional to the flow, as of a rate-limited front.
Above c_r the bound amount leaves with the time constant 1 / r or faster; n is large, so that nothing leaves
at the salt of the load.

Sources: G. S. Bohart, E. Q. Adams, J. Am. Chem. Soc. 42 (1920) 523; 1.702: the closest logistic function, S.
A. Haley, Technical Report 15, Stanford, 1952. An empirical column: it says nothing of what it was not
measured for (pH, other salts, competition).
"""

from __future__ import annotations

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
)

LOGISTIC = 1.702
"""Standard deviation of an error function over the width of the closest logistic function."""


# p: component, reference and power of the salt; per state: component, uptake, capacity, release.
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    nb = q.shape[0]
    free = 1.0
    for b in range(nb):
        free -= q[b] / p[4 * b + 5]
    ratio = min(max(c[int(p[0])] / p[1], 0.0), 4.0)
    salt = ratio ** p[2]
    for b in range(nb):
        at = 4 * b + 3
        f[b] = p[at + 1] * c[int(p[at])] * free * p[at + 2] - p[at + 3] * salt * q[b]


def _isotherm(p: Array, c: Array, q: Array) -> None:
    ratio = min(max(c[int(p[0])] / p[1], 1e-3), 4.0)
    salt = ratio ** p[2]
    taken = 1.0
    for b in range(q.shape[0]):
        at = 4 * b + 3
        strength = p[at + 1] * max(c[int(p[at])], 0.0) / (p[at + 3] * salt)
        taken += strength
        q[b] = p[at + 2] * strength
    for b in range(q.shape[0]):
        q[b] /= taken


LAW = BindingLaw("breakthrough", _rate, isotherm=_isotherm)


@dataclass(frozen=True)
class Breakthrough:
    """Capture of the components named in `half`, by the constants of their breakthrough.

    Parameters
    ----------
    half : Mapping of str to float
        m: load at which half of the feed breaks through, mol per m3 of *solid* (like all capacities).
    spread : Mapping of str to float
        s: standard deviation of the error function, mol per m3 of *packed column*.
    release : Mapping of str to float
        1 / r: time constant of elution at the reference concentration of the salt, s.
    salt : str
        The component that elutes.
    residence : float
        t: column volume over flow at which `half` and `spread` hold, s.
    reference : float
        c_r, mol/m3.
    power : float
        n.
    """

    half: Mapping[str, float]
    spread: Mapping[str, float]
    release: Mapping[str, float]
    salt: str
    residence: float
    reference: float
    power: float = 8.0

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`; InputError for constants that are not above 0."""
        names = list(self.half)
        at = [component_index(name, components, LAW.name) for name in names]
        half = numbers(self.half, names, LAW.name, "half", lower=1e-300)
        spread = numbers(self.spread, names, LAW.name, "spread", lower=1e-300)
        release = numbers(self.release, names, LAW.name, "release", lower=1e-300)
        for what, value in (("residence", self.residence), ("reference", self.reference)):
            if not value > 0.0:
                raise InputError(Finding(f"{LAW.name} binding", f"{what} {value:g}", "above 0"))
        uptake = LOGISTIC / (spread * self.residence)
        head = [float(component_index(self.salt, components, LAW.name)), self.reference, self.power]
        table = np.column_stack((at, uptake, half, 1.0 / release))
        return lay_out(LAW, components, np.concatenate([head, table.ravel()]), names, release, [self.salt])
