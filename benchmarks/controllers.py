"""Each controller against a battery of disturbances, with and without control, on simulated plants.

    python -m benchmarks.controllers [--cycles 4] [--json]

Plant of loading, retention and pooling: the digital factory of the case cex-polish with a short cycle (20
mL of feed, salt gradient), one simulation per cycle, from an equilibrated column each. Switching is judged
on a detector alone: what it shows of feed and plateau, and the breakthrough at the level that is set. A
disturbance comes at the first cycle and stays. Numbers are deviations from the undisturbed cycle, in the
last cycle, in %: of the product that leaves (loading), of the retention volume and the width (retention),
of the part of the peak that is pooled (pooling); of the breakthrough at the switch in percentage points
(switching).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from minifactory.control.controller import Controller
from minifactory.control.identify import gain_matrix
from minifactory.control.loading import Loading
from minifactory.control.loop import Limits, Loop
from minifactory.control.pooling import Pooling
from minifactory.control.retention import Retention
from minifactory.control.switching import Switching
from minifactory.plant.load import load_plant
from minifactory.recipe import bind
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.references import with_values
from minifactory.signals import Reading
from minifactory.twin.simulate import simulate

CASE = Path(__file__).parents[1] / "cases" / "cex-polish"
RECIPE = """
name: cycle
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution}
    operations:
      cycle:
        phases:
          load: {kind: load, inlet_a: feed, column: C1, flow: 8 mL/min, until: 20 mL}
          wash: {kind: wash, inlet_a: equilibration, until: 60 mL}
          step: {kind: other, percent_b: 20 %B, until: 1 mL}
          elute: {kind: elute, gradient: {to: 100 %B, over: 8 CV}, outlet: pool, until: 500 mL}
