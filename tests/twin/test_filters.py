"""Filters that a description names: pressure by the laws of blocking, what they catch, what they warn of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from minifactory.app.case import Case, open_case
from minifactory.errors import InputError
from minifactory.recipe.check import check
from minifactory.records.run import Run
from minifactory.skid.plant import open_plant
from minifactory.twin.operations.dead_end import Filter, Fouling
from minifactory.twin.simulate import simulate
from tests.twin.test_reactors import FACTORY, RECIPE

AREA, PERMEABILITY = 20e-4, 100e-3 / 3600.0 / 1e5
"""m2, and m/(s Pa): 100 L/(m2 h bar)."""
DEVICE = (
    "{{kind: filter, area: 20 cm^2, permeability: 100 L/(m^2*h*bar), volume: 0.2 mL, blocking: {law}{more}}}"
)
PHASES = """
          rinse: {kind: wash, inlet_a: buffer, flow: 2 mL/min, outlet: waste, until: 10 mL}
          filter: {kind: load, inlet_a: feed, outlet: pool, until: 60 mL}
"""
FLOW = 2e-6 / 60.0


def parameters(**stated: object) -> str:
    block = ", ".join(f"{name}: {value}" for name, value in stated.items())
    return f'version: "1"\nsource: made for a test\ns: {{Reactor: {{{block}}}}}\n'


def case(folder: Path, law: str = "standard", more: str = "", phases: str = PHASES, **stated: object) -> Case:
    files = {
        "factory.yaml": FACTORY.format(device=DEVICE.format(law=law, more=more)),
        "recipe.yaml": RECIPE.format(phases=phases.strip("\n")),
        "parameters.yaml": parameters(**stated),
        "targets.yaml": 'source: made for a test\nproduct: product\npool: pool\ntargets: {yield: ">= 1 %"}\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_case(folder)


def run_of(made: Case) -> Run:
    run = simulate(made.plant, made.bound)
    assert float(run.provenance["mass balance"]) < 1e-8
    return run


@pytest.mark.parametrize(
    ("law", "of_volume"),
    [
        ("complete", lambda x: 1.0 / (1.0 - x)),
        ("standard", lambda x: (1.0 - 0.5 * x) ** -2.0),
        ("intermediate", math.exp),
        ("cake", lambda x: 1.0 + x),
    ],
)
def test_the_pressure_follows_the_law_of_blocking(tmp_path: Path, law: str, of_volume) -> None:  # type: ignore[no-untyped-def]
    """At constant flow, with a constant per volume of any liquid: 0.9 when all is through."""
    run = run_of(case(tmp_path, law, blocking=f"{0.9 / (70e-6 / AREA)} 1/m"))
    shown, volume = run.trends["Reactor.Pressure"], run.trends["Reactor.Volume"]
    assert volume.values[-1] == pytest.approx(70e-6, rel=1e-3)
    for at in (0.3, 0.6, 1.0):
        time = float(np.interp(at * volume.values[-1], volume.values, volume.time))
        extent = 0.9 * float(np.interp(time, volume.time, volume.values)) / 70e-6
        wanted = FLOW / (PERMEABILITY * AREA) * of_volume(extent)
        assert float(np.interp(time, shown.time, shown.values)) == pytest.approx(wanted, rel=1e-3)
    rest = run.trends["Pressure.System"].values[-1] - shown.values[-1]
    assert abs(rest) < 1e-3 * shown.values[-1]  # the UV cell and the valve take nothing


@pytest.mark.parametrize("fouling", list(Fouling))
def test_blocking_is_the_same_at_constant_pressure(fouling: Fouling) -> None:
    """Hermia's flux at constant pressure is the clean one over the growth of the resistance."""
    item = Filter(
        AREA, 1e-4, fouling, {"complete blocking": 2e-3, "cake filtration": 2e5}.get(fouling.value, 20.0)
    )
    for time in (10.0, 100.0, 300.0):
        grown = item.growth(item.throughput(time))
        assert item.flux(time) == pytest.approx(1e-4 / grown, rel=1e-9)


def test_only_what_fouls_blocks_a_filter(tmp_path: Path) -> None:
    """By the mass of the product that came to it: none of the rinse, all of the feed but the hold-up."""
    per_mass = 1.0 / (60e-3 * 1e-3 / AREA)  # m2/kg: extent 1 after 60 mL of 1 g/L
    run = run_of(case(tmp_path, "intermediate", product=f"{{blocking: {per_mass} m^2/kg}}"))
    clean = FLOW / (PERMEABILITY * AREA)
    shown = run.trends["Reactor.Pressure"]
    rinsed = next(phase for phase in run.phases if phase.path.endswith("rinse"))
    assert float(shown.at(np.array([rinsed.end]))[0]) == pytest.approx(clean, rel=1e-3)
    come = run.loaded["product"] * 50.0 / (60e-3 * 1e-3)  # what is left stands in 0.1 mL before the membrane
    assert shown.values[-1] == pytest.approx(clean * math.exp(come - 0.11 / 60.0), rel=1e-3)


