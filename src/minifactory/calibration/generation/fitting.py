"""Lines and porosity of a draft, moved until its prediction meets the file's conductivity fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from minifactory.calibration.generation import delays
from minifactory.calibration.generation.delays import FrontFit, corrections, front_fits, judged
from minifactory.calibration.generation.documents import (
    SKID,
    Draft,
    Lines,
    factory_text,
    parameters_text,
    recipe_text,
)
from minifactory.calibration.generation.late_pulse import Injection, LatePulse, late_pulse
from minifactory.calibration.generation.levels import Readings
from minifactory.errors import Finding, InputError, MiniFactoryError
from minifactory.plant.document import Report, open_text
from minifactory.plant.load import read_plant
from minifactory.plant.model import Plant
from minifactory.recipe.bind import bind
from minifactory.recipe.load import parse_recipe
from minifactory.records.run import Run
from minifactory.twin.simulate import simulate

ROUNDS = 3
"""Times that volumes are corrected by a prediction's fronts."""
SETTLED = 0.002
"""CV of correction below which the volumes stand."""
LEAST_LINE = 0.02e-6
"""m3: no line is smaller."""


def fitted(
    draft: Draft, readings: Readings, pulse: LatePulse | None, given: Injection | None
) -> tuple[Draft, tuple[FrontFit, ...]]:
    """The draft with lines and porosity that meet the file's fronts, and those fronts."""
    for number in range(ROUNDS + 1):
        run = _predicted(draft)
        fronts = front_fits(draft.phases, run, readings)
        grown = corrections(fronts, _present(draft))
        worst = max((abs(value) for value in grown.values()), default=0.0)
        if number == ROUNDS or worst <= SETTLED * draft.column.volume:
            break
        draft = replace(draft, lines=_moved(draft, grown, fronts))
    fronts = judged(fronts, _present(draft))
    if pulse is not None and given is not None:
        trend = run.trends[delays.CONDUCTIVITY_TAG]
        first = next((phase.start for phase in run.phases if phase.kind == "load"), 0.0)
        volume = run.volume_axis(trend.time)
        begun = float(run.volume_axis(np.array([first]))[0])
        seen = late_pulse((volume - begun + given.begin, trend.values), given)
        if seen is not None:
            fronts = (FrontFit("salt of the sample", "", delays.PULSE, seen.delay, pulse.delay), *fronts)
    return draft, fronts


def _devices(draft: Draft) -> dict[str, str]:
    """Term of the delays -> the device that it is put on; the bed where there is none."""
    behind = "LineUV" if draft.column.total_liquid is not None else ""
    named = {
        "behind": behind,
        "mixer": "LineMixer",
        "inlet": "InletLineA",
        "line": delays.line_of(draft.phases),
    }
    known = draft.system.system.equipment.devices
    return {term: device for term, device in named.items() if device in known}


def _volume(draft: Draft, device: str) -> float:
    stated = draft.lines.volumes.get(device)
    return stated[0] if stated else draft.system.system.equipment.devices[device].volume


def _present(draft: Draft) -> dict[str, float]:
    """What each term has (m3) that it can give."""
    found = {term: max(_volume(draft, device) - LEAST_LINE, 0.0) for term, device in _devices(draft).items()}
    found["behind"] = found.get("behind", 0.0) + (draft.lines.total_porosity - 0.5) * draft.column.volume
    return found


def _moved(draft: Draft, grown: Mapping[str, float], fronts: Sequence[FrontFit]) -> Lines:
    """The lines with each correction put on the device that it belongs to, what is left on the bed."""
    volumes = dict(draft.lines.volumes)
    porosity, source = draft.lines.total_porosity, draft.lines.porosity_source
    steps = ", ".join(dict.fromkeys(item.step for item in fronts if item.counts))
    told = f"file: delay of the fronts of {steps}"
    devices = _devices(draft)
    for term, by in grown.items():
        rest = by
        if term in devices:
            now = _volume(draft, devices[term])
            least = now + by <= LEAST_LINE * 1.01
            bound = ", at its least: pump or mixer must be smaller than in the catalogue" if least else ""
            volumes[devices[term]] = (max(now + by, LEAST_LINE), told + bound)
            rest = now + by - volumes[devices[term]][0]
        if term == "behind" and rest:
            porosity = min(max(porosity + rest / draft.column.volume, 0.5), 0.98)
            source = told
    return Lines(porosity, source, volumes)


def _predicted(draft: Draft) -> Run:
    """The prediction of the draft.

    Raises
    ------
    InputError
        When the equipment that was chosen cannot do what the file did.
    """
    try:
        return _simulated(draft)
    except InputError:
        raise
    except MiniFactoryError as fault:
        found = f"{draft.system.name} cannot do what this file did"
        cause = Finding(draft.file.source.path, found, "", "See the findings below.")
        raise InputError([cause, *fault.findings]) from fault


def _simulated(draft: Draft) -> Run:
    plant = plant_of(factory_text(draft), parameters_text(draft))
    recipe = parse_recipe(recipe_text(draft), plant)
    return simulate(plant, bind(recipe, plant, SKID), identifier="generated")


def plant_of(factory: str, parameters: str) -> Plant:
    """The plant of the texts of ``factory.yaml`` and ``parameters.yaml``.

    Raises
    ------
    InputError
        With every fault of the two.
    """
    report = Report()
    plant = read_plant(
        open_text(factory, "factory.yaml", report), open_text(parameters, "parameters.yaml", report), report
    )
    report.raise_errors()
    return plant
