"""One column with a programmed inlet: the step as CADET-Process or ChromX pose it, without a skid around it.

What enters follows a list of periods, each with a concentration that is constant or changes linearly
(piecewise-linear gradients of any number of levels). Candidates name values by reference:

    flow                          m3/s
    bed.length                    any number of the bed (m, m2, ...)
    binding.k_eq.lysozyme         any number of its binding law
    load.duration                 s, of a period
    elute.start.salt              mol/m3 at its start; without one it goes on from the period before
    elute.end.salt                mol/m3 at its end
    cut.cytochrome.start          s; without cuts, those that are best are found on the curves

The figures are yield, purity, concentration and cut times of every component wanted, ``productivity``,
``duration`` and ``consumed`` (m3 that entered); with one component wanted, also plain ``yield`` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from minifactory.design.candidates import Evaluation, FloatArray, Values, content_hash
from minifactory.design.pooling import Curves, Fraction, Wanted, best_cuts, fraction_of
from minifactory.errors import Finding, InputError, TargetError, did_you_mean
from minifactory.numerics.kernels import sources_hash
from minifactory.twin.engine import Bed, Inlet, Link, Network, Section, Tolerance, Variant, simulate_many
from minifactory.twin.engine.batch import Batch

BATCH = 32
POINTS = 2000
"""Times at which the outlet is computed."""


@dataclass(frozen=True)
class Period:
    """A period of the inlet.

    Parameters
    ----------
    name : str
    duration : float or None
        s; None: what is left of the step's `total`.
    start : Mapping of str to float
        mol/m3 at its start; components not named go on from the end of the period before (0 at first).
    end : Mapping of str to float
        mol/m3 at its end; components not named stay as at its start.
    """

    name: str
    duration: float | None
    start: Mapping[str, float] = field(default_factory=dict)
    end: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnStep:
    """A bed with a programmed inlet as a problem; see the module for its references and figures.

    Parameters
    ----------
    components : tuple of str
        All that is dissolved, salt included.
    bed : Bed
    flow : float
        m3/s.
    periods : tuple of Period
    filled : Mapping of str to float
        mol/m3 that the bed is equilibrated with.
    wanted : tuple of Wanted
        What is collected; `loaded` 0: what the inlet brings.
    counted : tuple of str
        Components that purity counts.
    measure : Mapping of str to float
        What 1 mol of a component counts (kg/mol for masses); 1 where not named.
    collect_from : float
        s before which nothing is collected.
    total : float or None
        s; duration of the step where a period leaves its own open.
    tolerance : float
        Of the time integration.
    """

    components: tuple[str, ...]
    bed: Bed
    flow: float
    periods: tuple[Period, ...]
    filled: Mapping[str, float]
    wanted: tuple[Wanted, ...]
    counted: tuple[str, ...]
    measure: Mapping[str, float] = field(default_factory=dict)
    collect_from: float = 0.0
    total: float | None = None
    tolerance: float = 1e-3
    batch: int = BATCH

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all of it, of the software and of the kernels."""
        return content_hash("column step", version("minifactory"), sources_hash(), repr(self))

    def evaluate(self, batch: Sequence[Values]) -> list[Evaluation]:
        """The figures of every candidate; all are simulated in one batch."""
        changed = [self.with_values(values) for values in batch]
        results = simulate(changed)
        return [
            _evaluation(one, values, curves)
            for one, values, curves in zip(changed, batch, results, strict=True)
        ]

    def with_values(self, values: Values) -> ColumnStep:
        """The step with other values (SI) by reference; InputError for references that it does not have."""
        step, findings = self, []
        for path, value in values.items():
            head, _, rest = path.partition(".")
            if path == "flow":
                step = replace(step, flow=value)
            elif head == "bed" and isinstance(getattr(step.bed, rest, None), float | int):
                step = replace(step, bed=_bed(step.bed, rest, value))
            elif head == "binding":
                binding = _changed(step.bed.binding, rest, value)
                if binding is None:
                    findings.append(Finding("step", f'no number "{rest}" in the binding law'))
                else:
                    step = replace(step, bed=replace(step.bed, binding=binding))
            elif any(head == period.name for period in step.periods):
                periods = [_period(one, rest, value) if one.name == head else one for one in step.periods]
                step = replace(step, periods=tuple(periods))
            elif head != "cut":
                known = [period.name for period in self.periods]
                findings.append(
                    Finding("step", f'no quantity "{path}"', "", did_you_mean(head, [*known, "flow", "bed"]))
                )
        if findings:
            raise InputError(findings)
        return step

    def sections(self) -> tuple[Section, ...]:
        """The inlet as sections of the engine.

        Raises
        ------
        InputError
            Periods that leave no time for the last.
        """
        flows, begin = np.array([self.flow]), 0.0
        now = np.zeros(len(self.components))
        made = []
        for period in self.periods:
            length = period.duration
            if length is None:
                length = (self.total or 0.0) - begin
            if not length > 0.0:
                raise InputError(
                    Finding(f"period {period.name}", f"lasts {length:.4g} s", "a positive duration")
                )
            first = _concentrations(self.components, now, period.start)
            last = _concentrations(self.components, first, period.end)
            made.append(
                Section(
                    begin, begin + length, flows, first[None, :], None, last[None, :] if period.end else None
                )
            )
            begin, now = begin + length, last
        return tuple(made)

    @property
    def network(self) -> Network:
        """The bed behind its inlet."""
        return Network(self.components, (self.bed,), (Inlet("inlet"),), (Link("inlet", self.bed.name),))


