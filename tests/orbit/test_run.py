from __future__ import annotations

import pytest

from minifactory.orbit.states import State
from minifactory.records import documents as doc

from .bench_recipe import CV, Bench, action, elution, phase, recipe
from .bench_skid import ML, ML_MIN, OUTLETS


def test_a_run_from_start_to_complete() -> None:
    bench = Bench(elution())
    bench.engine.command("start", "anna")
    status = bench.engine.run(3600.0)
    assert status.state is State.COMPLETE
    kinds = [type(item) for item in bench.book.documents]
    assert kinds.index(doc.RunStarted) < kinds.index(doc.Descriptor) < kinds.index(doc.Samples)
    assert kinds[-1] is doc.RunStopped
    ended = bench.book.of(doc.PhaseEnded)
    assert [item.path.rsplit(".")[-1] for item in ended] == ["equilibrate", "elute", "strip"]
    assert bench.book.of(doc.RunStopped)[0].state == "Complete"
    assert bench.setpoints["System.Flow.SP"] == 0.0
    assert bench.setpoints["InjectionValve.SP"] == 2.0
    assert not bench.engine.status.alarms


def test_phases_end_at_their_volume_within_one_scan() -> None:
    bench = Bench(elution(), scan=0.5)
    bench.start()
    bench.scan_until(State.COMPLETE)
    first, second, third = bench.book.of(doc.PhaseEnded)
    one_scan = 5.0 * ML_MIN * 0.5
    assert 2.0 * CV <= first.volume * (1 + 1e-9) < 2.0 * CV + one_scan
    assert 12.0 * ML <= second.volume * (1 + 1e-9) < 12.0 * ML + one_scan
    assert 30.0 <= third.duration < 30.5


def test_the_integral_of_the_flow_is_what_was_pumped() -> None:
    """The trapezoid is exact for ramps whose corners fall on scans, and one corner is off by < ramp dt^2 /
    8."""
    bench = Bench(elution(), scan=0.5)
    bench.start()
    bench.scan_until(State.COMPLETE)
    volumes = sum(item.volume for item in bench.book.of(doc.PhaseEnded))
    stop = bench.book.of(doc.RunStopped)[0]
    collected = sum(stop.collected.values())
    assert collected == pytest.approx(bench.skid.pumped, abs=4 * 5.0 * ML_MIN * 0.5**2)
    assert volumes <= collected


def test_five_outputs_at_one_breakpoint_are_one_write_in_the_same_scan() -> None:
    bench = Bench(
        recipe(phase("one", "5 s", action(flow=2.0)), phase("two", "60 s", action(7.0, "F3", 40.0)))
    )
    bench.start()
    bench.scan_for(10.0)
    writes = [values for _, values in bench.skid.writes if "OutletValve.SP" in values]
    assert writes[-1] == {
        "OutletValve.SP": 2.0,
        "Gradient.PercentB.SP": 40.0,
        "System.Flow.SP": pytest.approx(7.0 * ML_MIN),
    }
    assert next(iter(writes[-1])) == "OutletValve.SP"
    assert list(writes[-1])[-1] == "System.Flow.SP"


def test_watches_fire_once_and_route_the_peak() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_until(State.COMPLETE)
    assert [item.name for item in bench.book.of(doc.WatchFired)] == ["start of pool", "end of pool"]
    pools = [item for item in bench.book.of(doc.Collected) if item.vessel == "F2"]
    assert len(pools) == 1
    # The peak is exp(-((B - 50)/10)^2): above 0.3 from B = 39.0 on, below 0.2 from B = 62.7 on; 10 mL make
    # 100 %B.
    # Each switch is late by at most one scan (0.5 s), the valve (0.4 s) and the scan that sees it (0.5 s).
    assert pools[0].volume == pytest.approx(2.37 * ML, abs=5.0 * ML_MIN * 1.4)


def test_instructions_are_issued_once_numbered_and_followed() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_until(State.COMPLETE)
    assert [(name, number) for _, name, _, number in bench.skid.calls] == [("AutoZero", 1), ("Gradient", 2)]
    stages = [(item.number, item.stage) for item in bench.book.of(doc.InstructionRecord)]
    for number in (1, 2):
        mine = [stage for found, stage in stages if found == number]
        assert mine[0] is doc.Stage.ISSUED
        assert mine[-1] is doc.Stage.COMPLETED


def test_a_second_run_uses_numbers_above_those_accepted_before() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_until(State.COMPLETE)
    bench.ask("reset")
    bench.engine.load(elution(), "run2")
    bench.start()
    bench.scan_until(State.COMPLETE)
    assert [number for _, _, _, number in bench.skid.calls] == [1, 2, 3, 4]
    assert [name for name, _ in bench.skid.done] == ["AutoZero", "Gradient"] * 2


def test_a_pump_wash_counts_neither_as_time_nor_as_volume() -> None:
    bench = Bench(
        recipe(
            phase("wash", "60 s", action(flow=5.0, instructions=["PumpWash"])),
            phase("after", "1 CV", action()),
        )
    )
    bench.start()
    bench.scan_until(State.COMPLETE)
    wash, after = bench.book.of(doc.PhaseEnded)
    assert wash.duration == pytest.approx(60.0, abs=0.5)
    assert wash.time - wash.start == pytest.approx(60.0 + 86.3, abs=2.0)
    # From standstill the flow ramps to 5 mL/min within 1 s; 60 s at 5 mL/min are 5 mL.
    assert wash.volume == pytest.approx(5.0 * ML, abs=5.0 * ML_MIN * 1.5)
    assert after.volume == pytest.approx(CV, abs=5.0 * ML_MIN * 0.5)


def test_samples_rebuild_every_value_of_the_run() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_for(30.0)
    tags = bench.book.of(doc.Descriptor)[0].tags
    values: dict[str, float] = {}
    for sample in bench.book.of(doc.Samples):
        values.update(
            {tags[place].name: value for place, value in zip(sample.indices, sample.values, strict=True)}
        )
    for name, value in bench.skid.values.items():
        assert values[name] == value
    assert values["System.Flow.SP"] == bench.setpoints["System.Flow.SP"]
    assert values["OutletValve.SP"] == OUTLETS.index("WasteF1")


def test_status_tells_where_the_run_is() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_for(20.0)
    status = bench.engine.status
    assert (status.phase, status.phase_number, status.phase_count) == ("bench.run.equilibrate", 1, 3)
    assert status.phase_cv == pytest.approx(status.phase_volume / CV)
    assert status.value("UV") == status.value("UV1.Signal")
    assert status.link == "good"
