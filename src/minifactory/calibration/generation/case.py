"""A complete case from one result file, as a pure function of the file's content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from minifactory.calibration.generation.acts import Act, Deed, acts
from minifactory.calibration.generation.course import stretches
from minifactory.calibration.generation.delays import FrontFit
from minifactory.calibration.generation.documents import (
    Draft,
    Lines,
    factory_text,
    original_text,
    parameters_text,
    recipe_text,
    targets_text,
)
from minifactory.calibration.generation.equipment import (
    TYPICAL_TOTAL_POROSITY,
    ChosenColumn,
    ChosenSystem,
    choose_column,
    choose_system,
)
from minifactory.calibration.generation.fitting import fitted
from minifactory.calibration.generation.late_pulse import LatePulse, injection, late_pulse
from minifactory.calibration.generation.levels import FEED, Liquids, Readings, liquids, with_feed
from minifactory.calibration.generation.liquids import compose
from minifactory.calibration.generation.phases import PhaseWriter, PlannedPhase
from minifactory.calibration.generation.plumbing import Plumbing
from minifactory.calibration.generation.process_questions import by_hand, process_questions
from minifactory.calibration.generation.questions import OpenQuestion
from minifactory.calibration.generation.readme import readme_text
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Port
from minifactory.records.chromatogram import ChromatogramFile, Signal
from minifactory.units import CONDUCTIVITY, VOLUME, show

SUPERLOOP = 1.5
"""Times what was pushed out of a loop that was not empty by then."""
BETWEEN = ("Mixer", "LineMixer", "LineColumn", "LineUV", "UV", "LineCond", "PumpHead")


@dataclass(frozen=True)
class GeneratedCase:
    """A case as text, and what must be known of it.

    Parameters
    ----------
    name : str
        For the folder.
    documents : Mapping of str to str
        File name -> text; complete for :func:`minifactory.app.case.open_case`.
    system, column : str
        What stands for the equipment.
    questions : tuple of OpenQuestion
        What the file does not tell, with the defaults taken.
    findings : tuple of Finding
        Warnings about the file.
    fronts : tuple of FrontFit
        Where the conductivity fronts pass, predicted and measured.
    column_volume : float
        m3.
    """

    name: str
    documents: Mapping[str, str]
    system: str
    column: str
    questions: tuple[OpenQuestion, ...]
    findings: tuple[Finding, ...]
    fronts: tuple[FrontFit, ...]
    column_volume: float


def generate(file: ChromatogramFile, original: str = "", column_volume: float | None = None) -> GeneratedCase:
    """The case that `file` tells.

    Parameters
    ----------
    file : ChromatogramFile
        The result.
    original : str
        Its name below the data folder.
    column_volume : float, optional
        m3, where the file does not tell it or is wrong.

    Raises
    ------
    InputError
        When the file has no volumes, no log with flows and compositions, or no way to a column volume; names
        everything that is missing.
    """
    readings = Readings(file)
    system = choose_system(file)
    done = acts(file.log, system.system.equipment.devices)
    _require(file, done, readings)
    plumbing = Plumbing(system.system.equipment)
    given = injection(done, plumbing)
    pulse = late_pulse(readings.curve(), given) if given is not None else None
    column = _column(file, pulse, column_volume)
    writer = PhaseWriter(plumbing, column.volume)
    course = stretches(file, done, column.volume)
    planned = writer.write(course, _first_flow(file))
    if not any(phase.stretch is not None for phase in planned):
        raise InputError(_nothing(file, "no step of the log moves liquid", "a run with flow"))
    draft = _draft(file, system, column, planned, done, writer, readings, pulse)
    draft, fronts = fitted(draft, readings, pulse, given)
    questions = (
        *system.questions,
        *column.questions,
        *draft.liquids.questions,
        *process_questions(draft, writer, readings),
    )
    duration = max(
        (float(curve.time_s[-1]) for curve in file.curves if curve.time_s is not None and curve.time_s.size),
        default=0.0,
    )
    manual = by_hand(done)
    documents = {
        "factory.yaml": factory_text(draft),
        "recipe.yaml": recipe_text(draft),
        "parameters.yaml": parameters_text(draft),
        "targets.yaml": targets_text(draft, duration),
        "original.yaml": original_text(file, original or PurePath(file.source.path).name),
        "README.md": readme_text(draft, questions, fronts, manual),
    }
    return GeneratedCase(
        name=_folder_name(file),
        documents=documents,
        system=system.name,
        column=f"{column.hardware.name if column.hardware else 'own hardware'}, "
        f"{column.resin.name if column.resin else 'unknown medium'}, {show(column.volume, VOLUME)}",
        questions=tuple(questions),
        findings=file.warnings,
        fronts=fronts,
        column_volume=column.volume,
    )


def _require(file: ChromatogramFile, done: Sequence[Act], readings: Readings) -> None:
    """InputError that names everything without which no case can be made."""
    findings = []
    if not any(curve.volume_m3 is not None for curve in file.curves):
        findings.append(
            _nothing(
                file, "no curve has volumes and there is no flow to integrate", "a flow curve, or volumes"
            )
        )
    if not file.log and not file.blocks:
        findings.append(
            _nothing(
                file,
                "the file has no logbook, so that nothing tells what was done",
                "a result with its logbook or run log",
                "Export it again with the logbook, or take the result file of the control system itself.",
            )
        )
    elif (
        not any(act.deed is Deed.FLOW and act.amount > 0.0 for act in done) and file.find(Signal.FLOW) is None
    ):
        findings.append(_nothing(file, "neither log nor curves tell a flow", "a flow"))
    if not readings.has_conductivity:
        findings.append(
            _nothing(
                file,
                "there is no conductivity curve over volume",
                "conductivity, from which liquids and delays are found",
                "Export the result with all curves.",
            )
        )
    if findings:
        raise InputError(findings)


def _nothing(file: ChromatogramFile, found: str, expected: str, remedy: str = "") -> Finding:
    return Finding(file.source.path, found, expected, remedy)


def _column(file: ChromatogramFile, pulse: LatePulse | None, stated: float | None) -> ChosenColumn:
    estimate = None
    if pulse is not None:
        passes = f"the salt of the sample passes after {show(pulse.delay, VOLUME)}"
        estimate = (
            pulse.delay / TYPICAL_TOTAL_POROSITY,
            f"{passes}, in a typical bed {TYPICAL_TOTAL_POROSITY} CV",
        )
    column = choose_column(file, estimate, stated)
    if column is None:
        raise InputError(
            _nothing(
                file,
                "the file does not tell the column volume, nor does a salt pulse",
                'a log line such as "Base CV, 50.27 {ml}"',
                "State it with --column-volume, or export the result of a method in column volumes.",
            )
        )
    return column


def _first_flow(file: ChromatogramFile) -> str:
    curve = file.find(Signal.FLOW)
    flow = float(curve.si[curve.si > 0.0][0]) if curve is not None and np.any(curve.si > 0.0) else 0.0
    return f"{flow * 6e7:.4g} mL/min" if flow > 0.0 else "1 mL/min"


def _draft(
    file: ChromatogramFile,
    system: ChosenSystem,
    column: ChosenColumn,
    planned: tuple[PlannedPhase, ...],
    done: tuple[Act, ...],
    writer: PhaseWriter,
    readings: Readings,
    pulse: LatePulse | None,
) -> Draft:
    equipment = system.system.equipment
    plumbing = Plumbing(equipment)
    porosity = column.total_liquid / column.volume if column.total_liquid else TYPICAL_TOTAL_POROSITY
    source = "assumed: typical of porous beads"
    if column.total_liquid:
        source = f"file: total liquid volume {show(column.total_liquid, VOLUME)}"
    between = sum(equipment.devices[name].volume for name in BETWEEN if name in equipment.devices)
    found = liquids(planned, writer.vessels, readings, porosity * column.volume + between)
    feed = _feed_vessel(planned, writer.vessels)
    found = _pulsed(with_feed(found, feed) if feed else found, pulse)
    limits = [act.amount for act in done if act.deed is Deed.PRESSURE_LIMIT]
    places = equipment.places
    place = next(
        (
            name
            for name, item in places.items()
            if any(position in writer.column_positions for position in item.positions.values())
        ),
        next(iter(places)),
    )
    held_by = _held_by(plumbing, planned, writer.vessels, found)
    loop = _loop(planned, equipment.devices, found, porosity * column.volume + between)
    if loop is not None:
        held_by[loop[0]] = FEED
    return Draft(
        file=file,
        system=system,
        column=column,
        place=place,
        phases=planned,
        acts=done,
        vessels=writer.vessels,
        outlets=writer.outlets,
        liquids=found,
        lines=Lines(porosity, source),
        feed_vessel=feed,
        loop=loop,
        held_by=held_by,
        pressure_limit=min(limits, default=None),
        temperature=_temperature(file),
    )


def _feed_vessel(planned: Sequence[PlannedPhase], vessels: Mapping[Port, str]) -> str:
    """The vessel that load phases draw from and others do not."""
    loaded = {
        vessels.get(phase.sources[0], "") for phase in planned if phase.kind == "load" and not phase.loop
    }
    others = {
        vessels.get(phase.sources[0], "")
        for phase in planned
        if phase.kind != "load" and phase.stretch is not None
    }
    return next(iter(sorted(loaded - others)), "")


def _pulsed(found: Liquids, pulse: LatePulse | None) -> Liquids:
    """The same, with the feed's conductivity from the area of its salt pulse where there was no plateau."""
    feed = found.held.get(FEED)
    if pulse is None or feed is None or feed.conductivity is not None:
        return found
    composition, basis = compose(pulse.conductivity, None)
    source = f"file: area of the salt pulse at {show(pulse.place, VOLUME)}"
    changed = replace(
        feed,
        composition=composition,
        source=f"{source}, {show(pulse.conductivity, CONDUCTIVITY)}",
        basis=basis,
    )
    about = f"materials.{FEED}.composition"
    question = OpenQuestion(
        about, "What is in the sample? It never filled the detector alone.", basis, source
    )
    asked = (*(item for item in found.questions if item.about != about), question)
    return replace(found, held={**found.held, FEED: changed}, questions=asked)


