"""Where the variants of a protein begin, so that descents do not end with two of them on one place.

Two ways, the better of which is taken: equal parts of the largest peak's area, and the mixture of linear
peaks (non-negative least squares over a grid of retentions) that comes nearest to the whole curve. How k_eq
goes with the salt at elution is Yamamoto's analysis: with its power nu + 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from minifactory.calibration.estimation.experiment import Experiment
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.plant.model import Column
from minifactory.records.peaks import find_peaks

Array = NDArray[np.float64]

PROMINENCE = 0.1
"""Least height of the peak whose parts the variants start from, relative to the range of the curve."""
PLACES = 28
"""Retentions at which a protein is tried."""
LEAST = 0.02
"""Least start value of a protein's amount, relative to what the case states."""


def variant_starts(
    model: FactoryModel,
    column: Column,
    members: Mapping[str, tuple[str, ...]],
    values: Mapping[str, float],
    feeds: Sequence[str],
) -> list[dict[str, float]]:
    """Start values (k_eq, strengths) from which to choose by the misfit; none for other laws than SMA.

    Parameters
    ----------
    members : Mapping of str to tuple of str
        The variants of each protein, itself first.
    values : Mapping of str to float
        Start values of the proteins so far.
    feeds : sequence of str
        Materials that hold protein.
    """
    if column.binding_model.lower() != "sma" or column.counter_ion is None:
        return []
    watched = [e for e in model.experiments if any(c.signal.startswith("UV") for c in e.curves)]
    if not watched:
        return []
    first = watched[0]
    parts = _equal_parts(model, column, members, values, first)
    if not parts:
        return []
    return [parts, *_mixture(model, column, {**values, **parts}, first, feeds)]


def _equal_parts(
    model: FactoryModel,
    column: Column,
    members: Mapping[str, tuple[str, ...]],
    values: Mapping[str, float],
    experiment: Experiment,
) -> dict[str, float]:
    """k_eq of the variants at the middles of equal parts of the largest peak's area."""
    assert column.counter_ion is not None
    curve = next(c for c in experiment.curves if c.signal.startswith("UV"))
    time = experiment.course.at(curve.time)
    peaks = find_peaks(time, curve.values, min_prominence=PROMINENCE * float(np.ptp(curve.values)))
    if not peaks:
        return {}
    main = max(peaks, key=lambda peak: peak.area)
    inside = (time >= main.start) & (time <= main.end)
    x, y = time[inside], np.maximum(curve.values[inside] - float(curve.values[inside].min()), 0.0)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (y[1:] + y[:-1]) * np.diff(x))])
    times, outlet = model.outlets(values, [experiment])[0]
    salt = outlet[:, list(model.plant.species).index(column.counter_ion)]
    stated = model.parameters(values)
    found: dict[str, float] = {}
    for name, own in members.items():
        places = [
            float(np.interp((number + 0.5) / len(own) * area[-1], area, x)) for number in range(len(own))
        ]
        levels = np.interp([main.apex, *places], times, salt)
        ratios = (levels[1:] / levels[0]) ** (stated[f"{column.name}.{name}.nu"] + 1.0)
        for other, ratio in zip(own, ratios, strict=True):
            found[f"{column.name}.{other}.k_eq"] = stated[f"{column.name}.{name}.k_eq"] * float(ratio)
    return found


def _mixture(
    model: FactoryModel,
    column: Column,
    values: Mapping[str, float],
    experiment: Experiment,
    feeds: Sequence[str],
) -> list[dict[str, float]]:
    """k_eq and strengths of all proteins by the mixture of linear peaks that resembles the curve most."""
    curve = next(c for c in experiment.curves if c.signal.startswith("UV"))
    stated = model.parameters(values)
    species = model.plant.species
    proteins = [
        name
        for name, item in species.items()
        if item.role.is_protein and any(name in model.plant.materials[feed].composition for feed in feeds)
    ]
    assert column.counter_ion is not None
    times, outlet = model.outlets(values, [experiment])[0]
    rows = [list(species).index(name) for name in proteins]
    salt = outlet[:, list(species).index(column.counter_ion)]
    apexes = times[np.argmax(outlet[:, rows], axis=0)]
    levels = np.interp(apexes, times, salt)
    observed = curve.values - float(np.quantile(curve.values, 0.05))
    loud = observed > 0.02 * float(observed.max())
    spoken = np.interp(experiment.course.at(curve.time)[loud], times, salt)
    grid = np.geomspace(max(float(spoken.min()), 1.05 * float(salt.min())), float(spoken.max()), PLACES)
    shapes, used = [], []
    for start in range(0, PLACES, len(proteins)):
        tried = grid[start : start + len(proteins)]
        changed = {
            f"{column.name}.{name}.k_eq": _moved(stated, column, name, float(at), float(level))
            for name, at, level in zip(proteins, tried, levels, strict=False)
        }
        _, there = model.outlets({**values, **changed}, [experiment])[0]
        for number in range(tried.size):
            peak = np.interp(experiment.course.at(curve.time), times, there[:, rows[number]])
            if peak.max() > 0.0:
                shapes.append(peak / peak.max())
                used.append(float(tried[number]))
    if len(shapes) < len(proteins):
        return []
    chosen, amounts = _fewest(np.stack(shapes, axis=1), observed, len(proteins))
    places = np.array(used)[chosen]
    order = np.argsort(apexes, kind="stable")
    found = {}
    wanted = {}
    for number, place, amount in zip(order, places, amounts, strict=True):
        name = proteins[int(number)]
        found[f"{column.name}.{name}.k_eq"] = _moved(
            stated, column, name, float(place), float(levels[number])
        )
        wanted[name] = float(amount)
    _, there = model.outlets({**values, **found}, [experiment])[0]
    shown = model.absorbances(values, curve.signal)
    for name, row in zip(proteins, rows, strict=True):
        height = float(there[:, row].max()) * float(shown[row])
        for feed in feeds:
            if name in model.plant.materials[feed].composition and height > 0.0:
                path = f"{feed}.{name}.strength"
                found[path] = stated.get_or(path, 1.0) * max(wanted[name] / height, LEAST)
    return [found]


def _moved(stated: Mapping[str, float], column: Column, name: str, to: float, level: float) -> float:
    """k_eq with which a protein that elutes at the salt `level` elutes at the salt `to` (mol/m3)."""
    path = f"{column.name}.{name}"
    return float(stated[f"{path}.k_eq"] * (to / level) ** (stated[f"{path}.nu"] + 1.0))


def _fewest(shapes: Array, observed: Array, count: int) -> tuple[list[int], Array]:
    """The `count` columns of `shapes` (n, k), ascending, and amounts that resemble `observed` (n,) most.

    Backward elimination: the column is dropped without which the rest fits best.
    """
    kept = list(range(shapes.shape[1]))
    while len(kept) > count:
        losses = [nnls(shapes[:, kept[:at] + kept[at + 1 :]], observed)[1] for at in range(len(kept))]
        del kept[int(np.argmin(losses))]
    return kept, nnls(shapes[:, kept], observed)[0]
