"""What controllers say to each other: whole through JSON, and who waits in vain is named."""

from __future__ import annotations

import json

import pytest

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
