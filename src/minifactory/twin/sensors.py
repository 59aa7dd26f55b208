"""The detectors of a skid: from true values to the signals and qualities that its control shows.

Absorbance follows Lambert and Beer over all absorbing species; stray light of the fraction ``s`` bends it:

    A = l sum_i(epsilon_i(wavelength) c_i)          A_seen = -log10((10^-A + s) / (1 + s))

so that no more than ``-log10(s)`` is ever seen. A reading is Uncertain as soon as a quarter of the light that
arrives is stray. A moving average over the time T is represented by a first-order lag of T / 2, which delays
a ramp by the same time. Auto-zero makes the present signal zero. Defaults and their sources:
``docs/virtual-skid.md``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Device, DeviceKind, LevelSensor, Skid, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import gauged, uv_channels
from minifactory.signals.reading import Quality
from minifactory.signals.tags import TagTable
from minifactory.twin.machine import AVERAGING_TIME
from minifactory.twin.process import DetectorLayout, ProcessValues
from minifactory.twin.response import Channel, channel, lagged

PATH_LENGTH = 0.01
"""m of a UV cell whose device states none: the 10 mm cell of an AKTAexplorer."""
UV = Channel(noise=3e-5, drift=1.4e-7, upper=3.0)
CONDUCTIVITY = Channel(noise=6e-5, relative_noise=2e-4, lag=0.5, lower=0.0, upper=99.99)
PH = Channel(noise=2e-3, lag=3.3, lower=0.0, upper=14.0)
PRESSURE = Channel(noise=2e3, lag=0.1, lower=-1e5, upper=25e6)
TEMPERATURE = Channel(noise=0.02, lag=5.0)
QUARTER_STRAY = math.log10(4.0)
"""AU below the highest visible absorbance at which a quarter of the light that arrives is stray."""


@dataclass(frozen=True)
class Cell:
    """One wavelength of a UV detector: tag prefix, row in the process values, path length (m), channel."""

    name: str
    row: int
    path_length: float
    channel: Channel

    @property
    def stray_light(self) -> float:
        """Fraction of the incident light that reaches the detector past the liquid."""
        return float(10.0**-self.channel.upper)


@dataclass(slots=True)
class SensorState:
    """All that changes: last inputs and answers of every channel, zeros, and the noise generator's state."""

    time: float
    before: list[float]
    shown: list[float]
    zeros: list[float]
    autozeros: int
    random: Any


def absorbance(
    concentrations: NDArray[np.float64], extinction: NDArray[np.float64], path_length: float
) -> NDArray[np.float64]:
    """True absorbance (AU) of a liquid layer.

    Parameters
    ----------
    concentrations : ndarray (..., n_species)
        mol/m3.
    extinction : ndarray (n_species,)
        Decadic molar extinction in AU m2/mol.
    path_length : float
        m.
    """
    return np.asarray(concentrations @ extinction * path_length)


def seen_absorbance(true: float, stray_light: float) -> float:
    """Absorbance (AU) that a detector sees when the fraction `stray_light` passes the liquid by."""
    return -math.log10((10.0**-true + stray_light) / (1.0 + stray_light))


def extinctions(species: tuple[Species, ...], wavelength: float) -> NDArray[np.float64]:
    """Molar extinction (AU m2/mol) of each species at `wavelength` (m), linear between stated wavelengths.

    Outside of what a species states, its nearest value; a wavelength of 0 is a lamp that is off.
    """
    found = np.zeros(len(species))
    for at, one in enumerate(species):
        if one.extinction and wavelength > 0.0:
            known = sorted(one.extinction)
            found[at] = np.interp(wavelength, known, [one.extinction[wave] for wave in known])
    return found


