"""The equipment behind a result file: the catalogue's system, and the column with its hardware and resin."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from minifactory.calibration.generation.questions import OpenQuestion
from minifactory.plant.catalogue.columns import Hardware, all_hardware
from minifactory.plant.catalogue.files import plain
from minifactory.plant.catalogue.resins import Resin, all_resins
from minifactory.plant.catalogue.systems import System, find_system, system_names
from minifactory.plant.model import DeviceKind
from minifactory.records.chromatogram import ChromatogramFile, Signal
from minifactory.units import VOLUME, show

DEFAULT_SYSTEMS = ("AKTA pure 25", "AKTA pure 150")
"""What stands for a system that nothing names: the first whose pumps are fast enough."""
TYPICAL_TOTAL_POROSITY = 0.87
OWN_PARTICLES = 90e-6
"""m: particles of a medium that is not known, as of most agarose beads for preparative use."""


@dataclass(frozen=True)
class ChosenSystem:
    """The catalogue's system that stands for the file's, and why."""

    name: str
    system: System
    source: str
    questions: tuple[OpenQuestion, ...] = ()


@dataclass(frozen=True)
class ChosenColumn:
    """The column that stands for the file's.

    `volume` in m3, `diameter` and `bed_height` in m; `hardware` and `resin` None where the catalogue has
    none. `total_liquid` (m3) is what the file says a small tracer sees, None if it does not.
    """

    volume: float
    diameter: float
    bed_height: float
    hardware: Hardware | None
    resin: Resin | None
    volume_source: str
    source: str
    total_liquid: float | None = None
    questions: tuple[OpenQuestion, ...] = ()


def choose_system(file: ChromatogramFile) -> ChosenSystem:
    """The system that the file names, or one with the valves of its log."""
    told = file.system
    said = [told.configuration, told.name, told.type] if told else []
    for text in said:
        named = [name for name in system_names() if plain(name) in plain(text)]
        if named:
            name = max(named, key=len)
            return ChosenSystem(name, find_system(name), f'the file names the system "{text}"')
    words = plain(" ".join([*said, *file.metadata.values()]))
    log = plain(" ".join(entry.text for entry in file.log))
    if "prime" in words:
        name = "AKTAprime plus" if "primeplus" in words else "AKTAprime"
        return ChosenSystem(
            name, find_system(name), f'the file speaks of "{" ".join(said).strip() or "prime"}"'
        )
    flow = _largest_flow(file)
    if "buffervalvea1" in log or "pumpainlet" in log:
        reason = "its log moves BufferValveA1 or PumpAInlet, which AKTAexplorer and AKTApurifier have"
        name = "AKTAexplorer 100"
        question = OpenQuestion(
            "skids.akta1.system",
            "Which system was it: AKTAexplorer or AKTApurifier, 10 or 100?",
            name,
            f"{reason}; the highest flow was {flow * 6e7:.3g} mL/min",
        )
        return ChosenSystem(name, find_system(name), f"assumed: {reason}", (question,))
    name = next((each for each in DEFAULT_SYSTEMS if _reaches(each, flow)), DEFAULT_SYSTEMS[-1])
    question = OpenQuestion(
        "skids.akta1.system",
        f"Which system was it? The file says {' '.join(said).strip() or 'nothing'}.",
        name,
        "nothing in the file points to another one of the catalogue; its pumps reach the highest flow",
    )
    return ChosenSystem(name, find_system(name), "assumed", (question,))


def _reaches(name: str, flow: float) -> bool:
    devices = find_system(name).equipment.devices.values()
    return all(pump.value("max_flow", 0.0) >= flow for pump in devices if pump.kind is DeviceKind.PUMP)


def _largest_flow(file: ChromatogramFile) -> float:
    curve = file.find(Signal.FLOW)
    return float(curve.si.max()) if curve is not None and curve.si.size else 0.0


def choose_column(
    file: ChromatogramFile, estimate: tuple[float, str] | None = None, stated: float | None = None
) -> ChosenColumn | None:
    """The file's column; None when nothing tells its volume.

    Parameters
    ----------
    estimate : tuple of float and str, optional
        Volume (m3) that the curves suggest, and how it was found.
    stated : float, optional
        Volume (m3) that a person states; goes before all others.
    """
    told = file.column
    questions: list[OpenQuestion] = []
    if stated is not None:
        volume, source = stated, "stated with the command"
    elif told is not None and told.volume_m3:
        volume, source = told.volume_m3, f"the file: {told.name or 'column'}, {show(told.volume_m3, VOLUME)}"
    elif estimate is not None:
        volume, source = estimate[0], f"assumed: {estimate[1]}"
        questions.append(
            OpenQuestion(
                "columns.C1",
                "Which column was it, and what is its volume?",
                show(volume, VOLUME),
                estimate[1],
            )
        )
    else:
        return None
    name = told.name if told else ""
    medium = told.medium if told else ""
    resin = _resin(medium) or _resin(name)
    hardware = _hardware(file, name, volume)
    if hardware is None:
        hardware = _narrowest(volume, resin, _largest_flow(file))
        questions.append(
            OpenQuestion(
                "columns.C1.hardware",
                f'Which hardware is the column "{name}" packed in?' if name else "Which hardware was it?",
                hardware.name if hardware else "a tube of 16 mm",
                "the narrowest of the catalogue that holds this volume",
            )
        )
    if resin is None:
        questions.append(
            OpenQuestion(
                "columns.C1.resin",
                f"Which medium is in the column{f' {name!r}' if name else ''}?",
                f"unknown, particles of {OWN_PARTICLES * 1e6:g} um",
                "the catalogue has none of that name" if name or medium else "the file names none",
            )
        )
    diameter = hardware.inner_diameter if hardware else (told.diameter_m if told else None) or 16e-3
    return ChosenColumn(
        volume=volume,
        diameter=diameter,
        bed_height=volume / (math.pi / 4.0 * diameter**2),
        hardware=hardware,
        resin=resin,
        volume_source=source,
        source=f'the file names the column "{name}"' if name else "assumed",
        total_liquid=told.total_liquid_m3 if told else None,
        questions=tuple(questions),
    )


def _resin(name: str) -> Resin | None:
    """The resin of the catalogue whose every word the name has, at least its beginning; the longest one."""
    words = [plain(word) for word in re.split(r"[\s_/,;-]+", name) if word]
    found = {}
    for resin in all_resins().values():
        wanted = [plain(word) for word in re.split(r"[\s_/()-]+", resin.name) if word]
        if wanted and all(any(_same(word, other) for other in words) for word in wanted):
            found[resin.name] = (len(wanted), resin)
    return max(found.values(), key=lambda item: item[0])[1] if found else None


def _same(wanted: str, word: str) -> bool:
    return wanted == word or (len(word) >= 4 and wanted.startswith(word))


def _hardware(file: ChromatogramFile, name: str, volume: float) -> Hardware | None:
    """The hardware that the name begins with and that holds the volume, the shortest one."""
    words = plain(name)
    told = file.column
    fitting = []
    for item in all_hardware().values():
        family = plain(item.name.split("/")[0]) if not item.fixed else plain(item.name)
        if not words.startswith(family):
            continue
        if told and told.diameter_m and abs(told.diameter_m - item.inner_diameter) > 0.2e-3:
            continue
        if _holds(item, volume):
            fitting.append(item)
    return min(fitting, key=lambda item: item.max_bed_height, default=None)


def _narrowest(volume: float, resin: Resin | None, flow: float) -> Hardware | None:
    fitting = [item for item in all_hardware().values() if not item.fixed and _holds(item, volume)]
    if resin is not None:
        fast = [
            item for item in fitting if flow / (math.pi / 4.0 * item.inner_diameter**2) <= resin.max_velocity
        ]
        fitting = fast or fitting
    slender = [item for item in fitting if _height(item, volume) >= 4.0 * item.inner_diameter] or fitting
    return min(slender, key=lambda item: (item.inner_diameter, item.max_pressure), default=None)


def _holds(item: Hardware, volume: float) -> bool:
    height = _height(item, volume)
    slack = 0.02 if item.fixed else 0.0
    return item.min_bed_height * (1.0 - slack) <= height <= item.max_bed_height * (1.0 + slack)


def _height(item: Hardware, volume: float) -> float:
    return volume / (math.pi / 4.0 * item.inner_diameter**2)
