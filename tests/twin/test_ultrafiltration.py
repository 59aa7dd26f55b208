"""Ultrafiltration and diafiltration that a description names, against closed forms and balances."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from minifactory.app.case import Case, open_case
from minifactory.errors import InputError, SolverError
from minifactory.plant.flowpath import SideStream, side_streams
from minifactory.recipe.check import check
from minifactory.records.plant_run import PlantRun
from minifactory.skid.plant import open_plant
from minifactory.twin.driving import refuse_drives
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.simulate import simulate_plant

CLEAN = 100e-3 / 3600.0 * 50e-4
"""m3/s: 100 L/(m2 h bar) at 1 bar through 50 cm2."""
FACTORY = """
name: ultrafiltration
source: made for a test
skids:
  s:
    max_pressure: 1 MPa
    filled_with: buffer
    devices:
      Inlet: {{kind: valve, selects: [Tank, Buffer], volume: 0 mL, switch_time: 0 s}}
      PumpA: {{kind: pump, volume: 0.001 mL, max_flow: 200 mL/min, ramp_rate: 500 mL/min/s, latency: 0 s}}
      Membrane: {{kind: membrane, area: 50 cm^2, permeability: 100 L/(m^2*h*bar), volume: {volume},
                  transmembrane_pressure: 1 bar, cells: {cells}, channel_pressure: 0.2 bar,
                  channel_flow: 100 mL/min}}
      Outlet: {{kind: valve, distributes: [Waste, Tank, Pool], volume: 0 mL, switch_time: 0 s}}
      MakeUpValve: {{kind: valve, positions: {{Closed: [], Open: in > out}}, volume: 0 mL, switch_time: 0 s}}
      MakeUp: {{kind: make-up line, volume: 0.001 mL{more}}}
    connections:
      - Inlet.out > PumpA > Membrane.in
      - Membrane.retentate > Outlet.in
      - MakeUpValve.out > MakeUp.in
species:
  product: {{role: product, molar_mass: 50 kg/mol}}
  fragment: {{role: impurity, molar_mass: 10 kg/mol}}
  tracer: {{role: tracer, molar_mass: 1 kg/mol}}
materials:
  buffer: {{composition: {{sodium: 20 mM, chloride: 20 mM}}}}
  feed: {{composition: {{sodium: 100 mM, chloride: 100 mM, product: 10 g/L, fragment: 1 g/L, tracer: 1 g/L}}}}
vessels:
  tank:
    material: feed
    volume: 100 mL
    capacity: 200 mL
    connected: [s.Inlet.Tank, s.Outlet.Tank, s.MakeUp.out]
  buffer: {{material: buffer, volume: 1 L, connected: s.Inlet.Buffer}}
  fresh: {{material: buffer, volume: 1 L, connected: s.MakeUpValve.in}}
  permeate: {{capacity: 2 L, purpose: waste, connected: s.Membrane.permeate}}
  waste: {{capacity: 2 L, purpose: waste, connected: s.Outlet.Waste}}
  pool: {{capacity: 2 L, purpose: pool, connected: s.Outlet.Pool}}
"""
RECIPE = """
name: ultrafiltration
version: "1"
procedure:
  main:
    skid: s
    start: {{inlet_a: tank, outlet: tank}}
    safe: {{outlet: waste}}
    operations:
      o:
        phases:
{phases}
"""
CONCENTRATE = """
          concentrate:
            {kind: other, inlet_a: tank, outlet: tank, flow: 100 mL/min, until: level(tank) < 40 mL,
             timeout: 10 h}
"""
DIAFILTER = """
          diafilter:
            {kind: other, inlet_a: tank, outlet: tank, flow: 100 mL/min, positions: {MakeUpValve: Open},
             until: Membrane.Volume > 300 mL, timeout: 20 h}
"""
BOTH = f"""{CONCENTRATE}          diafilter:
            {{kind: other, positions: {{MakeUpValve: Open}}, until: Membrane.Volume > 160 mL, timeout: 20 h}}
          recover:
            {{kind: elute, positions: {{MakeUpValve: Closed}}, flow: 10 mL/min, outlet: pool,
             until: level(tank) < 2 mL, timeout: 1 h}}
          last: {{kind: wash, inlet_a: buffer, outlet: waste, until: 1 mL}}
