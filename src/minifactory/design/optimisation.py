"""Optimisation over any numeric part of a description: population search, then local polish.

The search is pymoo's (differential evolution for one objective, NSGA-II for several), asked for whole
generations that are evaluated as batches; discrete variables take the nearest allowed value. The polish fits
separable quadratic models to objective and limits on a star of points around the best candidate, solves them
within a trust region, and evaluates what they propose; it ends where the region has become small. Nothing is
recommended that was not simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem
from scipy.optimize import minimize
from scipy.stats import qmc

from minifactory.design.candidates import Evaluation, FloatArray, Problem
from minifactory.design.conflicts import conflicts
from minifactory.design.ledger import Ledger
from minifactory.design.search import Limit, Objective, Space, table
from minifactory.errors import Finding, InputError, TargetError
from minifactory.units import show

FLAT = 1e-9
"""Relative change of a figure over the first generation below which no variable moves it."""
SMALLEST = 1e-3
"""Trust region (of the scaled range) at which the polish ends."""
PATIENCE = 8
"""Generations without progress after which the search ends."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Parameters
    ----------
    population : int
        Candidates per generation.
    evaluations : int
        Candidates of the search at most.
    polish : int
        Candidates of the polish at most (one objective only).
    seed : int
    """

    population: int = 32
    evaluations: int = 800
    polish: int = 200
    seed: int = 1


@dataclass(frozen=True)
class Optimum:
    """What was found.

    Parameters
    ----------
    values : Mapping of str to float
        The recommended candidate (SI by reference).
    evaluation : Evaluation
        Its figures.
    front : tuple of (values, Evaluation)
        The non-dominated candidates of several objectives, sorted by the first.
    candidates, evaluations : tuple
        Everything that was tried, in order.
    history : tuple of float
        Best score (smaller is better) after each generation; nan before anything met all limits.
    idle : tuple of str
        Variables that no figure asked for depends on.
    """

    values: Mapping[str, float]
    evaluation: Evaluation
    front: tuple[tuple[Mapping[str, float], Evaluation], ...] = ()
    candidates: tuple[Mapping[str, float], ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    history: tuple[float, ...] = ()
    idle: tuple[str, ...] = ()


@dataclass
class _Search:
    """Everything that has been tried."""

    problem: Problem
    space: Space
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    ledger: Ledger
    reserves: FloatArray
    points: list[FloatArray] = field(default_factory=list)
    candidates: list[Mapping[str, float]] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    history: list[float] = field(default_factory=list)

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scores and violations of `points` (n, variables)."""
        candidates = [self.space.values(point) for point in points]
        found = self.ledger.evaluate(self.problem, candidates)
        self.points.extend(points)
        self.candidates.extend(candidates)
        self.evaluations.extend(found)
        return self.judged(found)

    def judged(self, evaluations: Sequence[Evaluation]) -> tuple[FloatArray, FloatArray]:
        """Scores (n, objectives) and violations (n, limits + 1)."""
        return table(evaluations, self.objectives, self.limits, self.reserves)

    def best(self) -> int:
        """The place of the best candidate: least first score among those that meet all limits."""
        scores, violations = self.judged(self.evaluations)
        worst = violations.max(axis=1)
        feasible = np.flatnonzero(worst <= 1e-9)
        if feasible.size:
            return int(feasible[np.argmin(scores[feasible, 0])])
        return int(np.argmin(worst))

    def told(self, place: int) -> dict[str, str]:
        """The values of the candidate at `place` as people write them, by reference."""
        values = self.candidates[place]
        return {one.reference: show(values[one.reference], one.kind) for one in self.space.variables}

    def note(self) -> None:
        """Write down how good the best is now."""
        scores, violations = self.judged(self.evaluations)
        feasible = violations.max(axis=1) <= 1e-9
        self.history.append(float(scores[feasible, 0].min()) if feasible.any() else math.nan)


