"""What a sequence may still choose once its steps are linked, and what it must not lose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from minifactory.design.candidates import Evaluation
from minifactory.design.description import RECIPE, Description
from minifactory.design.figures import kind_of_figure
from minifactory.design.places import with_texts
from minifactory.design.search import Limit, Variable
from minifactory.design.sequence.building import DISPLACED, recipe_of, text_of
from minifactory.design.sequence.links import Liquid, liquid_of, retention
from minifactory.design.sequence.steps import Step
from minifactory.design.sequence.trains import CONDITIONED, DIRECT, IN_LINE, Train
from minifactory.plant.load import FACTORY
from minifactory.recipe.model import PhaseKind
from minifactory.recipe.references import references
from minifactory.records.run import Run
from minifactory.units import FLOW, FRACTION, VOLUME

PREPARING, PASSING, LOADED, CONDITION = (0.7, 3.0), (0.5, 3.0), (0.7, 1.3), (0.6, 1.3)
"""Ranges relative to the batch step: flows that prepare and renew, that carry product, the load, %B."""
MOST_B = 95.0
KEPT = ("yield", "purity")
"""Figures in which the sequence must not be worse than the batch steps."""


@dataclass(frozen=True)
class Candidate:
    """A train as a case, with what came of it."""

    train: Train
    description: Description
    evaluation: Evaluation
    hardware: Mapping[str, str]


def described(batch: Description, train: Train) -> Description:
    """The case with the recipe of `train`."""
    document = recipe_of(train, batch.recipe, batch.plant)
    return replace(batch, texts={**batch.texts, RECIPE: text_of(document)})


def resized(description: Description, train: Train, hardware: Mapping[str, str]) -> Description:
    """The case with other columns; volumes and flows of the unit procedures on each of them grow with it."""
    if not hardware:
        return description
    texts = {f"columns.{name}.hardware": text for name, text in hardware.items()}
    factory = with_texts(description.texts[FACTORY], FACTORY, texts, "chosen by the sequence study")
    moved = replace(description, texts={**description.texts, FACTORY: factory})
    values: dict[str, float] = {}
    slowest = _through_reactors(train)
    for step in train.steps:
        if step.device not in hardware:
            continue
        factor = moved.plant.columns[step.device].volume / description.plant.columns[step.device].volume
        units = (f"{step.name}.", f"{step.name}_")
        for path, quantity in references(description.recipe).items():
            if path.startswith(units) and quantity.kind.name in (FLOW.name, VOLUME.name) and quantity.value:
                values[path] = min(quantity.value * factor, slowest.get(path, math.inf))
    return moved.with_values(values)


def no_loss(batch: Evaluation) -> tuple[Limit, ...]:
    """Yield and purity of the batch steps, rounded down to a tenth of a per cent, as limits."""
    return tuple(
        Limit(
            figure,
            True,
            math.floor(1000.0 * batch[figure] + 1e-9) / 1000.0,
            kind_of_figure(figure) or FRACTION,
        )
        for figure in KEPT
        if math.isfinite(batch[figure])
    )


def variables_of(description: Description, train: Train) -> tuple[Variable, ...]:
    """Flows (one per unit procedure and flow), the load, and what conditions an eluate on its way."""
    known = references(description.recipe)
    slowest = _through_reactors(train)
    found: list[Variable] = []
    for unit in description.recipe.procedure:
        flows: dict[float, list[str]] = {}
        passing: dict[float, bool] = {}
        for operation in unit.operations:
            for phase in operation.phases:
                path = f"{unit.name}.{operation.name}.{phase.name}"
                carries = phase.kind in (PhaseKind.LOAD, PhaseKind.ELUTE, PhaseKind.OTHER)
                flow = known.get(f"{path}.flow")
                if flow is not None and flow.value > 0.0 and flow.kind.name == FLOW.name:
                    flows.setdefault(flow.value, []).append(f"{path}.flow")
                    passing[flow.value] = passing.get(flow.value, False) or carries
        for value, paths in flows.items():
            low, high = PASSING if passing[value] else PREPARING
            most = min([high * value, *(slowest[path] for path in paths if path in slowest)])
            found.append(Variable(paths[0], low * value, most, FLOW, also=tuple(paths[1:])))
    return (*found, *_loads(description), *_conditions(description, train))


def _through_reactors(train: Train) -> dict[str, float]:
    """The most flow (m3/s) of phases that lead through a reactor: it keeps the residence time that it had."""
    found = {}
    for place, link in enumerate(train.links):
        flow = train.steps[place].conditioned.flow
        if link == IN_LINE and flow is not None:
            after = train.steps[place + 1]
            for block in after.load:
                for name in (block.name, f"{block.name}{DISPLACED}"):
                    found[f"{after.name}.run.{name}.flow"] = flow.value
    return found


def _loads(description: Description) -> list[Variable]:
    feeds = {name for name, vessel in description.plant.vessels.items() if vessel.purpose == "feed"}
    found = []
    for path, _, phase in description.recipe.phases():
        volume = references(description.recipe).get(f"{path}.until")
        loads = phase.kind is PhaseKind.LOAD and phase.settings.inlet_a in feeds
        if loads and volume is not None and volume.kind.name == VOLUME.name:
            low, high = LOADED
            found.append(Variable(f"{path}.until", low * volume.value, high * volume.value, VOLUME))
    return found


def _conditions(description: Description, train: Train) -> list[Variable]:
    found = []
    for before, link in zip(train.steps, train.links[1:], strict=False):
        if link != CONDITIONED:
            continue
        path = f"{before.name}.run.{before.collect[0].name}.percent_b"
        quantity = references(description.recipe).get(path)
        if quantity is not None and quantity.value > 0.0:
            low, high = CONDITION
            found.append(
                Variable(path, low * quantity.value, min(high * quantity.value, MOST_B), quantity.kind)
            )
    return found


@dataclass(frozen=True)
class Compatibility:
    """How the eluate of one column suits the next, for each way to link them.

    `here` and `there` are retention volumes (CV) of the product on the column that it leaves and on the next.
    """

    before: str
    after: str
    link: str
    share: float
    here: float
    there: float
    possible: bool


def compatibilities(
    batch: Description, steps: Sequence[Step], trains: Sequence[Train], product: str
) -> list[Compatibility]:
    """Both retentions for every pair of columns that a train links directly, and as the batch step loads."""
    plant = batch.plant
    found: dict[tuple[str, str, str], Compatibility] = {}
    columns = [step for step in steps if step.column]
    for first, second in pairwise(columns):
        if plant.vessels[first.leaves_in].material is None:
            continue  # in flow-through it leaves in what was loaded, whose composition is made in the run
        eluent = liquid_of(plant, first.leaves_in)
        condition = second.conditioned
        share = 0.0 if condition.percent_b is None else condition.percent_b.value / 100.0
        added = Liquid({}) if condition.inlet_b is None else liquid_of(plant, condition.inlet_b)
        for link, part in ((DIRECT, 0.0), (CONDITIONED, share)):
            mixture = eluent.mixed(added, part)
            there = retention(plant, second.device, product, mixture)
            possible = any(
                link == how and step.name == second.name
                for train in trains
                for step, how in zip(train.steps, train.links, strict=True)
            )
            here = retention(plant, first.device, product, mixture)
            found[first.name, second.name, link] = Compatibility(
                first.name, second.name, link, part, here, there, possible
            )
    return list(found.values())


def timeline(run: Run) -> list[tuple[str, str, float, float]]:
    """(unit procedure, kind, start, end) of every phase, in s."""
    return [(phase.path.split(".")[0], phase.kind, phase.start, phase.end) for phase in run.phases]
