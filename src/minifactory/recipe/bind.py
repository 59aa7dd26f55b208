"""From a recipe (vessels, flows, column volumes) to one skid's tags: what is simulated and executed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.binding import Binding
from minifactory.recipe.bound import BoundAction, BoundInterlock, BoundPhase, BoundRecipe, BoundWatch
from minifactory.recipe.model import Interlock, Phase, Recipe, UnitProcedure
from minifactory.recipe.names import aliases
from minifactory.recipe.planning import Ramp, planned_time
from minifactory.recipe.reading import DONE, WASH_BEGINS
from minifactory.signals.tags import TagTable


def bind(recipe: Recipe, plant: Plant, skid: str | None = None) -> BoundRecipe:
    """What `skid` is to do of the recipe, in terms of its tags.

    Parameters
    ----------
    recipe : Recipe
        As loaded or built.
    plant : Plant
        The equipment.
    skid : str, optional
        Its name; may be left out when the recipe uses one skid only.

    Raises
    ------
    InputError
        With every fault: no way for the liquid, unknown positions and instructions, missing set-points.
    """
    bound, findings = try_bind(recipe, plant, skid)
    if findings:
        raise InputError(findings)
    return bound


def try_bind(recipe: Recipe, plant: Plant, skid: str | None = None) -> tuple[BoundRecipe, list[Finding]]:
    """The bound recipe as far as it could be bound, and what could not.

    Raises
    ------
    InputError
        When the recipe has nothing for that skid.
    """
    procedures = [item for item in recipe.procedure if skid in (None, item.skid)]
    skids = sorted({item.skid for item in procedures})
    if len(skids) != 1:
        known = [item.skid for item in recipe.procedure]
        found = f"the recipe uses {len(set(known))} skids" if skid is None else f'nothing for skid "{skid}"'
        raise InputError(
            Finding(recipe.file or recipe.name, found, "the name of one", did_you_mean(skid or "", known))
        )
    name = skids[0]
    table = tag_table(plant.skids[name])
    names = aliases(table)
    findings: list[Finding] = []
    binding = Binding(plant, plant.skids[name], table, findings)
    initial = _initial(binding, procedures[0])
    phases: list[BoundPhase] = []
    for item in procedures:
        binding.enter(item.column)
        if item is not procedures[0]:
            binding.apply(item.start, item.where)
        for path, phase in _phases(item):
            phases.append(_phase(path, phase, binding, names))
    interlocks = tuple(_interlock(item, names) for item in recipe.interlocks if _known(item, table, names))
    bound = BoundRecipe(
        recipe=recipe.name,
        version=recipe.version,
        skid=name,
        column=procedures[0].column,
        phases=tuple(phases),
        interlocks=interlocks,
        initial=initial,
        safe=_safe(Binding(plant, plant.skids[name], table, findings), procedures[0]),
        aliases=names,
    )
    return bound, findings


def _phases(item: UnitProcedure) -> Iterator[tuple[str, Phase]]:
    for operation in item.operations:
        for phase in operation.phases:
            yield f"{item.name}.{operation.name}.{phase.name}", phase


def _initial(binding: Binding, item: UnitProcedure) -> BoundAction:
    """Every valve in its place, pumps off, and what the unit procedure declares as its start."""
    binding.enter(item.column)
    action = binding.apply(item.start, item.where)
    valves = {f"{valve}.SP": binding.index(valve, position) for valve, position in binding.positions.items()}
    rest = {name: value for name, value in action.setpoints.items() if name not in valves}
    setpoints = {**valves, **binding.limits(), "Gradient.PercentB.SP": binding.percent_b, **rest}
    setpoints.setdefault("System.Flow.SP", 0.0)
    flow = setpoints.pop("System.Flow.SP")
    known = {name: value for name, value in setpoints.items() if name in binding.table.tags}
    return BoundAction({**known, "System.Flow.SP": flow}, action.instructions, binding.outlet, 0.0)


def _safe(binding: Binding, item: UnitProcedure) -> BoundAction:
    """Pumps off, outlet to waste, the column stays; and what the unit procedure declares beyond that."""
    binding.column = item.column
    declared = binding.apply(replace(item.safe, outlet=None), item.where)
    outlet = item.safe.outlet or binding.waste()
    setpoints = {
        **{f"{valve}.SP": value for valve, value in binding.outlet_positions(outlet).items()},
        **declared.setpoints,
    }
    flow = setpoints.pop("System.Flow.SP", 0.0)
    return BoundAction({**setpoints, "System.Flow.SP": flow}, declared.instructions, outlet, 0.0)


def _phase(path: str, phase: Phase, binding: Binding, names: dict[str, str]) -> BoundPhase:
    composition = binding.percent_b
    start = binding.apply(phase.settings, phase.where)
    ramp = None
    for instruction in start.instructions:
        if instruction.name == "Gradient":
            begin = start.setpoints.get("Gradient.PercentB.SP", composition)
            ramp = Ramp(begin, instruction.arguments["percent_b"], instruction.arguments["volume"])
    flow, wash = binding.flow, binding.wash_time(phase.settings)
    watches = tuple(
        BoundWatch(
            item.name,
            item.when.renamed(names),
            binding.aside(item.then, item.where or phase.where),
            item.end_phase,
        )
        for item in phase.watches
    )
    volume = binding.column_volume
    steers = any(item.end_phase or item.then.flow is not None for item in phase.watches)
    time = None if steers else planned_time(phase.until, flow, volume, ramp)
    if phase.until.text == DONE:
        time, flow = WASH_BEGINS, 0.0
    volume_planned = None if time is None or math.isinf(time) else time * flow
    if ramp is not None and volume_planned is not None:
        binding.percent_b = ramp.at(volume_planned)
    return BoundPhase(
        path=path,
        kind=phase.kind,
        start=start,
        until=phase.until.renamed(names),
        watches=watches,
        timeout=phase.timeout.value if phase.timeout else math.inf,
        on_timeout=phase.on_timeout,
        column_volume=volume,
        planned_time=None if time is None else time + wash,
        planned_volume=volume_planned,
        note=phase.note,
        where=phase.where,
    )


def _known(item: Interlock, table: TagTable, names: dict[str, str]) -> bool:
    return all(names.get(name, name) in table.tags for name in item.when.tags())


def _interlock(item: Interlock, names: dict[str, str]) -> BoundInterlock:
    return BoundInterlock(item.name, item.when.renamed(names), item.action.value, item.message)
