"""One descent of bounded nonlinear least squares, for models whose simulations go in batches.

    (J'J + lambda D^2) d = -J'r,    lower <= x + d <= upper,    D the largest column norms of J so far

Levenberg-Marquardt as by J. J. More (Lect. Notes Math. 630 (1978) 105), but where one step would be tried
after the other, several lambdas are simulated at once, which costs little more than one, and the best is
taken. Derivatives are computed only where a step was accepted. Bounds are kept by solving each step as a
bounded linear problem. With the soft-L1 loss residuals and derivatives are scaled as by B. Triggs et al.
(Bundle adjustment, LNCS 1883 (2000) 298).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from minifactory.errors import SolverError

Array = NDArray[np.float64]

LADDER = (0.01, 0.3, 10.0, 300.0)
"""Damping of the steps that are tried together, over the present one."""
FIRST, LEAST, MOST = 1e-3, 1e-9, 1e9
"""Damping to begin with, and its limits."""
WORTH = 1e-3
"""What a whole undamped step must promise in the sum of squares; below it, the optimum is reached.

A tenth of a deviation in one direction is worth 1e-2.
"""
VALLEY = 0.1
"""Part of a change of residuals (squared) that a linear model may miss to count as valid there."""
FAILED = 1e4
"""Residual of a point at which the model fails."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended.

    Parameters
    ----------
    coordinates : ndarray (p,)
    cost : float
        Sum of squares there, of the loss where there is one.
    evaluations : int
        Evaluations with derivatives.
    converged : bool
    joined : bool
        It was on its way to another optimum that is known already, and was left there.
    residual, jacobian : ndarray (m,), (m, p)
        Where the derivatives were computed last, `place` (p,).
    """

    coordinates: Array
    cost: float
    evaluations: int
    converged: bool
    joined: bool
    place: Array
    residual: Array
    jacobian: Array

    def leads(self, point: Array, residual: Array) -> bool:
        """Whether the linear model of this optimum explains `residual` (m,) at `point` (p,): its valley."""
        change = residual - self.residual
        rest = change - self.jacobian @ (point - self.place)
        return bool(rest @ rest < VALLEY * (change @ change))


def descend(
    residual_many: Callable[[Array], Array],
    derivatives: Callable[[Array], tuple[Array, Array]],
    start: Array,
    bounds: tuple[Array, Array],
    *,
    softened: float = 0.0,
    steps: int = 25,
    worth: float = WORTH,
    relative: float = 0.0,
    hopeless: float = np.inf,
    known: Sequence[Descent] = (),
) -> Descent | None:
    """The optimum that is reached from `start`; None where the model fails there.

    Parameters
    ----------
    residual_many : callable
        Residuals (k, m) at coordinates (k, p).
    derivatives : callable
        Residuals (m,) and derivatives (m, p) at (p,); may raise SolverError.
    bounds : (ndarray (p,), ndarray (p,))
    softened : float
        Residual from which the loss grows less than its square (soft L1); 0: it does not.
    steps : int
        Evaluations with derivatives at most.
    worth, relative : float
        An undamped step that promises less than `worth`, or less than `relative` of the cost, is the last.
    hopeless : float
        A descent that after three steps promises no less than this is given up.
    known : sequence of Descent
        Optima of the same problem: on the way to one of them there is no need to go on.
    """
    margin = 1e-9 * (bounds[1] - bounds[0])
    lower, upper = bounds[0] + margin, bounds[1] - margin
    x = np.clip(start, lower, upper)
    found = _derived(derivatives, x)
    if found is None:
        return None
    place, (residual, jacobian) = x, found
    cost, damping, count = _cost(residual, softened), FIRST, 1
    size = np.zeros(x.size)
    converged = joined = False
    while not converged:
        if any(other.leads(x, residual) for other in known):
            joined = True
            break
        scaled, slopes = _softened(residual, jacobian, softened)
        size = np.maximum(size, np.linalg.norm(slopes, axis=0))
        model = _Model.of(scaled, slopes, np.where(size > 0.0, size, 1.0), lower - x, upper - x)
        promised = model.promise(model.step(LEAST))
        converged = promised < max(worth, relative * cost)
        if count >= 3 and cost - promised > hopeless:
            break
        ladder = np.clip(damping * np.array(LADDER), LEAST, MOST)
        moves = np.stack([model.step(float(each)) for each in ladder])
        tried = [_cost(row, softened) for row in residual_many(x + moves)]
        best = int(np.argmin(tried))
        if not tried[best] < cost:
            damping = float(ladder[-1])
            if damping >= MOST or converged or model.promise(moves[-1]) < 0.1 * worth:
                converged = True
                break
            continue
        x, gained = x + moves[best], cost - tried[best]
        cost, damping = tried[best], float(ladder[best])
        converged = converged or (gained < max(worth, relative * cost) and best < 2)
        if converged or count >= steps:
            break
        found = _derived(derivatives, x)
        if found is None:
            break
        place, (residual, jacobian) = x, found
        count += 1
        cost = _cost(residual, softened)
    return Descent(x, cost, count, converged, joined, place, residual, jacobian)


def _derived(derivatives: Callable[[Array], tuple[Array, Array]], at: Array) -> tuple[Array, Array] | None:
    """Residuals and derivatives; None where the model fails."""
    try:
        residual, jacobian = derivatives(at)
    except SolverError:
        return None
    if not np.isfinite(_cost(residual, 0.0)) or not np.all(np.isfinite(jacobian)):
        return None
    return residual, jacobian


def _cost(residual: Array, softened: float) -> float:
    if not np.all(np.isfinite(residual)) or float(np.abs(residual).max(initial=0.0)) >= FAILED:
        return float("inf")
    if softened <= 0.0:
        return float(residual @ residual)
    part = (residual / softened) ** 2
    return float(softened**2 * np.sum(2.0 * (np.sqrt(1.0 + part) - 1.0)))


def _softened(residual: Array, jacobian: Array, softened: float) -> tuple[Array, Array]:
    """Residuals and derivatives whose squares have the gradient, and nearly the curvature, of the loss."""
    if softened <= 0.0:
        return residual, jacobian
    part = (residual / softened) ** 2
    first, second = (1.0 + part) ** -0.5, -0.5 * (1.0 + part) ** -1.5
    scale = np.sqrt(np.maximum(first + 2.0 * second * part, 1e-12))
    return residual * first / scale, jacobian * scale[:, None]


@dataclass(frozen=True, eq=False)
class _Model:
    """The linear model at a point, as small as the number of parameters: R d + q."""

    triangle: Array
    rest: Array
    size: Array
    room: tuple[Array, Array]

    @classmethod
    def of(cls, residual: Array, jacobian: Array, size: Array, down: Array, up: Array) -> _Model:
        rotation, triangle = np.linalg.qr(jacobian)
        return cls(triangle, rotation.T @ residual, size, (np.minimum(down, 0.0), np.maximum(up, 0.0)))

    def step(self, damping: float) -> Array:
        """The damped step within the room that the bounds leave."""
        table = np.vstack([self.triangle, np.diag(np.sqrt(damping) * self.size)])
        right = np.concatenate([-self.rest, np.zeros(self.size.size)])
        move, *_ = np.linalg.lstsq(table / np.tile(self.size, (table.shape[0], 1)), right, rcond=None)
        move = move / self.size
        if np.all((move >= self.room[0]) & (move <= self.room[1])):
            return np.asarray(move)
        held = lsq_linear(table, right, (self.room[0] - 1e-300, self.room[1] + 1e-300))
        return np.asarray(np.clip(held.x, *self.room))

    def promise(self, move: Array) -> float:
        """By how much the sum of squares falls in the linear model."""
        after = self.rest + self.triangle @ move
        return float(self.rest @ self.rest - after @ after)
