"""The online form: a network that goes on by small calls, with inputs known only up to the present."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine.flow_course import turned_back
from minifactory.twin.engine.levels import check_levels
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.scratch import new_scratch, no_inputs, solver_error
from minifactory.twin.engine.sections import Tolerance, absolute_tolerances, check_flows
from minifactory.twin.engine.solution import (
    MassBalance,
    balance_of,
    port_states,
    port_values,
    without_integrals,
)
from minifactory.twin.engine.specification import Vessel
from minifactory.twin.engine.tables import Array


class Stepper:
    """A network in motion. Not thread-safe; one per skid.

    The integrator steps as far as its tolerance allows, assuming that the inputs go on as they are; a call
    that stays on that course costs microseconds, one that leaves it costs about one step.

    Parameters
    ----------
    network : Network
    state : ndarray (size,)
    t : float
        Start time, s.
    scales : ndarray (nc,)
        Typical concentration of each component, mol/m3, for the absolute tolerance (the online form cannot
        see the inlets to come); ``tolerance.scales`` does the same.
    ports : sequence of str
        Units whose outlets each call returns.
    tolerance : Tolerance, optional
    """

    def __init__(
        self,
        network: Network,
        state: Array,
        t: float,
        scales: Array,
        ports: Sequence[str],
        tolerance: Tolerance | None = None,
    ) -> None:
        self._network = network
        self._layout = network.layout
        self._tolerance = tolerance or Tolerance()
        self.ports = tuple(ports)
        tb = self._layout.tables
        links, inlets, nc = len(network.links), len(network.inlets), tb.components
        if np.shape(state) != (tb.size,):
            raise InputError(
                Finding("state", f"shape {np.shape(state)}", f"{tb.size} values of this network")
            )
        self._y = without_integrals(self._layout, state)
        self._before = self._y.copy()
        self._new, self._dense = self._y.copy(), np.zeros((2, tb.size))
        wanted = (
            self._tolerance.scales if self._tolerance.scales is not None else np.asarray(scales, dtype=float)
        )
        self._absolute = absolute_tolerances(network, self._tolerance, wanted)
        self._scratch = new_scratch(self._layout, links, inlets)
        self._inputs = no_inputs(links, inlets, nc)
        self._states = port_states(network, ports)
        self._vessels = any(isinstance(unit, Vessel) for unit in network.units)
        self._given = np.full((2, links), np.nan)
        self._out = np.zeros((1, len(self._states)))
        self._flows, self._inlets = np.zeros((1, 2, links)), np.zeros((1, 2, inlets, nc))
        self._plan = np.zeros(0)
        self._times, self._at, self._cancel = np.zeros((1, 2)), np.zeros(1), np.zeros(1, dtype=np.int64)
        self._clock = np.array([t, t, t, t, np.inf])
        self._counts = np.zeros(4, dtype=np.int64)

    @property
    def time(self) -> float:
        """Present time, s."""
        return float(self._clock[control.NOW])

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return int(self._counts[control.ACCEPTED])

    def advance(
        self,
        t1: float,
        flows0: Array,
        inlets0: Array,
        flows1: Array | None = None,
        inlets1: Array | None = None,
    ) -> Array:
        """Outlet concentrations (ports, nc) in mol/m3 at `t1`.

        Flows (links,) in m3/s and inlet concentrations (inlets, nc) go linearly from their values now
        (`flows0`, `inlets0`) to those at `t1` (None: constant).

        Raises
        ------
        InputError
            `t1` before now, flows that are negative or do not balance, a vessel that runs empty or full.
        SolverError
            The integration cannot go on.
        """
        order = self._layout.link_index
        flows1 = flows0 if flows1 is None else flows1
        inlets1 = inlets0 if inlets1 is None else inlets1
        if not t1 >= self._clock[control.NOW]:
            raise InputError(Finding("advance", f"t1 = {t1} s", f"{self.time} s or later"))
        fresh = np.array((flows0, flows1), dtype=float)
        if not np.array_equal(fresh, self._given):
            check_flows(self._network, fresh, f"advance to {t1} s")
            self._given = fresh
            self._flows[0] = fresh[:, order]
        if self._vessels:
            now = np.array([[self.time, t1]])
            check_levels(self._network, self.state(), now, self._flows)
        self._inlets[0, 0], self._inlets[0, 1] = inlets0, inlets1
        self._times[0, 1] = self._at[0] = t1
        # The bound on steps is per call.
        already = int(self._counts[control.ACCEPTED] + self._counts[control.REJECTED])
        status = control.run_sections(
            self._layout.tables, self._inputs, self._times, self._flows, self._inlets, self._y, self._new,
            self._dense, self._absolute, self._tolerance.relative, self._scratch, self._at, self._states,
            self._out, self._clock, self._counts, already + self._tolerance.max_steps, self._cancel, True,
            self._plan, False,
        )  # fmt: skip
        if status != control.DONE:
            raise solver_error(self._layout, status, self._counts, self._clock)
        return np.array(port_values(self._network, self.ports, self._out)[0][0])

    @property
    def passed(self) -> Array:
        """Amount that has passed each port since the start, mol, (ports, nc)."""
        return np.array(port_values(self._network, self.ports, self._out)[1][0])

    @property
    def volumes(self) -> Array:
        """Liquid in the units of the ports, m3, (ports,)."""
        return np.array(port_values(self._network, self.ports, self._out)[2][0])

    def state(self) -> Array:
        """The state vector now; a copy."""
        start, end, now = (float(self._clock[i]) for i in (control.FROM, control.UNTIL, control.NOW))
        tb, turned = self._layout.tables, self._scratch.course.turned
        if end <= start:
            return turned_back(tb, self._y, turned).copy()
        s = (now - start) / (end - start)
        mixed = self._new + (1.0 - s) * (self._dense[0] + s * self._dense[1])
        return turned_back(tb, np.asarray((1.0 - s) * self._y + s * mixed), turned)

    def balance(self) -> MassBalance:
        """Mass balance since the start."""
        return balance_of(self._layout, self._before, self.state())
