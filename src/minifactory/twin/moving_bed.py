"""Simulated moving bed: a ring of equal columns whose ports advance by one column at every switch.

Eluent enters before zone I, extract leaves after it, feed enters before zone III, raffinate leaves after it:

    Q_eluent = Q1 - Q4    Q_extract = Q1 - Q2    Q_feed = Q3 - Q2    Q_raffinate = Q3 - Q4

The ring is one network whose streams go round; a switch changes only where ports open. Seen from the ports,
every period is the same with the columns moved back by one, so the cyclic steady state is that of one period
(:class:`~minifactory.twin.engine.Cycle` with its moves).

Source: M. Juza, M. Mazzotti, M. Morbidelli, Trends Biotechnol. 18 (2000) 108.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine import Bed, Cycle, Inlet, Link, Network, Section
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class MovingBed:
    """A simulated moving bed with four zones.

    Parameters
    ----------
    components : tuple of str
    bed : Bed
        Each of the columns.
    columns : tuple of int
        Number of columns in zones I to IV, each at least 1.
    flows : tuple of float
        Flows in zones I to IV, m3/s; none of the four ports may flow the other way.
    switch_time : float
        s.
    feed, eluent : ndarray (nc,)
        mol/m3.
    """

    components: tuple[str, ...]
    bed: Bed
    columns: tuple[int, int, int, int]
    flows: tuple[float, float, float, float]
    switch_time: float
    feed: Array
    eluent: Array

    def __post_init__(self) -> None:
        one, two, three, four = self.flows
        ports = {"eluent": one - four, "extract": one - two, "feed": three - two, "raffinate": three - four}
        findings = [
            Finding("moving bed", f"{name} flow is {flow:.4g} m3/s", "0 or more", "Change the zone flows.")
            for name, flow in ports.items()
            if flow < 0.0
        ]
        if min(self.columns) < 1:
            findings.append(Finding("moving bed", f"{self.columns} columns", "at least one in each zone"))
        if findings:
            raise InputError(findings)

    @cached_property
    def network(self) -> Network:
        """The ring: columns "C1" to "Cn", with the inlets eluent and feed linked to each."""
        names = [f"C{i + 1}" for i in range(sum(self.columns))]
        ring = [Link(name, names[(i + 1) % len(names)]) for i, name in enumerate(names)]
        ports = [Link(inlet, name) for inlet in ("eluent", "feed") for name in names]
        return Network(
            self.components,
            tuple(replace(self.bed, name=name) for name in names),
            (Inlet("eluent"), Inlet("feed")),
            tuple(ring + ports),
        )

    def column_at(self, position: int, period: int) -> str:
        """Name of the column that stands at `position` (0: first of zone I) in a period."""
        return f"C{(position + period) % sum(self.columns) + 1}"

    def extract_column(self, period: int) -> str:
        """Name of the column whose outlet is the extract in a period."""
        return self.column_at(self.columns[0] - 1, period)

    def raffinate_column(self, period: int) -> str:
        """Name of the column whose outlet is the raffinate in a period."""
        return self.column_at(sum(self.columns[:3]) - 1, period)

    def section(self, period: int, t0: float) -> Section:
        """One period from time `t0` (s) on."""
        n = sum(self.columns)
        zone = np.repeat(np.arange(4), self.columns)
        flows = np.zeros(3 * n)
        for position in range(n):
            column = (position + period) % n
            through = self.flows[zone[position]]
            if position == 0:
                flows[n + column] = through - self.flows[3]
                through = self.flows[3]
            elif position == sum(self.columns[:2]):
                flows[2 * n + column] = through - self.flows[1]
                through = self.flows[1]
            elif zone[position] != zone[position - 1]:
                through = min(through, self.flows[zone[position - 1]])
            flows[(column - 1) % n] = through
        return Section(t0, t0 + self.switch_time, flows, np.array([self.eluent, self.feed]))

    def sections(self, periods: int) -> Sequence[Section]:
        """The first `periods` periods, from time zero on."""
        return [self.section(period, period * self.switch_time) for period in range(periods)]

    def cycle(self) -> Cycle:
        """One period as a cycle: what it leaves in a column stands one position further back in the next."""
        n = sum(self.columns)
        moves = [(f"C{(i + 1) % n + 1}", f"C{i + 1}") for i in range(n)]
        return Cycle(self.network, [self.section(0, 0.0)], moves)
