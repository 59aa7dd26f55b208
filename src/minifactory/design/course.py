"""The frozen course of a run, and runs with other parameters that follow it: simulations in batches.

What pumps and valves do in a run follows from the recipe alone, except where a condition looks at a signal.
When such conditions do no more than lead the outlet elsewhere (a pool cut by UV), the process in front of the
outlet valve runs the same way whatever the parameters are. It is then integrated for many parameter sets at
once, over the sections of one closed-loop prediction; afterwards the conditions are answered on each set's
own signals, and what passed the outlet is booked where they led it. :func:`freeze` says whether a recipe is
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.design.candidates import FloatArray
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.records.run import Event, PhaseRecord, Run
from minifactory.signals.tags import TagTable
from minifactory.twin.machine import Machine, machine_of
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.pumps import Segment
from minifactory.twin.signals import Stretch
from minifactory.twin.simulate import simulate

POINTS = 1500
"""Times at which signals are computed in a phase whose conditions need them (a peak takes hundreds)."""
SCAN = 1.0
"""s between two scans."""


class NotFrozen(Exception):
    """The course depends on signals beyond the outlet; the reason in words."""


@dataclass(frozen=True)
class Switch:
    """A cut valve takes a position: index of the valve, index of the position, at `time` (s)."""

    time: float
    valve: int
    position: int


@dataclass(frozen=True)
class Watched:
    """A phase in which signals lead the outlet: its scans from `begin` (s), and what they saw in the course.

    `volume` (n,) is m3 of the phase at every scan; `pumped` holds what pumps show (flow, %B) by tag.
    """

    phase: BoundPhase
    record: PhaseRecord
    scans: FloatArray
    volume: FloatArray
    tags: frozenset[str]


@dataclass(frozen=True)
class Course:
    """The course of one prediction.

    Parameters
    ----------
    plant, recipe, machine, table
        What ran, by the parameters of `plant`.
    segments : tuple of Segment
        What the actuators did, with the gains of that plant.
    run : Run
        The closed-loop prediction itself.
    watched : tuple of Watched
        Phases whose signals lead the outlet.
    cuts : tuple of int
        Valves (index) that they switch.
    switches : tuple of Switch
        What else switches those valves, in order.
    zeroing : tuple of float
        Times (s) of auto-zeros.
    points : ndarray (m,)
        Times (s) at which the network is to be known.
    end : float
        s up to which it has to be integrated: the rest concerns neither product nor pool.
    """

    plant: Plant
    recipe: BoundRecipe
    machine: Machine
    table: TagTable
    segments: tuple[Segment, ...]
    run: Run
    watched: tuple[Watched, ...]
    cuts: tuple[int, ...]
    switches: tuple[Switch, ...]
    zeroing: tuple[float, ...]
    points: FloatArray
    end: float


def freeze(plant: Plant, recipe: BoundRecipe, *, tolerance: float, elements: int) -> Course:
    """The course of the prediction of `recipe` on `plant`.

    Raises
    ------
    NotFrozen
        A condition on signals does more than lead the outlet.
    SolverError
        As :func:`minifactory.twin.simulate.simulate`.
    """
    _refuse_steering(recipe)
    seen: list[tuple[int, Stretch]] = []
    run = simulate(
        plant,
        recipe,
        tolerance=tolerance,
        elements=elements,
        identifier="course",
        observer=lambda phase, stretch: seen.append((phase, stretch)),
    )
    table = tag_table(plant.skids[recipe.skid])
    machine = machine_of(table, plant.skids[recipe.skid], plant.parameters)
    segments = tuple(segment for _, stretch in seen for segment in stretch.segments)
    watched = tuple(
        _watched(recipe, phase, run.phases[place], [one for at, one in seen if at == place], machine)
        for place, phase in enumerate(recipe.phases)
        if _signal_tags(phase, recipe)
    )
    cuts = _cut_valves(recipe, watched, machine)
    zeroing = tuple(time for _, stretch in seen for time in stretch.zeroing if time <= stretch.times[-1])
    end = _end(recipe, run)
    course = Course(
        plant,
        recipe,
        machine,
        table,
        segments,
        run,
        watched,
        cuts,
        tuple(_fixed_switches(recipe, run, watched, cuts, machine)),
        zeroing,
        _points(segments, watched, zeroing, end),
        end,
    )
    _refuse_other_flows(course)
    return course


def _signal_tags(phase: BoundPhase, recipe: BoundRecipe) -> frozenset[str]:
    """What of the process the conditions of a phase look at."""
    names = set(phase.until.tags())
    for watch in phase.watches:
        names.update(watch.when.tags())
    return frozenset(tag for name in names if _is_signal(tag := recipe.aliases.get(name, name)))


def _is_signal(tag: str) -> bool:
    return tag.endswith(".Signal") or tag.startswith("Pressure")


def _refuse_steering(recipe: BoundRecipe) -> None:
    """NotFrozen when a condition on signals ends a phase, moves a pump, or looks at a pressure.

    Loops and branches are not followed either: which phases run how often is not the same for every set.
    """
    if recipe.branches or any(phase.leaves for phase in recipe.phases):
        raise NotFrozen("the recipe has loops or branches")
    for phase in recipe.phases:
        for tags, action, ends in (
            (phase.until.tags(), None, True),
            *((watch.when.tags(), watch.action, watch.end_phase) for watch in phase.watches),
        ):
            signals = [tag for name in tags if _is_signal(tag := recipe.aliases.get(name, name))]
            if not signals:
                continue
            if ends or any(tag.startswith("Pressure") for tag in signals):
                raise NotFrozen(f"{phase.path} ends by, or looks at, {', '.join(signals)}")
            if action is not None and _moves_more(action):
                raise NotFrozen(f"{phase.path} moves more than the outlet by {', '.join(signals)}")
            positions = [name for name in tags if name.endswith(".Position")]
            if positions:
                raise NotFrozen(f"{phase.path} looks at {positions[0]}")


def _moves_more(action: BoundAction) -> bool:
    known = {"FractionNext"}
    pumps = any(not name.endswith("Valve.SP") for name in action.setpoints)
    return pumps or any(item.name not in known for item in action.instructions)


def _watched(
    recipe: BoundRecipe, phase: BoundPhase, record: PhaseRecord, parts: Sequence[Stretch], machine: Machine
) -> Watched:
    if any(part.begins_washing for part in parts):
        raise NotFrozen(f"{phase.path} washes a pump while it looks at signals")
    scans = np.concatenate([part.times for part in parts])
    flows = np.concatenate([part.pumps(part.times) for part in parts])
    flow = flows[:, 0] / machine.gains[0] + flows[:, 1] / machine.gains[1]
    before = np.concatenate([[flow[0] if not parts else _flow_before(parts[0], machine)], flow[:-1]])
    volume = np.cumsum(0.5 * (before + flow) * SCAN)
    return Watched(phase, record, scans, volume, _signal_tags(phase, recipe))


def _flow_before(part: Stretch, machine: Machine) -> float:
    """The shown flow (m3/s) at the scan before a stretch."""
    flows = part.pumps(np.array([part.start]))[0]
    return float(flows[0] / machine.gains[0] + flows[1] / machine.gains[1])


def _cut_valves(recipe: BoundRecipe, watched: Sequence[Watched], machine: Machine) -> tuple[int, ...]:
    """The valves that signals lead."""
    found = {
        name.removesuffix(".SP")
        for item in watched
        for watch in item.phase.watches
        if any(_is_signal(recipe.aliases.get(tag, tag)) for tag in watch.when.tags())
        for name in watch.action.setpoints
    }
    return tuple(place for place, name in enumerate(machine.valves) if name in found)


def switches_of(action: BoundAction, time: float, cuts: Sequence[int], machine: Machine) -> list[Switch]:
    """What `action`, sent at `time` (s), does to the cut valves, when they have moved."""
    found = []
    for place in cuts:
        value = action.setpoints.get(f"{machine.valves[place]}.SP")
        if value is not None:
            found.append(Switch(time + machine.switch_times[place][0], place, int(value)))
    return found


def _fixed_switches(
    recipe: BoundRecipe, run: Run, watched: Sequence[Watched], cuts: tuple[int, ...], machine: Machine
) -> list[Switch]:
    """What switches the cut valves besides signals: the start, phases, and watches of other phases."""
    found = [
        Switch(0.0, item.valve, item.position) for item in switches_of(recipe.initial, 0.0, cuts, machine)
    ]
    own = {item.phase.path for item in watched}
    for phase, record in zip(recipe.phases, run.phases, strict=True):
        found += switches_of(phase.start, record.start, cuts, machine)
        if phase.path not in own:
            for watch in phase.watches:
                times = _fired(run.events, phase.path, watch.name or "watch")
                found += [item for time in times for item in switches_of(watch.action, time, cuts, machine)]
    return sorted(found, key=lambda item: item.time)


def _fired(events: Sequence[Event], path: str, name: str) -> list[float]:
    return [
        event.time
        for event in events
        if event.category == "watch" and event.source == path and event.text.startswith(f"{name}: ")
    ]


def _end(recipe: BoundRecipe, run: Run) -> float:
    """When load and elutions are over; what follows cleans the column."""
    kinds = ("load", "wash", "elute", "other")
    after = [
        record.end
        for phase, record in zip(recipe.phases, run.phases, strict=True)
        if record.kind in kinds and (record.kind != "other" or phase.watches)
    ]
    pools = [record.end for record in run.pools if not record.vessel.lower().startswith("waste")]
    return min(max([*after, *pools[-1:]], default=run.duration), run.duration)


def _points(
    segments: Sequence[Segment], watched: Sequence[Watched], zeroing: Sequence[float], end: float
) -> FloatArray:
    times = [segment.end for segment in segments] + list(zeroing) + [end]
    parts = [np.array(times)]
    for item in watched:
        first, last = float(item.scans[0]), float(item.scans[-1])
        step = max(SCAN, (last - first) / POINTS)
        parts.append(np.append(np.arange(first, last, step), last))
    points = np.unique(np.concatenate(parts))
    return points[points <= end + 1e-9]


def _refuse_other_flows(course: Course) -> None:
    """NotFrozen when a cut valve changes what flows in front of it."""
    sheet = skid_flowsheet(course.plant, course.recipe.skid)
    if sheet.routing.shared:
        raise NotFrozen(f"the content of vessel {sheet.routing.shared[0]} changes, which is drawn from")
    if sheet.routing.drives or sheet.filters_of(course.recipe.skid):
        raise NotFrozen("what comes to a membrane or a filter decides on its flow or pressure")
    for item in course.watched:
        places = {
            (switch.valve, switch.position)
            for watch in item.phase.watches
            for switch in switches_of(watch.action, 0.0, course.cuts, course.machine)
        }
        within = {
            segment.positions
            for segment in course.segments
            if segment.end > item.record.start and segment.start < item.record.end
        }
        for positions in within:
            links = sheet.flow_map(positions).links
            for valve, position in places:
                moved = list(positions)
                moved[valve] = position
                if not np.array_equal(links, sheet.flow_map(tuple(moved)).links):
                    raise NotFrozen(f"{course.machine.valves[valve]} leads the flow through other parts")
