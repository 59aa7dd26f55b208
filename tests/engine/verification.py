"""The published column cases of shared/verification as networks and sections; sources in its README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minifactory.twin.binding import BindingModel, Langmuir, Linear, StericMassAction
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Solution,
    Tolerance,
    integrate,
)

Mesh = tuple[int, int, int]  # elements, degree, nodes in the particle


@dataclass(frozen=True)
class Case:
    """A column, what enters it, and the file with its outlet."""

    name: str
    network: Network
    start: np.ndarray
    sections: tuple[Section, ...]
    file: str

    def reference(self, folder: Path) -> np.ndarray:
        """Times and outlet concentrations, (nt, 1 + nc)."""
        return np.loadtxt(folder / self.file, delimiter=",", skiprows=1)

    def run(self, times: Sequence[float] | np.ndarray, tolerance: float) -> Solution:
        """The outlet of the column at `times`."""
        end = max(float(np.max(times)), self.sections[-1].t0 + 1e-9)
        last = self.sections[-1]
        assert end <= last.t1
        state = self.network.initial_state(self.start)
        return integrate(self.network, state, self.sections, np.asarray(times), ["bed"], Tolerance(tolerance))


def _column(
    model: BedModel, components: tuple[str, ...], binding: BindingModel, mesh: Mesh, **changes: object
) -> tuple[Network, float]:
    """The chromatography column of the CASEMA/Puettmann cases, and its flow in m3/s."""
    numbers: dict[str, object] = {
        "length": 0.014, "area": 1.0, "interstitial_porosity": 0.37, "particle_porosity": 0.75,
        "particle_radius": 45e-6, "film_coefficient": 6.9e-6, "axial_dispersion": 5.75e-8,
        "pore_diffusion": 6.07e-11,
    }  # fmt: skip
    numbers.update(changes)
    bed = Bed(
        "bed", model=model, binding=binding, elements=mesh[0], degree=mesh[1], radial_nodes=mesh[2], **numbers
    )  # type: ignore[arg-type]
    network = Network(components, (bed,), (Inlet("in"),), (Link("in", "bed"),))
    return network, 5.75e-4 * bed.interstitial_porosity


def _pulse(
    name: str, network: Network, flow: float, feed: float, width: float, end: float, file: str
) -> Case:
    nc = len(network.components)
    flows, zero = np.array([flow]), np.zeros((1, nc))
    sections = (
        Section(0.0, width, flows, np.full((1, nc), feed)),
        Section(width, end, flows, zero),
    )
    return Case(name, network, np.zeros(nc), sections, file)


def linear_lrm(mesh: Mesh) -> Case:
    bed = Bed(
        "bed", 1.0, 1.0, 0.6, BedModel.LRM, axial_dispersion=1e-4, binding=Linear({"x": 1.0}, {"x": 1.0}),
        elements=mesh[0], degree=mesh[1],
    )  # fmt: skip
    network = Network(("x",), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    return _pulse("LRM linear", network, 0.02, 1.0, 10.0, 1500.0, "casema_lrm_linear.csv")


def linear_lrmp(mesh: Mesh) -> Case:
    network, flow = _column(BedModel.LRMP, ("x",), Linear({"x": 35.5}, {"x": 10.0}), mesh)
    return _pulse("LRMP linear", network, flow, 1.0, 10.0, 1500.0, "casema_lrmp_linear.csv")


def linear_grm(mesh: Mesh, end: float = 6000.0) -> Case:
    """No file: closed-form moments."""
    network, flow = _column(BedModel.GRM, ("x",), Linear({"x": 35.5}, {"x": 10.0}), mesh)
    return _pulse("GRM linear", network, flow, 1.0, 10.0, end, "")


def langmuir_lrm(mesh: Mesh) -> Case:
    binding = Langmuir({"C0": 0.1, "C1": 0.05}, {"C0": 10.0, "C1": 10.0})
    bed = Bed(
        "bed", 1.0, 1.0, 0.4, BedModel.LRM, axial_dispersion=1e-4, binding=binding, elements=mesh[0],
        degree=mesh[1],
    )  # fmt: skip
    network = Network(("C0", "C1"), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    return _pulse("LRM Langmuir", network, 0.04, 10.0, 12.0, 400.0, "frandsen_lrm_langmuir.csv")


def langmuir_grm(mesh: Mesh) -> Case:
    binding = Langmuir({"C0": 0.1, "C1": 0.05}, {"C0": 10.0, "C1": 10.0})
    network, flow = _column(BedModel.GRM, ("C0", "C1"), binding, mesh)
    return _pulse("GRM Langmuir", network, flow, 10.0, 10.0, 1500.0, "frandsen_grm_langmuir.csv")


PROTEINS = ("lysozyme", "cytochrome", "ribonuclease")
SMA = StericMassAction(
    "salt",
    1200.0,
    dict(zip(PROTEINS, (35.5e-3, 1.59e-3, 7.70e-3), strict=True)),
    dict(zip(PROTEINS, (4.7, 5.29, 3.7), strict=True)),
    dict(zip(PROTEINS, (11.83, 10.6, 10.0), strict=True)),
)


def _sma(name: str, network: Network, flow: float, file: str) -> Case:
    flows = np.array([flow])
    sections = (
        Section(0.0, 10.0, flows, np.array([[50.0, 1.0, 1.0, 1.0]])),
        Section(10.0, 90.0, flows, np.array([[50.0, 0.0, 0.0, 0.0]])),
        Section(
            90.0, 1500.0, flows, np.array([[100.0, 0.0, 0.0, 0.0]]),
            inlets1=np.array([[100.0 + 0.2 * 1410.0, 0.0, 0.0, 0.0]]),
        ),
    )  # fmt: skip
    return Case(name, network, np.array([50.0, 0.0, 0.0, 0.0]), sections, file)


def sma_lrm(mesh: Mesh) -> Case:
    network, flow = _column(
        BedModel.LRM, ("salt", *PROTEINS), SMA, mesh, interstitial_porosity=0.8425, axial_dispersion=1e-4
    )
    return _sma("LRM SMA", network, flow, "frandsen_lrm_sma.csv")


def sma_lrmp(mesh: Mesh) -> Case:
    """No file: the same column, particle well mixed."""
    network, flow = _column(BedModel.LRMP, ("salt", *PROTEINS), SMA, mesh)
    return _sma("LRMP SMA", network, flow, "")


def sma_grm(mesh: Mesh) -> Case:
    diffusion = {"salt": 7e-10, **dict.fromkeys(PROTEINS, 6.07e-11)}
    network, flow = _column(BedModel.GRM, ("salt", *PROTEINS), SMA, mesh, pore_diffusion=diffusion)
    return _sma("GRM SMA", network, flow, "frandsen_grm_sma.csv")


def flowsheet(mesh: Mesh) -> Case:
    """Four LRMP columns, split and joined."""
    shared: dict[str, object] = {
        "area": 1.0, "interstitial_porosity": 0.37, "particle_porosity": 0.75, "particle_radius": 45e-6,
        "film_coefficient": 6.9e-6, "axial_dispersion": 2e-7, "elements": mesh[0], "degree": mesh[1],
    }  # fmt: skip
    beds = tuple(
        Bed(name, length, binding=binding, **shared)  # type: ignore[arg-type]
        for name, length, binding in (
            ("C2", 0.014, Linear({"x": 35.5}, {"x": 10.0})),
            ("C3", 0.042, Linear({"x": 35.5})),
            ("C4", 0.014, Linear({"x": 21.4286})),
            ("C5", 0.014, Linear({"x": 4.55 / 0.12}, {"x": 1.0 / 0.12})),
        )
    )
    from minifactory.twin.engine import StirredTank

    # The join is a cell so small that it does not show.
    units = (*beds, StirredTank("bed", 1e-12))
    links = (
        Link("F0", "C2"), Link("F1", "C3"), Link("C2", "C4"), Link("C2", "C5"), Link("C3", "C4"),
        Link("C3", "C5"),
        Link("C4", "bed"), Link("C5", "bed"),
    )  # fmt: skip
    network = Network(("x",), units, (Inlet("F0"), Inlet("F1")), links)
    q = 2.1275e-4
    flows = q * np.array([1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0])
    sections = tuple(
        Section(a, b, flows, np.array(feed))
        for a, b, feed in (
            (0.0, 250.0, [[1.0], [1.0]]),
            (250.0, 300.0, [[0.0], [5.0]]),
            (300.0, 3000.0, [[0.0], [0.0]]),
        )
    )
    return Case("flowsheet", network, np.zeros(1), sections, "casema_acyclic_flowsheet.csv")
