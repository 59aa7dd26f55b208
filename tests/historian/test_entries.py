"""Documents survive the way to text and back."""

from __future__ import annotations

import math

import pytest

from minifactory.errors import EnvironmentFault
from minifactory.historian.entries import Entry, to_document, to_entry
from minifactory.records import documents as doc
from tests.historian.story import START, story

MORE = [
    doc.RunResumed("R1", 3.0, START, 1.5, "hold", "elute, 3 CV done"),
    doc.SetpointRecord("R1", 3.0, START, {"System.Flow.SP": 1e-8}, "recipe", doc.Stage.COMPLETED, 0.5, ""),
    doc.OperatorAction("R1", 3.0, START, "anna", "hold", False, "refused in Idle"),
    doc.ClockMark("R1", 3.0, START, 99.5),
    doc.Note("R1", 3.0, START, "level", "A", "nearly empty µ é \u0000", {"volume": math.inf}),
]


@pytest.mark.parametrize("document", [*story(), *MORE], ids=lambda document: type(document).__name__)
def test_round_trip(document: doc.Document) -> None:
    if isinstance(document, doc.Samples):
        return
    entry = to_entry(document)
    assert entry.body.isascii()
    assert to_document(entry) == document


def test_every_document_of_the_module_is_told_in_these_tests() -> None:
    known = {
        kind for kind in vars(doc).values() if isinstance(kind, type) and issubclass(kind, doc.Document)
    } - {doc.Document}
    assert {type(document) for document in [*story(), *MORE]} == known


def test_a_kind_of_a_newer_version_is_passed_over() -> None:
    assert to_document(Entry("R1", "Hologram", 0.0, START.isoformat(), "{}")) is None


def test_a_changed_body_is_an_error() -> None:
    with pytest.raises(EnvironmentFault, match="cannot be read"):
        to_document(Entry("R1", "Transition", 0.0, START.isoformat(), '{"before":"Idle"}'))


def test_a_time_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="time"):
        to_entry(doc.ClockMark("R1", math.nan, START, 1.0))
