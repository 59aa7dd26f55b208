"""A fit as a function: from coordinates to whitened residuals, prior included, with derivatives.

Whatever predicts the curves (:class:`Model`: a transfer function, the digital factory, an emulator) is used
in
the same way by least squares, profiles, Monte Carlo and the design of experiments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.discrepancy import Residuals, Whitener, estimate, whitener
from minifactory.calibration.estimation.space import Space

Array = NDArray[np.float64]

DIFFERENCE = 1e-4
"""Step of a difference quotient in the coordinates."""


class Model(Protocol):
    """Predicts all curves of a fit, one after the other in one array (n,)."""

    def predict(self, values: Sequence[Mapping[str, float]]) -> Array:
        """Predictions (k, n) at each of `values` (SI by path); NaN where a simulation failed."""
        ...

    def sensitivities(self, values: Mapping[str, float], steps: Mapping[str, float]) -> tuple[Array, Array]:
        """Prediction (n,) and its derivatives (n, p) by SI value, in the order of `steps` (SI)."""
        ...


@runtime_checkable
class Settling(Protocol):
    """A model that can be made smooth and more exact around a point."""

    def settled(self, values: Mapping[str, float]) -> Model:
        """The model for points near `values` (SI by path)."""
        ...


@dataclass(frozen=True, eq=False)
class Problem:
    """Curves, the model that predicts them, the space, and the residual model of each curve."""

    model: Model
    curves: tuple[Observed, ...]
    space: Space
    residuals: tuple[Residuals, ...] = ()
    _whiteners: tuple[Whitener, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.residuals:
            object.__setattr__(self, "residuals", tuple(Residuals() for _ in self.curves))
        made = tuple(whitener(c, r) for c, r in zip(self.curves, self.residuals, strict=True))
        object.__setattr__(self, "_whiteners", made)

    @property
    def observed(self) -> Array:
        """All values, (n,)."""
        return np.concatenate([curve.values for curve in self.curves])

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(curve.size for curve in self.curves)

    def split(self, stacked: Array) -> list[Array]:
        """The parts of a stacked array (n, ...) by curve."""
        return np.split(stacked, np.cumsum([curve.size for curve in self.curves])[:-1])

    def whitened(self, stacked: Array) -> Array:
        """Stacked residuals (n, ...) made independent."""
        return np.concatenate([w(part) for w, part in zip(self._whiteners, self.split(stacked), strict=True)])

    @property
    def _informed(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.space.prior_spread))

    def prior_residuals(self, coordinates: Array) -> Array:
        """One residual per prior."""
        known = self._informed
        gap = coordinates - self.space.prior_centre
        return np.asarray(gap[known] / self.space.prior_spread[known])

    def residual(self, coordinates: Array) -> Array:
        """All residuals of deviation 1: curves, then priors."""
        return np.asarray(self.residual_many(coordinates[None, :])[0])

    def residual_many(self, coordinates: Array) -> Array:
        """The same at each of (k, p) coordinates; a large constant where the model fails."""
        predicted = self.model.predict([self.space.values(row) for row in coordinates])
        out = []
        for row, curve in zip(coordinates, predicted, strict=True):
            if np.all(np.isfinite(curve)):
                body = self.whitened(self.observed - curve)
            else:
                body = np.full(self.size, 1e4)
            out.append(np.concatenate([body, self.prior_residuals(row)]))
        return np.stack(out)

    def misfit(self, coordinates: Array) -> float:
        """Sum of squared residuals: -2 log posterior up to a constant."""
        value = self.residual(coordinates)
        return float(value @ value)

    def derivatives(self, coordinates: Array) -> tuple[Array, Array]:
        """Residuals (m,) and their derivatives (m, p) by the coordinates."""
        values = self.space.values(coordinates)
        slopes = {
            item.path: (item.back(float(c) + DIFFERENCE) - item.back(float(c) - DIFFERENCE))
            / (2.0 * DIFFERENCE)
            for item, c in zip(self.space.free, coordinates, strict=True)
        }
        steps = {path: DIFFERENCE * abs(slope) for path, slope in slopes.items()}
        predicted, jacobian = self.model.sensitivities(values, steps)
        scaled = jacobian * np.array([slopes[path] for path in self.space.paths])
        residual = np.concatenate(
            [self.whitened(self.observed - predicted), self.prior_residuals(coordinates)]
        )
        known = self._informed
        rows = np.diag(1.0 / np.where(known, self.space.prior_spread, 1.0))[known]
        return residual, np.concatenate([-self.whitened(scaled), rows])

    def settled(self, coordinates: Array) -> Problem:
        """The same problem with its model settled at `coordinates`, where it knows how to."""
        if not isinstance(self.model, Settling):
            return self
        return replace(self, model=self.model.settled(self.space.values(coordinates)))

    def judged(self, coordinates: Array) -> Problem:
        """The same problem with the residual models that the residuals at `coordinates` speak for."""
        predicted = self.model.predict([self.space.values(coordinates)])[0]
        parts = self.split(self.observed - predicted)
        models = tuple(estimate(c, part) for c, part in zip(self.curves, parts, strict=True))
        return replace(self, residuals=models)


def by_differences(
    model: Model, values: Mapping[str, float], steps: Mapping[str, float]
) -> tuple[Array, Array]:
    """Prediction and central difference quotients, for models that are smooth to rounding."""
    points = [dict(values)]
    for path, step in steps.items():
        points += [{**values, path: values[path] + step}, {**values, path: values[path] - step}]
    predicted = model.predict(points)
    columns = [
        (predicted[1 + 2 * i] - predicted[2 + 2 * i]) / (2.0 * step) for i, step in enumerate(steps.values())
    ]
    return predicted[0], np.stack(columns, axis=1) if columns else np.zeros((predicted.shape[1], 0))
