"""Membranes for ultrafiltration on a skid, and make-up lines: what they lack, and where liquid goes by them.

A membrane has the ports ``in``, ``retentate`` and ``permeate``. It states its `area`, the `permeability` of
the clean membrane for water, the `transmembrane_pressure` that the retentate valve keeps, and the `volume` of
its feed side; `permeate_volume` (a tenth of that when silent), `cells` along the channel (1 when silent; 10
or so for a single pass), and the `channel_pressure` that a feed of `channel_flow` loses along it. A make-up
line keeps the vessel that it leads to at its level, as long as valves leave it open: it gives what membranes
take away, up to its `max_flow`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from minifactory.plant.document import Reader
from minifactory.plant.model import Device

PORTS = ("in", "retentate", "permeate")
PERMEATE_SIDE = 0.1
"""Hold-up of the permeate side over that of the feed side, when a membrane does not state it."""


def check_membrane(item: Reader, values: Mapping[str, float], volume: float) -> None:
    """A finding for each number that a membrane cannot do without."""
    for name, value, example in (
        ("area", values.get("area", 0.0), "area: 50 cm^2"),
        ("permeability", values.get("permeability", 0.0), "permeability: 100 L/(m^2*h*bar)"),
        (
            "transmembrane_pressure",
            values.get("transmembrane_pressure", 0.0),
            "transmembrane_pressure: 1 bar",
        ),
        ("volume", volume, "volume: 2 mL"),
    ):
        if not value > 0.0:
            item.fail(f"a membrane without {name}", f'e.g. "{example}"')
    cells = values.get("cells", 1.0)
    if not (cells >= 1.0 and cells == math.floor(cells) and cells <= 100.0):
        item.fail(f"{cells:g} cells along a membrane", "a whole number from 1 to 100", key="cells")
    if ("channel_pressure" in values) != ("channel_flow" in values):
        item.fail("channel_pressure and channel_flow belong together", "both, or neither of them")


def channel_resistance(membrane: Device) -> float:
    """Pressure that the feed loses along the channel, in Pa per m3/s; 0 when it is not stated."""
    flow = membrane.value("channel_flow", 0.0)
    return membrane.value("channel_pressure", 0.0) / flow if flow > 0.0 else 0.0


def feed_pressure(membrane: Device, flow: float) -> float:
    """Pressure (Pa) at the inlet of a membrane above that of its permeate, at a feed of `flow` (m3/s).

    The transmembrane pressure is the mean of inlet and outlet of the channel.
    """
    if not flow > 0.0:
        return 0.0
    return membrane.value("transmembrane_pressure", 0.0) + 0.5 * channel_resistance(membrane) * flow


def most_permeate(membrane: Device) -> float:
    """m3/s that go through the clean membrane: no flux is higher."""
    names = ("area", "permeability", "transmembrane_pressure")
    return math.prod(membrane.value(name, 0.0) for name in names)
