"""The log of a run in the words and units of people."""

from __future__ import annotations

import pytest

from minifactory.historian.lines import event_of
from minifactory.records import documents as doc
from minifactory.signals import Tag
from minifactory.signals.shown import duration, shown
from minifactory.units import ABSORBANCE, FLOW, LENGTH, NUMBER, PRESSURE, TIME
from tests.historian.story import START

TAGS = {
    tag.name: tag
    for tag in (
        Tag("System.Flow.SP", FLOW, "mL/min", writable=True),
        Tag("Pressure.Limit.SP", PRESSURE, "MPa", writable=True),
        Tag("UV1.Wavelength.SP", LENGTH, "nm", writable=True),
        Tag("AveragingTime.SP", TIME, "s", writable=True),
        Tag("OutletValve.SP", NUMBER, writable=True, choices=("WasteF1", "F2", "F3", "F4")),
        Tag("UV1.Signal", ABSORBANCE, "mAU"),
    )
}


def text(document: doc.Document) -> str:
    event = event_of(document, TAGS)
    assert event is not None
    return event.text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("System.Flow.SP", 5.25e-8, "3.15 mL/min"),
        ("Pressure.Limit.SP", 5e5, "0.5 MPa"),
        ("UV1.Wavelength.SP", 2.8e-7, "280 nm"),
        ("AveragingTime.SP", 5.1, "5.1 s"),
        ("OutletValve.SP", 3.0, "F4"),
        ("OutletValve.SP", 4.0, "4"),
        ("Nobody.Knows", 1.5, "1.5"),
    ],
)
def test_set_points_are_told_with_unit_or_position(name: str, value: float, told: str) -> None:
    record = doc.SetpointRecord("R", 1.0, START, {name: value}, "p", doc.Stage.ISSUED)
    assert text(record) == f"{name} = {told} issued"


def test_instructions_are_told_with_units() -> None:
    def issued(name: str, **arguments: float) -> doc.Document:
        return doc.InstructionRecord("R", 1.0, START, 1, name, arguments, "p", doc.Stage.ISSUED)

    gradient = issued("Gradient", percent_b=100.0, volume=1.2667e-3)
    assert text(gradient) == "Gradient(percent_b = 100 %B, volume = 1267 mL) issued"
    assert text(issued("PumpWash", pump=1.0)) == "PumpWash(pump = B) issued"


def test_what_a_watch_saw_is_told_with_units() -> None:
    fired = doc.WatchFired("R", 1.0, START, "p", "pool", "UV > 60 mAU", {"UV1.Signal": 0.060124})
    assert text(fired) == "pool: UV > 60 mAU (UV1.Signal = 60.12 mAU)"


@pytest.mark.parametrize(
    ("time", "told"),
    [
        (1.6, "1.6 s"),
        (119.0, "119 s"),
        (600.0, "10 min"),
        (33927.0, "9.42 h"),
        (float("nan"), "an unknown time"),
        (float("inf"), "any time"),
    ],
)
def test_durations_are_told_in_the_unit_that_reads_best(time: float, told: str) -> None:
    assert duration(time) == told


def test_a_unit_that_does_not_measure_its_kind_is_not_used() -> None:
    assert shown(Tag("System.Flow", FLOW, "nm"), 5.25e-8) == "3.15 mL/min"
