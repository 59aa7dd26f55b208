"""The digital factory as a model of calibration: driven with the executed course, seen by its detectors.

Any parameter of the description can be free, by its path; what `parameters.yaml` does not state can be added.
Derivatives are those of the engine's exact-discrete sensitivities, carried through the detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.experiment import Experiment
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.readings import seen, wavelength
from minifactory.calibration.estimation.sections import cut, sections_of, variant
from minifactory.plant.model import Plant
from minifactory.plant.parameter_file import known_parameters
from minifactory.plant.parameter_kinds import ParameterKind
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.driving import refuse_drives
from minifactory.twin.engine import (
    Solution,
    Steps,
    Tolerance,
    Variant,
    integrate,
    sensitivities_of_each,
    simulate_each,
    with_steps,
)
from minifactory.twin.flowsheet import ELEMENTS, Flowsheet
from minifactory.twin.online import detectors_of, skid_flowsheet, species_scales
from minifactory.twin.sensors import Sensors, extinctions

Array = NDArray[np.float64]


TOLERANCE = 3e-4
"""Relative local error of the simulations of a fit."""
PARTIAL = 1e-3
"""Relative step by which a detector's answer is differentiated."""
ONE_SIDED = 0.1
"""What a step of the simulations is over the one asked for: they are smooth to rounding, so that differences
to one side may be small."""


