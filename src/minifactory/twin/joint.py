"""The motions of several skids side by side: stretches of time in which no valve of any of them moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifactory.twin.flowsheet import pump_flows
from minifactory.twin.pumps import Segment


class Joint(NamedTuple):
    """A stretch of time in which every flow is linear and no valve moves, on any skid.

    Parameters
    ----------
    start, end : float
        Process time in s.
    first, last : ndarray (4 skids,)
        Flows (pump A, pump B, wash A, wash B of every skid, then drives) in m3/s at both ends.
    positions : tuple of int
        Of all valves, skid after skid.
    """

    start: float
    end: float
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    positions: tuple[int, ...]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean flows (4 skids,) in m3/s."""
        return 0.5 * (self.first + self.last)

    @property
    def duration(self) -> float:
        """s."""
        return self.end - self.start

    def widened(self, drives: int) -> Joint:
        """The same with so many flows of drives, which stand still, behind those of the pumps."""
        if not drives:
            return self
        first, last = (np.concatenate([each, np.zeros(drives)]) for each in (self.first, self.last))
        return self._replace(first=first, last=last)

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Flows (n, 4 skids) in m3/s at `times` (n,) in s."""
        part = np.clip((times - self.start) / (self.duration or 1.0), 0.0, 1.0)[:, None]
        return np.asarray(self.first + part * (self.last - self.first))


def joint_of(item: Segment) -> Joint:
    """The segment of a skid that is alone."""
    return Joint(item.start, item.end, pump_flows(item, False), pump_flows(item, True), item.positions)


def side_by_side(motions: Sequence[Sequence[Segment]]) -> tuple[list[Joint], list[list[Segment]]]:
    """Joint stretches of skids whose segments cover the same time, and every skid's segments cut there."""
    if len(motions) == 1:
        return [joint_of(item) for item in motions[0]], [list(motions[0])]
    edges = np.unique(np.concatenate([[item.end for item in motion] for motion in motions]))
    # What lies closer than process time resolves is one breakpoint.
    kept = edges[np.append(np.diff(edges) > 1e-9, True)]
    parts = [cut(motion, kept.tolist()) for motion in motions]
    joints = [
        Joint(
            group[0].start,
            group[0].end,
            np.concatenate([pump_flows(item, False) for item in group]),
            np.concatenate([pump_flows(item, True) for item in group]),
            sum((item.positions for item in group), ()),
        )
        for group in zip(*parts, strict=True)
    ]
    return joints, parts


def cut(segments: Sequence[Segment], edges: Sequence[float]) -> list[Segment]:
    """`segments` cut at `edges` (ascending, the last at their end): one piece up to each edge."""
    pieces: list[Segment] = []
    place, begin = 0, segments[0].start
    for edge in edges:
        while place + 1 < len(segments) and segments[place].end <= begin + 1e-9:
            place += 1
        item = segments[place]
        whole = item.end - item.start
        first = min(max((begin - item.start) / whole, 0.0), 1.0) if whole > 0.0 else 0.0
        last = min(max((edge - item.start) / whole, 0.0), 1.0) if whole > 0.0 else 1.0
        a, b = item.a_end - item.a_start, item.b_end - item.b_start
        pieces.append(
            item._replace(
                start=begin,
                end=edge,
                a_start=item.a_start + first * a,
                a_end=item.a_end if last == 1.0 else item.a_start + last * a,
                b_start=item.b_start + first * b,
                b_end=item.b_end if last == 1.0 else item.b_start + last * b,
            )
        )
        begin = edge
    return pieces
