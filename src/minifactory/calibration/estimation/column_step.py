"""Steps one and two: lines from by-pass pulses; porosities, dispersion, mass transfer from column pulses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minifactory.calibration.estimation.data import Data
from minifactory.calibration.estimation.discrepancy import baseline_of
from minifactory.calibration.estimation.emulator import emulate
from minifactory.calibration.estimation.identifiability import identifiability
from minifactory.calibration.estimation.least_squares import Fit, fit
from minifactory.calibration.estimation.plate_heights import (
    PlateHeight,
    describe_peak,
    plate_height,
    van_deemter,
)
from minifactory.calibration.estimation.posterior import Posterior, sample
from minifactory.calibration.estimation.problem import Problem, by_differences
from minifactory.calibration.estimation.pulses import EXCLUDED, SALT, TRACER, Pulse, PulseModel, pulses_of
from minifactory.calibration.estimation.result import Step, estimates_of, fitted_curves
from minifactory.calibration.estimation.space import Free, Prior, Scale, Space
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column
from minifactory.plant.parameter_kinds import COLUMN, COLUMN_SPECIES
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.flowsheet import Flowsheet
from minifactory.units import Kind

Progress = Callable[[str, float], None]

BETTER = 10.0
"""Gain in -2 log likelihood from which another particle model is preferred."""
ACCESS, FILM, DIFFUSION = "tracer.pore_accessibility", "tracer.film_coefficient", "tracer.pore_diffusivity"
TRACER_KINDS: Mapping[str, Kind] = {
    ACCESS: COLUMN_SPECIES["pore_accessibility"].kind,
    FILM: COLUMN_SPECIES["film_coefficient"].kind,
    DIFFUSION: COLUMN_SPECIES["pore_diffusivity"].kind,
}
FILM_START, DIFFUSION_START = 1e-6, 1e-11
LINE_SPREAD = 0.03
"""Relative deviation of the lines' volumes when nothing else is stated."""


@dataclass(frozen=True)
class Options:
    """How thorough a step is: steps of the chain (0: none), starts, seed.

    `beside`: whether a full-curve fit frees, beside what it is asked for, all that is stated with an
    uncertainty and the curves depend on.
    """

    samples: int = 1500
    starts: int = 8
    seed: int = 1
    beside: bool = True


def lines_step(
    data: Sequence[Data], sheet: Flowsheet, column: Column, options: Options, progress: Progress
) -> Step:
    """The volume of the lines from pulses without a column."""
    began = time.process_time()
    pulses = tuple(p for item in data for p in pulses_of(item, sheet, column, True))
    model = PulseModel(pulses, column, {})
    path = f"{sheet.skid.name}.volume_factor"
    factor = replace(_factor(sheet, None), prior=None)
    problem = Problem(_Renamed(model, path), tuple(p.observed for p in pulses), Space((factor,)))
    found = fit(problem, starts=4, followed=2, seed=options.seed, progress=progress)
    told = identifiability(found, _said(data))
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
    factor = _factor(sheet, lines)
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
    told = identifiability(best, _said(data))
    findings += list(told.findings)
    posterior = None
    if options.samples:
        posterior = _sampled(best, options, progress)
        findings += list(posterior.findings)
    estimates = list(estimates_of(best, told, posterior))
    if best is not own:
        second = identifiability(own, _said(data))
        estimates += [e for e in estimates_of(own, second) if not e.path.endswith("porosity")]
        known = {e.path: e for e in estimates}
        estimates = list(known.values())
    heights, more = _heights(pulses, best, column, path)
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


