"""A stand-in for an expensive model near its optimum: its derivatives, plus what they miss.

    r(z) = r0 + J (z - z0) + U s(z - z0)

z are straight coordinates; U are the few directions in which simulations drawn from the (widened) posterior
leave the linear model, s quadratic and cubic polynomials fitted to them. Where a first handful of draws shows
that the linear model is good enough, s is left out. A part of the draws is kept back: how far the emulated
misfit is off there is part of the result, in the units of -2 log likelihood that intervals are read from.

Only lengths of residuals matter, so they are given in a basis of the few dimensions that the emulator spans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.space import Space

Array = NDArray[np.float64]

WIDER = 1.4
"""The draws' deviation over the posterior's."""
KEPT_BACK = 0.15
HANDFUL = 24
"""Draws by which the linear model is judged."""
GOOD = 0.1
"""Error below which the linear model is taken."""
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
        """Whitened residuals (k, m), in the emulator's own basis."""
        steps = self.space.straight(coordinates) - self.space.straight(self.centre)
        curved = _features(steps / self.scale) @ self.weights @ self.directions
        body = self.base + steps @ self.jacobian.T + curved
        return np.concatenate([body, np.stack([self.priors(row) for row in coordinates])], axis=1)

    def misfits(self, coordinates: Array) -> Array:
        """-2 log posterior (k,) without the priors."""
        body = self.residual_many(coordinates)[:, : self.base.size]
        return np.asarray((body**2).sum(axis=1))

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
    problem, count = fit.problem, fit.coordinates.size
    wanted = int(1.25 * (2 * count + count * (count - 1) // 2) / (1.0 - KEPT_BACK)) + 16
    first = min(wanted, max(HANDFUL, count + 4))
    points = _draws(fit, wanted, np.random.default_rng(seed))
    priors = int(np.isfinite(problem.space.prior_spread).sum())
    rows: list[Array] = []
    for begin in range(0, wanted, first):
        if progress is not None:
            progress("simulating around the best fit", begin / wanted)
        found = problem.residual_many(points[begin : begin + first])
        rows.append(found[:, : found.shape[1] - priors])
        if begin == 0:
            straight = _fitted(fit, points[:first], rows[0], 0)
            if straight.error < GOOD:
                return straight
    return _fitted(fit, points, np.concatenate(rows), int(wanted * (1.0 - KEPT_BACK)))


def _fitted(fit: Fit, points: Array, body: Array, trained: int) -> Emulator:
    """The emulator from simulations (k, m) at `points` (k, p), `trained` of which it learns from."""
    problem = fit.problem
    space, scale = problem.space, np.minimum(fit.deviations, LARGEST_DEVIATION)
    good = np.abs(body).max(axis=1) < 9e3
    trained = int(good[:trained].sum())
    points, body = points[good], body[good]
    base = problem.residual(fit.coordinates)[: body.shape[1]]
    centre = space.straight(fit.coordinates)
    jacobian = fit.jacobian[: base.size] @ space.stretch(centre)
    steps = space.straight(points) - centre
    table = _features(steps / scale)
    directions: Array = np.zeros((0, base.size))
    weights: Array = np.zeros((table.shape[1], 0))
    if trained:
        missed = body[:trained] - base - steps[:trained] @ jacobian.T
        _, sizes, ways = np.linalg.svd(missed, full_matrices=False)
        keep = max(1, int((sizes > 1e-3 * max(float(sizes[0]), 1e-12)).sum()))
        directions = np.asarray(ways[: min(keep, 40)], dtype=np.float64)
        ridge = 1e-6 * np.eye(table.shape[1]) * trained
        learned = table[:trained]
        scores = learned.T @ (missed @ directions.T)
        weights = np.asarray(np.linalg.solve(learned.T @ learned + ridge, scores), dtype=np.float64)
    basis, _ = np.linalg.qr(np.concatenate([base[:, None], jacobian, directions.T], axis=1))
    made = Emulator(
        space,
        fit.coordinates,
        scale,
        basis.T @ base,
        basis.T @ jacobian,
        directions @ basis,
        weights,
        problem.prior_residuals,
        float("nan"),
        len(points),
    )
    truth = (body[trained:] ** 2).sum(axis=1)
    if not truth.size:
        return made
    near = truth < float(base @ base) + 12.0
    gaps = np.abs(made.misfits(points[trained:]) - truth)
    gaps = gaps[near] if np.any(near) else gaps / max(1.0, float(truth.min() + 1.0))
    return replace(made, error=float(np.median(gaps)))


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
