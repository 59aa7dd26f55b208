"""Reactors, tanks and superloops that a description names: analytical checks and the targets."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from minifactory.app.case import Case, open_case
from minifactory.campaign.appraisal import appraise
from minifactory.campaign.targets import assess
from minifactory.errors import InputError
from minifactory.records.performance import evaluate
from minifactory.twin.operations import inactivation, refolding
from minifactory.twin.simulate import simulate

RATE, RESIDENCE = 0.02, 600.0

FACTORY = """
name: inactivation
source: made for a test
skids:
  s:
    max_pressure: 1 MPa
    filled_with: buffer
    devices:
      Inlet: {{kind: valve, selects: [A1, A2], volume: 0 mL, switch_time: 0 s}}
      PumpA: {{kind: pump, volume: 0.01 mL, min_flow: 0.001 mL/min, max_flow: 25 mL/min, max_pressure: 20 MPa,
               ramp_rate: 50 mL/min/s, latency: 0 s, wash_flow: 20 mL/min, wash_time: 1 s}}
      PumpB: {{kind: pump, volume: 0.01 mL, min_flow: 0.001 mL/min, max_flow: 25 mL/min, max_pressure: 20 MPa,
               ramp_rate: 50 mL/min/s, latency: 0 s, wash_flow: 20 mL/min, wash_time: 1 s}}
      Meet: {{kind: junction}}
      Reactor: {device}
      UV: {{kind: uv cell, volume: 2 uL, path_length: 2 mm, channels: 1, averaging_time: 1 s}}
      Outlet: {{kind: valve, distributes: [W, F], volume: 0 mL, switch_time: 0 s}}
    connections:
      - Inlet.out > PumpA > Meet.a
      - PumpB > Meet.b
      - Meet.out > Reactor > UV > Outlet.in
species:
  product: {{role: product, molar_mass: 50 kg/mol}}
  virus: {{role: virus, molar_mass: 1 kg/mol}}
materials:
  buffer: {{composition: {{sodium: 20 mM, chloride: 20 mM}}}}
  feed: {{composition: {{sodium: 20 mM, chloride: 20 mM, product: 1 g/L, virus: 1 nM}}}}
vessels:
  buffer: {{material: buffer, volume: 1 L, connected: [s.Inlet.A1, s.PumpB.in]}}
  feed: {{material: feed, volume: 1 L, purpose: feed, connected: s.Inlet.A2}}
  waste: {{capacity: 2 L, purpose: waste, connected: s.Outlet.W}}
  pool: {{capacity: 2 L, purpose: pool, connected: s.Outlet.F}}
"""
RECIPE = """
name: inactivation
version: "1"
procedure:
  main:
    skid: s
    start: {{inlet_a: feed, inlet_b: buffer}}
    safe: {{outlet: waste}}
    operations:
      o:
        phases:
{phases}
"""
FLOWING = """
          fill: {kind: load, inlet_a: feed, flow: 1 mL/min, outlet: waste, until: 100 mL}
          go: {kind: elute, inlet_a: feed, outlet: pool, until: 20 mL}
"""
STANDING = """
          fill: {kind: load, inlet_a: feed, flow: 20 mL/min, outlet: waste, until: 30 mL}
          hold: {kind: wait, flow: 0 mL/min, until: 10 min}
          first: {kind: wash, inlet_a: buffer, flow: 20 mL/min, outlet: waste, until: 1 mL}
          empty: {kind: elute, inlet_a: buffer, flow: 20 mL/min, outlet: pool, until: 5 mL}
