"""Nodal operators on the unit interval: discontinuous Galerkin along a bed, even polynomials in a sphere.

Axial: spectral elements on Gauss-Lobatto nodes with collocated (lumped) mass, upwind convection and local
discontinuous Galerkin dispersion with alternating fluxes, which couples an element to its neighbours only.
The form conserves mass exactly: the quadrature weights times the operators give inlet minus outlet flux.

Source: D. A. Kopriva, Implementing Spectral Methods for Partial Differential Equations, Springer 2009;
B. Cockburn, C.-W. Shu, SIAM J. Numer. Anal. 35 (1998) 2440 (LDG).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]


@lru_cache(maxsize=32)
def gauss_lobatto(degree: int) -> tuple[Array, Array]:
    """Nodes on [-1, 1] and weights of Gauss-Lobatto quadrature, each (degree + 1,)."""
    inner = np.real(legendre.Legendre.basis(degree).deriv().roots()) if degree > 1 else np.empty(0)
    nodes = np.concatenate(([-1.0], np.sort(inner), [1.0]))
    weights = 2.0 / (degree * (degree + 1) * legendre.Legendre.basis(degree)(nodes) ** 2)
    return nodes, weights


def differentiation_matrix(nodes: Array) -> Array:
    """Matrix (n, n) that differentiates the interpolating polynomial at its own nodes (n,)."""
    n = len(nodes)
    gaps = nodes[:, None] - nodes[None, :] + np.eye(n)
    barycentric = 1.0 / np.prod(gaps, axis=1)
    matrix: Array = (barycentric[None, :] / barycentric[:, None]) / gaps
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


@dataclass(frozen=True)
class AxialOperators:
    """Transport along a unit length: c' = -Q/V (convection c - inlet c_in) + D/L2 dispersion c.

    Attributes
    ----------
    position : ndarray (n,)
        Node positions between 0 and 1; the last node is the outlet.
    weight : ndarray (n,)
        Quadrature weights, sum 1: ``weight @ c`` is the mean of c.
    convection, dispersion : ndarray (n, n)
        Dimensionless operators.
    inlet : ndarray (n,)
        Effect of the inlet flux, which enters at the first node.
    per : int
        Nodes per element.
    """

    position: Array
    weight: Array
    convection: Array
    dispersion: Array
    inlet: Array

    per: int = 1

    @cached_property
    def elements(self) -> Array:
        """The operators by element, flat: what the kernels read.

        Per element: convection (per, per), dispersion (per, per) within it; convection and dispersion (per,)
        from the last node of the element before to its nodes; dispersion (per,) from the nodes of the next
        element to its last node. Nothing else couples.
        """
        per, count = self.per, len(self.position) // self.per
        pieces = []
        rest = (self.convection.copy(), self.dispersion.copy())
        for e in range(count):
            own, last = slice(e * per, (e + 1) * per), (e + 1) * per - 1
            nothing = np.zeros(per)
            low = [m[own, e * per - 1].copy() if e > 0 else nothing for m in rest]
            up = self.dispersion[last, (e + 1) * per : (e + 2) * per].copy() if e + 1 < count else nothing
            pieces += [rest[0][own, own].flatten(), rest[1][own, own].flatten(), *low, up]
            for m in rest:
                m[own, own] = 0.0
                if e > 0:
                    m[own, e * per - 1] = 0.0
            if e + 1 < count:
                rest[1][last, (e + 1) * per : (e + 2) * per] = 0.0
        assert not np.any(rest[0])
        assert np.abs(rest[1]).max(initial=0.0) <= 1e-9 * np.abs(self.dispersion).max()
        return np.concatenate(pieces)


@lru_cache(maxsize=64)
def uniform_elements(elements: int, degree: int) -> AxialOperators:
    """Nodal DG operators on equal elements."""
    return discontinuous_galerkin(np.linspace(0.0, 1.0, elements + 1), degree)


def discontinuous_galerkin(edges: Array, degree: int) -> AxialOperators:
    """Nodal DG operators with closed inlet and outlet (Danckwerts) on elements between `edges` (0 ... 1)."""
    nodes, weights = gauss_lobatto(degree)
    derivative = differentiation_matrix(nodes)
    elements, per = len(edges) - 1, degree + 1
    n = elements * per
    position, weight, inlet = np.empty(n), np.empty(n), np.zeros(n)
    convection, gradient, divergence = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for e in range(elements):
        width = edges[e + 1] - edges[e]
        rows = slice(e * per, (e + 1) * per)
        first, last, scale = e * per, (e + 1) * per - 1, 2.0 / width
        lift = scale / weights[0]
        position[rows] = edges[e] + 0.5 * width * (nodes + 1.0)
        weight[rows] = 0.5 * width * weights
        for operator in (convection, gradient, divergence):
            operator[rows, rows] = scale * derivative
        convection[first, first] += lift
        if e > 0:
            convection[first, first - 1] -= lift
            # gradient takes the concentration from the left ...
            gradient[first, first] += lift
            gradient[first, first - 1] -= lift
        else:
            inlet[first] = lift
            divergence[first, first] += lift  # no dispersive flux through the inlet face
        # ... and its divergence takes the flux from the right
        divergence[last, last] -= lift
        if e < elements - 1:
            divergence[last, last + 1] += lift
    return AxialOperators(position, weight, convection, divergence @ gradient, inlet, per)


def subcells(axial: AxialOperators) -> AxialOperators:
    """First-order upwind finite volumes whose cells are the quadrature weights of `axial`: monotone.

    They hold the same amounts at the same nodes, and spread a front over a few cells instead of oscillating.
    """
    n = len(axial.weight)
    edges = np.concatenate(([0.0], np.cumsum(axial.weight)))
    distance = np.diff(0.5 * (edges[1:] + edges[:-1]))
    convection = (np.eye(n) - np.eye(n, k=-1)) / axial.weight[:, None]
    across = np.zeros((n + 1, n))  # gradient at the faces, none at the ends
    for i in range(1, n):
        across[i, i - 1], across[i, i] = -1.0 / distance[i - 1], 1.0 / distance[i - 1]
    inlet = np.zeros(n)
    inlet[0] = 1.0 / axial.weight[0]
    dispersion = (across[1:] - across[:-1]) / axial.weight[:, None]
    return AxialOperators(axial.position, axial.weight, convection, dispersion, inlet, axial.per)


@lru_cache(maxsize=64)
def stirred_cells(cells: int) -> AxialOperators:
    """Operators of `cells` equal stirred cells in a row (first order upwind); no dispersion of their own."""
    convection = cells * (np.eye(cells) - np.eye(cells, k=-1))
    inlet = np.zeros(cells)
    inlet[0] = cells
    position = (np.arange(cells) + 1.0) / cells
    return AxialOperators(position, np.full(cells, 1.0 / cells), convection, np.zeros((cells, cells)), inlet)


@dataclass(frozen=True)
class SphereOperators:
    """Diffusion in a sphere of unit radius: p' = -D/R2 stiffness p, flux enters at the last node.

    `weight` (n,) are volume fractions, sum 1; `radius` (n,) ends at 1.
    """

    radius: Array
    weight: Array
    stiffness: Array


@lru_cache(maxsize=16)
def sphere(nodes: int) -> SphereOperators:
    """Conservative collocation in a sphere with even polynomials on Gauss-Radau nodes (surface included).

    One node is the well-mixed particle of the lumped rate model with pores. Source: J. Villadsen,
    W. E. Stewart, Chem. Eng. Sci. 22 (1967) 1483, in Galerkin form with the quadrature at the nodes.
    """
    if nodes == 1:
        return SphereOperators(np.ones(1), np.ones(1), np.zeros((1, 1)))
    from scipy.special import roots_jacobi

    inner, _ = roots_jacobi(nodes - 1, 1.0, 0.5)
    x = np.concatenate((0.5 * (np.sort(inner) + 1.0), [1.0]))
    gauss_x, gauss_w = legendre.leggauss(2 * nodes + 4)
    r, w = 0.5 * (gauss_x + 1.0), 0.5 * gauss_w
    # The basis is polynomial in x = r2, by Legendre polynomials: coefficients, values and d/dr at the
    # quadrature points.
    coefficients = np.linalg.inv(legendre.legvander(2.0 * x - 1.0, nodes - 1))
    place = 2.0 * r**2 - 1.0
    values = legendre.legvander(place, nodes - 1) @ coefficients
    slopes = 4.0 * r[:, None] * legendre.legval(place, legendre.legder(coefficients)).T
    volume = 3.0 * (w * r**2) @ values
    stiff = 3.0 * np.einsum("k,ki,kj->ij", w * r**2, slopes, slopes)
    # What leaves one node enters the others, to the last digit.
    np.fill_diagonal(stiff, 0.0)
    np.fill_diagonal(stiff, -stiff.sum(axis=0))
    return SphereOperators(np.sqrt(x), volume, stiff / volume[:, None])


@dataclass(frozen=True)
class ParticleOperators:
    """Diffusion in spheres of several sizes, their nodes one after another, and their films.

    In units of a reference radius and its film: p' = -D/R2 stiffness p + film_in (3 k / R) (c - p); the
    liquid between the particles loses phase film_out (3 k / R) (c - p) to the surface nodes. `weight` (n,)
    are volume fractions of all particles, sum 1; weight * film_in = film_out.
    """

    stiffness: Array
    weight: Array
    film_in: Array
    film_out: Array


def particles(nodes: int, radii: Array, fractions: Array, films: Array) -> ParticleOperators:
    """Operators of spheres of `radii` and film coefficients `films` relative to the reference, (sizes,).

    `fractions` (sizes,) are their parts of the particles' volume, sum 1; each size has `nodes` nodes.
    """
    one = sphere(nodes)
    total = nodes * len(radii)
    stiffness, film_in = np.zeros((total, total)), np.zeros(total)
    for j, (radius, film) in enumerate(zip(radii, films, strict=True)):
        block = slice(j * nodes, (j + 1) * nodes)
        stiffness[block, block] = one.stiffness / radius**2
        film_in[block.stop - 1] = film / radius / one.weight[-1]
    weight = np.concatenate([fraction * one.weight for fraction in fractions])
    return ParticleOperators(stiffness, weight, film_in, weight * film_in)
