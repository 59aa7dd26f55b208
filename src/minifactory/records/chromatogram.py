"""What a chromatography result file holds, whatever the file's format: the nouns that all readers return.

A result has three x axes. *Time* (s) and *volume* (m^3) count from the zero of the file, which is the method
start or an injection; both may be negative before it. *Column volumes* are volume divided by the column's
volume. Values stay as they are in the file, with the factor and offset that turn them into SI units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, FormatError, InputError, did_you_mean
from minifactory.units import Kind

FloatArray = NDArray[np.float64]


class Signal(Enum):
    """What a curve measures."""

    UV = "UV absorbance"
    CONDUCTIVITY = "conductivity"
    PH = "pH"
    FLOW = "flow"
    VELOCITY = "linear velocity"
    PERCENT_B = "%B"
    PRESSURE = "pressure"
    TEMPERATURE = "temperature"
    OTHER = "other"


class LogKind(Enum):
    """What a line of the logbook is."""

    METHOD = "method"
    BLOCK_START = "block start"
    BLOCK_END = "block end"
    BASE = "base"
    INSTRUCTION = "instruction"
    MARK = "mark"
    PAUSE = "pause"
    CONTINUE = "continue"
    ALARM = "alarm"
    MESSAGE = "message"
    SYSTEM = "system"
    NOTE = "note"


@dataclass(frozen=True, eq=False)
class Curve:
    """One detector curve, point by point.

    Parameters
    ----------
    name : str
        As in the file, without the run's name.
    signal : Signal
        What it measures.
    kind : Kind
        Quantity of the values; its ``si`` is the unit of :attr:`si`.
    unit : str
        Unit as in the file.
    factor, offset : float
        ``SI value = factor * value + offset``.
    values : (n,) array
        As in the file, in `unit`.
    time_s, volume_m3 : (n,) array or None
        Time in s and volume in m^3 of each point; None where the file does not tell.
    wavelength_m, path_length_m : float or None
        Of an absorbance curve, in m, where the file tells.
    derived : bool
        True for curves that were calculated after the run, such as baselines.
    """

    name: str
    signal: Signal
    kind: Kind
    unit: str
    factor: float
    offset: float
    values: FloatArray
    time_s: FloatArray | None = None
    volume_m3: FloatArray | None = None
    wavelength_m: float | None = None
    path_length_m: float | None = None
    derived: bool = False

    def __post_init__(self) -> None:
        for axis, label in ((self.time_s, "time"), (self.volume_m3, "volume")):
            if axis is not None and axis.shape != self.values.shape:
                raise FormatError(
                    Finding(
                        f'curve "{self.name}"',
                        f"{self.values.size} values but {axis.size} points of {label}",
                        "as many points as values",
                        "Export the result again; this file is incomplete.",
                    )
                )

    @property
    def si(self) -> FloatArray:
        """Values in the SI unit of the curve's kind, shape (n,)."""
        return self.values * self.factor + self.offset


@dataclass(frozen=True)
class LogEntry:
    """One line of the logbook or run log, with the times at which it went through its stages.

    `time_s` (s, NaN where the file tells the volume only) and `volume_m3` (m^3) are those of its first
    appearance. `issued_s`, `processing_s` and `completed_s` (s) are known only where the control system
    reports them. `wall` is a time of day that the line itself carries; `manual` is True for what a person
    did, not the method.
    """

    time_s: float
    text: str
    kind: LogKind
    volume_m3: float | None = None
    issued_s: float | None = None
    processing_s: float | None = None
    completed_s: float | None = None
    manual: bool = False
    wall: datetime | None = None


@dataclass(frozen=True)
class Block:
    """One executed block or phase of the method, from `start_s` to `end_s` (s); volumes in m^3."""

    name: str
    depth: int
    start_s: float
    end_s: float | None
    start_m3: float | None = None
    end_m3: float | None = None


@dataclass(frozen=True)
class Fraction:
    """What the outlet went to from `start_s` to `end_s` (s); volumes in m^3; `waste` if not collected."""

    name: str
    start_s: float | None
    end_s: float | None
    start_m3: float | None = None
    end_m3: float | None = None
    waste: bool = False


@dataclass(frozen=True)
class Injection:
    """One injection mark at `time_s` (s) and `volume_m3` (m^3) of the file's axes."""

    number: int
    time_s: float | None
    volume_m3: float | None = None


