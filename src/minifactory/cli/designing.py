"""The command `design`: studies of a case."""

from __future__ import annotations

from pathlib import Path

from minifactory.app.designing import Choices, design, prepared
from minifactory.app.home import runs_folder
from minifactory.cli.checking import open_checked
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.cli.progress import bar
from minifactory.design.pages.page import Table


def run_study(folder: Path, study: str, choices: Choices, runs: Path | None, as_json: bool) -> None:
    """Run a study, print what a person needs, say where the report is; exit 1 when it falls short."""
    case = open_checked(folder, several=True)
    prepared(case, study, choices)  # what is wrong with it is told before the kernels are compiled
    warm_up()
    with bar() as progress:
        done = design(case, study, choices, runs_folder(runs), progress)
    if as_json:
        print_json({"case": case.name, **done.as_dict(), "recommended": done.case})
    else:
        stdout.print(done.page.verdict, markup=False)
        for line in done.page.lines:
            stdout.print(f"  {line}", markup=False)
        for table in done.page.tables:
            _print(table)
        stderr.print(
            f"{done.simulated} simulations ({done.recalled} known from before) by {done.executor} "
            f"in {done.seconds:.1f} s.",
            markup=False,
        )
        if done.case is not None:
            stdout.print(f"Recommended case: {done.case}", markup=False)
        stdout.print(str(done.report), markup=False)
    if done.exit_code:
        raise Exit(done.exit_code)


def _print(table: Table) -> None:
    """A table in columns."""
    if not table.rows:
        return
    widths = [max(len(row[at]) for row in (table.head, *table.rows)) for at in range(len(table.head))]
    stdout.print(f"{table.caption}:", markup=False)
    for row in (table.head, *table.rows):
        cells = [
            cell.rjust(width) if at in table.numeric else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        stdout.print("  " + "  ".join(cells).rstrip(), markup=False)
