"""Typed references into a recipe: every quantity by its dotted path, and recipes with other quantities.

cex.elution.elute.flow                 3.15 mL/min
cex.elution.elute.gradient.over        25.2 CV
cex.elution.elute.until                5 CV            (the only number of the condition)
cex.elution.elute.until.2              20 s            (the second of several)
cex.elution.elute.watch.pool.when.1    20 mAU
interlocks.pressure.when               0.5 MPa
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.recipe.conditions import Expression, Literal
from minifactory.recipe.expressions import describe_dimension, kind_of
from minifactory.recipe.model import Gradient, Phase, Recipe, Repeat, Settings, UnitProcedure, Watch
from minifactory.recipe.reading import DONE
from minifactory.units import (
    COLUMN_VOLUMES,
    FLOW,
    NUMBER,
    PERCENT_B,
    TIME,
    VELOCITY,
    VOLUME,
    Dimension,
    Kind,
    Quantity,
    parse,
)

_Change = Callable[[str, Quantity, tuple[Kind, ...]], Quantity]

_BASE = {
    "[length]": "m",
    "[time]": "s",
    "[mass]": "kg",
    "[substance]": "mol",
    "[temperature]": "K",
    "[current]": "A",
    "[optical_absorbance]": "AU",
    "[column_volume]": "CV",
    "[mixing]": "percentB",
}


def references(recipe: Recipe) -> Mapping[str, Quantity]:
    """Every quantity of the recipe by its path, in order."""
    found: dict[str, Quantity] = {}

    def note(path: str, quantity: Quantity, kinds: tuple[Kind, ...]) -> Quantity:  # noqa: ARG001
        found[path] = quantity
        return quantity

    _changed(recipe, note)
    return found


def with_values(recipe: Recipe, values: Mapping[str, str]) -> Recipe:
    """The same recipe with other quantities (text with unit) at some paths.

    Raises
    ------
    InputError
        With every unknown path and every text that does not fit.
    """
    known = references(recipe)
    findings = [
        Finding(recipe.file or recipe.name, f'no quantity "{path}"', remedy=did_you_mean(path, known))
        for path in values
        if path not in known
    ]

    def put(path: str, quantity: Quantity, kinds: tuple[Kind, ...]) -> Quantity:
        if path not in values:
            return quantity
        try:
            return parse(values[path], *kinds, where=path)
        except InputError as fault:
            findings.extend(fault.findings)
            return quantity

    changed = _changed(recipe, put)
    if findings:
        raise InputError(findings)
    return changed


def _changed(recipe: Recipe, change: _Change) -> Recipe:
    interlocks = tuple(
        replace(
            item,
            when=_expression(item.when, f"interlocks.{item.name}.when", change),
            until=item.until and _expression(item.until, f"interlocks.{item.name}.until", change),
        )
        for item in recipe.interlocks
    )
    procedure = tuple(_unit_procedure(item, change) for item in recipe.procedure)
    return replace(recipe, interlocks=interlocks, procedure=procedure)


def _unit_procedure(item: UnitProcedure, change: _Change) -> UnitProcedure:
    operations = tuple(
        replace(
            operation,
            phases=_phases(operation.phases, f"{item.name}.{operation.name}", change),
            parallel=tuple(
                replace(
                    branch,
                    phases=_phases(branch.phases, f"{item.name}.{operation.name}.{branch.name}", change),
                )
                for branch in operation.parallel
            ),
            repeat=_repeat(operation.repeat, f"{item.name}.{operation.name}", change),
        )
        for operation in item.operations
    )
    start = _settings(item.start, f"{item.name}.start", change)
    safe = _settings(item.safe, f"{item.name}.safe", change)
    repeat = _repeat(item.repeat, item.name, change)
    return replace(item, operations=operations, start=start, safe=safe, repeat=repeat)


def _phases(phases: tuple[Phase, ...], path: str, change: _Change) -> tuple[Phase, ...]:
    return tuple(_phase(phase, f"{path}.{phase.name}", change) for phase in phases)


def _repeat(repeat: Repeat | None, path: str, change: _Change) -> Repeat | None:
    if repeat is None or repeat.until is None:
        return repeat
    return replace(repeat, until=_expression(repeat.until, f"{path}.repeat.until", change))


def _phase(phase: Phase, path: str, change: _Change) -> Phase:
    timeout = phase.timeout and change(f"{path}.timeout", phase.timeout, (TIME,))
    return replace(
        phase,
        settings=_settings(phase.settings, path, change),
        until=_expression(phase.until, f"{path}.until", change),
        watches=tuple(_watch(item, f"{path}.watch.{item.name}", change) for item in phase.watches),
        timeout=timeout,
        while_waiting=_settings(phase.while_waiting, f"{path}.while_waiting", change),
        repeat=_repeat(phase.repeat, path, change),
    )


def _watch(item: Watch, path: str, change: _Change) -> Watch:
    when = _expression(item.when, f"{path}.when", change)
    return replace(item, when=when, then=_settings(item.then, path, change))


def _settings(settings: Settings, path: str, change: _Change) -> Settings:
    gradient = settings.gradient and Gradient(
        change(f"{path}.gradient.to", settings.gradient.to, (settings.gradient.to.kind,)),
        change(f"{path}.gradient.over", settings.gradient.over, (COLUMN_VOLUMES, VOLUME, TIME)),
        settings.gradient.of,
    )
    return replace(
        settings,
        flow=settings.flow and change(f"{path}.flow", settings.flow, (FLOW, VELOCITY)),
        percent_b=settings.percent_b and change(f"{path}.percent_b", settings.percent_b, (PERCENT_B,)),
        gradient=gradient,
        fractions=settings.fractions and change(f"{path}.fractions", settings.fractions, (VOLUME,)),
        setpoints={
            name: change(f"{path}.set.{name}", quantity, (quantity.kind,))
            for name, quantity in settings.setpoints.items()
        },
    )


def _expression(expression: Expression, path: str, change: _Change) -> Expression:
    literals = expression.literals() if expression.text != DONE else ()
    for place, literal in enumerate(literals):
        kind = (kind_of(literal.dimension) or _derived(literal)) if literal.dimension else NUMBER
        own = f"{path}.{place + 1}" if len(literals) > 1 else path
        quantity = Quantity(literal.value, kind, literal.text)
        changed = change(own, quantity, (kind,))
        if changed is not quantity:
            put = Literal(changed.value, literal.dimension, changed.text)
            expression = expression.with_literal(place, put)
    return expression


def _derived(literal: Literal) -> Kind:
    """The kind of a number such as ``0.1 mAU/s``, which has no name of its own."""
    unit = literal.text.split(" ", 1)[1] if " " in literal.text else ""
    return Kind(describe_dimension(literal.dimension), _si(literal.dimension), unit)


def _si(dimension: Dimension) -> str:
    return "*".join(f"{_BASE[name]}^{power:g}" for name, power in dimension)
