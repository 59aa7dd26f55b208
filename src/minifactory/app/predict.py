"""What is expected of a case: the nominal prediction, its interval, and what other values would give."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from minifactory.app.case import Case
from minifactory.app.children import end_with_parent, without_interrupts
from minifactory.calibration.estimation.rival_files import Explanation, chosen
from minifactory.calibration.estimation.variants import merged
from minifactory.campaign.appraisal import appraise
from minifactory.errors import SolverError
from minifactory.recipe.bind import bind
from minifactory.recipe.references import references, with_values
from minifactory.records.performance import Performance
from minifactory.records.prediction import Prediction, bands
from minifactory.records.run import Run
from minifactory.twin.flowsheet import ELEMENTS
from minifactory.twin.simulate import simulate
from minifactory.units import Kind, show

BANDED = ("UV1.Signal", "Cond.Signal")
"""Trends that get a prediction band."""
KEPT = (*BANDED, "System.Flow", "Pressure.System", "Pressure.Delta")
"""Trends of a sampled run that performance and bands need."""
ACCURACY = 1e-3
"""Error of a prediction that is asked for, relative to the range of each curve."""
FINEST = 96
"""Elements per bed beyond which the mesh is not refined."""
FEW = 4
"""Draws that are not worth another process."""
SAMPLE_TOLERANCE = 1e-3
"""Relative local error of the sampled predictions; the nominal one is computed ten times as accurately."""
SEED = 20161026
"""Of the draws of the prediction; the virtual skid's truth has its own."""

Progress = Callable[[str, float], None]


def predict(
    case: Case,
    samples: int,
    progress: Progress | None = None,
    explanations: tuple[Explanation, ...] = (),
) -> Prediction:
    """The prediction of `case` with the interval of `samples` draws from the stated uncertainties.

    With `explanations`, each draw is of one of these rivals, as often as it is worth: the interval holds the
    uncertainty of the choice between them. The nominal prediction stays that of the case.

    Draws are simulated on all processors; each has its own seed, so that the result depends on neither their
    number nor their order.

    Raises
    ------
    SolverError
        When the nominal prediction fails; a draw that fails is left out.
    """
    say = progress or (lambda _what, _fraction: None)
    run, elements = converged(case, lambda part: say("predicting", 0.2 * part))
    nominal = appraise(run, case.plant, case.targets)
    drawn: list[Run] = []
    for number, sample in enumerate(_samples(case, samples, elements, explanations)):
        say("predicting the interval", 0.2 + 0.8 * (number + 1) / samples)
        if sample is not None:
            drawn.append(sample)
    return Prediction(
        run=replace(run, provenance={**run.provenance, "samples": str(len(drawn)), "seed": str(SEED)}),
        performance=nominal,
        samples=tuple(appraise(sample, case.plant, case.targets) for sample in drawn),
        bands=bands(run, drawn, BANDED),
    )


def converged(case: Case, progress: Callable[[float], None] | None = None) -> tuple[Run, int]:
    """The nominal prediction on a mesh that a mesh twice as fine confirms, and its elements per bed.

    ``provenance["mesh error"]`` is the largest difference of the UV and conductivity curves between both,
    relative to their range; the mesh is refined until it is at most :data:`ACCURACY`, or as fine as it gets.
    """
    elements = ELEMENTS
    run = simulate(case.plant, case.bound, elements=elements, progress=progress)
    while True:
        finer = simulate(case.plant, case.bound, elements=2 * elements)
        error = _difference(run, finer)
        if error <= ACCURACY or 2 * elements >= FINEST:
            facts = {
                "mesh": f"{elements} elements per bed",
                "mesh error": f"{error:.1e} of the curves' range",
            }
            return replace(run, provenance={**run.provenance, **facts}), elements
        run, elements = finer, 2 * elements


def _difference(run: Run, finer: Run) -> float:
    worst = 0.0
    for name in BANDED:
        if name in run.trends and name in finer.trends:
            trend = run.trends[name]
            span = float(np.ptp(trend.values))
            if span > 0.0:
                gap = np.abs(finer.trends[name].at(trend.time) - trend.values)
                worst = max(worst, float(gap.max()) / span)
    return worst


def _samples(
    case: Case, samples: int, elements: int, explanations: tuple[Explanation, ...]
) -> Iterator[Run | None]:
    """The sampled runs in the order of their numbers; None for one that could not be simulated."""
    workers = min(os.cpu_count() or 1, samples // FEW)
    if workers < 2:
        yield from (_draw(case, elements, explanations, number) for number in range(samples))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _adopt, (case, elements, explanations)) as pool:
        with without_interrupts():  # the workers are started by the first of these
            drawn = pool.map(_drawn, range(samples))
        yield from drawn


_adopted: list[tuple[Case, int, tuple[Explanation, ...]]] = []


def _adopt(case: Case, elements: int, explanations: tuple[Explanation, ...]) -> None:
    """In a worker: keep the case for all its draws, and end with the process that asked for them."""
    end_with_parent()
    _adopted[:] = [(case, elements, explanations)]


def _drawn(number: int) -> Run | None:
    return _draw(*_adopted[0], number)


def _draw(case: Case, elements: int, explanations: tuple[Explanation, ...], number: int) -> Run | None:
    """The run with the draw of this number, reduced to what intervals need."""
    random = np.random.default_rng([SEED, number])
    plant = case.plant
    members: Mapping[str, tuple[str, ...]] = {}
    if explanations:
        rival = chosen(explanations, random)
        plant, members = rival.split.plant, rival.split.members
        parameters = rival.parameters(number, random)
    else:
        parameters = plant.parameters.draw(random)
    try:
        run = simulate(
            plant,
            case.bound,
            parameters,
            tolerance=SAMPLE_TOLERANCE,
            elements=elements,
            identifier=f"sample {number}",
        )
    except SolverError:
        return None
    run = merged(run, members)
    return replace(run, trends={name: run.trends[name] for name in KEPT if name in run.trends})


def present_values(case: Case) -> dict[str, float]:
    """Present value (SI) of every adjustable reference of the targets."""
    known = references(case.recipe)
    return {item.reference: known[item.reference].value for item in case.targets.adjustables}


def what_if(case: Case) -> Callable[[Mapping[str, float]], Performance]:
    """A function that gives the performance with other values (SI) at some references of the recipe."""
    known = references(case.recipe)

    def performance(values: Mapping[str, float]) -> Performance:
        texts = {path: _text(value, known[path].kind) for path, value in values.items()}
        changed = bind(with_values(case.recipe, texts), case.plant, case.bound.skid)
        run = simulate(case.plant, changed, tolerance=SAMPLE_TOLERANCE, identifier="what if")
        return appraise(run, case.plant, case.targets)

    return performance


def _text(value: float, kind: Kind) -> str:
    return show(value, kind, digits=9)
