"""A stand-in for an expensive model near its optimum: its derivatives, plus what they miss.

    r(z) = r0 + J (z - z0) + U s(z - z0)

U are the few directions in which simulations drawn from the (widened) posterior leave the linear model, s
quadratic and cubic polynomials fitted to them. A part of the draws is kept back: how far the emulated
misfit is
off there is part of the result, in the units of -2 log likelihood that intervals are read from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.space import Space

Array = NDArray[np.float64]

WIDER = 1.4
"""The draws' deviation over the posterior's."""
KEPT_BACK = 0.15
LARGEST_DEVIATION = 2.0
"""Deviations of coordinates are not drawn wider than this: a factor of e^2."""


@dataclass(frozen=True, eq=False)
class Emulator:
    """See the module; fulfils the protocol of profiles and Monte Carlo.

    `error` is the median absolute error of the emulated -2 log posterior on draws that were kept back, where
    that is within 12 of the optimum; `draws` how many simulations it took.
    """

    space: Space
    centre: Array
    scale: Array
    base: Array
    jacobian: Array
    directions: Array
    weights: Array
    priors: Callable[[Array], Array]
    error: float
    draws: int

    def residual_many(self, coordinates: Array) -> Array:
        """Whitened residuals (k, m)."""
        steps = coordinates - self.centre
        curved = _features(steps / self.scale) @ self.weights @ self.directions
        body = self.base + steps @ self.jacobian.T + curved
        return np.concatenate([body, np.stack([self.priors(row) for row in coordinates])], axis=1)

    def derivatives(self, coordinates: Array) -> tuple[Array, Array]:
        """Whitened residuals and derivatives by differences (the emulator is smooth)."""
        count = coordinates.size
        steps = 1e-4 * self.scale
        points = np.repeat(coordinates[None, :], 2 * count + 1, axis=0)
        for i in range(count):
            points[1 + 2 * i, i] += steps[i]
            points[2 + 2 * i, i] -= steps[i]
        found = self.residual_many(points)
        columns = [(found[1 + 2 * i] - found[2 + 2 * i]) / (2.0 * steps[i]) for i in range(count)]
        return found[0], np.stack(columns, axis=1)


def emulate(fit: Fit, seed: int = 7, progress: Callable[[str, float], None] | None = None) -> Emulator:
    """The emulator of a fit's problem around its optimum."""
    problem = fit.problem
    count = fit.coordinates.size
    features = 2 * count + count * (count - 1) // 2
    wanted = int(1.25 * features / (1.0 - KEPT_BACK)) + 16
    points = _draws(fit, wanted, np.random.default_rng(seed))
    rows = []
    for begin in range(0, wanted, 16):
        if progress is not None:
            progress("simulating around the best fit", begin / wanted)
        rows.append(problem.residual_many(points[begin : begin + 16]))
    priors = int(np.isfinite(problem.space.prior_spread).sum())
    found = np.concatenate(rows)
    body = found[:, : found.shape[1] - priors]
    good = np.abs(body).max(axis=1) < 9e3
    points, body = points[good], body[good]
    base = problem.residual(fit.coordinates)
    base, jacobian = base[: base.size - priors], fit.jacobian[: fit.jacobian.shape[0] - priors]
    scale = np.minimum(fit.deviations, LARGEST_DEVIATION)
    missed = body - base - (points - fit.coordinates) @ jacobian.T
    trained = max(int(points.shape[0] * (1.0 - KEPT_BACK)), 1)
    _, sizes, directions = np.linalg.svd(missed[:trained], full_matrices=False)
    keep = max(1, int((sizes > 1e-3 * max(float(sizes[0]), 1e-12)).sum()))
    directions = directions[: min(keep, 40)]
    table = _features((points - fit.coordinates) / scale)
    ridge = 1e-6 * np.eye(table.shape[1]) * trained
    scores = missed[:trained] @ directions.T
    weights = np.linalg.solve(table[:trained].T @ table[:trained] + ridge, table[:trained].T @ scores)
    made = Emulator(
        problem.space,
        fit.coordinates,
        scale,
        base,
        jacobian,
        directions,
        weights,
        problem.prior_residuals,
        0.0,
        wanted,
    )
    truth = (body[trained:] ** 2).sum(axis=1)
    near = truth < float(base @ base) + 12.0
    said = (made.residual_many(points[trained:])[:, : base.size] ** 2).sum(axis=1)
    gaps = (
        np.abs(said - truth)[near]
        if np.any(near)
        else np.abs(said - truth) / max(1.0, float(truth.min() + 1.0))
    )
    error = float(np.median(gaps)) if gaps.size else float("nan")
    return Emulator(
        made.space, made.centre, made.scale, base, jacobian, directions, weights, made.priors, error, wanted
    )


def _features(steps: Array) -> Array:
    """Squares, products and cubes of `steps` (k, p)."""
    count = steps.shape[1]
    i, j = np.triu_indices(count, 1)
    return np.concatenate([steps**2, steps**3, steps[:, i] * steps[:, j]], axis=1)


def _draws(fit: Fit, count: int, random: np.random.Generator) -> Array:
    values, vectors = np.linalg.eigh(fit.covariance)
    root = vectors * np.minimum(np.sqrt(np.maximum(values, 0.0)), LARGEST_DEVIATION)
    lower, upper = fit.problem.space.bounds
    points = fit.coordinates + WIDER * random.standard_normal((count, fit.coordinates.size)) @ root.T
    return np.asarray(np.clip(points, lower, upper))


def emulated(problem: Problem) -> bool:
    """Whether a problem is worth emulating: one whose model is simulated, not evaluated."""
    return getattr(problem.model, "expensive", False)
