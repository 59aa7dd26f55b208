"""Plate heights of the pulses' tracers, freed from lines and from one another by the fit, and their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.plate_heights import (
    PlateHeight,
    describe_peak,
    plate_height,
    van_deemter,
)
from minifactory.calibration.estimation.pulses import (
    EXCLUDED,
    SALT,
    TRACER,
    Pulse,
    PulseModel,
    SkidPulseModel,
)
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column


def heights_of(
    pulses: Sequence[Pulse], best: Fit, column: Column, path: str
) -> tuple[dict[str, object], list[Finding]]:
    """Plate heights of salt and tracer, and their van Deemter lines, as a document."""
    model = best.problem.model
    inner = model.model if isinstance(model, SkidPulseModel) else model
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
