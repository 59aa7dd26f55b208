"""A vessel that is read: its sensor is a tag of the skid, and corrects what the pumps seem to have drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.execute import controller, levels_of
from minifactory.app.links import Link
from minifactory.clock import VirtualClock
from minifactory.drivers import InMemoryBackend
from minifactory.errors import InputError
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.skid.server import open_skid
from minifactory.skid.virtual import VirtualSkid
from tests.orbit.bench_recipe import Book

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"
LEVEL = "level: {read_by: akta1.Scale1, deviation: 2 mL}"
RECIPE = """\
name: drawing
version: "1"
procedure:
  test:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, column: bypass, outlet: waste}
    safe: {outlet: waste}
    operations: {only: {phases: {wash: {kind: wash, flow: 20 mL/min, until: 200 mL}}}}
"""
BIASED = 0.95
"""True flow of pump A over the one it shows."""


def made(folder: Path, level: str) -> Path:
    """cases/cex-polish with this in the vessel `equilibration`; pump A delivers less than it shows."""
    folder.mkdir()
    factory = (CASE / "factory.yaml").read_text(encoding="utf-8")
    vessel = "  equilibration: {"
    assert factory.count(vessel) >= 1
    head, tail = factory.rsplit(vessel, 1)
    insert = f"{level}, " if level else ""
    (folder / "factory.yaml").write_text(f"{head}{vessel}{insert}{tail}", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "targets.yaml").write_text(
        'source: assumed\ntargets: {duration: "<= 10 h"}\n', encoding="utf-8"
    )
    parameters = (CASE / "parameters.yaml").read_text(encoding="utf-8")
    stated = "PumpA: {gain: {value: 1, "
    assert stated in parameters
    biased = parameters.replace(stated, f"PumpA: {{gain: {{value: {BIASED}, ")
    (folder / "parameters.yaml").write_text(biased, encoding="utf-8")
    return folder


def drawn(folder: Path) -> tuple[Engine, VirtualSkid]:
    """The recipe run to its end on a skid with that pump."""
    case = open_case(folder)
    skid = open_skid(folder, "akta1", 1, None, identical=True)
    link = Link(
        InMemoryBackend(skid), VirtualClock(), Policy.in_lock_step(1.0), "virtual skid", "", lambda _a: None
    )
    engine = controller(case, link, Book(), False, None, None)
    engine.load(case.bound, "run", levels=levels_of(case))
    engine.command("start", "test")
    assert engine.run().state is State.COMPLETE
    return engine, skid


def test_a_reading_corrects_what_the_pump_seems_to_have_drawn(tmp_path: Path) -> None:
    """The pump draws 190 mL and shows 200 mL: with a sensor, the level is the true one, with less doubt."""
    found = {}
    for name, level in (("blind", ""), ("seeing", LEVEL)):
        engine, skid = drawn(made(tmp_path / name, level))
        (mine,) = [item for item in engine.levels() if item.vessel == "equilibration"]
        assert mine.volume is not None
        found[name] = mine, mine.volume - skid.truth.volumes["equilibration"]
    assert found["blind"][1] == pytest.approx((BIASED - 1.0) * 200e-6, abs=1e-6)
    assert abs(found["seeing"][1]) < 2e-6
    assert found["seeing"][0].uncertainty < 2e-6 < found["blind"][0].uncertainty
    assert "Scale1.Volume" in open_case(tmp_path / "seeing").table.tags


@pytest.mark.parametrize(
    ("level", "fault"),
    [
        ("level: {read_by: akta2.Scale1, deviation: 2 mL}", 'no skid "akta2"'),
        ("level: {read_by: akta1.UV, deviation: 2 mL}", '"UV" is another device of akta1'),
        ("level: {read_by: akta1.System, deviation: 2 mL}", '"System" is another device'),
        ("level: {read_by: Scale1, deviation: 2 mL}", 'no skid "Scale1"'),
        ("level: {read_by: akta1.Scale1, deviation: 0 mL}", "a reading without deviation"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused(tmp_path: Path, level: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        open_case(made(tmp_path / "case", level))