@dataclass(frozen=True, eq=False)
class _Renamed:
    """A pulse model whose volume factor has the skid's path."""

    model: PulseModel
    path: str

    def predict(self, values: Sequence[Mapping[str, float]]) -> np.ndarray:
        return self.model.predict([{**v, "volume_factor": v.get(self.path, 1.0)} for v in values])

    def sensitivities(
        self, values: Mapping[str, float], steps: Mapping[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        return by_differences(self, values, steps)


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
    space, fixed = _space(pulses, column, parameters, factor)
    space = space.without(tuple(held))
    fixed = {**fixed, **held}
    observed = tuple(p.observed for p in pulses)
    first: Mapping[str, float] | None = None
    while True:
        fixed_now = {**fixed, "volume_factor": fixed.get(path, 1.0)}
        model = (
            _Renamed(PulseModel(pulses, column, fixed_now), path)
            if path in space.paths
            else PulseModel(pulses, column, fixed_now)
        )
        tried = 1 if held or first is not None else options.starts
        begin = Space(tuple(_moved(f, first) for f in space.free))
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


def _moved(free: Free, values: Mapping[str, float] | None) -> Free:
    """The same parameter with another start value."""
    if values is None or free.path not in values:
        return free
    return replace(free, start=min(max(values[free.path], free.lower), free.upper))


def _space(
    pulses: Sequence[Pulse], column: Column, parameters: ParameterSet, factor: Free
) -> tuple[Space, dict[str, float]]:
    name = column.name
    kinds = {f"{name}.{key}": kind for key, kind in COLUMN.items()}
    salt = any(SALT in p.species for p in pulses)
    tracer = any(TRACER in p.species for p in pulses)
    grm = column.bed_model == "GRM"

    def start(path: str, default: float) -> float:
        value = parameters.get_or(path, default)
        return value if value > 0.0 else default

    def fraction(key: str, default: float) -> Free:
        kind = kinds[f"{name}.{key}"]
        low, high = max(kind.lower, 0.05), min(kind.upper, 0.99)
        value = min(max(start(f"{name}.{key}", default), low + 0.01), high - 0.01)
        return Free(f"{name}.{key}", kind.kind, value, low, high)

    free = [fraction("interstitial_porosity", 0.36), fraction("particle_porosity", 0.8)]
    free.append(
        Free(
            f"{name}.dispersivity",
            kinds[f"{name}.dispersivity"].kind,
            start(f"{name}.dispersivity", 3e-4),
            1e-6,
            2e-2,
            Scale.LOG,
        )
    )
    fixed = {
        f"{name}.axial_dispersion": parameters.get_or(f"{name}.axial_dispersion", 0.0),
        f"{name}.ions.pore_diffusivity": parameters.get_or(f"{name}.ions.pore_diffusivity", 5e-10),
    }
    film = start(f"{name}.ions.film_coefficient", 5e-5)
    if salt:
        free.append(Free(f"{name}.ions.film_coefficient", TRACER_KINDS[FILM], film, 1e-7, 1e-2, Scale.LOG))
    fixed[f"{name}.ions.film_coefficient"] = film
    if tracer:
        free.append(Free(ACCESS, TRACER_KINDS[ACCESS], 0.5, 0.02, 1.0))
        if grm:
            free.append(Free(DIFFUSION, TRACER_KINDS[DIFFUSION], DIFFUSION_START, 1e-14, 1e-9, Scale.LOG))
            fixed[FILM] = 5e-6
        else:
            free.append(Free(FILM, TRACER_KINDS[FILM], FILM_START, 1e-9, 1e-3, Scale.LOG))
    else:
        # Salt alone tells the whole liquid volume only: the share between the particles is held.
        free = [item for item in free if not item.path.endswith("interstitial_porosity")]
        fixed[f"{name}.interstitial_porosity"] = start(f"{name}.interstitial_porosity", 0.36)
    return Space((*free, factor)), fixed


def _factor(sheet: Flowsheet, lines: Step | None) -> Free:
    path = f"{sheet.skid.name}.volume_factor"
    stated = sheet.parameters.parameters[path]
    if lines is not None:
        told = {item.path: item for item in lines.estimates}[path]
        prior = Prior(told.value, max(told.spread, 1e-4), "pulses without column")
        return Free(path, stated.kind, told.value, 0.2, 5.0, Scale.LINEAR, prior)
    spread = stated.uncertainty.spread if stated.uncertainty else LINE_SPREAD
    source = stated.source if stated.uncertainty else "assumed: lines are known to a few per cent"
    prior = Prior(stated.value, spread, source)
    return Free(path, stated.kind, stated.value, 0.2, 5.0, Scale.LINEAR, prior)


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


def _heights(
    pulses: Sequence[Pulse], best: Fit, column: Column, path: str
) -> tuple[dict[str, object], list[Finding]]:
    """Plate heights of salt and tracer, and their van Deemter lines, as a document."""
    model = best.problem.model
    inner = model.model if isinstance(model, _Renamed) else model
    assert isinstance(inner, PulseModel)
    values = {**inner.fixed, **best.values}
    factor = values.get(path, 1.0)
    values["volume_factor"] = factor
    out: dict[str, object] = {}
    findings: list[Finding] = []
    for species in (SALT, TRACER):
        heights: list[PlateHeight] = []
        for pulse in pulses:
            if pulse.species[0] != species:
                continue
            try:
                heights.append(_height(pulse, inner, values, column, factor))
            except InputError as fault:
                findings += [replace(f, severity="warning") for f in fault.findings]
        if not heights:
            continue
        rows = [
            {
                "data": h.name,
                "velocity_m_per_s": h.velocity,
                "height_m": h.height,
                "deviation_m": h.deviation,
                "plates": h.plates,
            }
            for h in heights
        ]
        entry: dict[str, object] = {"heights": rows}
        try:
            line = van_deemter(heights)
            entry |= {
                "a_m": line.a,
                "b_m2_per_s": line.b,
                "c_s": line.c,
                "r_squared": line.r_squared,
            }
        except InputError as fault:
            findings += [replace(f, severity="warning") for f in fault.findings]
        out[species] = entry
    return out, findings


def _height(
    pulse: Pulse, model: PulseModel, values: Mapping[str, float], column: Column, factor: float
) -> PlateHeight:
    volume = pulse.observed.axis
    main = pulse.species[0]
    rest = [model.answer(pulse, s, values) for s in pulse.species[1:]]
    sign = -1.0 if main == SALT and _dips(pulse, model, values) else 1.0
    others = np.stack(rest, axis=1) if rest and (EXCLUDED in pulse.species or main == SALT) else None
    y = sign * pulse.observed.values
    if others is not None:
        columns = np.concatenate(
            [np.stack([model.answer(pulse, main, values), *rest], axis=1), pulse.observed.nuisance], axis=1
        )
        amounts, *_ = np.linalg.lstsq(columns, y, rcond=None)
        y = y - columns[:, 1:] @ amounts[1:]
    answer = model.answer(pulse, main, values)
    place = float(volume[int(np.argmax(answer))])
    near = (volume > 0.4 * place) & (volume < 3.0 * place)
    shape = describe_peak(volume[near], y[near])
    if shape.mean < 0.3 * place or shape.mean > 3.0 * place:
        raise InputError(Finding(pulse.observed.name, "the peak is not where the fit has it", "one peak"))
    lag = pulse.lag * pulse.flow
    line_variance = sum(
        (factor * v) ** 2 / n for v, n in zip(pulse.line.volumes, pulse.line.stages, strict=True)
    )
    return plate_height(
        pulse.observed.name,
        pulse.flow / column.area,
        column.bed_height,
        shape,
        factor * pulse.line.volume + lag,
        line_variance + lag**2,
        pulse.injected,
    )


def _dips(pulse: Pulse, model: PulseModel, values: Mapping[str, float]) -> bool:
    """Whether the salt of the sample is less than that of the eluent."""
    answer = model.answer(pulse, SALT, values)
    columns = np.concatenate([answer[:, None], pulse.observed.nuisance], axis=1)
    amounts, *_ = np.linalg.lstsq(columns, pulse.observed.values, rcond=None)
    return bool(amounts[0] < 0.0)


def _said(data: Sequence[Data]) -> str:
    return "one pulse" if len(data) == 1 else f"{len(data)} pulses"