class Sensors:
    """All detectors of one skid.

    Parameters
    ----------
    table : TagTable
        Decides which signals exist.
    skid : Skid
        Its detector devices may state noise, drift, saturation, response time and path length.
    layout : DetectorLayout
        Tells the order of species and detectors; a process model does.
    parameters : ParameterSet
        ``<skid>.UV1.gain`` and so on, see ``docs/virtual-skid.md``.
    seed : int or None
        Of noise; None: neither noise nor drift (predictions).

    Attributes
    ----------
    cells : tuple of Cell
        The UV signals.
    others : tuple of (str, Channel)
        Tag name and channel of every other signal.
    """

    def __init__(
        self,
        table: TagTable,
        skid: Skid,
        layout: DetectorLayout,
        parameters: ParameterSet,
        seed: int | None,
    ) -> None:
        self._species = layout.species
        self._noisy = seed is not None
        self._random = np.random.default_rng(0 if seed is None else seed)
        self.cells = tuple(
            _cell(name, device, skid.name, layout, parameters)
            for name, device in uv_channels(skid)
            if f"{name}.Signal" in table.tags
        )
        self.others = tuple(
            (name, _channel(name, skid, parameters, kind, default))
            for name, kind, default in _OTHERS
            if name in table.tags
        ) + tuple(
            (sensor.tag, _level_channel(sensor, skid.name, parameters))
            for sensor in skid.level_sensors
            if sensor.tag in table.tags
        )
        self.others += tuple(
            (f"{name}.Pressure", channel(parameters, (f"{skid.name}.{name}.Pressure",), None, PRESSURE))
            for name in gauged(skid)
            if f"{name}.Pressure" in table.tags
        )
        self._vessels = {sensor.tag: sensor.vessel for sensor in skid.level_sensors}
        self._channels = (*(cell.channel for cell in self.cells), *(item for _, item in self.others))
        self._names = (*(f"{cell.name}.Signal" for cell in self.cells), *(name for name, _ in self.others))
        self._wavelengths: tuple[float, ...] = ()
        self._extinctions: tuple[NDArray[np.float64], ...] = ()
        self._wavelength_tags = tuple(f"{cell.name}.Wavelength.SP" for cell in self.cells)
        zeros = [0.0] * len(self.cells)
        self.state = SensorState(math.nan, [], [], zeros, 0, self._random.bit_generator.state)

    def snapshot(self) -> SensorState:
        """A copy of everything that changes."""
        state = copy.copy(self.state)
        state.before, state.shown, state.zeros = list(state.before), list(state.shown), list(state.zeros)
        state.random = copy.deepcopy(self._random.bit_generator.state)
        return state

    def restore(self, state: SensorState) -> None:
        """Go back to a snapshot, which stays usable."""
        self.state = copy.copy(state)
        self.state.before, self.state.shown = list(state.before), list(state.shown)
        self.state.zeros = list(state.zeros)
        self._random.bit_generator.state = copy.deepcopy(state.random)

    def sample(
        self, values: ProcessValues, settings: Mapping[str, float], autozeros: int
    ) -> tuple[dict[str, float], dict[str, Quality]]:
        """The signals by tag name (SI), and the quality of those that are not good.

        Parameters
        ----------
        values : ProcessValues
            The true values now.
        settings : Mapping of str to float
            Set-points in force: wavelengths (m) and averaging time (s).
        autozeros : int
            How many auto-zeros have taken effect; one more than at the last sample zeroes the UV signals.
        """
        state = self.state
        inputs = self._inputs(values, settings)
        if math.isnan(state.time):
            state.time, state.before, state.shown = values.time, inputs, list(inputs)
        duration = values.time - state.time
        n_cells = len(self.cells)
        averaging = 0.5 * settings.get("AveragingTime.SP", AVERAGING_TIME)
        normals = self._random.standard_normal(len(inputs)).tolist() if self._noisy else None
        signals: dict[str, float] = {}
        qualities: dict[str, Quality] = {}
        for at, (name, item, now) in enumerate(zip(self._names, self._channels, inputs, strict=True)):
            lag = averaging if at < n_cells else item.lag
            shown = state.shown[at] = lagged(state.shown[at], state.before[at], now, duration, lag)
            signal = item.gain * shown + item.offset
            if at < n_cells:
                steady = signal + (item.drift * values.time if self._noisy else 0.0)
                if autozeros > state.autozeros:
                    state.zeros[at] = steady
                if max(now, shown) > item.upper - QUARTER_STRAY:
                    qualities[name] = Quality.UNCERTAIN
            if normals is not None:
                signal += item.disturbance(signal, values.time, normals[at])
            if at < n_cells:
                signal -= state.zeros[at]
            elif not item.lower <= signal <= item.upper:
                signal = min(max(signal, item.lower), item.upper)
                qualities[name] = Quality.UNCERTAIN
            signals[name] = signal
        state.before, state.time, state.autozeros = inputs, values.time, autozeros
        return signals, qualities

    def _inputs(self, values: ProcessValues, settings: Mapping[str, float]) -> list[float]:
        """What every channel faces: absorbance as the detector sees it, and the other true values."""
        wavelengths = tuple(settings.get(tag, 280e-9) for tag in self._wavelength_tags)
        if wavelengths != self._wavelengths:
            self._wavelengths = wavelengths
            self._extinctions = tuple(extinctions(self._species, wavelength) for wavelength in wavelengths)
        inputs = []
        for cell, extinction in zip(self.cells, self._extinctions, strict=True):
            true = float(values.concentrations[cell.row] @ extinction) * cell.path_length
            inputs.append(seen_absorbance(min(max(true, -1.0), 30.0), cell.stray_light))
        truth = {
            "Cond.Signal": values.conductivity,
            "Cond.Temperature": values.temperature,
            "pH.Signal": values.ph,
            "Pressure.System": values.system_pressure,
            "Pressure.Delta": values.column_pressure,
        }
        truth |= values.drops
        truth |= {name: values.volumes[vessel] for name, vessel in self._vessels.items()}
        inputs.extend(truth[name] for name, _ in self.others)
        return inputs


