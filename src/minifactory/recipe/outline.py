"""The textual form of a recipe: an outline for the command line, the report and the operator page."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.recipe.model import (
    Input,
    Interlock,
    OnTimeout,
    Operation,
    Phase,
    Recipe,
    Repeat,
    Settings,
    UnitProcedure,
    Watch,
)
from minifactory.signals.tags import TagTable
from minifactory.units import COLUMN_VOLUMES, TIME, VOLUME, show


@dataclass(frozen=True)
class Outline:
    """One entry of the outline.

    Parameters
    ----------
    label : str
        What it is: the name of a procedure, operation or phase, or ``until``, ``set``, ``watch pool`` ...
    text : str
        What there is to say of it, on one line.
    path : str
        Dotted path of the phase, operation or unit procedure; empty for what lies inside a phase.
    children : tuple of Outline
        What belongs to it, in order.
    """

    label: str
    text: str = ""
    path: str = ""
    children: tuple[Outline, ...] = ()

    def lines(self, indent: str = "  ", depth: int = 0) -> list[str]:
        """The outline as indented lines."""
        own = f"{indent * depth}{self.label}" + (f": {self.text}" if self.text else "")
        return [own, *(line for child in self.children for line in child.lines(indent, depth + 1))]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def describe(recipe: Recipe | BoundRecipe, table: TagTable | None = None) -> Outline:
    """The outline of a recipe, or of a bound recipe in terms of its tags.

    Parameters
    ----------
    recipe : Recipe or BoundRecipe
        What is described.
    table : TagTable, optional
        For a bound recipe: gives positions their names and numbers their units; without it values are SI.
    """
    if isinstance(recipe, Recipe):
        guards = tuple(_interlock(item) for item in recipe.interlocks)
        children = (*map(_input, recipe.inputs), *map(_unit_procedure, recipe.procedure))
        return Outline(
            f"{recipe.name}, version {recipe.version}", recipe.description, "", (*children, *guards)
        )
    start = Outline("initial state", action_text(recipe.initial, table))
    safe = Outline("safe state", action_text(recipe.safe, table))
    phases = tuple(_bound_phase(phase, table) for phase in recipe.phases)
    phases += tuple(
        Outline(
            f"branch {branch.path}",
            f"beside {recipe.phases[branch.first].path} to {recipe.phases[branch.last].path}",
            branch.path,
            tuple(_bound_phase(phase, table) for phase in branch.phases),
        )
        for branch in recipe.branches
    )
    locks = tuple(
        Outline(f"interlock {item.name}", f"{item.action} when {item.when}") for item in recipe.interlocks
    )
    title = f"{recipe.recipe}, version {recipe.version} on {recipe.skid}"
    return Outline(title, children=(start, *phases, safe, *locks))


def settings_text(settings: Settings) -> str:
    """What is set, on one line, e.g. ``from A12, 6.43 mL/min, C1 in line, to waste``."""
    parts = [f"from {settings.inlet_a}"] if settings.inlet_a else []
    parts += [f"B from {settings.inlet_b}"] if settings.inlet_b else []
    if settings.flow is not None:
        parts.append(settings.flow.text if settings.flow.value else "pumps off")
    parts += [f"step to {settings.percent_b.text}"] if settings.percent_b else []
    if settings.gradient is not None:
        end = " ".join(filter(None, (settings.gradient.to.text, settings.gradient.of)))
        parts.append(f"gradient to {end} over {settings.gradient.over.text}")
    if settings.column is not None:
        parts.append("column by-passed" if settings.column == "bypass" else f"{settings.column} in line")
    parts += [f"to {settings.outlet}"] if settings.outlet else []
    parts += [f"in fractions of {settings.fractions.text}"] if settings.fractions else []
    parts += [f"{valve} at {position}" for valve, position in settings.positions.items()]
    parts += [f"{name} = {quantity.text}" for name, quantity in settings.setpoints.items()]
    parts += [str(command) for command in settings.instructions]
    return ", ".join(parts)


def action_text(action: BoundAction, table: TagTable | None = None) -> str:
    """What is sent, on one line, e.g. ``OutletValve F3, System.Flow 3.15 mL/min, AutoZero()``."""
    parts = []
    for name, value in action.setpoints.items():
        tag = table.tags.get(name) if table else None
        if tag is not None and tag.choices and 0 <= value < len(tag.choices):
            shown = tag.choices[int(value)]
        else:
            shown = show(value, replace(tag.kind, shown=tag.unit)) if tag is not None else f"{value:.6g}"
        parts.append(f"{name.removesuffix('.SP')} {shown}")
    for item in action.instructions:
        known = table.instructions.get(item.name) if table else None
        kinds = {argument.name: argument.kind for argument in known.arguments} if known else {}
        arguments = [
            f"{name} {show(value, kinds[name]) if name in kinds else f'{value:.6g}'}"
            for name, value in item.arguments.items()
        ]
        parts.append(f"{item.name}({', '.join(arguments)})")
    if action.fraction_volume:
        parts.append(f"fractions of {show(action.fraction_volume, VOLUME)}")
    return ", ".join(parts)


def _interlock(item: Interlock) -> Outline:
    message = f" ({item.message})" if item.message else ""
    parts = [f"{item.action.value} when {item.when.text or item.when}"]
    parts += [f"for {item.delay.text}"] if item.delay else []
    parts += [f"until {item.until.text or item.until}"] if item.until else []
    parts += [f"gone for {item.off_delay.text}"] if item.off_delay else []
    parts += [f"priority {item.priority}"] if item.priority else []
    return Outline(f"interlock {item.name}", ", ".join(parts) + message)


def _input(item: Input) -> Outline:
    bounds = [f"at least {item.minimum.text}"] if item.minimum else []
    bounds += [f"at most {item.maximum.text}"] if item.maximum else []
    parts = [item.question, *bounds, f"asked before {item.at or 'the first phase'}"]
    parts += [f"sets {', '.join(item.sets)}"] if item.sets else ["for the record"]
    return Outline(f"input {item.name}", ", ".join(parts))


def repeat_text(repeat: Repeat | None) -> str:
    """A loop in words, e.g. ``at most 5 turns, until UV < 10 mAU``; empty without one."""
    if repeat is None:
        return ""
    if repeat.until is None:
        return f"{repeat.times} turns"
    return f"at most {repeat.times} turns, until {repeat.until.text or repeat.until}"


def _unit_procedure(item: UnitProcedure) -> Outline:
    where = f"{item.skid} with column {item.column}" if item.column else item.skid
    start, safe = settings_text(item.start), settings_text(item.safe)
    around = [Outline("start", start)] if start else []
    operations = [_operation(operation, f"{item.name}.{operation.name}") for operation in item.operations]
    after = [Outline("safe state", f"pumps off, {safe or 'to waste'}")]
    text = "; ".join(filter(None, (f"on {where}", repeat_text(item.repeat))))
    return Outline(item.name, text, item.name, (*around, *operations, *after))


def _operation(operation: Operation, path: str) -> Outline:
    text = "; ".join(filter(None, (repeat_text(operation.repeat), operation.macro, operation.note)))
    phases = [_phase(phase, f"{path}.{phase.name}") for phase in operation.phases]
    branches = [
        Outline(
            f"beside: {branch.name}",
            "",
            f"{path}.{branch.name}",
            tuple(_phase(phase, f"{path}.{branch.name}.{phase.name}") for phase in branch.phases),
        )
        for branch in operation.parallel
    ]
    return Outline(operation.name, text, path, (*phases, *branches))


def _phase(phase: Phase, path: str) -> Outline:
    children = []
    if phase.delivers:
        children.append(Outline("delivers", phase.delivers))
    if phase.receives:
        children.append(Outline("receives", phase.receives))
    done = settings_text(phase.settings)
    if done:
        children.append(Outline("set", done))
    children += [_watch(item) for item in phase.watches]
    end = phase.until.text or str(phase.until)
    if phase.timeout is not None and end != "done":
        end += f", at most {phase.timeout.text}"
        end += "" if phase.on_timeout is OnTimeout.NEXT else f", then {phase.on_timeout.value}"
    children.append(Outline("until", end))
    kind = "" if phase.kind.value in (phase.name, "other") else phase.kind.value
    text = "; ".join(part for part in (kind, repeat_text(phase.repeat), phase.note) if part)
    return Outline(phase.name, text, path, tuple(children))


def _watch(item: Watch) -> Outline:
    then = settings_text(item.then)
    end = "ends the phase" if item.end_phase else ""
    result = ", ".join(part for part in (then, end) if part)
    return Outline(f"watch {item.name}", f"when {item.when.text or item.when}: {result}")


def _bound_phase(phase: BoundPhase, table: TagTable | None) -> Outline:
    plan = []
    if phase.planned_time is not None and math.isfinite(phase.planned_time):
        plan.append(show(phase.planned_time, TIME))
    if phase.planned_volume:
        plan.append(show(phase.planned_volume, VOLUME))
        if phase.column_volume:
            plan.append(show(phase.planned_volume / phase.column_volume, COLUMN_VOLUMES))
    children = [Outline("send", action_text(phase.start, table))] if action_text(phase.start, table) else []
    for item in phase.watches:
        end = ", ends the phase" if item.end_phase else ""
        text = f"when {item.when}: {action_text(item.action, table)}{end}"
        children.append(Outline(f"watch {item.name}", text))
    limit = "" if math.isinf(phase.timeout) else f", at most {show(phase.timeout, TIME)}"
    children.append(Outline("until", f"{phase.until}{limit}"))
    children += [
        Outline("leave the loop", f"when {leave.when}, over {leave.skip} phases") for leave in phase.leaves
    ]
    children += [Outline("ask", name) for name in phase.asks]
    planned = f"planned {', '.join(plan)}" if plan else ""
    text = "; ".join(part for part in (phase.kind.value, planned) if part)
    return Outline(phase.name, text, phase.path, tuple(children))
