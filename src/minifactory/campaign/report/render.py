"""The batch record as one HTML file that needs nothing else: no script, font or picture from elsewhere."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from minifactory.campaign.judge import Decision, end_reason
from minifactory.campaign.report import chromatogram, tables
from minifactory.campaign.report.chromatogram import Picture
from minifactory.campaign.report.record import BatchRecord
from minifactory.records.whole_file import write_whole

TONES = {
    Decision.MET: "good",
    Decision.MISSED: "bad",
    Decision.UNDECIDED: "note",
    Decision.INCOMPLETE: "bad",
}


def render(record: BatchRecord) -> str:
    """The HTML text of `record`."""
    run = record.run
    empty = tables.Table("", (), ())
    return _template().render(
        record=record,
        run=run,
        tone=TONES[record.verdict.decision],
        incomplete=run.state != "Complete",
        end_reason=end_reason(run),
        duration=tables.duration(run.duration),
        pictures=[
            (title, _source(picture), picture.description)
            for title, picture in (
                ("The whole run", chromatogram.overview(record)),
                ("Elution", chromatogram.elution(record)),
            )
            if picture is not None
        ],
        targets=tables.targets(record),
        figures=tables.figures(record),
        phases=tables.phases(record),
        deviations=tables.deviations(record),
        prominent=tables.events(run.events, prominent=True),
        log=tables.events(run.events, prominent=False),
        materials=tables.materials(record) if run.consumed or record.prediction else empty,
        pools=tables.pools(record),
        parameters=tables.parameters(record),
        assumptions=tables.assumptions(record),
        provenance=list(tables.provenance(record)),
    )


def write(record: BatchRecord, path: Path) -> Path:
    """Write `record` to `path` at once or not at all; returns the path.

    Raises
    ------
    EnvironmentFault
        When the file cannot be written.
    """
    remedy = "Make room. The run itself is in the historian: see minifactory runs show and export."
    return write_whole(path, render(record), "the batch record", remedy)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("minifactory.campaign", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("batch_record.html")


def _source(picture: Picture) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode()).decode()
