"""What controllers say to each other: whole through JSON, and who waits in vain is named."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.levels import Levels
from minifactory.orbit.transfers import Exchange, Word, word
from minifactory.recipe.transfers import Handshake, Side, TransferState


def test_a_word_survives_the_wire() -> None:
    state = TransferState(
        "product", "capture", "polish", Side.DELIVERER, Handshake.DELIVERING, 3, 2e-6, 10.0, None
    )
    said = Word(
        "capture", "Running", "capture.cycle.elute", (state,), {"loading": [[1, "output", 2.0, 0]]},
        {"hold": (0.0, 2e-6)}, {"hold": (5e-6, 1e-7)}, {"capture.Station.Position": 1.0},
    )  # fmt: skip
    assert word(json.loads(json.dumps(said.as_dict()))) == said


def test_an_old_word_does_not_set_a_level_again() -> None:
    """A peer that has left says no more: what it read then is not what the vessel holds now."""
    exchange, levels = Exchange("process", lock_step=True), Levels({"hold": 50e-6})
    procedure = SimpleNamespace(
        heard=dict, hear=lambda _states: None, control=SimpleNamespace(hear=lambda *_: None)
    )
    exchange.tell(Word("kitchen", "Running", read={"hold": (40e-6, 1e-7)}, time=5.0), 0.0)
    for drawn in (0.0, 10e-6, 20e-6):
        levels.consumed["hold"] = drawn
        exchange.hear(procedure, levels, 5.0)  # type: ignore[arg-type]
        assert levels.volume("hold") == pytest.approx(40e-6 - drawn)


@pytest.mark.parametrize("broken", [{}, {"skid": "a"}, {"skid": "a", "run_state": "Idle", "states": [{}]}])
def test_what_is_no_word_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        word(broken)


def test_the_position_of_a_peers_valve_is_what_it_said_last() -> None:
    exchange = Exchange("polish", lock_step=True)
    assert exchange.position("capture.Station.Position") is None
    exchange.tell(Word("capture", "Running", positions={"capture.Station.Position": 2.0}), 0.0)
    assert exchange.position("capture.Station.Position") == 2.0
    assert exchange.position("third.Station.Position") is None


@pytest.mark.parametrize(
    ("waited", "expected", "told"), [(1900.0, 0.0, True), (1900.0, 600.0, False), (2500.0, 600.0, True)]
)
def test_a_wait_is_told_when_it_is_longer_than_expected(waited: float, expected: float, told: bool) -> None:
    state = TransferState(
        "product", "polish", "capture", Side.RECEIVER, Handshake.READY_TO_RECEIVE, 1, 0.0, 0.0, None
    )
    procedure = SimpleNamespace(
        waiting=True, waits=("product",), disagreement="", phase_path="polish.load", phase_time=waited,
        published=lambda: {"product": state},
    )  # fmt: skip
    exchange, alarms = Exchange("polish", lock_step=True), Alarms(lambda _change: None)
    exchange.expected = {"polish.load": expected}
    exchange.tell(Word("capture", "Running", "capture.elute"), 0.0)
    assert exchange.guard(SimpleNamespace(procedure=procedure), waited, waited, alarms) == []  # type: ignore[arg-type]
    assert [item.name for item in alarms.active()] == (["Transfer"] if told else [])
