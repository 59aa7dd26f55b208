"""The executed run in the words of the recipe: phases with settings, watches and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minifactory.calibration.generation.acts import Act, Deed
from minifactory.calibration.generation.course import Stretch, identifier
from minifactory.calibration.generation.plumbing import Plumbing
from minifactory.calibration.generation.yaml_text import Inline
from minifactory.plant.model import Port

NICE = 0.003
"""Relative distance within which a volume counts as a multiple of half a CV: the method was written in CV."""
VALVES_TURN = "10 s"
"""Without flow at the start, when valves must turn first."""
STARTS = (
    ("equil", "equilibrate"),
    ("load", "load"),
    ("sample", "load"),
    ("appl", "load"),
    ("inject", "load"),
    ("elut", "elute"),
    ("gradient", "elute"),
    ("strip", "strip"),
    ("sani", "clean"),
    ("cip", "clean"),
    ("clean", "clean"),
    ("naoh", "clean"),
    ("regen", "regenerate"),
    ("stor", "store"),
    ("flush", "store"),
    ("wash", "wash"),
)
"""Beginnings of words in a block's name -> kind of phase, the first that fits."""
GROUPS = {
    "equilibrate": "preparation",
    "load": "loading",
    "wash": "loading",
    "elute": "elution",
    "strip": "elution",
    "clean": "cleaning",
    "wait": "cleaning",
    "regenerate": "cleaning",
    "store": "storage",
    "other": "run",
}


@dataclass(frozen=True)
class PlannedPhase:
    """A phase of the generated recipe, with what the generator must know of it.

    Parameters
    ----------
    name, kind : str
        As in the recipe; `operation` is the group it stands in.
    entries : Mapping
        What stands under its name in ``recipe.yaml``.
    stretch : Stretch or None
        The part of the file that it reproduces; None for washes and waits.
    sources : tuple of Port
        What pumps A and B draw from.
    composition : tuple of float
        %B at its start and end.
    loop : bool
        Whether the loop is emptied into the column.
    fresh : tuple of str
        What changed the liquid at its beginning: ``wash``, ``inlet``, ``%B``, ``loop``.
    passed : tuple of str
        Devices between the changed inlet port and the pump.
    """

    name: str
    operation: str
    kind: str
    entries: Mapping[str, Any]
    stretch: Stretch | None = None
    sources: tuple[Port, Port] = (Port(""), Port(""))
    composition: tuple[float, float] = (0.0, 0.0)
    loop: bool = False
    fresh: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


@dataclass
class _Stand:
    """How everything stands while the phases are written."""

    valves: dict[str, str]
    flow: str = ""
    percent_b: float = 0.0
    gradient: bool = False
    outlet: str = "waste"
    fractions: str = ""
    column: str = "C1"
    sources: dict[str, Port] = field(default_factory=dict)
    inlets: dict[str, str] = field(default_factory=dict)


