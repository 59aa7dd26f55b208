"""How surely a design meets its limits when parameters, feed, equipment and operation vary.

Probabilities are shares of Monte Carlo samples with Clopper and Pearson's interval (Biometrika 26 (1934)
404).
Sobol indices (share of a figure's variance that a factor explains alone, and with all its interactions) are
Saltelli's estimates (SALib). What tightening a factor would bring follows from the same samples, weighted as
if the factor's spread were halved. The worst case is the most probable way to fail: the failing sample that
is nearest to the stated values, distance in standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import sobol as sobol_sample
from scipy.stats import beta, norm

from minifactory.design.candidates import Evaluation, FloatArray, Problem, column_of
from minifactory.design.ledger import Ledger
from minifactory.design.search import Limit
from minifactory.design.uncertainty import Factor, candidates_at, deviates
from minifactory.errors import Finding, InputError, TargetError

LEVEL = 0.95
"""Of every interval."""
HALVED = 0.5
"""Part of its spread that a tightened factor keeps."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Probability:
    """A share of samples, and the interval (level :data:`LEVEL`) of the probability behind it."""

    met: int
    samples: int

    @property
    def value(self) -> float:
        """The share; nan without samples."""
        return self.met / self.samples if self.samples else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's interval."""
        tail = 0.5 * (1.0 - LEVEL)
        low = float(beta.ppf(tail, self.met, self.samples - self.met + 1)) if self.met else 0.0
        missed = self.samples - self.met
        high = float(beta.ppf(1.0 - tail, self.met + 1, missed)) if missed else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Index:
    """Sobol indices of one factor on one figure, with half widths of their intervals."""

    reference: str
    first: float
    first_width: float
    total: float
    total_width: float


@dataclass(frozen=True)
class Tightened:
    """The probability of meeting everything if one factor's spread were halved; nan when too few samples."""

    reference: str
    probability: float
    effective: float


@dataclass(frozen=True)
class Failure:
    """A sample that misses a limit: its values (SI), its distance in standard deviations, what it misses."""

    values: Mapping[str, float]
    distance: float
    missed: tuple[str, ...]
    evaluation: Evaluation
    driven_by: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Robustness:
    """What came of the samples.

    Parameters
    ----------
    nominal : Evaluation
        With the stated values.
    limits : tuple of Limit
    each : tuple of Probability
        Of meeting each limit.
    together : Probability
        Of meeting all.
    faults : Mapping of str to int
        How many samples could not be simulated, by reason; they count as missed.
    indices : Mapping of str to tuple of Index
        By figure; empty when they were not asked for.
    tightened : tuple of Tightened
        Best first.
    failure : Failure or None
        The most probable way to fail.
    factors : tuple of Factor
    normal : ndarray (n, factors)
        Standard normal deviates of the samples.
    evaluations : tuple of Evaluation
        In the same order.
    indexed : int
        Simulations for the indices, besides the samples.
    """

    nominal: Evaluation
    limits: tuple[Limit, ...]
    each: tuple[Probability, ...]
    together: Probability
    faults: Mapping[str, int]
    indices: Mapping[str, tuple[Index, ...]]
    tightened: tuple[Tightened, ...]
    failure: Failure | None
    factors: tuple[Factor, ...]
    normal: FloatArray = field(repr=False)
    evaluations: tuple[Evaluation, ...] = field(repr=False)
    indexed: int = 0

    def interval(self, figure: str) -> tuple[float, float]:
        """Quantiles (SI) of a figure that hold :data:`LEVEL` of the samples; nan when it is not known."""
        values = column_of(self.evaluations, figure)
        values = values[np.isfinite(values)]
        if values.size < 2:
            return math.nan, math.nan
        low, high = np.quantile(values, [0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)])
        return float(low), float(high)


