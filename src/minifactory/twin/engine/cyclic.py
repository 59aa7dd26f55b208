"""Cyclic steady state: the state that a cycle of sections leads back to itself.

A cycle maps the state at its start to that at its end, F(y). A cyclic process settles where F(y) = y; running
cycle after cycle gets there as fast as its slowest mode dies out, often hundreds of cycles. Two direct ways:

Newton: (F' - I) dy = y - F(y), solved by GMRES. A product F' v is the difference of two runs of the cycle on
the same steps, hence the derivative of the discrete map; each costs one cycle. A process that is linear in
its state is done after one Newton step.

Anderson: the next start is the combination of the last few ends whose combined residual is least. No
derivative, one cycle per step.

Sources: C. T. Kelley, Iterative Methods for Linear and Nonlinear Equations, SIAM 1995, chapters 3 and 6; D.
G. Anderson, J. ACM 12 (1965) 547; H. Walker, P. Ni, SIAM J. Numer. Anal. 49 (2011) 1715.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from minifactory.errors import Finding, InputError, SolverError
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.sections import Section, Tolerance
from minifactory.twin.engine.solution import Solution, prepare, run
from minifactory.twin.engine.tables import AT_STATE, Array


class Way(Enum):
    """How a cyclic steady state is found."""

    NEWTON = "Newton on the cycle map, GMRES inside"
    ANDERSON = "Anderson acceleration of the cycle map"
    CYCLING = "cycle after cycle"


@dataclass(frozen=True)
class Cycle:
    """A cycle of a network.

    Parameters
    ----------
    network : Network
    sections : sequence of Section
        One cycle.
    moves : sequence of (str, str), optional
        What stands where at the start of the next cycle: content of the first unit goes to the second, for
        units of the same kind and mesh. In a moving bed a cycle is then one switching period.
    """

    network: Network
    sections: Sequence[Section]
    moves: Sequence[tuple[str, str]] = ()

    def next_start(self, end: Array) -> Array:
        """State at the start of the next cycle from that at the end of one; integrals at zero."""
        layout = self.network.layout
        tb = layout.tables
        start = np.array(end)
        start[tb.integrals : tb.size - tb.units] = 0.0
        for source, target in self.moves:
            a, b = layout.unit_index[source], layout.unit_index[target]
            here, there = (slice(int(tb.unit[u, AT_STATE]), int(tb.unit[u + 1, AT_STATE])) for u in (a, b))
            if here.stop - here.start != there.stop - there.start:
                raise InputError(
                    Finding(f"cycle move {source} -> {target}", "different meshes", "units of the same kind")
                )
            start[there] = end[here]
            layout.volumes(start)[b] = layout.volumes(end)[a]
        return start


@dataclass(frozen=True)
class SteadyCycle:
    """A cyclic steady state.

    Attributes
    ----------
    state : ndarray (size,)
        At the start of the cycle.
    change : float
        Largest change of a state over one more cycle, relative to the scale of its component.
    cycles : int
        Cycles integrated, derivatives included.
    """

    state: Array
    change: float
    cycles: int
    way: Way


def steady_cycle(
    cycle: Cycle,
    start: Array,
    *,
    way: Way = Way.NEWTON,
    accuracy: float = 1e-6,
    tolerance: Tolerance | None = None,
    max_cycles: int = 2000,
    progress: Callable[[int, float], None] | None = None,
) -> SteadyCycle:
    """The state to which `cycle` settles, from the state `start`.

    Parameters
    ----------
    accuracy : float
        Change over one cycle that counts as steady, relative to the scale of each component. (Cycling slowly
        towards it, the distance still to go can be many times that.)
    tolerance : Tolerance, optional
        Of each integration; by default 100 times `accuracy`, at most 1e-5.
    progress : callable (cycles, change), optional

    Raises
    ------
    SolverError
        Not steady after `max_cycles`; also what :func:`integrate` raises.
    """
    chosen = tolerance or Tolerance(min(1e-5, 100.0 * accuracy))
    search = _Search(cycle, chosen, np.array(start, dtype=float), accuracy, max_cycles, progress)
    ways = {Way.NEWTON: _newton, Way.ANDERSON: _anderson, Way.CYCLING: _cycling}
    state, change = ways[way](search)
    return SteadyCycle(state, change, search.cycles, way)


class _Search:
    """The cycle map of a search, with its count, scales and bound."""

    def __init__(
        self,
        cycle: Cycle,
        tolerance: Tolerance,
        start: Array,
        accuracy: float,
        max_cycles: int,
        progress: Callable[[int, float], None] | None,
    ) -> None:
        self.cycle, self.tolerance, self.accuracy, self.max_cycles = cycle, tolerance, accuracy, max_cycles
        self.start, self.progress = start, progress
        self.cycles = 0
        self.change = np.inf
        self.scale = self._task(start).absolute / (tolerance.of_step * tolerance.absolute)
        layout = cycle.network.layout
        # Integrals start anew in every cycle; the volumes of vessels are states like others.
        self.counted = np.ones(layout.tables.size, dtype=np.bool_)
        self.counted[layout.tables.integrals : layout.tables.size - layout.tables.units] = False
        volumes = layout.volumes(self.scale)
        volumes[:] = np.maximum(layout.volumes(start).max(), 1e-300)

    def _task(self, state: Array):  # type: ignore[no-untyped-def]
        return prepare(self.cycle.network, state, self.cycle.sections, np.zeros(0), (), self.tolerance)

    def run(self, state: Array, plan: Array | None = None, forced: bool = False) -> Solution:
        if self.cycles >= self.max_cycles:
            raise SolverError(
                Finding(
                    "cyclic steady state", f"still changes by {self.change:.2g} after {self.cycles} cycles",
                    f"at most {self.accuracy:g}",
                    "Raise max_cycles, loosen the accuracy, or check that the process can be steady.",
                )
            )  # fmt: skip
        self.cycles += 1
        return run(self._task(state), plan, forced)

    def map(self, state: Array) -> Array:
        end = self.cycle.next_start(self.run(state).state)
        self.note(end - state)
        return end

    def note(self, difference: Array) -> None:
        self.change = float(np.max(np.abs(difference / self.scale)[self.counted], initial=0.0))
        if self.progress is not None:
            self.progress(self.cycles, self.change)

    @property
    def steady(self) -> bool:
        return self.change <= self.accuracy


def _cycling(search: _Search) -> tuple[Array, float]:
    state = search.start
    while True:
        end = search.map(state)
        if search.steady:
            return end, search.change
        state = end


def _anderson(search: _Search, memory: int = 12) -> tuple[Array, float]:
    state, where = search.start, search.counted
    ends: list[Array] = []
    residuals: list[Array] = []
    while True:
        end = search.map(state)
        if search.steady:
            return end, search.change
        ends.append(end)
        residuals.append(((end - state) / search.scale)[where])
        ends, residuals = ends[-memory:], residuals[-memory:]
        state = end
        if len(ends) > 1:
            steps = np.array([residuals[-1] - r for r in residuals[:-1]])
            weights = np.linalg.lstsq(steps.T, residuals[-1], rcond=1e-10)[0]
            state = end - sum(w * (end - e) for w, e in zip(weights, ends[:-1], strict=True))


def _newton(search: _Search) -> tuple[Array, float]:
    state, where, scale = search.start, search.counted, search.scale[search.counted]
    while True:
        plan = np.zeros(search.tolerance.max_steps)
        base = search.run(state, plan)
        end = search.cycle.next_start(base.state)
        residual = end - state
        search.note(residual)
        if search.steady:
            return end, search.change
        steps = plan[: base.steps].copy()
        direction = _newton_direction(search, state, end, steps, (residual[where] / scale))
        state = state.copy()
        state[where] += scale * direction


def _newton_direction(search: _Search, state: Array, end: Array, plan: Array, residual: Array) -> Array:
    """Solution dy (scaled) of (I - F') dy = F(y) - y by GMRES, to a tenth of the wanted accuracy or 1e-3."""
    where, scale = search.counted, search.scale[search.counted]
    size = 1e-4

    def product(v: Array) -> Array:
        length = float(np.max(np.abs(v)))
        if length == 0.0:
            return v
        moved = state.copy()
        moved[where] += size / length * v * scale
        other = search.cycle.next_start(search.run(moved, plan.copy(), forced=True).state)
        return np.asarray(v - (other - end)[where] / scale * (length / size))

    # Imported where it is needed: it takes a tenth of the time in which a process begins to simulate.
    from scipy.sparse.linalg import LinearOperator, gmres

    operator = LinearOperator((len(residual), len(residual)), matvec=product, dtype=float)
    solution, _ = gmres(operator, residual, rtol=1e-3, atol=0.0, restart=60, maxiter=1)
    return np.asarray(solution)
