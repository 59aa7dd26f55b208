"""The study `sequence`: from separate batch steps to one recipe that runs through, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product as every

from minifactory.app.designing import Desk, keep
from minifactory.design.candidates import Evaluation
from minifactory.design.optimisation import optimise
from minifactory.design.pages.page import Page
from minifactory.design.pages.sequence import sequence_page
from minifactory.design.robustness import robustness
from minifactory.design.search import Limit, Objective, Space
from minifactory.design.sequence.choosing import (
    Candidate,
    compatibilities,
    described,
    no_loss,
    resized,
    timeline,
    variables_of,
)
from minifactory.design.sequence.steps import read_steps
from minifactory.design.sequence.trains import Train, possible_trains
from minifactory.design.whole_case import WholeCase
from minifactory.errors import Finding, InputError, TargetError
from minifactory.records.performance import product_of
from minifactory.twin.simulate import simulate

FIGURE = "output"
"""What a sequence is chosen by where the study names no objective: product per time."""


def sequence(desk: Desk) -> Page:
    """The best train of the batch steps, its numbers chosen together, beside the batch process.

    Raises
    ------
    InputError
        The case is not made of batch steps, or its valves allow no other sequence.
    TargetError
        No sequence runs.
    """
    study, batch = desk.study, desk.description
    steps = read_steps(batch.recipe, batch.plant, batch.pool)
    objective = study.objectives[0] if study.objectives else Objective(FIGURE, True)
    desk.study = replace(study, objectives=(objective,))
    problem = desk.problem()
    (before,) = problem.evaluate([{}])
    limits = _limits(study.limits, before)
    trains = list(possible_trains(batch.plant, batch.plant.skids[batch.skid], steps))
    tried = [
        _tried(desk, problem, train, hardware, at / len(trains))
        for at, train in enumerate(trains)
        for hardware in _hardware(study.sequencing.columns)
    ]
    chosen = _best(tried, objective, limits)
    searched = replace(problem, description=chosen.description, batch=2)
    variables = variables_of(chosen.description, chosen.train)
    start = {one.reference: chosen.description.quantity(one.reference).value for one in variables}
    optimum = optimise(
        searched,
        Space(variables),
        [objective],
        limits,
        desk.ledger,
        study.effort,
        start=start,
        progress=desk.progress,
    )
    keep(desk.folder, optimum.candidates, optimum.evaluations)
    robust = None
    if study.factors and study.limits and study.samples:
        robust = robustness(
            replace(problem, description=chosen.description),
            study.factors,
            study.limits,
            desk.ledger,
            study.samples,
            seed=study.seed,
            fixed=optimum.values,
            progress=desk.progress,
        )
    recommended = chosen.description.with_values(optimum.values, remark=f"chosen by study {study.name}")
    desk.recommended = recommended
    courses = [
        timeline(simulate(one.plant, one.bound, tolerance=problem.tolerance, elements=problem.elements))
        for one in (batch, recommended)
    ]
    return sequence_page(
        desk.title,
        steps,
        compatibilities(batch, steps, trains, batch.product or product_of(batch.plant.species)),
        tried,
        chosen,
        optimum,
        variables,
        chosen.description.quantities,
        objective,
        limits,
        before,
        robust,
        (courses[0], courses[1]),
        desk.provenance(),
    )


def _limits(stated: Sequence[Limit], batch: Evaluation) -> tuple[Limit, ...]:
    """The study's limits, and no loss against the batch steps where that asks for more."""
    kept = [
        one
        for one in no_loss(batch)
        if not any(
            other.figure == one.figure and other.at_least and other.limit >= one.limit for other in stated
        )
    ]
    return (*stated, *kept)


def _hardware(choices: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the columns that may be chosen; one empty where none may."""
    return [dict(zip(choices, one, strict=True)) for one in every(*choices.values())]


def _tried(
    desk: Desk, problem: WholeCase, train: Train, hardware: Mapping[str, str], part: float
) -> Candidate:
    desk.progress(f"trying {train.text}", part)
    description = desk.description
    try:
        description = resized(described(desk.description, train), train, hardware)
        faults = description.faults()
    except InputError as fault:
        faults = fault.findings
    if faults:
        return Candidate(train, description, Evaluation({}, str(faults[0])), hardware)
    (found,) = replace(problem, description=description).evaluate([{}])
    return Candidate(train, description, found, hardware)


def _best(tried: Sequence[Candidate], objective: Objective, limits: Sequence[Limit]) -> Candidate:
    """That of the best figure among those that meet all limits, else the one that misses them least."""
    running = [one for one in tried if not one.evaluation.fault]
    if not running:
        raise TargetError([Finding(one.train.text, one.evaluation.fault) for one in tried])
    sign = 1.0 if objective.maximise else -1.0

    def rank(one: Candidate) -> tuple[float, float]:
        violation = sum(max(limit.violation(one.evaluation), 0.0) for limit in limits)
        return -violation, sign * one.evaluation[objective.figure]

    return max(running, key=rank)
