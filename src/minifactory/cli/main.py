"""The command line. `minifactory --help` is its table of contents."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from minifactory.cli import output
from minifactory.cli.orbit_commands import orbit_app
from minifactory.cli.output import stderr, stdout, told

app = typer.Typer(
    name="minifactory",
    help="The open software of a smart mini factory for biological drugs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

INTERRUPTED = 130
"""What typer ends with on Ctrl-C while a command is still being loaded."""
CaseFolder = Annotated[Path, typer.Argument(metavar="CASE", help="Folder of the case.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Parameters = Annotated[Path | None, typer.Option(help="Another version of parameters.yaml.")]
Runs = Annotated[Path | None, typer.Option("--runs", help="Folder of runs (default: runs).")]


@app.command(rich_help_panel="Run")
def run(
    case: CaseFolder,
    connect: Annotated[
        list[str] | None,
        typer.Option(help="URL of a running OPC UA server; several skids: SKID=URL each.", metavar="URL"),
    ] = None,
    tag_map: Annotated[
        Path | None, typer.Option("--map", help="Where its tags are (minifactory map).", metavar="FILE")
    ] = None,
    user: Annotated[str, typer.Option(help="User name on that server.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its first line is the password.")] = None,
    resume: Annotated[
        str, typer.Option(help="Go on with a run that was cut short ('last' or its name).", metavar="RUN")
    ] = "",
    on_restart: Annotated[str, typer.Option(help="With --resume: resume, hold, ask or safe.")] = "resume",
    virtual: Annotated[bool, typer.Option("--virtual", help="On a virtual skid (default).")] = False,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Virtual skid without OPC UA.")] = False,
    speed: Annotated[str, typer.Option(help="real, a factor such as 20, or max.")] = "max",
    seed: Annotated[int, typer.Option(min=0, help="Of the virtual skid's truth and noise.")] = 1,
    samples: Annotated[int, typer.Option(min=0, max=10_000, help="Draws for the interval.")] = 24,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", help="Answer to a question of the recipe.", metavar="NAME=VALUE"),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help="KIND[:TAG][=VALUE]@START[+DURATION]")] = None,
    runs: Runs = None,
    open_record: Annotated[bool, typer.Option("--open", help="Open the batch record in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Predict, gate, run, compare, judge, and write the batch record: the main job."""
    if resume:
        from minifactory.cli import resuming

        with told(as_json):
            resuming.resume(
                case, resume, on_restart, runs, password_file, as_json=as_json, open_record=open_record
            )
        return
    from minifactory.cli import running
    from minifactory.cli.signing_in import password_of

    with told(as_json):
        options = running.options(
            *(speed, in_memory, " ".join(connect or ()), virtual, seed, tuple(fault or ())),
            tag_map=tag_map,
            user=user,
            password=password_of(user, password_file),
        )
        running.run(
            case,
            options,
            runs,
            samples,
            as_json=as_json,
            open_record=open_record,
            given=given or (),
        )


@app.command(rich_help_panel="Run")
def campaign(
    case: CaseFolder,
    batches: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5,
    learn: Annotated[
        list[str] | None,
        typer.Option(help="A parameter to learn (default: binding and feed of the product)."),
    ] = None,
    parameters: Parameters = None,
    resume: Annotated[
        str, typer.Option(help="Go on with a campaign ('last' or its name).", metavar="CAMPAIGN")
    ] = "",
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Virtual skid over OPC UA, not in memory.")
    ] = False,
    connect: Annotated[str, typer.Option(help="URL of a running OPC UA server.", metavar="URL")] = "",
    tag_map: Annotated[
        Path | None, typer.Option("--map", help="Where its tags are (minifactory map).", metavar="FILE")
    ] = None,
    user: Annotated[str, typer.Option(help="User name on that server.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its first line is the password.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the virtual plant's truth and noise.")] = 1,
    samples: Annotated[int, typer.Option(min=0, max=10_000, help="Draws for each interval.")] = 24,
    runs: Runs = None,
    as_json: Json = False,
) -> None:
    """Batch after batch without a hand: predict, gate, run, judge, learn, change the recipe, again."""
    from minifactory.app.campaigning import Plan
    from minifactory.cli import campaigning, running
    from minifactory.cli.signing_in import password_of

    with told(as_json):
        options = running.options(
            *("max", not (virtual or connect), connect, virtual, seed, ()),
            tag_map=tag_map,
            user=user,
            password=password_of(user, password_file),
        )
        plan = Plan(batches, options, samples, tuple(learn or ()), parameters)
        campaigning.campaign(case, plan, resume, runs, as_json)


