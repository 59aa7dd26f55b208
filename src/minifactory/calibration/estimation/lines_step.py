"""Step one: the volume of the lines from pulses without a column."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from minifactory.calibration.estimation.column_space import line_factor
from minifactory.calibration.estimation.data import Data
from minifactory.calibration.estimation.identifiability import identifiability
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.pulses import Pulse, PulseModel, SkidPulseModel, pulses_of
from minifactory.calibration.estimation.result import Step, estimates_of, fitted_curves
from minifactory.calibration.estimation.space import Space
from minifactory.plant.model import Column
from minifactory.twin.flowsheet import Flowsheet

Progress = Callable[[str, float], None]


def lines_step(
    data: Sequence[Data], sheet: Flowsheet, column: Column, options: Options, progress: Progress
) -> Step:
    """The volume of the lines from pulses without a column."""
    began = time.process_time()
    pulses = tuple(p for item in data for p in pulses_of(item, sheet, column, True))
    model = PulseModel(pulses, column, {})
    path = f"{sheet.skid.name}.volume_factor"
    factor = replace(line_factor(sheet, None), prior=None)
    problem = Problem(SkidPulseModel(model, path), tuple(p.observed for p in pulses), Space((factor,)))
    found = fit(problem, starts=4, followed=2, seed=options.seed, progress=progress)
    told = identifiability(found, said(data))
    return Step(
        "lines",
        tuple(item.name for item in data),
        estimates_of(found, told),
        fitted_curves(found),
        (*told.findings, *(f for p in pulses for f in p.findings)),
        {"line_volume_m3": [factor_volume(p, found.values[path]) for p in pulses]},
        found,
        seconds=time.process_time() - began,
    )


def factor_volume(pulse: Pulse, factor: float) -> float:
    """m3 between injection and detector."""
    return factor * pulse.line.volume


def said(data: Sequence[Data]) -> str:
    """The pulses in words."""
    return "one pulse" if len(data) == 1 else f"{len(data)} pulses"