def simulate(steps: Sequence[ColumnStep], threads: int = 1) -> list[Curves | str]:
    """What leaves the column in every step, or why it could not be simulated; one batch."""
    made: list[tuple[int, Variant]] = []
    results: list[Curves | str] = [""] * len(steps)
    for place, step in enumerate(steps):
        try:
            sections = step.sections()
        except InputError as fault:
            results[place] = str(fault)
            continue
        network = step.network
        made.append((place, Variant(network, network.initial_state(step.filled), sections)))
    if not made:
        return results
    last = max(variant.sections[-1].t1 for _, variant in made)
    begin = min(step.collect_from for step in steps)
    times = np.linspace(begin, last, POINTS)
    variants = [_until(variant, last) for _, variant in made]
    batch = simulate_many(
        variants, times, [steps[0].bed.name], Tolerance(steps[0].tolerance), threads=threads
    )
    for row, (place, variant) in enumerate(made):
        failed = batch.faults[row]
        results[place] = str(failed) if failed else _curves(steps[place], batch, row, variant.sections[-1].t1)
    return results


def _until(variant: Variant, end: float) -> Variant:
    """The variant with its last concentrations kept up to `end` (s), so that a batch ends together."""
    last = variant.sections[-1]
    if end <= last.t1:
        return variant
    final = last.inlets0 if last.inlets1 is None else last.inlets1
    return replace(variant, sections=(*variant.sections, Section(last.t1, end, last.flows0, final)))


def _curves(step: ColumnStep, batch: Batch, row: int, end: float) -> Curves:
    chosen = (batch.times >= step.collect_from - 1e-9) & (batch.times <= end + 1e-9)
    columns = [step.components.index(name) for name in step.counted]
    measure = np.array([step.measure.get(name, 1.0) for name in step.counted])
    times = batch.times[chosen]
    flow = np.full(times.size, step.flow)
    return Curves(
        step.counted,
        times,
        step.flow * times,
        flow,
        batch.passed[row, chosen, 0][:, columns] * measure,
        batch.outlet[row, chosen, 0][:, columns] * measure * step.flow,
    )


def _evaluation(step: ColumnStep, values: Values, curves: Curves | str) -> Evaluation:
    if isinstance(curves, str):
        return Evaluation({}, curves)
    wanted = [
        item if item.loaded > 0.0 else replace(item, loaded=loaded(step, item.component))
        for item in step.wanted
    ]
    try:
        fractions = _fractions(curves, wanted, values)
    except TargetError as fault:
        return Evaluation({}, str(fault))
    length = step.sections()[-1].t1
    figures = {"duration": length, "consumed": step.flow * length}
    for item in wanted:
        own = [one for one in fractions if one.component == item.component]
        found = _figures_of(own, item)
        found["productivity"] = found["mass"] / (step.bed.volume * length)
        figures |= {f"{name}.{item.component}": value for name, value in found.items()}
        if len(wanted) == 1:
            figures |= found
    return Evaluation(figures)


def _fractions(curves: Curves, wanted: Sequence[Wanted], values: Values) -> list[Fraction]:
    """What is collected: between the cuts among `values`, or the best there is."""
    stated = [item for item in wanted if f"cut.{item.component}.start" in values]
    if not stated:
        return list(best_cuts(curves, wanted))
    return [
        fraction_of(curves, item, values[f"cut.{item.component}.start"], values[f"cut.{item.component}.end"])
        for item in stated
    ]


def _figures_of(own: Sequence[Fraction], item: Wanted) -> dict[str, float]:
    mass = math.fsum(one.masses[item.component] for one in own)
    total = math.fsum(value for one in own for value in one.masses.values())
    volume = math.fsum(one.volume for one in own)
    return {
        "yield": mass / item.loaded,
        "purity": mass / total if total > 0.0 else math.nan,
        "concentration": mass / volume if volume > 0.0 else math.nan,
        "mass": mass,
        "pool_volume": volume,
        "cut_start": min((one.start for one in own), default=math.nan),
        "cut_end": max((one.end for one in own), default=math.nan),
    }


def loaded(step: ColumnStep, component: str) -> float:
    """What the inlet brings of `component`, in its measure."""
    place = step.components.index(component)
    brought = 0.0
    for section in step.sections():
        first = section.inlets0[0, place]
        last = first if section.inlets1 is None else section.inlets1[0, place]
        brought += 0.5 * float(first + last) * (section.t1 - section.t0) * step.flow
    return brought * step.measure.get(component, 1.0)


def _concentrations(components: Sequence[str], before: FloatArray, stated: Mapping[str, float]) -> FloatArray:
    return np.array([stated.get(name, before[place]) for place, name in enumerate(components)], dtype=float)


def _bed(bed: Bed, name: str, value: float) -> Bed:
    """`bed` with another number; a count (of elements, of nodes) stays whole."""
    whole = isinstance(getattr(bed, name), int)
    changed: Any = {name: round(value) if whole else value}
    return replace(bed, **changed)


def _period(period: Period, rest: str, value: float) -> Period:
    """`period` with another number at `rest`; InputError when it has none there."""
    kind, _, component = rest.partition(".")
    if rest == "duration":
        return replace(period, duration=value)
    if kind == "start" and component:
        return replace(period, start={**period.start, component: value})
    if kind == "end" and component:
        return replace(period, end={**period.end, component: value})
    raise InputError(
        Finding(
            f"period {period.name}", f'no quantity "{rest}"', "duration, start.COMPONENT or end.COMPONENT"
        )
    )


def _changed(binding: Any, path: str, value: float) -> Any:
    """A binding law with another number at `path` (``k_eq.x`` or ``capacity``); None when there is none."""
    name, _, component = path.partition(".")
    if name not in {item.name for item in fields(binding)}:
        return None
    present = getattr(binding, name)
    if isinstance(present, Mapping) and component in present:
        return replace(binding, **{name: {**present, component: value}})
    if not component and isinstance(present, float | int):
        return replace(binding, **{name: value})
    return None
