"""Conductivity fronts of `cases/cex-polish`, predicted against the measured run that the case was taken from.

    python -m benchmarks.cex_fronts [CASE [FILE]]

A front's place is its *midpoint*: the volume since the step's block or phase began at which the conductivity
has gone half of the way from its first level to its last, both medians over 2 % of the step's volume. As
both levels are each curve's own, a cell constant or the strength of a buffer does not move it. Where noise
crosses that line several times the median crossing counts. Both curves are looked at over the same volume:
the shorter of block and phase.

The *gradient delay* is the volume from where the pumps mix to the conductivity cell: where the tangent of
the predicted curve behind its onset meets the level before it. The measured delay is that plus the shift
that, together with a factor, lays the predicted curve over the measured one in least squares from 10 % to
80 % of the gradient. The factor stands for the cell constant and the strength of buffer B, which are not
known to better than a per cent; the bump at the measured onset, without a cause in the logbook, is left out.

Volumes of the measured run follow from its flow; its pauses are not on its time axis, and nothing flowed
through the column in them. All figures in CV; see ``shared/data/README.md`` for the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifactory.app.case import Case, open_case
from minifactory.records.chromatogram import ChromatogramFile, Signal
from minifactory.records.formats import read
from minifactory.records.run import PhaseRecord, Run
from minifactory.twin.simulate import simulate

Array = NDArray[np.float64]

STEPS = (
    ("high salt", "Pre_Equil_1MAcetate_1MNaCl", "cex.preparation.high_salt"),
    ("equilibration", "Equil_20Acetate", "cex.preparation.equilibrate"),
    ("load", "Load", "cex.loading.load"),
    ("wash", "Wash_20Acetate", "cex.loading.wash"),
    ("strip", "Strip_1MNaCl", "cex.elution.strip"),
    ("sanitisation", "Sani_1_0N", "cex.sanitisation.caustic"),
    ("storage", "Flush_0_1N", "cex.storage.store"),
)
"""What the figures are called, the block of the logbook, and the phase of the recipe."""
GRADIENT = ("gradient delay", "Elution_B_20Acetate_167NaCl", "cex.elution.elute")
LEVEL = 0.02
"""Part of a step's volume, at its beginning and end, over which its levels are taken."""
TANGENT = (0.06, 0.10)
"""Part of the programmed gradient that gives the tangent behind its onset."""
FITTED = (0.10, 0.80)
"""Part of the programmed gradient over which the curves are laid over each other."""


@dataclass(frozen=True)
class Front:
    """Where a front passes, in CV since its step began."""

    name: str
    predicted: float
    measured: float

    @property
    def difference(self) -> float:
        """Predicted minus measured, in CV."""
        return self.predicted - self.measured


def fronts(predicted: Run, measured: ChromatogramFile, gradient_volume: float) -> tuple[Front, ...]:
    """The fronts of every step, and last the gradient delay.

    Parameters
    ----------
    predicted : Run
        Of the case.
    measured : ChromatogramFile
        With conductivity, flow and the blocks of the logbook.
    gradient_volume : float
        m3 over which the gradient is programmed from 0 to 100 %B.
    """
    cv = predicted.column_volume
    found = []
    for name, block, path in STEPS:
        ours, theirs = _both(predicted, measured, path, block)
        extent = min(ours[0][-1], theirs[0][-1])
        found.append(Front(name, midpoint(*ours, extent) / cv, midpoint(*theirs, extent) / cv))
    name, block, path = GRADIENT
    ours, theirs = _both(predicted, measured, path, block)
    delay = onset(*ours, gradient_volume) / cv
    moved, _ = shift(ours, theirs, gradient_volume)
    return (*found, Front(name, delay, delay + moved / cv))