def optimise(
    problem: Problem,
    space: Space,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
    ledger: Ledger,
    effort: Effort | None = None,
    *,
    start: Mapping[str, float] | None = None,
    reserves: FloatArray | None = None,
    progress: Progress | None = None,
) -> Optimum:
    """The best candidate, or the best compromises between several objectives.

    Parameters
    ----------
    problem : Problem
    space : Space
        What may change.
    objectives : sequence of Objective
        One, or several to be traded against each other.
    limits : sequence of Limit
        What every recommendation must meet.
    ledger : Ledger
        Evaluates and keeps candidates.
    effort : Effort, optional
    start : Mapping of str to float, optional
        Present values; tried first.
    reserves : ndarray (limits,), optional
        How far (relative) each limit must be exceeded.
    progress : callable, optional
        Told what is done and how far it is.

    Raises
    ------
    InputError
        An objective or a limit that does not depend on any variable or that the problem does not know.
    TargetError
        Nothing was found that meets all limits: says which exclude each other, and the nearest.
    """
    if not objectives or not space.variables:
        raise InputError(Finding("optimise", "nothing to vary or no objective", "at least one of each"))
    chosen = effort or Effort()
    spare = np.zeros(len(limits)) if reserves is None else np.asarray(reserves, dtype=float)
    search = _Search(problem, space, tuple(objectives), tuple(limits), ledger, spare)
    say = progress or (lambda _what, _part: None)
    _populate(search, chosen, start, say)
    polished = len(objectives) == 1 and chosen.polish > 0 and bool(space.continuous)
    if polished:
        _polish(search, chosen, say)
    best = search.best()
    if float(search.judged([search.evaluations[best]])[1].max()) > 1e-9:
        raise TargetError(conflicts(search.evaluations, limits, best, search.told(best)))
    return Optimum(
        values=search.candidates[best],
        evaluation=search.evaluations[best],
        front=_front(search) if len(objectives) > 1 else (),
        candidates=tuple(search.candidates),
        evaluations=tuple(search.evaluations),
        history=tuple(search.history),
        idle=_idle(search),
    )


def _populate(search: _Search, effort: Effort, start: Mapping[str, float] | None, say: Progress) -> None:
    """The population search."""
    size, variables = effort.population, len(search.space.variables)
    first = qmc.LatinHypercube(variables, seed=effort.seed).random(size)
    if start is not None:
        first[0] = search.space.point(start)
    scores, violations = search.evaluate(first)
    _refuse_flat(search)
    search.note()
    limits = violations.shape[1]
    problem = PymooProblem(n_var=variables, n_obj=len(search.objectives), n_ieq_constr=limits, xl=0.0, xu=1.0)
    single = len(search.objectives) == 1
    algorithm = (
        DE(pop_size=size, sampling=first, variant="DE/rand/1/bin", CR=0.9, F=0.6)
        if single
        else NSGA2(pop_size=size, sampling=first)
    )
    algorithm.setup(problem, termination=NoTermination(), seed=effort.seed, verbose=False)
    known: tuple[FloatArray, FloatArray] | None = (scores, violations)
    still = 0
    while len(search.evaluations) < effort.evaluations and still < PATIENCE:
        population = algorithm.ask()
        points = np.clip(population.get("X"), 0.0, 1.0)
        scores, violations = known if known is not None else search.evaluate(points)
        if known is None:
            before = search.history[-1]
            search.note()
            now = search.history[-1]
            gained = not math.isfinite(before) or before - now > 1e-4 * abs(now)
            still = 0 if gained or not single else still + 1
        known = None
        static = StaticProblem(problem, F=scores, G=violations)
        Evaluator().eval(static, population)
        algorithm.tell(infills=population)
        say("searching", min(1.0, len(search.evaluations) / effort.evaluations))


def _refuse_flat(search: _Search) -> None:
    """InputError for objectives and limits that the variables do not move, or that are never known."""
    findings = []
    wanted = [item.figure for item in search.objectives] + [item.figure for item in search.limits]
    alive = [one for one in search.evaluations if not one.fault]
    if not alive:
        reasons = list(dict.fromkeys(one.fault for one in search.evaluations))[:3]
        raise TargetError(
            [
                Finding("optimise", f"no candidate of the first generation can be run: {reason}")
                for reason in reasons
            ]
        )
    aims = {item.figure for item in search.objectives}
    for figure in dict.fromkeys(wanted):
        values = np.array([one[figure] for one in alive])
        known = values[np.isfinite(values)]
        if known.size == 0:
            findings.append(
                Finding(
                    "study", f'"{figure}" is not known of any candidate', "a figure that the prediction gives"
                )
            )
        elif figure in aims and known.size > 2 and np.ptp(known) <= FLAT * float(np.abs(known).max()):
            names = ", ".join(item.reference for item in search.space.variables)
            findings.append(
                Finding(
                    "study",
                    f'the objective "{figure}" does not depend on {names}',
                    "variables that move it",
                    "Choose another objective, or vary what it depends on.",
                )
            )
    if findings:
        raise InputError(findings)


def _polish(search: _Search, effort: Effort, say: Progress) -> None:
    """Trust-region steps on separable quadratic models around the best candidate."""
    free = search.space.continuous
    radius, budget = 0.08, effort.polish
    while radius > SMALLEST and budget >= 2 * len(free) + 1:
        centre_at = search.best()
        centre = search.points[centre_at]
        star = np.repeat(centre[None, :], 2 * len(free), axis=0)
        for row, place in enumerate(free):
            star[2 * row, place] = min(centre[place] + radius, 1.0)
            star[2 * row + 1, place] = max(centre[place] - radius, 0.0)
        scores, violations = search.evaluate(star)
        base = search.judged([search.evaluations[centre_at]])
        proposals = _proposals(centre, free, star, (scores, violations), base, radius)
        search.evaluate(proposals)
        budget -= len(star) + len(proposals)
        search.note()
        radius *= 1.0 if search.best() >= len(search.points) - len(proposals) else 0.5
        say("polishing", 1.0 - max(budget, 0) / effort.polish)


