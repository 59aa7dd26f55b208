"""Valves with dead volume: each way through them keeps what stood in it until it is opened again."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from minifactory.app.case import Case, open_case
from minifactory.errors import InputError
from minifactory.records.run import Run
from minifactory.skid.plant import open_plant
from minifactory.twin.simulate import simulate
from tests.twin.test_reactors import FACTORY, RECIPE

PHASES = """
          feed: {kind: load, inlet_a: feed, flow: 10 mL/min, outlet: pool, until: 20 mL}
          rinse: {kind: wash, inlet_a: buffer, outlet: waste, until: 40 mL}
          again: {kind: elute, outlet: pool, until: 20 mL}
          last: {kind: wash, outlet: waste, until: 1 mL}
"""
HELD = "volume: 1 mL, dead_volume: yes, switch_time: 0 s"


def case(folder: Path, valve: str, dead: str = HELD, phases: str = PHASES) -> Case:
    factory = FACTORY.format(device="{kind: mixer, volume: 0.01 mL}")
    line = next(each for each in factory.splitlines() if each.strip().startswith(f"{valve}:"))
    factory = factory.replace(line, line.replace("volume: 0 mL, switch_time: 0 s", dead))
    files = {
        "factory.yaml": factory,
        "recipe.yaml": RECIPE.format(phases=phases.strip("\n")),
        "parameters.yaml": 'version: "1"\nsource: made for a test\n',
        "targets.yaml": 'source: made for a test\nproduct: product\npool: pool\ntargets: {yield: ">= 1 %"}\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_case(folder)


def run_of(made: Case) -> Run:
    run = simulate(made.plant, made.bound)
    assert float(run.provenance["mass balance"]) < 1e-8
    return run


def test_an_outlet_gives_back_what_stood_in_it(tmp_path: Path) -> None:
    """1 mL of feed stands in the way to the pool while buffer goes to waste, and comes with the next pool."""
    made = case(tmp_path, "Outlet")
    run = run_of(made)
    first, second = (record for record in run.pools if record.vessel == "pool")
    held = made.plant.materials["feed"].composition["product"] * 1e-6
    assert second.amounts["product"] == pytest.approx(held, rel=1e-3)
    assert first.amounts["product"] + second.amounts["product"] == pytest.approx(
        run.loaded["product"], rel=2e-3
    )
    assert second.amounts["virus"] / held == pytest.approx(
        made.plant.materials["feed"].composition["virus"]
        / made.plant.materials["feed"].composition["product"],
        rel=1e-3,
    )


def test_an_inlet_has_a_way_of_its_own_for_each_vessel(tmp_path: Path) -> None:
    """The feed's way is filled with buffer at first: the pool lacks what fills it, 1 mL less e^-20."""
    made = case(tmp_path, "Inlet")
    run = run_of(made)
    first = next(record for record in run.pools if record.vessel == "pool")
    feed = made.plant.materials["feed"].composition["product"]
    # 20 mL drawn, of which 1 mL stays in the way, beside some uL in mixer and cell.
    assert first.amounts["product"] == pytest.approx(
        feed * (20e-6 - 1e-6 * (1.0 - math.exp(-20.0))), rel=4e-3
    )
    second = [record for record in run.pools if record.vessel == "pool"][1]
    assert second.amounts["product"] < 1e-4 * feed * 1e-6  # it stands in the feed's way, which is not used


def test_without_dead_volume_nothing_is_kept(tmp_path: Path) -> None:
    made = case(tmp_path, "Outlet", "volume: 1 mL, switch_time: 0 s")
    pools = [record for record in run_of(made).pools if record.vessel == "pool"]
    assert pools[1].amounts["product"] < 1e-6 * pools[0].amounts["product"]


def test_a_pump_wash_rinses_the_way_before_the_pump(tmp_path: Path) -> None:
    """What a wash drives out through the inlet comes from the vessel in line, and never reaches the pool."""
    phases = """
          feed: {kind: load, inlet_a: feed, do: PumpWash(A), flow: 10 mL/min, outlet: pool, until: 2 mL}
          last: {kind: wash, outlet: waste, until: 1 mL}
"""
    made = case(tmp_path, "Inlet", phases=phases)
    run = run_of(made)
    pool = next(record for record in run.pools if record.vessel == "pool")
    # The 20 mL/min for 1 s that were washed leave 1 mL e^(-1/3) of buffer in the way.
    feed = made.plant.materials["feed"].composition["product"]
    wanted = feed * (2e-6 - 1e-6 * math.exp(-1.0 / 3.0) * (1.0 - math.exp(-2.0)))
    assert pool.amounts["product"] == pytest.approx(wanted, rel=0.03)


def test_the_virtual_skid_has_it_too(tmp_path: Path) -> None:
    made = case(tmp_path, "Outlet")
    run = run_of(made)
    predicted = sum(record.amounts["product"] for record in run.pools if record.vessel == "pool")
    plant = open_plant(tmp_path, seed=1, speed=None, identical=True)
    skid, number = plant.skids["s"], 0
    for phase, record in zip(made.bound.phases, run.phases, strict=True):
        skid.write(dict(phase.start.setpoints))
        for item in phase.start.instructions:
            number += 1
            skid.call(item.name, dict(item.arguments), number, "test")
        skid.advance(record.end)
    assert plant.contents().received["pool"]["product"] == pytest.approx(predicted, rel=5e-3)


def test_dead_volume_needs_a_volume(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a valve with dead volume, but no volume"):
        case(tmp_path, "Outlet", "dead_volume: yes, switch_time: 0 s")
