"""The next experiment: the run that would make the *decision* surer, by linear Gaussian information.

The stated uncertainties are a Gaussian prior over scaled parameters z (standard deviations). A run at some
settings measures y (its assays and figures) with noise; their sensitivities J = dy/dz give the posterior
covariance

    C = (I + J^T J / sigma^2)^-1

and the figures that the decision rests on, with gradient g = df/dz at the settings to be decided, keep the
variance g^T C g. The best run leaves the least of it, summed over the limits (each relative to its distance
from the limit). D- and I-optimality are given beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from minifactory.design.candidates import Evaluation, FloatArray, Problem, column_of
from minifactory.design.description import Description
from minifactory.design.figures import kind_of_figure
from minifactory.design.ledger import Ledger
from minifactory.design.search import Limit, Space, Variable
from minifactory.design.uncertainty import Factor, candidates_at
from minifactory.errors import Finding, InputError, TargetError
from minifactory.units import FRACTION

NOISE = {
    "yield": 0.02,
    "purity": 0.003,
    "pool_mass": 0.02,
    "pool_volume": 0.01,
    "pool_concentration": 0.02,
    "max_pressure": 0.01,
    "loss_in_load": 0.005,
}
"""What a run measures, and the standard deviation of that measurement (absolute for fractions, else relative
to the value): assays to 2 %, purity by chromatography to 0.3 %, volumes and pressures to 1 % (assumed)."""
STEP = 0.5
"""Standard deviations by which a factor is moved to find a sensitivity."""


@dataclass(frozen=True)
class Experiment:
    """A possible run.

    Parameters
    ----------
    values : Mapping of str to float
        Its settings (SI by reference).
    remaining : Mapping of str to float
        Standard deviation of each figure afterwards, relative to before.
    decision : float
        Part of the decision's variance that remains (0 to 1).
    determinant : float
        Log of the volume of the posterior, relative to the prior (the smaller, the more is learnt).
    learnt : tuple of (str, float)
        Parameters whose spread shrinks most, with the part that remains.
    """

    values: Mapping[str, float]
    remaining: Mapping[str, float]
    decision: float
    determinant: float
    learnt: tuple[tuple[str, float], ...]


def judged(
    values: Mapping[str, float],
    jacobian: FloatArray,
    gradients: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    names: Sequence[str],
) -> Experiment:
    """What a run with sensitivities `jacobian` would teach.

    Parameters
    ----------
    values : Mapping of str to float
        Its settings.
    jacobian : ndarray (signals, factors)
        Signals per noise, per standard deviation of each factor.
    gradients : Mapping of str to ndarray (factors,)
        Figures of the decision per standard deviation of each factor.
    weights : Mapping of str to float
        Of each figure's variance in the decision.
    names : sequence of str
        Of the factors.
    """
    information = np.eye(len(names)) + jacobian.T @ jacobian
    covariance = np.linalg.inv(information)
    remaining, before, after = {}, 0.0, 0.0
    for figure, gradient in gradients.items():
        prior, posterior = float(gradient @ gradient), float(gradient @ covariance @ gradient)
        remaining[figure] = math.sqrt(posterior / prior) if prior > 0.0 else 1.0
        before += weights[figure] * prior
        after += weights[figure] * posterior
    spreads = np.sqrt(np.diag(covariance))
    order = np.argsort(spreads)[:5]
    return Experiment(
        dict(values),
        remaining,
        after / before if before > 0.0 else 1.0,
        -0.5 * float(np.linalg.slogdet(information)[1]),
        tuple((names[int(at)], float(spreads[at])) for at in order),
    )


def possible(
    variables: Sequence[Variable], count: int, seed: int, description: Description
) -> list[dict[str, float]]:
    """Settings that a next run could have: the present ones, and a Latin square over the variables."""
    present = {one.reference: description.quantity(one.reference).value for one in variables}
    if not variables:
        return [{}]
    points = qmc.LatinHypercube(len(variables), seed=seed).random(max(count - 1, 1))
    return [present, *(Space(tuple(variables)).values(point) for point in points)]


def experiments(
    problem: Problem,
    factors: Sequence[Factor],
    limits: Sequence[Limit],
    choices: Sequence[Mapping[str, float]],
    ledger: Ledger,
    progress: Callable[[str, float], None],
) -> tuple[Experiment, ...]:
    """Every possible run judged by what it leaves uncertain of the decision, the best first.

    The decision is whether the limits are met at the first of `choices`.

    Raises
    ------
    InputError
        Nothing is uncertain, or no limit depends on what is.
    TargetError
        The case as it is cannot be run.
    """
    if not factors or not limits:
        raise InputError(
            Finding("experiment", "nothing uncertain or nothing asked for", "stated uncertainties and limits")
        )
    names = [one.reference for one in factors]
    star = np.vstack([np.zeros(len(names)), STEP * np.eye(len(names)), -STEP * np.eye(len(names))])
    draws = candidates_at(factors, star)
    candidates = [{**choice, **draw} for choice in choices for draw in draws]
    found = ledger.evaluate(problem, candidates, lambda done, whole: progress("comparing runs", done / whole))
    tables = [found[at : at + len(draws)] for at in range(0, len(found), len(draws))]
    if tables[0][0].fault:
        raise TargetError(Finding("experiment", f"the case as it is cannot be run: {tables[0][0].fault}"))
    gradients = {item.figure: _slopes(tables[0], item.figure, len(names)) for item in limits}
    gradients = {figure: slope for figure, slope in gradients.items() if np.any(slope)}
    if not gradients:
        raise InputError(Finding("experiment", "no limit depends on what is uncertain", "a limit that does"))
    weights = {}
    for item in limits:
        if item.figure in gradients:
            margin = abs(item.margin(tables[0][0][item.figure]) * (item.limit or 1.0))
            spread = float(np.linalg.norm(gradients[item.figure]))
            weights[item.figure] = 1.0 / max(margin, 0.1 * spread, 1e-12) ** 2
    judgements = [
        judged(choice, _jacobian(table, len(names)), gradients, weights, names)
        for choice, table in zip(choices, tables, strict=True)
        if not table[0].fault
    ]
    return tuple(sorted(judgements, key=lambda one: one.decision))


def _slopes(table: Sequence[Evaluation], figure: str, factors: int) -> FloatArray:
    """The change of a figure per standard deviation of each factor; 0 where it is not known."""
    values = column_of(table, figure)
    slopes = (values[1 : factors + 1] - values[factors + 1 :]) / (2.0 * STEP)
    return np.where(np.isfinite(slopes), slopes, 0.0)


def _jacobian(table: Sequence[Evaluation], factors: int) -> FloatArray:
    """What a run measures, each per its noise, per standard deviation of each factor."""
    rows = []
    for figure, noise in NOISE.items():
        scale = noise if (kind_of_figure(figure) or FRACTION) is FRACTION else noise * abs(table[0][figure])
        if scale > 0.0 and math.isfinite(scale):
            rows.append(_slopes(table, figure, factors) / scale)
    return np.array(rows).reshape(-1, factors)