@app.command(rich_help_panel="Run")
def check(case: CaseFolder, parameters: Parameters = None, as_json: Json = False) -> None:
    """Every static fault of a case at once, and the tree of its phases."""
    from minifactory.cli import checking

    with told(as_json):
        checking.check(case, as_json, parameters)


@app.command(rich_help_panel="Run")
def simulate(
    case: CaseFolder,
    plot: Annotated[Path | None, typer.Option(help="File for a picture (png, svg, pdf).")] = None,
    samples: Annotated[int, typer.Option(min=0, max=10_000, help="Draws for the interval.")] = 0,
    export: Annotated[Path | None, typer.Option(help="File for the run (.parquet or .csv).")] = None,
    parameters: Parameters = None,
    rivals: Annotated[
        Path | None, typer.Option(help="Rivals that `calibrate --rivals` weighed; with --samples.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The predicted run: chromatogram, pool, performance."""
    from minifactory.cli import simulating

    with told(as_json):
        simulating.simulate(case, plot, samples, export, as_json, parameters, rivals)


@app.command(rich_help_panel="Run")
def skid(
    case: CaseFolder,
    name: Annotated[str, typer.Option(help="Only this skid of several.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 4840,
    speed: Annotated[str, typer.Option(help="real, a factor, or lockstep.")] = "real",
    seed: Annotated[int, typer.Option(min=0, help="Of truth and noise.")] = 1,
    fault: Annotated[list[str] | None, typer.Option(help="KIND[:TAG][=VALUE]@START[+DURATION]")] = None,
    profile: Annotated[
        str, typer.Option(help="minifactory, or unicorn: in the manner of a vendor's server.")
    ] = "minifactory",
    user: Annotated[str, typer.Option(help="User who may log in; none: a trusted certificate.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its first line is the password.")] = None,
) -> None:
    """The virtual skid as a stand-alone OPC UA server, until Ctrl-C."""
    from minifactory.cli import running

    with told(False):
        running.skid(
            *(case, name, port, speed, seed, tuple(fault or ())),
            *(profile, user, password_file),
        )


app.add_typer(orbit_app, name="orbit", rich_help_panel="Run")


@app.command("fleet", rich_help_panel="Run")
def fleet_command(
    case: Annotated[str, typer.Option(help="Only those of this case.", metavar="NAME")] = "",
    as_json: Json = False,
) -> None:
    """All Orbits that run: state, phase, transfers, whom they wait for, alarms."""
    from minifactory.cli import fleet

    with told(as_json):
        fleet.fleet(case, as_json)


@app.command("service", rich_help_panel="Run")
def service_command(
    kind: Annotated[str, typer.Argument(help="analysis", metavar="KIND", show_default=False)],
    case: CaseFolder,
    lasts: Annotated[
        str, typer.Option("--for", help="How long (default: until Ctrl-C).", metavar="TIME")
    ] = "",
    runs: Runs = None,
    as_json: Json = False,
) -> None:
    """A service that takes orders from other controllers."""
    from minifactory.cli import serving

    with told(as_json):
        serving.serve(kind, case, runs, lasts, as_json)


@app.command("order", rich_help_panel="Run")
def order_command(
    kind: Annotated[str, typer.Argument(help="Type of analysis; or queue, results.", show_default=False)],
    key: Annotated[str, typer.Option(help="Your name for it; the same again is the same order.")] = "",
    sample: Annotated[
        list[str] | None, typer.Option(help="What the sample holds.", metavar="NAME=NUMBER")
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=9, help="0 is the most urgent.")] = 5,
    due: Annotated[str, typer.Option(help="Wanted within.", metavar="TIME")] = "",
    actor: Annotated[str, typer.Option("--as", help="Who asks (default: the user).", metavar="NAME")] = "",
    as_json: Json = False,
) -> None:
    """Order an analysis from the service that runs, or see its queue and results."""
    from minifactory.cli import serving

    with told(as_json):
        serving.order(kind, key, tuple(sample or ()), priority, due, actor, as_json)


@app.command("design", rich_help_panel="Design")
def design_case(
    case: CaseFolder,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="studies/NAME.yaml, a file, or a kind.")],
    samples: Annotated[int | None, typer.Option(min=0, max=1_000_000, help="Monte Carlo samples.")] = None,
    indices: Annotated[int | None, typer.Option(min=0, max=65_536, help="Base of Sobol indices.")] = None,
    evaluations: Annotated[int | None, typer.Option(min=4, help="Candidates of a search.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of samples and search.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes of this machine.")] = None,
    cluster: Annotated[str, typer.Option(help="A Dask scheduler, tls://host:port.", metavar="URL")] = "",
    batches: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Virtual batches of verify.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Verify what this study recommends.", metavar="STUDY")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Recommended case.")] = None,
    runs: Runs = None,
    as_json: Json = False,
) -> None:
    """Virtual design: from cuts and optima to batches that verify what is stated."""
    from minifactory.app.designing import Choices
    from minifactory.cli import designing

    with told(as_json):
        choices = Choices(samples, indices, seed, evaluations, workers, cluster, output, batches, of)
        designing.run_study(case, study, choices, runs, as_json)


