"""Integration to a requested accuracy: mesh and tolerance are refined until the outlet stands still."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minifactory.errors import Finding, InputError, SolverError
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.sections import Section, Tolerance
from minifactory.twin.engine.solution import Solution, integrate
from minifactory.twin.engine.specification import Bed, BedModel, NetworkUnit, Tube
from minifactory.twin.engine.tables import Array

ACCURACY = 1e-3
"""The error that predictions ask for, relative to each peak."""
_GROWTH = 1.5


@dataclass(frozen=True)
class Accurate:
    """A solution whose error is estimated.

    Attributes
    ----------
    solution : Solution
        On the finest mesh.
    network : Network
        With that mesh; for further runs of the same kind.
    tolerance : Tolerance
        Of that run.
    error : ndarray (ports, nc)
        Largest change of each outlet from the mesh before, relative to its peak: bounds the error of the
        coarser run and, where the solution converges, that of the finer one with much to spare.
    undershoot : ndarray (ports, nc)
        Largest negative value of each outlet, relative to its peak.
    meshes : int
        How many were computed.
    """

    solution: Solution
    network: Network
    tolerance: Tolerance
    error: Array
    undershoot: Array
    meshes: int


def integrate_to(
    accuracy: float,
    network: Network,
    initial: Callable[[Network], Array],
    sections: Sequence[Section],
    output_times: Array,
    ports: Sequence[str],
    *,
    least: float = 1e-6,
    max_nodes: int = 1200,
) -> Accurate:
    """The solution to `accuracy` relative to the peak of every outlet, with an error estimate.

    Parameters
    ----------
    accuracy : float
        Relative to each peak; ``ACCURACY`` (1e-3) as a rule.
    network : Network
        Its meshes are where the refinement starts.
    initial : callable
        Makes the initial state of a network with another mesh.
    sections, output_times, ports
        As :func:`integrate`; the output times must show the peaks.
    least : float
        Outlets whose peak is below this part of the largest feed of their component do not count.
    max_nodes : int
        Bound on axial nodes per unit.

    Raises
    ------
    SolverError
        The accuracy is not reached within `max_nodes`; names the outlet that still moves and by how much.
    """
    if not 1e-8 <= accuracy <= 0.5:
        raise InputError(Finding("integrate_to", f"accuracy {accuracy}", "1e-8 to 0.5 of the peak"))
    feed = np.abs(
        [ends for s in sections for ends in (s.inlets0, s.inlets0 if s.inlets1 is None else s.inlets1)]
    )
    scale = feed.reshape(-1, len(network.components)).max(axis=0)
    before: Solution | None = None
    change = np.full((len(ports), len(network.components)), np.inf)
    level = 0
    while True:
        tolerance = Tolerance(max(accuracy * 0.1 * 0.5**level, 1e-10))
        now = integrate(network, initial(network), sections, output_times, ports, tolerance)
        peak = np.abs(now.outlet).max(axis=0)
        counted = np.where(peak > least * scale, peak, np.inf)
        if before is not None:
            change = np.abs(now.outlet - before.outlet).max(axis=0) / counted
            if change.max() <= accuracy:
                undershoot = np.maximum(-now.outlet.min(axis=0), 0.0) / counted
                return Accurate(now, network, tolerance, change, undershoot, level + 1)
        before, level = now, level + 1
        finer = replace(network, units=tuple(_refined(unit) for unit in network.units))
        if max(_nodes(unit) for unit in finer.units) > max_nodes:
            port, k = divmod(int(np.argmax(change)), change.shape[1])
            raise SolverError(
                Finding(
                    f"outlet of {ports[port]}, {network.components[k]}",
                    f"still changes by {change[port, k]:.2g} of its peak on a mesh of {_largest(network)}",
                    f"at most {accuracy:g}",
                    "Raise max_nodes, ask for less accuracy, or add the dispersion that the real column has.",
                )
            )
        network = finer


def _refined(unit: NetworkUnit) -> NetworkUnit:
    if isinstance(unit, Bed):
        more = unit.radial_nodes + 1 if unit.model is BedModel.GRM else unit.radial_nodes
        return replace(unit, elements=math.ceil(_GROWTH * unit.elements), radial_nodes=min(more, 12))
    if isinstance(unit, Tube) and unit.dispersion is not None:
        return replace(unit, elements=math.ceil(_GROWTH * unit.elements))
    return unit


def _nodes(unit: NetworkUnit) -> int:
    if isinstance(unit, Bed) or (isinstance(unit, Tube) and unit.dispersion is not None):
        return unit.elements * (unit.degree + 1)
    return 1


def _largest(network: Network) -> str:
    unit = max(network.units, key=_nodes)
    return f"{_nodes(unit)} nodes in {unit.name}"