"""
PARAMETERS = (
    'version: "1"\nsource: made for a test\ns: {{Reactor: {{virus: {{inactivation_rate: {rate} 1/s}}}}}}\n'
)


def case(
    folder: Path,
    device: str,
    phases: str,
    rate: float | None = RATE,
    targets: str = 'yield: ">= 1 %"',
    factory: str = FACTORY,
    parameters: str = "",
) -> Case:
    files = {
        "factory.yaml": factory.format(device=device),
        "recipe.yaml": RECIPE.format(phases=phases.strip("\n")),
        "parameters.yaml": parameters
        or (PARAMETERS.format(rate=rate) if rate is not None else 'version: "1"\n'),
        "targets.yaml": f"source: made for a test\nproduct: product\npool: pool\ntargets: {{{targets}}}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_case(folder)


def surviving(made: Case) -> float:
    """Decades between feed and pool, by concentration."""
    run = simulate(made.plant, made.bound, scan=1.0)
    assert float(run.provenance["mass balance"]) < 1e-8
    pool = next(record for record in run.pools if record.vessel == "pool")
    feed = made.plant.materials["feed"].composition
    return -math.log10(pool.amounts["virus"] / pool.volume / feed["virus"])


@pytest.mark.parametrize("peclet", [5.0, 40.0, 200.0])
def test_a_reactor_inactivates_as_dispersed_plug_flow(tmp_path: Path, peclet: float) -> None:
    made = case(tmp_path, f"{{kind: reactor, volume: 10 mL, peclet: {peclet}}}", FLOWING)
    assert surviving(made) == pytest.approx(inactivation.dispersed(RATE, RESIDENCE, peclet), rel=1e-3)


def test_a_tank_inactivates_as_a_stirred_tank(tmp_path: Path) -> None:
    made = case(tmp_path, "{kind: tank, volume: 10 mL}", FLOWING)
    assert surviving(made) == pytest.approx(inactivation.stirred_tanks(RATE, RESIDENCE), rel=1e-3)


def test_many_decades_are_told_as_exactly_as_one(tmp_path: Path) -> None:
    made = case(tmp_path, "{kind: reactor, volume: 10 mL, peclet: 200}", FLOWING, rate=0.03)
    wanted = inactivation.dispersed(0.03, RESIDENCE, 200.0)
    assert wanted > 7.0
    assert surviving(made) == pytest.approx(wanted, rel=1e-3)


def test_inactivation_goes_on_in_a_reactor_that_stands(tmp_path: Path) -> None:
    """Liquid that stands for ten minutes loses k t / ln 10 decades, and a little while it comes and goes."""
    made = case(tmp_path, "{kind: reactor, volume: 10 mL, peclet: 40}", STANDING)
    gone = inactivation.plug_flow(RATE, 600.0)
    assert gone < surviving(made) < gone + inactivation.plug_flow(RATE, 60.0)


def test_a_bed_of_beads_has_volume_dispersion_and_pressure(tmp_path: Path) -> None:
    beads = "{kind: reactor, inner_diameter: 16 mm, length: 300 mm, porosity: 0.4, particle_diameter: 200 um}"
    made = case(tmp_path, beads, FLOWING)
    reactor = made.plant.skids["s"].devices["Reactor"]
    assert reactor.volume == pytest.approx(math.pi / 4 * 0.016**2 * 0.3 * 0.4)
    assert reactor.values["peclet"] == pytest.approx(inactivation.packed_bed_peclet(0.3, 200e-6))
    run = simulate(made.plant, made.bound)
    dp = 180 * 0.89e-3 * (1e-6 / 60) * 0.3 * 0.6**2 / (0.4**3 * (2e-4) ** 2 * math.pi / 4 * 0.016**2)
    assert run.trends["Pressure.System"].values.max() == pytest.approx(dp, rel=0.05)


def test_log_reduction_is_a_target(tmp_path: Path) -> None:
    asked = 'log_reduction.virus: ">= 4", yield: ">= 1 %"'
    made = case(tmp_path, "{kind: reactor, volume: 10 mL, peclet: 40}", STANDING, targets=asked)
    run = simulate(made.plant, made.bound)
    performance = evaluate(run, made.plant.species, product="product", pool="pool")
    pool = next(record for record in run.pools if record.vessel == "pool")
    assert performance.log_reductions["virus"] == pytest.approx(
        -math.log10(pool.amounts["virus"] / run.loaded["virus"])
    )
    judged = assess(made.targets, appraise(run, made.plant, made.targets))
    assert [each.met for each in judged] == [True, True]
    assert str(judged[0]).startswith("Log reduction of virus 6.1")


def test_what_holds_no_virus_has_no_rate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="virus"):
        case(tmp_path, "{kind: mixer, volume: 10 mL}", FLOWING)


def test_a_reactor_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        case(tmp_path, "{kind: reactor, inner_diameter: 16 mm}", FLOWING)
    text = str(caught.value)
    assert "a reactor without volume" in text
    assert "dispersion is not stated" in text


def test_a_superloop_gives_what_it_holds(tmp_path: Path) -> None:
    """It is emptied by a pump, undiluted until it is nearly empty: 35 of its 50 mL."""
    phases = "\n          push: {kind: elute, inlet_a: buffer, flow: 5 mL/min, outlet: pool, until: 35 mL}\n"
    text = FACTORY.replace(
        "    filled_with: buffer", "    filled_with: buffer\n    contents: {{Reactor: feed}}"
    )
    (tmp_path / "made").mkdir()
    made = case(tmp_path / "made", "{kind: superloop, volume: 50 mL}", phases, rate=None, factory=text)
    run = simulate(made.plant, made.bound)
    pool = next(record for record in run.pools if record.vessel == "pool")
    held = made.plant.materials["feed"].composition["product"]
    assert pool.amounts["product"] / pool.volume == pytest.approx(held, rel=2e-3)


FOLDING, AGGREGATION, HELD = 0.01, 2.0, 60.0
"""1/s, m3/(mol s), and the residence time in s of 1 mL at 1 mL/min."""
PROTEINS = FACTORY.replace(
    "  virus: {{role",
    "  native: {{role: product, molar_mass: 50 kg/mol}}\n"
    "  aggregate: {{role: impurity, molar_mass: 50 kg/mol}}\n"
    "  virus: {{role",
).replace("product: 1 g/L,", "product: 1 g/L, native: 0 g/L, aggregate: 0 g/L,")
REFOLDING = f"""
version: "1"
source: made for a test
s:
  Reactor:
    product:
      native: {{folding_rate: {FOLDING} 1/s}}
      aggregate: {{aggregation_rate: {AGGREGATION} m^3/(mol*s)}}
