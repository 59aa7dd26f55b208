"""Reads ``studies/NAME.yaml``: what to vary, what to aim at, what must hold, what is uncertain.

kind: optimise
vary:
  cex.loading.load.until: {from: 150 mL, to: 235 mL}
  columns.C1.bed_height: {choices: [10 cm, 20 cm, 25 cm]}
objectives: [maximise productivity, minimise buffer]
constraints:                      # without any, the targets of the case
  purity: {limit: ">= 99 %", confidence: 90 %}
uncertain:                        # besides the uncertainties of parameters.yaml
  feed.product.strength: uniform 20 %
samples: 400
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minifactory.design.description import Description
from minifactory.design.figures import KNOWN, kind_of_figure
from minifactory.design.levels import level_references, with_levels
from minifactory.design.search import Limit, Objective, Variable
from minifactory.design.study import KINDS, Levels, Study
from minifactory.design.study_blocks import (
    COUNT,
    collected,
    demand,
    effort,
    prices,
    scaling,
    sequencing,
    verifying,
)
from minifactory.design.uncertainty import Factor, factors_of, parse_spread
from minifactory.errors import InputError, did_you_mean
from minifactory.plant import nodes
from minifactory.plant.document import Reader, Report, open_document, open_text
from minifactory.records.limits import parse_limit
from minifactory.units import FRACTION, Kind

SENSES = ("maximise", "minimise")


def load_study(
    path: Path, description: Description, targets: Sequence[Limit], adjustables: Sequence[Variable] = ()
) -> tuple[Study, Description]:
    """The study in the file at `path`, and the description that it varies (with levels, if it asks for any).

    Parameters
    ----------
    path : Path
    description : Description
        Of the case; references are checked against it.
    targets : sequence of Limit
        Constraints of a study that states none.
    adjustables : sequence of Variable
        Variables of a study that states none.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    report = Report()
    top = open_document(path, report)
    report.raise_errors()
    return read_study(top, path.stem, description, targets, adjustables)


def plain_study(
    kind: str, description: Description, targets: Sequence[Limit], adjustables: Sequence[Variable] = ()
) -> tuple[Study, Description]:
    """The study of `kind` that a case without a study file gets: its targets, what it declares adjustable."""
    return read_study(open_text(f"kind: {kind}", kind, Report()), kind, description, targets, adjustables)


def read_study(
    top: Reader,
    name: str,
    description: Description,
    targets: Sequence[Limit],
    adjustables: Sequence[Variable] = (),
) -> tuple[Study, Description]:
    """The study in an opened document; see :func:`load_study`."""
    report = top.report
    kind = top.choice("kind", KINDS)
    top.text("description", "")
    levels, description = _levels(top, description)
    variables = tuple(_variables(top, description))
    if levels is not None:
        variables = (*variables, *_level_variables(levels, description))
    elif not variables and "vary" not in top:
        variables = tuple(adjustables)
    limits = tuple(_limits(top)) or tuple(targets)
    study = Study(
        name=name,
        kind=kind,
        variables=variables,
        objectives=tuple(_objectives(top, kind)),
        limits=limits,
        factors=tuple(_factors(top, description)),
        samples=int(top.value("samples", COUNT, _SAMPLES.get(kind, 200))),
        indices=int(top.value("indices", COUNT)) if "indices" in top else None,
        seed=int(top.value("seed", COUNT, 1)),
        effort=effort(top),
        prices=prices(top, description),
        levels=levels,
        collected=tuple(collected(top, description)),
        grid=int(top.value("grid", COUNT, 7, 3, 41)),
        confidence=top.value("confidence", FRACTION, 0.9, 0.0, 1.0),
        scaling=scaling(top),
        demand=demand(top),
        sequencing=sequencing(top, description),
        verifying=verifying(top),
    )
    top.finish()
    _check(top, study)
    report.raise_errors()
    return study, description


_SAMPLES = {
    "robustness": 1000,
    "design-space": 48,
    "optimise": 200,
    "pool": 200,
    "experiment": 64,
    "sequence": 24,
    "verify": 1000,
}


def _levels(top: Reader, description: Description) -> tuple[Levels | None, Description]:
    if "levels" not in top:
        return None, description
    block = top.section("levels")
    phase, count = block.text("phase"), int(block.value("count", COUNT, 2))
    before = description
    try:
        description = with_levels(description, phase, count, block.where())
    except InputError as fault:
        top.report.add_all(fault.findings)
        block.ignore("to")
        block.ignore("over")
        block.finish()
        return None, before
    end, length = level_references(phase, count)[0]
    bounds = []
    for key, reference in (("to", end), ("over", length)):
        wanted = description.quantity(reference).kind
        values = block.values(key, wanted)
        if len(values) != 2 or not values[0] < values[1]:
            block.fail(
                f'"{key}" of the levels',
                f"two ascending values, e.g. [10 {wanted.shown}, 20 {wanted.shown}]",
                key=key,
            )
            values = (0.0, 1.0)
        bounds.append((values[0], values[1]))
    block.finish()
    return Levels(phase, count, bounds[0], bounds[1]), description


def _level_variables(levels: Levels, description: Description) -> list[Variable]:
    found = []
    for end, length in level_references(levels.phase, levels.count):
        found.append(Variable(end, *levels.to, description.quantity(end).kind))
        found.append(Variable(length, *levels.over, description.quantity(length).kind))
    return found


def _variables(top: Reader, description: Description) -> list[Variable]:
    found = []
    for block in top.members("vary"):
        reference = block.path.removeprefix("vary.")
        variable = _variable(block, reference, description)
        block.finish()
        if variable is not None:
            found.append(variable)
    return found


