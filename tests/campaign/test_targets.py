"""Targets as they stand in the file, and what is wrong with them, all at once."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from minifactory.campaign.targets import Judgement, Targets, assess, load_targets, parse_limit
from minifactory.errors import InputError
from minifactory.records.performance import Performance
from minifactory.records.prediction import Prediction
from minifactory.units import FRACTION, PRESSURE
from tests.records.synthetic import make_run

GOOD = """
product: product
pool: Pool
confidence: 80 %
targets:
  yield: ">= 85 %"
  purity: {limit: ">= 95 %", confidence: 90 %, source: a good reason}
  max_pressure: "<= 0.3 MPa"
  pool_volume: [">= 10 mL", "<= 30 mL"]
  buffer.A: "<= 2 L"
  share.aggregate: "<= 2 %"
adjust:
  main.load.volume: {from: 2 CV, to: 5 CV}
"""


def read(tmp_path: Path, text: str, **known: list[str]) -> Targets:
    path = tmp_path / "targets.yaml"
    path.write_text(text, encoding="utf-8")
    return load_targets(path, **known)  # type: ignore[arg-type]


def performance(**values: float) -> Performance:
    figures = {"yield": 0.9, "purity": 0.96, "max_pressure": 2e5, "pool_volume": 2e-5, **values}
    return Performance("product", "Pool", figures, {"A": 1.5e-3}, shares={"aggregate": 0.015})


def test_a_good_file(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD, vessels=["A", "Pool"], species=["product", "aggregate"])
    assert (found.product, found.pool) == ("product", "Pool")
    assert [(t.figure, t.at_least, t.limit) for t in found.targets] == [
        ("yield", True, pytest.approx(0.85)),
        ("purity", True, pytest.approx(0.95)),
        ("max_pressure", False, pytest.approx(3e5)),
        ("pool_volume", True, pytest.approx(1e-5)),
        ("pool_volume", False, pytest.approx(3e-5)),
        ("buffer.A", False, pytest.approx(2e-3)),
        ("share.aggregate", False, pytest.approx(0.02)),
    ]
    assert [t.confidence for t in found.targets] == pytest.approx([0.8, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8])
    assert found.targets[1].source == "a good reason"
    assert found.targets[0].where.startswith("targets.yaml:6")
    (adjustable,) = found.adjustables
    assert (adjustable.reference, adjustable.lower, adjustable.upper) == ("main.load.volume", 2.0, 5.0)


BAD = """
pool: Poll
confidence: 150 %
targets:
  yeild: ">= 85 %"
  purity: "95 %"
  max_pressure: "<= 0.3 mL"
  buffer.X: "<= 2 L"
  duration: "<= ten hours"
adjust:
  a: {from: 2 CV, to: 5 mL}
  b: {from: 5 CV, to: 2 CV}
colour: blue
"""


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, BAD, vessels=["A", "Pool"], species=["product"])
    text = str(caught.value)
    for part in (
        'Did you mean "Pool"',
        "150 %",
        'Did you mean "yield"',
        'purity: "95 %" is no limit',
        '"mL" is not a unit of pressure',
        '"X" is not a known vessel',
        '"ten hours" is not a number with a unit',
        "different kinds of quantity",
        'from "5 CV" to "2 CV"',
        'unknown key "colour"',
    ):
        assert part in text, part
    assert all(finding.where.startswith("targets.yaml:") for finding in caught.value.findings)


@pytest.mark.parametrize("text", ["", "targets:", "targets: {}", "- 1", "targets: yes"])
def test_a_file_without_targets_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"targets\.yaml"):
        read(tmp_path, text)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_targets(tmp_path / "targets.yaml")


def test_limits_read_both_ways() -> None:
    assert parse_limit("≥ 85 %", FRACTION) == (True, pytest.approx(0.85))
    assert parse_limit("<=0.3 MPa", PRESSURE) == (False, pytest.approx(3e5))


def test_judgements(tmp_path: Path) -> None:
    targets = read(tmp_path, GOOD)
    found = {item.target.text: item for item in assess(targets, performance(**{"yield": 0.8}))}
    missed = found[">= 85 %"]
    assert not missed.met
    assert missed.missed_by == pytest.approx(0.05)
    assert str(missed) == "Yield 80 %, required >= 85 %: missed by 5 %"
    assert found["<= 0.3 MPa"].met
    assert found["<= 2000 mL"].value == 1.5e-3


def test_a_limit_that_is_just_met_is_met(tmp_path: Path) -> None:
    targets = read(tmp_path, GOOD)
    assert assess(targets, performance(**{"yield": 0.85}))[0].met


def test_what_is_not_known_is_not_met(tmp_path: Path) -> None:
    judgement = assess(read(tmp_path, GOOD), performance(purity=math.nan))[1]
    assert not judgement.met
    assert "not known" in str(judgement)


def test_probability_comes_from_the_samples_and_counts(tmp_path: Path) -> None:
    targets = read(tmp_path, GOOD)
    samples = tuple(performance(**{"yield": value}) for value in (0.82, 0.84, 0.86, 0.88, 0.90))
    nominal = performance(**{"yield": 0.86})
    prediction = Prediction(make_run(), nominal, samples)
    judgement = assess(targets, nominal, prediction)[0]
    assert judgement.probability == pytest.approx(0.6)
    assert not judgement.met
    assert str(judgement).endswith("(met with a probability of 60%, required 80%)")
    relaxed = replace(judgement.target, confidence=0.6)
    assert Judgement(relaxed, 0.86, 0.6).met


def test_a_quality_attribute_is_limited_by_the_product(tmp_path: Path) -> None:
    found = read(tmp_path, 'targets:\n  share.aggregate: "<= 2 %"\n')
    (target,) = found.targets
    assert target.title == "aggregate per product"
    assert target.value(performance()) == 0.015
    assert target.met(target.value(performance()))
    with pytest.raises(InputError, match="not a known species"):
        read(tmp_path, 'targets:\n  share.agregate: "<= 2 %"\n', species=["product", "aggregate"])
