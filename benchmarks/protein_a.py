"""The published protein A case with its pH profile: ``python -m benchmarks.protein_a [--json]``.

Load, wash and elution (step, and with the measured profile of pH at the inlet) on the colloidal isotherm
whose strength and repulsion follow H+. Parameters: shared/verification/README.md; profile: data/protein_a.

The source lets the surface diffusion grow as exp(93 m3/mol [H+]), from 5.1e-16 m2/s in the load to 3e-3
m2/s at pH 3.5, where it limits nothing. Here the elution runs on the same column with a fixed `FAST`, large
enough to limit nothing either: with a tenth of it the pool is 20 % longer.

The front of the elution is sharper than some 30 nodes can hold. On such a mesh (`COARSE`) the engine falls
back on upwind finite volumes, about the source's 35 cells, and finds the source's pool; on a mesh that
holds the front (`FINE`, the same on twice the nodes) the pool is narrower, with the same amount in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import time
from pathlib import Path

import numpy as np

from minifactory.twin import transport
from minifactory.twin.binding import Colloidal
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate
from minifactory.twin.engine.tables import Array

KILODALTON, TITRE, LENGTH, DIAMETER, RESIDENCE = 148.0, 4.69, 0.018, 0.005, 120.0
LOAD, WASH, ELUTION = 38.24, 20.0, 5.0
SLOW, FAST = 5.1e-16, 1e-9
COARSE, FINE = 6, 12
"""Elements of degree 4 along the bed."""
PUBLISHED = {"step": (0.9167, 58.089), "measured pH profile": (0.95, 56.023)}


def protons(ph: float) -> float:
    """H+ in mol/m3."""
    return 10.0 ** (3.0 - ph)


def column(surface_diffusion: float, elements: int, radial: int) -> Network:
    """The column; 237 K in the correlations is the slip of the source."""
    radius = 0.7429e-9 * KILODALTON**0.3599
    diffusion = transport.stokes_einstein(radius, 237.0, 1e-3)
    area, porosity, particle = math.pi / 4.0 * DIAMETER**2, 0.34, 54.1e-6
    velocity = LENGTH / RESIDENCE / porosity
    binding = Colloidal(
        5.91e8, 4e-9, {"antibody": 39.91}, {"antibody": 8.7894}, {"antibody": radius}, hydrogen="H",
        ln_k_slope={"antibody": -28.543}, repulsion_power={"antibody": -0.099},
    )  # fmt: skip
    bed = Bed(
        "bed", LENGTH, area, porosity, BedModel.GRM, 0.92, particle / 2.0,
        transport.wilson_geankoplis(velocity, particle, porosity, diffusion),
        transport.rastegar_gu(velocity, particle, porosity, diffusion),
        pore_diffusion={"H": 7e-10, "antibody": 1.54e-12},
        surface_diffusion={"H": 0.0, "antibody": surface_diffusion},
        binding=binding, elements=elements, degree=4, radial_nodes=radial,
    )  # fmt: skip
    return Network(("H", "antibody"), (bed,), (Inlet("in"),), (Link("in", "bed"),))


def elution_profile(folder: Path | None) -> list[tuple[float, float]]:
    """Time since the start of the elution (s) and H+ (mol/m3) at the inlet: a step without a folder."""
    if folder is None:
        return [(0.0, protons(3.5)), (ELUTION * RESIDENCE, protons(3.5))]
    import openpyxl

    rows = list(
        openpyxl.load_workbook(folder / "measured_inlet_profile.xlsx", read_only=True).worksheets[0].values
    )[1:]
    table = np.array(rows, dtype=float)
    flow = math.pi / 4.0 * DIAMETER**2 * LENGTH / RESIDENCE
    seconds = table[:, 0] * 1e-6 / flow - (LOAD + WASH) * RESIDENCE
    inside = (seconds > 0.0) & (seconds < ELUTION * RESIDENCE)
    ends = np.interp([0.0, ELUTION * RESIDENCE], seconds, table[:, 1])
    times = [0.0, *seconds[inside][::4], ELUTION * RESIDENCE]
    values = [ends[0], *table[inside, 1][::4], ends[1]]
    return [(float(t), float(value)) for t, value in zip(times, values, strict=True)]


def run(folder: Path | None = None, elements: int = COARSE, radial: int = 6) -> dict[str, float]:
    """Pool above 5 g/L: volume in CV, mean concentration in g/L; and its processor time in s."""
    started = time.process_time()
    network, faster = column(SLOW, elements, radial), column(FAST, elements, radial)
    flow = np.array([math.pi / 4.0 * DIAMETER**2 * LENGTH / RESIDENCE])
    high = protons(7.4)
    load = Section(0.0, LOAD * RESIDENCE, flow, np.array([[high, TITRE / KILODALTON]]))
    wash = Section(load.t1, load.t1 + WASH * RESIDENCE, flow, np.array([[high, 0.0]]))
    state = integrate(
        network, network.initial_state({"H": high}), [load, wash], np.zeros(0), (), Tolerance(1e-3)
    ).state
    profile = elution_profile(folder)
    sections = [
        Section(t0, t1, flow, np.array([[h0, 0.0]]), None, np.array([[h1, 0.0]]))
        for (t0, h0), (t1, h1) in itertools.pairwise(profile)
    ]
    times = np.linspace(0.0, ELUTION * RESIDENCE, 3001)
    eluted = integrate(faster, state, sections, times, ["bed"], Tolerance(1e-3))
    return pool(times, eluted.outlet[:, 0, 1] * KILODALTON) | {"s": time.process_time() - started}


def pool(times: Array, concentration: Array) -> dict[str, float]:
    """The pool above 5 g/L."""
    inside = np.flatnonzero(concentration > 5.0)
    first, last = inside[0], inside[-1] + 1
    width = times[last - 1] - times[first]
    mean = np.trapezoid(concentration[first:last], times[first:last]) / width
    return {"CV": float(width / RESIDENCE), "g/L": float(mean)}


def main() -> None:
    """Prints pools and times beside the published ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("MINIFACTORY_DATA", "../shared/data"))
    folder = shared / "protein_a"
    run()  # compiles
    profiles = {"step": None} | ({"measured pH profile": folder} if folder.is_dir() else {})
    found = {
        f"{name}, {elements} elements": run(profile, elements)
        for name, profile in profiles.items()
        for elements in (COARSE, FINE)
    }
    if arguments.json:
        print(
            json.dumps(
                {name: row | {"published": PUBLISHED[name.split(",")[0]]} for name, row in found.items()},
                indent=1,
            )
        )
        return
    for name, row in found.items():
        volume, mean = PUBLISHED[name.split(",")[0]]
        print(
            f"{name}: pool {row['CV']:.4f} CV (published {volume:.4f}), {row['g/L']:.2f} g/L ({mean:.3f}), "
            f"{row['s']:.1f} s"
        )


if __name__ == "__main__":
    main()