@dataclass(frozen=True)
class Column:
    """The column that the file names.

    `volume_m3` (m^3) is the packed bed; `total_liquid_m3` (m^3) what a small tracer sees. Lengths in m,
    pressures in Pa, flows in m^3/s.
    """

    name: str = ""
    volume_m3: float | None = None
    diameter_m: float | None = None
    bed_height_m: float | None = None
    total_liquid_m3: float | None = None
    particle_diameter_m: float | None = None
    medium: str = ""
    technique: str = ""
    article: str = ""
    default_flow: float | None = None
    max_flow: float | None = None
    max_pressure_pa: float | None = None
    max_delta_pressure_pa: float | None = None


@dataclass(frozen=True)
class System:
    """The equipment that the file names, as far as it tells."""

    name: str = ""
    type: str = ""
    configuration: str = ""
    version: str = ""
    firmware: str = ""
    components: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """One sensor's calibration: date, reference points and constants, as the file gives them."""

    sensor: str
    date: datetime | None = None
    operator: str = ""
    references: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodStep:
    """One line of the programmed method.

    `kind` is ``phase``, ``block`` or ``instruction``; `breakpoint` is where in its block it takes effect, in
    the block's `base` (``time``, ``volume``, ``CV``, or empty where the file does not tell).
    """

    kind: str
    text: str
    depth: int = 0
    breakpoint: float | None = None
    base: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """The programmed method, which is not what was executed: see the log for that."""

    name: str = ""
    steps: tuple[MethodStep, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Where a result was read from: path, SHA-256 of the bytes, size in bytes, format and writing program."""

    path: str
    sha256: str
    size: int
    format: str
    software: str = ""


@dataclass(frozen=True, eq=False)
class ChromatogramFile:
    """Everything that was found in one result file."""

    source: Source
    name: str
    curves: tuple[Curve, ...]
    log: tuple[LogEntry, ...] = ()
    blocks: tuple[Block, ...] = ()
    fractions: tuple[Fraction, ...] = ()
    injections: tuple[Injection, ...] = ()
    column: Column | None = None
    system: System | None = None
    method: Method | None = None
    calibrations: tuple[Calibration, ...] = ()
    started: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    def curve(self, name: str) -> Curve:
        """The curve called `name` (case does not matter).

        Raises
        ------
        InputError
            When there is none; names the closest.
        """
        for curve in self.curves:
            if curve.name.lower() == name.lower():
                return curve
        known = [curve.name for curve in self.curves]
        raise InputError(Finding(self.source.path, f'no curve "{name}"', remedy=did_you_mean(name, known)))

    def find(self, signal: Signal) -> Curve | None:
        """The file's main curve of `signal`: the first measured one, or None."""
        matching = [curve for curve in self.curves if curve.signal is signal]
        return min(matching, key=lambda curve: curve.derived) if matching else None

    def column_volumes(self, volume_m3: FloatArray) -> FloatArray:
        """`volume_m3` (m^3, any shape) in column volumes, same shape.

        Raises
        ------
        InputError
            When the file does not tell the column's volume.
        """
        if self.column is None or not self.column.volume_m3:
            raise InputError(
                Finding(
                    self.source.path,
                    "the file does not tell the column volume",
                    'a log line such as "Base CV, 50.27 {ml}"',
                    "Give the column volume.",
                )
            )
        return np.asarray(volume_m3, dtype=np.float64) / self.column.volume_m3

    def after_injection(self, curve: Curve, number: int = 1) -> tuple[FloatArray | None, FloatArray | None]:
        """Time (s) and volume (m^3) of `curve` since injection `number` (1 is the first); negative before it.

        An axis is None where the file does not tell it, of the curve or of the injection.

        Raises
        ------
        InputError
            When the file has no such injection.
        """
        mark = next((mark for mark in self.injections if mark.number == number), None)
        if mark is None:
            found, known = f"no injection {number}", f"one of the {len(self.injections)} in the file"
            raise InputError(Finding(self.source.path, found, known))
        time = volume = None
        if curve.time_s is not None and mark.time_s is not None:
            time = curve.time_s - mark.time_s
        if curve.volume_m3 is not None and mark.volume_m3 is not None:
            volume = curve.volume_m3 - mark.volume_m3
        return time, volume
