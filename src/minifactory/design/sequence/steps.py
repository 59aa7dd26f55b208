"""The batch steps of a recipe: what each of them prepares, loads, collects and renews.

A step is a unit procedure that collects in a vessel from which the next one draws (the last one: the pool
of the case). It binds, or holds, and then releases; or it lets the product through while it loads (a column
in flow-through) and is chased. Its phases get everything that they only inherited, so that each can stand
somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from minifactory.errors import Finding, InputError
from minifactory.plant.model import REACTING, Plant, Skid
from minifactory.recipe.model import Phase, PhaseKind, Recipe, Settings, UnitProcedure
from minifactory.recipe.write import document_of, settings_document

Document = dict[str, Any]
_KEPT = ("inlet_a", "inlet_b", "flow", "percent_b", "outlet")
_CHASING = (PhaseKind.LOAD, PhaseKind.WASH, PhaseKind.ELUTE, PhaseKind.OTHER)
"""What still pushes product through a column in flow-through."""


@dataclass(frozen=True)
class Block:
    """A phase that can stand anywhere: name, kind, what is in force when it begins, and its document."""

    name: str
    kind: PhaseKind
    settings: Settings
    document: Document


@dataclass(frozen=True)
class Step:
    """One batch step.

    Parameters
    ----------
    name : str
        Of the unit procedure.
    device : str
        The column or reactor that it leads through.
    column : bool
        Whether that is a column.
    line, past : Mapping of str to str
        Valve positions that put the device in line, and that lead past it.
    source, pool : str
        Vessel that it draws its load from, and that it collects in.
    ready, load, wash, collect, renew : tuple of Block
        Before the load, drawing it, until it collects, the phase that collects and those up to the first
        strip or clean, and the rest. In flow-through, `load` collects and `collect` is the chase behind it.
    through : bool
        Whether the product runs through while the step loads.
    """

    name: str
    device: str
    column: bool
    line: Mapping[str, str]
    past: Mapping[str, str]
    source: str
    pool: str
    ready: tuple[Block, ...]
    load: tuple[Block, ...]
    wash: tuple[Block, ...]
    collect: tuple[Block, ...]
    renew: tuple[Block, ...]
    through: bool = False

    @property
    def leaves_in(self) -> str:
        """The vessel of the liquid in which the product leaves: its eluent, or what it was loaded in."""
        return self.source if self.through else self.collect[0].settings.inlet_a or self.source

    @property
    def conditioned(self) -> Settings:
        """What is in force while it loads: inlets, composition, flow."""
        return self.load[-1].settings


def read_steps(recipe: Recipe, plant: Plant, pool: str | None) -> tuple[Step, ...]:
    """The steps of a batch recipe, in order.

    Raises
    ------
    InputError
        Several skids, fewer than two steps, loops or branches, or a unit procedure that does not draw from
        the pool before it or collects nothing; with all of them.
    """
    findings: list[Finding] = []
    units = recipe.procedure
    if len(recipe.skids) != 1 or len(units) < 2:
        raise InputError(
            Finding(
                recipe.file or recipe.name,
                f"{len(units)} unit procedures on {len(recipe.skids)} skids",
                "a batch process of at least two steps on one skid, one unit procedure each",
                "Write every step as a unit procedure that draws from the pool of the one before.",
            )
        )
    drawn: list[set[str | None]] = [
        {block.settings.inlet_a for block in _blocks(unit, findings)} for unit in units
    ]
    steps: list[Step] = []
    source = ""
    for place, unit in enumerate(units):
        last: set[str | None] = {pool} if pool else {*plant.vessels}
        wanted = drawn[place + 1] if place + 1 < len(units) else last
        step = _step(unit, plant, source, wanted, findings)
        if step is None:
            break
        steps.append(step)
        source = step.pool
    if findings:
        raise InputError(findings)
    return tuple(steps)


def _step(
    unit: UnitProcedure, plant: Plant, source: str, wanted: set[str | None], findings: list[Finding]
) -> Step | None:
    blocks = list(_blocks(unit, findings))
    loads = [
        at
        for at, block in enumerate(blocks)
        if (block.settings.inlet_a == source if source else block.kind is PhaseKind.LOAD)
    ]
    if not loads:
        what = f'no phase draws from "{source}"' if source else "no phase of kind load"
        findings.append(Finding(unit.where or unit.name, what, "a step that draws from the pool before it"))
        return None
    found = next(
        (
            (at, vessel)
            for at, block in enumerate(blocks)
            for vessel in _outlets(block)
            if vessel is not None and vessel in wanted
        ),
        None,
    )
    if found is None:
        expected = f"an outlet among {', '.join(sorted(filter(None, wanted)))}"
        findings.append(Finding(unit.where or unit.name, "nothing is collected for the next step", expected))
        return None
    collects, pool = found
    last = loads[-1]
    through = collects <= last
    if through and unit.column is None:
        findings.append(
            Finding(
                unit.where or unit.name,
                f"it collects while it loads (phase {blocks[collects].name})",
                "a reactor or tank that is filled before it is emptied",
                "Only columns work in flow-through.",
            )
        )
        return None
    device, line, column = _device(unit, blocks[last].settings, plant, findings)
    if not device:
        return None
    skid = plant.skids[unit.skid]
    begin = last + 1 if through else collects
    going_on = _CHASING if through else (PhaseKind.ELUTE, PhaseKind.OTHER)
    end = begin if through else begin + 1
    while end < len(blocks) and blocks[end].kind in going_on:
        end += 1
    return Step(
        unit.name,
        device,
        column,
        line,
        {valve: _past(skid, valve, position) for valve, position in line.items()},
        source or str(blocks[loads[0]].settings.inlet_a),
        pool,
        tuple(blocks[: loads[0]]),
        tuple(blocks[loads[0] : last + 1]),
        tuple(blocks[last + 1 : begin]),
        tuple(blocks[begin:end]),
        tuple(blocks[end:]),
        through,
    )


def _outlets(block: Block) -> Iterator[str | None]:
    yield block.settings.outlet
    for watch in block.document.get("watch", {}).values():
        yield watch.get("outlet")


def _device(
    unit: UnitProcedure, present: Settings, plant: Plant, findings: list[Finding]
) -> tuple[str, Mapping[str, str], bool]:
    """The column of the unit, or the reactor or tank in its way; the positions; whether it is a column."""
    if unit.column is not None:
        return unit.column, plant.columns[unit.column].positions, True
    skid = plant.skids[unit.skid]
    for device in skid.devices.values():
        if device.kind in REACTING:
            before = {start.owner for start, end in skid.connections if end.owner == device.name}
            line = {name: present.positions[name] for name in before if name in present.positions}
            if line:
                return device.name, line, False
    findings.append(
        Finding(
            unit.where or unit.name,
            "it leads through neither a column nor a reactor or tank",
            "a unit procedure with a column, or with positions that lead through a reactor",
        )
    )
    return "", {}, False


def _past(skid: Skid, valve: str, position: str) -> str:
    """The position of `valve` that leads past what `position` leads through; empty when that is not clear."""
    others = [name for name in skid.devices[valve].positions if name != position]
    return skid.bypass.get(valve) or (others[0] if len(others) == 1 else "")


def _blocks(unit: UnitProcedure, findings: list[Finding]) -> Iterator[Block]:
    """The phases of a unit procedure, each with what is in force when it begins."""
    documents = document_of(Recipe("", "", (unit,)))["procedure"][unit.name]["operations"]
    present = unit.start
    for operation in unit.operations:
        if unit.repeat or operation.repeat or operation.parallel:
            findings.append(
                Finding(
                    unit.where or unit.name,
                    f"{operation.name} has loops or branches",
                    "steps that run once, phase after phase",
                )
            )
            return
        for phase in operation.phases:
            present = _after(present, phase.settings)
            document = dict(documents[operation.name]["phases"][phase.name])
            yield Block(phase.name, phase.kind, present, _explicit(document, present, phase))
            for watch in phase.watches:
                present = _after(present, watch.then)
            present = replace(present, instructions=(), gradient=None)


def _after(present: Settings, new: Settings) -> Settings:
    """What is in force once `new` is set on top of `present`."""
    percent = new.percent_b or present.percent_b
    if new.gradient is not None and new.gradient.of is None:
        percent = new.gradient.to
    return Settings(
        inlet_a=new.inlet_a or present.inlet_a,
        inlet_b=new.inlet_b or present.inlet_b,
        flow=new.flow or present.flow,
        percent_b=percent,
        gradient=new.gradient,
        column=new.column or present.column,
        outlet=new.outlet or present.outlet,
        positions={**present.positions, **new.positions},
        setpoints=new.setpoints,
    )


def _explicit(document: Document, present: Settings, phase: Phase) -> Document:
    """The phase with what it inherits written out, but for positions: where it stands decides these."""
    full = settings_document(present)
    if phase.settings.gradient is not None:
        full.pop("percent_b", None)
    made = {key: full[key] for key in _KEPT if key in full} | document
    made.pop("positions", None)
    made.pop("column", None)
    return made
