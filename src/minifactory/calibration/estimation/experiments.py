"""The next run: which of several planned ones would tell most, about the parameters or about the decision.

What a run would tell is its information matrix M = J' W J: derivatives of its predicted curves at the present
best values, weighted by the errors that are expected of them. With the present information M0 (data so far
and
priors),

    D: ln det (M0 + M) - ln det M0                        all parameters alike
    I: trace G (M0 + M)^-1 G' against trace G M0^-1 G'    only what the decision depends on

where G are the derivatives of the decision's figures (yield, a peak's place, a cut) by the parameters. Runs
are
chosen one after the other, each given those before it. Source: A. C. Atkinson, A. N. Donev, R. D. Tobias,
Optimum Experimental Designs (2007), chapters 9-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import course_of
from minifactory.calibration.estimation.curves import BINS, Observed
from minifactory.calibration.estimation.data import from_run
from minifactory.calibration.estimation.experiment import Experiment
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.problem import DIFFERENCE
from minifactory.calibration.estimation.sections import first_positions
from minifactory.calibration.estimation.space import Space
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Plant
from minifactory.records.run import Run

Array = NDArray[np.float64]

MODEL_ERROR = 0.02
"""Error of a predicted curve, relative to its range, that is expected of a run."""
COUNT_AS_ONE = 8.0
"""Neighbouring points of a curve that are expected to count as one."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A run that could be made: its name and information matrix (p, p) in the coordinates of the space."""

    name: str
    information: Array


@dataclass(frozen=True)
class Choice:
    """A chosen run.

    Parameters
    ----------
    name : str
    gain : float
        Of ln det of the information (D).
    before, after : float
        Root mean square deviation of the decision's figures without and with it (I); NaN without a decision.
    """

    name: str
    gain: float
    before: float
    after: float


def present_information(fit: Fit) -> Array:
    """The information (p, p) that the data so far and the priors of `fit` give."""
    return np.asarray(fit.jacobian.T @ fit.jacobian)


def planned(
    name: str,
    run: Run,
    plant: Plant,
    skid: str,
    space: Space,
    values: Mapping[str, float],
    signals: Sequence[str] = ("UV1.Signal", "Cond.Signal"),
    error: float = MODEL_ERROR,
) -> Planned:
    """The information that the predicted `run` would give when it were made.

    Parameters
    ----------
    run : Run
        Of :func:`minifactory.twin.simulate.simulate` for a recipe with other values.
    space : Space
        The parameters in question; `values` (SI) are their present best ones.
    error : float
        Expected error of a curve, relative to its range.

    Raises
    ------
    InputError
        The run has none of `signals`.
    """
    base = FactoryModel(plant, skid, (), {})
    data = from_run(run, name)
    course = course_of(data, base.ways, first_positions(plant, skid))
    curves = []
    for tag in signals:
        trend = run.trends.get(tag)
        if trend is None or not float(np.ptp(trend.values)) > 0.0:
            continue
        time = np.linspace(float(trend.time[0]), float(trend.time[-1]), BINS)
        shown = trend.at(time)
        noise = np.full(BINS, error * float(np.ptp(shown)) * np.sqrt(COUNT_AS_ONE))
        curves.append(
            Observed(
                f"{name} {tag}", tag, trend.kind, time, shown, noise, np.zeros((BINS, 0)), time, np.ones(BINS)
            )
        )
    if not curves:
        raise InputError(Finding(name, "none of " + ", ".join(signals), "a predicted run with detectors"))
    experiment = Experiment(name, course, tuple(curves), {})
    model = FactoryModel(plant, skid, (experiment,), {})
    jacobian = _scaled(model.sensitivities, space, values)
    weights = 1.0 / np.concatenate([curve.noise for curve in curves])
    weighted = jacobian * weights[:, None]
    return Planned(name, weighted.T @ weighted)


def decision_slopes(
    figures: Callable[[Mapping[str, float]], Array], space: Space, values: Mapping[str, float]
) -> Array:
    """Derivatives (k, p) of the decision's `figures` (k,) by the coordinates, relative to each figure."""
    centre = space.coordinates(values)
    base = np.asarray(figures(values), dtype=np.float64)
    size = np.where(base != 0.0, np.abs(base), 1.0)
    columns = []
    for at in range(centre.size):
        step = np.zeros(centre.size)
        step[at] = 1e-2
        sides = [np.asarray(figures(space.values(centre + sign * step))) for sign in (1.0, -1.0)]
        columns.append((sides[0] - sides[1]) / (2e-2 * size))
    return np.stack(columns, axis=1)


def choose(
    present: Array, candidates: Sequence[Planned], slopes: Array | None = None, count: int = 1
) -> tuple[Choice, ...]:
    """The `count` best of `candidates` in order, by the decision (`slopes` (k, p)), else by all parameters.

    Raises
    ------
    InputError
        No candidates.
    """
    if not candidates:
        raise InputError(Finding("design of experiments", "no candidate runs", "at least one"))
    left, known = list(candidates), present + 1e-9 * np.eye(len(present))
    chosen: list[Choice] = []
    for _ in range(min(count, len(left))):
        scored = [_score(known, item, slopes) for item in left]
        key = [-s.gain if slopes is None else s.after for s in scored]
        best = int(np.argmin(key))
        chosen.append(scored[best])
        known = known + left.pop(best).information
    return tuple(chosen)


def _score(known: Array, item: Planned, slopes: Array | None) -> Choice:
    grown = known + item.information
    gain = float(np.linalg.slogdet(grown)[1] - np.linalg.slogdet(known)[1])
    if slopes is None:
        return Choice(item.name, gain, float("nan"), float("nan"))
    return Choice(item.name, gain, _deviation(known, slopes), _deviation(grown, slopes))


def _deviation(information: Array, slopes: Array) -> float:
    """Root mean square deviation of the decision's figures."""
    variances = np.einsum("ij,jk,ik->i", slopes, np.linalg.inv(information), slopes)
    return float(np.sqrt(np.mean(variances)))


def _scaled(
    sensitivities: Callable[[Mapping[str, float], Mapping[str, float]], tuple[Array, Array]],
    space: Space,
    values: Mapping[str, float],
) -> Array:
    centre = space.coordinates(values)
    slopes = {
        free.path: (free.back(float(c) + DIFFERENCE) - free.back(float(c) - DIFFERENCE)) / (2.0 * DIFFERENCE)
        for free, c in zip(space.free, centre, strict=True)
    }
    _, jacobian = sensitivities(values, {path: DIFFERENCE * abs(slope) for path, slope in slopes.items()})
    return np.asarray(jacobian * np.array(list(slopes.values())))
