"""What is expected of a case that runs on several skids: each skid's run, and the plant as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minifactory.app.case import Case
from minifactory.app.predict import SAMPLE_TOLERANCE, SEED, Progress
from minifactory.campaign.appraisal import appraise
from minifactory.errors import SolverError
from minifactory.plant.parameters import ParameterSet
from minifactory.records.appraisal import whole_run
from minifactory.records.performance import Performance
from minifactory.records.plant_run import PlantRun
from minifactory.records.prediction import Prediction
from minifactory.records.run import Run
from minifactory.twin.simulate import simulate_plant


@dataclass(frozen=True)
class PlantPrediction:
    """The nominal run of every skid, and the prediction of the plant as one run."""

    plant: PlantRun
    whole: Prediction


def predict_plant(case: Case, samples: int, progress: Progress | None = None) -> PlantPrediction:
    """The prediction of `case`, with the interval of `samples` draws from the stated uncertainties.

    Raises
    ------
    InputError
        No skid fills the pool that the targets are about.
    SolverError
        When the nominal prediction fails; a draw that fails is left out.
    """
    say = progress or (lambda _what, _fraction: None)
    recipes = tuple(case.bounds.values())
    nominal = simulate_plant(case.plant, recipes, progress=lambda part: say("predicting", 0.3 * part))
    run = as_one(case, nominal)
    drawn: list[Performance] = []
    for number in range(samples):
        say("predicting the interval", 0.3 + 0.7 * (number + 1) / samples)
        parameters = case.plant.parameters.draw(np.random.default_rng([SEED, number]))
        found = _drawn(case, parameters)
        if found is not None:
            drawn.append(appraise(found, case.plant, case.targets))
    facts = {**run.provenance, "samples": str(len(drawn)), "seed": str(SEED)}
    performance = appraise(run, case.plant, case.targets)
    return PlantPrediction(nominal, Prediction(replace(run, provenance=facts), performance, tuple(drawn)))


def as_one(case: Case, plant: PlantRun) -> Run:
    """All skids as one run, collected by the skid that fills the pool of the targets.

    Raises
    ------
    InputError
        No pool is named and no vessel with the purpose pool ends the chain, or no skid fills it.
    """
    return whole_run(plant, case.plant, case.targets.pool)


def _drawn(case: Case, parameters: ParameterSet) -> Run | None:
    try:
        found = simulate_plant(
            case.plant, tuple(case.bounds.values()), parameters, tolerance=SAMPLE_TOLERANCE
        )
    except SolverError:
        return None
    return as_one(case, found)
