"""The best fit: bounded least squares from several starts, first robust, then with the residual model.

The first pass takes one per cent of each curve's range for what the model may miss, as independent noise, and
limits the influence of single points (soft L1 loss); its residuals then tell noise and discrepancy apart,
and the fit is repeated under that covariance until the
residual model stands. Starts are a scrambled Sobol sequence over priors or bounds; the best few are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.descent import Descent, descend
from minifactory.calibration.estimation.discrepancy import Residuals
from minifactory.calibration.estimation.problem import Problem
from minifactory.errors import Finding, SolverError

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]

SAME = 0.05
"""Distance in posterior deviations (relative to the bounds' width where those are unknown) of one optimum."""
RIVAL = 9.2
"""Difference in -2 log posterior up to which another optimum is a rival: 99 % of two parameters."""
ROUGH = 0.01
"""What the model may miss in the first pass, relative to the range of a curve."""
ROUGH_ENOUGH = 0.03
"""Relative gain below which the first pass ends."""
SOFTENED = 4.0
"""Residual of the first pass, in deviations, from which the loss is soft."""
HOPELESS = 30.0
"""Cost over the lowest so far from which another start is given up, when three steps promise no less."""
RETENTION_SPREAD = 0.3
"""Deviation of starts in a sheared coordinate, the logarithm of a retention."""
AT_BOUND = 1e-3
"""Relative distance to a bound at which an estimate sits on it."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The best fit.

    Parameters
    ----------
    problem : Problem
        With the residual model in force.
    coordinates : ndarray (p,)
    misfit : float
        -2 log posterior up to a constant, prior included.
    covariance : ndarray (p, p)
        Of the coordinates, from the derivatives at the optimum; infinite for a direction that nothing tells.
    jacobian : ndarray (m, p)
        Of the whitened residuals and priors.
    rivals : tuple of ndarray (p,)
        Other optima that fit nearly as well.
    starts : int
        How many starts were followed to an optimum.
    at_bounds : tuple of str
        Paths whose estimate sits on a bound.
    evaluations : int
        Evaluations with derivatives.
    """

    problem: Problem
    coordinates: Array
    misfit: float
    covariance: Array
    jacobian: Array
    rivals: tuple[Array, ...] = ()
    starts: int = 1
    at_bounds: tuple[str, ...] = ()
    evaluations: int = 0

    @property
    def values(self) -> dict[str, float]:
        """SI values by path."""
        return self.problem.space.values(self.coordinates)

    @property
    def deviations(self) -> Array:
        """Standard deviations of the coordinates, (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit(
    problem: Problem,
    *,
    starts: int = 16,
    followed: int = 3,
    seed: int = 1,
    rounds: int = 2,
    also: Sequence[Array] = (),
    progress: Progress | None = None,
) -> Fit:
    """The best fit of `problem`.

    Parameters
    ----------
    starts : int
        Points at which the model is tried; the start value is always among those that are followed.
    followed : int
        How many of them are followed to an optimum.
    rounds : int
        How often the residual model is estimated anew.
    also : sequence of ndarray (p,)
        Further starts that are followed whatever the others are.

    Raises
    ------
    SolverError
        The model fails at every start.
    """
    say = progress or (lambda _what, _part: None)
    first = replace(problem, residuals=tuple(_rough(curve) for curve in problem.curves))
    tried = [
        *_starts(first, starts, followed, seed),
        *(np.clip(item, *problem.space.bounds) for item in also),
    ]
    found: list[Descent] = []
    count = 0
    for number, start in enumerate(tried):
        say("fitting", number / (len(tried) + rounds))
        hopeless = HOPELESS * min((item.cost for item in found), default=np.inf)
        reached = _descend(
            first, start, softened=SOFTENED, relative=ROUGH_ENOUGH, hopeless=hopeless, known=found
        )
        if reached is not None:
            count += reached.evaluations
            if not reached.joined:
                found.append(reached)
    if not found:
        raise SolverError(
            Finding(
                "calibration",
                "the model cannot be simulated at any start value",
                "a model that runs",
                "Check the parameters and bounds of the case with `minifactory simulate`.",
            )
        )
    found.sort(key=lambda item: item.cost)
    coordinates = _plain(problem, found[0].coordinates)
    for number in range(rounds):
        say("telling noise from model error", (len(tried) + number) / (len(tried) + rounds))
        problem = problem.settled(coordinates).judged(coordinates)
        best = _descend(problem, coordinates)
        if best is not None:
            count += best.evaluations
            coordinates = _plain(problem, best.coordinates)
    result = summary(problem, coordinates)
    rivals: list[Array] = []
    for other in found[1:]:
        there = _plain(problem, other.coordinates)
        if np.any(np.abs(there - result.coordinates) > _apart(problem, result)):
            known = () if best is None else (best,)
            second = _descend(problem.settled(there), there, hopeless=result.misfit + RIVAL, known=known)
            if second is None:
                continue
            count += second.evaluations
            place = _plain(problem, second.coordinates)
            same = [result.coordinates, *rivals]
            if second.joined or second.cost > result.misfit + RIVAL:
                continue
            if all(bool(np.any(np.abs(place - o) > _apart(problem, result))) for o in same):
                rivals.append(place)
    better = min((problem.misfit(item) for item in rivals), default=np.inf)
    if better < result.misfit:
        chosen = min(rivals, key=problem.misfit)
        rivals = [result.coordinates, *(item for item in rivals if item is not chosen)]
        result = summary(problem, chosen)
    return replace(result, rivals=tuple(rivals), starts=len(tried), evaluations=count)


def _descend(
    problem: Problem,
    start: Array,
    *,
    softened: float = 0.0,
    relative: float = 0.0,
    hopeless: float = np.inf,
    known: Sequence[Descent] = (),
) -> Descent | None:
    """A descent of `problem` from the coordinates `start`, in straight coordinates."""
    space = problem.space

    def derivatives(straight: Array) -> tuple[Array, Array]:
        residual, jacobian = problem.derivatives(_plain(problem, straight))
        return residual, jacobian @ space.stretch(straight)

    return descend(
        lambda straight: problem.residual_many(_plain(problem, straight)),
        derivatives,
        space.straight(start),
        space.straight_bounds,
        softened=softened,
        relative=relative,
        hopeless=hopeless,
        known=known,
    )


def _apart(problem: Problem, result: Fit) -> Array:
    """How far (p,) in one coordinate another optimum is from `result` at least."""
    wide = SAME * np.ptp(_box(problem), axis=0)
    return np.asarray(np.maximum(5.0 * np.minimum(result.deviations, 1e6), wide))


def _plain(problem: Problem, straight: Array) -> Array:
    """Coordinates within their bounds."""
    return np.asarray(np.clip(problem.space.plain(straight), *problem.space.bounds))


def summary(problem: Problem, coordinates: Array) -> Fit:
    """What the derivatives at `coordinates` tell."""
    residual, jacobian = problem.derivatives(coordinates)
    lower, upper = problem.space.bounds
    width = upper - lower
    on = (coordinates - lower < AT_BOUND * width) | (upper - coordinates < AT_BOUND * width)
    paths = np.array(problem.space.paths)
    return Fit(
        problem,
        coordinates,
        float(residual @ residual),
        covariance_of(jacobian),
        jacobian,
        at_bounds=tuple(paths[on].tolist()),
    )


def covariance_of(jacobian: Array) -> Array:
    """(J'J)^-1 by singular values; directions without information get a deviation of 1e6."""
    _, sizes, rotation = np.linalg.svd(jacobian, full_matrices=False)
    inverse = 1.0 / np.maximum(sizes, 1e-6)
    return np.asarray((rotation.T * inverse**2) @ rotation)


def _rough(curve: Observed) -> Residuals:
    """The residual model of the first pass."""
    level = float(np.median(curve.noise))
    return Residuals(noise_factor=max(1.0, ROUGH * float(np.ptp(curve.values)) / level))


def _box(problem: Problem) -> Array:
    """Where starts are drawn: two prior deviations around the centre, or the bounds; (2, p)."""
    lower, upper = problem.space.bounds
    centre, spread = problem.space.prior_centre, problem.space.prior_spread
    known = np.isfinite(spread)
    reach = np.where(known, 2.0 * np.where(known, spread, 0.0), upper - lower)
    return np.stack([np.maximum(lower, centre - reach), np.minimum(upper, centre + reach)])


def _starts(problem: Problem, starts: int, followed: int, seed: int) -> list[Array]:
    """The start value, and the best of `starts` points over priors or bounds."""
    first = problem.space.start
    if starts <= 1 or followed <= 1:
        return [first]
    box = _box(problem)
    sampler = qmc.Sobol(first.size, scramble=True, rng=np.random.default_rng(seed))
    points = sampler.random_base2(max(1, int(np.ceil(np.log2(starts)))))[:starts]
    spread, centre = problem.space.prior_spread, problem.space.prior_centre
    known = np.isfinite(spread)
    normal = centre + np.where(known, spread, 0.0) * norm.ppf(np.clip(points, 0.02, 0.98))
    uniform = box[0] + points * (box[1] - box[0])
    drawn = np.clip(np.where(known, normal, uniform), *box)
    # What retention tells stays told: these coordinates vary around the start, whatever nu is drawn.
    straight, kept = problem.space.straight(drawn), problem.space.straight(first)
    for shear in problem.space.shears:
        at = problem.space.paths.index(shear.moved)
        straight[:, at] = kept[at] + RETENTION_SPREAD * norm.ppf(np.clip(points[:, at], 0.02, 0.98))
    drawn = np.clip(problem.space.plain(straight), *problem.space.bounds)
    misfits = (problem.residual_many(drawn) ** 2).sum(axis=1)
    order = np.argsort(misfits)[: followed - 1]
    return [first, *(drawn[i] for i in order)]