@app.command("trust", rich_help_panel="Equipment")
def trust_command(
    application: Annotated[str, typer.Argument(help="orbit or skid-NAME.", show_default=False)],
    thumbprint: Annotated[str, typer.Argument(help="Beginning of a thumbprint to trust.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="A certificate file to trust.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Take off the trust list instead.")] = False,
    as_json: Json = False,
) -> None:
    """The OPC UA certificates that an application trusts or has rejected; trust or reject one."""
    from minifactory.cli import equipment

    with told(as_json):
        equipment.change_trust(application, thumbprint, certificate, reject, as_json)


@app.command("map", rich_help_panel="Equipment")
def map_command(
    url: Annotated[str, typer.Argument(help="URL of the server.", show_default=False)] = "",
    case: Annotated[Path | None, typer.Option(help="Case whose skid the map is for.", metavar="CASE")] = None,
    name: Annotated[str, typer.Option(help="Which skid, when the case has several.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File for the map.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check this map instead.", metavar="FILE")] = None,
    user: Annotated[str, typer.Option(help="User name on the server.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its first line is the password.")] = None,
    as_json: Json = False,
) -> None:
    """Browse a server; propose, save and check the map of its tags."""
    from minifactory.cli import mapping

    with told(as_json):
        mapping.map_server(url, case, name, output, check, user, password_file, as_json)


@app.command("import", rich_help_panel="Data")
def import_file(
    file: Annotated[Path, typer.Argument(help="A chromatography file.", show_default=False)],
    plot: Annotated[Path | None, typer.Option(help="File for a picture (png, svg, pdf).")] = None,
    export: Annotated[Path | None, typer.Option(help="File to write: .csv, .parquet or .json (ASM).")] = None,
    as_json: Json = False,
) -> None:
    """What is inside a chromatography file, with a plot."""
    from minifactory.cli import importing

    with told(as_json):
        importing.show(file, plot, export, as_json)


@app.command(rich_help_panel="Data")
def generate(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A chromatography file.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to make (default: cases/NAME).", metavar="CASE"),
    ] = None,
    column_volume: Annotated[
        str, typer.Option(help="Where the file does not tell it, e.g. '50 mL'.", metavar="VOLUME")
    ] = "",
    as_json: Json = False,
) -> None:
    """A complete case from one result file: equipment, recipe, liquids, lines, open questions."""
    from minifactory.cli import generating

    with told(as_json):
        generating.generate_case(result, output, column_volume, as_json)


@app.command("buffer", rich_help_panel="Data")
def make_buffer(
    substance: Annotated[str, typer.Argument(help="E.g. acetate, tris; none: the library.")] = "",
    ph: Annotated[str, typer.Option(help="Wanted pH.")] = "",
    concentration: Annotated[str, typer.Option(help="Of the buffer substance, e.g. '50 mM'.")] = "",
    conductivity: Annotated[str, typer.Option(help="Wanted, e.g. '12 mS/cm'.")] = "",
    salt: Annotated[str, typer.Option(help="Concentration of salt, instead.")] = "",
    volume: Annotated[str, typer.Option(help="How much.")] = "1 L",
    temperature: Annotated[str, typer.Option(help="At which it is meant.")] = "25 degC",
    stock: Annotated[list[str] | None, typer.Option(help="ROLE=COMPOUND@CONCENTRATION")] = None,
    as_json: Json = False,
) -> None:
    """The recipe (stocks and volumes) of a buffer with a wanted pH and conductivity."""
    from minifactory.cli import buffering

    with told(as_json):
        if not substance:
            buffering.library(as_json)
            return
        buffering.prepare(
            *(substance, ph, concentration, conductivity, salt, volume, temperature, tuple(stock or ())),
            as_json=as_json,
        )


@app.command(rich_help_panel="Data")
def calibrate(
    case: CaseFolder,
    data: Annotated[
        list[str], typer.Argument(metavar="DATA...", help="Files, or recorded runs.", show_default=False)
    ],
    estimate: Annotated[
        list[str] | None, typer.Option(help="PATH or PATH=LOW..HIGH; instead of the automatic choice.")
    ] = None,
    hold: Annotated[list[str] | None, typer.Option(help="PATH that is not estimated.")] = None,
    column: Annotated[str, typer.Option(help="Which column, when the skid has several.")] = "",
    samples: Annotated[
        int, typer.Option(min=0, max=100_000, help="Steps of the Markov chain; 0: none.")
    ] = 1500,
    starts: Annotated[int, typer.Option(min=1, max=512, help="Start points that are tried.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of starts and chain.")] = 1,
    runs: Runs = None,
    assays: Annotated[
        list[Path] | None, typer.Option(help="Table of analysed fractions (CSV, Excel).", metavar="FILE")
    ] = None,
    rivals: Annotated[
        str, typer.Option(help="Compare rival explanations: a file, or 'auto'.", metavar="FILE")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the new parameters.", metavar="FILE")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Make it parameters.yaml; the old one is kept beside it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Parameters from runs, with uncertainty and what cannot be told: a new version of parameters.yaml."""
    from minifactory.cli import calibrating

    with told(as_json):
        calibrating.calibrate(
            case, tuple(data), tuple(estimate or ()), tuple(hold or ()), column, samples, starts, seed,
            runs, tuple(assays or ()), output, adopt, as_json, rivals,
        )  # fmt: skip


runs_app = typer.Typer(
    help="The runs that were recorded: list, show, export, report, verify.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(runs_app, name="runs", rich_help_panel="Data")
Identifier = Annotated[str, typer.Argument(help="Identifier of the run.", show_default=False)]


@runs_app.command("list")
def list_runs(runs: Runs = None, as_json: Json = False) -> None:
    """All recorded runs, the oldest first."""
    from minifactory.cli import recorded

    with told(as_json):
        recorded.list_runs(runs, as_json)


@runs_app.command("show")
def show_run(identifier: Identifier, runs: Runs = None, as_json: Json = False) -> None:
    """Phases, pools and events of a run."""
    from minifactory.cli import recorded

    with told(as_json):
        recorded.show_run(identifier, runs, as_json)


@runs_app.command("export")
def export_run(
    identifier: Identifier,
    file: Annotated[Path, typer.Argument(help="File to write: .parquet or .csv.", show_default=False)],
    runs: Runs = None,
) -> None:
    """Write a run to a file."""
    from minifactory.cli import recorded

    with told(False):
        recorded.export_run(identifier, file, runs)


@runs_app.command("report")
def report_run(identifier: Identifier, runs: Runs = None) -> None:
    """The path of a run's batch record."""
    from minifactory.cli import recorded

    with told(False):
        recorded.report_run(identifier, runs)


@runs_app.command("verify")
def verify_run(identifier: Identifier, runs: Runs = None, as_json: Json = False) -> None:
    """Whether the record of a run is as it was written."""
    from minifactory.cli import recorded

    with told(as_json):
        recorded.verify_run(identifier, runs, as_json)


@app.command(rich_help_panel="Set-up")
def warmup() -> None:
    """Compile the simulation kernels once and cache them."""
    from minifactory.cli.progress import bar
    from minifactory.twin.engine import warmup as compile_kernels

    with told(False), bar() as shown:
        compile_kernels(shown, lanes=True)
    stderr.print("The kernels are compiled and cached.")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        stdout.print(f"minifactory {version('minifactory')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """The open software of a smart mini factory for biological drugs.

    Exit codes: 0 done, 1 the work failed its targets, 2 bad input, 3 equipment or environment.
    """


def main() -> None:
    """Entry point: runs the command and leaves with its exit code."""
    try:
        app()
    except output.Exit as end:
        sys.exit(end.code)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        stderr.print("Interrupted.")
        sys.exit(3)


if __name__ == "__main__":
    main()
