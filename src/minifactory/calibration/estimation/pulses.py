"""Pulses of tracers through the column, or past it: volumes, porosities, dispersion, mass transfer.

A pulse may hold two tracers that different detectors see: salt, which enters all pores, in the conductivity,
and a larger molecule in the absorbance, part of which may be too large for any pore (it leaves first). Each
curve is fitted by the tracers that it can show, areas free; what is common (porosities, dispersion, lines) is
fitted to all curves at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.curves import Observed, observed
from minifactory.calibration.estimation.data import CONDUCTIVITY, FLOW, Data
from minifactory.calibration.estimation.lines import line_between, loop_of
from minifactory.calibration.estimation.problem import by_differences
from minifactory.calibration.estimation.transfer import BedAnswer, Line, pulse_answer
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column, DeviceKind
from minifactory.records.run import Trend
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.machine import AVERAGING_TIME

Array = NDArray[np.float64]

SALT, TRACER, EXCLUDED = "salt", "tracer", "excluded"
CONDUCTIVITY_LAG = 0.5
"""s, as of the default channel of a conductivity cell."""


@dataclass(frozen=True, eq=False)
class Pulse:
    """One curve of one injection.

    `observed.time` is the volume since the injection divided by `flow` (m3/s): the few seconds at another
    flow
    while the loop is emptied do not matter. `species` are the tracers that may show in it; `bypass`: without
    column.
    """

    name: str
    observed: Observed
    flow: float
    injected: float
    line: Line
    species: tuple[str, ...]
    lag: float
    bypass: bool = False
    findings: tuple[Finding, ...] = field(default=())


def pulses_of(data: Data, sheet: Flowsheet, column: Column, bypass: bool) -> tuple[Pulse, ...]:
    """The curves of the first injection of `data`.

    Raises
    ------
    InputError
        No flow, no injection, or no curve.
    """
    run = data.run
    flow = run.trends.get(FLOW)
    if flow is None or not flow.values.size or not float(np.max(flow.values)) > 0.0:
        raise InputError(
            Finding(
                data.name,
                "no flow curve",
                "the flow of a pulse, as a curve",
                "Export the flow with the curves.",
            )
        )
    start, injected = _injection(data)
    later = flow.values[flow.time > start]
    steady = float(np.median(later[later > 0.0])) if np.any(later > 0.0) else 0.0
    if steady <= 0.0:
        raise InputError(Finding(data.name, "nothing flows after the injection", "a pulse"))
    loop = loop_of(sheet)
    found: list[Pulse] = []
    kinds = (
        (DeviceKind.UV_CELL, tuple(data.uv[:1]), 0.5 * AVERAGING_TIME, (TRACER, EXCLUDED)),
        (DeviceKind.CONDUCTIVITY_CELL, _trend(run.trends, CONDUCTIVITY), CONDUCTIVITY_LAG, (SALT, TRACER)),
    )
    origin = float(run.volume_axis(np.array([start]))[0])
    for kind, trends, lag, species in kinds:
        cells = sheet.skid.of_kind(kind)
        for trend in trends:
            if not cells:
                continue
            time = (run.volume_axis(trend.time) - origin) / steady
            moved = Trend(trend.name, trend.kind, time, trend.values, trend.quality)
            curve = observed(
                f"{data.name} {trend.name.split('.')[0]}", moved, (0.0, float(time[-1])), axis=time * steady
            )
            line = line_between(sheet, loop, cells[0].name, None if bypass else column.name)
            found.append(
                Pulse(data.name, curve, steady, injected, line, species, lag, bypass, curve.findings)
            )
    if not found:
        raise InputError(
            Finding(data.name, "neither absorbance nor conductivity", "a detector curve of the pulse")
        )
    return tuple(found)


def _trend(trends: Mapping[str, Trend], tag: str) -> tuple[Trend, ...]:
    return (trends[tag],) if tag in trends else ()


def _injection(data: Data) -> tuple[float, float]:
    """When the injection began (s), and the volume (m3) that the loop was emptied with."""
    marks = data.injections
    if not marks:
        raise InputError(
            Finding(
                data.name,
                "no injection mark",
                'a log line such as "InjectionValve Inject"',
                "Export the logbook with the curves.",
            )
        )
    start = marks[0]
    ends = [
        e.time for e in data.run.events if e.time > start and e.text.lower().startswith("injectionvalve load")
    ]
    trend = data.run.trends.get("InjectionValve.Position")
    if trend is not None and trend.values.size:
        ends += trend.time[np.flatnonzero(np.diff(trend.values) < 0.0) + 1].tolist()
    ends = [end for end in ends if end > start]
    if not ends:
        return start, 0.0
    volumes = data.run.volume_axis(np.array([start, min(ends)]))
    return start, float(volumes[1] - volumes[0])


@dataclass(frozen=True, eq=False)
class PulseModel:
    """Predicts the curves of `pulses` from porosities, dispersion and mass transfer.

    `fixed` gives what is not free, by path; see :data:`PATHS` for what is used. Areas and baselines are those
    that fit best (they are functions of the rest: variable projection, G. Golub, V. Pereyra, SIAM J. Numer.
    Anal. 10 (1973) 413).
    """

    pulses: tuple[Pulse, ...]
    column: Column
    fixed: Mapping[str, float]

    def predict(self, values: Sequence[Mapping[str, float]]) -> Array:
        """Predictions (k, n)."""
        return np.stack([self._one({**self.fixed, **each}) for each in values])

    def sensitivities(self, values: Mapping[str, float], steps: Mapping[str, float]) -> tuple[Array, Array]:
        """Prediction and derivatives."""
        return by_differences(self, values, steps)

    def _one(self, values: Mapping[str, float]) -> Array:
        parts = []
        for pulse in self.pulses:
            columns = [self.answer(pulse, species, values) for species in self.shown(pulse)]
            matrix = np.concatenate([np.stack(columns, axis=1), pulse.observed.nuisance], axis=1)
            weights = 1.0 / pulse.observed.noise[:, None]
            amounts, *_ = np.linalg.lstsq(matrix * weights, pulse.observed.values * weights[:, 0], rcond=None)
            parts.append(matrix @ amounts)
        return np.concatenate(parts)

    def shown(self, pulse: Pulse) -> tuple[str, ...]:
        """The tracers that a curve is fitted by: without a column there is only one shape."""
        return pulse.species[:1] if pulse.bypass else pulse.species

    def answer(self, pulse: Pulse, species: str, values: Mapping[str, float]) -> Array:
        """The answer of a pulse of area 1 (1/s) of `species` at the times of a pulse."""
        scale = values.get("volume_factor", 1.0)
        line = Line(tuple(scale * volume for volume in pulse.line.volumes), pulse.line.stages)
        bed = None if pulse.bypass else self.bed(species, values)
        times = pulse.observed.time
        return pulse_answer(times, pulse.flow, pulse.injected, line, bed, pulse.lag)

    def bed(self, species: str, values: Mapping[str, float]) -> BedAnswer:
        """The bed as `species` sees it."""
        name = self.column.name
        reach = {SALT: 1.0, EXCLUDED: 0.0}.get(species, values.get("tracer.pore_accessibility", 0.5))
        film = values[f"{name}.ions.film_coefficient" if species == SALT else "tracer.film_coefficient"]
        diffusion = values.get(
            "tracer.pore_diffusivity" if species != SALT else f"{name}.ions.pore_diffusivity"
        )
        return BedAnswer(
            length=self.column.bed_height,
            area=self.column.area,
            interstitial_porosity=values[f"{name}.interstitial_porosity"],
            particle_porosity=values[f"{name}.particle_porosity"],
            particle_radius=0.5 * self.column.particle_diameter,
            film_coefficient=film,
            axial_dispersion=values.get(f"{name}.axial_dispersion", 0.0),
            dispersivity=values.get(f"{name}.dispersivity", 0.0),
            accessibility=reach,
            pore_diffusion=diffusion if self.column.bed_model == "GRM" else None,
        )


@dataclass(frozen=True, eq=False)
class SkidPulseModel:
    """A pulse model whose volume factor has the skid's path."""

    model: PulseModel
    path: str

    def predict(self, values: Sequence[Mapping[str, float]]) -> np.ndarray:
        """Predictions (k, n)."""
        return self.model.predict([{**v, "volume_factor": v.get(self.path, 1.0)} for v in values])

    def sensitivities(
        self, values: Mapping[str, float], steps: Mapping[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prediction (n,) and its derivatives (n, p), by differences."""
        return by_differences(self, values, steps)
