"""Runs through the digital factory as experiments: windows, curves, assays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import Course, course_of, windows
from minifactory.calibration.estimation.curves import Observed, observed
from minifactory.calibration.estimation.data import CONDUCTIVITY, Data
from minifactory.calibration.estimation.detector import report
from minifactory.calibration.estimation.experiment import ASSAY, Experiment
from minifactory.calibration.generation.phases import STARTS
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Plant
from minifactory.records.run import Run
from minifactory.twin.flowsheet import Flowsheet
from minifactory.units import CONCENTRATION

Array = NDArray[np.float64]

SEEN = ("equilibrate", "load", "wash", "elute")
FITTED = ("load", "wash", "elute")
"""Kinds of phase in which the curves are fitted: later ones change the refractive index, not the protein."""
SAME_VOLUME = 0.05
"""Relative difference of column volumes that is still the same column."""
AHEAD = 120.0
"""s before the window from which a run is simulated anew for every parameter."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment with the liquids it used and what was found about its detectors."""

    experiment: Experiment
    feeds: tuple[str, ...]
    buffers: tuple[str, ...]
    detectors: Mapping[str, object]
    findings: tuple[Finding, ...] = field(default=())


def prepare(
    data: Data,
    plant: Plant,
    sheet: Flowsheet,
    first: tuple[int, ...],
    planned: Run | None,
    signals: Sequence[str] = (),
) -> Prepared:
    """`data` as an experiment: UV and conductivity from load to elution, fractions that were analysed.

    Raises
    ------
    InputError
        Nothing tells the course, or no curve can be used; all findings at once.
    """
    _same_column(data, sheet, plant)
    course = course_of(data, sheet, first, planned)
    findings = list(course.findings)
    window = _window(data, course, planned)
    curves: list[Observed] = []
    detectors: dict[str, object] = {}
    faults: list[Finding] = []
    axis = data.run if "System.Flow" in data.run.trends else None
    wanted = signals or tuple([t.name for t in data.uv[:1]] + [CONDUCTIVITY])
    for tag in wanted:
        trend = data.run.trends.get(tag)
        if trend is None:
            continue
        name = f"{data.name} {tag.split('.')[0]}"
        shown, trend, more = report(name, trend, window)
        detectors[tag] = shown.document()
        findings += more
        places = axis.volume_axis(trend.time) if axis is not None else None
        absorbs = tag.startswith("UV")
        try:
            curve = observed(
                name, trend, window, baseline=2 if absorbs else 0, multiplicative=absorbs, axis=places
            )
        except InputError as fault:
            faults += fault.findings
            continue
        findings += curve.findings
        curves.append(curve)
    if not curves:
        raise InputError(
            faults
            or [
                Finding(
                    data.name,
                    "neither absorbance nor conductivity: "
                    + (", ".join(list(data.run.trends)[:8]) or "no curves"),
                    "a UV or conductivity curve",
                    "Name the columns e.g. `UV 280 [mAU]` and `Cond [mS/cm]`.",
                )
            ]
        )
    findings += [_warning(f) for f in faults]
    curves += _assays(data, plant)
    fractions = {
        name: np.array([(p.start, p.end) for p in _analysed(data) if name in p.amounts])
        for name in (curve.signal.removeprefix(ASSAY) for curve in curves if curve.signal.startswith(ASSAY))
    }
    last = max(float(course.at(c.time).max()) for c in curves)
    course = course.until(last)
    begin = max(float(course.at(np.array([window[0]]))[0]) - AHEAD, 0.0)
    experiment = Experiment(data.name, course, tuple(curves), fractions, begin)
    feeds, buffers = _liquids(course, plant, sheet, begin)
    if feeds and begin > 0.0 and _protein_before(course, plant, sheet, begin):
        experiment = Experiment(data.name, course, tuple(curves), fractions)
    return Prepared(experiment, feeds, buffers, detectors, tuple(findings))


