"""Vessels whose content changes: their levels in time, and what is possible when one is empty or full."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from minifactory.twin.flow_map import FlowMap
from minifactory.twin.flowsheet import Flowsheet, air_of
from minifactory.twin.joint import Joint

Array = NDArray[np.float64]

REST = 1e-7
"""Part of a vessel's capacity that cannot be drawn, nor filled: what numbers leave of empty and full."""
NEAR = 1.01
"""So many times that part counts as nothing: a level is only as exact as the integration."""


class SharedVessels:
    """The vessels of a flowsheet that are filled and drawn from.

    Attributes
    ----------
    names : tuple of str
    """

    def __init__(self, sheet: Flowsheet) -> None:
        self.names = sheet.routing.shared
        links = {(link.source, link.target): at for at, link in enumerate(sheet.network.links)}
        self._capacity = {name: sheet.plant.vessels[name].capacity for name in self.names}
        self._port = {name: sheet.ports.index(name) for name in self.names}
        self._into = {
            name: np.array([at for (_, target), at in links.items() if target == name], dtype=np.intp)
            for name in self.names
        }
        self._out = {
            name: np.array([at for (source, _), at in links.items() if source == name], dtype=np.intp)
            for name in self.names
        }
        self._air = {
            name: np.array(
                [links[(air_of(name), target)] for source, target in links if source == name], dtype=np.intp
            )
            for name in self.names
        }

    def rest(self, vessel: str) -> float:
        """m3 of `vessel` that stay; 0 for a vessel of constant content."""
        return REST * self._capacity.get(vessel, 0.0)

    def empty(self, vessel: str, volume: float) -> bool:
        """Whether `volume` (m3) in `vessel` is nothing that could be drawn."""
        return volume <= NEAR * self.rest(vessel)

    def volume(self, vessel: str, volumes: Array) -> float:
        """m3 in `vessel`, of `volumes` (ports,)."""
        return float(volumes[self._port[vessel]])

    def possible(
        self, joint: Joint, flows: FlowMap, volumes: Array
    ) -> tuple[Joint, Joint | None, Array, Array]:
        """How far `joint` goes until a vessel runs empty or full, and what is left of it.

        With them the flows (links,) in m3/s at both ends of the first part: air instead of what an empty
        vessel does not give, and nothing into a full one.
        """
        first, last = flows.links @ joint.first, flows.links @ joint.last
        end = joint.end
        for name in self.names:
            volume = self.volume(name, volumes)
            net = [float(at[self._into[name]].sum() - at[self._out[name]].sum()) for at in (first, last)]
            rest, capacity = self.rest(name), self._capacity[name]
            if self.empty(name, volume) and min(net) < 0.0:
                self._dry(name, first)
                self._dry(name, last)
            elif volume >= capacity - NEAR * rest and max(net) > 0.0:
                self._spill(name, first)
                self._spill(name, last)
            else:
                for bound in (rest, capacity - rest):  # where a flow changes, both may be on the way
                    end = min(end, joint.start + crossing(volume, bound, net, joint.duration))
        if end >= joint.end - 1e-9 or end <= joint.start + 1e-9:
            return joint, None, first, last
        part = (end - joint.start) / joint.duration
        middle = joint.first + part * (joint.last - joint.first)
        head = joint._replace(end=end, last=middle)
        return head, joint._replace(start=end, first=middle), first, first + part * (last - first)

    def _dry(self, name: str, flows: Array) -> None:
        gives = float(flows[self._out[name]].sum())
        share = min(float(flows[self._into[name]].sum()) / gives, 1.0) if gives > 0.0 else 1.0
        flows[self._air[name]] += (1.0 - share) * flows[self._out[name]]
        flows[self._out[name]] *= share

    def _spill(self, name: str, flows: Array) -> None:
        gains = float(flows[self._into[name]].sum())
        share = min(float(flows[self._out[name]].sum()) / gains, 1.0) if gains > 0.0 else 1.0
        flows[self._into[name]] *= share


def crossing(volume: float, bound: float, net: list[float], duration: float) -> float:
    """s until `volume` (m3) comes to `bound`, at net flows (m3/s) at both ends of `duration` (s).

    Infinite when it does not within it.
    Of the two roots of V + net0 t + slope t^2 / 2 = bound the first in time.
    """
    slope = (net[1] - net[0]) / duration if duration > 0.0 else 0.0
    gap = volume - bound
    if slope == 0.0:
        time = -gap / net[0] if net[0] != 0.0 else math.inf
        return time if 0.0 < time <= duration else math.inf
    square = net[0] * net[0] - 2.0 * slope * gap
    if square < 0.0:
        return math.inf
    found = sorted((-net[0] + sign * math.sqrt(square)) / slope for sign in (-1.0, 1.0))
    return next((time for time in found if 0.0 < time <= duration), math.inf)