"""
DISTURBANCES: Mapping[str, Mapping[str, float]] = {
    "feed +20 %": {"feed.product.strength": 1.2},
    "feed -20 %": {"feed.product.strength": 0.8},
    "capacity -10 %": {"C1.ionic_capacity": 0.9},
    "buffer strength +5 %": {"elution.strength": 1.05},
    "pH (binding constant -15 %)": {"C1.product.k_eq": 0.85},
    "UV drift (gain -5 %, +10 mAU)": {"akta1.UV1.gain": 0.95},
    "pump bias (A and B +2 %)": {"akta1.PumpA.gain": 1.02, "akta1.PumpB.gain": 1.02},
}
OFFSET = 0.010
"""AU that the drifted detector shows too much."""
ML = 1e-6


@dataclass(frozen=True)
class Seen:
    """A cycle: what the detector showed over the elution, and what really left the column (mol)."""

    volume: np.ndarray
    uv: np.ndarray
    product: float

    def moments(self) -> dict[str, float]:
        """Area (AU m3), centre (m3), width (m3), height and baseline (AU)."""
        base = float(self.uv[0])
        above = np.maximum(self.uv - base, 0.0)
        area = float(np.trapezoid(above, self.volume))
        centre = float(np.trapezoid(above * self.volume, self.volume)) / area
        spread = float(np.trapezoid(above * (self.volume - centre) ** 2, self.volume)) / area
        return {
            "output": area,
            "retention": centre,
            "width": 4.0 * math.sqrt(spread),
            "height": float(self.uv.max()),
            "baseline": base,
        }

    def pooled(self, start: float, end: float) -> float:
        """Part of the peak between the first rise over `start` and the fall below `end` (AU)."""
        top = int(np.argmax(self.uv))
        above = np.maximum(self.uv - self.uv[0], 0.0)
        first = int(np.argmax(self.uv[: top + 1] > start)) if self.uv[top] > start else top
        below = np.nonzero(self.uv[top:] < end)[0]
        last = top + int(below[0]) if len(below) else len(self.uv) - 1
        part = np.trapezoid(above[first : last + 1], self.volume[first : last + 1])
        return float(part / np.trapezoid(above, self.volume))


@lru_cache(maxsize=1)
def _plant():  # type: ignore[no-untyped-def]
    plant = load_plant(CASE)
    return plant, parse_recipe(RECIPE, plant)


@lru_cache(maxsize=512)
def cycle(disturbance: str, load: float, start: float, length: float) -> Seen:
    """One cycle with `load` (m3), the gradient from `start` (%B) over `length` (CV)."""
    plant, recipe = _plant()
    values = {
        "cex.cycle.load.until": f"{load / ML:.9g} mL",
        "cex.cycle.step.percent_b": f"{start:.9g} %B",
        "cex.cycle.elute.gradient.over": f"{length:.9g} CV",
    }
    changed = DISTURBANCES.get(disturbance, {})
    parameters = plant.parameters.with_values(
        {path: plant.parameters.get_or(path, 1.0) * factor for path, factor in changed.items()}
    )
    run = simulate(plant, bind(with_values(recipe, values), plant), parameters, scan=2.0)
    phase = next(item for item in run.phases if item.path == "cex.cycle.elute")
    grid = np.linspace(phase.start + 60.0, phase.end, 2000)
    uv = run.trends["UV1.Signal"].at(grid) + (OFFSET if disturbance.startswith("UV drift") else 0.0)
    volume = np.linspace(0.0, phase.volume, len(grid))
    pool = math.fsum(item.amounts.get("product", 0.0) for item in run.pools if item.vessel == "pool")
    return Seen(volume, uv, pool)


def closed(
    controller: Controller, begin: Mapping[str, float], measure, limits: Mapping[str, Limits], cycles: int
) -> list[dict[str, float]]:  # type: ignore[no-untyped-def]
    """Settings of each cycle under control; `measure(settings)` gives what is measured of a cycle."""
    loop = Loop(controller, limits)
    state, settings = loop.begin(begin), []
    for number in range(1, cycles + 1):
        state = loop.begun(state, number)
        settings.append(dict(state.setting))
        values = measure(state.setting)
        readings = {
            name: Reading(values[name], 0.0)
            for name in (*controller.roles, *controller.may)
            if name in values
        }
        state = loop.step(state, number, readings).state
    return settings


def study(cycles: int, chosen: tuple[str, ...] = tuple(DISTURBANCES)) -> dict[str, dict[str, list[float]]]:
    """Controller -> disturbance -> deviations (%) without and with control."""
    table: dict[str, dict[str, list[float]]] = {}
    load, start, length = 20.0 * ML, 20.0, 8.0
    usual = cycle("", load, start, length)
    nominal = usual.moments()

    def percent(value: float, wanted: float) -> float:
        return 100.0 * (value - wanted) / wanted

    def response(s: np.ndarray) -> tuple[float, float]:
        found = cycle("", load, float(s[0]), float(s[1])).moments()
        return found["retention"], found["width"]

    gain = gain_matrix(response, (start, length), (2.0, 0.8))
    law = Retention(
        gain=((gain[0, 0], gain[0, 1]), (gain[1, 0], gain[1, 1])),
        retention=nominal["retention"], width=nominal["width"],
    )  # fmt: skip
    for name in chosen:
        settings = closed(
            Loading(reference=nominal["output"]), {"load": load},
            lambda s, name=name: cycle(name, s["load"], start, length).moments(),
            {"load": Limits(10 * ML, 40 * ML)}, cycles,
        )  # fmt: skip
        ends = [cycle(name, item["load"], start, length).product for item in (settings[0], settings[-1])]
        table.setdefault("loading: product", {})[name] = [percent(item, usual.product) for item in ends]
        settings = closed(
            law, {"start": start, "length": length},
            lambda s, name=name: cycle(name, load, s["start"], s["length"]).moments(),
            {"start": Limits(5.0, 45.0), "length": Limits(4.0, 16.0)}, cycles,
        )  # fmt: skip
        for what in ("retention", "width"):
            first, last = (cycle(name, load, s["start"], s["length"]) for s in (settings[0], settings[-1]))
            ends = [first.moments()[what], last.moments()[what]]
            table.setdefault(f"retention: {what}", {})[name] = [percent(item, nominal[what]) for item in ends]
        rise = nominal["baseline"] + 0.3 * (nominal["height"] - nominal["baseline"])
        fixed, own = {"start": rise, "end": rise}, cycle(name, load, start, length)
        settings = closed(Pooling(0.3, 0.3), fixed, lambda _, own=own: own.moments(), {}, 2)
        wanted = usual.pooled(rise, rise)
        ends = [own.pooled(item["start"], item["end"]) for item in settings]
        table.setdefault("pooling: part pooled", {})[name] = [percent(item, wanted) for item in ends]
        table.setdefault("switching: breakthrough", {})[name] = _switch(name)
    return table


def _switch(disturbance: str) -> list[float]:
    """Percentage points by which the breakthrough at the switch is off, without and with control."""
    feed, plateau, offset, detector = 1.0, 0.25, 0.0, 1.0
    feed *= DISTURBANCES[disturbance].get("feed.product.strength", 1.0)
    if disturbance.startswith("UV drift"):
        detector, offset = 0.95, OFFSET
    shown_feed, shown_plateau = ((feed + plateau) * detector + offset, plateau * detector + offset)
    wanted = 0.1
    fixed = 0.25 + wanted * 1.0
    settings = closed(
        Switching(wanted), {"level": fixed}, lambda _: {"feed": shown_feed, "baseline": shown_plateau}, {}, 2
    )
    # The breakthrough at which the detector behind the column shows the level.
    found = [(item["level"] - shown_plateau) / (shown_feed - shown_plateau) for item in settings]
    return [100.0 * (min(max(item, 0.0), 1.0) - wanted) for item in found]


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--cycles", type=int, default=4)
    words.add_argument("--json", action="store_true")
    asked = words.parse_args(arguments)
    table = study(asked.cycles)
    if asked.json:
        print(json.dumps(table, indent=2))
        return 0
    names = list(table)
    print("| disturbance | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for name in DISTURBANCES:
        cells = [f"{before:+.1f} → {after:+.1f}" for before, after in (table[item][name] for item in names)]
        print(f"| {name} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
