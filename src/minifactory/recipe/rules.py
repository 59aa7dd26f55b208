"""The rules of the static check, one function each: facts in, findings out, each with its phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from minifactory.errors import Finding
from minifactory.plant.model import DeviceKind, Plant
from minifactory.plant.network import elsewhere
from minifactory.plant.pressure import PressureEstimate, pressure_estimate
from minifactory.recipe.bound import BoundPhase, BoundRecipe
from minifactory.recipe.conditions import Literal, Variable
from minifactory.recipe.course import Stage
from minifactory.recipe.expressions import Both, Check, Compare, Either, Node, Not
from minifactory.recipe.model import PhaseKind
from minifactory.recipe.planning import latest_time, measured, planned_time
from minifactory.signals.tags import TagTable
from minifactory.units import AREA, FLOW, PRESSURE, TIME, VELOCITY, VOLUME, show

Located = tuple[str, Finding]
"""A finding and the path of the phase it belongs to."""

_TREATS = {
    PhaseKind.EQUILIBRATE,
    PhaseKind.LOAD,
    PhaseKind.WASH,
    PhaseKind.ELUTE,
    PhaseKind.STRIP,
    PhaseKind.CLEAN,
    PhaseKind.REGENERATE,
}
_FILTER = DeviceKind.FILTER
_SOILED = {PhaseKind.EQUILIBRATE, PhaseKind.LOAD, PhaseKind.STRIP, PhaseKind.CLEAN, PhaseKind.STORE}


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    bound: BoundRecipe
    plant: Plant
    table: TagTable
    stages: tuple[Stage, ...]
    file: str

    def where(self, phase: BoundPhase) -> str:
        """File, line and path of a phase."""
        return phase.where or f"{self.file} {phase.path}"


def _at(
    facts: Facts, phase: BoundPhase, found: str, expected: str = "", remedy: str = "", warn: bool = False
) -> Located:
    severity = "warning" if warn else "error"
    return phase.path, Finding(facts.where(phase), found, expected, remedy, severity)


def closed_ways(facts: Facts) -> Iterator[Located]:
    """No flow path, dead-heads, pumps that draw from nothing."""
    for stage in facts.stages:
        for fault in stage.faults:
            where = f"{facts.where(stage.phase)}: {fault.where}"
            yield stage.phase.path, Finding(where, fault.found, fault.expected, fault.remedy)


def endless_phases(facts: Facts) -> Iterator[Located]:
    """Ends that never come or may never come, and phases without length."""
    for stage in facts.stages:
        phase = stage.phase
        latest = latest_time(phase.until, stage.flow, phase.column_volume)
        ends = any(watch.end_phase for watch in phase.watches)
        if never(phase.until.root, facts.table) and not ends:
            yield _at(facts, phase, f'"{phase.until}" can never be true', remedy="Correct the condition.")
        elif not measured(phase.until) and math.isinf(latest) and not ends:
            found = f'"{phase.until}" never comes at {show(stage.flow, FLOW)}'
            yield _at(facts, phase, found, remedy="Set a flow, or end the phase by time.")
        elif phase.planned_time is None and math.isinf(latest) and math.isinf(phase.timeout):
            found = f'"{phase.until}" depends on a measurement and has no time-out'
            yield _at(facts, phase, found, "a timeout", 'Add e.g. "timeout: 2 h".')
        elif not measured(phase.until) and latest <= 0.0:
            yield _at(facts, phase, "the phase has no length", remedy="Lengthen or remove it.")
        if phase.planned_time is not None and phase.timeout < phase.planned_time < math.inf:
            found = (
                f"time-out after {show(phase.timeout, TIME)}, but it lasts {show(phase.planned_time, TIME)}"
            )
            yield _at(facts, phase, found, remedy="Lengthen the time-out.")


def branch_ends(facts: Facts) -> Iterator[Located]:
    """Phases of parallel branches that never end or may never end."""
    for branch in facts.bound.branches:
        beside = facts.bound.phases[branch.first]
        for phase in branch.phases:
            ends = any(watch.end_phase for watch in phase.watches)
            found = expected = remedy = ""
            if never(phase.until.root, facts.table) and not ends:
                found, remedy = f'"{phase.until}" can never be true', "Correct the condition."
            elif measured(phase.until) and math.isinf(phase.timeout):
                found = f'"{phase.until}" depends on a measurement and has no time-out'
                expected, remedy = "a timeout", 'Add e.g. "timeout: 2 h".'
            if found:
                yield beside.path, Finding(phase.where or phase.path, found, expected, remedy)


def loop_ends(facts: Facts) -> Iterator[Located]:
    """Loops that are to end early, but whose condition cannot be true."""
    told: set[str] = set()
    for stage in facts.stages:
        for leave in stage.phase.leaves:
            text = str(leave.when)
            if text not in told and never(leave.when.root, facts.table):
                told.add(text)
                found = f'the loop never ends early: "{leave.when}" can never be true'
                yield _at(facts, stage.phase, found, remedy="Correct or remove it.")


def idle_watches(facts: Facts) -> Iterator[Located]:
    """Watches that can never fire."""
    for stage in facts.stages:
        phase = stage.phase
        for watch in phase.watches:
            seconds = planned_time(watch.when, stage.flow, phase.column_volume)
            late = seconds is not None and math.isfinite(stage.longest) and seconds > stage.longest
            if late or never(watch.when.root, facts.table):
                found = f'watch "{watch.name}": "{watch.when}" does not come true in this phase'
                yield _at(facts, phase, found, remedy="Correct or remove it.", warn=late)


def setpoint_ranges(facts: Facts) -> Iterator[Located]:
    """Set-points beyond what the equipment accepts (flow beyond the pumps, wavelengths ...)."""
    actions = [(facts.stages[0].phase, facts.bound.initial)] if facts.stages else []
    for stage in facts.stages:
        actions += [(stage.phase, stage.phase.start), *((stage.phase, w.action) for w in stage.phase.watches)]
    for branch in facts.bound.branches:
        for phase in branch.phases:
            actions += [(phase, phase.start), *((phase, watch.action) for watch in phase.watches)]
    for phase, action in actions:
        for name, value in action.setpoints.items():
            tag = facts.table.tags.get(name)
            if tag is None or tag.choices or tag.lower - 1e-12 <= value <= tag.upper * (1.0 + 1e-12):
                continue
            found = f"{name.removesuffix('.SP')} of {show(value, tag.kind)}"
            bounds = f"{show(tag.lower, tag.kind)} to {show(tag.upper, tag.kind)}"
            yield _at(facts, phase, found, bounds, "Stay in the range of the equipment.")


def column_limits(facts: Facts) -> Iterator[Located]:
    """Velocity and estimated pressures over what column and system bear."""
    for stage in facts.stages:
        phase, path = stage.phase, stage.path
        estimate = estimated_pressure(stage, facts.plant)
        if path is None or estimate is None:
            continue
        if estimate.system > stage.pressure_limit:
            found = (
                f"about {show(estimate.system, PRESSURE)} behind the pumps at {show(stage.flow, FLOW)}, "
                f"over the limit of {show(stage.pressure_limit, PRESSURE)}"
            )
            yield _at(
                facts, phase, found, remedy=_slower(_flow_for(stage, facts.plant, "", stage.pressure_limit))
            )
        for name in path.columns:
            column = facts.plant.columns[name]
            velocity = stage.flow / column.area
            if velocity > column.max_flow_velocity * (1.0 + 1e-9):
                most = show(column.max_flow_velocity, VELOCITY)
                found = f"{show(velocity, VELOCITY)} through {name}"
                remedy = _slower(column.max_flow_velocity * column.area)
                yield _at(facts, phase, found, f"at most {most} ({column.resin})", remedy)
            for what, value, limit in (
                ("at the inlet of", estimate.column.get(name, 0.0), column.max_pressure),
                ("over the bed of", estimate.bed.get(name, 0.0), column.max_bed_pressure),
            ):
                if value > limit:
                    found = f"about {show(value, PRESSURE)} {what} {name} at {show(stage.flow, FLOW)}"
                    remedy = _slower(_flow_for(stage, facts.plant, what, limit, name))
                    yield _at(facts, phase, found, f"at most {show(limit, PRESSURE)}", remedy)


def filter_limits(facts: Facts) -> Iterator[Located]:
    """Filters that get more liquid than they are good for, or bear less than the clean filter takes."""
    passed: dict[str, float] = {}
    for stage in facts.stages:
        path, estimate = stage.path, estimated_pressure(stage, facts.plant)
        if path is None or estimate is None:
            continue
        filters = [device for name in path.devices if (device := path.skid.devices[name]).kind is _FILTER]
        for device in filters:
            name, drop = device.name, estimate.parts.get(device.name, 0.0)
            most = device.value("capacity", math.inf) * device.value("area", math.inf)
            bears = device.value("max_pressure", math.inf)
            if drop > bears:
                found = f"about {show(drop, PRESSURE)} over the clean {name} at {show(stage.flow, FLOW)}"
                remedy = _slower(stage.flow * bears / drop)
                yield _at(facts, stage.phase, found, f"at most {show(bears, PRESSURE)}", remedy)
            before = passed.get(name, 0.0)
            after = passed[name] = before + stage.volume.high
            if math.isfinite(after) and after > most * (1.0 + 1e-9) >= before:
                found = f"up to {show(after, VOLUME, 3)} through {name} by the end of this phase"
                area = device.value("area", 0.0) * after / most
                remedy = f"Take at least {show(area, AREA, 3)}, or filter less."
                yield _at(
                    facts, stage.phase, found, f"its capacity of {show(most, VOLUME)}", remedy, warn=True
                )


def column_out_of_line(facts: Facts) -> Iterator[Located]:
    """Phases that treat a column while the liquid flows past all of them."""
    for stage in facts.stages:
        name = stage.phase.column
        meant = stage.phase.kind in _TREATS and stage.flow > 0.0 and name is not None
        if meant and stage.path is not None and not stage.path.columns:
            found = f'a phase of kind "{stage.phase.kind.value}" in which {name} is not in line'
            yield _at(facts, stage.phase, found, remedy=f'Say "column: {name}", or make the phase "other".')


def _flow_for(stage: Stage, plant: Plant, what: str, limit: float, column: str = "") -> float:
    """m3/s at which the pressure meets its limit; the estimate is a constant and a part linear in flow."""

    def pressure(estimate: PressureEstimate | None) -> float:
        if estimate is None:
            return 0.0
        if not what:
            return estimate.system
        return (estimate.bed if "bed" in what else estimate.column).get(column, 0.0)

    half = pressure(estimated_pressure(stage, plant, 0.5))
    slope = (pressure(estimated_pressure(stage, plant)) - half) / (0.5 * stage.flow)
    constant = half - 0.5 * stage.flow * slope
    return (limit - constant) / slope if slope > 0.0 else 0.0


def _slower(flow: float) -> str:
    if flow <= 0.0:
        return "No flow keeps this limit; raise it, or take the flow restrictor out."
    return f"Lower the flow to about {show(flow, FLOW, 3)}."


def pump_shares(facts: Facts) -> Iterator[Located]:
    """Compositions for which one pump would have to run slower or faster than it can."""
    pumps = facts.plant.skids[facts.bound.skid].of_kind(DeviceKind.PUMP)
    if len(pumps) < 2:
        return
    for stage in facts.stages:
        start, end = stage.composition
        steady = start == end
        for pump, share in zip(pumps[:2], (100.0 - end, end), strict=True):
            flow = stage.flow * share / 100.0
            least, most = pump.value("min_flow", 0.0), pump.value("max_flow", math.inf)
            if steady and 0.0 < flow < least:
                found = f"{end:g} %B at {show(stage.flow, FLOW)} needs {show(flow, FLOW)} of {pump.name}"
                expected = f"at least {show(least, FLOW)}"
                yield _at(facts, stage.phase, found, expected, "Raise the flow or mix the buffer beforehand.")
            elif flow > most * (1.0 + 1e-9):
                found = f"{show(flow, FLOW)} of {pump.name}"
                yield _at(facts, stage.phase, found, f"at most {show(most, FLOW)}", "Lower the flow.")


def missing_materials(facts: Facts) -> Iterator[Located]:
    """Vessels that are drawn from, but hold nothing and have received nothing."""
    filled = set(elsewhere(facts.plant, facts.bound.skid)[0])
    told: set[str] = set()
    for stage in facts.stages:
        for name in stage.drawn:
            vessel = facts.plant.vessels.get(name)
            if vessel is None or name in told or name in filled:
                continue
            if vessel.material is None:
                told.add(name)
                remedy = f"Give {name} a material in factory.yaml."
                yield _at(facts, stage.phase, f'vessel "{name}" holds no material', remedy=remedy)
        filled.update(stage.received)


def blocked_instructions(facts: Facts) -> Iterator[Located]:
    """Instructions that the equipment refuses together."""
    for stage in facts.stages:
        names = [item.name for item in stage.phase.start.instructions]
        if names.count("PumpWash") > 1:
            remedy = "Put each into a phase of its own."
            yield _at(facts, stage.phase, "two pump washes at once", remedy=remedy)
        if "PumpWash" in names and "Gradient" in names:
            remedy = "Wash in the phase before."
            yield _at(facts, stage.phase, "a gradient cannot begin during a pump wash", remedy=remedy)


def outlets(facts: Facts) -> Iterator[Located]:
    """Outlets that never return to waste, and pools that receive what does not belong there."""
    vessels = facts.plant.vessels
    previous: Stage | None = None
    for stage in facts.stages:
        phase = stage.phase
        inherited = previous is not None and previous.uncertain_outlet and phase.start.outlet is None
        if inherited and previous is not None and stage.volume.high > 0.0:
            found = f'which vessel receives the outlet was left to the watches of "{previous.phase.name}"'
            yield _at(facts, phase, found, "an outlet", 'State it, e.g. "outlet: waste".', warn=True)
        pools = [name for name in stage.received if name in vessels and vessels[name].purpose == "pool"]
        if pools and stage.volume.high > 0.0 and phase.kind in _SOILED:
            found = f'"{pools[0]}" receives a phase of kind {phase.kind.value}'
            yield _at(facts, phase, found, remedy='State e.g. "outlet: waste".', warn=True)
        previous = stage
    last = facts.stages[-1] if facts.stages else None
    if last is not None and last.outlet and last.outlet in vessels and vessels[last.outlet].purpose == "pool":
        found = f'the recipe ends with the outlet in "{last.outlet}"'
        yield _at(facts, last.phase, found, "waste", 'Set "outlet: waste" at the end.')


RULES: tuple[Callable[[Facts], Iterator[Located]], ...] = (
    closed_ways,
    endless_phases,
    branch_ends,
    loop_ends,
    idle_watches,
    setpoint_ranges,
    column_limits,
    filter_limits,
    column_out_of_line,
    pump_shares,
    missing_materials,
    blocked_instructions,
    outlets,
)
"""Every rule, in the order in which findings are shown."""


def estimated_pressure(stage: Stage, plant: Plant, part: float = 1.0) -> PressureEstimate | None:
    """Pressures at `part` of the flow of a stage, by a static estimate with the most viscous liquid drawn."""
    if stage.path is None or stage.flow <= 0.0:
        return None
    names = [branch.vessel for branch in stage.path.branches.values()]
    held = [plant.vessels[name].material or "" for name in names if name in plant.vessels]
    viscosities = [plant.materials[name].viscosity for name in held if name in plant.materials]
    viscosity = max(viscosities, default=1.0e-3)
    return pressure_estimate(stage.path, plant.columns, plant.parameters, part * stage.flow, viscosity)


def never(node: Node, table: TagTable) -> bool:
    """Whether a condition is false for every value that its tags can take."""
    match node:
        case Compare(operator, Variable(name), Literal(limit)):
            tag = table.tags.get(name)
            if tag is None:
                return False
            if operator in (">", ">="):
                return limit > tag.upper or (operator == ">" and limit == tag.upper)
            if operator in ("<", "<="):
                return limit < tag.lower or (operator == "<" and limit == tag.lower)
            return operator == "==" and not tag.lower <= limit <= tag.upper
        case Both(parts):
            return any(never(part, table) for part in parts)
        case Either(parts):
            return all(never(part, table) for part in parts)
        case Not():
            return False
        case Check(function, arguments) if function in ("for", "once"):
            return never(arguments[0], table)
        case _:
            return False
