"""The `orbit` group: its commands, options and help; the work is in :mod:`minifactory.cli.operating`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minifactory.cli.output import told

orbit_app = typer.Typer(
    help="The operator's command line against a controller that runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
On = Annotated[str, typer.Option("--on", help="Skid or run, when several run.", metavar="NAME")]
Actor = Annotated[str, typer.Option("--as", help="Who asks (default: the user).", metavar="NAME")]
AtLevel = Annotated[str, typer.Option("--level", help="operator, recipe, peer or model.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Note = Annotated[str, typer.Option("--note", help="For the record.")]
Things = Annotated[list[str], typer.Argument(help="Set-points such as System.Flow, or method.")]
Alarm = Annotated[str, typer.Argument(help="Name of the alarm.")]


@orbit_app.command("list")
def listed(as_json: Json = False) -> None:
    """All controllers that run on this machine."""
    from minifactory.cli import operating

    with told(as_json):
        operating.listed(as_json)


@orbit_app.command("status")
def status(on: On = "", as_json: Json = False) -> None:
    """State, phase, values, questions, alarms, who holds what, scan."""
    from minifactory.cli import operating

    with told(as_json):
        operating.status(on, as_json)


def _ask(on: str, actor: str, level: str, as_json: bool, **request: object) -> None:
    from minifactory.cli import operating

    with told(as_json):
        operating.tell(on, actor, level, request, as_json)


def _command(name: str, about: str) -> None:
    def command(on: On = "", actor: Actor = "", level: AtLevel = "operator", as_json: Json = False) -> None:
        _ask(on, actor, level, as_json, do=name)

    command.__doc__ = about
    orbit_app.command(name)(command)


_command("start", "Start the loaded recipe.")


@orbit_app.command("hold")
def hold(
    until: Annotated[str, typer.Option(help="Condition that ends the hold.", metavar="CONDITION")] = "",
    timeout: Annotated[str, typer.Option(help="Longest hold, e.g. '30 min'.", metavar="TIME")] = "",
    then: Annotated[str, typer.Option(help="After it: hold, restart, stop or abort.")] = "hold",
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """The method stands still, the flow goes on; with --until it goes on by itself."""
    _ask(on, actor, level, as_json, do="hold", until=until, timeout=timeout, then=then)


_command("pause", "The pumps stop, the valves stay.")
_command("resume", "Leave Paused.")
_command("restart", "Leave Held.")
_command("stop", "Controlled end: the pumps stop, then the safe state.")
_command("abort", "The safe state at once.")
_command("reset", "Leave Complete, Stopped or Aborted.")


@orbit_app.command("ack")
def acknowledge(
    alarm: Annotated[str, typer.Argument(help="Name of the alarm; without: all.")] = "",
    note: Note = "",
    on: On = "",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Acknowledge an alarm, with a note."""
    _ask(on, actor, "operator", as_json, do="ack", alarm=alarm, note=note)


