"""Where liquid flows at one set of valve positions: in links, vessels and columns, per flow of the pumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Plant
from minifactory.twin.engine import Link, Network
from minifactory.twin.routing import WASH, Routing, meeting


@dataclass(frozen=True)
class FlowMap:
    """Flows at one set of valve positions, per unit of (pump A, pump B, wash A, wash B) of every skid, then
    per unit of every drive (``n`` in all).

    Parameters
    ----------
    links : ndarray (n_links, n)
        Into the network's links.
    drawn : Mapping of str to ndarray (n,)
        Out of each vessel.
    received : tuple of (unit, vessel, ndarray (n,))
        Out of a unit into a vessel; washing goes nowhere that is kept.
    columns : Mapping of str to ndarray (n,)
        Through each column.
    gaps : Mapping of str to ndarray (n,)
        Several skids: units in which these flows do not balance, and by how much: a pump drives against a
        closed port there.
    meetings : tuple of (str, ndarray (n,), ndarray (n,))
        Several skids: ports in which two streams meet within a valve, and the flow of either.
    open_drives : ndarray (n_drives,)
        Which drives have an open way.
    """

    links: NDArray[np.float64]
    drawn: Mapping[str, NDArray[np.float64]]
    received: tuple[tuple[str, str, NDArray[np.float64]], ...]
    columns: Mapping[str, NDArray[np.float64]]
    gaps: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    meetings: tuple[tuple[str, NDArray[np.float64], NDArray[np.float64]], ...] = ()
    open_drives: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def faults(self, pumps: NDArray[np.float64]) -> list[tuple[str, NDArray[np.intp]]]:
        """What is not possible at pump flows `pumps` (n,) in m3/s, and which of them cause it."""
        if not self.gaps and not self.meetings:
            return []
        least, bare = 1e-9 * float(pumps.max(initial=0.0)), len(pumps) - len(self.open_drives)
        found = []
        for unit, gap in self.gaps.items():
            if abs(float(gap @ pumps)) > least:
                causes = np.nonzero(gap * pumps)[0]
                found.append((f"no open way through {unit}", causes[causes < bare]))
        for port, first, second in self.meetings:
            if float(first @ pumps) > least and float(second @ pumps) > least:
                causes = np.nonzero((first + second) * pumps)[0]
                found.append((f"two streams meet in port {port}", causes[causes < bare]))
        return found


def flow_map(
    plant: Plant, names: Sequence[str], routing: Routing, network: Network, stand: Mapping[str, str]
) -> FlowMap:
    """How the flows of skids `names` follow from their pumps when the valves stand at `stand`.

    Raises
    ------
    InputError
        At a dead-head of a single skid.
    """
    gaps: dict[str, NDArray[np.float64]] = {}
    if len(names) == 1:
        matrix = routing.flow_matrix(stand)
    else:
        matrix, gaps = routing.possible_flows(stand)
    open_drives = routing.open_drives(stand)
    matrix[:, 2 * len(routing.pumps) :] *= open_drives
    gaps = {unit: gap for unit, gap in gaps.items() if np.any(gap[: 2 * len(routing.pumps)])}
    columns = _pump_columns(names, routing.pumps)
    columns += [2 * len(routing.pumps) + at for at in range(len(routing.drives))]
    width = len(columns)

    def ordered(flows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Flows (..., 2 n_pumps + n_drives) in the order of the actuators, (..., n)."""
        nothing = np.zeros(flows.shape[:-1])
        return np.stack([flows[..., at] if at >= 0 else nothing for at in columns], axis=-1)

    four = ordered(matrix)
    place = {link: index for index, link in enumerate(network.links)}
    links = np.zeros((len(place), width))
    drawn: dict[str, NDArray[np.float64]] = {}
    through: dict[str, NDArray[np.float64]] = {}
    received = []
    for route, flow in zip(routing.routes, four, strict=True):
        link = Link(route.source, route.target, route.source_end, route.target_end)
        if link in place and not route.wash:
            links[place[link]] += flow
        if not np.any(flow):
            continue
        if route.source in plant.vessels:
            drawn[route.source] = drawn.get(route.source, np.zeros(width)) + flow
        if route.target in plant.vessels and route.target != WASH:
            received.append((route.source, route.target, flow))
        if route.target in plant.columns:
            through[route.target] = through.get(route.target, np.zeros(width)) + flow
    if len(names) == 1:
        return FlowMap(links, drawn, tuple(received), through, open_drives=open_drives)
    routes = routing.routes
    met = meeting(routes, routing.open_routes(stand))
    return FlowMap(
        links,
        drawn,
        tuple(received),
        through,
        {unit: ordered(gap) for unit, gap in gaps.items()},
        tuple((str(port), four[first], four[second]) for first, second, port in met),
        open_drives,
    )


def _pump_columns(names: Sequence[str], pumps: tuple[str, ...]) -> list[int]:
    """Where the four flows of every skid stand in the flows of the routing; -1: there is no such pump."""
    columns: list[int] = []
    for name in names:
        own = pumps if len(names) == 1 else tuple(p for p in pumps if p.startswith(f"{name}."))
        order = [pumps.index(pump) if pump in own else -1 for pump in _pump_pair(own)]
        columns += [*order, *(at + len(pumps) if at >= 0 else -1 for at in order)]
    return columns


def _pump_pair(pumps: tuple[str, ...]) -> tuple[str, str]:
    """The pumps that the actuators call A and B."""
    first = next((name for name in pumps if name.endswith("A")), pumps[0] if pumps else "")
    second = next((name for name in pumps if name != first), "")
    return first, second
