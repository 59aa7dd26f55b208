"""A run read back is the run that was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minifactory.errors import EnvironmentFault
from minifactory.historian import Policy, Store, Writer, documents, load_run
from minifactory.historian.reading import LOST
from minifactory.records import documents as doc
from minifactory.records.run import Run
from tests.historian.story import CV, SCAN, START, flow_at, story


@pytest.fixture
def run(store: Store, patient: Policy, tmp_path: Path) -> Run:
    with Writer(store, tmp_path / "spool", patient) as writer:
        for document in story():
            writer.offer(document)
    return load_run(store, "R1")


def test_trends_hold_every_scan(run: Run) -> None:
    for document in story():
        if isinstance(document, doc.Samples):
            for index, value in zip(document.indices, document.values, strict=True):
                name = ("System.Flow", "UV1.Signal", "System.Flow.SP", "OutletValve.Position")[index]
                assert run.trends[name].at(np.array([document.time]))[0] == value


def test_a_still_value_is_not_smeared_into_a_ramp(run: Run) -> None:
    flow = run.trends["System.Flow"]
    assert not flow.step
    times = np.arange(0.0, 120.0, SCAN)
    assert np.array_equal(flow.at(times), [flow_at(time) for time in times])
    # Volume: 59 s at 1e-8, one scan of change at the mean, 60 s at 2e-8 m3/s.
    assert run.volume_axis(np.array([120.0]))[0] == pytest.approx(59e-8 + 1.5e-8 + 120e-8, rel=1e-12)


def test_positions_and_setpoints_are_steps(run: Run) -> None:
    assert run.trends["OutletValve.Position"].step
    assert run.trends["System.Flow.SP"].step
    assert run.trends["System.Flow.SP"].at(np.array([59.9]))[0] == 1e-8


def test_quality_is_kept(run: Run) -> None:
    uv = run.trends["UV1.Signal"]
    assert uv.quality is not None
    assert list(uv.time[uv.quality != 0]) == [10.0]
    assert run.trends["System.Flow"].quality is None


def test_phases_pools_and_amounts(run: Run) -> None:
    assert [phase.path for phase in run.phases] == ["p.o.equilibrate", "p.o.elute"]
    assert (run.phases[0].start, run.phases[0].end, run.phases[0].volume) == (0.0, 60.0, 60e-8)
    (pool,) = run.pools
    assert (pool.vessel, pool.start, pool.end, pool.volume) == ("Pool", 80.0, 100.0, 40e-8)
    assert pool.amounts == {"product": 2e-6}
    assert run.loaded == {"product": 2.5e-6}
    assert run.consumed == {"A": 1e-6}
    assert (run.state, run.column_volume, run.origin) == ("Complete", CV, "virtual skid")
    assert run.provenance["seed"] == "7"


def test_the_log_tells_what_happened(run: Run) -> None:
    lines = {(event.time, event.category): event.text for event in run.events}
    assert "start of pool: UV >= 50 mAU (UV = 0.1)" in lines[80.0, "watch"]
    assert lines[70.0, "instruction"] == "AutoZero() issued"
    assert lines[70.0, "alarm"] == "high alarm raised: pressure high (first out)"
    assert [event.time for event in run.events] == sorted(event.time for event in run.events)


def test_only_wanted_trends(store: Store, run: Run) -> None:
    part = load_run(store, "R1", tags={"UV1.Signal"})
    assert list(part.trends) == ["UV1.Signal"]
    assert np.array_equal(part.trends["UV1.Signal"].values, run.trends["UV1.Signal"].values)


def test_an_analysis_is_shared_by_volume_among_the_parts_of_a_vessel(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    from minifactory.records.analysis import pool_analysis

    with Writer(store, tmp_path / "spool", patient) as writer:
        writer.offer(doc.RunStarted("R", 0.0, START, "s", "r", "1", "skid", 1.0, False))
        writer.offer(doc.Collected("R", 10.0, START, "Pool", 0.0, 1e-6))
        writer.offer(doc.Collected("R", 30.0, START, "Pool", 20.0, 3e-6))
        writer.offer(doc.RunStopped("R", 30.0, START, "Complete", "done"))
        writer.offer(pool_analysis("R", 99.0, START, "Pool", {"product": 4.0}, "laboratory"))
    assert [pool.amounts["product"] for pool in load_run(store, "R").pools] == [1.0, 3.0]


def test_a_resumed_run_goes_on(store: Store, patient: Policy, tmp_path: Path) -> None:
    documents_ = list(story())
    half = len(documents_) // 2
    with Writer(store, tmp_path / "spool", patient) as writer:
        for document in documents_[:half]:
            writer.offer(document)
    descriptor = documents_[1]
    with Writer(store, tmp_path / "spool", patient) as writer:
        writer.offer(doc.RunResumed("R1", documents_[half].time, START, 1.5, "hold", "as before"))
        writer.offer(descriptor)
        for document in documents_[half:]:
            writer.offer(document)
    run = load_run(store, "R1")
    times = np.arange(0.0, 120.0, SCAN)
    assert np.array_equal(run.trends["System.Flow"].at(times), [flow_at(time) for time in times])
    assert any(event.category == "resumed" for event in run.events)
    assert store.verify("R1").intact


@pytest.mark.parametrize("begun", [False, True])
def test_a_phase_whose_end_was_lost_in_a_crash_is_told(
    store: Store, patient: Policy, tmp_path: Path, begun: bool
) -> None:
    """The controller died before an end, and perhaps the start that follows, was stored."""
    told = list(story())
    lost = next(item for item in told if isinstance(item, doc.PhaseEnded))
    started = [item for item in told if isinstance(item, doc.PhaseStarted)][1]
    left_out = [lost] if begun else [lost, started]
    with Writer(store, tmp_path / "spool", patient) as writer:
        for document in told:
            if document not in left_out:
                writer.offer(document)
    first, second = load_run(store, "R1").phases
    assert (first.path, first.start, first.end, first.reason) == (lost.path, 0.0, lost.time, LOST)
    assert first.volume == pytest.approx(lost.volume, rel=0.02)
    assert (second.path, second.start) == ("p.o.elute", lost.time)


def test_documents_come_back_in_order(store: Store, run: Run) -> None:
    told = [document for document in story() if not isinstance(document, doc.Samples)]
    assert list(documents(store, run.identifier)) == told


def test_a_record_without_beginning_is_an_error(store: Store, patient: Policy, tmp_path: Path) -> None:
    with Writer(store, tmp_path / "spool", patient) as writer:
        writer.offer(doc.ClockMark("R9", 1.0, START, 1.0))
    with pytest.raises(EnvironmentFault, match="no beginning"):
        load_run(store, "R9")
