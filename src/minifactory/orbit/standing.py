"""Interlocks that follow from the equipment and stand whether a recipe runs or not.

    system pressure   over 95 % of what the skid bears      reduce flow -> hold -> abort (the ladder)
                      over all of it for 1 s                abort
    column pressure   over what the bed bears               reduce flow -> hold -> abort
    filter pressure   over what the filter bears            reduce flow -> hold -> abort
    filter            beyond its capacity                   alarm
    air               in the inlet of a pump that draws     pause
    temperature       below 2 degC or above 40 degC, 10 s   pause

Limits of pressure are those of the description. Limits of temperature are assumed (what protein and
packed beds commonly bear); a recipe states narrower ones. Empty and full vessels and dead ends have guards
of their own (:mod:`minifactory.orbit.bottles`, :mod:`minifactory.orbit.ways`).
"""

from __future__ import annotations

import math

from minifactory.plant.model import Column, DeviceKind, Skid
from minifactory.recipe.bound import BoundInterlock
from minifactory.recipe.conditions import parse_condition
from minifactory.recipe.names import aliases, condition_names
from minifactory.signals import TagTable
from minifactory.units import PRESSURE, VOLUME, show

NEAR, CALM = 0.95, 0.90
"""Parts of a pressure limit at which the flow is reduced, and below which that ends."""
COLDEST, WARMEST = "2 degC", "40 degC"


def standing_interlocks(
    table: TagTable, skid: Skid, column: Column | None = None
) -> tuple[BoundInterlock, ...]:
    """The interlocks of `skid`, with `column` in use; those whose tags it has."""
    found: list[BoundInterlock] = []
    found += _pressure(table, "Pressure.System", skid.max_pressure, "system pressure")
    if "Pressure.System" in table.tags:
        limit = _text(skid.max_pressure)
        message = f"the pressure is over the {limit} that the system bears"
        found.append(
            _of(table, "standing pressure limit", f"Pressure.System > {limit}", "abort", message, delay=1.0)
        )
    if column is not None and math.isfinite(column.max_bed_pressure):
        found += _pressure(table, "Pressure.Delta", column.max_bed_pressure, f"pressure over {column.name}")
    for device in skid.of_kind(DeviceKind.FILTER):
        name, most = device.name, device.value("capacity", math.inf) * device.value("area", math.inf)
        bears = device.value("max_pressure", math.inf)
        if math.isfinite(bears):
            found += _pressure(table, f"{name}.Pressure", bears, f"pressure over {name}")
        if math.isfinite(most) and f"{name}.Volume" in table.tags:
            text = show(most, VOLUME, 6)
            message = f"more than the {text} that {name} is good for have gone through it"
            when = f"{name}.Volume > {text}"
            found.append(_of(table, f"standing capacity of {name}", when, "alarm", message, needed=False))
    for pump in ("PumpA", "PumpB"):
        tags = {f"Air.{pump}", f"{pump}.Flow", "PumpWash.Running"}
        if tags <= set(table.tags):
            when = f"Air.{pump} == Yes and {pump}.Flow > 0 mL/min and PumpWash.Running == No"
            found.append(_of(table, f"standing air {pump}", when, "pause", f"air in the inlet of {pump}"))
    if "Cond.Temperature" in table.tags:
        when = f"Cond.Temperature > {WARMEST} or Cond.Temperature < {COLDEST}"
        found.append(
            _of(
                table,
                "standing temperature",
                when,
                "pause",
                f"the temperature is not within {COLDEST} to {WARMEST}",
                delay=10.0,
                needed=False,
            )
        )
    return tuple(found)


def _pressure(table: TagTable, tag: str, limit: float, what: str) -> list[BoundInterlock]:
    if tag not in table.tags:
        return []
    when, until = f"{tag} > {_text(NEAR * limit)}", f"{tag} < {_text(CALM * limit)}"
    message = f"the {what} is near its limit of {_text(limit)}"
    return [_of(table, f"standing {what}", when, "reduce_flow", message, until=until)]


def _of(
    table: TagTable,
    name: str,
    when: str,
    action: str,
    message: str,
    *,
    until: str = "",
    delay: float = 0.0,
    needed: bool = True,
) -> BoundInterlock:
    names, short = condition_names(table), aliases(table)
    condition = parse_condition(when, names, name).renamed(short)
    end = parse_condition(until, names, name).renamed(short) if until else None
    return BoundInterlock(name, condition, action, message, end, delay, needed=needed)


def _text(pressure: float) -> str:
    return show(pressure, PRESSURE, 6)
