"""Step two: porosities, dispersion and mass transfer from pulses through the column."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.calibration.estimation.column_heights import heights_of
from minifactory.calibration.estimation.column_space import column_space, line_factor, moved
from minifactory.calibration.estimation.data import Data
from minifactory.calibration.estimation.discrepancy import baseline_of
from minifactory.calibration.estimation.emulator import emulate
from minifactory.calibration.estimation.identifiability import identifiability
from minifactory.calibration.estimation.least_squares import Fit, fit
from minifactory.calibration.estimation.lines_step import said
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.posterior import Posterior, sample
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.pulses import (
    SALT,
    TRACER,
    Pulse,
    PulseModel,
    SkidPulseModel,
    pulses_of,
)
from minifactory.calibration.estimation.result import Step, estimates_of, fitted_curves
from minifactory.calibration.estimation.space import Free, Space
from minifactory.errors import Finding
from minifactory.plant.model import Column
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.flowsheet import Flowsheet

Progress = Callable[[str, float], None]

BETTER = 10.0
"""Gain in -2 log likelihood from which another particle model is preferred."""


def column_step(
    data: Sequence[Data],
    sheet: Flowsheet,
    column: Column,
    parameters: ParameterSet,
    options: Options,
    progress: Progress,
    lines: Step | None = None,
) -> Step:
    """Porosities, dispersion and mass transfer from pulses through the column."""
    began = time.process_time()
    pulses = tuple(p for item in data for p in pulses_of(item, sheet, column, False))
    findings = [f for p in pulses for f in p.findings]
    pulses, more = _seen_tracers(pulses)
    findings += more
    path = f"{sheet.skid.name}.volume_factor"
    factor = line_factor(sheet, lines)
    own = _fitted(pulses, column, parameters, factor, path, options, progress)
    best, note = own, ""
    if column.bed_model in ("LRMP", "GRM") and any(TRACER in p.species for p in pulses):
        other_name = "GRM" if column.bed_model == "LRMP" else "LRMP"
        other = _fitted(
            pulses, replace(column, bed_model=other_name), parameters, factor, path, options, progress
        )
        gain = _gain(own, other)
        if gain > BETTER:
            note = other_name
            porosities = [p for p in other.problem.space.paths if p.endswith("porosity")]
            held = {p: other.values[p] for p in (*porosities, path)}
            own = _fitted(pulses, column, parameters, factor, path, options, progress, held)
            findings.append(
                Finding(
                    f"column {column.name}",
                    f"the pulses are described better by {other_name} (-2 log likelihood lower by "
                    f"{gain:.0f}) than by "
                    f"its bed model {column.bed_model}",
                    remedy=f"The porosities are those of {other_name}; transport is then fitted for "
                    f"{column.bed_model}. Consider bed_model: {other_name}.",
                    severity="warning",
                )
            )
            best = other
    told = identifiability(best, said(data))
    findings += list(told.findings)
    posterior = None
    if options.samples:
        posterior = _sampled(best, options, progress)
        findings += list(posterior.findings)
    estimates = list(estimates_of(best, told, posterior))
    if best is not own:
        second = identifiability(own, said(data))
        estimates += [e for e in estimates_of(own, second) if not e.path.endswith("porosity")]
        known = {e.path: e for e in estimates}
        estimates = list(known.values())
    heights, more = heights_of(pulses, best, column, path)
    findings += more
    return Step(
        "column",
        tuple(item.name for item in data),
        tuple(estimates),
        fitted_curves(best),
        tuple(findings),
        {"plate_heights": heights, "particle_model": note or column.bed_model},
        best,
        posterior,
        time.process_time() - began,
    )


def _fitted(
    pulses: tuple[Pulse, ...],
    column: Column,
    parameters: ParameterSet,
    factor: Free,
    path: str,
    options: Options,
    progress: Progress,
    held: Mapping[str, float] | None = None,
) -> Fit:
    """The fit of what the pulses can tell; what is not told is held and the fit repeated."""
    held = dict(held or {})
    space, fixed = column_space(pulses, column, parameters, factor)
    space = space.without(tuple(held))
    fixed = {**fixed, **held}
    observed = tuple(p.observed for p in pulses)
    first: Mapping[str, float] | None = None
    while True:
        fixed_now = {**fixed, "volume_factor": fixed.get(path, 1.0)}
        model = (
            SkidPulseModel(PulseModel(pulses, column, fixed_now), path)
            if path in space.paths
            else PulseModel(pulses, column, fixed_now)
        )
        tried = 1 if held or first is not None else options.starts
        begin = Space(tuple(moved(f, first) for f in space.free))
        found = fit(
            Problem(model, observed, begin), starts=tried, followed=2, seed=options.seed, progress=progress
        )
        first = found.values
        told = identifiability(found, "the pulses")
        loose = [t.path for t in told.parameters if t.verdict in ("at a bound", "not told")]
        loose = [p for p in loose if not p.endswith("porosity")]
        if not loose or len(loose) == len(space.free):
            return found
        starts = {f.path: f.start for f in space.free}
        fixed.update({p: starts[p] for p in loose})
        space = space.without(tuple(loose))


def _seen_tracers(pulses: tuple[Pulse, ...]) -> tuple[tuple[Pulse, ...], list[Finding]]:
    """Without conductivity the absorbing tracer is all there is: it is taken as one that enters all pores."""
    if any(SALT in p.species for p in pulses):
        return pulses, []
    taken = Finding(
        pulses[0].name,
        "only absorbance shows the tracer",
        remedy="It is taken as one that enters all pores; inject salt too, or blue dextran, to tell the porosities apart.",  # noqa: E501
        severity="warning",
    )
    return tuple(replace(p, species=(SALT,)) for p in pulses), [taken]


def _gain(found: Fit, other: Fit) -> float:
    """By how much -2 log likelihood is lower for `other`: the same curves, sizes of the errors free."""
    total = 0.0
    parts = []
    for each in (found, other):
        predicted = each.problem.model.predict([each.values])[0]
        parts.append(each.problem.split(each.problem.observed - predicted))
    for at, curve in enumerate(found.problem.curves):
        models = (found.problem.residuals[at], other.problem.residuals[at])
        count = curve.size / max(model.correlated for model in models)
        sums = []
        for model, part in zip(models, (parts[0][at], parts[1][at]), strict=True):
            rest = part - baseline_of(curve, model, part)
            sums.append(float(np.sum(rest**2)) + 1e-300)
        total += count * float(np.log(sums[0] / sums[1]))
    return total


def _sampled(found: Fit, options: Options, progress: Progress) -> Posterior:
    emulator = emulate(found, progress=progress)
    return sample(
        emulator, found.coordinates, found.covariance, found.rivals, steps=options.samples, seed=options.seed
    )
