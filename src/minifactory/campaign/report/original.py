"""A measured chromatography file laid over a run: its UV and conductivity on the run's own volume axis.

Blocks of the file's logbook are matched, in order, with phases of the run that begin at nearly the same
volume and take nearly the same; inside a matched block the same volume since its start counts, elsewhere
the axis goes on from the last match. A file without blocks starts with the run.
"""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from minifactory.campaign.report.record import Overlay
from minifactory.records.alignment import passage
from minifactory.records.chromatogram import Block, ChromatogramFile, Curve, Signal
from minifactory.records.compare import FRONT_STEP, FrontDeviation, front, front_volume
from minifactory.records.run import PhaseRecord, Run

FloatArray = NDArray[np.float64]

SHOWN = {Signal.UV: "UV", Signal.CONDUCTIVITY: "conductivity"}
CONDUCTIVITY_TAG = "Cond.Signal"
NEAR = 0.05
ALIKE = 0.75


def overlays(file: ChromatogramFile, run: Run) -> tuple[Overlay, ...]:
    """UV and conductivity of `file` over the volume of `run`; empty when the file does not tell volumes."""
    source = f"{PurePath(file.source.path).name}, SHA-256 {file.source.sha256}"
    found = []
    for signal, word in SHOWN.items():
        curve = file.find(signal)
        if curve is None or curve.volume_m3 is None:
            continue
        volume = _carried(file, curve, run)
        order = np.argsort(volume, kind="stable")
        found.append(
            Overlay(f"{word} of the original file", curve.kind, volume[order], curve.si[order], source)
        )
    return tuple(found)


def fronts(file: ChromatogramFile, predicted: Run) -> tuple[FrontDeviation, ...]:
    """Where the conductivity fronts of the original file pass against those of a predicted run.

    `measured` of each deviation is the file's. Empty when the file does not tell volumes.
    """
    curve = file.find(Signal.CONDUCTIVITY)
    trend = predicted.trends.get(CONDUCTIVITY_TAG)
    if curve is None or curve.volume_m3 is None or trend is None:
        return ()
    least = FRONT_STEP * float(np.ptp(trend.values))
    found = []
    for block, phase, _ in matches(file, predicted):
        expected = front(predicted, CONDUCTIVITY_TAG, passage(predicted, phase), least)
        inside = (curve.volume_m3 >= _start(block)) & (curve.volume_m3 <= _start(block) + _extent(block))
        if expected is None or inside.sum() < 3:
            continue
        seen = front_volume(curve.volume_m3[inside] - _start(block), curve.si[inside], least)
        if seen is not None:
            name = f"{CONDUCTIVITY_TAG} ({block.name})"
            found.append(FrontDeviation(name, phase.path, expected, seen, phase.column_volume))
    return tuple(found)


def _carried(file: ChromatogramFile, curve: Curve, run: Run) -> FloatArray:
    """The curve's volumes (n,) in m3 on the axis of `run`."""
    assert curve.volume_m3 is not None
    shift = np.zeros(curve.volume_m3.size)
    for block, _, place in matches(file, run):
        shift[curve.volume_m3 >= _start(block)] = place - _start(block)
    return curve.volume_m3 + shift


def matches(file: ChromatogramFile, run: Run) -> tuple[tuple[Block, PhaseRecord, float], ...]:
    """The blocks of the file with their phases of the run, and the volumes (m3) at which the phases begin."""
    if "System.Flow" not in run.trends or run.trends["System.Flow"].time.size < 2:
        return ()
    edges = np.array([[phase.start, phase.end] for phase in run.phases])
    places = run.volume_axis(edges.ravel()).reshape(-1, 2) if edges.size else np.empty((0, 2))
    total = float(places.max(initial=0.0))
    waiting = [block for block in file.blocks if block.depth == 0 and _extent(block) > 0.0]
    found = []
    for phase, (start, end) in zip(run.phases, places, strict=True):
        near = [block for block in waiting if _fits(block, float(start), float(end), total)]
        if near:
            block = min(near, key=lambda item: abs(_start(item) - float(start)))
            found.append((block, phase, float(start)))
            waiting = waiting[waiting.index(block) + 1 :]
    return tuple(found)


def _start(block: Block) -> float:
    return block.start_m3 or 0.0


def _extent(block: Block) -> float:
    return (block.end_m3 or 0.0) - _start(block)


def _fits(block: Block, start: float, end: float, total: float) -> bool:
    """Whether a block begins near `start` and takes about as much as a phase from `start` to `end` (m3)."""
    near = abs(_start(block) - start) <= NEAR * total
    smaller, larger = sorted((_extent(block), end - start))
    return near and smaller >= ALIKE * larger
