"""The digital factory as a model of calibration: driven with the executed course, seen by its detectors.

Any parameter of the description can be free, by its path; what `parameters.yaml` does not state can be added.
Derivatives are those of the engine's exact-discrete sensitivities, carried through the detectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import Course
from minifactory.calibration.estimation.curves import Observed
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Plant
from minifactory.plant.parameter_file import known_parameters
from minifactory.plant.parameters import Parameter, ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.actuators import Actuators
from minifactory.twin.engine import Section, Tolerance, Variant, sensitivities, simulate_many
from minifactory.twin.flowsheet import ELEMENTS, Flowsheet, pump_flows
from minifactory.twin.machine import AVERAGING_TIME, WAVELENGTHS, machine_of
from minifactory.twin.online import detectors_of, skid_flowsheet, species_scales
from minifactory.twin.sensors import Sensors, extinctions

Array = NDArray[np.float64]

ASSAY = "assay."
"""Prefix of the signal of analysed fractions: ``assay.product``."""
TOLERANCE = 3e-4
"""Relative local error of the simulations of a fit."""
PARTIAL = 1e-3
"""Relative step by which a detector's answer is differentiated."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """One run as the factory repeats it: its course, and what was observed.

    Fractions' assays are curves of signal ``assay.SPECIES`` whose values are mean concentrations (mol/m3);
    `fractions` (n, 2) are the beginnings and ends (s) of those fractions.
    """

    name: str
    course: Course
    curves: tuple[Observed, ...]
    fractions: Array


@dataclass(frozen=True, eq=False)
class FactoryModel:
    """Predicts all curves of `experiments` on `plant`'s `skid`."""

    plant: Plant
    skid: str
    experiments: tuple[Experiment, ...]
    fixed: Mapping[str, float]
    elements: int = ELEMENTS
    tolerance: float = TOLERANCE
    threads: int | None = None

    @cached_property
    def known(self) -> Mapping[str, object]:
        """Every path that can be stated."""
        plant = self.plant
        return known_parameters(plant.columns, plant.species, plant.skids, plant.materials)

    def parameters(self, values: Mapping[str, float]) -> ParameterSet:
        """The plant's parameters with `values` (SI) at their paths, added where they are not stated."""
        return with_parameters(self.plant, {**self.fixed, **values})

    def sheet(self, parameters: ParameterSet) -> Flowsheet:
        """The flow sheet with `parameters`."""
        return skid_flowsheet(self.plant, self.skid, parameters, self.elements)

    def predict(self, values: Sequence[Mapping[str, float]]) -> Array:
        """Predictions (k, n); NaN where a simulation failed."""
        sets = [self.parameters(each) for each in values]
        sheets = [self.sheet(each) for each in sets]
        parts = []
        for experiment in self.experiments:
            times = _times(experiment)
            sections = [_variant(sheet, experiment.course, p) for sheet, p in zip(sheets, sets, strict=True)]
            scales = Tolerance(self.tolerance, species_scales(sheets[0]))
            batch = simulate_many(sections, times, sheets[0].ports, scales, threads=self.threads)
            parts.append(
                np.stack(
                    [
                        _seen(experiment, sheet, p, times, outlet, passed)
                        for sheet, p, outlet, passed in zip(sheets, sets, batch.outlet, batch.passed, strict=True)
                    ]
                )
            )
        return np.concatenate(parts, axis=1)

    def sensitivities(self, values: Mapping[str, float], steps: Mapping[str, float]) -> tuple[Array, Array]:
        """Prediction (n,) and its derivatives (n, p) by SI value."""
        at = {path: values[path] for path in steps}
        base = self.parameters(values)
        sheet = self.sheet(base)
        predicted, columns = [], []
        for experiment in self.experiments:
            times = _times(experiment)

            def build(changed: Mapping[str, float], course: Course = experiment.course) -> Variant:
                parameters = self.parameters({**values, **changed})
                return _variant(self.sheet(parameters), course, parameters)

            found = sensitivities(
                build,
                at,
                times,
                sheet.ports,
                Tolerance(self.tolerance, species_scales(sheet)),
                steps=dict(steps),
                threads=self.threads,
            )
            outlet, passed = found.base.outlet, found.base.passed
            predicted.append(_seen(experiment, sheet, base, times, outlet, passed))
            part = []
            for at_path, path in enumerate(steps):
                step = PARTIAL * steps[path] / 1e-4
                sides = []
                for sign in (1.0, -1.0):
                    moved = self.parameters({**values, path: values[path] + sign * step})
                    sides.append(
                        _seen(
                            experiment,
                            self.sheet(moved),
                            moved,
                            times,
                            outlet + sign * step * found.outlet[at_path],
                            passed + sign * step * found.passed[at_path],
                        )
                    )
                part.append((sides[0] - sides[1]) / (2.0 * step))
            columns.append(np.stack(part, axis=1))
        return np.concatenate(predicted), np.concatenate(columns)


