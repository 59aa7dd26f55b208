"""The analysis service at its desk, and over secured OPC UA with a restart in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minifactory.app.home import pki_folder
from minifactory.app.serving import NAME, analysis_kinds, analysis_service
from minifactory.cli.operating import ask
from minifactory.errors import InputError
from minifactory.services.analysis import AnalysisKind, AnalysisService
from minifactory.services.desk import AnalysisDesk


def test_a_desk_takes_orders_and_gives_results() -> None:
    clock = [0.0]
    service = AnalysisService({"purity": AnalysisKind("purity", 1800.0)}, lambda order: order.sample)
    desk = AnalysisDesk(service, lambda: clock[0])
    order = {"do": "order", "key": "c4", "kind": "purity", "sample": {"product": 0.97}}
    accepted, _, result = desk.decide("skid2", order)
    assert accepted
    assert result == {"number": 1, "expected_in": 1800.0}
    assert desk.decide("skid2", order)[2]["number"] == 1
    assert desk.decide("skid1", {**order, "key": "c5"})[2] == {"number": 2, "expected_in": 3600.0}
    assert json.loads(desk.shown()["Status"])["running"]["key"] == "c4"
    clock[0] = 1900.0
    (found,) = desk.decide("skid1", {"do": "results"})[2]["results"]
    assert (found["client"], found["values"]) == ("skid2", {"product": 0.97})
    assert desk.decide("skid1", {"do": "results", "after": found["place"]})[2]["results"] == []


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"do": "oder"}, 'Did you mean "order"'),
        ({"do": "order", "kind": "purity"}, "no key"),
        ({"do": "order", "kind": "purty", "key": "a"}, 'Did you mean "purity"'),
        ({"do": "order", "kind": "purity", "key": "a", "sample": {"x": "much"}}, "cannot be read"),
        ({"do": "order", "kind": "purity", "key": "a", "sample": [1]}, "no mapping"),
        ({"do": "order", "kind": "purity", "key": "a", "priority": 11}, "priority 0 to 9"),
        ({"do": "order", "kind": "purity", "key": "a", "due": "nan"}, "finite"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(request_: dict[str, object], said: str) -> None:
    service = AnalysisService({"purity": AnalysisKind("purity", 1800.0)}, lambda order: order.sample)
    desk = AnalysisDesk(service, lambda: 0.0)
    accepted, reason, _ = desk.decide("a", request_)
    assert not accepted
    assert said in reason
    assert not service.waiting


def test_orders_over_opcua_outlive_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path / "home"))
    case, runs = tmp_path / "case", tmp_path / "runs"
    case.mkdir()
    (case / "services.yaml").write_text("analysis: {purity: 30 min}\n", encoding="utf-8")
    order = {"do": "order", "key": "c4", "kind": "purity", "sample": {"product": 0.97}}
    with analysis_service(case, runs):
        service, accepted, _, result = ask(NAME, "skid2", "peer", order)
        assert (service.skid, accepted, result["number"]) == (NAME, True, 1)
    with analysis_service(case, runs):
        assert ask(NAME, "skid2", "peer", order)[3]["number"] == 1
        queue = ask(NAME, "skid1", "peer", {"do": "queue"})[3]
        assert queue["running"]["key"] == "c4"
    assert pki_folder("orbit").is_dir()


def test_what_services_yaml_says_wrongly(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"services\.yaml"):
        analysis_kinds(tmp_path)
    (tmp_path / "services.yaml").write_text("analysis: {purity: 30 mM}\n", encoding="utf-8")
    with pytest.raises(InputError, match="time"):
        analysis_kinds(tmp_path)
