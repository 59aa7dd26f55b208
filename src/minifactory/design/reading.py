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
from minifactory.design.levels import level_references, with_levels
from minifactory.design.search import Limit, Variable
from minifactory.design.study import KINDS, Levels, Study
from minifactory.design.study_blocks import (
    collected,
    demand,
    effort,
    prices,
    scaling,
    sequencing,
    verifying,
)
from minifactory.design.study_figures import limits, objectives
from minifactory.design.uncertainty import Factor, factors_of, parse_spread
from minifactory.errors import InputError
from minifactory.plant import nodes
from minifactory.plant.document import Reader, Report, open_document, open_text
from minifactory.units import FRACTION, Kind


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
    known = "kind" in top
    kind = top.choice("kind", KINDS)
    if not report.failed and known:
        _refuse_foreign(top, kind)
    top.text("description", "")
    levels, description = _levels(top, description)
    variables = tuple(_variables(top, description))
    if levels is not None:
        variables = (*variables, *_level_variables(levels, description))
    elif not variables and "vary" not in top and "vary" in _OWN[kind]:
        variables = tuple(adjustables)
    stated = tuple(limits(top, description)) or tuple(targets)
    seed = top.count("seed", 1)
    study = Study(
        name=name,
        kind=kind,
        variables=variables,
        objectives=tuple(objectives(top, kind, description)),
        limits=stated,
        factors=tuple(_factors(top, description)),
        samples=top.count("samples", _SAMPLES.get(kind, 200), int(kind in NEED_SAMPLES)),
        indices=top.count("indices", 0) if "indices" in top else None,
        seed=seed,
        effort=effort(top, seed),
        prices=prices(top, description),
        levels=levels,
        collected=tuple(collected(top, description)),
        grid=top.count("grid", 7, 3, 41),
        confidence=top.value("confidence", FRACTION, 0.9, 0.0, 1.0),
        scaling=scaling(top, description),
        demand=demand(top),
        sequencing=sequencing(top, description),
        verifying=verifying(top),
    )
    top.finish()
    _check(top, study)
    report.raise_errors()
    return study, description


NEED_SAMPLES = ("robustness", "verify")
"""Kinds of study that say nothing without samples."""
_EVERYWHERE = (
    *("kind", "description", "source", "constraints", "uncertain", "stated_uncertainties"),
    *("samples", "seed", "prices"),
)
_OWN = {
    "pool": ("collect",),
    "optimise": ("vary", "levels", "objectives", "search"),
    "robustness": ("indices",),
    "design-space": ("vary", "levels", "grid", "confidence"),
    "scale": ("scale",),
    "schedule": ("demand",),
    "experiment": ("vary", "levels", "search"),
    "sequence": ("vary", "objectives", "search", "sequence"),
    "verify": ("verify",),
}
"""Keys that only some kinds of study read (a sequence reads vary to refuse it)."""
_SAMPLES = {
    "robustness": 1000,
    "design-space": 48,
    "optimise": 200,
    "pool": 200,
    "experiment": 64,
    "sequence": 24,
    "verify": 1000,
}


def _refuse_foreign(top: Reader, kind: str) -> None:
    """A finding for every key that a study of another kind would read: it would be passed over in silence."""
    for key in top.keys:
        readers = [name for name, keys in _OWN.items() if key in keys and name != "sequence"]
        readers = readers or [name for name, keys in _OWN.items() if key in keys]
        if key not in (*_EVERYWHERE, *_OWN[kind]) and readers:
            top.fail(
                f'"{key}" says nothing to a study of kind {kind}',
                f"a study of kind {' or '.join(readers)}",
                "Take it out, or choose another kind.",
                key=key,
            )


def _levels(top: Reader, description: Description) -> tuple[Levels | None, Description]:
    if "levels" not in top:
        return None, description
    block = top.section("levels")
    phase, count = block.text("phase"), block.count("count", 2)
    before = description
    if not phase:
        block.ignore("to")
        block.ignore("over")
        block.finish()
        return None, before
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
        others = [description.quantity(other, block.where("also")) for other in also]
    except InputError as fault:
        block.report.add_all(fault.findings)
        for key in ("from", "to", "step", "choices"):
            block.ignore(key)
        return None
    kind = present.kind
    for name, other in zip(also, others, strict=True):
        if other.kind != kind:
            block.fail(
                f"{name} is {other.kind.name} ({other.text}), {reference} is {kind.name} ({present.text})",
                "references of one kind, which can take the same value",
                key="also",
            )
    if "choices" in block:
        for key in ("from", "to", "step"):
            if key in block:
                block.fail(f'"{key}" beside "choices"', "either bounds or choices", key=key)
            block.ignore(key)
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
    if step is not None and not 0.0 < step.value <= (high.value - low.value) * (1.0 + 1e-9):
        block.fail(
            f'a step of "{step.text}" from "{low.text}" to "{high.text}"',
            "a step within the range, above 0",
            "Leave it out where any value is allowed.",
            key="step",
        )
        return None
    return Variable(reference, low.value, high.value, kind, step.value if step else 0.0, also=also)


def _factors(top: Reader, description: Description) -> list[Factor]:
    own: dict[str, Factor] = {}
    inside = top.section("uncertain")
    for reference in inside.keys:
        text, where = inside.text(reference), inside.where(reference)
        try:
            present = description.quantity(reference, where)
            spread = parse_spread(text, present.kind, where)
        except InputError as fault:
            if text:  # else what stands there has a finding already
                top.report.add_all(fault.findings)
            continue
        if not spread.spread > 0.0:
            inside.fail(f'"{text}" does not spread', "a spread above 0", "Take it out.", key=reference)
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
    if study.kind in ("optimise", "design-space") and not study.variables and not _keys(top, "vary"):
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
                    "Lower the one or raise the other.",
                    key="constraints",
                )
    seen: set[str] = set()
    for variable in study.variables:
        for reference in (variable.reference, *variable.also):
            if reference in seen:
                top.fail(f'"{reference}" is varied twice', "each reference once", key="vary")
            seen.add(reference)
    for reference in _keys(top, "uncertain"):
        if reference in seen:
            top.fail(
                f'"{reference}" is both varied and uncertain',
                "one of them: what is chosen is known",
                "For a tolerance around what is chosen, study the robustness of the recommended case.",
                key="uncertain",
            )
    if study.verifying.of:
        for key in ("constraints", "uncertain", "stated_uncertainties", "prices"):
            if key in top:
                found = f'"{key}" beside "verify: {{of: {study.verifying.of}}}"'
                top.fail(found, f"that of {study.verifying.of}", "State it there.", key=key)


def _keys(top: Reader, key: str) -> tuple[str, ...]:
    """What stands in the mapping at `key`, if there is one."""
    node = top.node.entries.get(key)
    return tuple(node.entries) if isinstance(node, nodes.Mapping) else ()


def without_varied(study: Study) -> Study:
    """The study without factors that it also varies: a variable is chosen, not uncertain."""
    varied = {reference for one in study.variables for reference in (one.reference, *one.also)}
    return replace(study, factors=tuple(one for one in study.factors if one.reference not in varied))
