"""The README of a generated case: what it is, what was found, what remains open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from minifactory.calibration.generation.delays import FrontFit
from minifactory.calibration.generation.documents import Draft
from minifactory.calibration.generation.questions import OpenQuestion
from minifactory.units import CONDUCTIVITY, LENGTH, VOLUME, show


def readme_text(
    draft: Draft, questions: Sequence[OpenQuestion], fronts: Sequence[FrontFit], by_hand: Sequence[str]
) -> str:
    """``README.md``."""
    file = draft.file
    size = f"{show(draft.column.volume, VOLUME)}, {show(draft.column.bed_height, LENGTH)}"
    lines = [
        f"# {file.name or PurePath(file.source.path).stem}",
        "",
        f"Generated from `{PurePath(file.source.path).name}` ({file.source.format}).",
        f"SHA-256 `{file.source.sha256}`.",
        "It repeats what was executed; the prediction is pure transport, without binding.",
        "",
        f"- System: {draft.system.name}; {draft.system.source}.",
        f"- Column: {size}; {draft.column.source}.",
        f"- Steps: {sum(phase.stretch is not None for phase in draft.phases)}, from the log.",
        "",
        "## Open questions",
        "",
        "The file does not tell the following. What was taken instead is marked `assumed` in the files.",
        "",
        *(f"{number}. {question}" for number, question in enumerate(questions, 1)),
        "",
        "## Liquids",
        "",
        "| material | conductivity | pH | composition | basis |",
        "|---|---|---|---|---|",
    ]
    for liquid in draft.liquids.held.values():
        content = ", ".join(
            f"{name} {amount:.4g} mM" for name, amount in liquid.composition.items() if amount > 1e-6
        )
        level = show(liquid.conductivity, CONDUCTIVITY) if liquid.conductivity is not None else ""
        acidity = f"{liquid.ph:.2f}" if liquid.ph is not None else ""
        lines.append(f"| {liquid.name} | {level} | {acidity} | {content} | {liquid.basis}; {liquid.source} |")
    lines += ["", "## Conductivity fronts", ""]
    if fronts:
        cv = draft.column.volume
        lines += [
            "Volume since the step began at which half of the change is done. All of them have a say in the",
            "volumes of lines and bed below; *left out* is the difference when a front has none: a",
            "prediction by the others alone.",
            "",
            "| step | group | predicted, CV | measured, CV | difference, CV | left out, CV |",
            "|---|---|---|---|---|---|",
        ]
        for item in fronts:
            rest = "told the volume" if item.left_out is None else f"{item.left_out / cv:+.3f}"
            rest += " (disturbed: no say)" if item.disturbed else ""
            lines.append(
                f"| {item.step} | {item.group} | {item.predicted / cv:.3f} | {item.measured / cv:.3f} "
                f"| {item.difference / cv:+.3f} | {rest} |"
            )
        lines += ["", "Volumes found from them:", ""]
        lines += [
            f"- {name}: {show(volume, VOLUME)} ({source})"
            for name, (volume, source) in draft.lines.volumes.items()
        ]
        lines.append(
            f"- total porosity of the bed: {draft.lines.total_porosity:.3f} ({draft.lines.porosity_source})"
        )
    else:
        lines.append("The file shows no front that the prediction has as well: its delays are not checked.")
    lines += ["", "## Done by hand", ""]
    lines += [f"- {line}" for line in by_hand] or ["Nothing, as far as the log tells."]
    return "\n".join(lines) + "\n"
