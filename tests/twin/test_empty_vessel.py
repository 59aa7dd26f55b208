"""A pump that draws from an empty bottle has air in its line, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.skid.server import open_skid
from minifactory.skid.virtual import VirtualSkid

FLOW = 1.0e-6
"""m3/s; the feed bottle of the case holds 240 mL, which is 240 s of it."""


def air(skid: VirtualSkid) -> tuple[float, float]:
    shown = dict(zip((tag.name for tag in skid.table.readable), skid.image().values, strict=True))
    return shown["Air.PumpA"], shown["Air.PumpB"]


def test_air_comes_when_the_bottle_is_used_up_and_goes_with_the_next_one(cases: Path) -> None:
    skid = open_skid(cases / "cex-polish", "akta1", 1, None, identical=True)
    inlet = skid.table.tag("PumpAInlet.SP")
    skid.write({"PumpAInlet.SP": float(inlet.index("A2")), "ColumnPosition.SP": 0.0})
    skid.advance(5.0)
    skid.write({"System.Flow.SP": FLOW})
    skid.advance(230.0)
    assert skid.truth.volumes["feed"] > 0.0
    assert air(skid) == (0.0, 0.0)
    skid.advance(260.0)
    assert skid.truth.volumes["feed"] <= 0.0
    assert air(skid) == (1.0, 0.0)
    skid.write({"System.Flow.SP": 0.0})
    skid.advance(280.0)
    assert skid.truth.system_pressure == pytest.approx(0.0)
    assert air(skid) == (1.0, 0.0)
    skid.write({"PumpAInlet.SP": float(inlet.index("A1"))})
    skid.advance(290.0)
    skid.write({"System.Flow.SP": FLOW})
    skid.advance(300.0)
    assert air(skid) == (0.0, 0.0)


def test_a_pump_wash_from_an_empty_bottle_draws_air_too(cases: Path) -> None:
    skid = open_skid(cases / "cex-polish", "akta1", 1, None, identical=True)
    inlet = skid.table.tag("PumpAInlet.SP")
    skid.write({"PumpAInlet.SP": float(inlet.index("A2")), "ColumnPosition.SP": 0.0})
    skid.advance(5.0)
    number = 0
    while skid.truth.volumes["feed"] > 0.0:
        assert air(skid) == (0.0, 0.0)
        number += 1
        assert number < 20
        skid.call("PumpWash", {"pump": 0.0}, number, "test")
        skid.advance(skid.time + 120.0)
    assert air(skid) == (1.0, 0.0)