def _proposals(
    centre: FloatArray,
    free: Sequence[int],
    star: FloatArray,
    around: tuple[FloatArray, FloatArray],
    base: tuple[FloatArray, FloatArray],
    radius: float,
) -> FloatArray:
    """Where the models are best within the whole, half and a fifth of the region."""
    columns = [np.column_stack([around[0][:, :1], around[1]]), np.column_stack([base[0][:, :1], base[1]])]
    linear, curved = [], []
    for row, place in enumerate(free):
        up, down = star[2 * row, place] - centre[place], star[2 * row + 1, place] - centre[place]
        rise, fall = columns[0][2 * row] - columns[1][0], columns[0][2 * row + 1] - columns[1][0]
        if up == 0.0 or down == 0.0:  # at a bound there is one side only
            step, change = (down, fall) if up == 0.0 else (up, rise)
            linear.append(change / step)
            curved.append(np.zeros_like(change))
        else:
            curve = (rise / up - fall / down) / (up - down)
            linear.append(rise / up - curve * up)
            curved.append(curve)
    slopes, curves = np.array(linear), np.array(curved)

    def model(d: FloatArray) -> FloatArray:
        return np.asarray(columns[1][0] + d @ slopes + (d * d) @ curves)

    found = []
    scale = max(float(np.abs(slopes[:, 0]).max()), 1e-12)
    for part in (1.0, 0.5, 0.2):
        bounds = [
            (max(-part * radius, -centre[place]), min(part * radius, 1.0 - centre[place])) for place in free
        ]
        result = minimize(
            lambda d: float(model(d)[0]) / scale,
            np.zeros(len(free)),
            bounds=bounds,
            constraints=[{"type": "ineq", "fun": lambda d: -model(d)[1:]}],
            method="SLSQP",
            options={"maxiter": 100},
        )
        point = centre.copy()
        point[list(free)] += np.clip(result.x, [low for low, _ in bounds], [high for _, high in bounds])
        found.append(point)
    return np.array(found)


def _front(search: _Search) -> tuple[tuple[Mapping[str, float], Evaluation], ...]:
    """The candidates that meet all limits and that no other beats in every objective."""
    scores, violations = search.judged(search.evaluations)
    feasible = np.flatnonzero(violations.max(axis=1) <= 1e-9)
    kept = [
        int(at)
        for at in feasible
        if not np.any(
            np.all(scores[feasible] <= scores[at], axis=1) & np.any(scores[feasible] < scores[at], axis=1)
        )
    ]
    unique = {tuple(scores[at]): at for at in kept}
    places = sorted(unique.values(), key=lambda at: float(scores[at, 0]))
    return tuple((search.candidates[at], search.evaluations[at]) for at in places)


def knee(front: Sequence[tuple[Mapping[str, float], Evaluation]], objectives: Sequence[Objective]) -> int:
    """The place of the compromise: nearest to the best of every objective, each scaled to its range."""
    scores = np.array([[item.score(one) for item in objectives] for _, one in front])
    span = np.ptp(scores, axis=0)
    scaled = (scores - scores.min(axis=0)) / np.where(span > 0.0, span, 1.0)
    return int(np.argmin(np.linalg.norm(scaled, axis=1)))


def _idle(search: _Search) -> tuple[str, ...]:
    """Variables whose rank correlation with every figure asked for is nil (over at least 30 candidates)."""
    if len(search.points) < 30:
        return ()
    points = np.array(search.points)
    wanted = dict.fromkeys(
        [item.figure for item in search.objectives] + [item.figure for item in search.limits]
    )
    first = np.array([[one[figure] for figure in wanted] for one in search.evaluations])
    idle = []
    for place, variable in enumerate(search.space.variables):
        others = np.delete(points, place, axis=1)
        design = np.column_stack([np.ones(len(points)), others, others**2])
        moved = False
        for column in first.T:
            known = np.isfinite(column)
            if known.sum() < design.shape[1] + 3:
                moved = True
                continue
            full = np.column_stack([design, points[:, place], points[:, place] ** 2])[known]
            rest = _residual(design[known], column[known])
            gained = rest - _residual(full, column[known])
            spread = float(np.sum((column[known] - column[known].mean()) ** 2))
            moved |= gained > max(1e-3 * rest, 1e-9 * spread)
        if not moved:
            idle.append(variable.reference)
    return tuple(idle)


def _residual(design: FloatArray, values: FloatArray) -> float:
    solved = np.linalg.lstsq(design, values, rcond=None)[0]
    return float(np.sum((values - design @ solved) ** 2))
