"""From a recipe (vessels, flows, column volumes) to one skid's tags: what is simulated and executed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.binding import FLOW_SP, PERCENT_B_SP, Binding
from minifactory.recipe.bound import (
    BoundAction,
    BoundBranch,
    BoundInterlock,
    BoundLeave,
    BoundPhase,
    BoundRecipe,
    BoundTransfer,
    BoundWatch,
    Governed,
)
from minifactory.recipe.branches import conflicts, joined
from minifactory.recipe.controllers import controller_faults
from minifactory.recipe.inputs import bound_inputs, questions
from minifactory.recipe.model import Interlock, Phase, Recipe, Settings, UnitProcedure
from minifactory.recipe.names import aliases
from minifactory.recipe.planning import Ramp, planned_time
from minifactory.recipe.reading import DONE, WASH_BEGINS
from minifactory.recipe.references import references
from minifactory.recipe.unroll import Step, branch_steps, steps
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
    branches: list[BoundBranch] = []
    asked = questions(recipe, [step for item in procedures for step in steps(item)], findings)
    _procedure(procedures[0], binding, names, asked, phases, branches)
    for item in procedures[1:]:
        binding = Binding(plant, plant.skids[name], table, findings)
        opening, first = _initial(binding, item), len(phases)
        _procedure(item, binding, names, asked, phases, branches)
        phases[first] = replace(phases[first], start=_after(opening, phases[first].start))
        findings += _one_safe_state(procedures[0], item)
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
        branches=tuple(branches),
        inputs=bound_inputs(recipe, asked),
        transfers=tuple(
            BoundTransfer(item.name, item.sender, item.receiver, item.vessel)
            for item in recipe.transfers
            if name in (item.sender, item.receiver)
        ),
        governed=Governed(recipe, partial(bind, plant=plant, skid=name)) if recipe.controllers else None,
    )
    if recipe.controllers:
        paths = dict.fromkeys(path for path, _, _ in recipe.phases())
        findings += controller_faults(recipe.controllers, paths, references(recipe))
    findings += conflicts(bound)
    return bound, findings


def _procedure(
    item: UnitProcedure,
    binding: Binding,
    names: dict[str, str],
    asked: Mapping[str, tuple[str, ...]],
    phases: list[BoundPhase],
    branches: list[BoundBranch],
) -> None:
    """Bind all steps of a unit procedure, with the branches beside them."""
    listed = steps(item)
    for place, step in enumerate(listed):
        branching = step.first and step.operation is not None and step.operation.parallel
        before = binding.copy() if branching else binding
        bound = _phase(step, binding, names)
        phases.append(replace(bound, asks=asked.get(step.path, ())))
        if step.operation is None or not branching:
            continue
        last = place
        while last + 1 < len(listed) and listed[last + 1].turn == step.turn:
            last += 1
        first = len(phases) - 1
        for branch in step.operation.parallel:
            beside = before.copy()
            path = f"{step.turn}.{branch.name}"
            plain = f"{item.name}.{step.operation.name}.{branch.name}"
            inner = tuple(
                _phase(inside, beside, names) for inside in branch_steps(branch.phases, path, plain)
            )
            branches.append(BoundBranch(path, inner, first, first + last - place))
            binding.adopt(before, beside)
    for place, phase in enumerate(phases):
        phases[place] = joined(phase, place, phases, branches)


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
    started = {**known, "System.Flow.SP": flow}
    return BoundAction(started, action.instructions, binding.outlet, 0.0, binding.needs)


def _after(opening: BoundAction, action: BoundAction) -> BoundAction:
    """What an `opening` and the `action` that follows it at once come to; flow last."""
    setpoints = {**opening.setpoints, **action.setpoints}
    flow = setpoints.pop("System.Flow.SP", 0.0)
    return replace(
        action,
        setpoints={**setpoints, "System.Flow.SP": flow},
        instructions=(*opening.instructions, *action.instructions),
        outlet=opening.outlet if action.outlet is None else action.outlet,
        fraction_volume=0.0 if action.fraction_volume is None else action.fraction_volume,
        needs={**opening.needs, **action.needs},
    )


def _one_safe_state(first: UnitProcedure, later: UnitProcedure) -> Iterator[Finding]:
    """A finding when a later unit procedure of the skid declares a safe state of its own."""
    if later.safe not in (Settings(), first.safe):
        found = f"{later.name} declares another safe state than {first.name}, on the same skid"
        yield Finding(later.where, found, "one for the whole run", f"State it in {first.name} only.")


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


def _phase(step: Step, binding: Binding, names: dict[str, str]) -> BoundPhase:
    phase: Phase = step.phase
    composition = binding.percent_b
    waiting, kept = BoundAction(), BoundAction()
    if phase.delivers or phase.receives:
        waiting, kept = _waiting(phase, binding)
    start = _over(kept, binding.apply(phase.settings, phase.where))
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
        path=step.path,
        kind=phase.kind,
        start=start,
        until=phase.until.renamed(names),
        watches=watches,
        timeout=phase.timeout.value if phase.timeout else math.inf,
        on_timeout=phase.on_timeout,
        column_volume=volume,
        column=binding.column,
        planned_time=None if time is None else time + wash,
        planned_volume=volume_planned,
        note=phase.note,
        leaves=tuple(BoundLeave(item.when.renamed(names), item.skip, item.at) for item in step.leaves),
        delivers=phase.delivers,
        receives=phase.receives,
        waiting=waiting,
        where=phase.where,
    )


def _waiting(phase: Phase, binding: Binding) -> tuple[BoundAction, BoundAction]:
    """What is sent when a phase has to wait for another skid, and what puts that back when it begins."""
    aside = binding.copy()
    stated = phase.while_waiting
    action = aside.apply(stated, phase.where)
    setpoints = dict(action.setpoints)
    flow = setpoints.pop(FLOW_SP, 0.0)
    if FLOW_SP in binding.table.tags:
        setpoints[FLOW_SP] = flow
    before = {
        **{f"{valve}.SP": binding.index(valve, position) for valve, position in binding.positions.items()},
        PERCENT_B_SP: binding.percent_b,
        FLOW_SP: binding.flow,
    }
    back = {name: before[name] for name in setpoints if name in before}
    outlet = binding.outlet if action.outlet is not None else None
    return replace(action, setpoints=setpoints), BoundAction(back, outlet=outlet)


def _over(kept: BoundAction, action: BoundAction) -> BoundAction:
    """`action` with what `kept` has beyond it; valves first, flow last."""
    if not kept.setpoints:
        return action
    setpoints = {**kept.setpoints, **action.setpoints}
    flow = setpoints.pop(FLOW_SP, None)
    ordered = {**setpoints, **({} if flow is None else {FLOW_SP: flow})}
    outlet = kept.outlet if action.outlet is None else action.outlet
    return replace(action, setpoints=ordered, outlet=outlet)


def _known(item: Interlock, table: TagTable, names: dict[str, str]) -> bool:
    needed = (*item.when.tags(), *(item.until.tags() if item.until else ()))
    return all(names.get(name, name) in table.tags for name in needed)


def _interlock(item: Interlock, names: dict[str, str]) -> BoundInterlock:
    return BoundInterlock(
        item.name,
        item.when.renamed(names),
        item.action.value,
        item.message,
        item.until and item.until.renamed(names),
        item.delay.value if item.delay else 0.0,
        item.off_delay.value if item.off_delay else 0.0,
        item.priority,
    )
