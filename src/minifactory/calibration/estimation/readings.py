"""What the detectors show of a simulation: absorbance, conductivity, pH, and fractions as analysed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.experiment import ASSAY, LAG, Experiment, fraction_volumes
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.machine import WAVELENGTHS
from minifactory.twin.online import detectors_of
from minifactory.twin.sensors import Sensors, extinctions

Array = NDArray[np.float64]


def seen(
    experiment: Experiment,
    sheet: Flowsheet,
    parameters: ParameterSet,
    times: Array,
    outlet: Array,
    passed: Array,
) -> Array:
    """What the detectors show of `outlet` (nt, ports, species) at the observed times, all curves in one."""
    sensors = Sensors(tag_table(sheet.skid), sheet.skid, sheet, parameters, None)
    rows = detectors_of(sheet)
    names = [item.name for item in sheet.species]
    parts = []
    for curve in experiment.curves:
        if curve.signal.startswith(ASSAY):
            name = curve.signal[len(ASSAY) :]
            species, port = names.index(name), len(sheet.ports) - 1
            edges = np.searchsorted(times, experiment.course.at(experiment.fractions[name]) - 1e-9)
            edges = np.clip(edges, 0, times.size - 1)
            amount = np.diff(passed[edges, port, species], axis=1)[:, 0]
            volume = fraction_volumes(experiment, name)
            parts.append(amount / volume)
            continue
        cell = next((c for c in sensors.cells if f"{c.name}.Signal" == curve.signal), None)
        late = 0.0 if cell is None else LAG
        shown = []
        for side in curve.sides:
            wanted = np.maximum(experiment.course.at(side) - late, 0.0)
            at = np.clip(np.searchsorted(times, wanted - 1e-9), 0, times.size - 1)
            if cell is not None:
                extinction = extinctions(sheet.species, wavelength(cell.name)) * cell.path_length
                true = np.clip(outlet[at, cell.row] @ extinction, -1.0, 30.0)
                seen = -np.log10((10.0**-true + cell.stray_light) / (1.0 + cell.stray_light))
                shown.append(cell.channel.gain * seen)
                continue
            channel = dict(sensors.others)[curve.signal]
            if curve.signal == "pH.Signal":
                value = sheet.chemistry.ph(outlet[at, rows.ph])
            else:
                value = sheet.chemistry.conductivity(outlet[at, rows.conductivity], sheet.temperature)
            shown.append(channel.gain * value + channel.offset)
        parts.append(np.mean(shown, axis=0))
    return np.concatenate(parts)


def wavelength(name: str) -> float:
    """The wavelength (m) of the absorbance detector of that name."""
    number = int(name[2:] or 1) if name[2:].isdigit() or not name[2:] else 1
    return WAVELENGTHS[min(number, len(WAVELENGTHS)) - 1]
