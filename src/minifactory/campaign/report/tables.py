"""The tables of a batch record: rows of text, with what matters about them as a mark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from minifactory.campaign.report.record import BatchRecord
from minifactory.campaign.targets import Judgement, Target, shown
from minifactory.historian.reading import UNFINISHED
from minifactory.plant.parameters import Parameter, Uncertainty
from minifactory.records.compare import Comparison, FrontDeviation
from minifactory.records.performance import FIGURES
from minifactory.records.pools import collect, protein_masses
from minifactory.records.run import Event
from minifactory.units import MASS, VOLUME, Kind

NONE = "–"
TRACE = 1e-6
"""Share of the largest mass in any vessel below which a mass is none: solver and rounding, not product."""
PROMINENT = ("alarm", "operator", "controller", "transition", "watch", "resumed", "gap", "run")


@dataclass(frozen=True)
class Row:
    """One row: its cells, and a mark that decides its look: ``good``, ``bad``, ``note`` or nothing."""

    cells: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A titled table; `numeric` are the columns that hold numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()


def duration(seconds: float) -> str:
    """A duration as h:mm:ss."""
    if not math.isfinite(seconds):
        return NONE
    return str(timedelta(seconds=round(seconds)))


def text_of(value: float, kind: Kind) -> str:
    """`value` (SI) as people read it; a dash when it is not known."""
    if not math.isfinite(value):
        return NONE
    text = duration(value) if kind.name == "time" and value >= 60 else shown(value, kind)
    return text.replace("*", "·")


def interval(low: float, high: float, kind: Kind) -> str:
    """From `low` to `high` (SI) with the unit once; a dash when it is not known."""
    first, last = text_of(low, kind), text_of(high, kind)
    if NONE in (first, last):
        return NONE
    number, _, unit = first.partition(" ")
    return f"{number} to {last}" if unit and last.endswith(f" {unit}") else f"{first} to {last}"


def _limit(target: Target) -> str:
    """The limit of `target` as it is printed."""
    return f"{'≥' if target.at_least else '≤'} {text_of(target.limit, target.kind)}"


def targets(record: BatchRecord) -> Table:
    """Each target: required, predicted, measured, met."""
    predicted = {} if record.gate is None else {id(j.target): j for j in record.gate.judgements}
    by_limit = {(j.target.figure, j.target.at_least): j for j in predicted.values()}
    rows = []
    for item in record.verdict.judgements:
        target = item.target
        expected = by_limit.get((target.figure, target.at_least))
        range_ = NONE
        if record.prediction is not None and target.figure in FIGURES:
            range_ = interval(*record.prediction.interval(target.figure), target.kind)
        rows.append(
            Row(
                (
                    target.title,
                    _limit(target),
                    NONE if expected is None else text_of(expected.value, target.kind),
                    range_,
                    NONE
                    if expected is None or not math.isfinite(expected.probability)
                    else f"{100 * expected.probability:.0f} %",
                    text_of(item.value, target.kind),
                    _verdict(item, record.run.state),
                ),
                "good" if item.met else "bad",
            )
        )
    head = ("Target", "Required", "Predicted", "Interval", "Probability", "Measured", "Verdict")
    return Table("Targets", head, tuple(rows), frozenset({2, 3, 4, 5}))


def _verdict(item: Judgement, state: str) -> str:
    if not math.isfinite(item.value):
        return "not known"
    if item.met:
        return "met" if state == "Complete" else "met so far"
    return f"missed by {text_of(item.missed_by, item.target.kind)}"


def figures(record: BatchRecord) -> Table:
    """All figures of performance, measured against predicted."""
    rows = []
    compared = {} if record.comparison is None else {item.name: item for item in record.comparison.figures}
    for name, figure in FIGURES.items():
        value = record.performance.values.get(name, math.nan)
        item = compared.get(name)
        predicted = range_ = where = NONE
        mark = ""
        if item is not None:
            predicted = text_of(item.predicted, figure.kind)
            range_ = interval(item.lower, item.upper, figure.kind)
            if item.inside is not None:
                where = "inside" if item.inside else "outside"
                mark = "" if item.inside else "note"
        rows.append(Row((figure.title, text_of(value, figure.kind), predicted, range_, where), mark))
    head = ("Figure", "Measured", "Predicted", "Interval", "Measured value is")
    return Table("Performance", head, tuple(rows), frozenset({1, 2, 3}))


def phases(record: BatchRecord) -> Table:
    """Each phase: programmed, predicted and executed."""
    planned = {} if record.recipe is None else {phase.path: phase for phase in record.recipe.phases}
    expected = {} if record.comparison is None else {item.path: item for item in record.comparison.phases}
    executed = {phase.path: phase for phase in record.run.phases}
    rows = []
    for path in dict.fromkeys([*planned, *expected, *executed]):
        programme, forecast, done = planned.get(path), expected.get(path), executed.get(path)
        rows.append(
            Row(
                (
                    path,
                    NONE if programme is None else programme.until.text,
                    NONE if forecast is None else duration(forecast.predicted_duration),
                    NONE if forecast is None else _volume(forecast.predicted_volume, record),
                    NONE if done is None else duration(done.start),
                    NONE if done is None else duration(done.end - done.start),
                    NONE if done is None else _volume(done.volume, record),
                    "not executed" if done is None else done.reason,
                ),
                "bad" if done is None or done.reason == UNFINISHED else "",
            )
        )
    head = (
        "Phase",
        "Programmed end",
        "Predicted time",
        "Predicted volume",
        "Started at",
        "Executed time",
        "Executed volume",
        "Ended because",
    )
    return Table("Phases, programmed and executed", head, tuple(rows), frozenset({2, 3, 4, 5, 6}))


def _volume(volume: float, record: BatchRecord) -> str:
    if not math.isfinite(volume):
        return NONE
    text = f"{volume * 1e6:.1f} mL"
    return f"{text} ({volume / record.run.column_volume:.2f} CV)" if record.run.column_volume else text


def deviations(record: BatchRecord) -> tuple[Table, ...]:
    """Fronts, peaks and trends against the prediction; empty tables are left out."""
    tables = [_fronts(record.original_fronts, "Fronts of the original file against the prediction")]
    if record.comparison is not None:
        caption = "Fronts: volume since the start of the phase at half of the step"
        tables = [
            _fronts(record.comparison.fronts, caption),
            *tables,
            _peaks(record.comparison),
            _trends(record.comparison),
        ]
    return tuple(table for table in tables if table.rows)


def _fronts(fronts: Sequence[FrontDeviation], caption: str) -> Table:
    rows = tuple(
        Row(
            (
                f"{item.name}, {item.phase}",
                f"{item.predicted * 1e6:.2f} mL",
                f"{item.measured * 1e6:.2f} mL",
                _shift(item.difference, item.column_volume),
            )
        )
        for item in fronts
    )
    head = ("Front", "Predicted", "Measured", "Difference")
    return Table(caption, head, rows, frozenset({1, 2, 3}))


def _peaks(comparison: Comparison) -> Table:
    rows = []
    for item in comparison.peaks:
        expected = (f"{item.name}, {item.phase}", f"{item.predicted.apex * 1e6:.1f} mL")
        if item.measured is None:
            rows.append(Row((*expected, "none found", NONE, NONE, NONE), "note"))
            continue
        seen = (f"{item.measured.apex * 1e6:.1f} mL", _shift(item.shift, item.column_volume))
        rows.append(Row((*expected, *seen, f"{item.height_ratio:.3f}", f"{item.area_ratio:.3f}")))
    head = ("Peak", "Predicted apex", "Measured apex", "Shift", "Height ratio", "Area ratio")
    return Table("Peaks in elution", head, tuple(rows), frozenset({1, 2, 3, 4, 5}))


def _trends(comparison: Comparison) -> Table:
    rows = tuple(
        Row((item.name, f"{item.mean:.2%}", f"{item.bias:+.2%}", f"{item.maximum:.1%}", duration(item.at)))
        for item in comparison.trends
    )
    head = ("Trend", "Mean", "Bias", "Largest", "At")
    return Table("Trends: deviation relative to the predicted range", head, rows, frozenset({1, 2, 3, 4}))


def _shift(difference: float, column_volume: float) -> str:
    return f"{difference:+.3f} CV" if column_volume else f"{difference * 1e6:+.2f} mL"


def events(run_events: Sequence[Event], *, prominent: bool) -> Table:
    """The log: the lines that a reviewer must see, or every line."""
    chosen = [event for event in run_events if not prominent or event.category in PROMINENT]
    rows = tuple(
        Row(
            (duration(event.time), event.category, event.source, event.text),
            {"alarm": "bad", "gap": "bad", "resumed": "note", "operator": "note"}.get(event.category, ""),
        )
        for event in chosen
    )
    caption = "Alarms, operator actions, transitions and watches" if prominent else "Complete log"
    return Table(caption, ("Time", "What", "Source", "Text"), rows, frozenset({0}))


def materials(record: BatchRecord) -> Table:
    """What was drawn from each vessel, and what was left."""
    vessels = {} if record.plant is None else record.plant.vessels
    predicted = {} if record.prediction is None else record.prediction.run.consumed
    rows = []
    for name in dict.fromkeys([*record.run.consumed, *predicted]):
        used = record.run.consumed.get(name, math.nan)
        vessel = vessels.get(name)
        left = math.nan if vessel is None else vessel.volume - used
        rows.append(
            Row(
                (
                    name,
                    NONE if vessel is None or vessel.material is None else vessel.material,
                    text_of(math.nan if vessel is None else vessel.volume, VOLUME),
                    text_of(predicted.get(name, math.nan), VOLUME),
                    text_of(used, VOLUME),
                    text_of(left, VOLUME),
                ),
                "bad" if left < 0 else "",
            )
        )
    head = ("Vessel", "Material", "At the start", "Predicted use", "Used", "Left")
    return Table("Materials", head, tuple(rows), frozenset({2, 3, 4, 5}))


def pools(record: BatchRecord) -> Table:
    """What each vessel received, predicted and measured, and the proteins found in it."""
    predicted = (
        {} if record.comparison is None else {item.vessel: item.predicted for item in record.comparison.pools}
    )
    found = collect(record.run)
    species = {} if record.plant is None else record.plant.species
    least = TRACE * max(
        (mass for pool in found.values() for mass in pool.masses(species).values()), default=0.0
    )
    rows = []
    for name in dict.fromkeys([*found, *predicted]):
        pool = found.get(name)
        masses = {} if pool is None else protein_masses(pool.amounts, species)
        content = ", ".join(
            f"{protein} {text_of(mass, MASS) if mass > least else 'none'}" for protein, mass in masses.items()
        )
        rows.append(
            Row(
                (
                    name,
                    text_of(predicted.get(name, math.nan), VOLUME),
                    NONE if pool is None else text_of(pool.volume, VOLUME),
                    content or "not analysed",
                ),
                "good" if name == record.performance.pool else "",
            )
        )
    head = ("Vessel", "Predicted volume", "Received", "Proteins found")
    return Table("Pools and waste", head, tuple(rows), frozenset({1, 2}))


def parameters(record: BatchRecord) -> Table:
    """Every model parameter with value, uncertainty, source and whether it is assumed."""
    rows = []
    if record.plant is not None:
        for parameter in record.plant.parameters.parameters.values():
            assumed = parameter.source.strip().lower().startswith("assumed")
            rows.append(
                Row(
                    (
                        parameter.path,
                        _value(parameter),
                        _uncertainty(parameter.uncertainty, parameter.kind),
                        "assumed" if assumed else "",
                        parameter.source,
                    ),
                    "note" if assumed else "",
                )
            )
    head = ("Parameter", "Value", "Uncertainty", "", "Source")
    return Table("Model parameters", head, tuple(rows), frozenset({1, 2}))


def _value(parameter: Parameter) -> str:
    kind = parameter.kind
    return f"{parameter.value:.5g}" if not kind.shown else shown(parameter.value, kind)


def _uncertainty(uncertainty: Uncertainty | None, kind: Kind) -> str:
    if uncertainty is None:
        return NONE
    if uncertainty.shape == "lognormal":
        return f"× or ÷ {math.exp(uncertainty.spread):.3g}"
    if uncertainty.relative:
        return f"± {uncertainty.spread:.2%}"
    return f"± {uncertainty.spread:.3g} {kind.si}".rstrip()


def assumptions(record: BatchRecord) -> Table:
    """The numbers of the description itself that are marked as assumed."""
    numbers = () if record.plant is None else record.plant.numbers.values()
    rows = tuple(Row((number.path, number.text, number.source)) for number in numbers if number.assumed)
    return Table("Assumed numbers of the description", ("Number", "Value", "Source"), rows, frozenset({1}))


def provenance(record: BatchRecord) -> Iterator[tuple[str, str]]:
    """What went in and what made it: pairs of name and value."""
    yield "Software", record.software
    for name, value in record.run.provenance.items():
        yield name, value
    for name, value in record.inputs.items():
        yield f"SHA-256 of {name}", value
    if record.prediction is not None:
        yield "Prediction", f"{record.prediction.run.identifier}, {len(record.prediction.samples)} samples"
    for overlay in record.overlays:
        yield f"Overlay {overlay.label}", overlay.source
    if record.audit is not None:
        yield (
            "Audit chain",
            f"{record.audit.entries} entries, {'intact' if record.audit.intact else record.audit.fault}",
        )
        yield "Head of the chain", record.audit.head
