"""The command `map`: what a server has, a proposed tag map for a skid, and whether a map fits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minifactory.app.case import open_case
from minifactory.app.mapping import checked, fitted, look_at, proposed, target_of
from minifactory.cli.output import Exit, print_finding, print_json, stderr, stdout
from minifactory.cli.signing_in import password_of
from minifactory.drivers.map_file import write_map
from minifactory.errors import EquipmentError, Finding, InputError, did_you_mean
from minifactory.opcua.browse_path import aliases_of, format_path
from minifactory.opcua.engineering_units import texts_of
from minifactory.opcua.survey import Survey
from minifactory.plant.load import load_plant
from minifactory.plant.tagging import tag_table
from minifactory.signals import TagTable


def map_server(
    url: str,
    case: Path | None,
    skid: str,
    output: Path | None,
    check: Path | None,
    user: str,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """List what is on the server, propose a map for a case's skid, or check a map that is there."""
    if check is not None:
        if case is None:
            raise InputError(
                Finding("--check", "a map without the case that it is for", "--case CASE as well")
            )
        _check(check, _table(case, skid), url, user, password_file, as_json)
        return
    if not url:
        raise InputError(Finding("map", "no server is named", "the URL of one, e.g. opc.tcp://akta1:4840"))
    found = look_at(target_of(url, user, password_of(user, password_file)))
    if not found.complete:
        stderr.print("The server has more than was looked at.", style="yellow")
    if case is None:
        _list(found, as_json)
        return
    _propose(found, url, _table(case, skid), output, as_json)


def _table(case: Path, skid: str) -> TagTable:
    """The tags of a case's skid; the recipe's one where the case has several."""
    plant = load_plant(case)
    if not skid and len(plant.skids) > 1:
        skid = open_case(case).bound.skid
    name = skid or next(iter(plant.skids))
    if name not in plant.skids:
        raise InputError(Finding("--name", f'no skid "{name}"', remedy=did_you_mean(name, plant.skids)))
    return tag_table(plant.skids[name])


def _check(
    file: Path, table: TagTable, url: str, user: str, password_file: Path | None, as_json: bool
) -> None:
    tag_map = checked(file, table)
    findings: tuple[Finding, ...] = ()
    if url:
        findings = fitted(target_of(url, user, password_of(user, password_file)), tag_map, table).findings
    if findings:
        raise EquipmentError(findings)
    document = {
        "map": str(file),
        "skid": table.skid,
        "server": url or None,
        "tags": len(tag_map.places),
        "instructions": len(tag_map.instructions),
        "absent": sorted(tag_map.absent),
        "passed": True,
    }
    if as_json:
        print_json(document)
        return
    where = f"and the server at {url} fits it" if url else "(a URL checks it against the server as well)"
    absent = f", {len(tag_map.absent)} absent" if tag_map.absent else ""
    stdout.print(f"{file}: {len(tag_map.places)} tags{absent}; the map is sound {where}.", markup=False)


def _list(found: Survey, as_json: bool) -> None:
    aliases = aliases_of(found.namespaces)
    variables: list[dict[str, Any]] = [
        {
            "path": format_path(item.path, aliases),
            "type": item.seen.data_type if item.seen.variant_type is None else item.seen.variant_type.name,
            "unit": next(iter(texts_of(item.seen.unit)), ""),
            "writable": item.seen.writable,
            "choices": list(item.seen.choices.values()) if item.seen.choices else [],
            "range": [item.low, item.high] if item.low is not None else [],
        }
        for item in found.variables
    ]
    methods: list[dict[str, Any]] = [
        {"path": format_path(item.path, aliases), "arguments": [argument.name for argument in item.arguments]}
        for item in found.methods
    ]
    if as_json:
        named = {alias: uri for uri, alias in aliases.items()}
        print_json({"namespaces": named, "variables": variables, "methods": methods})
        return
    for uri, alias in aliases.items():
        stdout.print(f"{alias}: {uri}", markup=False)
    for item in variables:
        parts = (item["type"], item["unit"], "writable" * item["writable"], ", ".join(item["choices"]))
        stdout.print(f"{item['path']}  {'  '.join(part for part in parts if part)}", markup=False)
    for item in methods:
        stdout.print(f"{item['path']}({', '.join(item['arguments'])})", markup=False)


def _propose(found: Survey, url: str, table: TagTable, output: Path | None, as_json: bool) -> None:
    proposal = proposed(found, table)
    paths = {name: place.path for name, place in proposal.tag_map.places.items()}
    paths.update({name: place.path for name, place in proposal.tag_map.instructions.items()})
    every = [
        *paths.values(),
        *(item.path for item in found.variables),
        *(item.path for item in found.methods),
    ]
    aliases = aliases_of(step.namespace for path in every for step in path)
    closest = {
        name: f"{format_path(near.path, aliases)} ({near.score:.2f})"
        for name, near in proposal.left_out.items()
        if near is not None
    }
    mapped, whole = len(proposal.scores), len(table.tags) + len(table.instructions)
    made = f"proposed by minifactory map {url} on {datetime.now(UTC):%Y-%m-%d}; check it before use"
    text = write_map(proposal.tag_map, table.skid, proposal.scores, closest, made)
    if output is not None:
        if output.exists():
            raise InputError(Finding(str(output), "the file exists already", remedy="Name another one."))
        output.write_text(text, encoding="utf-8")
    if as_json:
        print_json(
            {
                "skid": table.skid,
                "server": url,
                "map": None if output is None else str(output),
                "scores": proposal.scores,
                "absent": {name: closest.get(name) for name in sorted(proposal.left_out)},
                "paths": {name: format_path(path, aliases) for name, path in paths.items()},
            }
        )
    elif output is None:
        stdout.print(text, markup=False, end="")
    else:
        stdout.print(str(output), markup=False)
    stderr.print(f"{mapped} of {whole} tags and instructions of {table.skid} have a place.", markup=False)
    for name in sorted(proposal.left_out, key=lambda item: (item not in _ESSENTIAL, item)):
        near = f"Closest: {closest[name]}." if name in closest else "Nothing there is like it."
        print_finding(Finding(f"{table.skid} {name}", "has no place", remedy=near, severity="warning"))
    if any(name in proposal.left_out for name in _ESSENTIAL):
        raise Exit(1)


_ESSENTIAL = ("System.Flow", "System.Flow.SP")
"""Without these nothing can be run."""
