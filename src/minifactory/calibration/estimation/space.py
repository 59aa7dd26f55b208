"""The parameters that are estimated, and the scaled space in which that is done.

Equilibrium constants and transport coefficients span decades: they are estimated as logarithms, everything
else as it is, divided by a step that makes a change of one worth noticing. A prior is a normal distribution
in that space with a source, and says so wherever its interval is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError
from minifactory.units import Kind

Array = NDArray[np.float64]


class Scale(Enum):
    """The scale on which a parameter is estimated."""

    LINEAR = "linear"
    LOG = "logarithmic"


@dataclass(frozen=True)
class Prior:
    """What is known of a parameter before the data: normal on the parameter's scale.

    Parameters
    ----------
    centre : float
        SI value.
    spread : float
        Standard deviation: SI on a linear scale, of the natural logarithm on a logarithmic one.
    source : str
        Where that knowledge comes from.
    """

    centre: float
    spread: float
    source: str


@dataclass(frozen=True)
class Free:
    """A parameter to be estimated: path, quantity, start value, bounds (SI), scale, and prior if any."""

    path: str
    kind: Kind
    start: float
    lower: float
    upper: float
    scale: Scale = Scale.LINEAR
    prior: Prior | None = None

    def forward(self, value: float) -> float:
        """The coordinate of an SI value."""
        return math.log(value) if self.scale is Scale.LOG else value / self.step

    def back(self, coordinate: float) -> float:
        """The SI value of a coordinate."""
        return math.exp(coordinate) if self.scale is Scale.LOG else coordinate * self.step

    @property
    def step(self) -> float:
        """What a change of one in the coordinate is worth (SI); logarithmic scales: a factor e."""
        if self.scale is Scale.LOG:
            return 1.0
        width = self.upper - self.lower
        return max(abs(self.start), 1e-3 * width if math.isfinite(width) else 0.0) or 1.0

    @property
    def prior_spread(self) -> float:
        """Standard deviation of the prior in the coordinate; infinite without one."""
        if self.prior is None:
            return math.inf
        return self.prior.spread / (1.0 if self.scale is Scale.LOG else self.step)


@dataclass(frozen=True)
class Shear:
    """Two parameters of which only a sum is well told: the coordinate of `moved` + `factor` times the value
    of `by`.

    Of a protein on an ion exchanger this is ln k_eq + nu ln(capacity / salt), its retention at the salt at
    which it elutes: ln nu and ln k_eq lie in a curved valley, ln nu and this in a straight one.
    """

    moved: str
    by: str
    factor: float


@dataclass(frozen=True)
class Space:
    """All free parameters in order; coordinates are arrays (n,).

    Optimisers, emulators and Monte Carlo work in straight coordinates, which `shears` make of them (both of
    the same volume, so that densities are the same).
    """

    free: tuple[Free, ...]
    shears: tuple[Shear, ...] = ()

    def __post_init__(self) -> None:
        findings = []
        for item in self.free:
            if item.scale is Scale.LOG and not item.lower > 0.0:
                findings.append(
                    Finding(item.path, f"lower bound {item.lower:g} on a logarithmic scale", "more than 0")
                )
            if not item.lower < item.upper:
                findings.append(
                    Finding(item.path, f"bounds {item.lower:g} to {item.upper:g}", "lower < upper")
                )
            elif not item.lower <= item.start <= item.upper:
                findings.append(
                    Finding(
                        item.path,
                        f"start value {item.start:g} is outside its bounds",
                        f"{item.lower:g} to {item.upper:g}",
                    )
                )
        repeated = {item.path for item in self.free if self.paths.count(item.path) > 1}
        findings += [Finding(path, "is estimated twice", "each parameter once") for path in sorted(repeated)]
        if findings:
            raise InputError(findings)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths in order."""
        return tuple(item.path for item in self.free)

    @property
    def start(self) -> Array:
        """Coordinates of the start values."""
        return np.array([item.forward(item.start) for item in self.free])

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Coordinates of the bounds."""
        return (
            np.array([item.forward(item.lower) for item in self.free]),
            np.array([item.forward(item.upper) for item in self.free]),
        )

    @property
    def prior_centre(self) -> Array:
        """Coordinates of the priors' centres; the start where there is no prior."""
        return np.array([f.forward(f.prior.centre if f.prior else f.start) for f in self.free])

    @property
    def prior_spread(self) -> Array:
        """Standard deviations of the priors in coordinates; infinite without prior."""
        return np.array([item.prior_spread for item in self.free])

    def values(self, coordinates: Array) -> dict[str, float]:
        """SI values by path."""
        return {f.path: f.back(float(c)) for f, c in zip(self.free, coordinates, strict=True)}

    def coordinates(self, values: Mapping[str, float]) -> Array:
        """Coordinates of SI values by path."""
        return np.array([item.forward(values[item.path]) for item in self.free])

    def without(self, paths: Sequence[str]) -> Space:
        """The space in which `paths` are held."""
        free = tuple(item for item in self.free if item.path not in paths)
        return Space(free, tuple(s for s in self.shears if s.moved not in paths and s.by not in paths))

    def straight(self, coordinates: Array) -> Array:
        """Straight coordinates (..., n) of coordinates (..., n)."""
        return self._sheared(coordinates, 1.0)

    def plain(self, straight: Array) -> Array:
        """Coordinates (..., n) of straight ones (..., n)."""
        return self._sheared(straight, -1.0)

    @property
    def straight_bounds(self) -> tuple[Array, Array]:
        """A box in straight coordinates that holds that of the bounds."""
        return self.straight(self.bounds[0]), self.straight(self.bounds[1])

    def stretch(self, straight: Array) -> Array:
        """Derivatives (n, n) of the coordinates by the straight ones at `straight` (n,)."""
        matrix = np.eye(len(self.free))
        for item in self.shears:
            by = self.paths.index(item.by)
            free = self.free[by]
            slope = free.back(float(straight[by])) if free.scale is Scale.LOG else free.step
            matrix[self.paths.index(item.moved), by] = -item.factor * slope
        return matrix

    def _sheared(self, points: Array, sign: float) -> Array:
        out = np.array(points, dtype=np.float64)
        for item in self.shears:
            by = self.paths.index(item.by)
            free, place = self.free[by], points[..., by]
            value = np.exp(np.minimum(place, 700.0)) if free.scale is Scale.LOG else place * free.step
            out[..., self.paths.index(item.moved)] += sign * item.factor * value
        return out
