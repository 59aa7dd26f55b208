"""The command `campaign`: batch after batch, learning from each."""

from __future__ import annotations

from pathlib import Path

from minifactory.app.campaign_page import campaign_page
from minifactory.app.campaigning import Plan, as_planned, begin, find, go_on
from minifactory.app.home import runs_folder
from minifactory.cli.checking import open_checked
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.cli.progress import bar


def campaign(folder: Path, plan: Plan, resume: str, runs: Path | None, as_json: bool) -> None:
    """Run a campaign, or go on with one; the report's path is the last line printed."""
    case = open_checked(folder, plan.parameters)
    runs = runs_folder(runs)
    if resume:
        place = find(resume, runs)
        plan = as_planned(place, plan)
    else:
        place = begin(case, plan, runs)
    warm_up()
    with bar() as progress:
        done = go_on(place, plan, runs, progress, lambda text: stderr.print(text, markup=False))
    report = campaign_page(case, done, place)
    if as_json:
        print_json({**done.to_json(), "campaign": place.name, "report": str(report)})
    else:
        stdout.print(done.verdict, markup=False)
        for line in done.needs:
            stdout.print(f"  {line}", markup=False)
        stdout.print(str(report), markup=False)
    if done.exit_code:
        raise Exit(done.exit_code)
