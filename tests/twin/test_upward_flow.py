"""Columns that a valve runs upwards: what went in from the top comes out there again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minifactory.app.case import Case, open_case
from minifactory.records.run import Run
from minifactory.skid.plant import open_plant
from minifactory.twin.engine import Section, Tolerance
from minifactory.twin.engine.solution import prepare
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.simulate import simulate

FACTORY = """
name: upward flow
source: made for a test
skids:
  s:
    max_pressure: 1 MPa
    filled_with: buffer
    column_tubing: {inner_diameter: 0.5 mm, length: 10 cm}
    devices:
      Inlet: {kind: valve, selects: [A1, A2], volume: 0 mL, switch_time: 0 s}
      PumpA: {kind: pump, volume: 0.01 mL, max_flow: 25 mL/min, ramp_rate: 50 mL/min/s, latency: 0 s}
      Mixer: {kind: mixer, volume: 0.01 mL}
      Direction:
        kind: valve
        switch_time: 0 s
        positions: {Down: [in > top, bottom > out], Up: [in > bottom, top > out]}
      Columns:
        kind: valve
        switch_time: 0 s
        positions: {Bypass: [in > out], C: [in > 1_top, 1_bottom > out]}
      UV: {kind: uv cell, volume: 2 uL, path_length: 2 mm, channels: 1, averaging_time: 1 s}
      Outlet: {kind: valve, distributes: [W, F], volume: 0 mL, switch_time: 0 s}
    connections:
      - Inlet.out > PumpA > Mixer > Direction.in
      - Direction.top > Columns.in
      - Columns.out > Direction.bottom
      - Direction.out > UV > Outlet.in
    column_places:
      Place: {top: Columns.1_top, bottom: Columns.1_bottom, positions: {Columns: C}}
    bypass: {Columns: Bypass}
species:
  product: {role: product, molar_mass: 50 kg/mol}
  tracer: {role: tracer, molar_mass: 1 kg/mol}
materials:
  buffer: {composition: {sodium: 20 mM, chloride: 20 mM}}
  feed: {composition: {sodium: 20 mM, chloride: 20 mM, product: 1 g/L, tracer: 1 g/L}}
vessels:
  buffer: {material: buffer, volume: 1 L, connected: s.Inlet.A1}
  feed: {material: feed, volume: 1 L, purpose: feed, connected: s.Inlet.A2}
  waste: {capacity: 2 L, purpose: waste, connected: s.Outlet.W}
  pool: {capacity: 2 L, purpose: pool, connected: s.Outlet.F}
columns:
  C1:
    hardware: own
    inner_diameter: 16 mm
    bed_height: 10 cm
    max_pressure: 0.5 MPa
    resin: beads
    particle_diameter: 90 um
    skid: s
    position: Place
    bed_model: LRM
    binding: linear
"""
PARAMETERS = """
version: "1"
source: made for a test
C1:
  total_porosity: 0.7
  dispersivity: 0.2 mm
  product: {henry: 2, k_kin: 0.05 1/s}
"""
RECIPE = """
name: upward flow
version: "1"
procedure:
  main:
    skid: s
    column: C1
    start: {{inlet_a: buffer}}
    safe: {{outlet: waste}}
    operations:
      o:
        phases:
          load: {{kind: load, {first}inlet_a: feed, flow: 4 mL/min, outlet: waste, until: 5 mL}}
          elute: {{kind: elute, {second}inlet_a: buffer, outlet: pool, until: {volume}}}
          end: {{kind: wash, outlet: waste, until: 1 mL}}
"""
DOWN, UP = "positions: {Direction: Down}, ", "positions: {Direction: Up}, "


def case(folder: Path, first: str, second: str, volume: str = "6 mL") -> Case:
    files = {
        "factory.yaml": FACTORY,
        "recipe.yaml": RECIPE.format(first=first, second=second, volume=volume),
        "parameters.yaml": PARAMETERS,
        "targets.yaml": 'source: made for a test\nproduct: product\npool: pool\ntargets: {yield: ">= 1 %"}\n',
    }
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_case(folder)


def run_of(made: Case) -> Run:
    run = simulate(made.plant, made.bound)
    assert float(run.provenance["mass balance"]) < 1e-8
    return run


def pooled(run: Run) -> dict[str, float]:
    """Part of what was loaded that is in the pool."""
    pool = next(record for record in run.pools if record.vessel == "pool")
    return {name: pool.amounts[name] / run.loaded[name] for name in ("product", "tracer")}


def test_what_came_from_above_goes_back_there(tmp_path: Path) -> None:
    """Five of the 14 mL of the column's liquid are filled: upwards they come at once, downwards not yet."""
    upwards = pooled(run_of(case(tmp_path / "up", DOWN, UP)))
    downwards = pooled(run_of(case(tmp_path / "down", DOWN, DOWN)))
    assert upwards["tracer"] > 0.9
    assert downwards["tracer"] < 1e-3
    assert upwards["product"] > 100.0 * downwards["product"]