@dataclass(frozen=True, eq=False)
class FactoryModel:
    """Predicts all curves of `experiments` on `plant`'s `skid`.

    A model that is :meth:`settled` repeats the steps that its simulations took at one point, which makes it
    smooth, and adds what its mesh and tolerance missed there (`defect`). A path of `ties` always has the
    value of the path that it maps to.
    """

    plant: Plant
    skid: str
    experiments: tuple[Experiment, ...]
    fixed: Mapping[str, float]
    elements: int = ELEMENTS
    tolerance: float = TOLERANCE
    threads: int | None = None
    steps: tuple[Steps, ...] | None = None
    defect: Array | None = None
    ties: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def known(self) -> Mapping[str, ParameterKind]:
        """Every path that can be stated."""
        plant = self.plant
        return known_parameters(plant.columns, plant.species, plant.skids, plant.materials)

    def parameters(self, values: Mapping[str, float]) -> ParameterSet:
        """The plant's parameters with `values` (SI) at their paths, added where they are not stated."""
        given = {**self.fixed, **values}
        if self.ties:
            stated = self.plant.parameters.parameters
            known = {**{path: item.value for path, item in stated.items()}, **given}
            given |= {path: known[source] for path, source in self.ties.items() if source in known}
        return with_parameters(self.plant, given, self.known)

    def sheet(self, parameters: ParameterSet) -> Flowsheet:
        """The flow sheet with `parameters`."""
        sheet = skid_flowsheet(self.plant, self.skid, parameters, self.elements)
        refuse_drives(sheet, "calibrate")
        return sheet

    expensive = True

    @cached_property
    def ways(self) -> Flowsheet:
        """The flow sheet of the stated parameters; its flow maps hold for all."""
        return self.sheet(self.plant.parameters)

    @cached_property
    def _heads(self) -> dict[str, Array]:
        return {}

    def head(self, experiment: Experiment) -> Array | None:
        """The state at an experiment's beginning, from the parameters as they are; None: from the start."""
        if experiment.begin <= 0.0:
            return None
        if experiment.name not in self._heads:
            parameters = self.parameters({})
            sheet = self.sheet(parameters)
            begin = experiment.begin
            sections = sections_of(sheet, experiment.course, parameters, self.ways)
            before = [cut(section, 0.0, begin) for section in sections if section.t0 < begin]
            tolerance = Tolerance(self.tolerance, species_scales(sheet))
            end = integrate(
                sheet.network, sheet.initial_state(), before, np.array([begin]), sheet.ports, tolerance
            )
            self._heads[experiment.name] = end.state
        return self._heads[experiment.name]

    def outlets(
        self, values: Mapping[str, float], experiments: Sequence[Experiment]
    ) -> list[tuple[Array, Array]]:
        """Of each experiment times (nt,) in s of the segments, and concentrations (nt, species) in the first
        UV cell.

        Raises
        ------
        SolverError
            A simulation fails.
        """
        parameters = self.parameters(values)
        sheet = self.sheet(parameters)
        runs = [(variant(sheet, e, parameters, self.head(e), self.ways), e.times) for e in experiments]
        scales = Tolerance(self.tolerance, species_scales(sheet))
        sensors = Sensors(tag_table(sheet.skid), sheet.skid, sheet, parameters, None)
        row = sensors.cells[0].row if sensors.cells else detectors_of(sheet).conductivity
        found = []
        for run in simulate_each(runs, sheet.ports, scales, threads=self.threads):
            if not isinstance(run, Solution):
                raise run
            found.append((run.times, run.outlet[:, row]))
        return found

    def absorbances(self, values: Mapping[str, float], signal: str) -> Array:
        """What 1 mol/m3 of each species (n,) shows on the UV detector of `signal`, AU."""
        parameters = self.parameters(values)
        sheet = self.sheet(parameters)
        sensors = Sensors(tag_table(sheet.skid), sheet.skid, sheet, parameters, None)
        cell = next(c for c in sensors.cells if f"{c.name}.Signal" == signal)
        shown = extinctions(sheet.species, wavelength(cell.name)) * cell.path_length * cell.channel.gain
        return np.asarray(shown)

    def predict(self, values: Sequence[Mapping[str, float]]) -> Array:
        """Predictions (k, n); NaN where a simulation failed."""
        sets = [self.parameters(each) for each in values]
        sheets = [self.sheet(each) for each in sets]
        runs = [
            (variant(sheet, experiment, p, self.head(experiment), self.ways), experiment.times)
            for experiment in self.experiments
            for sheet, p in zip(sheets, sets, strict=True)
        ]
        scales = Tolerance(self.tolerance, species_scales(self.ways))
        steps = None if self.steps is None else [own for own in self.steps for _ in sets]
        found = iter(simulate_each(runs, self.ways.ports, scales, steps=steps, threads=self.threads))
        parts = []
        for experiment in self.experiments:
            size, rows = sum(curve.size for curve in experiment.curves), []
            for p in sets:
                run = next(found)
                if isinstance(run, Solution):
                    rows.append(seen(experiment, self.ways, p, run.times, run.outlet, run.passed))
                else:
                    rows.append(np.full(size, np.nan))
            parts.append(np.stack(rows))
        predicted = np.concatenate(parts, axis=1)
        return predicted if self.defect is None else predicted + self.defect

    @property
    def fine(self) -> FactoryModel:
        """The same on a mesh three times as fine, with a third of the tolerance."""
        return replace(
            self, elements=3 * self.elements, tolerance=0.3 * self.tolerance, steps=None, defect=None
        )

    def settled(self, values: Mapping[str, float]) -> FactoryModel:
        """The model for points near `values`.

        Raises
        ------
        SolverError
            It fails there.
        """
        parameters = self.parameters(values)
        sheet = self.sheet(parameters)
        found = with_steps(
            [
                (variant(sheet, each, parameters, self.head(each), self.ways), each.times)
                for each in self.experiments
            ],
            self.ways.ports,
            Tolerance(self.tolerance, species_scales(self.ways)),
            threads=self.threads,
        )
        near = replace(self, steps=tuple(steps for _, steps in found), defect=None)
        gap = self.fine.predict([values])[0] - near.predict([values])[0]
        return replace(near, defect=gap) if np.all(np.isfinite(gap)) else near

    def sensitivities(self, values: Mapping[str, float], steps: Mapping[str, float]) -> tuple[Array, Array]:
        """Prediction (n,) and its derivatives (n, p) by SI value."""
        sheets: dict[tuple[float, ...], tuple[Flowsheet, ParameterSet]] = {}

        def sheet_of(changed: Mapping[str, float]) -> tuple[Flowsheet, ParameterSet]:
            key = tuple(changed.values())
            if key not in sheets:
                parameters = self.parameters({**values, **changed})
                sheets[key] = self.sheet(parameters), parameters
            return sheets[key]

        def built(experiment: Experiment) -> Callable[[Mapping[str, float]], Variant]:
            def build(changed: Mapping[str, float]) -> Variant:
                sheet, parameters = sheet_of(changed)
                return variant(sheet, experiment, parameters, self.head(experiment), self.ways)

            return build

        found = sensitivities_of_each(
            [(built(experiment), experiment.times) for experiment in self.experiments],
            {path: values[path] for path in steps},
            self.ways.ports,
            Tolerance(self.tolerance, species_scales(self.ways)),
            steps={path: ONE_SIDED * step for path, step in steps.items()},
            one_sided=True,
            repeated=self.steps,
            threads=self.threads,
        )
        base = self.parameters(values)
        moves = {path: PARTIAL * step / 1e-4 for path, step in steps.items()}
        sides = {
            path: [self.parameters({**values, path: values[path] + sign * move}) for sign in (1.0, -1.0)]
            for path, move in moves.items()
        }
        predicted, columns = [], []
        for experiment, run in zip(self.experiments, found, strict=True):
            times, outlet, passed = run.base.times, run.base.outlet, run.base.passed
            predicted.append(seen(experiment, self.ways, base, times, outlet, passed))
            part = []
            for at, (path, move) in enumerate(moves.items()):
                up, down = (
                    seen(
                        experiment,
                        self.ways,
                        moved,
                        times,
                        outlet + sign * move * run.outlet[at],
                        passed + sign * move * run.passed[at],
                    )
                    for sign, moved in zip((1.0, -1.0), sides[path], strict=True)
                )
                part.append((up - down) / (2.0 * move))
            columns.append(np.stack(part, axis=1))
        whole = np.concatenate(predicted)
        return whole if self.defect is None else whole + self.defect, np.concatenate(columns)
