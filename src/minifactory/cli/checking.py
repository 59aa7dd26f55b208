"""The command `check`, and opening a case that has passed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.tree import Tree

from minifactory.app.case import Case, open_case
from minifactory.app.original import original_run
from minifactory.cli.output import Exit, print_finding, print_json, stderr, wide
from minifactory.errors import InputError
from minifactory.recipe.check import CheckResult, PhaseSummary
from minifactory.recipe.check import check as check_recipe
from minifactory.units import FLOW, PRESSURE, TIME, VOLUME, show

TREE_WIDTH = 200
"""Characters of a line of the tree at least: a tree cuts off what a narrow terminal would only wrap."""


def check(folder: Path, as_json: bool, parameters: Path | None = None) -> None:
    """Print the tree of phases and all findings; exit 2 when there is an error."""
    case = open_case(folder, parameters, several=True)
    results = [check_recipe(case.recipe, case.plant, skid) for skid in case.bounds]
    findings = list(dict.fromkeys(finding for result in results for finding in result.findings))
    passed = all(result.passed for result in results)
    original_run(case)
    if as_json:
        skids = {} if len(results) == 1 else {"skids": {item.skid: _content(item) for item in results}}
        print_json(
            {
                "case": case.name,
                "passed": passed,
                **(_content(results[0]) if len(results) == 1 else {}),
                **skids,
                "findings": [asdict(finding) for finding in findings],
                "assumed": [number.path for number in case.plant.assumed],
            }
        )
    else:
        for result in results:
            wide(TREE_WIDTH).print(_tree(case.name, result))
        for line in _prepared(case):
            stderr.print(line, markup=False)
        stderr.print(f"{len(case.plant.assumed)} numbers of the description are assumed.")
    for finding in findings:
        print_finding(finding)
    if not passed:
        raise Exit(2)


def _prepared(case: Case) -> Iterator[str]:
    """What a batch of every buffer that a service prepares takes, and how long."""
    if case.services is None or case.services.buffers is None:
        return
    from minifactory.services.preparation import batch, unit

    own, plant = case.services.buffers, case.plant
    facts = unit(plant, own)
    for name, vessel in own.vessels.items():
        made = batch(plant, own, name, min(vessel.capacity, facts.largest))
        doses = ", ".join(f"{show(volume, VOLUME)} of {stock}" for stock, volume in made.doses.items())
        lasts = f"{facts.lasts(made.volume) / 60.0:.0f} min"
        yield f"{own.skid} prepares {show(made.volume, VOLUME)} of {name} in {lasts} from {doses}"


def _content(result: CheckResult) -> dict[str, Any]:
    """What one skid is to do, as JSON types (SI)."""
    return {
        "duration": result.duration,
        "used": dict(result.used),
        "phases": [
            {key: value for key, value in asdict(phase).items() if key != "findings"}
            for phase in result.phases
        ],
    }


def _tree(name: str, result: CheckResult) -> Tree:
    hours = result.duration / 3600.0
    tree = Tree(f"[bold]{name}[/] on {result.skid}: {len(result.phases)} phases, {hours:.1f} h at most")
    groups: dict[str, Tree] = {}
    for phase in result.phases:
        group = phase.path.rsplit(".", 1)[0]
        if group not in groups:
            groups[group] = tree.add(f"[bold]{group}[/]")
        branch = groups[group].add(_phase_line(phase))
        for finding in phase.findings:
            branch.add(f"[red]{finding.found}[/]")
    used = tree.add("[bold]used at most[/]")
    for vessel, volume in result.used.items():
        used.add(f"{vessel}: {show(volume, VOLUME)}")
    return tree


def _phase_line(phase: PhaseSummary) -> str:
    longest = "" if phase.longest == float("inf") else f"at most {show(phase.longest, TIME)}"
    length = show(phase.duration, TIME) if phase.duration is not None else longest
    parts = [f"{phase.path.rsplit('.', 1)[1]} ({phase.kind})", length]
    if phase.flow > 0.0:
        parts += [show(phase.flow, FLOW), f"{show(phase.volume, VOLUME)} = {phase.column_volumes:.2f} CV"]
    if phase.inlets:
        parts.append(f"{' + '.join(phase.inlets)} -> {', '.join(phase.outlets)}")
    if phase.pressure:
        parts.append(show(phase.pressure, PRESSURE, 2))
    return ", ".join(part for part in parts if part)


def open_checked(folder: Path, parameters: Path | None = None, several: bool = False) -> Case:
    """The case in `folder`, free of static faults; warnings are shown.

    With `several`, its recipe may run on several skids.

    Raises
    ------
    InputError
        With all faults.
    """
    case = open_case(folder, parameters, several)
    results = [check_recipe(case.recipe, case.plant, skid) for skid in case.bounds]
    findings = list(dict.fromkeys(finding for result in results for finding in result.findings))
    if not all(result.passed for result in results):
        raise InputError(findings)
    for finding in findings:
        print_finding(finding)
    return case
