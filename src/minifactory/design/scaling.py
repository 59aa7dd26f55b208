"""From one column to another: the same recipe on a larger or smaller bed, and back.

What is stated in column volumes, %B, times or linear velocity scales by itself. Flows scale so that the
residence time stays (flow over column volume), or so that the linear velocity stays (flow over area); volumes
and masses scale with the column volume, and with them the vessels, the limits on figures that are extensive
(:attr:`minifactory.records.performance.Figure.extensive`) and the bounds within which the gate may change
volumes. Lines and mixers stay what the skid has: their share of the column volume is where scales differ,
besides pressure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from minifactory.design.candidates import Evaluation
from minifactory.design.description import Description
from minifactory.design.figures import KNOWN, is_extensive
from minifactory.design.places import with_entry, with_texts
from minifactory.design.search import Limit
from minifactory.design.study import Bed, Scaling
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.load import FACTORY
from minifactory.plant.model import REACTING, Column, DeviceKind
from minifactory.recipe.references import references
from minifactory.units import AMOUNT, FLOW, KINDS, LENGTH, MASS, VELOCITY, VOLUME, Kind, matches, show

MOST_FAULTS = 6
"""Of a description on another column that are told."""


@dataclass(frozen=True)
class Factors:
    """By what quantities are multiplied on another column: flows, volumes (and masses), linear velocities."""

    flow: float
    volume: float
    velocity: float

    def of(self, kind: Kind) -> float:
        """The factor of a kind of quantity; 1 for what does not depend on the scale."""
        known = {
            FLOW.name: self.flow,
            VOLUME.name: self.volume,
            MASS.name: self.volume,
            AMOUNT.name: self.volume,
            VELOCITY.name: self.velocity,
        }
        if kind.name in KINDS or "/" not in kind.shown:
            return known.get(kind.name, 1.0)
        # A slope that a condition waits for, such as 2 mAU/mL.
        return 1.0 / self.volume if matches(f"1 {kind.shown.rpartition('/')[2]}", VOLUME) else 1.0

    def of_figure(self, figure: str) -> float:
        """The factor of a figure of performance."""
        return self.volume if is_extensive(figure) else 1.0

    def limits(self, limits: Iterable[Limit]) -> tuple[Limit, ...]:
        """The same limits on the other column."""
        return tuple(replace(one, limit=one.limit * self.of_figure(one.figure)) for one in limits)


@dataclass(frozen=True)
class Scaled:
    """A scaled description.

    Parameters
    ----------
    description : Description
    before, after : Column
        The one that everything follows that belongs to no other.
    factors : Factors
        Of that column.
    others : Mapping of str to (Column, Column, Factors)
        Further columns that were scaled, by name: before, after, factors.
    changed : Mapping of str to (str, str)
        Reference -> text before and after.
    hold_up : tuple of float
        Liquid of the skid per column volume, before and after.
    kept : tuple of str
        Other columns and reactors, which keep their size though flows change.
    units : Mapping of str to Factors
        Of unit procedures on other columns, by name.
    """

    description: Description
    before: Column
    after: Column
    factors: Factors
    others: Mapping[str, tuple[Column, Column, Factors]]
    changed: Mapping[str, tuple[str, str]]
    hold_up: tuple[float, float]
    kept: tuple[str, ...] = ()
    units: Mapping[str, Factors] = field(default_factory=dict)

    def factor(self, reference: str, kind: Kind) -> float:
        """By what the quantity of the recipe at `reference` is multiplied."""
        return self.units.get(reference.partition(".")[0], self.factors).of(kind)


def scaled(description: Description, scaling: Scaling, where: str = "scale") -> Scaled:
    """The description on another column.

    Raises
    ------
    InputError
        No column to scale to, or one that the case or the catalogue does not know.
    """
    beds = _beds(description, scaling, where)
    name = next(iter(beds))
    before = description.plant.columns[name]
    texts: dict[str, str] = {}
    for column, bed in beds.items():
        if bed.hardware:
            texts[f"columns.{column}.hardware"] = bed.hardware
        if bed.bed_height is not None:
            texts[f"columns.{column}.bed_height"] = show(bed.bed_height, LENGTH, 10)
    if scaling.system:
        texts[f"skids.{before.skid}.system"] = scaling.system
    factory, remark = description.texts[FACTORY], f"scaled from {before.hardware}"
    for path, text in texts.items():
        stated = path in description.quantities or not path.endswith(".bed_height")
        factory = (
            with_texts(factory, FACTORY, {path: text}, remark)
            if stated
            else with_entry(factory, FACTORY, path, text)
        )
    moved = replace(description, texts={**description.texts, FACTORY: factory})
    try:
        columns = {each: (description.plant.columns[each], moved.plant.columns[each]) for each in beds}
    except InputError as fault:
        raise InputError(_of_the_study(fault.findings, texts, where)) from fault
    every = {each: _factors(*pair, scaling.rule) for each, pair in columns.items()}
    factors, after = every[name], columns[name][1]
    units = {one.name: every[one.column] for one in description.recipe.procedure if one.column in every}
    values: dict[str, float] = {}
    for path, quantity in references(description.recipe).items():
        factor = units.get(path.partition(".")[0], factors).of(quantity.kind)
        if factor != 1.0 and quantity.value != 0.0:
            values[path] = quantity.value * factor
    for path, quantity in description.quantities.items():
        if path.startswith("vessels.") and quantity.kind is VOLUME:
            values[path] = quantity.value * factors.volume
    reacting, kept = _reacting(description, before.skid, factors.volume)
    values |= reacting
    kept = [*(f"column {each}" for each in description.plant.columns if each not in beds), *kept]
    grown = moved.with_values(values)
    changed = {
        path: (description.quantities[path].text, grown.quantities[path].text)
        for path in [*values, *texts]
        if path in description.quantities and path in grown.quantities
    }
    return Scaled(
        grown,
        before,
        after,
        factors,
        {each: (*columns[each], every[each]) for each in beds if each != name},
        changed,
        (_hold_up(description, name), _hold_up(grown, name)),
        tuple(kept),
        units,
    )


def _factors(before: Column, after: Column, rule: str) -> Factors:
    volume = after.volume / before.volume
    flow = volume if rule == "residence time" else after.area / before.area
    return Factors(flow, volume, flow * before.area / after.area)


def _of_the_study(findings: Sequence[Finding], texts: Mapping[str, str], where: str) -> list[Finding]:
    """Faults of the moved description as those of the study, without what only follows from others."""
    heads = [path.rpartition(".")[0] for path in texts]
    own = [one for one in findings if any(f"{path}:" in f"{one.where}:" for path in texts)]
    own = own or [one for one in findings if any(f" {head}" in one.where for head in heads)] or list(findings)
    said = ", ".join(f"{path.rpartition('.')[2]} {text}" for path, text in texts.items())
    return [
        replace(one, where=where, found=f"with {said}: {one.found} (in {one.where})")
        for one in own[:MOST_FAULTS]
    ]


def _reacting(description: Description, skid: str, volume: float) -> tuple[dict[str, float], list[str]]:
    """Where liquids react: sizes (SI by reference) that keep the residence time, and what keeps its size."""
    values, kept = {}, []
    for device in description.plant.skids[skid].devices.values():
        if device.kind not in REACTING:
            continue
        for key, factor in (("inner_diameter", math.sqrt(volume)), ("volume", volume)):
            path = f"skids.{skid}.devices.{device.name}.{key}"
            if path in description.quantities:
                values[path] = description.quantities[path].value * factor
                break
        else:
            kept.append(f"{device.kind.value} {device.name}")
    return values, kept


def _beds(description: Description, scaling: Scaling, where: str) -> dict[str, Bed]:
    """What every column becomes, the one that all else follows first."""
    columns, others = description.plant.columns, dict(scaling.others)
    main = Bed(scaling.hardware, scaling.bed_height)
    name = scaling.column
    if not name:
        usual = description.bound.column or next(iter(columns), "")
        name = next(iter(others)) if main == Bed() and others and usual not in others else usual
    if name not in columns:
        raise InputError(Finding(where, f'no column "{name}"', "", did_you_mean(name, columns)))
    if name in others and main != Bed():
        found = f'"{name}" is scaled twice: as the column of the study and under columns'
        raise InputError(Finding(where, found, "each column once"))
    first = others.pop(name) if name in others else main
    if first == Bed():
        raise InputError(
            Finding(where, "no column to scale to", "hardware or bed_height", 'E.g. "hardware: XK 26/40".')
        )
    return {name: first, **others}


def _hold_up(description: Description, column: str) -> float:
    plant = description.plant
    devices = plant.skids[plant.columns[column].skid].devices.values()
    liquid = sum(one.volume for one in devices if one.kind is not DeviceKind.COLUMN)
    return liquid / plant.columns[column].volume


@dataclass(frozen=True)
class Difference:
    """A figure at both scales (SI).

    `expected` is what it would be if scales did not differ: as before, or in proportion to the column volume.
    """

    figure: str
    before: float
    expected: float
    after: float

    @property
    def relative(self) -> float:
        """How far the prediction is from what was to be expected, relative to it; nan when unknown."""
        return (self.after - self.expected) / abs(self.expected) if self.expected else math.nan


def differences(
    before: Evaluation, after: Evaluation, factors: Factors, asked: Sequence[str] = ()
) -> tuple[Difference, ...]:
    """What the scale changes of what it should not: of every figure that is known, and those asked for."""
    names = [name for name in KNOWN if math.isfinite(before[name]) and math.isfinite(after[name])]
    return tuple(
        Difference(name, before[name], before[name] * factors.of_figure(name), after[name])
        for name in dict.fromkeys([*names, *asked])
    )
