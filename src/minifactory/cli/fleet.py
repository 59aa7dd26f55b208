"""The command `fleet`: all Orbits of this machine, what they do, and for whom they wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from minifactory.app.discovery import SERVICES, Announced, controllers
from minifactory.app.home import pki_folder
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import own_identity
from minifactory.opcua.desk import ask_desk
from minifactory.opcua.session import Target


def fleet(case: str, as_json: bool) -> None:
    """Print the Orbits that run, of the case named `case` when one is named; exit code 3 when none does."""
    running, stale = controllers()
    shown = [_look(item) for item in running if item.skid not in SERVICES and case in ("", item.case)]
    gone = [vars(item) for item in stale if case in ("", item.case)]
    if as_json:
        print_json({"orbits": shown, "gone": gone})
    else:
        if shown:
            stdout.print(_table(shown), markup=False)
        for item in gone:
            text = f"Orbit {item['skid']} (process {item['pid']}, {item['run']}) ended without a word."
            stderr.print(text, markup=False)
    if not shown:
        stderr.print("No Orbit runs on this machine.")
        raise Exit(3)


def _look(item: Announced) -> dict[str, Any]:
    """What the Orbit says of itself; `fault` where it does not answer."""
    found: dict[str, Any] = {"skid": item.skid, "run": item.run, "case": item.case, "pid": item.pid}
    identity = own_identity(pki_folder("operator"), "urn:minifactory:operator")
    try:
        _, _, status = ask_desk(Target(item.endpoint, identity), "fleet", {"do": "status"})
    except EquipmentError as fault:
        return {**found, "fault": str(fault)}
    kept = ("state", "reason", "phase", "time", "waits", "transfers", "peers", "link")
    alarms = [
        {name: alarm[name] for name in ("name", "priority", "message", "acknowledged")}
        for alarm in status.get("alarms", [])
    ]
    return {**found, **{name: status.get(name) for name in kept}, "alarms": alarms}


def _table(orbits: list[dict[str, Any]]) -> Table:
    table = Table("skid", "state", "phase", "at", "transfers", "waits for", "alarms", box=None)
    for item in orbits:
        if "fault" in item:
            table.add_row(item["skid"], "no answer", item["fault"])
            continue
        peers = {each["transfer"]: each["peer"] for each in item["transfers"]}
        table.add_row(
            item["skid"],
            item["state"],
            item["phase"],
            f"{item['time'] / 60.0:.1f} min",
            ", ".join(map(_transfer, item["transfers"])) or "-",
            ", ".join(f"{peers.get(name, '?')} ({name})" for name in item["waits"]) or "-",
            ", ".join(f"{each['name']} ({each['priority']})" for each in item["alarms"]) or "-",
        )
    return table


def _transfer(state: Mapping[str, Any]) -> str:
    return f"{state['transfer']}: {state['state']} {state['number']}"
