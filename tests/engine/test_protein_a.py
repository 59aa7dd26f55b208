"""The published protein A breakthrough with the colloidal isotherm; parameters in
shared/verification/README.md.

Reported on 35 x 35 finite-volume cells: 33.0645 g/L at 10 % breakthrough (constant pH). Refined meshes here
settle about 1.5 % below that; the published run was not repeated on its own mesh, so no more than 2 % is
asked for.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from minifactory.twin import transport
from minifactory.twin.binding import Colloidal
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate


def test_dynamic_binding_capacity() -> None:
    kilodalton, titre, length, diameter, residence = 148.0, 4.69, 0.018, 0.005, 120.0
    radius = 0.7429e-9 * kilodalton**0.3599
    # 237 K: the slip of the source, needed to reproduce it.
    diffusion = transport.stokes_einstein(radius, 237.0, 1e-3)
    area, eps, particle = math.pi / 4.0 * diameter**2, 0.34, 54.1e-6
    flow = area * length / residence
    velocity = flow / area / eps
    bed = Bed(
        "bed", length, area, eps, BedModel.GRM, 0.92, particle / 2.0,
        transport.wilson_geankoplis(velocity, particle, eps, diffusion),
        transport.rastegar_gu(velocity, particle, eps, diffusion),
        pore_diffusion=1.54e-12,
        binding=Colloidal(5.91e8, 4e-9, {"antibody": 39.881}, {"antibody": 25.082}, {"antibody": radius}),
        elements=4, degree=4, radial_nodes=8,
    )  # fmt: skip
    network = Network(("antibody",), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    feed = titre / kilodalton
    end = 38.24 * residence
    times = np.linspace(0.0, end, 2001)
    sections = [Section(0.0, end, np.array([flow]), np.array([[feed]]))]
    state = network.initial_state({"antibody": 0.0})
    outlet = integrate(network, state, sections, times, ["bed"], Tolerance(1e-4)).outlet[:, 0, 0] / feed
    at = int(np.argmax(outlet >= 0.1))
    volumes = np.interp(0.1, outlet[at - 1 : at + 1], times[at - 1 : at + 1]) / residence
    assert titre * volumes == pytest.approx(33.0645, rel=0.02)
