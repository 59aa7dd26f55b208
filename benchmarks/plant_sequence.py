"""A whole sequence against real time: three columns, inactivation, filtration, tubing and tanks.

``python -m benchmarks.plant_sequence`` prints how many times faster than real time one thread simulates it,
and how that changes with the number of columns.

Feed vessel -> tube -> capture column -> pool vessel, held at low pH for inactivation, then through a packed
reactor -> mixer with conditioning buffer -> hold vessel -> second column in flow-through and elution ->
pool vessel -> third column -> product vessel, ultrafiltration and diafiltration in it. All columns carry
salt and three proteins with steric mass action; every piece of flow path (tube, mixer, detector cell) is a
unit of the network.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np

from minifactory.twin.binding import StericMassAction
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Tube,
    Vessel,
    integrate,
)
from minifactory.twin.engine.specification import NetworkUnit
from minifactory.twin.engine.tables import Array
from minifactory.twin.operations import filtration, inactivation, vessels

COMPONENTS = ("salt", "product", "impurity", "aggregate")
FLOW = 3e-8
"""m3/s (1.8 mL/min)."""
HOUR = 3600.0
K_EQ = {"product": 7.7e-3, "impurity": 1.6e-3, "aggregate": 3.55e-2}
CHARGE = {"product": 5.3, "impurity": 3.7, "aggregate": 4.7}
SHIELDING = {"product": 10.6, "impurity": 10.0, "aggregate": 11.8}


@dataclass(frozen=True)
class Plant:
    """A network of columns in a row, and the names of its links."""

    network: Network
    names: tuple[str, ...]

    def flows(self, **shares: float) -> Array:
        """Flows (links,) in m3/s: parts of :data:`FLOW` by link name."""
        unknown = set(shares) - set(self.names)
        if unknown:
            raise KeyError(unknown)
        return np.array([shares.get(name, 0.0) for name in self.names]) * FLOW


def plant(columns: int = 3, elements: int = 3) -> Plant:
    """A row of columns, each behind a tube and a mixer and before a cell, vessels between them."""
    units: list[NetworkUnit] = [Vessel("V0", 1e-3, 5e-4)]
    links: list[tuple[str, Link]] = []
    for i in range(1, columns + 1):
        sma = StericMassAction("salt", 1200.0, K_EQ, CHARGE, SHIELDING)
        bed = Bed(
            f"C{i}", 0.05, 2e-4, 0.37, BedModel.LRMP, 0.75, 45e-6, 6.9e-6, 5.75e-8, binding=sma,
            elements=elements, degree=4,
        )  # fmt: skip
        units += [
            Tube(f"T{i}", 5e-7, stages=8), StirredTank(f"M{i}", 1.4e-6), bed, StirredTank(f"D{i}", 1e-8),
            Vessel(f"V{i}", 2e-3),
        ]  # fmt: skip
        links += [
            (f"load{i}", Link(f"V{i - 1}", f"T{i}")), (f"line{i}", Link(f"T{i}", f"M{i}")),
            (f"buffer{i}", Link("buffer", f"M{i}")), (f"on{i}", Link(f"M{i}", f"C{i}")),
            (f"out{i}", Link(f"C{i}", f"D{i}")), (f"pool{i}", Link(f"D{i}", f"V{i}")),
            (f"water{i}", Link("water", f"V{i}")),
        ]  # fmt: skip
    network = Network(
        COMPONENTS, tuple(units), (Inlet("buffer"), Inlet("water")), tuple(link for _, link in links)
    )
    return Plant(network, tuple(name for name, _ in links))


def step(made: Plant, i: int, begin: float) -> list[Section]:
    """Column i: load from the vessel before it, wash, elute, strip, clean, equilibrate, dilute the pool."""

    def inlets(salt: float) -> Array:
        return np.array([[salt, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])

    through = {f"on{i}": 1.0, f"out{i}": 1.0}
    onto = made.flows(**{f"load{i}": 1.0, f"line{i}": 1.0}, **through)
    wash = made.flows(**{f"buffer{i}": 1.0}, **through)
    collect = made.flows(**{f"buffer{i}": 1.0, f"pool{i}": 1.0}, **through)
    plan = [
        (3.8, onto, 50.0, 50.0), (0.7, wash, 50.0, 50.0), (0.6, wash, 100.0, 170.0),
        (0.9, collect, 170.0, 270.0), (0.5, wash, 1000.0, 1000.0), (0.5, wash, 2000.0, 2000.0),
        (0.8, wash, 50.0, 50.0), (0.75, made.flows(**{f"water{i}": 4.0}), 50.0, 50.0),
    ]  # fmt: skip
    sections, now = [], begin
    for hours, flows, first, last in plan:
        end = now + hours * HOUR
        sections.append(Section(now, end, flows, inlets(first), None, inlets(last)))
        now = end
    return sections


def simulate(made: Plant, columns: int) -> dict[str, float]:
    """The sequence; what came out, how much process time it covers, and how well its mass closes."""
    network = made.network
    liquid = {unit.name: network.composition({"salt": 50.0}) for unit in network.units}
    liquid["V0"] = network.composition({"salt": 50.0, "product": 0.05, "impurity": 0.02, "aggregate": 0.005})
    state, now, closure, steps = network.initial_state(liquid), 0.0, 0.0, 0
    removed = 0.0
    for i in range(1, columns + 1):
        sections = step(made, i, now)
        ports = [f"D{i}"]
        times = np.linspace(now, sections[-1].t1, 500)
        solution = integrate(network, state, sections, times, ports, Tolerance(1e-3))
        state, now, steps = solution.state, sections[-1].t1, steps + solution.steps
        closure = max(closure, float(solution.balance.closure.max()))
        if i == 1:
            # Held for an hour, then continuously through a packed reactor.
            removed += inactivation.plug_flow(2e-3, HOUR)
            removed += inactivation.dispersed(2e-3, HOUR, inactivation.packed_bed_peclet(0.4, 2e-4))
            now += 2.0 * HOUR
    membrane = filtration.Membrane(
        0.01, 2e-10, 1e5, 5e-6, gel=2.0, sieving={"product": 0.0, "impurity": 0.0, "aggregate": 0.0},
        limiting="product",
    )  # fmt: skip
    volume, content = vessels.content(network, state, f"V{columns}")
    small = filtration.concentrate(membrane, content, volume, 0.1 * volume)
    washed = filtration.diafilter(
        membrane, dict(zip(small.components, small.concentrations[-1].tolist(), strict=True)), {"salt": 20.0},
        0.1 * volume, 6.0,
    )  # fmt: skip
    now += small.duration + washed.duration
    end = dict(zip(washed.components, washed.concentrations[-1].tolist(), strict=True))
    amounts = 0.05 * 5e-4
    return {
        "process time / h": now / HOUR,
        "steps": float(steps),
        "product yield": end["product"] * 0.1 * volume / amounts,
        "aggregate per product": end["aggregate"] / max(end["product"], 1e-300),
        "log reduction": removed,
        "mass closure": closure,
    }


def measure(columns: int, best_of: int = 3) -> dict[str, float]:
    """Figures of a sequence of so many columns, with its processor time."""
    made = plant(columns)
    result = simulate(made, columns)
    spent = []
    for _ in range(best_of):
        start = time.process_time()
        simulate(made, columns)
        spent.append(time.process_time() - start)
    best = min(spent)
    return {
        "columns": float(columns), "units": float(len(made.network.units)), **result,
        "processor time / s": best, "times real time": result["process time / h"] * HOUR / best,
    }  # fmt: skip


def main() -> None:
    """Prints the figures for one to six columns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [measure(columns) for columns in (1, 2, 3, 4, 6)]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
