"""One recipe from batch steps: which step stands in line with which, and what is left of the pools between.

Columns are linked in one of three ways: the eluate of the first runs straight onto the second (`direct`); it
does so with the eluent conditioned as the second one's load was (`conditioned`); or it is kept in the pool
vessel and loaded from there, as in the batch process (`held`). An inactivation may stay where it is, from
pool to pool, or run in line with the load of the column behind it (`in line`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product as every
from typing import Any

from minifactory.design.sequence.steps import Step
from minifactory.plant.model import Plant, Port, Skid
from minifactory.recipe.routes import ways

Document = dict[str, Any]
DIRECT, CONDITIONED, HELD, IN_LINE = "direct", "conditioned", "held", "in line"


@dataclass(frozen=True)
class Train:
    """Steps in the order in which the product meets them, and how each is reached.

    `links[i]` says how step i is linked to what comes before it (``held`` for the first).
    """

    steps: tuple[Step, ...]
    links: tuple[str, ...]

    def chain(self, place: int) -> tuple[Step, ...]:
        """The steps that the product runs through or onto at once when it leaves step `place`."""
        return _chain(list(zip(self.steps, self.links, strict=True)), place)

    @property
    def text(self) -> str:
        """E.g. ``inactivation in line > capture > conditioned > polish``."""
        parts = []
        for step, link in zip(self.steps, self.links, strict=True):
            if link == IN_LINE:
                parts.append(f"{step.name} (in line)")
            else:
                parts.append(
                    step.name if not parts or parts[-1].endswith("(in line)") else f"{link}: {step.name}"
                )
        return " > ".join(parts)


def in_series(plant: Plant, skid: Skid, steps: Sequence[Step], vessel: str) -> bool:
    """Whether valves can lead the liquid of `vessel` through the devices of `steps`, in their order."""
    positions: dict[str, str] = {}
    for step in steps:
        positions |= step.past
    for step in steps:
        positions |= step.line
    if any(positions[valve] != position for step in steps for valve, position in step.line.items()):
        return False
    devices = [step.device for step in steps]
    ends = [name for name, one in plant.vessels.items() if one.purpose == "waste"]
    for end in ends:
        for way in ways(skid, Port(vessel), end, positions):
            if set(devices) <= set(way.devices):
                return devices == sorted(devices, key=way.devices.index)
    return False


def _chain(base: Sequence[tuple[Step, str]], place: int) -> tuple[Step, ...]:
    found: list[Step] = []
    for step, link in base[place + 1 :]:
        if link not in (DIRECT, CONDITIONED):
            break
        found.append(step)
        if not step.through:
            break
    return tuple(found)


def possible_trains(plant: Plant, skid: Skid, steps: Sequence[Step]) -> Iterator[Train]:
    """Every train that the valves allow; columns keep their order."""
    columns = [step for step in steps if step.column]
    others = [step for step in steps if not step.column]
    choices: list[list[str]] = []
    for before, column in zip([None, *columns], columns, strict=False):
        if before is None:
            choices.append([HELD])
            continue
        direct = in_series(plant, skid, [before, column], before.leaves_in)
        added = column.conditioned.percent_b
        plain = before.through or added is None or added.value == 0.0
        linked = [DIRECT] if plain else [DIRECT, CONDITIONED]
        choices.append([*linked, HELD] if direct else [HELD])
    for links in every(*choices):
        base = list(zip(columns, links, strict=True))
        if not all(_leads(plant, skid, base, place) for place in range(len(base))):
            continue
        for places in every(*[_places(plant, skid, other, base, steps) for other in others]):
            train = _with_others(base, others, places)
            if train is not None:
                yield train


def _leads(plant: Plant, skid: Skid, base: Sequence[tuple[Step, str]], place: int) -> bool:
    """Whether all that the product runs through from `place` on can stand in a row."""
    step, chain = base[place][0], _chain(base, place)
    return len(chain) < 2 or in_series(plant, skid, [step, *chain], step.leaves_in)


def _places(
    plant: Plant, skid: Skid, other: Step, base: Sequence[tuple[Step, str]], steps: Sequence[Step]
) -> list[tuple[str, str]]:
    """Where an inactivation may stand: (link, name of the column that follows)."""
    found = []
    after = list(steps).index(other) + 1
    follower = next((step for step in steps[after:] if step.column), None)
    if follower is not None and (follower, HELD) in base:
        found.append((HELD, follower.name))
    for column, link in base:
        # Pump B adds one thing only: the reagent, or what the column's load is conditioned with.
        conditioned = column.conditioned.percent_b
        busy = conditioned is not None and conditioned.value > 0.0
        if link == HELD and not busy and in_series(plant, skid, [other, column], column.source):
            found.append((IN_LINE, column.name))
    return found


def _with_others(
    base: Sequence[tuple[Step, str]], others: Sequence[Step], places: Sequence[tuple[str, str]]
) -> Train | None:
    steps: list[Step] = []
    links: list[str] = []
    for column, link in base:
        for other, (how, follower) in zip(others, places, strict=True):
            if follower == column.name:
                steps.append(other)
                links.append(how)
        steps.append(column)
        links.append(link)
    sources = {step.name: step for step in steps}
    return Train(tuple(steps), tuple(links)) if len(sources) == len(steps) else None