_OTHERS = (
    ("Cond.Signal", DeviceKind.CONDUCTIVITY_CELL, CONDUCTIVITY),
    ("Cond.Temperature", DeviceKind.CONDUCTIVITY_CELL, TEMPERATURE),
    ("pH.Signal", DeviceKind.PH_CELL, PH),
    ("Pressure.System", DeviceKind.PRESSURE_SENSOR, PRESSURE),
    ("Pressure.Delta", DeviceKind.PRESSURE_SENSOR, PRESSURE),
)


def _device(skid: Skid, kind: DeviceKind | None) -> Device | None:
    """The first device of `kind`."""
    return next((device for device in skid.devices.values() if device.kind is kind), None)


def _channel(name: str, skid: Skid, parameters: ParameterSet, kind: DeviceKind, default: Channel) -> Channel:
    """The channel behind tag `name`; ``Cond.Signal`` is stated as ``Cond`` or by the name of its device."""
    device = _device(skid, kind)
    owner, quantity = name.split(".")
    own = f"{skid.name}.{owner}"
    if quantity == "Temperature":
        return channel(parameters, (f"{own}.Temperature",), device, default, "temperature_")
    paths = [own] if device is None else [own, f"{skid.name}.{device.name}"]
    return channel(parameters, paths, device, default)


def _level_channel(sensor: LevelSensor, skid: str, parameters: ParameterSet) -> Channel:
    """The channel of a level sensor, which shows a tenth beyond the empty and the full vessel."""
    over = 0.1 * sensor.capacity
    default = Channel(noise=sensor.deviation, lower=-over, upper=sensor.capacity + over)
    return channel(parameters, (f"{skid}.{sensor.name}",), None, default)


def _cell(name: str, device: Device, skid: str, layout: DetectorLayout, parameters: ParameterSet) -> Cell:
    """The UV channel called `name` of the cell `device`, which may have several."""
    paths = (f"{skid}.{name}", f"{skid}.{device.name}")
    return Cell(
        name=name,
        row=layout.detectors.index(device.name) if device.name in layout.detectors else 0,
        path_length=device.value("path_length", PATH_LENGTH),
        channel=channel(parameters, paths, device, UV),
    )
