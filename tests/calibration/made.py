"""Small result files made for the tests: a log and curves of a run that never was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minifactory.records.chromatogram import (
    Block,
    ChromatogramFile,
    Column,
    Curve,
    LogEntry,
    Signal,
    Source,
    System,
)
from minifactory.records.formats.logbook import entry
from minifactory.units import CONDUCTIVITY, PH

ML = 1e-6
CV = 7.854 * ML
"""m3: Tricorn 10/100 with 10 cm."""
FLOW = 1.0 * ML / 60.0
LOW, HIGH = 0.1, 5.0
"""S/m of the liquids A1 and B1."""

LOG = (
    (0.0, "Flow 1.00 ml/min"),
    (0.0, "Inlet A A1"),
    (0.0, "Inlet B B1"),
    (40.0, "Gradient 100.0 %B, 0.00 CV"),
    (80.0, "Gradient 0.0 %B, 0.00 CV"),
)
BLOCKS = (("Equilibration", 0.0, 40.0), ("Strip", 40.0, 80.0), ("Equilibration_2", 80.0, 120.0))


def made(
    delay: float,
    log: Sequence[tuple[float, str]] = LOG,
    blocks: Sequence[tuple[str, float, float]] = BLOCKS,
    total: float = 120.0,
) -> ChromatogramFile:
    """A run of 1 mL/min (volumes in mL): steps of %B at 40 and 80 mL, seen `delay` (mL) later."""
    volume = np.arange(0.0, total + 0.05, 0.1)
    up = 1.0 / (1.0 + np.exp(-(volume - 40.0 - delay) / 0.3))
    down = 1.0 / (1.0 + np.exp(-(volume - 80.0 - delay) / 0.3))
    values = LOW + (HIGH - LOW) * (up - down)
    conductivity = _curve("Cond", Signal.CONDUCTIVITY, volume, values)
    ph = replace(_curve("pH", Signal.PH, volume, 8.0 + 0.05 * up), kind=PH, unit="")
    return ChromatogramFile(
        source=Source("made.res", "0" * 64, 1, "made for a test"),
        name="made",
        curves=(conductivity, ph),
        log=tuple(_entry(at, text) for at, text in log),
        blocks=tuple(
            Block(name, 0, start * ML / FLOW, end * ML / FLOW, start * ML, end * ML)
            for name, start, end in blocks
        ),
        column=Column("Tricorn 10/100 Capto Q", CV),
        system=System("lab 1", "", "AKTA pure 25"),
    )


def _curve(name: str, signal: Signal, volume: np.ndarray, values: np.ndarray) -> Curve:
    return Curve(
        name, signal, CONDUCTIVITY, "S/m", 1.0, 0.0, values, time_s=volume * ML / FLOW, volume_m3=volume * ML
    )


def _entry(at: float, text: str) -> LogEntry:
    """A line of the log at a volume (mL)."""
    return entry(at * ML / FLOW, text, at * ML)
