"""Reads what reads a vessel: ``level: {read_by: capture.Scale1, deviation: 5 mL}`` in the vessel's block."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from minifactory.errors import did_you_mean
from minifactory.plant.document import Reader
from minifactory.plant.model import LevelSensor, Vessel
from minifactory.units import TIME, VOLUME

EVERY = 10.0
"""s between two corrections of the estimate when the vessel says nothing else."""


def read_level_sensor(
    block: Reader, vessel: Vessel, taken: Mapping[str, Collection[str]]
) -> tuple[str, LevelSensor] | None:
    """The skid that reads `vessel`, and its sensor; None when nothing reads it. Faults go to the report.

    Parameters
    ----------
    block : Reader
        The vessel's block.
    vessel : Vessel
        Its capacity is the range of the sensor.
    taken : Mapping of str to collection of str
        Skid -> names of its devices and sensors so far.
    """
    if "level" not in block:
        return None
    item = block.section("level", required=True)
    text = item.text("read_by")
    deviation, every = item.value("deviation", VOLUME), item.value("every", TIME, EVERY)
    item.finish()
    if not deviation > 0.0:
        item.fail("a reading without deviation", 'e.g. "deviation: 5 mL"', key="deviation")
    skid, _, name = text.partition(".")
    if skid not in taken:
        remedy = did_you_mean(skid, taken)
        item.fail(f'no skid "{skid}" (in "{text}")', "skid.Name, e.g. akta1.Scale1", remedy, key="read_by")
        return None
    if not name.isidentifier():
        item.fail(f'"{name}" is no name of a sensor', "skid.Name, e.g. akta1.Scale1", key="read_by")
        return None
    if name == "System" or name in taken[skid]:
        item.fail(f'"{name}" is another device of {skid}', "a name of its own", key="read_by")
        return None
    return skid, LevelSensor(name, vessel.name, vessel.capacity, deviation, every)