def _held_by(
    plumbing: Plumbing, planned: Sequence[PlannedPhase], vessels: Mapping[Port, str], found: Liquids
) -> dict[str, str]:
    """The suction side of pump B holds what it will pump first."""
    if len(plumbing.pumps) < 2:
        return {}
    first = next((phase for phase in planned if phase.stretch is not None), None)
    vessel = vessels.get(first.sources[1], "") if first else ""
    if vessel not in found.held:
        return {}
    intake = plumbing.intake("B", plumbing.first_positions())
    return dict.fromkeys(intake.devices, found.held[vessel].name)


def _loop(
    planned: Sequence[PlannedPhase], devices: Mapping[str, object], found: Liquids, hold_up: float
) -> tuple[str, float, str] | None:
    pushed = sum(phase.stretch.volume for phase in planned if phase.loop and phase.stretch is not None)
    if pushed <= 0.0 or "Loop" not in devices:
        return None
    full = found.held[FEED].conductivity is not None and pushed > hold_up
    if full:
        source = f"assumed: {SUPERLOOP:g} times the {show(pushed, VOLUME)} pushed out, of feed to the end"
        return "Loop", SUPERLOOP * pushed, source
    return "Loop", pushed, "assumed: what was pushed through the loop"


def _temperature(file: ChromatogramFile) -> tuple[float, str]:
    settings = file.system.settings if file.system else {}
    for name, value in settings.items():
        if "reference temperature" in name.lower():
            return 298.15, f"file: conductivity is compensated to {value}"
    return 298.15, "assumed: conductivities are taken as at 25 degC"


def _folder_name(file: ChromatogramFile) -> str:
    stem = Path(file.source.path).name.split(".")[0]
    letters = "".join(letter if letter.isalnum() else "-" for letter in stem.lower())
    return "-".join(part for part in letters.split("-") if part) or "generated"