def robustness(
    problem: Problem,
    factors: Sequence[Factor],
    limits: Sequence[Limit],
    ledger: Ledger,
    samples: int,
    *,
    seed: int = 1,
    fixed: Mapping[str, float] | None = None,
    base: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """How surely the design at `fixed` meets `limits`.

    Parameters
    ----------
    problem : Problem
    factors : sequence of Factor
        What varies.
    limits : sequence of Limit
        What must be met.
    ledger : Ledger
    samples : int
        Monte Carlo samples.
    seed : int
    fixed : Mapping of str to float, optional
        Values (SI) that hold in every sample: the design.
    base : int
        Of the Sobol indices: a power of two; ``base * (factors + 2)`` further simulations. 0: none.
    progress : callable, optional

    Raises
    ------
    InputError
        Nothing varies, or nothing is asked for.
    TargetError
        The design itself cannot be simulated.
    """
    if not factors or not limits:
        missing = "factor that varies" if not factors else "limit to be met"
        raise InputError(
            Finding(
                "robustness",
                f"no {missing}",
                "at least one",
                "State uncertainties in parameters.yaml, or what varies under uncertain in the study."
                if not factors
                else "State targets in targets.yaml, or constraints in the study.",
            )
        )
    held = dict(fixed or {})
    say = progress or (lambda _what, _part: None)
    whole = samples + base * (len(factors) + 2)
    stated = {factor.reference: factor.value for factor in factors}
    (nominal,) = ledger.evaluate(problem, [{**held, **stated}])
    if nominal.fault:
        raise TargetError(Finding("robustness", f"the design itself cannot be run: {nominal.fault}"))
    normal = deviates(samples, len(factors), seed)
    drawn = [{**held, **values} for values in candidates_at(factors, normal)]
    found = ledger.evaluate(problem, drawn, lambda done, _n: say("sampling", done / whole))
    met = np.array([[item.met(one) for item in limits] for one in found])
    indices: dict[str, tuple[Index, ...]] = {}
    if base:
        indices = _indices(
            problem,
            factors,
            limits,
            ledger,
            base,
            seed,
            held,
            lambda part: say("indices", (samples + part) / whole),
        )
    faults: dict[str, int] = {}
    for one in found:
        if one.fault:
            faults[one.fault] = faults.get(one.fault, 0) + 1
    together = np.asarray(met.all(axis=1))
    return Robustness(
        nominal=nominal,
        limits=tuple(limits),
        each=tuple(Probability(int(column.sum()), samples) for column in met.T),
        together=Probability(int(together.sum()), samples),
        faults=faults,
        indices=indices,
        tightened=_tightened(factors, normal, together),
        failure=_failure(factors, limits, normal, drawn, found, together),
        factors=tuple(factors),
        normal=normal,
        evaluations=tuple(found),
        indexed=base * (len(factors) + 2),
    )


def _indices(
    problem: Problem,
    factors: Sequence[Factor],
    limits: Sequence[Limit],
    ledger: Ledger,
    base: int,
    seed: int,
    held: Mapping[str, float],
    progress: Callable[[float], None],
) -> dict[str, tuple[Index, ...]]:
    """Saltelli's estimates for every figure that a limit is about."""
    setting = {
        "num_vars": len(factors),
        "names": [factor.reference for factor in factors],
        "bounds": [[0.0, 1.0]] * len(factors),
    }
    uniform = sobol_sample.sample(setting, base, calc_second_order=False, scramble=True, seed=seed)
    normal = norm.ppf(np.clip(uniform, 1e-9, 1.0 - 1e-9))
    drawn = [{**held, **values} for values in candidates_at(factors, normal)]
    found = ledger.evaluate(problem, drawn, lambda done, _n: progress(done))
    indices = {}
    for figure in dict.fromkeys(item.figure for item in limits):
        values = column_of(found, figure)
        known = np.isfinite(values)
        if known.mean() < 0.95 or np.ptp(values[known]) <= 1e-12 * max(
            float(np.abs(values[known]).max()), 1e-300
        ):
            continue
        values = np.where(known, values, float(np.median(values[known])))
        result = sobol_analysis.analyze(setting, values, calc_second_order=False, seed=seed)
        indices[figure] = tuple(
            Index(
                factor.reference,
                float(result["S1"][at]),
                float(result["S1_conf"][at]),
                float(result["ST"][at]),
                float(result["ST_conf"][at]),
            )
            for at, factor in enumerate(factors)
        )
    return indices


def _tightened(
    factors: Sequence[Factor], normal: FloatArray, together: NDArray[np.bool_]
) -> tuple[Tightened, ...]:
    """What halving each spread would bring, by weighting the samples that are there."""
    found = []
    for place, factor in enumerate(factors):
        z = normal[:, place]
        weights = np.exp(-0.5 * (z / HALVED) ** 2 + 0.5 * z**2) / HALVED
        if factor.uncertainty.shape == "uniform":
            weights = (np.abs(2.0 * norm.cdf(z) - 1.0) <= HALVED).astype(float)
        total = float(weights.sum())
        effective = total**2 / float((weights**2).sum()) if total > 0.0 else 0.0
        value = float(weights @ together) / total if effective >= 20.0 else math.nan
        found.append(Tightened(factor.reference, value, effective))
    return tuple(sorted(found, key=lambda one: -one.probability if math.isfinite(one.probability) else 1.0))


def _failure(
    factors: Sequence[Factor],
    limits: Sequence[Limit],
    normal: FloatArray,
    drawn: Sequence[Mapping[str, float]],
    found: Sequence[Evaluation],
    together: NDArray[np.bool_],
) -> Failure | None:
    """The failing sample that is nearest to the stated values."""
    failing = np.flatnonzero(~together)
    if not failing.size:
        return None
    distances = np.linalg.norm(normal[failing], axis=1)
    # Far factors that do not matter would hide the near way to fail: measure along the mean way to fail.
    mean = normal[failing].mean(axis=0)
    length = float(np.linalg.norm(mean))
    if failing.size >= 5 and length > 0.0:
        distances = normal[failing] @ (mean / length)
        distances = np.where(distances > 0.0, distances, np.inf)
    at = int(failing[np.argmin(distances)])
    names = [factor.reference for factor in factors]
    order = np.argsort(-np.abs(mean))[:5]
    return Failure(
        values={name: drawn[at][name] for name in names},
        distance=float(distances.min()),
        missed=tuple(item.title for item in limits if not item.met(found[at])) or (found[at].fault,),
        evaluation=found[at],
        driven_by=tuple((names[int(place)], float(mean[place])) for place in order),
    )


def base_for(samples: int, factors: int) -> int:
    """The largest power of two whose indices cost at most half of `samples` simulations; 0 below 8."""
    most = 0.5 * samples / (factors + 2)
    return 2 ** int(math.log2(most)) if most >= 8.0 else 0