@orbit_app.command("shelve")
def shelve(
    alarm: Alarm,
    duration: Annotated[str, typer.Argument(help="For how long, e.g. '30 min'.")],
    note: Note = "",
    on: On = "",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Hide an alarm for a time; it acts as before."""
    _ask(on, actor, "operator", as_json, do="shelve", alarm=alarm, duration=duration, note=note)


@orbit_app.command("unshelve")
def unshelve(alarm: Alarm, note: Note = "", on: On = "", actor: Actor = "", as_json: Json = False) -> None:
    """Show a shelved alarm again."""
    _ask(on, actor, "operator", as_json, do="unshelve", alarm=alarm, note=note)


@orbit_app.command("set")
def set_points(
    values: Annotated[list[str], typer.Argument(help="e.g. System.Flow='2 mL/min' OutletValve=F3")],
    take: Annotated[bool, typer.Option("--take", help="Hold them until they are handed back.")] = False,
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Set-points by hand, all in one write."""
    from minifactory.cli import operating

    with told(as_json):
        asked = {"do": "set", "values": operating.pairs(values, "System.Flow=2 mL/min"), "take": take}
        operating.tell(on, actor, level, asked, as_json)


@orbit_app.command("inject")
def inject(on: On = "", actor: Actor = "", level: AtLevel = "operator", as_json: Json = False) -> None:
    """Turn the injection valve to Inject."""
    _ask(on, actor, level, as_json, do="inject")


@orbit_app.command("instruct")
def instruct(
    instruction: Annotated[str, typer.Argument(help="e.g. AutoZero, PumpWash, Gradient.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="e.g. percent_b='40 %B'")] = None,
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """A one-shot instruction of the equipment by hand."""
    from minifactory.cli import operating

    with told(as_json):
        given = operating.pairs(arguments or (), "percent_b=40 %B")
        asked = {"do": "instruct", "instruction": instruction, "arguments": given}
        operating.tell(on, actor, level, asked, as_json)


@orbit_app.command("level")
def tell_level(
    vessel: Annotated[str, typer.Argument(help="Name of the vessel.")],
    volume: Annotated[str, typer.Argument(help="What it holds now, e.g. '500 mL'.")],
    on: On = "",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Tell what a vessel holds now."""
    _ask(on, actor, "operator", as_json, do="level", vessel=vessel, volume=volume)


@orbit_app.command("skip")
def skip(on: On = "", actor: Actor = "", level: AtLevel = "operator", as_json: Json = False) -> None:
    """End the phase that runs and go on with the next."""
    _ask(on, actor, level, as_json, do="skip")


@orbit_app.command("force")
def force(
    name: Annotated[str, typer.Argument(help="A waiting watch; without: the end of the phase.")] = "",
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Take a condition as true now."""
    _ask(on, actor, level, as_json, do="force", name=name)


@orbit_app.command("cancel")
def cancel(
    name: Annotated[
        str, typer.Argument(help="A waiting watch, or the path of a phase or operation to come.")
    ],
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Call off something that has not happened."""
    _ask(on, actor, level, as_json, do="cancel", name=name)


@orbit_app.command("recipe")
def recipe(
    outline: Annotated[bool, typer.Option("--outline", help="As an outline.")] = False,
    on: On = "",
    as_json: Json = False,
) -> None:
    """The recipe as it is now, to be edited."""
    from minifactory.cli import operating

    with told(as_json):
        operating.recipe(on, outline, as_json)


@orbit_app.command("edit")
def edit(
    file: Annotated[Path, typer.Argument(help="The changed recipe.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the difference only.")] = False,
    note: Note = "",
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Change what has not run: checked, taken over in one scan, shown as a difference."""
    from minifactory.cli import operating

    with told(as_json):
        operating.edit(on, actor, level, file, note, dry_run, as_json)


@orbit_app.command("answer")
def answer(
    answered: Annotated[str, typer.Argument(help="NAME=VALUE", metavar="NAME=VALUE")],
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Answer a question of the recipe."""
    from minifactory.cli import operating

    with told(as_json):
        ((name, text),) = operating.pairs([answered], "load_volume=180 mL").items()
        operating.tell(on, actor, level, {"do": "answer", "name": name, "text": text}, as_json)


@orbit_app.command("take")
def take(
    things: Things, on: On = "", actor: Actor = "", level: AtLevel = "operator", as_json: Json = False
) -> None:
    """Hold set-points or the method; the recipe's wishes wait until they are handed back."""
    _ask(on, actor, level, as_json, do="take", things=things)


@orbit_app.command("authority")
def authority(
    who: Annotated[str, typer.Argument(help="Application URI, or beginning of a thumbprint.")] = "",
    levels: Annotated[
        list[str] | None, typer.Argument(help="operator, recipe, peer, model.", metavar="LEVEL...")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="It may claim no level.")] = False,
    as_json: Json = False,
) -> None:
    """Which certificates may claim which level; without a file, all that are trusted any level."""
    from minifactory.cli import authority as claims

    with told(as_json):
        claims.authority(who, levels or (), none, as_json)


@orbit_app.command("release")
def release(
    things: Annotated[list[str] | None, typer.Argument(help="Without: all that you hold.")] = None,
    on: On = "",
    actor: Actor = "",
    level: AtLevel = "operator",
    as_json: Json = False,
) -> None:
    """Hand things back to the recipe."""
    _ask(on, actor, level, as_json, do="release", things=things or [])


@orbit_app.command("grant")
def grant(
    things: Things,
    to: Annotated[str, typer.Option("--to", help="Who gets them.", metavar="NAME")],
    granted: Annotated[str, typer.Option("--at", help="At which level: peer or model.")] = "model",
    on: On = "",
    actor: Actor = "",
    as_json: Json = False,
) -> None:
    """Give things to a peer or a model."""
    _ask(on, actor, "operator", as_json, do="grant", things=things, name=to, to=granted)


@orbit_app.command("log")
def log(
    last: Annotated[int, typer.Option(min=1, max=2000, help="How many lines.")] = 50,
    kind: Annotated[str, typer.Option(help="instruction, set-points, state, phase, watch, alarm ...")] = "",
    on: On = "",
    as_json: Json = False,
) -> None:
    """The run log: issued, processing, completed, latency and source of everything."""
    from minifactory.cli import operating

    with told(as_json):
        operating.log(on, last, kind, as_json)
