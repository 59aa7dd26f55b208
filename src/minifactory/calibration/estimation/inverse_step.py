"""Last step: the full-curve inverse method on gradients, breakthroughs and analysed fractions together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.calibration.estimation.data import Data
from minifactory.calibration.estimation.emulator import emulate
from minifactory.calibration.estimation.experiment import ASSAY
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.calibration.estimation.identifiability import identifiability
from minifactory.calibration.estimation.inverse_problem import pose, said
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.posterior import sample
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.profile import Profile, profile
from minifactory.calibration.estimation.result import POOR as POOR_FIT
from minifactory.calibration.estimation.result import FittedCurve, Step, estimates_of, fitted_curves
from minifactory.calibration.estimation.retention_starts import Starts
from minifactory.calibration.estimation.space import Free
from minifactory.calibration.estimation.variants import Split
from minifactory.errors import Finding
from minifactory.plant.model import Column, Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.records.run import Run
from minifactory.twin.flowsheet import Flowsheet

Progress = Callable[[str, float], None]

GOOD_MESH = 5e-3
"""Difference between both meshes, relative to the range of a curve, that is told."""
USELESS = 0.5
"""R2 below which nothing of a fit is kept."""
POOR = 0.9
"""R2 below which a fit is called poor."""


def inverse_step(
    data: Sequence[Data],
    plant: Plant,
    sheet: Flowsheet,
    column: Column,
    parameters: ParameterSet,
    options: Options,
    progress: Progress,
    *,
    free: Sequence[Free] = (),
    held: Sequence[str] = (),
    planned: Run | None = None,
    tracer: Mapping[str, float] | None = None,
    split: Split | None = None,
) -> Step:
    """All curves at once.

    Parameters
    ----------
    free : sequence of Free
        What is estimated; none: chosen from the binding model and the liquids (:func:`automatic`).
    held : sequence of str
        Paths that are not.
    tracer : Mapping of str to float, optional
        Transport of the tracer of the pulses, as a prior for proteins.
    split : Split, optional
        Proteins that are taken for several variants; `plant` and `sheet` are those of the split plant.

    Raises
    ------
    InputError
        Data that cannot be used, with every finding.
    """
    began = time.process_time()
    posed = pose(
        data,
        replace(plant, parameters=parameters),
        sheet,
        column,
        free=free,
        held=held,
        planned=planned,
        tracer=tracer,
        with_others=options.beside,
        split=split,
    )
    space, starts, others = posed.problem.space, posed.starts, posed.others
    findings = posed.findings
    found = fit(
        posed.problem,
        starts=options.starts,
        followed=1 if posed.settled else 2,
        seed=options.seed,
        also=posed.also,
        progress=progress,
    )
    told = identifiability(found, said(data), {item.path for item in others})
    findings += list(told.findings)
    posterior, profiles, error = None, {}, None
    if options.samples:
        emulator = emulate(found, progress=progress)
        error = emulator.error
        posterior = sample(
            emulator,
            found.coordinates,
            found.covariance,
            found.rivals,
            steps=options.samples,
            progress=progress,
        )
        findings += list(posterior.findings)
        profiles = {
            path: profile(emulator, found.coordinates, found.deviations, path) for path in space.paths
        }
        if not error < 2.0:
            findings.append(
                Finding(
                    "posterior",
                    f"the emulator is off by {error:.1f} in -2 log likelihood",
                    "less than 2",
                    "The intervals are those of the derivatives instead: add data, hold what is not told, or "
                    "give narrower bounds.",
                    "warning",
                )
            )
            posterior = None
    drawn = fitted_curves(found)
    estimates = estimates_of(found, told, posterior)
    useless = [curve.observed.signal for curve in drawn if _explained(curve) < USELESS]
    estimates = tuple(
        replace(item, verdict=POOR_FIT) if any(_concerns(signal, item.path) for signal in useless) else item
        for item in estimates
    )
    findings += _quality(drawn) + _mesh(found.problem, found.values)
    return Step(
        "inverse",
        tuple(item.name for item in data),
        estimates,
        drawn,
        tuple(findings),
        {
            "retention": _retention(starts),
            "detectors": {item.experiment.name: item.detectors for item in posed.prepared},
            "profiles": {path: _profile(p) for path, p in profiles.items()},
            "emulator_error": error,
            "evaluations": found.evaluations,
            "beside": [item.path for item in others],
            "residual_models": {
                c.observed.name: {
                    "noise_factor": c.residuals.noise_factor,
                    "model_error": c.residuals.size,
                    "residuals_that_count_as_one": c.residuals.correlated,
                    "relative_model_error": c.residuals.size / float(np.ptp(c.observed.values)),
                }
                for c in drawn
            },
            "rivals": [space.values(item) for item in found.rivals],
        },
        found,
        posterior,
        time.process_time() - began,
    )


def _explained(item: FittedCurve) -> float:
    """R2 of a fitted curve; of one or two values nothing can be said against the fit."""
    values = item.observed.values
    if values.size < 3:
        return 1.0
    total = float(((values - values.mean()) ** 2).sum())
    rest = float(((values - item.fitted) ** 2).sum())
    return 1.0 - rest / total if total > 0.0 else 0.0


def _concerns(signal: str, path: str) -> bool:
    """Whether a curve that is not explained condemns a parameter: assays of one species only its own."""
    return not signal.startswith(ASSAY) or signal.removeprefix(ASSAY) in path.split(".")


def _quality(curves: Sequence[FittedCurve]) -> list[Finding]:
    found = []
    for item in curves:
        r_squared = _explained(item)
        if r_squared < POOR:
            found.append(
                Finding(
                    item.observed.name,
                    f"the fit explains {100 * max(r_squared, 0.0):.0f} % of the curve's variation",
                    f"{100 * POOR:.0f} % or more",
                    "Do not trust its parameters: are column, liquids and recipe of the case those "
                    "of this run, and "
                    "does the model have all the species that the curve shows?",
                    "warning",
                )
            )
    return found


def _mesh(problem: Problem, values: Mapping[str, float]) -> list[Finding]:
    """What the fit's mesh still misses beside what was missed where the model was settled."""
    assert isinstance(problem.model, FactoryModel)
    both = [problem.split(each.predict([values])[0]) for each in (problem.model, problem.model.fine)]
    found = []
    for curve, coarse, finer in zip(problem.curves, *both, strict=True):
        gap = float(np.abs(coarse - finer).max()) / float(np.ptp(curve.values))
        if not gap < GOOD_MESH:
            found.append(
                Finding(
                    curve.name,
                    f"the mesh of the fit is off by {100 * gap:.1f} % of the curve's range",
                    f"{100 * GOOD_MESH:.1f} %",
                    "Sharp fronts are smeared in the fit; the estimates of transport lean on that.",
                    "warning",
                )
            )
    return found


def _retention(starts: Starts) -> dict[str, object]:
    out: dict[str, object] = {}
    for name, elutions in starts.elutions.items():
        entry: dict[str, object] = {
            "peaks": [{"data": e.name, "salt": e.peak, "slope": e.slope, "start": e.start} for e in elutions]
        }
        told = starts.retentions.get(name)
        if told is not None:
            entry |= {"nu": told.nu, "k_eq": told.k_eq, "interval": told.interval()}
        out[name] = entry
    return out


def _profile(found: Profile) -> dict[str, object]:
    return {"values": found.values, "rise": found.rise, "interval": [found.lower, found.upper]}