def _same_column(data: Data, sheet: Flowsheet, plant: Plant) -> None:
    """InputError when the file tells the volume of a column that the skid does not have."""
    told = data.run.column_volume
    own = {name: c.volume for name, c in plant.columns.items() if c.skid == sheet.skid.name}
    if told > 0.0 and own and all(abs(told - volume) > SAME_VOLUME * volume for volume in own.values()):
        known = ", ".join(f"{name} of {1e6 * volume:.4g} mL" for name, volume in own.items())
        raise InputError(
            Finding(
                data.name,
                f"was run on a column of {1e6 * told:.4g} mL",
                known,
                "Use the case of that column (minifactory generate makes one), or correct the bed height.",
            )
        )


def _warning(finding: Finding) -> Finding:
    return Finding(finding.where, finding.found, finding.expected, finding.remedy, "warning")


def _window(data: Data, course: Course, planned: Run | None) -> tuple[float, float]:
    """From the first load to the end of the last elution, as far as phases tell; else the whole run."""
    found = windows(data, dict(STARTS))
    if not found and planned is not None and any("recipe" in f.remedy for f in course.findings):
        found = [(p.kind, p.start, p.end) for p in planned.phases]
    kept = [(start, end) for kind, start, end in found if kind in FITTED and end > start]
    longest = max((float(t.time[-1]) for t in data.run.trends.values() if t.time.size), default=0.0)
    if not kept:
        return 0.0, longest
    return min(start for start, _ in kept), min(max(end for _, end in kept), longest)


def _analysed(data: Data) -> list:  # type: ignore[type-arg]
    """The pools whose analysis tells what entered them in their time: a vessel that was filled several times
    was analysed as a whole, unless the run is a simulated one."""
    filled = Counter(pool.vessel for pool in data.run.pools)
    return [
        pool
        for pool in data.run.pools
        if pool.amounts and pool.volume > 0.0 and pool.end > pool.start
        if filled[pool.vessel] == 1 or data.run.origin == "simulated"
    ]


def _assays(data: Data, plant: Plant) -> list[Observed]:
    """Mean concentrations of the fractions that were analysed, one curve per protein."""
    found = []
    for species in plant.species.values():
        pools = [pool for pool in _analysed(data) if species.name in pool.amounts]
        if not species.role.is_protein or not pools:
            continue
        values = np.array([pool.amounts[species.name] / pool.volume for pool in pools])
        if not values.max() > 0.0:
            continue
        middle = np.array([0.5 * (pool.start + pool.end) for pool in pools])
        found.append(
            Observed(
                f"{data.name} fractions {species.name}",
                ASSAY + species.name,
                CONCENTRATION,
                middle,
                values,
                np.full(values.size, ASSAY_NOISE * float(values.max())) + ASSAY_NOISE * values,
                np.zeros((values.size, 0)),
                middle,
                np.ones(values.size),
            )
        )
    return found


ASSAY_NOISE = 0.02
"""Deviation of an analysed concentration, relative (assumed: 2 % of the value plus 2 % of the largest)."""


def _liquids(
    course: Course, plant: Plant, sheet: Flowsheet, begin: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Materials with protein, and materials that pump B delivered, after `begin` (s)."""
    feeds: dict[str, None] = {}
    buffers: dict[str, None] = {}
    for segment in course.segments:
        if segment.end <= begin:
            continue
        for vessel, flows in sheet.flow_map(segment.positions).drawn.items():
            material = plant.vessels[vessel].material
            if material is None:
                continue
            delivered = flows[0] * segment.volume_a + flows[1] * segment.volume_b
            if delivered <= 0.0:
                continue
            if any(plant.species[n].role.is_protein for n in plant.materials[material].composition):
                feeds[material] = None
            elif flows[1] > 0.0 and segment.volume_b > 0.0:
                buffers[material] = None
    return tuple(feeds), tuple(buffers)


def _protein_before(course: Course, plant: Plant, sheet: Flowsheet, begin: float) -> bool:
    before = Course(tuple(s for s in course.segments if s.end <= begin), course.own, course.driven)
    return bool(before.segments) and bool(_liquids(before, plant, sheet, -1.0)[0])
