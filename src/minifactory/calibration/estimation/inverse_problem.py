"""What the full-curve inverse method has to solve: experiments, parameters with start values, model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.candidates import automatic, beside, free_parameter
from minifactory.calibration.estimation.column_space import DIFFUSION, FILM
from minifactory.calibration.estimation.data import Data, DataKind, kind_of
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.calibration.estimation.gradients import Prepared, prepare
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.retention_starts import Starts, retention_starts
from minifactory.calibration.estimation.sections import first_positions
from minifactory.calibration.estimation.space import Free, Prior, Shear, Space
from minifactory.calibration.estimation.variant_starts import variant_starts
from minifactory.calibration.estimation.variants import Split
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column, Plant
from minifactory.records.run import Run
from minifactory.twin.flowsheet import Flowsheet

Array = NDArray[np.float64]

COARSE = 4
"""Elements along the bed while fitting; what they miss is taken from a mesh three times as fine."""
TRACER_SPREAD = 0.25
"""Deviation (natural logarithm) of a protein's transport from that of the tracer of the pulses (assumed)."""


@dataclass(frozen=True, eq=False)
class Posed:
    """The problem, the data as experiments, start values by retention, and what is free beside the rest.

    `also` are further starts (p,) that have to be followed.
    """

    problem: Problem
    prepared: tuple[Prepared, ...]
    starts: Starts
    others: tuple[Free, ...]
    also: tuple[Array, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """What was found about the data and their retention."""
        return [f for item in self.prepared for f in item.findings] + list(self.starts.findings)

    @property
    def settled(self) -> bool:
        """Whether gradients of several slopes tell every charge that is free: one valley to descend."""
        paths = self.problem.space.paths
        charged = {path.split(".")[-2] for path in paths if path.endswith((".nu", ".k_eq"))}
        return bool(charged) and charged <= set(self.starts.retentions)


def pose(
    data: Sequence[Data],
    plant: Plant,
    sheet: Flowsheet,
    column: Column,
    *,
    free: Sequence[Free] = (),
    held: Sequence[str] = (),
    planned: Run | None = None,
    tracer: Mapping[str, float] | None = None,
    with_others: bool = True,
    split: Split | None = None,
) -> Posed:
    """The problem that `data` pose; parameters are those of :func:`inverse_step`.

    With `split`, `plant` is its plant: what its variants share is estimated once.

    Raises
    ------
    InputError
        Data that cannot be used, with every finding.
    """
    skid = sheet.skid.name
    first = first_positions(plant, skid)
    prepared = tuple(prepare(item, plant, sheet, first, planned) for item in data)
    experiments = tuple(item.experiment for item in prepared)
    ties = split.ties if split is not None else {}
    held = (*held, *ties)
    model = FactoryModel(plant, skid, experiments, {}, COARSE, ties=ties)
    starts = retention_starts(model, column) if not _restricted(free) else Starts({}, {}, {}, ())
    chosen = list(free) or _chosen(plant, column, prepared, held, tracer)
    if not chosen:
        raise InputError(
            Finding(
                "calibrate",
                f"nothing to estimate from {', '.join(d.name for d in data)}",
                "a protein that was loaded, or paths after --estimate",
                "Name what to estimate with --estimate PATH.",
            )
        )
    others = tuple(beside(plant, column, skid, chosen, held)) if with_others else ()
    curves = tuple(curve for item in experiments for curve in item.curves)
    wanted = [item for item in chosen if item.path not in held]

    def begun(values: Mapping[str, float]) -> Problem:
        own = tuple(_at(item, values) for item in wanted)
        return Problem(model, curves, _space((*own, *others), column, starts, split))

    problem = begun(starts.values)
    also: tuple[Array, ...] = ()
    if split is not None:
        feeds = tuple(dict.fromkeys(name for item in prepared for name in item.feeds))
        tried = variant_starts(model, column, split.members, starts.values, feeds)
        problems = [begun({**starts.values, **values}) for values in tried]
        if problems:
            problem, *further = sorted(problems, key=lambda each: each.misfit(each.space.start))
            also = tuple(problem.space.coordinates(each.space.values(each.space.start)) for each in further)
    return Posed(problem, prepared, starts, others, also)


def _restricted(free: Sequence[Free]) -> bool:
    return bool(free) and not any(item.path.endswith(".k_eq") for item in free)


def _chosen(
    plant: Plant,
    column: Column,
    prepared: Sequence[Prepared],
    held: Sequence[str],
    tracer: Mapping[str, float] | None,
) -> list[Free]:
    feeds = tuple(dict.fromkeys(name for item in prepared for name in item.feeds))
    buffers = tuple(dict.fromkeys(name for item in prepared for name in item.buffers))
    out = []
    for path in automatic(plant, column.name, feeds, buffers):
        if path in held:
            continue
        item = free_parameter(plant, path)
        source = {"film_coefficient": FILM, "pore_diffusivity": DIFFUSION}.get(path.rsplit(".", 1)[-1])
        if (
            tracer
            and source is not None
            and source in tracer
            and plant.species[path.split(".")[1]].role.is_protein
        ):
            value = tracer[source]
            prior = Prior(value, TRACER_SPREAD, "the absorbing tracer of the pulses, taken as the protein")
            item = replace(item, start=min(max(value, item.lower), item.upper), prior=prior)
        out.append(item)
    return out


def _at(free: Free, values: Mapping[str, float]) -> Free:
    """The same with a start value from retention; bounds move along where they would shut it out."""
    if free.path not in values:
        return free
    value = values[free.path]
    if free.path.endswith(".k_eq"):
        ratio = value / free.start
        return replace(free, start=value, lower=free.lower * ratio, upper=free.upper * ratio)
    return replace(free, start=min(max(value, free.lower), free.upper))


def _space(free: tuple[Free, ...], column: Column, starts: Starts, split: Split | None) -> Space:
    """The space of `free`, straight where retention is known; variants share the nu of their protein."""
    paths = {item.path for item in free}
    members = split.members if split is not None else {}
    owners = {other: name for name, own in members.items() for other in own}
    reaches: dict[str, float] = {}
    for own in members.values():  # a peak may have been matched with any of the variants
        known = [starts.reaches[name] for name in own if name in starts.reaches]
        reaches |= dict.fromkeys(own, known[0]) if known else {}
    pairs = [
        Shear(f"{column.name}.{name}.k_eq", f"{column.name}.{owners.get(name, name)}.nu", reach)
        for name, reach in (starts.reaches | reaches).items()
    ]
    return Space(free, tuple(pair for pair in pairs if {pair.moved, pair.by} <= paths))


NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def said(data: Sequence[Data]) -> str:
    """The data in words: "one gradient", "two gradients and one breakthrough"."""
    words = {
        DataKind.GRADIENT: "gradient",
        DataKind.BREAKTHROUGH: "breakthrough",
        DataKind.PULSE: "pulse",
        DataKind.BYPASS_PULSE: "by-pass pulse",
        DataKind.OTHER: "run",
    }
    counts: dict[str, int] = {}
    for item in data:
        word = words[kind_of(item)]
        counts[word] = counts.get(word, 0) + 1
    parts = [
        f"{NUMBERS[n] if n < len(NUMBERS) else n} {word}{'s' if n > 1 else ''}" for word, n in counts.items()
    ]
    return " and ".join(parts)
