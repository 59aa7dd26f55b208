"""From a recipe back to ``recipe.yaml``: what is written loads as an equal recipe."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from minifactory.recipe.controllers import controller_document
from minifactory.recipe.model import (
    PLACE,
    Input,
    Interlock,
    OnTimeout,
    Operation,
    Phase,
    PhaseKind,
    Recipe,
    Repeat,
    Settings,
    UnitProcedure,
    Watch,
)

Document = dict[str, Any]


def write_recipe(recipe: Recipe) -> str:
    """The YAML text of a recipe."""
    return str(yaml.safe_dump(document_of(recipe), sort_keys=False, allow_unicode=True, width=100))


def document_of(recipe: Recipe) -> Document:
    """The document of a recipe: texts, lists and mappings, as the YAML file holds them."""
    return _stated(
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        inputs={item.name: _input(item) for item in recipe.inputs},
        controllers={item.name: controller_document(item) for item in recipe.controllers},
        interlocks={item.name: _interlock(item) for item in recipe.interlocks},
        transfers={
            item.name: _stated(**{"from": item.sender, "to": item.receiver, "vessel": item.vessel})
            for item in recipe.transfers
        },
        procedure={item.name: _unit_procedure(item) for item in recipe.procedure},
    )


def settings_document(settings: Settings) -> Document:
    """The block of what is set, by the keys of ``recipe.yaml``."""
    gradient = settings.gradient

    def name(key: str, now: str | None) -> str | list[str] | None:
        return list(settings.by_turn[key]) if key in settings.by_turn else now

    return _stated(
        inlet_a=name("inlet_a", settings.inlet_a),
        inlet_b=name("inlet_b", settings.inlet_b),
        flow=settings.flow and settings.flow.text,
        percent_b=settings.percent_b and settings.percent_b.text,
        gradient=gradient and _stated(to=gradient.to.text, of=gradient.of, over=gradient.over.text),
        column=name("column", settings.column),
        outlet=name("outlet", settings.outlet),
        positions={valve: name(f"{PLACE}{valve}", now) for valve, now in settings.positions.items()},
        do=[str(command) for command in settings.instructions],
        fractions=settings.fractions and settings.fractions.text,
        set={name: quantity.text for name, quantity in settings.setpoints.items()},
    )


def _input(item: Input) -> Document:
    return _stated(
        ask=item.question,
        sets=list(item.sets),
        at=item.at,
        minimum=item.minimum and item.minimum.text,
        maximum=item.maximum and item.maximum.text,
        every_turn="yes" if item.every_turn else None,
    )


def _interlock(item: Interlock) -> Document:
    return _stated(
        when=_text(item),
        until=item.until and (item.until.text or str(item.until)),
        delay=item.delay and item.delay.text,
        off_delay=item.off_delay and item.off_delay.text,
        action=item.action.value,
        priority=item.priority,
        message=item.message,
    )


def _repeat(repeat: Repeat | None) -> str | Document | None:
    if repeat is None:
        return None
    if repeat.until is None:
        return str(repeat.times)
    return {"times": str(repeat.times), "until": repeat.until.text or str(repeat.until)}


def _unit_procedure(item: UnitProcedure) -> Document:
    operations = {operation.name: _operation(operation) for operation in item.operations}
    start, safe = settings_document(item.start), settings_document(item.safe)
    return _stated(
        skid=item.skid,
        column=item.column,
        repeat=_repeat(item.repeat),
        start=start,
        safe=safe,
        operations=operations,
    )


def _operation(operation: Operation) -> Document:
    branches = {
        branch.name: {"phases": {phase.name: _phase(phase) for phase in branch.phases}}
        for branch in operation.parallel
    }
    return {
        **_stated(note=operation.note, repeat=_repeat(operation.repeat)),
        "phases": {phase.name: _phase(phase) for phase in operation.phases},
        **_stated(parallel=branches),
    }


def _phase(phase: Phase) -> Document:
    return {
        **_stated(kind=phase.kind.value if phase.kind is not PhaseKind.OTHER else None, note=phase.note),
        **_stated(delivers=phase.delivers, receives=phase.receives),
        **settings_document(phase.settings),
        **_stated(
            while_waiting=settings_document(phase.while_waiting),
            until=phase.until.text or str(phase.until),
            watch={item.name: _watch(item) for item in phase.watches},
            timeout=phase.timeout and phase.timeout.text,
            on_timeout=phase.on_timeout.value if phase.on_timeout is not OnTimeout.HOLD else None,
            repeat=_repeat(phase.repeat),
        ),
    }


def _watch(item: Watch) -> Document:
    end = "yes" if item.end_phase else None
    return {**_stated(when=_text(item), end_phase=end), **settings_document(item.then)}


def _text(item: Any) -> str:
    return str(item.when.text or item.when)


def _stated(**entries: Any) -> Document:
    return {key: value for key, value in entries.items() if value not in (None, "", {}, [])}
