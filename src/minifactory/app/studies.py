"""One function per kind of study: from a desk to a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.app.designing import ROUNDS, Desk, keep, open_study
from minifactory.app.recommended import scaled_files
from minifactory.app.sequencing import sequence
from minifactory.app.verifying import verified
from minifactory.design.candidates import Evaluation, FloatArray, column_of
from minifactory.design.collecting import Outlet, outlet_of, with_cuts
from minifactory.design.description import Description
from minifactory.design.information import experiments, possible
from minifactory.design.optimisation import Effort, Optimum, knee, optimise
from minifactory.design.pages import further, reports
from minifactory.design.pages.page import Page
from minifactory.design.pooling import Wanted, best_cuts
from minifactory.design.reading import without_varied
from minifactory.design.robustness import Robustness, base_for, robustness
from minifactory.design.scaling import scaled
from minifactory.design.scheduling import schedule
from minifactory.design.search import Space
from minifactory.design.space import design_space
from minifactory.design.study import Collected
from minifactory.design.uncertainty import Factor, candidates_at
from minifactory.design.whole_case import WholeCase
from minifactory.errors import Finding, InputError
from minifactory.records.appraisal import appraise_in
from minifactory.records.performance import product_of
from minifactory.twin.simulate import simulate


def pool(desk: Desk) -> Page:
    """The best cuts of the elution, written into the recipe, and how surely they hold.

    Where a limit asks for confidence, the cuts keep a reserve that grows until the samples give it.
    """
    study, description = desk.study, desk.description
    problem = desk.problem()
    outlet = outlet_of(description, tolerance=0.1 * problem.tolerance, elements=problem.elements)
    product = description.product or product_of(description.plant.species)
    asked = study.collected or (_from_limits(desk, product),)
    curves = outlet.elution()
    (before,) = problem.evaluate([{}])
    reserves = np.zeros(len(study.limits))
    robust = None
    for turn in range(ROUNDS):
        fractions = best_cuts(curves, [_wanted(desk, outlet, one, product, reserves) for one in asked])
        own = [one for one in fractions if one.component == product]
        if len(own) != 1:
            break
        desk.recommended = with_cuts(description, outlet, own[0])
        if not (study.factors and study.limits and study.samples):
            break
        robust = _robust(desk, replace(problem, description=desk.recommended), {})
        wanting = _needed(robust)
        if turn == ROUNDS - 1 or _confident(robust) or np.all(wanting <= reserves + 1e-12):
            break
        reserves = np.maximum(reserves, wanting)
    return reports.pool_page(desk.title, curves, fractions, before, robust, desk.provenance(problem))


def _from_limits(desk: Desk, product: str) -> Collected:
    """The product, with the purity, yield and concentration that the limits ask for."""
    least = {one.figure: one.limit for one in desk.study.limits if one.at_least}
    return Collected(
        product,
        purity=least.get("purity", 0.0),
        recovery=least.get("yield", 0.0),
        concentration=least.get("pool_concentration", 0.0),
    )


_COLLECTED = {"purity": "purity", "yield": "recovery", "pool_concentration": "concentration"}
"""Figures of performance -> fields of what is wanted."""


def _wanted(desk: Desk, outlet: Outlet, one: Collected, product: str, reserves: FloatArray) -> Wanted:
    """What is wanted of a component; of the product with the reserves (relative) of the limits."""
    species = desk.description.plant.species[one.component]
    wanted = Wanted(
        one.component,
        outlet.run.loaded.get(one.component, 0.0) * species.molar_mass,
        one.purity,
        one.recovery,
        one.concentration,
        one.weight,
        one.fractions,
    )
    if one.component != product:
        return wanted
    for limit, reserve in zip(desk.study.limits, reserves, strict=True):
        spare = limit.limit * (1.0 + (reserve if limit.at_least else -reserve))
        if limit.figure == "pool_volume" and not limit.at_least:
            wanted = replace(wanted, volume=min(wanted.volume, spare))
        elif limit.at_least and limit.figure in _COLLECTED:
            name = _COLLECTED[limit.figure]
            wanted = replace(wanted, **{name: max(getattr(wanted, name), spare)})
    return wanted


def robust(desk: Desk) -> Page:
    """How surely the case meets its limits as it is."""
    problem = desk.problem()
    base = desk.study.indices
    if base is None:
        base = base_for(desk.study.samples, len(desk.study.factors))
    found = _robust(desk, problem, {}, base)
    keep(desk.folder, candidates_at(found.factors, found.normal), found.evaluations)
    needed = [one.confidence for one in found.limits]
    return reports.robust_page(desk.title, found, needed, desk.provenance(problem))


def _robust(
    desk: Desk, problem: WholeCase, fixed: Mapping[str, float], base: int = 0, samples: int | None = None
) -> Robustness:
    study = desk.study
    return robustness(
        problem,
        study.factors,
        study.limits,
        desk.ledger,
        study.samples if samples is None else samples,
        seed=study.seed,
        fixed=fixed,
        base=base,
        progress=desk.progress,
    )


def optimum(desk: Desk) -> Page:
    """The best candidate or compromise, with reserves where limits ask for confidence."""
    study = desk.study
    problem = desk.problem()
    searched = replace(problem, batch=2)
    space = Space(study.variables)
    start = {one.reference: desk.description.quantity(one.reference).value for one in study.variables}
    (present,) = problem.evaluate([{}])
    reserves = np.zeros(len(study.limits))
    effort, found, robust = study.effort, None, None
    tried: list[Optimum] = []
    for turn in range(ROUNDS):
        found = optimise(
            searched,
            space,
            study.objectives,
            study.limits,
            desk.ledger,
            effort,
            start=start if found is None else found.values,
            reserves=reserves,
            progress=desk.progress,
        )
        tried.append(found)
        if not study.factors or not study.limits or not study.samples:
            break
        found = _compromise(found, desk)
        last = turn == ROUNDS - 1
        robust = _robust(desk, problem, found.values, samples=study.samples)
        wanting = _needed(robust)
        if last or np.all(wanting <= reserves + 1e-12) or _confident(robust):
            break
        reserves = np.maximum(reserves, wanting)
        effort = Effort(
            study.effort.population, study.effort.population, study.effort.polish, study.effort.seed
        )
    assert found is not None
    found = _compromise(found, desk)
    whole = replace(
        found,
        candidates=tuple(one for each in tried for one in each.candidates),
        evaluations=tuple(one for each in tried for one in each.evaluations),
    )
    keep(desk.folder, whole.candidates, whole.evaluations)
    desk.recommended = desk.description.with_values(whole.values, remark=f"chosen by study {study.name}")
    return reports.optimum_page(
        desk.title,
        desk.description,
        study.variables,
        study.objectives,
        study.limits,
        whole,
        present,
        robust,
        desk.provenance(problem),
    )


def _compromise(found: Optimum, desk: Desk) -> Optimum:
    """Of several objectives, the compromise becomes the recommendation."""
    if not found.front:
        return found
    values, evaluation = found.front[knee(found.front, desk.study.objectives)]
    return replace(found, values=values, evaluation=evaluation)


def _confident(robust: Robustness) -> bool:
    return all(one.value >= item.confidence for one, item in zip(robust.each, robust.limits, strict=True))


def _needed(robust: Robustness) -> FloatArray:
    """How far (relative) each limit must be exceeded so that it is met with its confidence."""
    found = np.zeros(len(robust.limits))
    for place, item in enumerate(robust.limits):
        values = column_of(robust.evaluations, item.figure)
        margins = np.array([item.margin(value) for value in values if math.isfinite(value)])
        nominal = item.margin(robust.nominal[item.figure])
        if item.confidence > 0.0 and margins.size and math.isfinite(nominal):
            found[place] = max(nominal - float(np.quantile(margins, 1.0 - item.confidence)), 0.0)
    return found


def space(desk: Desk) -> Page:
    """Where the case may be operated, with the probability of meeting every limit."""
    study = desk.study
    problem = desk.problem()
    found = design_space(
        problem,
        study.variables,
        study.factors,
        study.limits,
        desk.ledger,
        points=study.grid,
        samples=study.samples,
        level=study.confidence,
        start={one.reference: desk.description.quantity(one.reference).value for one in study.variables},
        seed=study.seed,
        progress=desk.progress,
    )
    return further.space_page(desk.title, found, desk.provenance(problem))


def scale(desk: Desk) -> Page:
    """The case on another column, and what that changes."""
    found = scaled(desk.description, desk.study.scaling, desk.where("scale"))
    faults = found.description.faults()
    problem = desk.problem()
    desk.progress("predicting both scales", 0.5)
    (before,) = desk.ledger.evaluate(problem, [{}])
    after = Evaluation({}, "")
    if not faults:
        (after,) = desk.ledger.evaluate(replace(problem, description=found.description), [{}])
        desk.recommended = found.description
        desk.files = scaled_files(desk.case, found)
        desk.limits = found.factors.limits(desk.study.limits)
    return further.scale_page(desk.title, found, before, after, faults, desk.study.limits, desk.provenance())


def plan(desk: Desk) -> Page:
    """Cycle time, bottleneck, columns in turns, and what is needed per day."""
    problem = desk.problem()
    description = desk.description
    run = simulate(
        description.plant, description.bound, tolerance=problem.tolerance, elements=problem.elements
    )
    performance = appraise_in(description.plant, run, description.product, description.pool)
    found = schedule(run, desk.study.demand, performance["pool_mass"], performance.pool)
    return further.schedule_page(desk.title, found, run, desk.study.demand, desk.provenance())


def experiment(desk: Desk) -> Page:
    """The runs that would make the decision surer."""
    study = desk.study
    problem = desk.problem()
    choices = possible(study.variables, study.effort.population, study.seed, desk.description)
    found = experiments(problem, study.factors, study.limits, choices, desk.ledger, desk.progress)
    return further.experiment_page(desk.title, desk.description, found, desk.provenance(problem))


def verify(desk: Desk) -> Page:
    """What Orbit makes of the case on virtual skids, or of what another study recommends.

    Raises
    ------
    InputError
        There is no such study, or it recommends nothing.
    """
    name = desk.study.verifying.of
    if not name:
        return verified(desk, "the case as it is")
    study, description = open_study(desk.case, name)
    other = replace(desk, study=without_varied(study), description=description)
    if study.kind in RECOMMENDING:
        STUDY[study.kind](other)
    if other.recommended is None:
        found = f'the study "{name}" of kind {study.kind} recommends nothing'
        expected = f"a study that recommends a recipe: {', '.join(RECOMMENDING)}"
        remedy = "Leave it out to verify the case as it is."
        raise InputError(Finding(f"study {desk.study.name}", found, expected, remedy))
    desk.recommended, desk.files = other.recommended, other.files
    desk.description = other.recommended
    asked = desk.study
    desk.study = replace(
        asked,
        limits=other.limits or other.study.limits,
        factors=_known(other.study.factors, other.recommended),
        prices=other.study.prices,
    )
    return verified(desk, f"what the study {name} recommends")


def _known(factors: Sequence[Factor], description: Description) -> tuple[Factor, ...]:
    """The factors around the values that the recommended description states, without those it has no more."""
    found = description.quantities
    return tuple(replace(one, value=found[one.reference].value) for one in factors if one.reference in found)


RECOMMENDING = ("pool", "optimise", "scale", "sequence")
"""Kinds of study that write a case."""
STUDY: dict[str, Callable[[Desk], Page]] = {
    "pool": pool,
    "robustness": robust,
    "optimise": optimum,
    "design-space": space,
    "scale": scale,
    "schedule": plan,
    "experiment": experiment,
    "sequence": sequence,
    "verify": verify,
}
