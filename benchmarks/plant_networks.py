"""Whole-plant networks: vessels between columns with valve switching, and moving beds.

``python -m benchmarks.plant_networks`` prints the tables of docs/benchmarks.md, "Whole plant".
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tests.twin.test_moving_bed import eight_columns, four_columns

from minifactory.twin.binding import StericMassAction
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Tolerance,
    Tube,
    Vessel,
    Way,
    integrate,
    steady_cycle,
)
from minifactory.twin.engine.tables import Array

MESHES = ((2, 3), (3, 3), (3, 4), (4, 4), (4, 5), (6, 5))
"""Elements and degree of the beds tried for a figure."""


def processor_time(work: Callable[[], object], best_of: int = 7) -> float:
    """Least processor time of `work`, s."""
    work()
    times = []
    for _ in range(best_of):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@dataclass(frozen=True)
class Case:
    """A network with what drives it and the output asked for."""

    network: Network
    state: Array
    sections: list[Section]
    times: Array
    ports: tuple[str, ...]

    def run(self, tolerance: float) -> Array:
        """Outlets at the output times."""
        return integrate(
            self.network, self.state, self.sections, self.times, self.ports, Tolerance(tolerance)
        ).outlet


def two_columns_and_tanks(elements: int, degree: int, proteins: int = 2) -> Case:
    """Feed tank -> tube -> SMA column -> hold tank -> SMA column, valves switching; salt and `proteins`.

    The columns are those of the published lysozyme case (LRMP, Puettmann 2013). Load from the feed tank (or
    buffer past it) through the tube onto C1, wash, gradient; its middle is collected in the hold tank and
    diluted there; then the hold tank is loaded on C2, washed, eluted in a gradient.
    """
    names = ("p1", "p2", "p3")[:proteins]
    components = ("salt", *names)
    sma = StericMassAction(
        "salt", 1200.0, dict(zip(names, (35.5e-3, 1.59e-3, 7.7e-3), strict=False)),
        dict(zip(names, (4.7, 5.29, 3.7), strict=False)), dict(zip(names, (11.83, 10.6, 10.0), strict=False)),
    )  # fmt: skip

    def bed(name: str) -> Bed:
        return Bed(
            name, 0.014, 1e-4, 0.37, BedModel.LRMP, 0.75, 45e-6, 6.9e-6, 5.75e-8, binding=sma,
            elements=elements, degree=degree,
        )  # fmt: skip

    q = 5.75e-4 * 0.37 * 1e-4
    units = (
        Vessel("feed tank", 2e-6, 1.5e-6), Tube("tube", 2e-7, stages=8), bed("C1"),
        Vessel("hold", 5e-5), bed("C2"),
    )  # fmt: skip
    links = (
        Link("feed tank", "tube"), Link("buffer", "tube"), Link("tube", "C1"), Link("C1", "hold"),
        Link("water", "hold"), Link("hold", "C2"), Link("buffer", "C2"),
    )  # fmt: skip
    network = Network(components, units, (Inlet("buffer"), Inlet("water")), links)
    zero = np.zeros(proteins)

    def inlets(salt: float) -> Array:
        return np.array([[salt, *zero], [0.0, *zero]])

    def flows(**named: float) -> Array:
        order = ("feed", "buffer", "tube", "pool", "water", "load", "elute")
        return np.array([named.get(name, 0.0) for name in order]) * q

    on = flows(buffer=1.0, tube=1.0)
    pool = flows(buffer=1.0, tube=1.0, pool=1.0)
    second = flows(elute=1.0)
    sections = [
        Section(0.0, 50.0, flows(feed=1.0, tube=1.0), inlets(50.0)),
        Section(50.0, 140.0, on, inlets(50.0)),
        Section(140.0, 500.0, on, inlets(100.0), None, inlets(170.0)),
        Section(500.0, 900.0, pool, inlets(170.0), None, inlets(250.0)),
        Section(900.0, 1200.0, on, inlets(1000.0)),
        Section(1200.0, 1700.0, flows(water=3.0), inlets(50.0)),
        Section(1700.0, 3500.0, flows(load=1.0), inlets(50.0)),
        Section(3500.0, 3600.0, second, inlets(50.0)),
        Section(3600.0, 5000.0, second, inlets(60.0), None, inlets(340.0)),
    ]
    composition = {"salt": 50.0} | dict.fromkeys(names, 1.0)
    liquid = {unit.name: network.composition({"salt": 50.0}) for unit in units}
    liquid["feed tank"] = network.composition(composition)
    return Case(
        network, network.initial_state(liquid), sections, np.linspace(0.0, 5000.0, 1001), ("C1", "hold", "C2")
    )


def errors(case: Case, tolerance: float, reference: Array) -> tuple[float, float]:
    """Largest and mean error of the proteins at the columns' outlets, relative to each peak."""
    difference = np.abs(case.run(tolerance) - reference)[:, [0, 2], 1:]
    peak = reference[:, [0, 2], 1:].max(axis=0)
    return float((difference / peak).max()), float((difference / peak).mean(axis=0).max())


def vessel_rows(proteins: int) -> list[dict[str, float]]:
    """Work against error of the two columns with tanks."""
    reference = two_columns_and_tanks(12, 5, proteins).run(1e-8)
    rows = []
    for elements, degree in MESHES:
        for tolerance in (1e-2, 3e-3, 1e-3, 1e-4, 1e-6):
            case = two_columns_and_tanks(elements, degree, proteins)
            largest, mean = errors(case, tolerance, reference)
            spent = processor_time(lambda case=case, tolerance=tolerance: case.run(tolerance), 3)  # type: ignore[misc]
            rows.append(
                {"elements": elements, "degree": degree, "tolerance": tolerance, "Linf": largest, "L1": mean,
                 "ms": 1e3 * spent}
            )  # fmt: skip
    return rows


def moving_bed_rows() -> list[dict[str, float | str]]:
    """Time of ten cycles (80 periods), and of the steady state by every way, of the eight-column bed."""
    smb = eight_columns(4)
    start = smb.network.initial_state(np.zeros(2))
    sections, none = smb.sections(80), np.zeros(0)
    rows: list[dict[str, float | str]] = []
    for tolerance in (1e-4, 1e-6):
        chosen = Tolerance(tolerance)
        spent = processor_time(
            lambda chosen=chosen: integrate(smb.network, start, sections, none, (), chosen),  # type: ignore[misc]
            2,
        )
        rows.append(
            {"what": f"eight columns, 10 cycles, tolerance {tolerance:g}", "periods": 80.0, "s": spent}
        )
    for way in Way:
        begun = time.process_time()
        found = steady_cycle(smb.cycle(), start, way=way, accuracy=1e-6)
        rows.append(
            {"what": f"eight columns, steady to 1e-6: {way.value}", "periods": float(found.cycles),
             "s": time.process_time() - begun}
        )  # fmt: skip
    four = four_columns(20)
    begin = four.network.initial_state(np.zeros(2))
    rows.append(
        {"what": "four columns, Langmuir shocks, 800 s, 20 x 6 nodes", "periods": 40.0, "s": processor_time(
            lambda: integrate(four.network, begin, four.sections(40), none, (), Tolerance(2e-5)), 1)}
    )  # fmt: skip
    return rows


def main() -> None:
    """Prints the tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = {
        "salt and two proteins": vessel_rows(2),
        "salt and three proteins": vessel_rows(3),
        "moving beds": moving_bed_rows(),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    for title, rows in result.items():
        print(title)
        for row in rows:
            values = (f"{k} {v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items())
            print("  " + "  ".join(values))


if __name__ == "__main__":
    main()
