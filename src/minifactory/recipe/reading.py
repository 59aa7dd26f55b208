"""From a description document to the nouns of a recipe; every fault becomes a finding, reading goes on.

The YAML loader and the Python builder both come through here, so that they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.document import Reader
from minifactory.plant.model import Plant
from minifactory.plant.network import group
from minifactory.plant.nodes import Mapping as MappingNode
from minifactory.plant.nodes import Sequence as SequenceNode
from minifactory.recipe.conditions import Expression, Names, parse_condition
from minifactory.recipe.controllers import read_controller
from minifactory.recipe.macros import expanded
from minifactory.recipe.model import (
    PLACE,
    Branch,
    Command,
    Gradient,
    Input,
    Interlock,
    InterlockAction,
    OnTimeout,
    Operation,
    Phase,
    PhaseKind,
    Recipe,
    Repeat,
    Settings,
    Transfer,
    UnitProcedure,
    Watch,
)
from minifactory.recipe.names import condition_names, skid_names
from minifactory.recipe.unroll import MOST_STEPS, MOST_TURNS, size
from minifactory.signals.tags import TagTable
from minifactory.units import (
    COLUMN_VOLUMES,
    CONCENTRATION,
    FLOW,
    KINDS,
    PERCENT_B,
    TIME,
    VELOCITY,
    VOLUME,
    Quantity,
)

BYPASS = "bypass"
PRIORITIES = ("low", "medium", "high", "critical")
"""Of an alarm (ISA-18.2)."""
DONE = "done"
WASH_BEGINS = 5.0
"""s of method time that a pump wash may take to begin; the method stands still during the wash itself."""
WASHED = f"PumpWash.Running == No and time >= {WASH_BEGINS:g} s"
"""What ``until: done`` means: the wash is over, after the time that it may take to begin."""
WASH_TIMEOUT = Quantity(300.0, TIME, "5 min")
"""Time-out of a pump wash whose phase states none (it takes about 86 s)."""

_BY_TURN = ("inlet_a", "inlet_b", "outlet", "column")
"""What may be a list of names, one for each turn of a loop; positions may be so, too."""
_STAND_IN = parse_condition("0 s", {})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LEVELS = re.compile(r"^procedure\.|\b(?:operations|phases|parallel)\.")
_COMMAND = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*(?:\(([^()]*)\))?")
_Choice = TypeVar("_Choice", PhaseKind, OnTimeout, InterlockAction)


def read_recipe(top: Reader, plant: Plant, tables: Mapping[str, TagTable]) -> Recipe:
    """The recipe in a document.

    Parameters
    ----------
    top : Reader
        The whole document; its report receives the findings.
    plant : Plant
        Gives the names of skids, columns and vessels.
    tables : Mapping of str to TagTable
        Tags and instructions of every skid.
    """
    top = expanded(top)
    name = top.text("name")
    version = top.text("version", "1")
    description = top.text("description", "")
    everything: Names = {
        key: kind for table in reversed(list(tables.values())) for key, kind in condition_names(table).items()
    }
    interlocks = tuple(_interlock(item, place, everything) for item, place in _members(top, "interlocks"))
    transfers = tuple(_transfer(item, place, plant) for item, place in _members(top, "transfers"))
    procedure = tuple(
        _unit_procedure(item, place, plant, tables, transfers)
        for item, place in _members(top, "procedure", required=True)
    )
    if not procedure and "procedure" in top:
        top.fail("no unit procedure", "at least one", key="procedure")
    inputs = tuple(_input(item, place) for item, place in _members(top, "inputs"))
    controllers = tuple(
        read_controller(item, place, everything) for item, place in _members(top, "controllers")
    )
    top.ignore("macros")
    top.finish()
    read = Recipe(name, version, procedure, interlocks, description, inputs, top.file, transfers)
    return replace(read, controllers=controllers)


def _transfer(item: Reader, place: str, plant: Plant) -> Transfer:
    _check_name(item, place)
    sender, receiver = (item.reference(key, plant.skids, "skid") for key in ("from", "to"))
    if sender is not None and sender == receiver:
        found = f'"{sender}" hands over to itself'
        item.fail(found, "two skids", "Phases of one skid follow one another anyway.", key="to")
    vessel = item.reference("vessel", plant.vessels, "vessel", required=False)
    item.finish()
    return Transfer(item.name, sender or "", receiver or "", vessel, place)


def _input(item: Reader, place: str) -> Input:
    _check_name(item, place)
    kinds = tuple(KINDS.values())
    found = Input(
        name=item.name,
        question=item.text("ask", f"{item.name.replace('_', ' ')}?"),
        sets=item.texts("sets"),
        at=item.text("at", ""),
        minimum=item.quantity("minimum", *kinds, required=False),
        maximum=item.quantity("maximum", *kinds, required=False),
        every_turn=item.flag("every_turn", default=False),
        where=place,
    )
    item.finish()
    return found


def _repeat(item: Reader, names: Names, known: bool) -> Repeat | None:
    """The loop of a block: ``repeat: 3`` or ``repeat: {times: 3, until: ...}``."""
    node = item.node.entries.get("repeat")
    if not isinstance(node, MappingNode):
        stated = item.text("repeat", "")
        return Repeat(_turns(item, "repeat", stated)) if stated else None
    inside = item.section("repeat")
    times = _turns(inside, "times", inside.text("times"))
    until = None
    if "until" in inside:
        until = _condition(inside, "until", names) if known else None
        inside.ignore("until")
    inside.finish()
    return Repeat(times, until)


def _turns(item: Reader, key: str, stated: str) -> int:
    if stated.isascii() and stated.isdigit() and 1 <= int(stated) <= MOST_TURNS:
        return int(stated)
    if stated:
        item.fail(f'"{stated[:40]}" turns', f"a whole number from 1 to {MOST_TURNS}", key=key)
    return 1


def _interlock(item: Reader, place: str, names: Names) -> Interlock:
    when = _condition(item, "when", names)
    action = _choice(item, "action", InterlockAction, InterlockAction.HOLD)
    until = _condition(item, "until", names) if "until" in item else None
    interlock = Interlock(
        item.name,
        when,
        action,
        item.text("message", ""),
        until,
        item.quantity("delay", TIME, required=False),
        item.quantity("off_delay", TIME, required=False),
        item.choice("priority", PRIORITIES, "") if "priority" in item else "",
        place,
    )
    item.finish()
    return interlock


@dataclass(frozen=True)
class _Scope:
    """What the parts of one unit procedure may name."""

    plant: Plant
    columns: tuple[str, ...]
    table: TagTable | None
    names: Names
    transfers: tuple[Transfer, ...] = ()


def _unit_procedure(
    item: Reader,
    place: str,
    plant: Plant,
    tables: Mapping[str, TagTable],
    transfers: tuple[Transfer, ...],
) -> UnitProcedure:
    _check_name(item, place)
    skid = item.reference("skid", plant.skids, "skid")
    table = tables.get(skid or "")
    skids = group(plant, (skid,)) if skid is not None else ()
    columns = [item.name for item in plant.columns.values() if skid is None or item.skid in (skid, *skids)]
    column = item.reference("column", columns, "column of this skid", required=False)
    allowed = tuple(columns) if "column" in item else ()
    mine = tuple(item for item in transfers if skid in (item.sender, item.receiver))
    names = skid_names(table, plant.vessels, [item.name for item in mine]) if table else {}
    scope = _Scope(plant, allowed, table, names, mine)
    start, safe = (_inner_settings(item, key, scope) for key in ("start", "safe"))
    operations = tuple(
        _operation(member, place, scope) for member, place in _members(item, "operations", required=True)
    )
    repeat = _repeat(item, scope.names, table is not None)
    item.finish()
    procedure = UnitProcedure(item.name, skid or "", column, operations, start, safe, repeat, place)
    if (count := size(procedure)) > MOST_STEPS:
        item.fail(f"{count} phases with all turns of its loops", f"at most {MOST_STEPS}", key="repeat")
        return replace(procedure, operations=(), repeat=None)
    return procedure


def _inner_settings(item: Reader, key: str, scope: _Scope) -> Settings:
    inside = item.section(key)
    settings = _once(inside, _settings(inside, scope))
    inside.finish()
    return settings


def _once(item: Reader, settings: Settings) -> Settings:
    """`settings` of something that has no turns of its own."""
    for key in settings.by_turn:
        item.fail("a list of names, one for each turn", "one name", "Only a phase has turns.", key=key)
    return replace(settings, by_turn={})


def _operation(item: Reader, place: str, scope: _Scope) -> Operation:
    _check_name(item, place)
    phases = tuple(_phase(member, place, scope) for member, place in _members(item, "phases", required=True))
    if not phases:
        item.fail("no phase", "at least one", key="phases")
    branches = tuple(_branch(member, place, scope) for member, place in _members(item, "parallel"))
    twice = {branch.name for branch in branches} & {phase.name for phase in phases}
    for name in sorted(twice):
        item.fail(f'a phase and a branch are both called "{name}"', key="parallel")
    operation = Operation(
        item.name,
        phases,
        item.text("note", ""),
        _repeat(item, scope.names, scope.table is not None),
        branches,
        item.text("macro", ""),
    )
    item.finish()
    return operation


def _branch(item: Reader, place: str, scope: _Scope) -> Branch:
    _check_name(item, place)
    phases = tuple(_phase(member, place, scope) for member, place in _members(item, "phases", required=True))
    if not phases:
        item.fail("no phase", "at least one", key="phases")
    for phase in phases:
        if phase.delivers or phase.receives:
            remedy = "Put it among the phases of the operation."
            item.fail(f'"{phase.name}" of a branch hands something over', remedy=remedy)
        _once(item, phase.settings)
        if phase.repeat is not None and phase.repeat.until is not None:
            item.fail(f'the loop of "{phase.name}" in a branch ends early', 'a number, e.g. "repeat: 3"')
    item.finish()
    return Branch(item.name, phases, place)


def _phase(item: Reader, place: str, scope: _Scope) -> Phase:
    _check_name(item, place)
    kind = _choice(item, "kind", PhaseKind, PhaseKind.OTHER)
    settings = _settings(item, scope)
    washes = any(command.name == "PumpWash" for command in settings.instructions)
    stated = item.text("until", DONE if washes else None)
    if scope.table is None:
        until = _STAND_IN  # without a skid no name means anything; the missing skid is the finding
    elif stated == DONE and washes:
        until = replace(_parsed(WASHED, scope.names, item.where("until"), item), text=DONE)
    elif stated == DONE:
        item.fail('"done" without a pump wash', 'a condition, e.g. "5 CV"', key="until")
        until = _STAND_IN
    else:
        until = _parsed(stated, scope.names, item.where("until"), item) if stated else _STAND_IN
    watches = tuple(_watch(member, place, scope) for member, place in _members(item, "watch"))
    timeout = item.quantity("timeout", TIME, required=False)
    if timeout is None and stated == DONE and washes:
        timeout = WASH_TIMEOUT
    on_timeout = _choice(item, "on_timeout", OnTimeout, OnTimeout.HOLD)
    note = item.text("note", "")
    repeat = _repeat(item, scope.names, scope.table is not None)
    delivers, receives = (_side(item, key, scope) for key in ("delivers", "receives"))
    waiting = _while_waiting(item, scope, bool(delivers or receives))
    item.finish()
    return Phase(
        name=item.name,
        kind=kind,
        settings=settings,
        until=until,
        watches=watches,
        timeout=timeout,
        on_timeout=on_timeout,
        note=note,
        repeat=repeat,
        delivers=delivers,
        receives=receives,
        while_waiting=waiting,
        where=place,
    )


def _side(item: Reader, key: str, scope: _Scope) -> str | None:
    """The transfer that a phase delivers to or receives from; it must belong to that side of the skid."""
    name = item.reference(key, [known.name for known in scope.transfers], "transfer here", required=False)
    for known in scope.transfers:
        skid = known.sender if key == "delivers" else known.receiver
        if known.name == name and scope.table is not None and scope.table.skid != skid:
            other = "receives" if key == "delivers" else "delivers"
            found = f'"{name}" goes from {known.sender} to {known.receiver}, and this is {scope.table.skid}'
            item.fail(found, remedy=f'Write "{other}", or turn the transfer round.', key=key)
            return None
    return name


def _while_waiting(item: Reader, scope: _Scope, hands_over: bool) -> Settings:
    settings = _inner_settings(item, "while_waiting", scope)
    if settings == Settings():
        return settings
    lasting = replace(settings, instructions=(), gradient=None, fractions=None, setpoints={}) == settings
    if not hands_over:
        remedy = 'It belongs to a phase that "delivers" or "receives".'
        item.fail("nothing is waited for here", remedy=remedy, key="while_waiting")
    elif not lasting:
        item.fail("instructions, gradients, fractions or `set`", "flow, valves, vessels", key="while_waiting")
    return settings


def _watch(item: Reader, place: str, scope: _Scope) -> Watch:
    _check_name(item, place)
    when = _condition(item, "when", scope.names) if scope.table else _STAND_IN
    item.text("when", "")
    settings = _once(item, _settings(item, scope))
    end_phase = item.flag("end_phase", default=False)
    item.finish()
    return Watch(when, settings, item.name, end_phase, place)


def _settings(item: Reader, scope: _Scope) -> Settings:
    gradient = None
    if "gradient" in item:
        inside = item.section("gradient")
        of = inside.reference("of", scope.plant.species, "species", required=False)
        to = inside.quantity("to", CONCENTRATION if "of" in inside else PERCENT_B)
        over = inside.quantity("over", COLUMN_VOLUMES, VOLUME, TIME)
        inside.finish()
        gradient = Gradient(to, over, of) if to is not None and over is not None else None
    places = item.section("positions")
    lists = {f"{PLACE}{device}": _listed(places, device) for device in places.keys}
    positions = {
        device: listed[0] if (listed := lists[f"{PLACE}{device}"]) else places.text(device)
        for device in places.keys
    }
    lists |= {key: _listed(item, key) for key in _BY_TURN}
    vessels = {key: _vessel(item, key, scope.plant, lists[key]) for key in ("inlet_a", "inlet_b", "outlet")}
    columns = (BYPASS, *scope.columns)
    for name in dict.fromkeys(lists["column"]):
        if name not in columns:
            item.fail(f'"{name}" is no column here', remedy=did_you_mean(name, columns), key="column")
    in_line = next(iter(lists["column"]), None) or item.reference(
        "column", columns, "column here", required=False
    )
    return Settings(
        inlet_a=vessels["inlet_a"],
        inlet_b=vessels["inlet_b"],
        flow=item.quantity("flow", FLOW, VELOCITY, required=False),
        percent_b=item.quantity("percent_b", PERCENT_B, required=False),
        gradient=gradient,
        column=in_line,
        outlet=vessels["outlet"],
        positions=positions,
        instructions=tuple(_command(text, item) for text in item.texts("do")),
        fractions=item.quantity("fractions", VOLUME, required=False),
        setpoints=_setpoints(item.section("set"), scope.table),
        by_turn={key: listed for key, listed in lists.items() if listed},
    )


def _listed(item: Reader, key: str) -> tuple[str, ...]:
    """The names at `key` when they are a list, one for each turn; empty when they are not."""
    if not isinstance(item.node.entries.get(key), SequenceNode):
        return ()
    names = item.texts(key)
    if not names:
        item.fail("an empty list", "a name, or one for each turn of the loop", key=key)
    return names


def _setpoints(block: Reader, table: TagTable | None) -> dict[str, Quantity]:
    found = {}
    known = {tag.name.removesuffix(".SP"): tag for tag in table.writable} if table else {}
    for key in block.keys:
        tag = known.get(key)
        quantity = block.quantity(key, tag.kind) if tag and not tag.choices else None
        if quantity is not None:
            found[key] = quantity
        elif table is None:
            block.text(key)
        elif tag is not None and tag.choices:
            block.fail(f'"{key}" is a position', remedy='Write it under "positions".', key=key)
    block.finish()
    return found


def _vessel(item: Reader, key: str, plant: Plant, listed: tuple[str, ...] = ()) -> str | None:
    for name in dict.fromkeys(listed):
        if name not in plant.vessels:
            item.fail(f'"{name}" is not a known vessel', remedy=did_you_mean(name, plant.vessels), key=key)
    if listed:
        return listed[0]
    stated = item.text(key, "")
    holders = [vessel.name for vessel in plant.vessels.values() if vessel.material == stated]
    if stated and stated not in plant.vessels and holders:
        remedy = f'Write its vessel: "{holders[0]}".'
        item.fail(f'"{stated}" is a material', "the name of a vessel", remedy, key=key)
        return None
    return item.reference(key, plant.vessels, "vessel", required=False)


def _command(text: str, item: Reader) -> Command:
    found = _COMMAND.fullmatch(text.strip())
    if found is None:
        item.fail(f'"{text[:60]}" is not an instruction', "e.g. AutoZero or PumpWash(A)", key="do")
        return Command("")
    arguments = tuple(part.strip() for part in (found[2] or "").split(",") if part.strip())
    return Command(found[1], arguments)


def _condition(item: Reader, key: str, names: Names) -> Expression:
    text = item.text(key)
    return _parsed(text, names, item.where(key), item) if text else _STAND_IN


def _parsed(text: str, names: Names, where: str, item: Reader) -> Expression:
    try:
        return parse_condition(text, names, where)
    except InputError as fault:
        item.report.add_all(fault.findings)
        return _STAND_IN


def _choice(item: Reader, key: str, choices: type[_Choice], default: _Choice) -> _Choice:
    return choices(item.choice(key, [choice.value for choice in choices], default.value))


def _check_name(item: Reader, place: str) -> None:
    if not _NAME.fullmatch(item.name):
        item.report.add(Finding(place, f'"{item.name}" as a name', "letters, digits and _ only"))


def _members(item: Reader, key: str, required: bool = False) -> Iterator[tuple[Reader, str]]:
    """The named blocks under `key`, each with the place of its name: file, line and path in the recipe."""
    inside = item.section(key, required)
    for name in inside.keys:
        member = inside.section(name, required=True)
        line = inside.node.lines.get(name, inside.node.line)
        yield member, f"{item.file}:{line} {_LEVELS.sub('', member.path)}"
