"""Periodic counter-current capture with two to eight equal columns.

Two columns stand in a row while loading: what breaks through the first binds on the second. At every turn
the first leaves to be recovered (washed, eluted, cleaned, equilibrated), the second becomes the first, and
a recovered column becomes the second. With three and more columns the others recover meanwhile, (n - 2)
turns long; with two, the pair stands in a row for the first part of a turn, then one is loaded alone while
the other recovers.

Every turn is the same with the columns moved on by one, so the cyclic steady state is that of one turn.
Source: R. Godawat et al., Biotechnol. J. 7 (2012) 1496; D. Baur et al., Biotechnol. J. 11 (2016) 920 (two
columns).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine import (
    Bed,
    Cycle,
    Inlet,
    Link,
    Network,
    Section,
    SteadyCycle,
    Tolerance,
    integrate,
    steady_cycle,
)
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Recovery:
    """A step of a column that is not loading: `composition` (nc,) in mol/m3, `flow` m3/s, `duration` s."""

    name: str
    composition: Array
    flow: float
    duration: float
    pooled: bool = False


@dataclass(frozen=True)
class CounterCurrentCapture:
    """A capture step.

    Parameters
    ----------
    components : tuple of str
    bed : Bed
        Each of the columns.
    columns : int
        2 to 8.
    feed : ndarray (nc,)
        mol/m3.
    load_flow : float
        m3/s.
    turn : float
        s between two changes.
    recovery : tuple of Recovery
        In order; they may take (columns - 2) turns, with two columns what `in_row` leaves of one.
    in_row : float, optional
        With two columns: s of a turn in which both stand in a row.
    """

    components: tuple[str, ...]
    bed: Bed
    columns: int
    feed: Array
    load_flow: float
    turn: float
    recovery: tuple[Recovery, ...]
    in_row: float = 0.0

    def __post_init__(self) -> None:
        findings = []
        if not 2 <= self.columns <= 8:
            findings.append(Finding("capture", f"{self.columns} columns", "2 to 8"))
        needed, given = sum(step.duration for step in self.recovery), self.time_to_recover
        if needed > given * (1.0 + 1e-9):
            findings.append(
                Finding(
                    "capture", f"recovery takes {needed:g} s", f"at most {given:g} s",
                    "Load longer, recover faster, or take another column.",
                )
            )  # fmt: skip
        if self.columns == 2 and not 0.0 <= self.in_row <= self.turn:
            findings.append(Finding("capture", f"{self.in_row:g} s in a row", "0 to one turn"))
        if findings:
            raise InputError(findings)

    @property
    def time_to_recover(self) -> float:
        """s that a column has for its recovery."""
        return self.turn - self.in_row if self.columns == 2 else (self.columns - 2) * self.turn

    @cached_property
    def network(self) -> Network:
        """Columns "C1" to "Cn" in a ring, an inlet for the feed and one for each column's recovery."""
        names = [f"C{i + 1}" for i in range(self.columns)]
        links = [Link("feed", name) for name in names]
        links += [Link(f"recovery of {name}", name) for name in names]
        links += [Link(name, names[(i + 1) % self.columns]) for i, name in enumerate(names)]
        inlets = (Inlet("feed"), *(Inlet(f"recovery of {name}") for name in names))
        return Network(
            self.components, tuple(replace(self.bed, name=name) for name in names), inlets, tuple(links)
        )

    def sections(self, number: int, t0: float = 0.0) -> Sequence[Section]:
        """The sections of turn `number` (0: column C1 is the first), from time `t0` (s) on."""
        n, edges = self.columns, {0.0, self.turn}
        if n == 2:
            edges.add(self.in_row)
        for age in range(max(n - 2, 1)):
            edges.update(t for t in self._recovery_edges(age) if 0.0 < t < self.turn)
        times = sorted(edges)
        return [
            self._section(number, t0, begin, end) for begin, end in itertools.pairwise(times) if end > begin
        ]

    def cycle(self) -> Cycle:
        """One turn as a cycle; the columns move on by one."""
        n = self.columns
        moves = [(f"C{(i + 1) % n + 1}", f"C{i + 1}") for i in range(n)]
        return Cycle(self.network, self.sections(0), moves)

    def _recovery_edges(self, age: int) -> list[float]:
        """When the steps of a column change, in the time of a turn `age` turns after it left the row."""
        begin = self.in_row if self.columns == 2 else -age * self.turn
        return list(begin + np.cumsum([0.0, *(step.duration for step in self.recovery)]))

    def step_at(self, age: int, time: float) -> Recovery | None:
        """What a column does at `time` (s) of a turn, `age` turns after it left the row; None: it stands."""
        edges = self._recovery_edges(age)
        for step, begin, end in zip(self.recovery, edges[:-1], edges[1:], strict=True):
            if begin <= time < end:
                return step
        return None

    def _section(self, number: int, t0: float, begin: float, end: float) -> Section:
        n, middle = self.columns, 0.5 * (begin + end)
        flows, inlets = np.zeros(3 * n), np.zeros((n + 1, len(self.components)))
        inlets[0] = self.feed
        first, second = number % n, (number + 1) % n
        in_row = n > 2 or middle < self.in_row
        flows[first if in_row else second] = self.load_flow
        if in_row:
            flows[2 * n + first] = self.load_flow
        resting = [(first, 0)] if n == 2 and not in_row else []
        if n > 2:
            resting = [((number - 1 - age) % n, age) for age in range(n - 2)]
        for column, age in resting:
            step = self.step_at(age, middle)
            if step is not None:
                flows[n + column], inlets[1 + column] = step.flow, step.composition
        return Section(t0 + begin, t0 + end, flows, inlets)


@dataclass(frozen=True)
class Captured:
    """One turn in the cyclic steady state, of each component in mol, (nc,).

    `lost` is what leaves unpooled: through the row and in the other steps of the recovery.
    """

    steady: SteadyCycle
    loaded: Array
    pooled: Array
    lost: Array

    @property
    def yields(self) -> Array:
        """Pooled per loaded, (nc,); nan for what is not loaded."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.loaded > 0.0, self.pooled / self.loaded, np.nan)


def capture(
    process: CounterCurrentCapture,
    start: Array,
    *,
    accuracy: float = 1e-5,
    tolerance: Tolerance | None = None,
) -> Captured:
    """The cyclic steady state of `process`, and what one turn of it gives.

    Parameters
    ----------
    start : ndarray (size,)
        A state of its network, where the search begins.
    accuracy, tolerance
        As :func:`steady_cycle`.
    """
    chosen = tolerance or Tolerance(1e-4)
    steady = steady_cycle(process.cycle(), start, accuracy=accuracy, tolerance=chosen)
    sections = process.sections(0)
    times = np.array([sections[0].t0, *(section.t1 for section in sections)])
    ports = [unit.name for unit in process.network.units]
    solution = integrate(process.network, steady.state, sections, times, ports, chosen)
    passed = np.diff(solution.passed, axis=0)
    pooled, n = np.zeros(len(process.components)), process.columns
    resting = [(0, 0)] if n == 2 else [((-1 - age) % n, age) for age in range(n - 2)]
    for at, section in enumerate(sections):
        for column, age in resting:
            step = process.step_at(age, 0.5 * (section.t0 + section.t1))
            if step is not None and step.pooled and section.flows0[n + column] > 0.0:
                pooled += passed[at, column]
    loaded = process.load_flow * process.turn * process.feed
    return Captured(steady, loaded, pooled, solution.balance.left - pooled)
