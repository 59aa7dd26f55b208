"""Buffer and analysis services: order of work, forecasts, lots, the ledger, and what a restart keeps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from benchmarks.buffer_service import outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.app.case import open_case
from minifactory.errors import InputError
from minifactory.services.analysis import AnalysisKind, AnalysisOrder, AnalysisService
from minifactory.services.buffers import (
    BufferVessel,
    EarliestDeadline,
    LotBook,
    PreparationUnit,
    Situation,
    ThresholdFirstInFirstOut,
    planned_orders,
)
from minifactory.services.forecast import Draw, depletion, level_at, planned_draws, runs_dry
from minifactory.services.ledger import FileLedger, MemoryLedger
from minifactory.twin.buffers import Wanted

HALF_HOUR, DAY, L = 1800.0, 86400.0, 1e-3
KINDS = {
    "purity": AnalysisKind("purity", HALF_HOUR),
    "titre": AnalysisKind("titre", 600.0),
}


def measured(order: AnalysisOrder) -> dict[str, float]:
    return {"value": order.sample.get("truth", math.nan)}


def service(ledger: MemoryLedger | FileLedger | None = None) -> AnalysisService:
    return AnalysisService(KINDS, measured, ledger or MemoryLedger())


def test_urgent_samples_overtake_but_nothing_is_broken_off() -> None:
    lab = service()
    for number, (priority, due) in enumerate(((5, math.inf), (5, 9e4), (5, 8e4), (0, math.inf))):
        lab.order("a", str(number), "purity", 0.0 if number < 3 else 60.0, priority=priority, due=due)
    done = [item.order.key for item in lab.advance(4 * HALF_HOUR)]
    assert done == ["2", "3", "1", "0"]


def test_a_full_queue_does_at_least_45_analyses_a_day() -> None:
    """48 is the bound at 30 min each; the scan of the service costs nothing of it."""
    lab = service()
    for number in range(60):
        lab.order("a", str(number), "purity", 0.0)
    done = [item for scan in range(0, int(DAY) + 1, 60) for item in lab.advance(float(scan))]
    assert len(done) == 48
    assert all(item.finished - item.begun == HALF_HOUR for item in done)


def test_asking_again_gives_the_same_order_and_unknown_kinds_are_named() -> None:
    lab = service()
    first = lab.order("a", "1", "purity", 0.0)
    assert lab.order("a", "1", "purity", 50.0) is first
    assert lab.order("b", "1", "purity", 50.0).number == 2
    with pytest.raises(InputError, match="purity"):
        lab.order("a", "1", "titre", 60.0)
    with pytest.raises(InputError, match='Did you mean "purity"'):
        lab.order("a", "2", "purty", 0.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=25))
def test_restarts_lose_and_repeat_nothing(tasks: list[tuple[int, bool, bool]]) -> None:
    """Whatever the orders, with a restart of the service after any of them: each has one result, the same."""
    ledger, plain = MemoryLedger(), service()
    lab, clock = service(ledger), 0.0
    for number, (priority, quick, restart) in enumerate(tasks):
        for each in (lab, plain):
            kind = "titre" if quick else "purity"
            each.order("a", str(number), kind, clock, priority=priority, sample={"truth": float(number)})
        clock += 700.0
        lab.advance(clock)
        plain.advance(clock)
        if restart:
            lab = service(ledger)
    lab.advance(DAY * 10)
    plain.advance(DAY * 10)
    assert lab.results == plain.results
    assert sorted(item.order.number for item in lab.results) == list(range(1, len(tasks) + 1))
    assert all(item.values["value"] == item.order.number - 1 for item in lab.results)


def test_the_expected_time_of_a_result_is_kept_when_nothing_more_urgent_comes() -> None:
    lab = service()
    for number in range(4):
        lab.order("a", str(number), "purity", 0.0)
    lab.advance(10.0)
    promised = [lab.expected(number, 10.0) for number in (1, 2, 3, 4)]
    assert [item.finished for item in lab.advance(DAY)] == promised


def test_a_ledger_on_disk_survives_a_line_cut_short_but_not_a_changed_one(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    ledger = FileLedger(file)
    for number in range(3):
        ledger.write({"number": number})
    ledger.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    again = FileLedger(file)
    assert [event["number"] for event in again.events()] == [0, 1]
    again.write({"number": 7})
    again.close()
    last = FileLedger(file)
    assert [event["number"] for event in last.events()] == [0, 1, 7]
    last.close()
    file.write_bytes(whole.replace(b'"number":1', b'"number":9'))
    with pytest.raises(InputError, match="line 2 is damaged"):
        FileLedger(file)


def test_when_a_vessel_runs_dry() -> None:
    draws = [Draw("a", 0.0, 100.0, 1.0), Draw("a", 50.0, 150.0, 1.0)]
    assert runs_dry(1.0, 0.0, draws, 0.0) == pytest.approx(75.0)  # 0.5 by 50 s, then 0.02 per s
    assert runs_dry(2.5, 0.0, draws, 0.0) == math.inf
    assert runs_dry(0.2, 0.2, draws, 0.0) == 0.0
    dry = depletion({"a": 1.0, "b": 1.0}, {}, draws, 0.0, {"a": 0.25})
    assert dry == {"a": pytest.approx(50.0), "b": math.inf}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(1, 100), st.floats(0.01, 2.0)), max_size=6),
    st.floats(0.1, 5.0),
)
def test_a_vessel_is_at_its_minimum_when_it_runs_dry(
    parts: list[tuple[float, float, float]], volume: float
) -> None:
    """The level by integration of each draw, against the breakpoints of their sum."""
    draws = [Draw("a", begin, begin + lasts, amount) for begin, lasts, amount in parts]
    found = runs_dry(volume, 0.0, draws, 0.0)
    if math.isinf(found):
        assert level_at(volume, draws, 0.0, 300.0) >= -1e-9
    else:
        assert level_at(volume, draws, 0.0, found) == pytest.approx(0.0, abs=1e-9)


def test_the_plan_of_a_recipe_draws_what_the_check_says(cases: Path) -> None:
    case = open_case(cases / "cex-polish")
    draws = planned_draws(case.bound, case.plant)
    feed = [draw for draw in draws if draw.vessel == "feed"]
    assert sum(draw.volume for draw in feed) == pytest.approx(222e-6, rel=0.01)
    assert all(draw.end >= draw.start for draw in draws)


VESSELS = {"a": BufferVessel("a", 10 * L), "b": BufferVessel("b", 10 * L)}
UNIT = PreparationUnit(setup=1200.0, per_volume=0.15 * 3600.0 / L, delivery=300.0)


def test_the_vessel_that_runs_dry_first_goes_first_not_the_one_that_asked_first() -> None:
    draws = [Draw("a", 0.0, 20 * 3600.0, 6 * L), Draw("b", 0.0, 4 * 3600.0, 6 * L)]
    now = Situation(0.0, {"a": 2.0 * L, "b": 2.9 * L}, draws, {})
    line = ThresholdFirstInFirstOut(0.3)
    assert line.choose(VESSELS, UNIT, now).vessel == "a"  # type: ignore[union-attr]
    order = EarliestDeadline().choose(VESSELS, UNIT, now)
    assert order is not None
    assert order.vessel == "b"
    assert order.due == pytest.approx(2.9 / 6.0 * 4 * 3600.0)
    assert "dry in 1.9 h" in order.note


def test_a_batch_fits_when_it_arrives() -> None:
    draws = [Draw("a", 0.0, 1e5, 10 * L)]
    (order,) = planned_orders(VESSELS, UNIT, Situation(0.0, {"a": 4 * L, "b": 9 * L}, draws, {}), 0.0)
    left = 4 * L - 10 * L * UNIT.lasts(order.volume) / 1e5
    assert left + order.volume <= 10 * L * (1 + 1e-9)


def test_no_plan_no_order() -> None:
    assert EarliestDeadline().choose(VESSELS, UNIT, Situation(0.0, {"a": L, "b": L}, [], {})) is None


def test_lots_are_prepared_by_the_buffer_model_and_numbered_on_after_a_restart() -> None:
    ledger = MemoryLedger()
    vessel = BufferVessel("acetate", 10 * L, wanted=Wanted("acetate", 50.0, 5.1, conductivity=1.2))
    lot = LotBook(ledger).prepare(vessel, 4 * L, 100.0)
    assert lot.ph == pytest.approx(5.1, abs=1e-3)
    assert lot.conductivity == pytest.approx(1.2, rel=1e-3)
    assert math.fsum(lot.stocks.values()) == pytest.approx(4 * L)
    assert LotBook(ledger).prepare(vessel, L, 200.0).number == "acetate-0002"
    with pytest.raises(InputError, match="what it is to be"):
        LotBook(ledger).prepare(VESSELS["a"], L, 0.0)


def test_two_days_of_the_campaign_no_buffer_runs_dry() -> None:
    served = outcome(EarliestDeadline(), 3, days=2.0)
    assert (served.depletions, served.idle_hours) == (0, 0.0)
    assert served == outcome(EarliestDeadline(), 3, days=2.0)
    late = outcome(ThresholdFirstInFirstOut(0.2), 3, days=2.0)
    assert late.idle_hours >= served.idle_hours
