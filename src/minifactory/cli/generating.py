"""The command `generate`: a case from a result file."""

from __future__ import annotations

import os
from pathlib import Path

from minifactory.calibration.generation.case import GeneratedCase, generate
from minifactory.calibration.generation.folder import refuse_existing, write_case
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import print_finding, print_json, stderr, stdout
from minifactory.records.formats import read
from minifactory.units import VOLUME, parse

CASES = Path("cases")


def generate_case(result: Path, output: Path | None, column_volume: str, as_json: bool) -> None:
    """Read the result, generate the case, write it, and say what remains open."""
    if output is not None:
        refuse_existing(output)
    volume = parse(column_volume, VOLUME, where="--column-volume").value if column_volume else None
    file = read(result)
    warm_up()
    made = generate(file, _below_data(result), volume)
    folder = write_case(made.documents, output or CASES / made.name)
    for finding in made.findings:
        print_finding(finding)
    if as_json:
        print_json(_document(made, folder))
        return
    stdout.print(f"{folder}: {made.system}, {made.column}", markup=False)
    cv = made.column_volume
    for front in made.fronts:
        shown = f"front after {front.measured / cv:.3f} CV, predicted {front.predicted / cv:.3f} CV"
        remark = " (disturbed in the file)" if front.disturbed else ""
        stdout.print(f"  {front.step}: {shown}{remark}", markup=False)
    if not made.fronts:
        stderr.print(
            "The file shows no conductivity front that the prediction has: its delays are not checked."
        )
    stderr.print(f"{len(made.questions)} open questions, with what was taken instead:")
    for number, question in enumerate(made.questions, 1):
        stderr.print(f"{number:>3}. {question}", markup=False)


def _below_data(result: Path) -> str:
    """The file's name below the folder of data: MINIFACTORY_DATA, or one called ``data``."""
    path = result.resolve()
    places = [Path(os.environ["MINIFACTORY_DATA"]).resolve()] if os.environ.get("MINIFACTORY_DATA") else []
    places += [parent for parent in path.parents if parent.name == "data"]
    for place in places:
        if path.is_relative_to(place):
            return path.relative_to(place).as_posix()
    return path.name


def _document(made: GeneratedCase, folder: Path) -> dict[str, object]:
    cv = made.column_volume
    return {
        "case": str(folder),
        "system": made.system,
        "column": made.column,
        "column_volume": cv,
        "fronts": [
            {
                "step": item.step,
                "group": item.group,
                "predicted_cv": item.predicted / cv,
                "measured_cv": item.measured / cv,
                "difference_cv": item.difference / cv,
                "left_out_cv": None if item.left_out is None else item.left_out / cv,
                "disturbed": item.disturbed,
            }
            for item in made.fronts
        ],
        "open_questions": [
            {"about": item.about, "question": item.question, "default": item.default, "reason": item.reason}
            for item in made.questions
        ],
    }
