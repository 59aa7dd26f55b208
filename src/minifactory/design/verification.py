"""Whether batches that were executed meet their limits as often as was stated.

The stated probability is the share of simulated samples, the other one that of batches whose truths are
other draws of the same kind; both have Clopper and Pearson's interval. They agree unless shares that far
apart would come by chance with a probability below one minus :data:`~minifactory.design.robustness.LEVEL`
(Fisher's exact test, two-sided; J. R. Stat. Soc. 98 (1935) 39). What execution itself adds shows batch by
batch: the same truths are simulated, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from minifactory.design.candidates import Evaluation, FloatArray, column_of
from minifactory.design.robustness import LEVEL, Probability, Robustness
from minifactory.design.search import Limit
from minifactory.errors import Finding, TargetError

DRIVERS = 3
"""Factors that are named for a batch that missed."""


@dataclass(frozen=True)
class Agreement:
    """A stated probability, and the share of batches."""

    stated: Probability
    batches: Probability

    @property
    def chance(self) -> float:
        """The probability (0 to 1) of shares at least that far apart if there is one probability only."""
        table = [[one.met, one.samples - one.met] for one in (self.stated, self.batches)]
        return float(fisher_exact(table).pvalue)

    @property
    def agree(self) -> bool:
        """Whether the shares may be those of one probability."""
        return self.chance >= 1.0 - LEVEL

    def __str__(self) -> str:
        if self.agree:
            return f"they agree (p = {self.chance:.2g})"
        often = "less" if self.batches.value < self.stated.value else "more"
        return f"they do not agree: batches meet it {often} often (p = {self.chance:.2g})"


@dataclass(frozen=True)
class Missed:
    """A batch that missed.

    Parameters
    ----------
    number : int
        Counted from 1.
    missed : tuple of (Limit, float)
        Limits that it missed, with its value (SI).
    fault : str
        Why it did not end as it should; empty when it did.
    foreseen : bool
        Whether the simulation of the same truth misses as well.
    drivers : tuple of (str, float)
        The factors that account for most of it, with their distance from the stated value in standard
        deviations; of a batch with a fault, those that are farthest.
    """

    number: int
    missed: tuple[tuple[Limit, float], ...]
    fault: str
    foreseen: bool
    drivers: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Gap:
    """How far batches are from simulations, of one figure (SI).

    Parameters
    ----------
    figure : str
    mean, deviation : tuple of float
        Over the simulated samples, and over the batches.
    bias, largest : float
        Of the differences between a batch and the simulation of its truth: mean (batch less simulation), and
        largest without sign.
    """

    figure: str
    mean: tuple[float, float]
    deviation: tuple[float, float]
    bias: float
    largest: float


@dataclass(frozen=True)
class Verification:
    """What came of the batches.

    Parameters
    ----------
    limits : tuple of Limit
        Those that a run can be judged by.
    unmeasured : tuple of Limit
        Those whose figure no run tells.
    each : tuple of Agreement
        In the order of `limits`.
    together : Agreement
        Of meeting all of them.
    simulated : Probability
        Share of the batches' truths whose simulation meets all.
    simulated_each : tuple of Probability
        The same for each limit.
    missed : tuple of Missed
    gaps : tuple of Gap
        One per figure that a limit is about.
    predicted, batches : tuple of Evaluation
    """

    limits: tuple[Limit, ...]
    unmeasured: tuple[Limit, ...]
    each: tuple[Agreement, ...]
    together: Agreement
    simulated: Probability
    simulated_each: tuple[Probability, ...]
    missed: tuple[Missed, ...]
    gaps: tuple[Gap, ...]
    predicted: tuple[Evaluation, ...] = field(repr=False)
    batches: tuple[Evaluation, ...] = field(repr=False)

    @property
    def short(self) -> tuple[tuple[Limit, Probability], ...]:
        """Limits that batches surely meet less often than with the confidence that was asked for."""
        return tuple(
            (item, one.batches)
            for item, one in zip(self.limits, self.each, strict=True)
            if one.batches.interval[1] < item.confidence
        )


def verification(
    predicted: Robustness,
    batches: Sequence[Evaluation],
    simulated: Sequence[Evaluation],
    normal: FloatArray,
) -> Verification:
    """The stated probabilities beside the shares of batches.

    Parameters
    ----------
    predicted : Robustness
        With its limits and factors.
    batches, simulated : sequence of Evaluation
        What was executed, and the simulations of the same truths.
    normal : ndarray (batches, factors)
        Standard normal deviates of the truths.

    Raises
    ------
    TargetError
        No run tells any of the figures that limits are about.
    """
    ended = [one for one in batches if not one.fault]
    told = [not ended or any(math.isfinite(one[item.figure]) for one in ended) for item in predicted.limits]
    limits = tuple(item for item, known in zip(predicted.limits, told, strict=True) if known)
    unmeasured = tuple(item for item, known in zip(predicted.limits, told, strict=True) if not known)
    if not limits:
        figures = ", ".join(item.title for item in unmeasured)
        raise TargetError(Finding("verify", f"no run tells {figures}", "a limit on what a run can show"))
    stated, met, same = (_met(limits, one) for one in (predicted.evaluations, batches, simulated))
    return Verification(
        limits=limits,
        unmeasured=unmeasured,
        each=tuple(Agreement(_share(one), _share(two)) for one, two in zip(stated.T, met.T, strict=True)),
        together=Agreement(_share(stated), _share(met)),
        simulated=_share(same),
        simulated_each=tuple(_share(one) for one in same.T),
        missed=tuple(
            _missed(at, limits, one, not same[at].all(), predicted, normal[at])
            for at, one in enumerate(batches)
            if not met[at].all()
        ),
        gaps=tuple(
            _gap(figure, predicted.evaluations, batches, simulated)
            for figure in dict.fromkeys(item.figure for item in limits)
        ),
        predicted=predicted.evaluations,
        batches=tuple(batches),
    )


def _met(limits: Sequence[Limit], evaluations: Sequence[Evaluation]) -> NDArray[np.bool_]:
    """Whether each evaluation (row) meets each limit (column)."""
    return np.array([[item.met(one) for item in limits] for one in evaluations], dtype=bool)


def _share(met: NDArray[np.bool_]) -> Probability:
    """Of the evaluations (rows) that meet everything."""
    every = met.all(axis=1) if met.ndim > 1 else met
    return Probability(int(np.sum(every)), len(met))


def _missed(
    at: int,
    limits: Sequence[Limit],
    found: Evaluation,
    foreseen: bool,
    predicted: Robustness,
    normal: FloatArray,
) -> Missed:
    wrong = () if found.fault else tuple((one, found[one.figure]) for one in limits if not one.met(found))
    share = -np.abs(normal)
    if wrong:
        share = slopes(predicted, wrong[0][0]) * normal
    order = [int(place) for place in np.argsort(share)[:DRIVERS] if share[place] < 0.0]
    drivers = tuple((predicted.factors[place].reference, float(normal[place])) for place in order)
    return Missed(at + 1, wrong, found.fault, bool(foreseen), drivers)


def slopes(predicted: Robustness, limit: Limit) -> FloatArray:
    """How the margin of `limit` changes per deviate of each factor (factors,), by least squares."""
    margins = np.array([limit.margin(one[limit.figure]) for one in predicted.evaluations])
    known = np.isfinite(margins)
    table = np.column_stack([np.ones(int(known.sum())), predicted.normal[known]])
    return np.asarray(np.linalg.lstsq(table, margins[known], rcond=None)[0][1:])


def _gap(
    figure: str,
    predicted: Sequence[Evaluation],
    batches: Sequence[Evaluation],
    simulated: Sequence[Evaluation],
) -> Gap:
    samples, executed, same = (column_of(one, figure) for one in (predicted, batches, simulated))
    apart = _finite(executed - same)
    first, second = _finite(samples), _finite(executed)
    return Gap(
        figure,
        (_mean(first), _mean(second)),
        (_deviation(first), _deviation(second)),
        _mean(apart),
        float(np.abs(apart).max()) if apart.size else math.nan,
    )


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else math.nan


def _deviation(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
