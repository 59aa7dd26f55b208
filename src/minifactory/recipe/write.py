"""From a recipe back to ``recipe.yaml``: what is written loads as an equal recipe."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from minifactory.recipe.model import OnTimeout, Phase, PhaseKind, Recipe, Settings, UnitProcedure, Watch

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
        interlocks={
            item.name: _stated(when=_text(item), action=item.action.value, message=item.message)
            for item in recipe.interlocks
        },
        procedure={item.name: _unit_procedure(item) for item in recipe.procedure},
    )


def settings_document(settings: Settings) -> Document:
    """The block of what is set, by the keys of ``recipe.yaml``."""
    gradient = settings.gradient
    return _stated(
        inlet_a=settings.inlet_a,
        inlet_b=settings.inlet_b,
        flow=settings.flow and settings.flow.text,
        percent_b=settings.percent_b and settings.percent_b.text,
        gradient=gradient and _stated(to=gradient.to.text, of=gradient.of, over=gradient.over.text),
        column=settings.column,
        outlet=settings.outlet,
        positions=dict(settings.positions),
        do=[str(command) for command in settings.instructions],
        fractions=settings.fractions and settings.fractions.text,
        set={name: quantity.text for name, quantity in settings.setpoints.items()},
    )


def _unit_procedure(item: UnitProcedure) -> Document:
    operations = {
        operation.name: {
            **_stated(note=operation.note),
            "phases": {phase.name: _phase(phase) for phase in operation.phases},
        }
        for operation in item.operations
    }
    start, safe = settings_document(item.start), settings_document(item.safe)
    return _stated(skid=item.skid, column=item.column, start=start, safe=safe, operations=operations)


def _phase(phase: Phase) -> Document:
    return {
        **_stated(kind=phase.kind.value if phase.kind is not PhaseKind.OTHER else None, note=phase.note),
        **settings_document(phase.settings),
        **_stated(
            until=phase.until.text or str(phase.until),
            watch={item.name: _watch(item) for item in phase.watches},
            timeout=phase.timeout and phase.timeout.text,
            on_timeout=phase.on_timeout.value if phase.on_timeout is not OnTimeout.HOLD else None,
        ),
    }


def _watch(item: Watch) -> Document:
    end = "yes" if item.end_phase else None
    return {**_stated(when=_text(item), end_phase=end), **settings_document(item.then)}


def _text(item: Any) -> str:
    return str(item.when.text or item.when)


def _stated(**entries: Any) -> Document:
    return {key: value for key, value in entries.items() if value not in (None, "", {}, [])}
