"""The record of a campaign as one HTML page: every batch, every decision, every version of the parameters."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from minifactory.app.case import Case
from minifactory.campaign.loop import Batch, Progress
from minifactory.campaign.targets import Target, shown
from minifactory.design.pages.page import Page, Table, write


def campaign_page(case: Case, progress: Progress, place: Path) -> Path:
    """Write the page of a campaign of `case` into its folder `place`; returns its path."""
    targets = {f"{item.title} {item.text}": item for item in case.targets.targets}
    page = Page(
        title=f"Campaign of {case.name}",
        verdict=progress.verdict,
        good=progress.exit_code == 0,
        lines=progress.needs,
        tables=(_outcomes(progress, targets), _decisions(progress), _lessons(progress)),
        provenance={
            "campaign": place.name,
            "software": f"MiniFactory {version('minifactory')}",
            **{f"sha256 {name}": value for name, value in case.hashes.items()},
            "batches begun again": str(progress.started_again),
            "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        },
    )
    return write(page, place / "record.html")


def _outcomes(progress: Progress, targets: dict[str, Target]) -> Table:
    head = ("batch", "parameters", "target", "probability", "predicted", "measured", "decision")
    rows = [
        (
            str(batch.number),
            batch.version,
            name,
            _share(batch.probabilities.get(name)),
            _value(batch.predicted, name, target),
            _value(batch.measured, name, target),
            batch.decision or "not run",
        )
        for batch in progress.batches
        for name, target in targets.items()
    ]
    return Table("What each batch was expected to give, and gave", head, tuple(rows), (3, 4, 5))


def _decisions(progress: Progress) -> Table:
    rows = []
    for batch in progress.batches:
        rows += [(str(batch.number), "gate", line) for line in batch.gate]
        rows += [(str(batch.number), "changed", line) for line in batch.changes]
        rows += [(str(batch.number), "verdict", line) for line in batch.reasons]
        rows.append((str(batch.number), "learned", batch.lesson or "-"))
        rows.append((str(batch.number), "run", batch.run or "-"))
        rows.append((str(batch.number), "record", batch.record or "-"))
        rows.append((str(batch.number), "case", batch.case))
    return Table("Every decision", ("batch", "", "what"), tuple(rows))


def _lessons(progress: Progress) -> Table:
    head = ("batch", "parameter", "before", "after", "deviation")
    rows = [(str(batch.number), *cells) for batch in progress.batches for cells in _learned(batch)]
    return Table("What was learned (SI)", head, tuple(rows), (2, 3, 4))


def _learned(batch: Batch) -> list[tuple[str, ...]]:
    return [
        (item.path, f"{item.before:.5g}", f"{item.after:.5g}", f"{100.0 * item.deviation:.2g} %")
        for item in batch.learned
    ]


def _share(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.0%}"


def _value(values: object, name: str, target: Target) -> str:
    found = values.get(name) if isinstance(values, dict) else None
    return "-" if found is None else shown(found, target.kind)