def midpoint(volume: Array, values: Array, extent: float) -> float:
    """The volume (m3) at which half of the step of `values` (n,) on `volume` (n,), up to `extent`, is done.

    Raises
    ------
    ValueError
        When there is no step.
    """
    inside = volume <= extent
    volume, values = volume[inside], values[inside]
    first = np.median(values[volume <= max(LEVEL * extent, volume[1])])
    last = np.median(values[volume >= (1.0 - LEVEL) * extent])
    done = (values - first) / (last - first)
    places = [
        volume[i] + (0.5 - done[i]) / (done[i + 1] - done[i]) * (volume[i + 1] - volume[i])
        for i in np.flatnonzero((done[:-1] < 0.5) & (done[1:] >= 0.5))
    ]
    if not places:
        raise ValueError("there is no step in this curve")
    return float(np.median(places))


def onset(volume: Array, values: Array, extent: float) -> float:
    """The volume (m3) at which the tangent behind the onset of a gradient of `extent` (m3) meets its base."""
    base = np.median(values[volume <= LEVEL * extent])
    chosen = (volume >= TANGENT[0] * extent) & (volume <= TANGENT[1] * extent)
    slope, offset = np.polyfit(volume[chosen], values[chosen], 1)
    return float((base - offset) / slope)


def shift(
    predicted: tuple[Array, Array], measured: tuple[Array, Array], extent: float
) -> tuple[float, float]:
    """The volume (m3) by which `measured` is later than `predicted`, and the factor between them.

    Both are volumes and values over a gradient of `extent` (m3); Gauss-Newton on shift and factor.
    """
    volume, values = measured
    chosen = (volume >= FITTED[0] * extent) & (volume <= FITTED[1] * extent)
    slopes = np.gradient(predicted[1], predicted[0])
    moved, factor = 0.0, 1.0
    for _ in range(20):
        places = volume[chosen] - moved
        model = np.interp(places, *predicted)
        jacobian = np.stack([-factor * np.interp(places, predicted[0], slopes), model], axis=1)
        step, *_ = np.linalg.lstsq(jacobian, values[chosen] - factor * model, rcond=None)
        moved, factor = moved + step[0], factor + step[1]
    return float(moved), float(factor)


def _both(
    predicted: Run, measured: ChromatogramFile, path: str, block: str
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Volumes since the step began and conductivities of the predicted and of the measured run."""
    phase = next(item for item in predicted.phases if item.path == path)
    return _of_phase(predicted, phase), _of_block(measured, block)


def _of_phase(run: Run, phase: PhaseRecord) -> tuple[Array, Array]:
    trend = run.trends["Cond.Signal"]
    inside = (trend.time > phase.start) & (trend.time < phase.end)
    times = np.concatenate([[phase.start], trend.time[inside], [phase.end]])
    volume = run.volume_axis(times)
    return volume - volume[0], trend.at(times)


def _of_block(file: ChromatogramFile, name: str) -> tuple[Array, Array]:
    block = next(item for item in file.blocks if item.name == name)
    curve = file.find(Signal.CONDUCTIVITY)
    if curve is None or curve.volume_m3 is None or block.start_m3 is None or block.end_m3 is None:
        raise ValueError(f"{file.source.path} has no conductivity over volume")
    edges = np.array([block.start_m3, block.end_m3])
    inside = (curve.volume_m3 > edges[0]) & (curve.volume_m3 < edges[1])
    volume = np.concatenate([edges[:1], curve.volume_m3[inside], edges[1:]])
    return volume - volume[0], np.interp(volume, curve.volume_m3, curve.si)


def case_fronts(case: Case, file: Path) -> tuple[Front, ...]:
    """The fronts of the nominal prediction of `case` against `file`."""
    predicted = simulate(case.plant, case.bound)
    return fronts(predicted, read(file), 25.2 * predicted.column_volume)


def table(found: Iterable[Front]) -> str:
    """The fronts as a Markdown table."""
    lines = ["| front | predicted, CV | measured, CV | difference, CV |", "|---|---|---|---|"]
    lines += [
        f"| {item.name} | {item.predicted:.3f} | {item.measured:.3f} | {item.difference:+.3f} |"
        for item in found
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    case = open_case(Path(sys.argv[1] if len(sys.argv) > 1 else "cases/cex-polish"))
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else case.original.path if case.original else None
    if file is None:
        sys.exit("The measured file was not found: name it, or set MINIFACTORY_DATA.")
    print(table(case_fronts(case, file)))


if __name__ == "__main__":
    main()
