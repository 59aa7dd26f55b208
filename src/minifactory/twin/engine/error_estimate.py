"""An estimate of the error of a solution: the same once more, on a coarser mesh and with a looser tolerance.

A third of the elements, a node of the particle and a factor of four in the tolerance are left out. Where a
solution converges, the difference is close to the error of the coarser one and bounds that of the solution,
as a rule with a factor of two to five to spare. It is an estimate: a mesh on which neither of both sees what
happens can hide it from both. :func:`minifactory.twin.engine.integrate_to` refines until outlets stand still.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from minifactory.numerics.nodal import gauss_lobatto, sphere, uniform_elements
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.specification import Bed, BedModel, NetworkUnit, Tube
from minifactory.twin.engine.tables import Array

LOOSER = 4.0
_LEFT = 2.0 / 3.0
_LEAST_RADIAL = 2


def coarser(network: Network) -> Network:
    """The network with two thirds of the elements of every bed and dispersed tube, but no fewer than one.

    A single element loses a degree instead; a particle loses a node.
    """
    return replace(network, units=tuple(_coarse(unit) for unit in network.units))


def _coarse(unit: NetworkUnit) -> NetworkUnit:
    if not _meshed(unit):
        return unit
    assert isinstance(unit, Bed | Tube)
    elements, degree = math.ceil(_LEFT * unit.elements), unit.degree
    if elements == unit.elements:
        elements, degree = (elements - 1, degree) if elements > 1 else (1, max(degree - 1, 1))
    if isinstance(unit, Bed) and unit.model is BedModel.GRM:
        radial = max(unit.radial_nodes - 1, min(unit.radial_nodes, _LEAST_RADIAL))
        return replace(unit, elements=elements, degree=degree, radial_nodes=radial)
    return replace(unit, elements=elements, degree=degree)


def _meshed(unit: NetworkUnit) -> bool:
    return isinstance(unit, Bed) or (isinstance(unit, Tube) and unit.dispersion is not None)


def carried_over(network: Network, other: Network, state: Array) -> Array:
    """A state of `network` on the mesh of `other`, by the polynomials of each element and particle."""
    old, new = network.layout, other.layout
    result = np.zeros(new.tables.size)
    result[new.tables.integrals :] = state[old.tables.integrals :]
    for unit, coarse in zip(network.units, other.units, strict=True):
        u = old.unit_index[unit.name]
        along: Array = np.eye(len(old.liquid(state, u)))
        inward: Array = np.eye(1)
        if _meshed(unit):
            assert isinstance(unit, Bed | Tube)
            assert isinstance(coarse, Bed | Tube)
            along = _along((unit.elements, unit.degree), (coarse.elements, coarse.degree))
        if isinstance(unit, Bed) and isinstance(coarse, Bed) and unit.model is BedModel.GRM:
            inward = _inward(unit.radial_nodes, coarse.radial_nodes)
        new.liquid(result, u)[:] = along @ old.liquid(state, u)
        sizes = max(len(unit.particle_sizes), 1) if isinstance(unit, Bed) else 1
        for view in ("particles", "bound"):
            before, after = getattr(old, view)(state, u), getattr(new, view)(result, u)
            if before.size == 0 or (view == "particles" and len(before) == len(along.T) and inward.size == 1):
                after[:] = along @ before if before.size else after
                continue
            shaped = before.reshape(along.shape[1], sizes, inward.shape[1], -1)
            moved = np.einsum("ab,rs,bzsk->azrk", along, inward, shaped)
            after[:] = moved.reshape(after.shape)
    return result


def _lagrange(nodes: Array, x: float) -> Array:
    """Values at `x` of the polynomials that are one at one of the nodes and zero at the others."""
    gaps = nodes[:, None] - nodes[None, :] + np.eye(len(nodes))
    factors = (x - nodes[None, :]) / gaps
    np.fill_diagonal(factors, 1.0)
    return np.asarray(np.prod(factors, axis=1))


def _along(fine: tuple[int, int], coarse: tuple[int, int]) -> Array:
    elements, per = fine[0], fine[1] + 1
    nodes, _ = gauss_lobatto(fine[1])
    position = uniform_elements(*coarse).position
    matrix = np.zeros((len(position), elements * per))
    for row, x in enumerate(position):
        e = min(int(x * elements), elements - 1)
        matrix[row, e * per : (e + 1) * per] = _lagrange(nodes, 2.0 * (x * elements - e) - 1.0)
    return matrix


def _inward(fine: int, coarse: int) -> Array:
    nodes = sphere(fine).radius ** 2
    return np.stack([_lagrange(nodes, x) for x in sphere(coarse).radius ** 2])
