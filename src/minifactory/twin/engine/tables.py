"""The flat arrays that the kernels read, and the layout of the state vector.

State: for every unit, in order of flow, liquid c[node, component]; particle liquid p[node, radius,
component]; bound states q[node, radius, bound]. A vessel has one node, which holds amounts (mol) instead of
concentrations. Then three integrals in mol: what passed each unit's outlet [unit, component], what left the
network [component], what entered it [component]; last the volume of each unit in m3 [unit].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Number = Any  # a double, or lanes of doubles (minifactory.numerics.lanes)

# Values of the column KIND.
CELLS, LRM, PORES = 0, 1, 2

# Columns of `unit`: what it is; nodes along the unit and in its particles; numbers of bound states and of
# components that the binding couples; whether all components disperse alike; elements along the unit and
# nodes in each ...
KIND, NODES, RADIAL, BOUND, COUPLED, SHARED, ELEMENTS, PER = range(8)
# ... where its operators, sphere, state, law (address), parameters, links in and links out start (these up
# to the next unit's) ...
AT_OPERATORS, AT_SPHERE, AT_STATE, LAW, LAW_AT, LINK_FIRST, OUT_FIRST = range(8, 15)
# ... and where it keeps its factors in the work array.
W_FREE, W_BULK, W_INVERSE, W_GAIN, W_SLOPE, W_PARTICLE, W_FREE_PARTICLE, W_JC, W_JQ = range(15, 24)
# Whether the unit is a vessel, whose volume changes; number of particle sizes; whether films follow flow;
# whether a membrane stands before it, and where what the membrane holds back goes; whether it feeds one.
VESSEL, SIZES, FOLLOWS, MEMBRANE, FEEDS_MEMBRANE, COLUMNS = range(24, 30)

# Values of the column MEMBRANE: none; it stays in the unit before; it is caught and leaves the network.
OPEN, KEEPS, CATCHES = 0, 1, 2

# Columns of `by_unit`: liquid volume between the particles (LRM: all liquid) in m3; (1 - eps) / eps of the
# bed; solid per particle volume (LRM: per liquid volume); reciprocal of the flow (s/m3) at which films that
# follow the flow are given.
VOLUME, PHASE, SOLID, PER_FLOW, UNIT_ROWS = range(5)

# Columns of `by_component`: axial dispersion / length2 in 1/s and the part that grows with flow in 1/m3; 3
# k_f / R in 1/s, of the moment; accessible pore volume per particle volume (LRM: 1); pore * D_p / R2 and
# D_s / R2 in 1/s; 3 k_f / R as given, and the power of the flow that it follows; the part that passes the
# membrane before the unit (1 without one).
DISPERSION, DISPERSIVITY, FILM, PORE, DIFFUSION, SURFACE, FILM_GIVEN, FILM_POWER = range(8)
SIEVING, COMPONENT_ROWS = 8, 9


class Tables(NamedTuple):
    """Everything the kernels need to know; u unit, k link, c component, b bound state.

    The integers and operators are the structure of a network; the five arrays of numbers may differ from lane
    to lane and have a last axis for that, (..., 1) for one simulation.
    """

    size: int  # of the state vector
    components: int
    units: int
    unit: Integers  # [u + 1, COLUMNS]; the last row only ends what starts
    order: Integers  # [u, c] coupled components first, then the free ones
    link_source: Integers  # [k] unit, or -1 - inlet; links sorted by target
    link_target: Integers  # [k] unit
    link_end: Integers  # [k] 1: enters the target at its outlet end, so that it flows backwards
    out_links: Integers  # links by source unit
    group: Integers  # [state] which norm a state counts in; -1: none
    group_weight: Array  # [state] its part of the volume over which that norm is a mean
    # per unit: its elements (nodal.AxialOperators.elements), inlet; particle stiffness, film in and out
    operators: Array
    floor: Array  # [u] least volume (m3) that a vessel counts with when it gives out
    by_unit: Array  # [u, UNIT_ROWS, lane]
    by_component: Array  # [u, COMPONENT_ROWS, c, lane]; a kernel sets the films
    stoichiometry: Array  # [u, c, b, lane]
    kinetic: Array  # [u, b, lane] 1 kinetic, a short time for rapid equilibrium
    law_parameters: Array  # [parameter, lane]

    def column(self, which: int) -> Integers:
        """A column of `unit` for all units, (units,)."""
        return self.unit[:-1, which]

    def of_its_own(self) -> Tables:
        """The same, with numbers that a kernel may change."""
        return self._replace(by_component=self.by_component.copy())

    @property
    def integrals(self) -> int:
        """Where the integrals start in the state."""
        return int(self.unit[-1, AT_STATE])


class Sizes(NamedTuple):
    """Lengths of the arrays that a run needs beside the state."""

    work: int
    scratch: int
    spare: int
    groups: int
    torn: int = 0  # streams that may have to be torn at once