class PhaseWriter:
    """Writes the phases of a run, keeping track of how the equipment stands."""

    def __init__(self, plumbing: Plumbing, column_volume: float) -> None:
        self._plumbing = plumbing
        self._column_volume = column_volume
        self._outlet_valve = plumbing.outlet_valve()
        self._loop = plumbing.loop_position()
        self._column_valves = {
            valve for place in plumbing.equipment.places.values() for valve in place.positions
        } | set(plumbing.equipment.bypass)
        self._stand = _Stand(plumbing.first_positions())
        self.vessels: dict[Port, str] = {}
        """Free inlet port -> vessel."""
        self.outlets: dict[str, str] = {}
        """Position of the outlet valve -> vessel."""
        self.column_positions: list[str] = []

    def write(self, course: Sequence[Stretch], first_flow: str) -> tuple[PlannedPhase, ...]:
        """The phases of `course`; `first_flow` is the flow before the log sets one."""
        self._stand.flow = ""
        found: list[PlannedPhase] = []
        names: set[str] = set()
        operation, before, used = "", "", set[str]()
        for stretch in course:
            entries, fresh, passed = self._begin(stretch)
            kind = self._kind(stretch)
            group = GROUPS[kind]
            if group != before:
                before, operation = group, identifier(group, used)
            if not self._stand.flow and not stretch.wait:
                entries["flow"] = self._stand.flow = first_flow
            if stretch.wait:
                still = {"kind": "wait", "flow": "0 mL/min", "until": f"{stretch.wait / 60.0:g} min"}
                found.append(PlannedPhase(identifier(stretch.name, names), operation, "wait", still))
                self._stand.flow = ""
                first_flow = self._last_flow
                continue
            self._last_flow = self._stand.flow
            if not found:
                found += self._turn_first(names, operation)
            found += self._washes(stretch, entries, names, operation)
            start_b = self._stand.percent_b
            end_b = self._end_percent_b(stretch, start_b)
            body: dict[str, Any] = {"kind": kind, **entries, "until": self._length(stretch.volume)}
            watches = self._watches(stretch)
            if watches:
                body["watch"] = watches
            body["note"] = self._note(stretch)
            found.append(
                PlannedPhase(
                    identifier(stretch.name, names),
                    operation,
                    kind,
                    body,
                    stretch,
                    (self._stand.sources["A"], self._stand.sources.get("B", Port(""))),
                    (start_b, end_b),
                    self._stand.valves.get(self._loop[0]) == self._loop[1] and bool(self._loop[0]),
                    fresh,
                    passed,
                )
            )
            self._stand.percent_b = end_b
        return tuple(found)

    _last_flow = ""

    def _begin(self, stretch: Stretch) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
        """What is set at the beginning, what of it changes the liquid, and the inlet devices it passes."""
        entries = self._settings(stretch.begins)
        fresh = []
        passed: tuple[str, ...] = ()
        if stretch.washes:
            fresh.append("wash")
        for letter in "AB"[: len(self._plumbing.pumps)]:
            key = f"inlet_{letter.lower()}"
            if key in entries:
                fresh.append("inlet")
                passed = self._plumbing.intake(letter, self._stand.valves).devices
        if "gradient" in entries or "percent_b" in entries:
            fresh.append("%B")
        if self._loop[0] in entries.get("positions", {}):
            fresh.append("loop")
        return entries, tuple(fresh), passed

    def _settings(self, acts: Sequence[Act]) -> dict[str, Any]:
        stand = self._stand
        found: dict[str, Any] = {}
        positions: dict[str, str] = {}
        for act in acts:
            if act.deed is Deed.VALVE:
                self._turn(act, found, positions)
            elif act.deed is Deed.FLOW and act.amount > 0.0:
                scale = 3.6e5 if act.base == "cm/h" else 6e7
                text = f"{act.amount * scale:.6g} {act.base}"
                if text != stand.flow:
                    found["flow"] = stand.flow = text
            elif act.deed is Deed.GRADIENT:
                self._compose(act, found)
            elif act.deed is Deed.FRACTIONS:
                stand.fractions = f"{act.amount * 1e6:.6g} mL"
                frac = self._position_like("frac")
                if frac:
                    self._lead(frac, found)
                elif stand.outlet != "waste":
                    found["outlet"] = stand.outlet
            elif act.deed is Deed.FRACTIONS_END:
                stand.fractions = ""
                if stand.valves.get(self._outlet_valve) == self._position_like("frac") != "":
                    self._lead(self._position_like("waste"), found)
            elif act.deed is Deed.AUTO_ZERO:
                found["do"] = "AutoZero"
        if "outlet" in found and stand.fractions and stand.outlet != "waste":
            found["fractions"] = stand.fractions
        if positions:
            found["positions"] = Inline(positions)
        return self._with_inlets(found)

    def _turn(self, act: Act, found: dict[str, Any], positions: dict[str, str]) -> None:
        stand = self._stand
        before = stand.valves.get(act.name)
        stand.valves[act.name] = act.position
        if act.name == self._outlet_valve:
            self._lead(act.position, found)
        elif act.name in self._column_valves:
            passing = self._plumbing.equipment.bypass.get(act.name) == act.position
            if not passing:
                self.column_positions.append(act.position)
            column = "bypass" if passing else "C1"
            if column != stand.column:
                found["column"] = stand.column = column
        elif any(act.name in valves for valves in self._plumbing.inlet_valves.values()):
            pass  # told as inlet_a and inlet_b
        elif before != act.position:
            positions[act.name] = act.position

    def _with_inlets(self, found: dict[str, Any]) -> dict[str, Any]:
        stand = self._stand
        told: dict[str, Any] = {}
        for letter in "AB"[: len(self._plumbing.pumps)]:
            port = self._plumbing.intake(letter, stand.valves).port
            if stand.sources.get(letter) != port:
                stand.sources[letter] = port
                told[f"inlet_{letter.lower()}"] = self.vessels.setdefault(port, _vessel(port))
        return {**told, **found}

    def _lead(self, position: str, found: dict[str, Any]) -> None:
        if not position:
            return
        stand = self._stand
        stand.valves[self._outlet_valve] = position
        waste = "waste" in position.lower()
        vessel = "waste" if waste else ("fractions" if "frac" in position.lower() else f"outlet_{position}")
        self.outlets[position] = vessel
        if vessel != stand.outlet:
            found["outlet"] = stand.outlet = vessel

    def _position_like(self, word: str) -> str:
        valve = self._plumbing.equipment.devices.get(self._outlet_valve)
        positions = valve.positions if valve else {}
        return next((name for name in positions if name.lower().startswith(word)), "")

    def _compose(self, act: Act, found: dict[str, Any]) -> None:
        stand = self._stand
        if act.length > 0.0:
            length = {
                "CV": f"{act.length:.6g} CV",
                "mL": f"{act.length * 1e6:.6g} mL",
                "min": f"{act.length / 60.0:.6g} min",
            }[act.base]
            found["gradient"] = Inline(to=f"{act.amount:.6g} %B", over=length)
            found.pop("percent_b", None)
            stand.gradient = True
        elif stand.gradient or act.amount != stand.percent_b:
            found["percent_b"] = f"{act.amount:.6g} %B"
            found.pop("gradient", None)
            stand.percent_b, stand.gradient = act.amount, False

    def _end_percent_b(self, stretch: Stretch, start: float) -> float:
        """%B at the end of a phase: that of the programmed gradient where it got to."""
        acts = [act for act in (*stretch.begins, *stretch.inside) if act.deed is Deed.GRADIENT]
        value = start
        for act in acts:
            if act.length <= 0.0:
                value = act.amount
                continue
            run = stretch.end - max(act.volume, stretch.start)
            total = {"CV": act.length * self._column_volume, "mL": act.length}.get(act.base, 0.0)
            part = min(run / total, 1.0) if total > 0.0 else 1.0
            value += (act.amount - value) * part
        return value

    def _turn_first(self, names: set[str], operation: str) -> list[PlannedPhase]:
        """A moment without flow when the run begins at other inlets than those that valves stand at first.

        Valves take their time: pumps that start at once would draw from an inlet where nothing is connected.
        """
        first = self._plumbing.first_positions()
        letters = "AB"[: len(self._plumbing.pumps)]
        if all(
            self._plumbing.intake(letter, first).port == self._stand.sources[letter] for letter in letters
        ):
            return []
        still = {
            "kind": "wait",
            "flow": "0 mL/min",
            "until": VALVES_TURN,
            "note": "not in the file: valves turn",
        }
        return [PlannedPhase(identifier("valves", names), operation, "wait", still)]

    def _washes(
        self, stretch: Stretch, entries: dict[str, Any], names: set[str], operation: str
    ) -> list[PlannedPhase]:
        """A phase for each pump that is washed before the stretch; it takes over the inlets."""
        found = []
        for letter in stretch.washes:
            body: dict[str, Any] = {}
            for key in ("inlet_a", "inlet_b"):
                if key in entries:
                    body[key] = entries.pop(key)
            body["do"] = f"PumpWash({letter})"
            body["note"] = f"file: before {stretch.name}"
            name = identifier(f"wash_pump_{letter.lower()}_{stretch.name}"[:40], names)
            found.append(PlannedPhase(name, operation, "other", body))
        return found

    def _watches(self, stretch: Stretch) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for act in stretch.inside:
            settings = self._settings([act])
            if settings:
                key = identifier(" ".join(str(value) for value in settings.values())[:24], set(found))
                place = (act.volume - stretch.start) * 1e6
                found[key] = Inline(when=f"after {place:.6g} mL", **settings)
        return found

    def _length(self, volume: float) -> str:
        """A volume in CV where it is a round number of them, else in mL."""
        halves = round(2.0 * volume / self._column_volume)
        if halves and abs(0.5 * halves * self._column_volume / volume - 1.0) <= NICE:
            return f"{0.5 * halves:g} CV"
        return f"{volume * 1e6:.5g} mL"

    def _kind(self, stretch: Stretch) -> str:
        if stretch.wait:
            return "wait"
        words = stretch.name.lower().replace("_", " ").replace("-", " ").split()
        kinds = [kind for start, kind in STARTS if any(word.startswith(start) for word in words)]
        stand = self._stand
        if stand.valves.get(self._loop[0]) == self._loop[1] and self._loop[0]:
            return "load"
        if any(act.deed is Deed.GRADIENT and act.length > 0.0 for act in stretch.begins) and stand.gradient:
            return "elute"
        if kinds:
            return "strip" if kinds[0] == "wash" and stand.percent_b >= 50.0 else kinds[0]
        return "strip" if stand.percent_b >= 99.0 else "other"

    @staticmethod
    def _note(stretch: Stretch) -> str:
        minutes = (stretch.end_time - stretch.start_time) / 60.0
        note = f"file: {stretch.name}, {stretch.volume * 1e6:.5g} mL in {minutes:.4g} min"
        programmed = [act.text for act in stretch.begins if act.deed is Deed.GRADIENT and act.length > 0.0]
        if programmed:
            note += f"; programmed: {programmed[-1]}"
        if stretch.by_hand:
            note += f"; ended by hand: {stretch.by_hand}"
        return note


def _vessel(port: Port) -> str:
    """What the vessel at a free inlet port is called: as its position on the valve."""
    return port.port if port.port not in ("in", "out") else f"inlet_{port.owner[-1]}"