"""
BATCH = """
          fill: {kind: load, inlet_a: feed, flow: 25 mL/min, outlet: waste, until: 30 mL}
          hold: {kind: wait, flow: 0 mL/min, until: 5 min}
          empty: {kind: elute, inlet_a: buffer, flow: 25 mL/min, outlet: pool, until: 20 mL}
"""
PRECIPITATION = """
version: "1"
source: made for a test
s: {Reactor: {product: {precipitation_rate: 0.05 1/s, cohn_beta: -1.9, salting_out: 0.02 m^3/mol}}}
"""
STEADY = """
          fill: {kind: load, inlet_a: feed, flow: 1 mL/min, outlet: waste, until: 20 mL}
          go: {kind: elute, inlet_a: feed, outlet: pool, until: 2 mL}
"""


def pooled(made: Case) -> dict[str, float]:
    """Concentrations in the pool (mol/m3)."""
    run = simulate(made.plant, made.bound, scan=1.0)
    assert float(run.provenance["mass balance"]) < 1e-8
    pool = next(record for record in run.pools if record.vessel == "pool")
    return {name: amount / pool.volume for name, amount in pool.amounts.items()}


def test_a_stirred_tank_refolds_against_aggregation(tmp_path: Path) -> None:
    """Its steady state: (U0 - U) / t = k1 U + k2 U^2, and what is lost is found again."""
    made = case(tmp_path, "{kind: tank, volume: 1 mL}", STEADY, factory=PROTEINS, parameters=REFOLDING)
    fed = made.plant.materials["feed"].composition["product"]
    b = 1.0 / HELD + FOLDING
    left = (math.sqrt(b * b + 4.0 * AGGREGATION * fed / HELD) - b) / (2.0 * AGGREGATION)
    found = pooled(made)
    assert found["product"] == pytest.approx(left, rel=1e-3)
    assert found["native"] == pytest.approx(FOLDING * HELD * left, rel=1e-3)
    assert found["aggregate"] == pytest.approx(AGGREGATION * HELD * left**2, rel=1e-3)
    assert found["product"] + found["native"] + found["aggregate"] == pytest.approx(fed, rel=1e-6)


def test_a_tank_that_stands_refolds_as_a_batch(tmp_path: Path) -> None:
    """The closed form for five minutes and the seconds of filling (2.4 s on average); all is washed out."""
    made = case(tmp_path, "{kind: tank, volume: 1 mL}", BATCH, factory=PROTEINS, parameters=REFOLDING)
    fed = made.plant.materials["feed"].composition["product"]
    rates = refolding.Refolding(FOLDING, AGGREGATION)
    shortest, longest = rates.batch(fed, 300.0), rates.batch(fed, 312.0)
    found = pooled(made)
    native, aggregate = found["native"] * 20.0, found["aggregate"] * 20.0  # back into the 1 mL of the tank
    assert shortest[1] < native < longest[1] * 1.01
    assert aggregate / native == pytest.approx(shortest[2] / shortest[1], rel=0.03)


def test_a_stirred_tank_precipitates_down_to_the_solubility(tmp_path: Path) -> None:
    """Its steady state: (c0 - c) / t = k (c - S) with Cohn's S at the 20 mM of the feed."""
    made = case(tmp_path, "{kind: tank, volume: 1 mL}", STEADY, parameters=PRECIPITATION)
    fed = made.plant.materials["feed"].composition["product"]
    solubility = refolding.Precipitation(-1.9, 0.02, 0.05).solubility(20.0)
    assert solubility < 0.5 * fed
    assert pooled(made)["product"] == pytest.approx(
        (fed + 0.05 * HELD * solubility) / (1.0 + 0.05 * HELD), rel=1e-3
    )


def test_what_precipitates_needs_a_solubility(tmp_path: Path) -> None:
    lacking = PRECIPITATION.replace(", cohn_beta: -1.9", "")
    with pytest.raises(InputError, match=r"s\.Reactor\.product\.cohn_beta"):
        case(tmp_path, "{kind: tank, volume: 1 mL}", STEADY, parameters=lacking)
