"""Runs through the digital factory as experiments: windows, curves, assays; start values from retention."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import Course, course_of, windows
from minifactory.calibration.estimation.curves import Observed, observed
from minifactory.calibration.estimation.data import CONDUCTIVITY, Data
from minifactory.calibration.estimation.detector import report
from minifactory.calibration.estimation.factory import ASSAY, Experiment, FactoryModel
from minifactory.calibration.estimation.retention import Elution, Retention, equilibrium_constant, yamamoto
from minifactory.calibration.generation.phases import STARTS
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column, Plant
from minifactory.plant.requirements import paths
from minifactory.records.peaks import find_peaks
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
PROMINENCE = 0.03


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
    fractions = np.array([(p.start, p.end) for p in _analysed(data)]).reshape(-1, 2)
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
    pools = _analysed(data)
    if not pools:
        return []
    found = []
    for species in plant.species.values():
        if not species.role.is_protein or not all(species.name in pool.amounts for pool in pools):
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


@dataclass(frozen=True)
class Starts:
    """Start values by path, the retention analyses by protein, and findings."""

    values: Mapping[str, float]
    retentions: Mapping[str, Retention]
    elutions: Mapping[str, tuple[Elution, ...]]
    findings: tuple[Finding, ...]


def retention_starts(model: FactoryModel, column: Column) -> Starts:
    """Start values of k_eq (and nu, with several slopes) that put predicted peaks onto measured ones."""
    plant = model.plant
    if column.binding_model.lower() != "sma" or column.counter_ion is None:
        return Starts({}, {}, {}, ())
    names = list(plant.species)
    salt = names.index(column.counter_ion)
    sheet = model.ways
    parameters = sheet.parameters
    capacity = parameters[f"{column.name}.ionic_capacity"]
    solid = _solid(column, parameters)
    found: dict[str, list[tuple[Elution, Elution]]] = {}
    findings: list[Finding] = []
    for experiment in model.experiments:
        curve = next((c for c in experiment.curves if c.signal.startswith("UV")), None)
        if curve is None:
            continue
        times, outlet = model.outlets({}, experiment)
        measured = find_peaks(
            experiment.course.at(curve.time),
            curve.values,
            min_prominence=PROMINENCE * float(np.ptp(curve.values)),
        )
        gradient = _rising(times, outlet[:, salt])
        expected = [
            (name, float(times[int(np.argmax(outlet[:, names.index(name)]))]))
            for name, species in plant.species.items()
            if species.role.is_protein and outlet[:, names.index(name)].max() > 0.0
        ]
        expected = sorted((e for e in expected if gradient[0] < e[1]), key=lambda e: e[1])
        seen = [p for p in measured if gradient[0] < p.apex]
        if not seen:
            findings.append(
                Finding(
                    experiment.name,
                    "no peak elutes in the gradient",
                    "a peak that stands out of the baseline",
                    "Was the protein loaded, and is the detector's window right?",
                    "warning",
                )
            )
            continue
        for (name, predicted), peak in _matched(expected, seen):
            rows = []
            for label, at in (("measured", peak), ("predicted", predicted)):
                level, slope, start = _salt(times, outlet[:, salt], experiment, at)
                rows.append(Elution(f"{experiment.name} {label}", start, level, slope))
            if all(row.slope > 0.0 and row.peak > row.start * 1.0001 for row in rows):
                found.setdefault(name, []).append((rows[0], rows[1]))
    values: dict[str, float] = {}
    retentions: dict[str, Retention] = {}
    for name, pairs in found.items():
        path = f"{column.name}.{name}"
        nu = parameters.first(paths(column.name, plant.species[name], "nu"), 5.0)
        old = parameters.first(paths(column.name, plant.species[name], "k_eq"), 1e-3)
        if len(pairs) > 1:
            try:
                told = yamamoto([pair[0] for pair in pairs], capacity, solid)
                if 0.3 < told.nu < 40.0:
                    retentions[name] = told
                    values[f"{path}.nu"], values[f"{path}.k_eq"] = told.nu, told.k_eq
                    continue
            except InputError as fault:
                findings += [
                    _warning(Finding(f"{f.where} of {name}", f.found, f.expected, f.remedy))
                    for f in fault.findings
                ]
        ratios = [
            equilibrium_constant(nu, measured, capacity, solid)
            / equilibrium_constant(nu, predicted, capacity, solid)
            for measured, predicted in pairs
        ]
        values[f"{path}.k_eq"] = old * float(np.exp(np.mean(np.log(ratios))))
    elutions = {name: tuple(pair[0] for pair in pairs) for name, pairs in found.items()}
    return Starts(values, retentions, elutions, tuple(findings))


def _solid(column: Column, parameters: Mapping[str, float]) -> float:
    if column.bed_model in ("LRM", "EDM"):
        return column.volume * (1.0 - parameters[f"{column.name}.total_porosity"])
    outside = 1.0 - parameters[f"{column.name}.interstitial_porosity"]
    return column.volume * outside * (1.0 - parameters[f"{column.name}.particle_porosity"])


def _rising(times: Array, salt: Array) -> tuple[float, float]:
    """When the gradient is between a tenth and the whole of its rise, s."""
    top = int(np.argmax(salt))
    low = int(np.argmin(salt[: top + 1])) if top else 0
    level = salt[low] + 0.02 * (salt[top] - salt[low])
    later = np.flatnonzero(salt[low : top + 1] > level)
    return float(times[low + int(later[0])] if later.size else times[low]), float(times[top])


def _salt(times: Array, salt: Array, experiment: Experiment, at: float) -> tuple[float, float, float]:
    """Salt (mol/m3) at time `at` (s), its slope over the volume (mol/m3 per m3) there, and where it began."""
    level = float(np.interp(at, times, salt))
    before = salt[times < at]
    start = float(before.min()) if before.size else level
    # The slope from a tenth of the way up to here: local ripples do not matter.
    last = int(np.searchsorted(times, at))
    half = start + 0.3 * (level - start)
    early = np.flatnonzero(salt[:last] <= half)
    begin = float(times[int(early[-1])]) if early.size else float(times[0])
    volumes = np.interp([begin, at], *_volumes(experiment))
    gone = float(volumes[1] - volumes[0])
    rise = level - float(np.interp(begin, times, salt))
    return level, rise / gone if gone > 0.0 else 0.0, start


def _volumes(experiment: Experiment) -> tuple[Array, Array]:
    segments = experiment.course.segments
    times = np.array([segments[0].start, *(s.end for s in segments)])
    return times, np.concatenate([[0.0], np.cumsum([s.volume_a + s.volume_b for s in segments])])


def _matched(expected: Sequence[tuple[str, float]], seen: Sequence) -> list[tuple[tuple[str, float], float]]:  # type: ignore[type-arg]
    """Predicted and measured peaks in the same order, by the least change of places."""
    if not expected:
        return []
    count = min(len(expected), len(seen))
    strongest = sorted(seen, key=lambda p: -p.area)[: max(count, 6)]
    places = sorted(p.apex for p in strongest)
    best: list[tuple[tuple[str, float], float]] = []
    least = np.inf
    for some in itertools.combinations(range(len(expected)), count):
        for chosen in itertools.combinations(places, count):
            cost = sum(abs(expected[i][1] - place) for i, place in zip(some, chosen, strict=True))
            if cost < least:
                least = cost
                best = [(expected[i], place) for i, place in zip(some, chosen, strict=True)]
    return best
