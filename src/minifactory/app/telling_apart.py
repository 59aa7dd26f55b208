"""Which run would tell rival explanations apart: candidates of the case's recipe, predicted under each.

Candidates change the load and the length of the gradient. The evidence of a run between two rivals is

    N / 2  mean over the curve of  (y1 - y2)^2 / (2 s^2 + v1 + v2)

with the error s of a measured curve, v what each rival's own draws differ by, and N the points that count (G.
E. P. Box, W. J. Hill, Technometrics 9 (1967) 57).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.app.case import Case
from minifactory.calibration.estimation.curves import BINS
from minifactory.calibration.estimation.experiments import COUNT_AS_ONE, MODEL_ERROR
from minifactory.calibration.estimation.gradients import FITTED
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.rivals import Comparison, Weighed
from minifactory.errors import Finding, MiniFactoryError
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.references import references, with_values
from minifactory.twin.simulate import simulate
from minifactory.units import COLUMN_VOLUMES, VOLUME, show

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]

SHARES = (0.25, 0.5)
"""Loads that are tried, relative to the recipe's."""
LENGTHS = (1.0 / 3.0, 3.0)
"""Gradients that are tried, relative to the recipe's."""
DRAWS = 2
"""Draws of each rival beside its best values."""
SIGNALS = ("UV1.Signal", "Cond.Signal")
SURE = 5.0
"""Expected evidence (half a difference of the criterion) from which a run decides."""


@dataclass(frozen=True)
class Telling:
    """A run that could be made, and the evidence (half a criterion) expected between the rivals."""

    name: str
    evidence: float


def telling_runs(
    case: Case,
    comparison: Comparison,
    progress: Progress | None = None,
    *,
    shares: Sequence[float] = SHARES,
    lengths: Sequence[float] = LENGTHS,
    draws: int = DRAWS,
) -> tuple[Telling, ...]:
    """Candidate runs by what they tell between the preferred rival and the best one of another kind.

    Parameters
    ----------
    shares, lengths : sequence of float
        Loads and gradients that are tried, relative to the recipe's.
    draws : int
        Draws of each rival beside its best values.
    """
    say = progress or (lambda _what, _part: None)
    if len(comparison.rivals) < 2:
        return ()
    pair = _pair(comparison)
    candidates = _candidates(case, shares, lengths)
    found = []
    for number, (name, values) in enumerate(candidates.items()):
        say("comparing experiments", number / len(candidates))
        evidence = _evidence(case, pair, values, draws)
        if evidence is not None:
            found.append(Telling(name, evidence))
    return tuple(sorted(found, key=lambda item: -item.evidence))


def finding_of(comparison: Comparison, runs: Sequence[Telling]) -> Finding | None:
    """The best of `runs` in words."""
    if not runs:
        return None
    best, pair = runs[0], _pair(comparison)
    names = " and ".join(f'"{item.rival.name}"' for item in pair)
    sure = "decides" if best.evidence > SURE else "helps" if best.evidence > 1.0 else "hardly helps"
    others = ", ".join(f"{item.name}: {item.evidence:.1f}" for item in runs[1:])
    return Finding(
        "rivals",
        f"{names} are told apart best by {best.name}: expected evidence {best.evidence:.1f}, which {sure}"
        + (f" ({others})" if others else ""),
        severity="warning",
    )


def _pair(comparison: Comparison) -> tuple[Weighed, Weighed]:
    """The preferred rival and the best one of another kind: that holds other values, if there is one."""
    best, *others = comparison.rivals
    return best, next((item for item in others if item.rival.hold != best.rival.hold), others[0])


def _candidates(case: Case, shares: Sequence[float], lengths: Sequence[float]) -> dict[str, dict[str, str]]:
    """Changes of the recipe by what they are called: the run as it is, other loads, other gradients."""
    known = references(case.recipe)
    kinds = {phase.path: phase.kind.value for phase in case.bound.phases}
    found: dict[str, dict[str, str]] = {"the same run again": {}}
    loads = [path for path in known if kinds.get(path.removesuffix(".until")) == "load"]
    gradients = [path for path in known if path.endswith(".gradient.over")]
    for path in loads[:1]:
        kind, value = known[path].kind, known[path].value
        if kind in (VOLUME, COLUMN_VOLUMES):
            for share in shares:
                found[f"a load of {show(share * value, kind)}"] = {path: show(share * value, kind, 9)}
    for path in gradients[:1]:
        kind, value = known[path].kind, known[path].value
        for length in lengths:
            found[f"a gradient over {show(length * value, kind)}"] = {path: show(length * value, kind, 9)}
    return found


def _evidence(case: Case, pair: Sequence[Weighed], values: dict[str, str], draws: int) -> float | None:
    """The expected evidence of one run; None when it cannot be made."""
    curves = []
    for item in pair:
        try:
            bound = bind(with_values(case.recipe, values), item.split.plant, case.bound.skid)
            curves.append([_curves(item, bound, draw) for draw in range(1 + draws)])
        except MiniFactoryError:
            return (
                None  # a run that the case does not allow (a gradient longer than the bottle) is no candidate
            )
    total = 0.0
    for at in range(len(SIGNALS)):
        one, other = ([draw[at] for draw in rival] for rival in curves)
        size = max(float(np.ptp(one[0])), 1e-12)
        spread = _spread(one) + _spread(other)
        apart = (one[0] - other[0]) ** 2 / (2.0 * (MODEL_ERROR * size) ** 2 + spread)
        total += 0.5 * BINS / COUNT_AS_ONE * float(np.mean(apart))
    return total


def _spread(draws: Sequence[Array]) -> Array:
    """Variance of draws around the first, point by point; zero of a single one."""
    away = [(draw - draws[0]) ** 2 for draw in draws[1:]]
    return np.asarray(np.mean(away, axis=0) if away else np.zeros_like(draws[0]))


def _curves(item: Weighed, bound: BoundRecipe, draw: int) -> list[Array]:
    """UV and conductivity at evenly spaced times from load to elution, with the values of one draw."""
    parameters = with_parameters(item.split.plant, item.values(draw))
    run = simulate(replace(item.split.plant, parameters=parameters), bound, tolerance=1e-3, elements=4)
    seen = [phase for phase in run.phases if phase.kind in FITTED]
    ends = (min(p.start for p in seen), max(p.end for p in seen)) if seen else (0.0, run.phases[-1].end)
    times = np.linspace(*ends, BINS)
    return [np.asarray(run.trends[name].at(times)) for name in SIGNALS if name in run.trends]
