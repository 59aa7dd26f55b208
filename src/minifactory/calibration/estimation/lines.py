"""The lines of a skid between the injection and a detector, as cells of the transfer function."""

from __future__ import annotations

from collections import deque

from minifactory.calibration.estimation.transfer import Line
from minifactory.errors import Finding, InputError
from minifactory.twin.engine import StirredTank, Tube
from minifactory.twin.flowsheet import Flowsheet

INJECT = "inject"


def loop_of(sheet: Flowsheet) -> str:
    """The unit from which a sample is injected.

    Raises
    ------
    InputError
        The skid has no loop behind an injection valve.
    """
    for route in sheet.routing.routes:
        opened = any(INJECT in position.lower() for _, position in route.needs)
        if opened and route.source in sheet.routing.units:
            return route.source
    raise InputError(
        Finding(
            f"skid {sheet.skid.name}",
            "no sample loop",
            "a loop behind an injection valve, for data with an injection",
            "Describe it in factory.yaml, or leave the pulses out.",
        )
    )


def line_between(sheet: Flowsheet, start: str, detector: str, column: str | None) -> Line:
    """The line from the outlet of unit `start` to the outlet of `detector`, past or through `column`.

    Raises
    ------
    InputError
        There is no such way.
    """
    ways: dict[str, list[str]] = {}
    for link in sheet.network.links:
        ways.setdefault(link.source, []).append(link.target)
    waiting: deque[tuple[str, ...]] = deque([(start,)])
    while waiting:
        way = waiting.popleft()
        if way[-1] == detector:
            if (column in way) == (column is not None):
                return _line(sheet, way[1:])
            continue
        waiting.extend((*way, after) for after in ways.get(way[-1], ()) if after not in way)
    through = f"through {column} " if column else ""
    raise InputError(
        Finding(
            f"skid {sheet.skid.name}",
            f"no way from {start} {through}to {detector}",
            "a line between them",
            "Check the connections of factory.yaml.",
        )
    )


def _line(sheet: Flowsheet, names: tuple[str, ...]) -> Line:
    volumes, stages = [], []
    for name in names:
        unit = sheet.network.unit(name)
        if isinstance(unit, Tube | StirredTank):
            volumes.append(unit.volume)
            stages.append((unit.stages or unit.max_stages) if isinstance(unit, Tube) else 1)
    return Line(tuple(volumes), tuple(stages))