"""
GEL = "mass_transfer: 20 L/(m^2*h), gel_concentration: 100 g/L, "


def case(
    folder: Path, phases: str, law: str = "", volume: str = "0.02 mL", cells: int = 1, more: str = ""
) -> Case:
    stated = "product: {sieving: 0}, fragment: {sieving: 0.4}"
    files = {
        "factory.yaml": FACTORY.format(volume=volume, cells=cells, more=more),
        "recipe.yaml": RECIPE.format(phases=phases.strip("\n")),
        "parameters.yaml": f'version: "1"\nsource: made for a test\ns: {{Membrane: {{{law}{stated}}}}}\n',
        "targets.yaml": 'source: made for a test\nproduct: product\npool: pool\ntargets: {yield: ">= 1 %"}\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_case(folder)


def run_of(made: Case) -> PlantRun:
    """The prediction; mass closes over the whole plant."""
    run = simulate_plant(made.plant, [made.bound])
    assert max(run.balance.values()) < 1e-8
    return run


def effective(sieving: float, permeate: float = CLEAN, feed: float = 100e-6 / 60.0) -> float:
    """Sieving of tank and loop together: a cell is richer by the part of its feed that goes through."""
    return sieving / (1.0 - permeate / feed * (1.0 - sieving))


def test_concentrating_follows_the_volume(tmp_path: Path) -> None:
    """c / c0 = (V0 / V)^(1 - S) of every solute, at the clean flux, in a tank much larger than its loop."""
    made = case(tmp_path, CONCENTRATE)
    run = run_of(made)
    volume = run.levels["tank"].values[-1]
    assert run.levels["tank"].values[-1] == pytest.approx(40e-6, abs=CLEAN)
    assert run.runs["s"].phases[0].end == pytest.approx(60e-6 / CLEAN, abs=2.0)
    factor = 100e-6 / volume
    feed = made.plant.materials["feed"].composition
    for name, sieving in (("product", 0.0), ("fragment", 0.4), ("tracer", 1.0), ("sodium", 1.0)):
        wanted = feed[name] * factor ** (1.0 - effective(sieving))
        assert run.contents["tank"][name] / volume == pytest.approx(wanted, rel=3e-3), name
    assert run.levels["permeate"].values[-1] == pytest.approx(100e-6 - volume, rel=1e-9)


def test_diafiltration_washes_out(tmp_path: Path) -> None:
    """At the constant volume that the make-up line keeps, c / c0 = exp(-S N)."""
    made = case(tmp_path, DIAFILTER)
    run = run_of(made)
    level = run.levels["tank"].values
    assert level == pytest.approx(np.full(len(level), 100e-6), rel=1e-9)
    trend = run.runs["s"].trends["Membrane.Volume"]
    diavolumes = trend.values[-1] / 100e-6
    assert diavolumes == pytest.approx(3.0, abs=1e-3 + CLEAN / 100e-6)
    assert run.runs["s"].trends["MakeUp.Volume"].values[-1] == pytest.approx(trend.values[-1], rel=1e-9)
    feed = made.plant.materials["feed"].composition
    buffer = made.plant.materials["buffer"].composition
    for name, sieving in (("product", 0.0), ("fragment", 0.4), ("tracer", 1.0), ("sodium", 1.0)):
        fresh = buffer.get(name, 0.0)
        wanted = fresh + (feed[name] - fresh) * math.exp(-effective(sieving) * diavolumes)
        assert run.contents["tank"][name] / 100e-6 == pytest.approx(wanted, rel=3e-3), name


def test_the_flux_ends_at_the_gel(tmp_path: Path) -> None:
    """The time to concentrate is the integral of dV / (A k ln(c_gel / c)), c in the loop."""
    made = case(tmp_path, CONCENTRATE.replace("40 mL", "25 mL"), GEL)
    run = run_of(made)
    transfer, area, feed = 20e-3 / 3600.0, 50e-4, 100e-6 / 60.0

    def permeate(volume: float) -> float:
        # Product and what is left of the fragment count against the gel.
        held, through = 0.0, CLEAN
        for _ in range(60):
            held = 10.0 * (100e-6 / volume) + 1.0 * (100e-6 / volume) ** (1.0 - effective(0.4, through, feed))
            through = min(CLEAN, area * transfer * math.log(100.0 / (held / (1.0 - through / feed))))
        return through

    wanted = quad(lambda volume: 1.0 / permeate(volume), 25e-6, 100e-6)[0]
    assert run.runs["s"].phases[0].end == pytest.approx(wanted, rel=0.01)
    flow = run.runs["s"].trends["Membrane.Flow"].values
    assert flow[-1] == pytest.approx(permeate(25e-6), rel=0.02)
    assert flow[-1] < 0.6 * flow[5]


def test_osmosis_takes_from_the_pressure(tmp_path: Path) -> None:
    """J = Lp (dp - pi c) where the wall is as the bulk (fast transfer)."""
    run = run_of(case(tmp_path, DIAFILTER, "mass_transfer: 1e6 L/(m^2*h), osmotic_pressure: 2000 Pa*L/g, "))
    last = 1.0 - 2000.0 * (10.0 / (1.0 - CLEAN * 0.75 / (100e-6 / 60.0)) + 0.35) / 1e5
    assert run.runs["s"].trends["Membrane.Flow"].values[-1] == pytest.approx(CLEAN * last, rel=0.02)


def test_a_single_pass_is_that_of_film_theory(tmp_path: Path) -> None:
    """No recirculation: d(Q c) = -J S c dA along the channel, to which cells in a row tend by first order."""
    phases = """
          go: {kind: other, inlet_a: tank, outlet: waste, flow: 4 mL/min, until: 8 mL}
          pass: {kind: elute, inlet_a: tank, outlet: pool, until: 4 mL}
          last: {kind: wash, inlet_a: buffer, outlet: waste, until: 1 mL}
