"""Last step: the full-curve inverse method on gradients, breakthroughs and analysed fractions together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.calibration.estimation.candidates import automatic, free_parameter
from minifactory.calibration.estimation.column_step import DIFFUSION, FILM, Options
from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.data import Data, DataKind, kind_of
from minifactory.calibration.estimation.emulator import emulate
from minifactory.calibration.estimation.factory import ASSAY, FactoryModel, first_positions
from minifactory.calibration.estimation.gradients import Prepared, prepare
from minifactory.calibration.estimation.identifiability import identifiability
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.posterior import sample
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.profile import Profile, profile
from minifactory.calibration.estimation.result import POOR as POOR_FIT
from minifactory.calibration.estimation.result import FittedCurve, Step, estimates_of, fitted_curves
from minifactory.calibration.estimation.retention_starts import Starts, retention_starts
from minifactory.calibration.estimation.space import Free, Prior, Shear, Space
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column, Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.records.run import Run
from minifactory.twin.flowsheet import Flowsheet

Progress = Callable[[str, float], None]

COARSE = 4
"""Elements along the bed while fitting; the result is checked on a mesh three times as fine."""
GOOD_MESH = 5e-3
"""Difference between both meshes, relative to the range of a curve, that is told."""
USELESS = 0.5
"""R2 below which nothing of a fit is kept."""
POOR = 0.9
"""R2 below which a fit is called poor."""
TRACER_SPREAD = 0.25
"""Deviation (natural logarithm) of a protein's transport from that of the tracer of the pulses (assumed)."""


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

    Raises
    ------
    InputError
        Data that cannot be used, with every finding.
    """
    began = time.process_time()
    skid = sheet.skid.name
    plant = replace(plant, parameters=parameters)
    first = first_positions(plant, skid)
    prepared = [prepare(item, plant, sheet, first, planned) for item in data]
    findings = [f for item in prepared for f in item.findings]
    experiments = tuple(item.experiment for item in prepared)
    model = FactoryModel(plant, skid, experiments, {}, COARSE)
    starts = retention_starts(model, column) if not _restricted(free) else Starts({}, {}, {}, ())
    findings += list(starts.findings)
    chosen = list(free) or _chosen(plant, column, prepared, held, tracer)
    if not chosen:
        raise InputError(
            Finding(
                "calibrate",
                f"nothing to estimate from {', '.join(d.name for d in data)}",
                "a protein that was loaded, or paths after --estimate",
                "Name what to estimate with --estimate PATH.",
            )
        )
    space = _space(
        tuple(_at(item, starts.values) for item in chosen if item.path not in held), column, starts
    )
    curves = tuple(curve for item in experiments for curve in item.curves)
    found = fit(
        Problem(model, curves, space),
        starts=options.starts,
        followed=1 if _settled(space, starts) else 2,
        seed=options.seed,
        progress=progress,
    )
    told = identifiability(found, said(data))
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
                    "The intervals are rough: add data, hold what is not told, or give narrower bounds.",
                    "warning",
                )
            )
    drawn = fitted_curves(found)
    estimates = estimates_of(found, told, posterior)
    useless = [curve.observed.signal for curve in drawn if _explained(curve) < USELESS]
    estimates = tuple(
        replace(item, verdict=POOR_FIT) if any(_concerns(signal, item.path) for signal in useless) else item
        for item in estimates
    )
    findings += _quality(drawn) + _mesh(model, found.values, curves, found.problem)
    return Step(
        "inverse",
        tuple(item.name for item in data),
        estimates,
        drawn,
        tuple(findings),
        {
            "retention": _retention(starts),
            "detectors": {item.experiment.name: item.detectors for item in prepared},
            "profiles": {path: _profile(p) for path, p in profiles.items()},
            "emulator_error": error,
            "evaluations": found.evaluations,
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


def _restricted(free: Sequence[Free]) -> bool:
    return bool(free) and not any(item.path.endswith(".k_eq") for item in free)


def _chosen(
    plant: Plant,
    column: Column,
    prepared: Sequence[Prepared],
    held: Sequence[str],
    tracer: Mapping[str, float] | None,
) -> list[Free]:
    feeds = tuple(dict.fromkeys(name for item in prepared for name in item.feeds))
    buffers = tuple(dict.fromkeys(name for item in prepared for name in item.buffers))
    out = []
    for path in automatic(plant, column.name, feeds, buffers):
        if path in held:
            continue
        item = free_parameter(plant, path)
        source = {"film_coefficient": FILM, "pore_diffusivity": DIFFUSION}.get(path.rsplit(".", 1)[-1])
        if (
            tracer
            and source is not None
            and source in tracer
            and plant.species[path.split(".")[1]].role.is_protein
        ):
            value = tracer[source]
            prior = Prior(value, TRACER_SPREAD, "the absorbing tracer of the pulses, taken as the protein")
            item = replace(item, start=min(max(value, item.lower), item.upper), prior=prior)
        out.append(item)
    return out


def _at(free: Free, values: Mapping[str, float]) -> Free:
    """The same with a start value from retention; bounds move along where they would shut it out."""
    if free.path not in values:
        return free
    value = values[free.path]
    if free.path.endswith(".k_eq"):
        ratio = value / free.start
        return replace(free, start=value, lower=free.lower * ratio, upper=free.upper * ratio)
    return replace(free, start=min(max(value, free.lower), free.upper))


def _space(free: tuple[Free, ...], column: Column, starts: Starts) -> Space:
    """The space of `free`, straight where retention is known."""
    paths = {item.path for item in free}
    pairs = [
        Shear(f"{column.name}.{name}.k_eq", f"{column.name}.{name}.nu", reach)
        for name, reach in starts.reaches.items()
    ]
    return Space(free, tuple(pair for pair in pairs if {pair.moved, pair.by} <= paths))


def _settled(space: Space, starts: Starts) -> bool:
    """Whether gradients of several slopes tell every charge that is free: there is one valley to descend."""
    charged = {path.split(".")[-2] for path in space.paths if path.endswith((".nu", ".k_eq"))}
    return bool(charged) and charged <= set(starts.retentions)


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


def _mesh(
    model: FactoryModel, values: Mapping[str, float], curves: Sequence[Observed], problem: Problem
) -> list[Finding]:
    fine = replace(model, elements=3 * model.elements, tolerance=0.3 * model.tolerance)
    both = [problem.split(each.predict([values])[0]) for each in (model, fine)]
    found = []
    for curve, coarse, finer in zip(curves, *both, strict=True):
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


NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def said(data: Sequence[Data]) -> str:
    """The data in words: "one gradient", "two gradients and one breakthrough"."""
    words = {
        DataKind.GRADIENT: "gradient",
        DataKind.BREAKTHROUGH: "breakthrough",
        DataKind.PULSE: "pulse",
        DataKind.BYPASS_PULSE: "by-pass pulse",
        DataKind.OTHER: "run",
    }
    counts: dict[str, int] = {}
    for item in data:
        word = words[kind_of(item)]
        counts[word] = counts.get(word, 0) + 1
    parts = [
        f"{NUMBERS[n] if n < len(NUMBERS) else n} {word}{'s' if n > 1 else ''}" for word, n in counts.items()
    ]
    return " and ".join(parts)