def test_a_column_is_the_same_from_either_end(tmp_path: Path) -> None:
    """Loaded and eluted upwards it gives what it gives downwards."""
    down = run_of(case(tmp_path / "down", DOWN, "", "40 mL"))
    up = run_of(case(tmp_path / "up", UP, "", "40 mL"))
    assert pooled(up) == pytest.approx(pooled(down), rel=1e-6)
    assert up.trends["Pressure.Delta"].values[50] == pytest.approx(down.trends["Pressure.Delta"].values[50])
    assert pooled(down)["tracer"] > 0.5


def test_a_direction_holds_until_the_column_is_named_again(tmp_path: Path) -> None:
    made = case(tmp_path / "held", UP, "", "6 mL")
    stands = [dict(phase.start.setpoints).get("Direction.SP") for phase in made.bound.phases]
    assert stands[0] == 1.0
    assert stands[1] in (None, 1.0)
    again = case(tmp_path / "named", UP, "column: C1, ", "6 mL")
    assert [dict(phase.start.setpoints).get("Direction.SP") for phase in again.bound.phases][1] == 0.0


def test_flows_run_one_way_at_a_time(tmp_path: Path) -> None:
    made = case(tmp_path / "made", DOWN, UP)
    sheet = skid_flowsheet(made.plant, "s")
    for position, first, last in ((0, "C1TubingTop", "C1TubingBottom"), (1, "C1TubingBottom", "C1TubingTop")):
        positions = tuple({"Direction": position, "Columns": 1}.get(valve, 0) for valve in sheet.valves)
        flows = sheet.flow_map(positions).links[:, 0]
        moving = {
            (link.source, link.target) for link, flow in zip(sheet.network.links, flows, strict=True) if flow
        }
        assert {("Mixer", first), (first, "C1"), ("C1", last), (last, "UV")} <= moving
        assert ("C1", first) not in moving


def test_what_never_runs_upwards_goes_in_lanes(tmp_path: Path) -> None:
    """The lines that could run backwards are left out of an integration in which they do not."""
    made = case(tmp_path / "made", DOWN, DOWN)
    sheet = skid_flowsheet(made.plant, "s")
    assert any(link.backward for link in sheet.network.links)
    assert not any(link.backward for link in sheet.network.forward.links)
    stand = {"Direction": 0, "Columns": 1}
    for direction, network in ((0, sheet.network.forward), (1, sheet.network)):
        positions = tuple((stand | {"Direction": direction}).get(valve, 0) for valve in sheet.valves)
        flows = sheet.flow_map(positions).links[:, 0] * 1e-7
        section = Section(0.0, 60.0, flows, sheet.inlet_concentrations)
        task = prepare(
            sheet.network, sheet.initial_state(), [section], np.array([60.0]), ("UV",), Tolerance()
        )
        assert task.network is network
        assert (task.network.layout.sizes.torn > 0) is (direction == 1)


def test_the_virtual_skid_runs_it_upwards_too(tmp_path: Path) -> None:
    made = case(tmp_path / "made", DOWN, UP)
    run = run_of(made)
    plant = open_plant(tmp_path / "made", seed=1, speed=None, identical=True)
    skid, number = plant.skids["s"], 0
    skid.write(dict(made.bound.initial.setpoints))
    for phase, record in zip(made.bound.phases, run.phases, strict=True):
        skid.write(dict(phase.start.setpoints))
        for item in phase.start.instructions:
            number += 1
            skid.call(item.name, dict(item.arguments), number, "test")
        skid.advance(record.end)
    got = plant.contents().received["pool"]["tracer"]
    assert got == pytest.approx(pooled(run)["tracer"] * run.loaded["tracer"], rel=0.02)
