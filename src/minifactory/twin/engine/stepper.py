"""The online form: a network that goes on by small calls, with inputs known only up to the present."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics.nodal import gauss_lobatto
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine.bundles import Jobs, bundle_of
from minifactory.twin.engine.flow_course import turned_back
from minifactory.twin.engine.layout import Layout
from minifactory.twin.engine.levels import check_levels
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.scratch import new_lanes, solver_error
from minifactory.twin.engine.sections import Tolerance, absolute_tolerances, check_flows
from minifactory.twin.engine.solution import (
    MassBalance,
    balance_of,
    port_states,
    port_values,
    without_integrals,
)
from minifactory.twin.engine.specification import Vessel
from minifactory.twin.engine.tables import ELEMENTS, KIND, PER, PORES, Array


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

    Attributes
    ----------
    smeared : tuple of str
        Beds that go on with the monotone scheme of first order, since an outlet undershot by more than
        ``tolerance.undershoot`` or the spectral scheme could not go on; the call in which that shows is
        computed again from its last step on.
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
        self._before = without_integrals(self._layout, state)
        wanted = (
            self._tolerance.scales if self._tolerance.scales is not None else np.asarray(scales, dtype=float)
        )
        self._lanes = lanes = new_lanes(self._layout, links, inlets, 1)
        lanes.y[:, 0] = lanes.new[:, 0] = self._before
        lanes.absolute[:, 0] = absolute_tolerances(network, self._tolerance, wanted)
        lanes.clock[:, 0] = t, t, t, t, np.inf
        lanes.inputs.flows[:] = -1.0  # nothing given can go on from there
        states = port_states(network, ports)
        self._scales = np.where(wanted > 0.0, wanted, wanted.max(initial=0.0))
        self._sharp = np.any(self._layout.fronts, axis=0)
        self._may_smear = self._tolerance.undershoot < np.inf and bool(np.any(self._sharp))
        self._least = np.zeros(nc)
        self._fed: tuple[Array | None, Array | None] = (None, None)
        self.smeared: tuple[str, ...] = ()
        self._vessels = any(isinstance(unit, Vessel) for unit in network.units)
        self._given = b""
        self._jobs = Jobs(
            first=np.array([0, 1]),
            times=np.zeros((1, 2)),
            flows=np.zeros((1, 2, links)),
            inlets=np.zeros((1, 2, inlets, nc)),
            start=np.zeros((1, tb.size)),
            absolute=np.zeros((1, tb.size)),
            by_unit=np.empty((0, *tb.by_unit.shape[:-1])),
            by_component=np.empty((0, *tb.by_component.shape[:-1])),
            stoichiometry=np.empty((0, *tb.stoichiometry.shape[:-1])),
            kinetic=np.empty((0, *tb.kinetic.shape[:-1])),
            law_parameters=np.empty((0, *tb.law_parameters.shape[:-1])),
            plan=np.zeros((1, 0)),
            out_times=np.zeros(1),
            out_states=states,
            out=np.zeros((1, 1, len(states))),
            end=np.zeros((1, tb.size)),
            clock=np.zeros((1, 5)),
            counts=np.zeros((1, 3), dtype=np.int64),
            status=np.zeros(1, dtype=np.int64),
            queue=np.ones(1, dtype=np.int64),
            cancel=np.zeros(1, dtype=np.int64),
        )
        self._bundles = [bundle_of(part) for part in (tb.of_its_own(), self._jobs, lanes)]
        self._words = [part.words for part in self._bundles]

    @property
    def time(self) -> float:
        """Present time, s."""
        return float(self._lanes.clock[control.NOW, 0])

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return int(self._lanes.counts[control.ACCEPTED, 0])

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
        if not t1 >= self.time:
            raise InputError(Finding("advance", f"t1 = {t1} s", f"{self.time} s or later"))
        jobs, lanes = self._jobs, self._lanes
        fresh = np.array((flows0, flows1), dtype=float)
        if fresh.tobytes() != self._given:
            check_flows(self._network, fresh, f"advance to {t1} s")
            self._given = fresh.tobytes()
            jobs.flows[0] = fresh[:, order]
        if self._vessels:
            check_levels(self._network, self.state(), np.array([[self.time, t1]]), jobs.flows)
        jobs.inlets[0, 0], jobs.inlets[0, 1] = inlets0, inlets1
        jobs.times[0, 1] = jobs.out_times[0] = t1
        lanes.cursor[:, 0] = 0  # the one job, from the start of its section
        self._run()
        if self._may_smear and (jobs.status[0] != control.DONE or self._undershoots(inlets0, inlets1)):
            self._smear()
            self._run()
        if jobs.status[0] != control.DONE:
            raise solver_error(self._layout, int(jobs.status[0]), jobs.counts[0], jobs.clock[0])
        if self._vessels:
            return np.array(port_values(self._network, self.ports, jobs.out[0])[0][0])
        shape = len(self.ports), self._layout.tables.components
        return np.array(jobs.out[0, 0, : shape[0] * shape[1]].reshape(shape))

    def _run(self) -> None:
        """Goes on to the end of the section of `_jobs`."""
        self._jobs.queue[0] = 1
        # The bound on steps is per call.
        counts = self._lanes.counts
        already = int(counts[control.ACCEPTED, 0] + counts[control.REJECTED, 0])
        control.run_jobs(
            *self._words, self._tolerance.of_step, already + self._tolerance.max_steps, True, False
        )  # fmt: skip

    def _undershoots(self, inlets0: Array, inlets1: Array) -> bool:
        """Whether a front at an outlet was too sharp for the mesh; as ``Tolerance.undershoot`` says."""
        if inlets0 is not self._fed[0] or inlets1 is not self._fed[1]:
            self._fed = (inlets0, inlets1)
            self._least = np.minimum(self._least, self._jobs.inlets.min(axis=(0, 1, 2)))
        ports, nc = len(self.ports), self._layout.tables.components
        lowest = np.where(self._sharp, self._least - self._tolerance.undershoot * self._scales, -np.inf)
        if self._jobs.out[0, 0, : ports * nc].min(initial=0.0) >= lowest.max():
            return False
        outlet = port_values(self._network, self.ports, self._jobs.out[0])[0][0]
        return bool(np.any(outlet < lowest))

    def _smear(self) -> None:
        """Takes the monotone scheme from the start of the last step on, with the inputs as they are."""
        lanes, clock = self._lanes, self._lanes.clock
        self._may_smear = False
        self._bundles[0] = bundle_of(self._layout.holding().of_its_own())
        self._words[0] = self._bundles[0].words
        names = zip(self._layout.names, self._layout.fronts, strict=True)
        self.smeared = tuple(name for name, front in names if np.any(front))
        lanes.y[:, 0] = _limited(self._layout, lanes.y[:, 0])
        lanes.new[:] = lanes.y
        clock[control.UNTIL] = clock[control.NOW] = clock[control.FROM]
        clock[control.NEXT] = np.inf
        lanes.cursor[:, 0] = 0
        lanes.cursor[control.ENTERED, 0] = 1

    @property
    def passed(self) -> Array:
        """Amount that has passed each port since the start, mol, (ports, nc)."""
        return np.array(port_values(self._network, self.ports, self._jobs.out[0])[1][0])

    @property
    def volumes(self) -> Array:
        """Liquid in the units of the ports, m3, (ports,)."""
        return np.array(self._jobs.out[0][0, -len(self.ports) :])

    def state(self) -> Array:
        """The state vector now; a copy."""
        c = self._lanes
        start, end, now = (float(c.clock[i, 0]) for i in (control.FROM, control.UNTIL, control.NOW))
        tb, turned = self._layout.tables, c.scratch.course.turned
        if end <= start:
            return turned_back(tb, c.y[:, 0], turned).copy()
        s = (now - start) / (end - start)
        mixed = c.new[:, 0] + (1.0 - s) * (c.dense[0, :, 0] + s * c.dense[1, :, 0])
        return turned_back(tb, np.asarray((1.0 - s) * c.y[:, 0] + s * mixed), turned)

    def balance(self) -> MassBalance:
        """Mass balance since the start."""
        return balance_of(self._layout, self._before, self.state())


def _limited(layout: Layout, state: Array) -> Array:
    """`state` without negative values in beds whose fronts sharpen themselves; no amount changes.

    In each element the values are drawn towards their mean, as far as it takes. Source: X. Zhang, C.-W. Shu,
    J. Comput. Phys. 229 (2010) 3091.
    """
    limited = np.array(state)
    for u, front in enumerate(layout.fronts):
        if not np.any(front):
            continue
        row = layout.tables.unit[u]
        elements, per = int(row[ELEMENTS]), int(row[PER])
        weights = gauss_lobatto(per - 1)[1] / 2.0
        views = [layout.liquid(limited, u), layout.bound(limited, u)]
        if row[KIND] == PORES:
            views.append(layout.particles(limited, u))
        for view in views:
            values = view.reshape(elements, per, -1)
            mean = np.einsum("p,epk->ek", weights, values)[:, None]
            lowest = values.min(axis=1, keepdims=True)
            part = np.where(
                lowest < 0.0, np.maximum(mean, 0.0) / np.where(lowest < 0.0, mean - lowest, 1.0), 1.0
            )
            values[:] = mean + part * (values - mean)
    return limited
