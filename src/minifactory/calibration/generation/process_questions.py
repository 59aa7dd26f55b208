"""What a result file does not tell of the process, and what a person did by hand."""

from __future__ import annotations

from collections.abc import Sequence

from minifactory.calibration.generation.acts import Act, Deed
from minifactory.calibration.generation.documents import SPARE, Draft, standby
from minifactory.calibration.generation.levels import FEED, Readings
from minifactory.calibration.generation.phases import PhaseWriter
from minifactory.calibration.generation.questions import OpenQuestion
from minifactory.records.chromatogram import Signal
from minifactory.units import VOLUME, show


def process_questions(draft: Draft, writer: PhaseWriter, readings: Readings) -> list[OpenQuestion]:
    """What the file does not tell of the process itself."""
    found = [
        OpenQuestion(
            "columns.C1.binding",
            "What binds, and how strongly?",
            "nothing binds: the prediction is transport only, without product",
            "one run does not tell an isotherm; state k_eq, nu and sigma of each protein in parameters.yaml",
        ),
        OpenQuestion(
            f"materials.{FEED}"
            if FEED in {item.name for item in draft.liquids.held.values()}
            else "materials",
            "How much product and which impurities are in the feed?",
            "no protein",
            "the file has UV, but no analysis",
        ),
        OpenQuestion(
            "skids.akta1.devices",
            "How large are the mixer, the pumps and the lines?",
            "those of the catalogue, apart from what the fronts tell",
            "fronts tell sums of volumes only",
        ),
        OpenQuestion("vessels", "How much is in each vessel?", f"{SPARE:g} times what was used", "assumed"),
        OpenQuestion(
            "targets", "What must the run achieve?", "duration and pressure only", "not in the file"
        ),
    ]
    for name, port in standby(draft).items():
        found.append(
            OpenQuestion(
                f"vessels.{name}",
                f"What is connected to {port}, where the valve stands before the run?",
                f"a bottle of {draft.liquids.filling} that is not used",
                "the file uses other inlets only",
            )
        )
    if draft.loop is not None:
        found.append(
            OpenQuestion(
                "skids.akta1.devices.Loop",
                "How large was the loop, and how much sample was in it?",
                f"{show(draft.loop[1], VOLUME)}, all of it feed",
                draft.loop[2].removeprefix("assumed: "),
            )
        )
    if not readings.has_ph:
        found.append(
            OpenQuestion(
                "materials",
                "Which pH did the liquids have?",
                "unbuffered sodium chloride",
                "no working pH electrode",
            )
        )
    if any(position.endswith("Up") for position in writer.column_positions):
        found.append(
            OpenQuestion(
                "columns.C1.position",
                "Was the flow upwards all the time?",
                "downwards",
                "the direction does not matter for transport",
            )
        )
    curve = draft.file.find(Signal.TEMPERATURE)
    if curve is not None and draft.temperature[1].startswith("assumed"):
        low, high = float(curve.si.min()) - 273.15, float(curve.si.max()) - 273.15
        found.append(
            OpenQuestion(
                "temperature",
                f"The file measures {low:.1f} to {high:.1f} degC: was conductivity compensated to 25 degC?",
                "yes",
                "not in the file",
            )
        )
    return found


def by_hand(done: Sequence[Act]) -> tuple[str, ...]:
    """The lines of the log that a person caused, with time and volume."""
    return tuple(
        f"{act.time / 60.0:.2f} min, {act.volume * 1e6:.1f} mL: {act.text}"
        for act in done
        if act.manual or act.deed is Deed.STOP_BY_HAND
    )
