"""What a recipe has set on a skid so far, and each further setting as set-points and instructions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Device, DeviceKind, Plant, Port, Skid
from minifactory.plant.network import seen_from
from minifactory.recipe.bound import BoundAction, BoundInstruction
from minifactory.recipe.model import Command, Gradient, Settings
from minifactory.recipe.reading import BYPASS
from minifactory.recipe.routes import Routes, Way, connected_vessels, receiving_vessels
from minifactory.signals.tags import TagTable
from minifactory.units import CONCENTRATION, FLOW, VELOCITY, Quantity, parse, show

FLOW_SP, PERCENT_B_SP = "System.Flow.SP", "Gradient.PercentB.SP"
PRESSURE_LIMIT = "Pressure.Limit.SP"
WASH_TIME = 86.0
"""s of a pump wash whose pump states no ``wash_time`` (logbook of pH5pt1_25pt2CV.asc, 8:59:28 to 9:00:54)."""

_CELLS = {DeviceKind.UV_CELL, DeviceKind.CONDUCTIVITY_CELL, DeviceKind.PH_CELL}
_PUMPS = {"A": 0.0, "B": 1.0}


class Binding:
    """What is set on one skid; :meth:`apply` sets more and says what is to be sent for it.

    Its streams may run through devices of other skids. Their valves are theirs to turn: :attr:`needs` tells
    how those on the present way have to stand.

    Parameters
    ----------
    plant : Plant
        Vessels and columns.
    skid : Skid
        Devices and connections.
    table : TagTable
        Tags and instructions of the skid.
    findings : list of Finding
        Receives what cannot be done.
    """

    def __init__(self, plant: Plant, skid: Skid, table: TagTable, findings: list[Finding]) -> None:
        self.plant, self.skid, self.table, self.findings = plant, skid, table, findings
        self.graph = seen_from(plant, skid.name)
        self._routes = Routes(self.graph)
        self._foreign: dict[str, dict[str, tuple[str, ...]]] = {}
        self.positions = {
            device.name: next(iter(device.positions))
            for device in skid.devices.values()
            if device.kind is DeviceKind.VALVE and f"{device.name}.SP" in table.tags
        }
        self.inlets: dict[str, str | None] = {"A": None, "B": None}
        self.flow = 0.0
        self.percent_b = 0.0
        self.column: str | None = None
        self.in_line: str | None = None
        self.stated: dict[str, str] = {}
        self.outlet: str | None = None
        self.fractions = 0.0

    # What the skid is

    def enter(self, column: str | None) -> None:
        """Begin a unit procedure with its column, which is in line until the recipe says ``bypass``."""
        self.column = self.in_line = column
        self.stated = {}
        if self.outlet is None:
            self.outlet = self.waste()
        self._lead(Settings(), "initial state")

    @property
    def column_volume(self) -> float:
        """m3 of the column of the unit procedure; 0 without one."""
        return self.plant.columns[self.column].volume if self.column else 0.0

    def pump(self, letter: str) -> Device | None:
        """Pump A or B, if the skid has it."""
        pumps = [device for device in self.skid.devices.values() if device.kind is DeviceKind.PUMP]
        named = [pump for pump in pumps if pump.name.endswith(letter)]
        return next(iter(named or (pumps if letter == "A" else [])), None)

    def waste(self) -> str | None:
        """The vessel for waste behind the outlet valve, if there is one."""
        receivers = [name for name in self._receivers() if name in self.plant.vessels]
        wastes = [name for name in receivers if self.plant.vessels[name].purpose == "waste"]
        return next((name for name in wastes if self.behind_detectors(name)), None)

    def _receivers(self) -> tuple[str, ...]:
        """Vessels that lines lead to, those of the own skid first."""
        own = receiving_vessels(self.skid)
        return (*own, *(name for name in receiving_vessels(self.graph) if name not in own))

    def limits(self) -> dict[str, float]:
        """Set-points of the equipment's own limits that follow from skid and column (SI)."""
        if PRESSURE_LIMIT not in self.table.tags:
            return {}
        column = self.plant.columns.get(self.column or "")
        own = [self.skid.max_pressure, *([column.max_pressure] if column else [])]
        return {PRESSURE_LIMIT: min(own)}

    def index(self, valve: str, position: str) -> float:
        """The value that stands for a position of a valve."""
        choices = self.table.tag(f"{valve}.SP").choices
        return float(choices.index(position)) if position in choices else 0.0

    def wash_time(self, settings: Settings) -> float:
        """s that the pump washes among the instructions take."""
        total = 0.0
        for command in settings.instructions:
            if command.name == "PumpWash":
                pump = self.pump(command.arguments[0] if command.arguments else "A")
                total += pump.value("wash_time", WASH_TIME) if pump else WASH_TIME
        return total

    # Settings become actions

    def aside(self, settings: Settings, where: str) -> BoundAction:
        """The action of a watch; what it changes lasts, but whether it fires is not known.

        Later settings are stated in full, so only what decides which valves must move (their positions) could
        differ; the set-points of a watch are therefore followed as if it had fired.
        """
        return self.apply(settings, where)

    def apply(self, settings: Settings, where: str) -> BoundAction:
        """Set what `settings` state, and return what is to be sent; faults become findings at `where`."""
        valves = self._valves(settings, where)
        setpoints: dict[str, float] = {
            f"{name}.SP": self.index(name, position) for name, position in valves.items()
        }
        for name, quantity in settings.setpoints.items():
            setpoints[f"{name}.SP"] = quantity.value
        if settings.percent_b is not None and self._has(PERCENT_B_SP, "a composition", where):
            self.percent_b = setpoints[PERCENT_B_SP] = settings.percent_b.value
        if settings.flow is not None and self._has(FLOW_SP, "a flow", where):
            self.flow = setpoints[FLOW_SP] = self._flow(settings.flow, where)
        instructions = [item for command in settings.instructions if (item := self._command(command, where))]
        if settings.gradient is not None:
            instructions.append(self._gradient(settings, where))
        fractions = self._fractions(settings)
        if fractions and "FractionNext" in self.table.instructions:
            instructions.append(BoundInstruction("FractionNext"))
        elif fractions:
            self.findings.append(Finding(where, f"{self.skid.name} has no fraction collector"))
        return BoundAction(setpoints, tuple(instructions), settings.outlet, fractions, self.needs)

    def _has(self, tag: str, what: str, where: str) -> bool:
        if tag in self.table.tags:
            return True
        self.findings.append(Finding(where, f"{what} is set, but {self.skid.name} has no set-point {tag}"))
        return False

    def _flow(self, quantity: Quantity, where: str) -> float:
        if quantity.kind is not VELOCITY:
            return quantity.value
        if self.column is None:
            remedy = "State a column, or the flow as volume per time."
            self.findings.append(Finding(where, f'"{quantity.text}" without a column', "a flow", remedy))
            return 0.0
        return quantity.value * self.plant.columns[self.column].area

    def _gradient(self, settings: Settings, where: str) -> BoundInstruction:
        assert settings.gradient is not None
        over = settings.gradient.over
        volume = over.value
        if over.kind.name == "column volumes":
            volume = over.value * self.column_volume
        elif over.kind.name == "time":
            volume = over.value * self.flow
        self.percent_b = self._target(settings.gradient, where)
        if volume <= 0.0:
            found = f'gradient over "{over.text}" at {show(self.flow, FLOW)} has no volume'
            self.findings.append(Finding(where, found, remedy="Set a flow and a column, or write percent_b."))
        if "Gradient" not in self.table.instructions:
            self.findings.append(Finding(where, f"{self.skid.name} makes no gradients"))
        return BoundInstruction("Gradient", {"percent_b": self.percent_b, "volume": volume})

    def _target(self, gradient: Gradient, where: str) -> float:
        """%B at which a gradient ends."""
        if gradient.of is None:
            return gradient.to.value
        held = []
        for letter in "AB":
            vessel = self.plant.vessels.get(self.inlets[letter] or "")
            material = self.plant.materials.get(vessel.material or "") if vessel else None
            if vessel is None or material is None:
                found = f"gradient in {gradient.of}, but nothing is known of inlet {letter}"
                self.findings.append(Finding(where, found, remedy=f'State "inlet_{letter.lower()}" before.'))
                return 0.0
            held.append((vessel.name, material.composition.get(gradient.of, 0.0)))
        (_, weak), (name, strong) = held
        wanted = gradient.to.value
        if not min(weak, strong) <= wanted <= max(weak, strong) or weak == strong:
            low, high = show(weak, CONCENTRATION), show(strong, CONCENTRATION)
            found = (
                f'gradient ends at {gradient.to.text} {gradient.of}, but inlet B holds "{name}" with {high}'
            )
            remedy = f"Lower the end to <= {high} or connect a stronger buffer to inlet B."
            self.findings.append(Finding(where, found, f"between {low} (inlet A) and {high}", remedy))
            return 100.0
        return 100.0 * (wanted - weak) / (strong - weak)

    def _fractions(self, settings: Settings) -> float | None:
        wanted: float | None = None
        if settings.fractions is not None:
            wanted = settings.fractions.value
        elif settings.outlet is not None and self.fractions:
            wanted = 0.0
        self.fractions = self.fractions if wanted is None else wanted
        return wanted

    def _command(self, command: Command, where: str) -> BoundInstruction | None:
        known = self.table.instructions.get(command.name)
        if known is None:
            remedy = did_you_mean(command.name, self.table.instructions)
            self.findings.append(
                Finding(where, f'{self.skid.name} has no instruction "{command.name}"', "", remedy)
            )
            return None
        if len(command.arguments) != len(known.arguments):
            expected = ", ".join(argument.name for argument in known.arguments) or "no arguments"
            self.findings.append(
                Finding(where, f"{command} has {len(command.arguments)} arguments", expected)
            )
            return None
        values = {}
        for argument, text in zip(known.arguments, command.arguments, strict=True):
            if argument.name == "pump" and text in _PUMPS:
                values[argument.name] = _PUMPS[text]
                continue
            try:
                values[argument.name] = parse(text, argument.kind, where=f"{where} {command.name}").value
            except InputError as fault:
                self.findings.extend(fault.findings)
        return BoundInstruction(command.name, values)

    # Valves follow from where liquid comes from and goes to

    def _valves(self, settings: Settings, where: str) -> dict[str, str]:
        """Positions of the valves that the settings decide, in order of the flow."""
        decided: dict[str, str] = {}
        for letter, vessel in (("A", settings.inlet_a), ("B", settings.inlet_b)):
            if vessel is not None:
                decided.update(self._inlet(letter, vessel, settings.positions, where))
        for valve, position in settings.positions.items():
            known = self.skid.devices.get(valve)
            if known is None or known.name not in self.positions:
                remedy = did_you_mean(valve, self.positions)
                self.findings.append(Finding(where, f'{self.skid.name} has no valve "{valve}"', "", remedy))
            elif position not in known.positions:
                remedy = did_you_mean(position, known.positions)
                self.findings.append(Finding(where, f'{valve} has no position "{position}"', "", remedy))
            else:
                decided[valve] = position
        self.positions.update(decided)
        if settings.column is not None:
            self.in_line = None if settings.column == BYPASS else settings.column
            self.stated = {}
        self.stated.update(settings.positions)
        if settings.outlet is not None:
            self.outlet = settings.outlet
        if settings.column is not None or settings.outlet is not None:
            decided.update(self._lead(settings, where))
        return decided

    def _inlet(self, letter: str, vessel: str, fixed: Mapping[str, str], where: str) -> dict[str, str]:
        pump = self.pump(letter)
        if pump is None:
            self.findings.append(Finding(where, f"{self.skid.name} has no pump {letter}"))
            return {}
        self.inlets[letter] = vessel
        found = self._routes.ways(Port(vessel), pump.name, fixed)
        best = self._best(found)
        if best is None:
            near = ", ".join(connected_vessels(self.graph, pump.name)) or "none"
            text = f'no way from vessel "{vessel}" to {pump.name}'
            remedy = "Connect it to the inlet valve in factory.yaml, or use another vessel."
            self.findings.append(Finding(where, text, f"one of {near}", remedy))
            return {}
        self._need(best, found, f"inlet_{letter}")
        return {valve: position for valve, position in best.positions.items() if valve in self.positions}

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """How valves of other skids on the present way may stand, the nearest position first."""
        return {valve: at for found in self._foreign.values() for valve, at in found.items()}

    def _need(self, best: Way, found: Sequence[Way], part: str) -> None:
        """Note how valves of other skids stand on `best`, or on ways of `found` that are the same for us."""
        own = self._own_part(best)
        same = [best, *(way for way in found if self._own_part(way) == own)]
        needed: dict[str, tuple[str, ...]] = {}
        for valve in best.positions:
            if valve not in self.skid.devices:
                stands = (way.positions[valve] for way in same if valve in way.positions)
                needed[valve] = tuple(dict.fromkeys(stands))
        self._foreign[part] = needed

    def _own_part(self, way: Way) -> tuple[dict[str, str], list[str]]:
        """Positions of the own valves on `way`, and the own devices that it passes."""
        devices = self.skid.devices
        own = {valve: position for valve, position in way.positions.items() if valve in devices}
        return own, [name for name in way.devices if name in devices or name == self.in_line]

    def _lead(self, settings: Settings, where: str) -> dict[str, str]:
        """Set the valves between pumps and outlet so that the liquid goes where it should."""
        if self.outlet is None:
            found = "no vessel receives the outlet"
            self.findings.append(Finding(where, found, remedy="Connect a waste vessel to the outlet."))
            return {}
        found_ways = self._outlet_ways(self.outlet, settings.positions, self.in_line)
        best = self._best(found_ways)
        stated_ways = self._stated_ways(self.outlet, best)
        best = self._best(stated_ways) or best
        if best is None:
            through = f"through {self.in_line}" if self.in_line else "past the column"
            stand = ", ".join(f"{valve} {position}" for valve, position in settings.positions.items())
            found = f'no way from the pumps {through} to vessel "{self.outlet}"' + (
                f" with {stand}" if stand else ""
            )
            self.findings.append(self._no_way(where, found, self.outlet, settings.positions))
            return {}
        self._need(best, stated_ways or found_ways, "outlet")
        needed = {valve: position for valve, position in best.positions.items() if valve in self.positions}
        stated = needed if settings.column is not None else self.outlet_positions(self.outlet)
        moved = {
            valve: position
            for valve, position in needed.items()
            if valve in stated or self.positions[valve] != position
        }
        self.positions.update(moved)
        return moved

    def _no_way(self, where: str, found: str, vessel: str, stated: Mapping[str, str]) -> Finding:
        """Why nothing leads from the pumps to `vessel`: it is not connected, or a valve stands in the way."""
        near = self._receivers()
        if vessel not in near:
            return Finding(where, found, f"one of {', '.join(near)}", "Connect it in factory.yaml.")
        open_way = self._best(self._outlet_ways(vessel, {}, self.in_line))
        if open_way is None or not stated:
            return Finding(where, found, remedy="Connect it in factory.yaml.")
        needed = [f"{valve} {open_way.positions[valve]}" for valve in stated if valve in open_way.positions]
        remedy = "State other positions, or none: the valves follow `column` and `outlet`."
        if self.in_line:
            remedy += " A column is run from its top to its bottom."
        return Finding(where, found, " and ".join(needed), remedy)

    def _stated_ways(self, vessel: str, best: Way | None) -> list[Way]:
        """Ways through other columns than the unit procedure's, where stated positions lead there.

        Several columns in a row, or another of a skid that has several. What a recipe stated holds until it
        says `column` again.
        """
        behind = self.outlet_positions(vessel)
        kept = {valve: stood for valve, stood in self.stated.items() if valve not in behind}
        if best is not None and all(best.positions.get(v, stood) == stood for v, stood in kept.items()):
            return []
        devices = self.graph.devices.items()
        columns = {name for name, device in devices if device.kind is DeviceKind.COLUMN}
        return [way for way in self._ways_from_pump(vessel, kept) if columns & set(way.devices)]

    def _ways_from_pump(self, vessel: str, fixed: Mapping[str, str]) -> list[Way]:
        pump = self.pump("A")
        if pump is None:
            return []
        starts = [Port(pump.name, port) for port in pump.ports]
        return [way for start in starts for way in self._routes.ways(start, vessel, fixed)]

    def _outlet_ways(self, vessel: str, fixed: Mapping[str, str], column: str | None) -> list[Way]:
        found = self._ways_from_pump(vessel, fixed)
        kinds = {name: device.kind for name, device in self.graph.devices.items()}
        has_cells = any(device.kind in _CELLS for device in self.skid.devices.values())

        def columns(way: Way) -> list[str]:
            return [name for name in way.devices if kinds[name] is DeviceKind.COLUMN]

        def right(way: Way, passed: list[str]) -> bool:
            if column is not None:
                return passed == [column]
            return not passed and (not has_cells or any(kinds[name] in _CELLS for name in way.devices))

        exact = [way for way in found if right(way, columns(way))]
        # What is handed over through a line may go on through columns of the skid that receives it.
        wider = [way for way in found if right(way, self._own_columns(columns(way), column))]
        return [*exact, *(way for way in wider if way not in exact)]

    def _own_columns(self, passed: list[str], column: str | None) -> list[str]:
        """Columns of `passed` that are this skid's, and `column` wherever it stands."""
        return [name for name in passed if name == column or name in self.skid.devices]

    def behind_detectors(self, vessel: str) -> Way | None:
        """The shortest way from the last detector cell (or a pump, without one) to `vessel`."""
        cells = [device for device in self.skid.devices.values() if device.kind in _CELLS]
        starts = cells or [device for device in (self.pump("A"),) if device]
        found = [
            way
            for device in starts
            for port in device.ports
            for way in self._routes.ways(Port(device.name, port), vessel)
        ]
        return min(found, key=lambda way: len(way.devices), default=None)

    def outlet_positions(self, vessel: str | None) -> dict[str, float]:
        """Positions (as values) of the valves behind the detectors that lead to `vessel`."""
        way = self.behind_detectors(vessel) if vessel else None
        places = way.positions.items() if way else ()
        return {valve: self.index(valve, position) for valve, position in places if valve in self.positions}

    def _best(self, found: Sequence[Way]) -> Way | None:
        """The way that moves the fewest valves; the shortest of those."""

        def cost(way: Way) -> tuple[bool, int, int]:
            moves = sum(self.positions.get(valve) != position for valve, position in way.positions.items())
            return way.upward, moves, len(way.devices)

        return min(found, key=cost, default=None)

    def adopt(self, before: Binding, beside: Binding) -> None:
        """Take over what a parallel branch has set: what differs in `beside` from the state `before` it."""
        for valve, position in beside.positions.items():
            if position != before.positions.get(valve):
                self.positions[valve] = position
        for letter, vessel in beside.inlets.items():
            if vessel != before.inlets.get(letter):
                self.inlets[letter] = vessel
        for name in ("flow", "percent_b", "in_line", "outlet", "fractions"):
            if getattr(beside, name) != getattr(before, name):
                setattr(self, name, getattr(beside, name))

    def copy(self) -> Binding:
        """The same state, to try something."""
        other = copy.copy(self)
        other.positions, other.inlets = dict(self.positions), dict(self.inlets)
        other.stated, other._foreign = dict(self.stated), dict(self._foreign)
        return other
