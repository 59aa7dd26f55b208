"""The process that a virtual skid moves on line, against the integration of the prediction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from minifactory.app.case import Case
from minifactory.twin.actuators import Actuators
from minifactory.twin.engine import Section, Tolerance, integrate
from minifactory.twin.flowsheet import pump_flows
from minifactory.twin.hydraulics import hydraulics
from minifactory.twin.online import OnlineProcess, process_model, skid_flowsheet, species_scales
from minifactory.twin.pumps import Segment
from minifactory.twin.sensors import Sensors
from minifactory.twin.signals import SignalSeries, Stretch

FLOW = 6e-6 / 60.0
END = 900.0


def course(case: Case) -> list[Segment]:
    """Equilibration through the column for 15 min, with a ramp from rest."""
    actuators = Actuators(case.table, case.skid, case.plant.parameters)
    actuators.write(case.bound.initial.setpoints)
    actuators.write(case.bound.phases[3].start.setpoints)
    return list(actuators.advance(END))


def second_by_second(segments: list[Segment]) -> list[list[Segment]]:
    """The same segments cut at every full second, in groups of one second."""

    edges = sorted({item.end for item in segments} | set(np.arange(1.0, END + 0.5).tolist()))
    groups: list[list[Segment]] = []
    group: list[Segment] = []
    for start, end in pairwise([0.0, *edges]):
        whole = next(item for item in segments if item.start <= start + 1e-9 and end <= item.end + 1e-9)
        span = whole.end - whole.start

        def at(time: float, first: float, last: float, whole: Segment = whole, span: float = span) -> float:
            return first + (last - first) * (time - whole.start) / span

        group.append(
            whole._replace(
                start=start,
                end=end,
                a_start=at(start, whole.a_start, whole.a_end),
                a_end=at(end, whole.a_start, whole.a_end),
                b_start=at(start, whole.b_start, whole.b_end),
                b_end=at(end, whole.b_start, whole.b_end),
            )
        )
        if abs(end - round(end)) < 1e-9:
            groups.append(group)
            group = []
    return groups


def test_on_line_and_at_once_give_the_same(case: Case) -> None:
    """Both within the relative local error of 1e-4; 50 times that of the range for its accumulation."""
    sheet = skid_flowsheet(case.plant, case.bound.skid)
    segments = course(case)
    process = OnlineProcess(sheet)
    seen = np.array([process.advance(group).concentrations for group in second_by_second(segments)])
    sections = [
        Section(
            item.start,
            item.end,
            sheet.flow_map(item.positions).links @ pump_flows(item, False),
            sheet.inlet_concentrations,
            sheet.flow_map(item.positions).links @ pump_flows(item, True),
        )
        for item in segments
    ]
    times = np.arange(1.0, END + 0.5)
    tolerance = Tolerance(relative=1e-4, scales=species_scales(sheet))
    solution = integrate(sheet.network, sheet.initial_state(), sections, times, sheet.ports, tolerance)
    expected = solution.outlet[-len(times) :, : len(sheet.detectors)]
    span = np.maximum(np.ptp(expected, axis=(0, 1)), 1e-3 * species_scales(sheet))
    assert np.abs(seen - expected).max(axis=(0, 1)) / span == pytest.approx(0.0, abs=50e-4)
    assert np.max(solution.balance.closure) <= 1e-8


def test_series_show_what_the_sensors_show_scan_by_scan(case: Case) -> None:
    """The same inputs through both: rounding apart, the same signals."""
    sheet = skid_flowsheet(case.plant, case.bound.skid)
    segments = course(case)
    process = OnlineProcess(sheet)
    sensors = Sensors(case.table, case.skid, sheet, case.plant.parameters, None)
    sensors.sample(process.values(), {}, 0)
    groups = second_by_second(segments)
    shown, outlets = [], []
    for group in groups:
        truth = process.advance(group)
        shown.append(sensors.sample(truth, {}, 0)[0])
        outlets.append(truth.concentrations)
    times = np.arange(1.0, END + 0.5)
    series = SignalSeries(case.table, sheet, hydraulics(sheet))
    actuators = Actuators(case.table, case.skid, case.plant.parameters)
    first = Stretch(0.0, times, segments, [], False, frozenset(case.table.tags))
    first.points = times
    first.outlet = np.array(outlets)
    series.extend(first, actuators.machine)
    trends = series.trends()
    for name in ("UV1.Signal", "Cond.Signal", "pH.Signal", "Pressure.System", "Pressure.Delta"):
        expected = np.array([row[name] for row in shown])
        span = max(float(np.ptp(expected)), 1e-9)
        # The sensors' lag starts from rest at 0 s, that of the series from its first scan: gone after 60 s.
        found = trends[name].values
        assert np.abs(found - expected)[60:].max() <= 1e-6 * span, name


def test_the_true_strength_of_a_buffer_is_what_flows(case: Case) -> None:
    drawn = case.plant.parameters.truth(1)
    process = process_model(case.plant, case.bound.skid, drawn)
    inlets = process.sheet.routing.inlets
    stated = skid_flowsheet(case.plant, case.bound.skid).inlet_concentrations
    row = inlets.index("elution")
    ratio = process.sheet.inlet_concentrations[row] / np.where(stated[row] > 0.0, stated[row], 1.0)
    assert ratio[stated[row] > 0.0] == pytest.approx(drawn["elution.strength"])