def test_a_virus_is_held_back_by_its_decades(tmp_path: Path) -> None:
    """Whatever the flow, and down to many decades; the product passes whole; mass closes."""
    phases = PHASES + "          slower: {kind: load, flow: 0.5 mL/min, outlet: pool, until: 10 mL}\n"
    made = case(tmp_path, phases=phases, virus="{log_reduction: 4.5}")
    run = run_of(made)
    feed = made.plant.materials["feed"].composition
    pools = [record for record in run.pools if record.vessel == "pool"]
    passed = {name: sum(record.amounts[name] for record in pools) for name in ("virus", "product")}
    # As much product as virus is on its way through the hold-up of the filter, ten decades apart.
    assert passed["virus"] / feed["virus"] * feed["product"] == pytest.approx(
        passed["product"] * 10.0**-4.5, rel=1e-6
    )
    assert passed["product"] == pytest.approx(run.loaded["product"], rel=5e-3)


def test_a_filter_before_the_pump_is_at_suction(tmp_path: Path) -> None:
    """Its gauge shows what it takes; the pressure behind the pump is not raised by it."""
    case(tmp_path)
    factory = (tmp_path / "factory.yaml").read_text(encoding="utf-8")
    factory = factory.replace("Inlet.out > PumpA > Meet.a", "Inlet.out > Reactor > PumpA > Meet.a")
    factory = factory.replace("Meet.out > Reactor > UV", "Meet.out > UV")
    (tmp_path / "factory.yaml").write_text(factory, encoding="utf-8")
    run = run_of(open_case(tmp_path))
    clean = FLOW / (PERMEABILITY * AREA)
    assert run.trends["Reactor.Pressure"].values[-1] == pytest.approx(clean, rel=1e-3)
    assert run.trends["Pressure.System"].values.max() < 0.01 * clean


def test_a_filter_warns_beyond_its_limits(tmp_path: Path) -> None:
    """The prediction tells when; the check tells before."""
    made = case(tmp_path, more=", capacity: 20 L/m^2, max_pressure: 0.1 MPa", blocking="40 1/m")
    run = run_of(made)
    told = {event.text: event.time for event in run.events if event.category == "filter"}
    capacity = next(time for text, time in told.items() if "capacity" in text)
    assert capacity == pytest.approx(40e-6 / FLOW, abs=3.0)
    assert any("0.1 MPa" in text for text in told)
    found = [str(finding) for finding in check(made.recipe, made.plant).findings]
    assert any("up to 70 mL through Reactor" in text and "Take at least 35 cm^2" in text for text in found)


def test_the_virtual_skid_shows_what_is_predicted(tmp_path: Path) -> None:
    made = case(tmp_path, "intermediate", product="{blocking: 40 m^2/kg}", virus="{log_reduction: 3}")
    run = run_of(made)
    plant = open_plant(tmp_path, seed=1, speed=None, identical=True)
    skid = plant.skids["s"]
    number = 0
    for phase in made.bound.phases:
        skid.write(dict(phase.start.setpoints))
        for item in phase.start.instructions:
            number += 1
            skid.call(item.name, dict(item.arguments), number, "test")
        skid.advance(skid.time + (phase.planned_time or 0.0))
    image = dict(zip((tag.name for tag in skid.table.readable), skid.image().values, strict=True))
    assert image["Reactor.Volume"] == pytest.approx(run.trends["Reactor.Volume"].values[-1], rel=2e-3)
    assert image["Reactor.Pressure"] == pytest.approx(run.trends["Reactor.Pressure"].values[-1], rel=0.05)
    pooled = plant.contents().received["pool"]
    assert pooled["virus"] / pooled["product"] == pytest.approx(
        made.plant.materials["feed"].composition["virus"]
        / made.plant.materials["feed"].composition["product"]
        * 1e-3,
        rel=1e-3,
    )


def test_a_filter_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        case(tmp_path, law="sieve", more=", gauge: perhaps", blocking="-1 1/m")
    text = str(caught.value)
    assert '"sieve" is not a choice here' in text
    assert "standard" in text
    assert "perhaps" in text
    assert "blocking" in text
    factory = FACTORY.format(device="{{kind: filter}}".format())
    (tmp_path / "factory.yaml").write_text(factory, encoding="utf-8")
    with pytest.raises(InputError, match="a filter without area") as lacking:
        open_case(tmp_path)
    assert "a filter without permeability" in str(lacking.value)
    assert "a filter without volume" in str(lacking.value)
