"""Multi-level elution: one gradient of a recipe as a piecewise-linear one, every level a variable.

The first level is the gradient of the phase; each further one a watch that starts the next stretch where the
stretches before it end. At its start the chain of levels is the straight gradient it replaces.
"""

from __future__ import annotations

from dataclasses import replace

from minifactory.design.description import RECIPE, Description, text_of
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.recipe.grammar import parse_condition
from minifactory.recipe.model import Gradient, Phase, Recipe, Settings, Watch
from minifactory.recipe.references import references
from minifactory.recipe.write import write_recipe
from minifactory.units import COLUMN_VOLUMES, TIME, VOLUME, Quantity

_COUNTERS = {COLUMN_VOLUMES.name: "cv", VOLUME.name: "volume", TIME.name: "time"}
MOST = 6
"""Levels beyond which a gradient is no longer a recipe that people read."""


def with_levels(description: Description, phase: str, levels: int, where: str = "levels") -> Description:
    """The description with the gradient of `phase` cut into `levels` stretches of equal length.

    The references of a stretch are ``PHASE.gradient.to`` and ``.over`` for the first and
    ``PHASE.watch.level_2.gradient.to`` and ``.over`` for the second; where each begins follows from these.

    Raises
    ------
    InputError
        No such phase, no gradient in it, or a number of levels that makes no sense.
    """
    found = _phases(description.recipe)
    if phase not in found:
        raise InputError(Finding(where, f'no phase "{phase}"', "", did_you_mean(phase, found)))
    gradient = found[phase].settings.gradient
    if gradient is None:
        raise InputError(Finding(where, f"phase {phase} has no gradient", "a phase with a gradient"))
    if not 2 <= levels <= MOST:
        raise InputError(Finding(where, f"{levels} levels", f"2 to {MOST}"))
    begin = _begin(description, phase)
    recipe = _replaced(description.recipe, phase, _levelled(found[phase], gradient, begin, levels))
    sums = dict(description.sums)
    for level in range(2, levels + 1):
        before = [f"{phase}.gradient.over"]
        before += [f"{phase}.watch.level_{one}.gradient.over" for one in range(2, level)]
        sums[f"{phase}.watch.level_{level}.when"] = tuple(before)
    return replace(description, texts={**description.texts, RECIPE: write_recipe(recipe)}, sums=sums)


def level_references(phase: str, levels: int) -> tuple[tuple[str, str], ...]:
    """(end, length) references of every level."""
    heads = [phase, *(f"{phase}.watch.level_{level}" for level in range(2, levels + 1))]
    return tuple((f"{head}.gradient.to", f"{head}.gradient.over") for head in heads)


def _phases(recipe: Recipe) -> dict[str, Phase]:
    return {
        f"{unit.name}.{operation.name}.{phase.name}": phase
        for unit in recipe.procedure
        for operation in unit.operations
        for phase in operation.phases
    }


def _begin(description: Description, phase: str) -> float:
    """The composition (SI of the gradient's end) from which the gradient begins."""
    own = f"{phase}.percent_b"
    known = references(description.recipe)
    if own in known:
        return known[own].value
    gradient = _phases(description.recipe)[phase].settings.gradient
    assert gradient is not None
    if gradient.of is not None:
        raise InputError(
            Finding(
                phase,
                f"its gradient is in {gradient.of}",
                "%B",
                "State the gradient's end in %B to vary levels.",
            )
        )
    value = 0.0
    for path, each in _phases(description.recipe).items():
        if path == phase:
            break
        if each.settings.percent_b is not None:
            value = each.settings.percent_b.value
    return value


def _levelled(phase: Phase, gradient: Gradient, begin: float, levels: int) -> Phase:
    def end(level: int) -> Quantity:
        value = begin + (gradient.to.value - begin) * level / levels
        return Quantity(value, gradient.to.kind, text_of(value, gradient.to.kind))

    part = gradient.over.value / levels
    over = Quantity(part, gradient.over.kind, text_of(part, gradient.over.kind))
    watches = []
    for level in range(2, levels + 1):
        place = text_of(part * (level - 1), gradient.over.kind)
        when = parse_condition(f"{_COUNTERS[gradient.over.kind.name]} >= {place}", {})
        watches.append(
            Watch(when, Settings(gradient=Gradient(end(level), over, gradient.of)), f"level_{level}")
        )
    settings = replace(phase.settings, gradient=Gradient(end(1), over, gradient.of))
    return replace(phase, settings=settings, watches=(*watches, *phase.watches))


def _replaced(recipe: Recipe, path: str, phase: Phase) -> Recipe:
    return replace(
        recipe,
        procedure=tuple(
            replace(
                unit,
                operations=tuple(
                    replace(
                        operation,
                        phases=tuple(
                            phase if f"{unit.name}.{operation.name}.{each.name}" == path else each
                            for each in operation.phases
                        ),
                    )
                    for operation in unit.operations
                ),
            )
            for unit in recipe.procedure
        ),
    )
