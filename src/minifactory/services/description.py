"""Reads ``services.yaml``: the services that the skids of a case share.

analysis: {purity: 30 min, titre: 10 min}
buffers:
  skid: kitchen
  tank: batch
  water: water
  stocks: [tris_stock, salt_stock]
  flow: 20 mL/min
  vessels:
    capture_buffer: {priority: 1}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from minifactory.errors import Finding, InputError
from minifactory.plant.document import Reader, Report, open_document
from minifactory.plant.model import Plant, Port
from minifactory.recipe.check import check
from minifactory.services.analysis import AnalysisKind
from minifactory.services.buffers import BufferVessel
from minifactory.services.preparation import FILLED, PRIME, REST, RINSES, Preparation, batch, hold_up, unit
from minifactory.units import FLOW, FRACTION, NUMBER, TIME, VOLUME

FILE = "services.yaml"
DEFAULT_PRIORITY, MOST = 5, 9


@dataclass(frozen=True)
class Services:
    """What ``services.yaml`` says: types of analysis, and how buffers are prepared (None: they are not)."""

    analysis: Mapping[str, AnalysisKind] = field(default_factory=dict)
    buffers: Preparation | None = None

    @property
    def skids(self) -> tuple[str, ...]:
        """The skids of the services."""
        return () if self.buffers is None else (self.buffers.skid,)


def read_services(case: Path, plant: Plant | None = None, busy: tuple[str, ...] = ()) -> Services:
    """The services of the case in folder `case`; none when it has no such file.

    Parameters
    ----------
    case : Path
    plant : Plant, optional
        What buffers are checked against; without it they are left out.
    busy : tuple of str
        Skids on which the recipe runs.

    Raises
    ------
    InputError
        With every fault of the file, and what keeps the stocks from making what the vessels hold.
    """
    if not (case / FILE).is_file():
        return Services()
    report = Report()
    top = open_document(case / FILE, report)
    report.raise_errors()
    kinds = _analysis(top)
    buffers = None
    if plant is None:
        top.ignore("buffers")
    elif "buffers" in top:
        buffers = _preparation(top.section("buffers"), plant, busy)
    if not kinds and "buffers" not in top:
        top.fail("no service", "analysis or buffers")
    top.finish()
    report.raise_errors()
    if plant is not None and buffers is not None:
        _try(plant, buffers)
    return Services(kinds, buffers)


def _analysis(top: Reader) -> dict[str, AnalysisKind]:
    inside = top.section("analysis")
    kinds = {name: AnalysisKind(name, inside.value(name, TIME, lower=1.0)) for name in inside.keys}
    if not kinds and "analysis" in top:
        top.fail("no analysis", "e.g. purity: 30 min", key="analysis")
    inside.finish()
    return kinds


def _preparation(inside: Reader, plant: Plant, busy: tuple[str, ...]) -> Preparation | None:
    skid = inside.reference("skid", plant.skids, "skid")
    if skid in busy:
        inside.fail(f"the recipe runs on {skid}", "a skid that does nothing else", key="skid")
    vessels = plant.vessels
    tank = inside.reference("tank", vessels, "vessel")
    water = inside.reference("water", vessels, "vessel")
    stocks = inside.texts("stocks", required=True)
    for name in stocks:
        if name not in vessels:
            inside.fail(f'"{name}" is not a known vessel', "vessels of stock solutions", key="stocks")
    flow = inside.value("flow", FLOW, lower=1e-12)
    least = 0.0 if skid is None else hold_up(plant.skids[skid])
    rinse = inside.value("rinse", VOLUME, max(PRIME * least, RINSES * REST * flow), lower=least)
    margin = inside.value("margin", TIME, 1800.0)
    worthwhile = inside.value("worthwhile", FRACTION, 0.4, lower=0.0, upper=1.0)
    tolerance = inside.value("tolerance", FRACTION, 0.05, lower=0.005, upper=0.5)
    kept: dict[str, BufferVessel] = {}
    block = inside.section("vessels", required=True)
    for name in block.keys:
        each = block.section(name, required=True)
        priority = each.value("priority", NUMBER, float(DEFAULT_PRIORITY), 0.0, float(MOST))
        each.finish()
        if name not in vessels:
            block.fail(f'"{name}" is not a known vessel', "a vessel of buffer", key=name)
            continue
        if vessels[name].material is None:
            block.fail(f"it is not said what {name} holds", "a vessel with a material", key=name)
        capacity = FILLED * vessels[name].capacity
        kept[name] = BufferVessel(name, capacity, vessels[name].minimum, int(priority))
    block.finish()
    inside.finish()
    if inside.report.failed or skid is None or tank is None or water is None:
        return None
    if not kept:
        inside.fail("no vessel is kept filled", "e.g. vessels: {buffer_a: {priority: 1}}", key="vessels")
    _reached(inside, plant, skid, (tank, water, *stocks), (tank, *kept))
    return Preparation(
        skid, tank, water, stocks, kept, flow, rinse, margin, worthwhile, tolerance
    )  # fmt: skip


def _reached(
    inside: Reader, plant: Plant, skid: str, drawn: tuple[str, ...], filled: tuple[str, ...]
) -> None:
    """Whether the skid can draw from and deliver to what it has to."""
    connections = plant.skids[skid].connections
    for name in drawn:
        if not any(link[0] == Port(name) for link in connections):
            inside.fail(f"{skid} has no inlet from {name}", f"{name} connected to an inlet of {skid}")
    for name in filled:
        if not any(link[1] == Port(name) for link in connections):
            inside.fail(f"{skid} has no outlet to {name}", f"{name} connected to an outlet of {skid}")


def _try(plant: Plant, buffers: Preparation) -> None:
    """Whether every vessel can be filled from the stocks, by the largest batch that it takes."""
    findings: list[Finding] = []
    largest = unit(plant, buffers).largest
    if largest <= 0.0:
        found = "what is lost in preparing a batch is more than the tank holds"
        raise InputError(Finding(f"{FILE} buffers.tank", found, remedy="Take a larger tank, or less flow."))
    for name, vessel in buffers.vessels.items():
        try:
            made = batch(plant, buffers, name, min(vessel.capacity, largest))
        except InputError as fault:
            findings += fault.findings
            continue
        for item in check(made.recipe, plant).findings:
            if item.severity == "error":
                findings.append(
                    replace(item, where=f"{FILE} buffers.vessels.{name}, its recipe {item.where}")
                )
    if findings:
        raise InputError(findings)