def with_parameters(plant: Plant, values: Mapping[str, float]) -> ParameterSet:
    """The parameters of `plant` with other values (SI); those not stated are added.

    Raises
    ------
    InputError
        Paths that the plant cannot have.
    """
    known = known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    wrong = [path for path in values if path not in known]
    if wrong:
        raise InputError(
            [Finding("calibrate", f'no parameter "{p}"', remedy=did_you_mean(p, known)) for p in wrong]
        )
    changed = dict(plant.parameters.parameters)
    for path, value in values.items():
        if path in changed:
            changed[path] = replace(changed[path], value=value)
        else:
            kind = known[path]
            changed[path] = Parameter(path, value, kind.kind, "calibrated", None, kind.lower, kind.upper)
    return replace(plant.parameters, parameters=changed)


def first_positions(plant: Plant, skid: str) -> tuple[int, ...]:
    """How the valves of a skid stand at power on."""
    table = tag_table(plant.skids[skid])
    return tuple(Actuators(table, plant.skids[skid], plant.parameters).state.positions)


def _times(experiment: Experiment) -> Array:
    """Times (s, of the segments) at which anything is observed."""
    parts = [experiment.course.at(c.time) for c in experiment.curves if not c.signal.startswith(ASSAY)]
    if experiment.fractions.size:
        parts.append(experiment.course.at(experiment.fractions.ravel()))
    lags = [np.maximum(part - _LAG, 0.0) for part in parts]
    return np.clip(np.unique(np.concatenate([*parts, *lags])), 0.0, experiment.course.end)


_LAG = 0.5 * AVERAGING_TIME
"""s by which a slow absorbance is shown late."""


def _variant(sheet: Flowsheet, course: Course, parameters: ParameterSet) -> Variant:
    gains = machine_of(tag_table(sheet.skid), sheet.skid, parameters).gains
    scale = np.array([*gains, 1.0, 1.0])
    sections = []
    for segment in course.segments:
        links = sheet.flow_map(segment.positions).links
        sections.append(
            Section(
                segment.start,
                segment.end,
                links @ (scale * pump_flows(segment, False)),
                sheet.inlet_concentrations,
                links @ (scale * pump_flows(segment, True)),
            )
        )
    return Variant(sheet.network, sheet.initial_state(), sections)


def _seen(
    experiment: Experiment, sheet: Flowsheet, parameters: ParameterSet, times: Array, outlet: Array, passed: Array
) -> Array:
    """What the detectors show of `outlet` (nt, ports, species) at the observed times, all curves in one."""
    sensors = Sensors(tag_table(sheet.skid), sheet.skid, sheet, parameters, None)
    rows = detectors_of(sheet)
    names = [item.name for item in sheet.species]
    parts = []
    for curve in experiment.curves:
        wanted = experiment.course.at(curve.time)
        if curve.signal.startswith(ASSAY):
            species = names.index(curve.signal[len(ASSAY) :])
            port = len(sheet.ports) - 1
            edges = np.searchsorted(times, experiment.course.at(experiment.fractions) - 1e-9)
            edges = np.clip(edges, 0, times.size - 1)
            amount = np.diff(passed[edges, port, species], axis=1)[:, 0]
            volume = fraction_volumes(experiment)
            parts.append(amount / volume)
            continue
        cell = next((c for c in sensors.cells if f"{c.name}.Signal" == curve.signal), None)
        if cell is not None:
            at = np.searchsorted(times, np.maximum(wanted - _LAG, 0.0) - 1e-9)
            extinction = extinctions(sheet.species, _wavelength(cell.name))
            true = outlet[np.clip(at, 0, times.size - 1), cell.row] @ extinction * cell.path_length
            true = np.clip(true, -1.0, 30.0)
            seen = -np.log10((10.0**-true + cell.stray_light) / (1.0 + cell.stray_light))
            parts.append(cell.channel.gain * seen)
            continue
        channel = dict(sensors.others)[curve.signal]
        at = np.clip(np.searchsorted(times, wanted - 1e-9), 0, times.size - 1)
        if curve.signal == "pH.Signal":
            shown = sheet.chemistry.ph(outlet[at, rows.ph])
        else:
            shown = sheet.chemistry.conductivity(outlet[at, rows.conductivity], sheet.temperature)
        parts.append(channel.gain * shown + channel.offset)
    return np.concatenate(parts)


def _wavelength(name: str) -> float:
    number = int(name[2:] or 1) if name[2:].isdigit() or not name[2:] else 1
    return WAVELENGTHS[min(number, len(WAVELENGTHS)) - 1]


def fraction_volumes(experiment: Experiment) -> Array:
    """m3 of each fraction, from the course's flows."""
    edges = experiment.course.at(experiment.fractions)
    times = np.array([0.0, *(s.end for s in experiment.course.segments)])
    volumes = np.concatenate([[0.0], np.cumsum([s.volume_a + s.volume_b for s in experiment.course.segments])])
    return np.diff(np.interp(edges, times, volumes), axis=1)[:, 0]
