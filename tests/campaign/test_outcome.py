"""What programs get is strict JSON, with None for what is not known."""

from __future__ import annotations

import json

import pytest

from minifactory.campaign.gate import gate
from minifactory.campaign.outcome import (
    deviation_content,
    gate_content,
    prediction_content,
    targets_content,
    verdict_content,
)
from minifactory.campaign.report import BatchRecord
from minifactory.campaign.targets import Adjustable, Targets
from minifactory.records.prediction import Prediction
from minifactory.units import COLUMN_VOLUMES
from tests.campaign.records import aborted_record, batch_record
from tests.campaign.test_gate import RUN, START, YIELD, overloaded


def strict(content: object) -> object:
    return json.loads(json.dumps(content, allow_nan=False))


@pytest.mark.parametrize("record", [batch_record(), aborted_record()], ids=["complete", "aborted"])
def test_everything_is_strict_json(record: BatchRecord) -> None:
    assert record.prediction is not None
    assert record.comparison is not None
    assert record.gate is not None
    for content in (
        prediction_content(record.prediction),
        deviation_content(record.comparison),
        verdict_content(record.verdict),
        gate_content(record.gate),
    ):
        assert strict(content) == content


def test_a_missed_target_says_by_how_much() -> None:
    found = {item["figure"]: item for item in targets_content(batch_record().verdict.judgements)}
    assert found["purity"]["met"] is False
    assert found["purity"]["missed_by"] == pytest.approx(0.99 - 0.9473684)
    assert found["yield"]["missed_by"] == 0.0


def test_advice_is_told_with_its_values() -> None:
    load = Adjustable("load.volume", 0.0, 10.0, COLUMN_VOLUMES)
    result = gate(
        Prediction(RUN, overloaded(START)), Targets((YIELD,), adjustables=(load,)), START, overloaded
    )
    content = gate_content(result)
    assert content["passed"] is False
    assert content["best"]["changes"]["load.volume"]["from"] == 6.0
    assert content["best"]["performance"]["yield"] >= 0.85
    assert content["sensitivities"][0]["reference"] == "load.volume"
    strict(content)
