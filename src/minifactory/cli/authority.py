"""The command `orbit authority`: whose certificate may claim which level."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from minifactory.app.claims import LEVELS, allow, read_claims
from minifactory.cli.output import print_json, print_table, stderr, stdout
from minifactory.errors import Finding, InputError


def authority(who: str, levels: Sequence[str], none: bool, as_json: bool) -> None:
    """Let somebody claim levels, if one is named; then print who may claim which."""
    if bool(levels) == none and who:
        raise InputError(
            Finding(who, "no level" if not none else "levels and --none", f"some of {', '.join(LEVELS)}")
        )
    claims = allow(who, levels) if who else read_claims()
    shown = None if claims.clients is None else {name: sorted(may) for name, may in claims.clients.items()}
    if as_json:
        print_json({"file": str(claims.file), "clients": shown})
        return
    if shown is None:
        stdout.print("Every certificate that is trusted (minifactory trust orbit) may claim any level.")
        return
    table = Table("client", "may claim", box=None)
    for name, may in shown.items():
        table.add_row(name, ", ".join(may) or "nothing")
    print_table(table)
    stderr.print(f"{claims.file}", markup=False)
