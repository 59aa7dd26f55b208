"""From one column to another: the same recipe on a larger or smaller bed, and back.

What is stated in column volumes, %B, times or linear velocity scales by itself. Flows scale so that the
residence time stays (flow over column volume), or so that the linear velocity stays (flow over area); volumes
scale with the column volume, and with them the vessels. Lines and mixers stay what the skid has: their share
of the column volume is where scales differ, besides pressure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minifactory.design.candidates import Evaluation
from minifactory.design.description import Description
from minifactory.design.places import with_texts
from minifactory.design.study import Scaling
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.load import FACTORY
from minifactory.plant.model import Column, DeviceKind
from minifactory.recipe.references import references
from minifactory.units import FLOW, LENGTH, VELOCITY, VOLUME, show


@dataclass(frozen=True)
class Scaled:
    """A scaled description.

    Parameters
    ----------
    description : Description
    before, after : Column
    flow_factor, volume_factor : float
        By which flows and volumes were multiplied.
    changed : Mapping of str to (str, str)
        Reference -> text before and after.
    hold_up : tuple of float
        Liquid of the skid per column volume, before and after.
    """

    description: Description
    before: Column
    after: Column
    flow_factor: float
    volume_factor: float
    changed: Mapping[str, tuple[str, str]]
    hold_up: tuple[float, float]


def scaled(description: Description, scaling: Scaling, where: str = "scale") -> Scaled:
    """The description on another column.

    Raises
    ------
    InputError
        No column to scale to, or one that the case or the catalogue does not know.
    """
    name = _column(description, scaling, where)
    before = description.plant.columns[name]
    if not scaling.hardware and scaling.bed_height is None:
        raise InputError(
            Finding(where, "no column to scale to", "hardware or bed_height", 'E.g. "hardware: XK 26/40".')
        )
    texts: dict[str, str] = {}
    if scaling.hardware:
        texts[f"columns.{name}.hardware"] = scaling.hardware
    if scaling.bed_height is not None:
        texts[f"columns.{name}.bed_height"] = show(scaling.bed_height, LENGTH, 10)
    if scaling.system:
        texts[f"skids.{before.skid}.system"] = scaling.system
    factory = with_texts(description.texts[FACTORY], FACTORY, texts, f"scaled from {before.hardware}")
    moved = replace(description, texts={**description.texts, FACTORY: factory})
    after = moved.plant.columns[name]
    volume = after.volume / before.volume
    flow = volume if scaling.rule == "residence time" else after.area / before.area
    velocity = flow * before.area / after.area
    values: dict[str, float] = {}
    for path, quantity in references(description.recipe).items():
        factor = {FLOW.name: flow, VOLUME.name: volume, VELOCITY.name: velocity}.get(quantity.kind.name, 1.0)
        if factor != 1.0 and quantity.value != 0.0:
            values[path] = quantity.value * factor
    for path, number in description.plant.numbers.items():
        tail = path.rpartition(".")[2]
        if path.startswith("vessels.") and tail in ("volume", "capacity", "minimum"):
            values[path] = number.value * volume
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
        flow,
        volume,
        changed,
        (_hold_up(description, name), _hold_up(grown, name)),
    )


def _column(description: Description, scaling: Scaling, where: str) -> str:
    columns = description.plant.columns
    name = scaling.column or description.bound.column or next(iter(columns), "")
    if name not in columns:
        raise InputError(Finding(where, f'no column "{name}"', "", did_you_mean(name, columns)))
    return name


def _hold_up(description: Description, column: str) -> float:
    plant = description.plant
    devices = plant.skids[plant.columns[column].skid].devices.values()
    liquid = sum(one.volume for one in devices if one.kind is not DeviceKind.COLUMN)
    return liquid / plant.columns[column].volume


@dataclass(frozen=True)
class Difference:
    """A figure at both scales (SI)."""

    figure: str
    before: float
    after: float


INTENSIVE = (
    "yield",
    "purity",
    "pool_concentration",
    "productivity",
    "duration",
    "max_pressure",
    "load_density",
    "loss_in_load",
    "buffer_per_mass",
)
"""Figures that would be the same if scales did not differ."""


def differences(before: Evaluation, after: Evaluation) -> tuple[Difference, ...]:
    """What the scale changes of what it should not."""
    return tuple(Difference(name, before[name], after[name]) for name in INTENSIVE)
