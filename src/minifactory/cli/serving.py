"""The commands `service` and `order`."""

from __future__ import annotations

import math
from pathlib import Path

from minifactory.app.home import runs_folder
from minifactory.app.serving import NAME
from minifactory.app.serving import serve as serve_case
from minifactory.cli.operating import tell
from minifactory.cli.output import print_json, stderr, stdout
from minifactory.errors import Finding, InputError
from minifactory.units import TIME, parse


def serve(kind: str, case: Path, runs: Path | None, lasts: str, as_json: bool) -> None:
    """Serve until Ctrl-C or for the time `lasts`."""
    if kind != NAME:
        raise InputError(Finding("service", f'no service "{kind}" runs as a process', NAME))
    seconds = parse(lasts, TIME, where="--for").value if lasts else math.inf
    done = serve_case(case, runs_folder(runs), seconds, lambda text: stderr.print(text, markup=False))
    if as_json:
        print_json({"service": kind, "results": done})
    else:
        stdout.print(f"{done} results so far", markup=False)


def order(
    kind: str, key: str, given: tuple[str, ...], priority: int, due: str, actor: str, as_json: bool
) -> None:
    """Place an order for an analysis, or show `queue` or `results`."""
    if kind in ("queue", "results"):
        tell(NAME, actor, "peer", {"do": kind}, as_json)
        return
    sample = {}
    for item in given:
        name, equals, number = item.partition("=")
        try:
            sample[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(Finding("--sample", f'"{item}"', "NAME=NUMBER"))
    request: dict[str, object] = {
        "do": "order",
        "kind": kind,
        "key": key,
        "sample": sample,
        "priority": priority,
    }
    if due:
        request["due"] = parse(due, TIME, where="--due").value
    tell(NAME, actor, "peer", request, as_json)
