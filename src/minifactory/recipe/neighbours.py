"""Static faults between the recipes of skids that touch: what one needs of another's valves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minifactory.errors import Finding, did_you_mean
from minifactory.plant.model import Device, Plant, Port
from minifactory.plant.network import skid_of
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundAction, BoundRecipe


def actions(bound: BoundRecipe) -> Iterator[BoundAction]:
    """Everything that a recipe may send."""
    yield from (bound.initial, bound.safe)
    for phase in bound.all_phases():
        yield from (phase.start, *(watch.action for watch in phase.watches))


def between(bound: BoundRecipe, others: Mapping[str, BoundRecipe], plant: Plant) -> list[Finding]:
    """What `bound` needs of another skid's valves and never comes about; `others` are the recipes by skid.

    A valve is turned by the recipe of its own skid only. Whether it stands right at the right time is for the
    hand-shakes of the recipes, and seen by the prediction.
    """
    found: list[Finding] = []
    stands = {name: _stands(other, plant) for name, other in others.items()}
    for phase in bound.all_phases():
        for action in (phase.start, *(watch.action for watch in phase.watches)):
            found += _missing(phase.where or phase.path, phase.path, action, stands, plant)
    return list(dict.fromkeys(found))


def meetings(bound: BoundRecipe, plant: Plant) -> list[Finding]:
    """Warnings for phases that turn a valve so that another skid's stream and a further one meet within it.

    While both flow there is no telling which way they go; the prediction refuses it.
    """
    foreign = {stop for _, stop in plant.connections if skid_of(stop) == bound.skid}
    table = tag_table(plant.skids[bound.skid])
    found: list[Finding] = []
    for phase in bound.all_phases() if foreign else ():
        for name, value in phase.start.setpoints.items():
            valve = plant.skids[bound.skid].devices.get(name.removesuffix(".SP"))
            tag = table.tags.get(name)
            if valve is None or tag is None or not tag.choices:
                continue
            position = tag.choices[int(value)]
            for port in _shared_exits(valve, position, foreign, bound.skid):
                text = f"{valve.name} at {position} leads two streams into port {port}, one of another skid"
                remedy = "Let one of them rest meanwhile, or use a position that keeps them apart."
                found.append(Finding(phase.where or phase.path, text, remedy=remedy, severity="warning"))
    return found


def _shared_exits(valve: Device, position: str, foreign: set[Port], skid: str) -> Iterator[str]:
    """Ports of `valve` at which two of its ways end in `position`, one of which comes from another skid."""
    entries: dict[str, list[str]] = {}
    for entered, left in valve.positions.get(position, ()):
        entries.setdefault(left, []).append(entered)
    for left, entered_at in entries.items():
        from_elsewhere = any(Port(f"{skid}.{valve.name}", port) in foreign for port in entered_at)
        if len(entered_at) > 1 and from_elsewhere:
            yield left


def _missing(
    where: str, path: str, action: BoundAction, stands: Mapping[str, Mapping[str, set[str]]], plant: Plant
) -> Iterator[Finding]:
    for name, positions in action.needs.items():
        skid, _, valve = name.partition(".")
        known = stands.get(skid)
        if known is None:
            first = next(iter(plant.skids[skid].devices[valve].positions), "")
            reached = {first}
        else:
            reached = known.get(valve, set())
        if reached & set(positions):
            continue
        needed = " or ".join(positions)
        if known is None:
            text = f"{path} needs {name} at {needed}, but no recipe runs on {skid}"
            yield Finding(where, text, remedy=f"Give {skid} a recipe that turns {valve}.")
        else:
            text = f"{path} needs {name} at {needed}, but the recipe of {skid} never turns it there"
            yield Finding(where, text, remedy=did_you_mean(positions[0], reached))


def _stands(bound: BoundRecipe, plant: Plant) -> dict[str, set[str]]:
    """Every position that the recipe of a skid gives to each of its valves."""
    table = tag_table(plant.skids[bound.skid])
    found: dict[str, set[str]] = {}
    for action in actions(bound):
        for name, value in action.setpoints.items():
            tag = table.tags.get(name)
            if tag is not None and tag.choices and 0 <= value < len(tag.choices):
                found.setdefault(name.removesuffix(".SP"), set()).add(tag.choices[int(value)])
    return found
