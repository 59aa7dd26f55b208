"""What happens in liquid by itself, as a law of the engine: from inactivation to precipitation.

The engine's beds carry kinetic binding; with one volume of solid per volume of liquid, dc/dt = ... - dq/dt,
so that any reaction is a law whose "bound" amount q is what has reacted. A reactant's q grows, a product's
falls below zero, their sum stays: what one species loses another gains, mole for mole.

    inactivated or gone   r = k c                    dq_i/dt = r
    folded, i to j        r = k c_i                  dq_i/dt = r, dq_j/dt = -r
    aggregated, i to j    r = k c_i^2                the same
    precipitated          r = k max(c_i - S, 0)      log10 S = beta - K_s I

I is the ionic strength of the strong ions (mol/m3). A precipitate stays where it is and does not dissolve.
Sources: as in :mod:`minifactory.twin.operations.refolding` and
:mod:`minifactory.twin.operations.inactivation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minifactory.numerics.lanes import select
from minifactory.twin.binding.protocol import Array, BindingLaw, CompiledBinding, component_index, lay_out
from minifactory.twin.operations.refolding import Precipitation

Pairs = Mapping[tuple[str, str], float]


# p: weights of the ionic strength (nc); per state: component, precipitation rate, ln of the solubility
# without salt, its fall with ionic strength, rates of first order (nc) and of second order (nc) by reactant.
def _rate(p: Array, c: Array, q: Array, f: Array) -> None:
    nc = c.shape[0]
    ionic = 0.0
    for j in range(nc):
        ionic += p[j] * c[j]
    for b in range(q.shape[0]):
        at = nc + b * (4 + 2 * nc)
        own = c[int(p[at])]
        gone = p[at + 1] * max(own - math.exp(min(p[at + 2] - p[at + 3] * ionic, 600.0)), 0.0)
        for j in range(nc):
            gone += (p[at + 4 + j] + p[at + 4 + nc + j] * max(c[j], 0.0)) * c[j]
        f[b] = gone


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:  # noqa: ARG001
    nc = c.shape[0]
    ionic = 0.0
    for j in range(nc):
        ionic += p[j] * c[j]
    for b in range(q.shape[0]):
        at = nc + b * (4 + 2 * nc)
        place = int(p[at])
        solubility = math.exp(min(p[at + 2] - p[at + 3] * ionic, 600.0))
        falls = select(c[place] > solubility, p[at + 1], 0.0)
        jc[b, place] += falls
        for j in range(nc):
            jc[b, j] += falls * solubility * p[at + 3] * p[j]
            jc[b, j] += p[at + 4 + j] + 2.0 * p[at + 4 + nc + j] * max(c[j], 0.0)


LAW = BindingLaw("reactions", _rate, _jacobian)


@dataclass(frozen=True)
class Reactions:
    """Reactions in a bed with as much solid as liquid, in place of a binding model.

    Parameters
    ----------
    vanishing : Mapping of str to float
        First-order rates (1/s) of what is lost: viruses.
    folding, aggregation : Mapping of (str, str) to float
        From one component to another, in 1/s and in m3/(mol s).
    precipitating : Mapping of str to Precipitation
        What falls out: solubility and rate.
    charges : Mapping of str to int
        Charge numbers of the strong ions, for the ionic strength.
    """

    vanishing: Mapping[str, float] = field(default_factory=dict)
    folding: Pairs = field(default_factory=dict)
    aggregation: Pairs = field(default_factory=dict)
    precipitating: Mapping[str, Precipitation] = field(default_factory=dict)
    charges: Mapping[str, int] = field(default_factory=dict)

    @property
    def reacting(self) -> tuple[str, ...]:
        """The components whose amount changes, in order of appearance."""
        of_pairs = [name for pair in (*self.folding, *self.aggregation) for name in pair]
        return tuple(dict.fromkeys([*self.vanishing, *of_pairs, *self.precipitating]))

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The reactions laid out for `components`."""
        names, nc = self.reacting, len(components)
        at = {name: component_index(name, components, LAW.name) for name in names}
        weights = np.array([0.5 * self.charges.get(name, 0) ** 2 for name in components])
        table = np.zeros((len(names), 4 + 2 * nc))
        for row, name in zip(table, names, strict=True):
            row[0] = at[name]
            row[4 + at[name]] = self.vanishing.get(name, 0.0)
            if name in self.precipitating:
                known = self.precipitating[name]
                row[1:4] = known.rate, known.beta * math.log(10.0), known.salting_out * math.log(10.0)
        for first, pairs in ((4, self.folding), (4 + nc, self.aggregation)):
            for (source, target), rate in pairs.items():
                table[names.index(source), first + at[source]] += rate
                table[names.index(target), first + at[source]] -= rate
        ions = [name for name in components if self.charges.get(name)] if self.precipitating else []
        parameters = np.concatenate([weights, table.ravel()])
        return lay_out(LAW, components, parameters, names, np.ones(len(names)), ions)