"""
    found = []
    for cells in (6, 12):
        made = case(tmp_path, phases, GEL, volume="0.3 mL", cells=cells)
        pool = next(record for record in run_of(made).runs["s"].pools if record.vessel == "pool")
        found.append([pool.volume, *(pool.amounts[name] for name in ("product", "fragment", "tracer"))])
    transfer, area, flow = 20e-3 / 3600.0, 50e-4, 4e-6 / 60.0
    feed = made.plant.materials["feed"].composition
    start = [flow, *(flow * feed[name] for name in ("product", "fragment", "tracer"))]

    def slopes(_: float, y: np.ndarray) -> list[float]:
        c = y[1:] / y[0]
        flux = min(CLEAN / area, transfer * math.log(100.0 / (50.0 * c[0] + 10.0 * c[1])))
        return [-flux, 0.0, -flux * 0.4 * c[1], -flux * c[2]]

    exact = solve_ivp(slopes, (0.0, area), start, rtol=1e-10, atol=1e-16).y[:, -1] * (4e-6 / flow)
    coarse, fine = np.array(found)
    assert np.all(np.abs(fine - exact) < 0.6 * np.abs(coarse - exact) + 2e-3 * exact)
    assert 2.0 * fine - coarse == pytest.approx(exact, rel=0.015)


def test_a_concentration_and_a_diafiltration_in_one_recipe(tmp_path: Path) -> None:
    """What the check may say of it before, what comes out, and the same on the virtual skid."""
    made = case(tmp_path, BOTH, GEL.replace("20 L", "60 L"), volume="1 mL", cells=3)
    assert [item for item in check(made.recipe, made.plant).findings if item.severity == "error"] == []
    run = run_of(made)
    pool = next(record for record in run.runs["s"].pools if record.vessel == "pool")
    kept = pool.amounts["product"] + run.contents["tank"]["product"]
    assert 0.9 * 2e-5 < kept < 2e-5  # the rest stands in the 1 mL of the loop, below the 100 g/L of the gel
    pressure = run.runs["s"].trends["Pressure.System"].values
    assert pressure[100] == pytest.approx(1e5 + 0.5 * 0.2e5, rel=1e-3)
    plant = open_plant(tmp_path, seed=1, speed=None, identical=True)
    skid, number = plant.skids["s"], 0
    for phase, record in zip(made.bound.phases, run.runs["s"].phases, strict=True):
        skid.write(dict(phase.start.setpoints))
        for item in phase.start.instructions:
            number += 1
            skid.call(item.name, dict(item.arguments), number, "test")
        skid.advance(record.end)
    image = dict(zip((tag.name for tag in skid.table.readable), skid.image().values, strict=True))
    assert image["Membrane.Volume"] == pytest.approx(
        run.runs["s"].trends["Membrane.Volume"].values[-1], rel=2e-3
    )
    got = plant.contents().received["pool"]
    for name in ("product", "fragment", "sodium"):
        assert got[name] == pytest.approx(pool.amounts[name], rel=0.01), name


def test_what_no_pump_moves_follows_from_the_valves(tmp_path: Path) -> None:
    skid = case(tmp_path, CONCENTRATE).plant.skids["s"]
    stand = {"Inlet": "Tank", "Outlet": "Tank", "MakeUpValve": "Closed"}
    permeate = SideStream("Membrane", None, "permeate")
    assert side_streams(skid, stand) == (permeate,)
    assert side_streams(skid, {**stand, "MakeUpValve": "Open"}) == (
        permeate,
        SideStream("MakeUp", "fresh", "tank"),
    )


def test_the_check_knows_what_permeates_at_most(tmp_path: Path) -> None:
    """Levels of a phase that time ends: the tank loses at most the clean flux, the permeate gains it."""
    phases = """
          go: {kind: other, inlet_a: tank, outlet: tank, flow: 100 mL/min, until: 6 min}
          last: {kind: wash, inlet_a: buffer, outlet: waste, until: 1 mL}