def _variable(block: Reader, reference: str, description: Description) -> Variable | None:
    also = block.texts("also")
    try:
        present = description.quantity(reference, block.where())
        for other in also:
            description.quantity(other, block.where("also"))
    except InputError as fault:
        block.report.add_all(fault.findings)
        for key in ("from", "to", "step", "choices"):
            block.ignore(key)
        return None
    kind = present.kind
    if "choices" in block:
        values = tuple(sorted(block.values("choices", kind)))
        if len(set(values)) < 2 or any(math.isnan(value) for value in values):
            block.fail("fewer than two choices", "at least two different values", key="choices")
            return None
        return Variable(reference, values[0], values[-1], kind, choices=values, also=also)
    low, high = block.quantity("from", kind), block.quantity("to", kind)
    spread = Kind(f"{kind.name} (step)", kind.si, kind.shown, 0.0, math.inf, kind.bare)
    step = block.quantity("step", spread, required=False)
    if low is None or high is None:
        return None
    if not low.value < high.value:
        block.fail(
            f'the range from "{low.text}" to "{high.text}" is empty',
            "an ascending range",
            "Exchange or widen the bounds.",
        )
        return None
    return Variable(reference, low.value, high.value, kind, step.value if step else 0.0, also=also)


def _objectives(top: Reader, kind: str) -> list[Objective]:
    found = []
    for text in top.texts("objectives"):
        sense, _, figure = text.strip().partition(" ")
        figure = figure.strip()
        if sense not in SENSES:
            known = KNOWN.get(text.strip())
            if known is None or known.more_is_better is None:
                top.fail(
                    f'"{text}" is no objective',
                    'e.g. "maximise productivity"',
                    did_you_mean(text, KNOWN),
                    key="objectives",
                )
                continue
            sense, figure = SENSES[not known.more_is_better], text.strip()
        if kind_of_figure(figure) is None:
            top.fail(f'unknown figure "{figure}"', remedy=did_you_mean(figure, KNOWN), key="objectives")
            continue
        found.append(Objective(figure, sense == "maximise"))
    if kind == "optimise" and not found and "objectives" not in top:
        top.fail('"objectives" is missing', 'e.g. "objectives: [maximise productivity]"')
    return found


def _limits(top: Reader) -> list[Limit]:
    found = []
    inside = top.section("constraints")
    for figure in inside.keys:
        kind = kind_of_figure(figure)
        if kind is None:
            inside.fail(f'unknown figure "{figure}"', remedy=did_you_mean(figure, KNOWN), key=figure)
            inside.ignore(figure)
            continue
        reader, key, confidence = inside, figure, 0.0
        if isinstance(inside.node.entries.get(figure), nodes.Mapping):
            reader, key = inside.section(figure), "limit"
            confidence = reader.value("confidence", FRACTION, 0.0, 0.0, 1.0)
        for text in reader.texts(key, required=True):
            try:
                at_least, limit = parse_limit(text, kind, reader.where(key))
            except InputError as fault:
                reader.report.add_all(fault.findings)
                continue
            found.append(Limit(figure, at_least, limit, kind, confidence, reader.where(key)))
        if reader is not inside:
            reader.finish()
    return found


def _factors(top: Reader, description: Description) -> list[Factor]:
    own: dict[str, Factor] = {}
    inside = top.section("uncertain")
    for reference in inside.keys:
        text, where = inside.text(reference), inside.where(reference)
        try:
            present = description.quantity(reference, where)
            spread = parse_spread(text, present.kind, where)
        except InputError as fault:
            top.report.add_all(fault.findings)
            continue
        parameter = description.plant.parameters.parameters.get(reference)
        lower = parameter.lower if parameter else present.kind.lower
        upper = parameter.upper if parameter else present.kind.upper
        own[reference] = Factor(reference, present.value, spread, lower, upper)
    stated = (
        {}
        if not top.flag("stated_uncertainties", True)
        else {one.reference: one for one in factors_of(description.plant.parameters)}
    )
    return list({**stated, **own}.values())


def _check(top: Reader, study: Study) -> None:
    """What only shows when everything has been read."""
    if study.kind == "sequence" and "vary" in top:
        top.fail(
            "a sequence chooses its own variables: the recipe that they belong to is not written yet",
            "no vary",
            "Optimise the case that it writes with a study of its own.",
            key="vary",
        )
    if study.kind in ("optimise", "design-space") and not study.variables:
        top.fail(
            f"nothing to vary in a study of kind {study.kind}",
            "references with bounds under vary",
            "List them under vary, or under adjust in targets.yaml.",
        )
    if study.prices is None:
        asked = [one.figure for one in study.objectives] + [one.figure for one in study.limits]
        for figure in {"resin_cost", "cost_of_goods"} & set(asked):
            top.fail(f'"{figure}" needs prices', "a block prices")
    for at, one in enumerate(study.limits):
        for other in study.limits[at + 1 :]:
            low, high = (one, other) if one.at_least else (other, one)
            if one.figure == other.figure and one.at_least != other.at_least and low.limit > high.limit:
                top.fail(
                    f"{one.figure} {low.text} and {one.figure} {high.text} exclude each other",
                    "limits that leave room",
                )
    seen: set[str] = set()
    for variable in study.variables:
        for reference in (variable.reference, *variable.also):
            if reference in seen:
                top.fail(f'"{reference}" is varied twice', "each reference once", key="vary")
            seen.add(reference)


def without_varied(study: Study) -> Study:
    """The study without factors that it also varies: a variable is chosen, not uncertain."""
    varied = {reference for one in study.variables for reference in (one.reference, *one.also)}
    return replace(study, factors=tuple(one for one in study.factors if one.reference not in varied))
