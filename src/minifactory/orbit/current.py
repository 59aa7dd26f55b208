"""The run that is loaded: recipe, position, levels, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.levels import Levels
from minifactory.orbit.predictor import Forecast
from minifactory.recipe.bound import BoundAction, BoundRecipe
from minifactory.recipe.procedure import Procedure
from minifactory.signals import TagTable


@dataclass
class Current:
    """One run from loading to its end; `started` and `ended` in s of process time, None before.

    `answers` are those to the recipe's inputs; `waiting_at` is the position of the phase that waits for some
    (None: none does), and `resume_for` who has answered the last of them.
    """

    identifier: str
    bound: BoundRecipe
    procedure: Procedure
    levels: Levels
    origin: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    forecast: Forecast | None = None
    answers: dict[str, str] = field(default_factory=dict)
    waiting_at: int | None = None
    resume_for: str = ""
    started: float | None = None
    ended: float | None = None

    @property
    def column_volume(self) -> float:
        """m3 of the first phase that has one; 0 without a column."""
        return next((phase.column_volume for phase in self.bound.phases if phase.column_volume), 0.0)

    def unanswered(self, position: int) -> tuple[str, ...]:
        """Names of the inputs that must be answered before the phase at `position` begins."""
        phases = self.bound.phases
        asks = phases[position].asks if 0 <= position < len(phases) else ()
        return tuple(name for name in asks if name not in self.answers)

    def open_questions(self) -> tuple[tuple[str, str], ...]:
        """Name and question of every input that the run waits for now."""
        if self.waiting_at is None:
            return ()
        known = {item.name: item.question for item in self.bound.inputs}
        return tuple((name, known[name]) for name in self.unanswered(self.waiting_at))

    def begun(self, position: int) -> None:
        """The phase at `position` has begun: what is asked in every turn of a loop is asked again."""
        phases = self.bound.phases
        for name in phases[position].asks:
            if any(name in phase.asks for phase in phases[position + 1 :]):
                self.answers.pop(name, None)

    @property
    def under_way(self) -> bool:
        """Whether it has started and not ended."""
        return self.started is not None and self.ended is None


def version_after(version: str) -> str:
    """The version of a recipe after one more live edit: ``1`` -> ``1+1`` -> ``1+2``."""
    base, edits = edits_of(version)
    return f"{base}+{edits + 1}"


def edits_of(version: str) -> tuple[str, int]:
    """What a recipe's version was before its live edits, and how many there were."""
    base, plus, number = version.rpartition("+")
    return (base, int(number)) if plus and number.isdecimal() else (version, 0)


def check_against(bound: BoundRecipe, table: TagTable, flow_tag: str | None) -> None:
    """Check that the equipment has everything that `bound` names, within its ranges.

    Raises
    ------
    InputError
        With all findings: unknown tags, values out of range, unknown instructions or arguments.
    """
    findings: list[Finding] = []
    actions = [("initial", bound.initial), ("safe", bound.safe)]
    for phase in bound.all_phases():
        actions.append((phase.path, phase.start))
        actions += [(f"{phase.path} {watch.name}".strip(), watch.action) for watch in phase.watches]
    for where, action in actions:
        findings += action_faults(where, action, table)
    if bound.flow_tag != flow_tag and bound.flow_tag in table.tags:
        findings.append(
            Finding("flow_tag", f'"{bound.flow_tag}"', f'"{flow_tag}", which the controller measures')
        )
    for alias, name in bound.aliases.items():
        if name not in table.tags:
            findings.append(_unknown(f'alias "{alias}"', name, table))
    if findings:
        raise InputError(findings)


def action_faults(where: str, action: BoundAction, table: TagTable) -> list[Finding]:
    """What is wrong with sending `action` to equipment with these tags; empty when nothing is."""
    found = [_setpoint_fault(where, name, value, table) for name, value in action.setpoints.items()]
    for item in action.instructions:
        known = table.instructions.get(item.name)
        if known is None:
            remedy = did_you_mean(item.name, table.instructions)
            found.append(Finding(where, f'no instruction "{item.name}"', remedy=remedy))
            continue
        names = {argument.name for argument in known.arguments}
        if set(item.arguments) != names:
            given = ", ".join(sorted(item.arguments)) or "nothing"
            found.append(Finding(where, f"{item.name}({given})", f"arguments {', '.join(sorted(names))}"))
    return [finding for finding in found if finding is not None]


def _setpoint_fault(where: str, name: str, value: float, table: TagTable) -> Finding | None:
    tag = table.tags.get(name)
    if tag is None:
        return _unknown(where, name, table)
    if not tag.writable:
        return Finding(
            where, f'"{name}" cannot be written', remedy=did_you_mean(f"{name}.SP", _writable(table))
        )
    if tag.choices and value not in range(len(tag.choices)):
        return Finding(
            where, f"{name} = {value:g}", f"0 to {len(tag.choices) - 1} ({', '.join(tag.choices)})"
        )
    slack = 1e-9 * max(1.0, abs(value)) if tag.upper == tag.upper else 0.0
    if not tag.choices and not tag.lower - slack <= value <= tag.upper + slack:
        return Finding(
            where, f"{name} = {value:g} {tag.kind.si}", f"{tag.lower:g} to {tag.upper:g} {tag.kind.si}"
        )
    return None


def _writable(table: TagTable) -> list[str]:
    return [tag.name for tag in table.writable]


def _unknown(where: str, name: str, table: TagTable) -> Finding:
    return Finding(where, f'no tag "{name}" on {table.skid}', remedy=did_you_mean(name, table.tags))
