"""The course of an experiment as sections of the engine: flows on the flow sheet, from a time on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import Course
from minifactory.calibration.estimation.experiment import Experiment
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.actuators import Actuators
from minifactory.twin.engine import Section, Variant
from minifactory.twin.flowsheet import Flowsheet, pump_flows
from minifactory.twin.machine import machine_of

Array = NDArray[np.float64]


def first_positions(plant: Plant, skid: str) -> tuple[int, ...]:
    """How the valves of a skid stand at power on."""
    table = tag_table(plant.skids[skid])
    return tuple(Actuators(table, plant.skids[skid], plant.parameters).state.positions)


def variant(
    sheet: Flowsheet, experiment: Experiment, parameters: ParameterSet, state: Array | None, ways: Flowsheet
) -> Variant:
    """The simulation of `experiment`: from its beginning with `state`, without one from the start."""
    begin = 0.0 if state is None else experiment.begin
    sections = sections_of(sheet, experiment.course, parameters, ways, begin)
    later = [cut(section, begin, section.t1) for section in sections]
    return Variant(sheet.network, sheet.initial_state() if state is None else state, later)


def cut(section: Section, start: float, end: float) -> Section:
    """The part of a section between two times (s)."""
    if section.t0 >= start and section.t1 <= end:
        return section
    first, last = section.flows0, section.flows0 if section.flows1 is None else section.flows1
    start, end = max(start, section.t0), min(end, section.t1)
    length = section.t1 - section.t0
    ends = [first + (time - section.t0) / length * (last - first) for time in (start, end)]
    return replace(section, t0=start, t1=end, flows0=ends[0], flows1=ends[1])


def sections_of(
    sheet: Flowsheet, course: Course, parameters: ParameterSet, ways: Flowsheet, begin: float = 0.0
) -> list[Section]:
    """The sections after `begin` (s); `ways` is a sheet of the same skid that knows the flow maps already."""
    gains = machine_of(tag_table(sheet.skid), sheet.skid, parameters).gains
    scale = np.array([*gains, 1.0, 1.0])
    sections = []
    for segment in course.segments:
        if segment.end <= begin:
            continue
        links = ways.flow_map(segment.positions).links
        sections.append(
            Section(
                segment.start,
                segment.end,
                links @ (scale * pump_flows(segment, False)),
                sheet.inlet_concentrations,
                links @ (scale * pump_flows(segment, True)),
            )
        )
    return sections
