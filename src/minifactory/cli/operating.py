"""The commands of `orbit`: the operator's command line against a controller that runs."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from minifactory.app.discovery import Announced, chosen, controllers
from minifactory.app.home import pki_folder
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.errors import Finding, InputError
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.desk import ask_desk
from minifactory.opcua.session import Target
from minifactory.signals.shown import duration

PATIENCE = 15.0
"""s of real time in which the desk must answer."""
_SHOWN = ("UV1.Signal", "Cond.Signal", "pH.Signal", "System.Flow", "Gradient.PercentB", "Pressure.System")


def ask(
    on: str, actor: str, level: str, request: Mapping[str, Any]
) -> tuple[Announced, bool, str, dict[str, Any]]:
    """The controller that was asked, and what its desk answered."""
    controller = chosen(on)
    own = own_identity(pki_folder("operator"), "urn:minifactory:operator")
    introduce(own, own_identity(pki_folder("orbit"), "urn:minifactory:orbit"))
    target = Target(controller.endpoint, own, timeout=PATIENCE)
    owner = actor or getpass.getuser()
    accepted, reason, result = ask_desk(target, owner, {**request, "level": level})
    return controller, accepted, reason, result


def tell(on: str, actor: str, level: str, request: Mapping[str, Any], as_json: bool) -> None:
    """Ask, print the answer, and end with exit code 2 when it was refused."""
    controller, accepted, reason, result = ask(on, actor, level, request)
    if as_json:
        print_json(
            {
                "skid": controller.skid,
                "run": controller.run,
                "accepted": accepted,
                "message": reason,
                **result,
            }
        )
    else:
        for warning in result.get("warnings", ()):
            stderr.print(warning, markup=False)
        said = reason or ("done" if accepted else "refused")
        (stdout if accepted else stderr).print(said, markup=False)
    if not accepted:
        raise Exit(2)


def status(on: str, as_json: bool) -> None:
    """Print the status of a controller."""
    controller, _, _, found = ask(on, "", "operator", {"do": "status"})
    if as_json:
        print_json({"case": controller.case, "pid": controller.pid, **found})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("controller", f"{found['skid']}, run {found['run']} of {controller.case}")
    table.add_row("state", f"{found['state']}  ({found['reason']})" if found["reason"] else found["state"])
    table.add_row("allowed now", ", ".join(found["allowed"]))
    where = f"{found['phase'] or '-'}  {found['phase_number']}/{found['phase_count']}"
    table.add_row("phase", f"{where}, {found['phase_cv']:.2f} CV, {duration(found['phase_time'])}")
    for name, text in (("watches", found["watching"]), ("beside", found["beside"])):
        if text:
            table.add_row(name, ", ".join(text))
    values = found["values"]
    shown = [f"{name} {values[name]['text']}" for name in _SHOWN if name in values]
    table.add_row("values", ", ".join(shown))
    table.add_row("outlet", found["outlet"] or "-")
    table.add_row("recipe", f"{found['recipe']}, version {found['version']}")
    if found["hold_until"]:
        table.add_row("held until", found["hold_until"])
    for item in found["asks"]:
        bounds = f" ({item['bounds']})" if item["bounds"] else ""
        table.add_row("asks", f"{item['name']}: {item['question']}{bounds}")
    for thing, holder in found["holders"].items():
        table.add_row("held", f"{thing} by {holder}")
    for item in found["alarms"]:
        marks = [item["priority"], *(["first out"] if item["first_out"] else [])]
        marks += ["acknowledged" if item["acknowledged"] else "OPEN", *([] if item["present"] else ["gone"])]
        table.add_row("alarm", f"{item['name']}: {item['message']} ({', '.join(marks)})")
    for item in found["shelved"]:
        table.add_row("shelved", item["name"])
    table.add_row("link", found["link"])
    scans = (
        f"{found['scans']} scans, {found['overruns']} overruns, last took {1e3 * found['scan_time']:.2f} ms"
    )
    if found["slow_writes"]:
        scans += f"; journal: {found['slow_writes']} slow writes, longest {found['longest_write']:.1f} s"
    if found["unsupervised"]:
        scans += (
            f"; unsupervised {found['unsupervised']} times, longest {found['longest_unsupervised']:.1f} s"
        )
    table.add_row("scan", scans)
    stdout.print(table, markup=False)


def listed(as_json: bool) -> None:
    """Print all controllers that run on this machine."""
    running, stale = controllers()
    if as_json:
        print_json({"running": [vars(item) for item in running], "stale": [vars(item) for item in stale]})
        return
    for item in running:
        stdout.print(f"{item.skid}  {item.run}  process {item.pid}  {item.endpoint}", markup=False)
    for item in stale:
        stderr.print(f"{item.run} (process {item.pid}) ended without a word.", markup=False)
    if not running:
        stderr.print("No controller runs on this machine.")


def log(on: str, last: int, kind: str, as_json: bool) -> None:
    """Print the newest lines of the run log."""
    _, _, _, found = ask(on, "", "operator", {"do": "log", "last": last, "kind": kind})
    if as_json:
        print_json(found)
        return
    table = Table("issued", "kind", "what", "source", "stage", "latency", "message", box=None)
    for line in found["lines"]:
        latency = "" if line["latency"] is None else f"{line['latency']:.2f} s"
        message = line["message"].partition("\n")[0]
        table.add_row(
            f"{line['issued']:.1f} s",
            line["kind"],
            line["text"],
            line["source"],
            line["stage"],
            latency,
            message,
        )
    stdout.print(table, markup=False)


def recipe(on: str, outline: bool, as_json: bool) -> None:
    """Print the recipe as it is now, to be edited."""
    _, _, _, found = ask(on, "", "operator", {"do": "recipe"})
    if as_json:
        print_json(found)
    else:
        stdout.print(found["outline" if outline else "recipe"], markup=False)


def edit(on: str, actor: str, level: str, file: Path, note: str, dry_run: bool, as_json: bool) -> None:
    """Put another recipe in place of the one that runs, from where it stands."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(Finding(str(file), f"cannot be read ({fault})", "a recipe (YAML)")) from fault
    request = {"do": "edit", "recipe": text, "note": note, "dry_run": dry_run}
    tell(on, actor, level, request, as_json)


def pairs(texts: Iterable[str], example: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise InputError(Finding(f'"{text}"', "is not NAME=VALUE", f'e.g. "{example}"'))
        found[name.strip()] = value.strip()
    return found