"""
    made = case(tmp_path, phases)
    levels = check(made.recipe, made.plant).phases[0].levels
    assert levels["tank"] == pytest.approx((100e-6 - 360.0 * CLEAN, 100e-6))
    assert levels["permeate"] == pytest.approx((0.0, 360.0 * CLEAN))
    assert [str(item) for item in check(made.recipe, made.plant).findings] == []


def test_a_closed_permeate_lets_nothing_through(tmp_path: Path) -> None:
    """The loop goes round at its feed, and the tank keeps its level."""
    phases = """
          round:
            {kind: other, inlet_a: tank, outlet: tank, flow: 100 mL/min, positions: {Permeate: Closed},
             until: 2 min}
          open: {kind: other, positions: {Permeate: Open}, until: 2 min}
          last: {kind: wash, inlet_a: buffer, outlet: waste, until: 1 mL}
"""
    case(tmp_path, CONCENTRATE)
    factory = (tmp_path / "factory.yaml").read_text(encoding="utf-8")
    factory = factory.replace(
        "      MakeUpValve:",
        "      Permeate: {kind: valve, positions: {Open: in > out, Closed: []}}\n      MakeUpValve:",
    )
    factory = factory.replace("    connections:", "    connections:\n      - Membrane.permeate > Permeate.in")
    factory = factory.replace("connected: s.Membrane.permeate", "connected: s.Permeate.out")
    (tmp_path / "factory.yaml").write_text(factory, encoding="utf-8")
    recipe = RECIPE.format(phases=phases.strip("\n"))
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    run = run_of(open_case(tmp_path))
    flow = run.runs["s"].trends["Membrane.Flow"]
    assert float(np.max(flow.values[flow.time < 119.0])) == 0.0
    assert float(flow.values[np.searchsorted(flow.time, 180.0)]) == pytest.approx(CLEAN, rel=1e-6)


def test_what_takes_flows_from_the_pumps_alone_refuses(tmp_path: Path) -> None:
    made = case(tmp_path, CONCENTRATE)
    with pytest.raises(InputError, match="has a membrane or a make-up line"):
        refuse_drives(skid_flowsheet(made.plant, "s"), "pool")


def test_a_tank_that_runs_empty_says_so(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="vessel tank: runs empty"):
        run_of(case(tmp_path, CONCENTRATE.replace("level(tank) < 40 mL", "Membrane.Volume > 150 mL")))


def test_a_membrane_says_what_it_lacks(tmp_path: Path) -> None:
    made = case(tmp_path, CONCENTRATE)
    factory = (tmp_path / "factory.yaml").read_text(encoding="utf-8")
    bare = factory.replace("area: 50 cm^2, permeability: 100 L/(m^2*h*bar), volume: 0.02 mL,", "cells: 0.5,")
    bare = bare.replace("channel_pressure: 0.2 bar,", "").replace("cells: 1, ", "")
    (tmp_path / "factory.yaml").write_text(bare, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_case(tmp_path)
    text = str(caught.value)
    for lack in ("without area", "without permeability", "without volume", "0.5 cells", "belong together"):
        assert lack in text, lack
    (tmp_path / "factory.yaml").write_text(factory, encoding="utf-8")
    stated = "version: '1'\nsource: test\ns: {Membrane: {product: {sieving: 0}, gel_concentration: 90 g/L}}\n"
    (tmp_path / "parameters.yaml").write_text(stated, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_case(tmp_path)
    assert '"s.Membrane.fragment.sieving" is not stated' in str(caught.value)
    assert '"s.Membrane.mass_transfer" is not stated' in str(caught.value)
    assert made.plant.skids["s"].devices["Membrane"].ports == ("in", "retentate", "permeate")
    loose = factory.replace(", connected: s.Membrane.permeate", "").replace(", s.MakeUp.out", "")
    (tmp_path / "factory.yaml").write_text(loose, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        open_case(tmp_path)
    assert 'port "Membrane.permeate" of a membrane leads nowhere' in str(caught.value)
    assert 'port "MakeUp.out" of a make-up line leads nowhere' in str(caught.value)
