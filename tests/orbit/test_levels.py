from __future__ import annotations

from collections.abc import Callable

import pytest

from minifactory.orbit.image import Image
from minifactory.orbit.level_filter import LevelTag
from minifactory.orbit.levels import Levels
from minifactory.orbit.states import State
from minifactory.records import documents as doc
from minifactory.signals import Reading, Tag, TagTable
from minifactory.units import FLOW, VOLUME

from .bench_recipe import Bench, action, elution, phase, recipe
from .bench_skid import ML, ML_MIN


class TwoBottles:
    """Pump A draws from ``buffer``, pump B from ``salt``, whatever the valves."""

    def beside(self, position: Callable[[str], float | None]) -> tuple[()]:
        del position
        return ()

    def sources(self, position: Callable[[str], float | None]) -> tuple[str | None, str | None]:
        assert position("OutletValve.Position") is not None
        return "buffer", "salt"


def run(levels: Levels) -> Bench:
    bench = Bench()
    bench.engine.load(elution(), "run1", levels=levels)
    bench.start()
    bench.scan_until(State.COMPLETE)
    return bench


def test_what_leaves_the_bottles_arrives_in_the_outlets() -> None:
    levels = Levels({"buffer": 50 * ML, "salt": 30 * ML}, inlets=TwoBottles())
    bench = run(levels)
    drawn = levels.consumed["buffer"] + levels.consumed["salt"]
    assert drawn == pytest.approx(bench.skid.pumped, abs=4 * 5.0 * ML_MIN * 0.5**2)
    # Nothing is credited until the outlet valve has been seen in its first position (0.4 s and a scan).
    assert sum(levels.received.values()) == pytest.approx(drawn, abs=5.0 * ML_MIN)
    assert levels.level("buffer").volume == pytest.approx(50 * ML - levels.consumed["buffer"])
    stop = bench.book.of(doc.RunStopped)[0]
    assert stop.consumed == levels.consumed
    assert stop.collected == levels.received


def test_the_gradient_draws_on_both_bottles_by_its_composition() -> None:
    levels = Levels(inlets=TwoBottles())
    run(levels)
    # 4 mL at 0 %B, 10 mL from 0 to 100 %B (5 mL each), 2 mL at 100 %B, 30 s (2.5 mL) at 100 %B. The gradient
    # begins one latency late (0.3 s and a scan of 0.5 s at 5 mL/min).
    assert levels.consumed["salt"] == pytest.approx(9.5 * ML, abs=0.2 * ML)


def test_deliveries_add_up_to_what_each_vessel_received() -> None:
    levels = Levels()
    bench = run(levels)
    delivered: dict[str, float] = {}
    for item in bench.book.of(doc.Collected):
        delivered[item.vessel] = delivered.get(item.vessel, 0.0) + item.volume
    assert delivered == pytest.approx(levels.received)
    assert set(delivered) == {"WasteF1", "F2"}


def test_the_time_to_empty_follows_from_the_draw() -> None:
    levels = Levels({"buffer": 50 * ML}, {"buffer": 10 * ML}, TwoBottles())
    bench = Bench()
    bench.engine.load(recipe(phase("run", "600 s", action(flow=5.0))), "run1", levels=levels)
    bench.start()
    bench.scan_for(60.0)
    level = levels.level("buffer")
    assert level.volume is not None
    assert level.empty_in == pytest.approx((level.volume - 10 * ML) / (5.0 * ML_MIN), rel=1e-6)
    assert level.uncertainty == pytest.approx(0.02 * level.consumed)
    assert bench.engine.levels()[0].vessel == "WasteF1"


def test_an_outlet_that_is_switched_twice_in_one_scan_counts_for_the_last_vessel() -> None:
    bench = Bench(recipe(phase("run", "30 s", action(flow=5.0, outlet="F3"))))
    bench.start()
    bench.scan_until(State.COMPLETE)
    vessels = [item.vessel for item in bench.book.of(doc.Collected)]
    assert vessels[0] == "F3"


def test_what_is_not_told_is_unknown() -> None:
    level = Levels().level("nowhere")
    assert level.volume is None
    assert level.empty_in == float("inf")


def test_a_pump_wash_counts_for_the_bottle_that_it_draws_from() -> None:
    levels = Levels(inlets=TwoBottles())
    names = ("System.Flow", "PumpA.Flow", "PumpB.Flow", "OutletValve.Position")
    image = Image(TagTable.of("s", [Tag(name, FLOW) for name in names]), 1e9)
    for second in range(11):  # pump A runs at 20 mL/min to the waste, nothing goes to the column
        values = (0.0, 20.0 * ML_MIN, 0.0, 0.0)
        image.take(
            {name: Reading(value, second) for name, value in zip(names, values, strict=True)}, second, second
        )
        levels.elapse(float(second), 0.0, 0.0, 0.0, image)
    assert levels.consumed == pytest.approx({"buffer": 20.0 * ML_MIN * 10.0})
    assert levels.received == {}


def test_uncertainty_grows_with_what_passes_and_falls_with_a_reading() -> None:
    levels = Levels({"buffer": 50 * ML}, inlets=TwoBottles())
    run(levels)
    before = levels.level("buffer")
    assert before.volume is not None
    levels.correct("buffer", before.volume + 1 * ML, 0.5 * ML)
    after = levels.level("buffer")
    assert after.volume is not None
    variance = before.uncertainty**2
    gain = variance / (variance + (0.5 * ML) ** 2)
    assert after.volume == pytest.approx(before.volume + gain * ML)
    assert after.uncertainty == pytest.approx((variance * (1.0 - gain)) ** 0.5)
    assert after.drift == pytest.approx(0.2 * ML / (variance + (0.5 * ML) ** 2) ** 0.5)


def test_a_biased_pump_shows_as_drift_and_the_estimate_follows_the_readings() -> None:
    """A pump within its 2 % is no drift; one that gives 10 % more than it says is, and its bias is learnt.

    Scale: 0.5 mL."""
    levels, truth = Levels({"a": 1000 * ML}, flow_uncertainty=0.02), 1000 * ML
    for _ in range(30):
        levels.consumed["a"] = levels.consumed.get("a", 0.0) + 20 * ML
        truth -= 20.4 * ML
        levels.correct("a", truth, 0.5 * ML)
    assert levels.drifting() == ()
    drift = 0.0
    for _ in range(30):
        levels.consumed["a"] += 20 * ML
        truth -= 22 * ML
        levels.correct("a", truth, 0.5 * ML)
        drift = min(drift, levels.level("a").drift)
    assert drift < -3.0
    assert levels.drifting() == ("a",)
    level = levels.level("a")
    assert level.volume is not None
    assert abs(level.volume - truth) < 0.1 * ML  # without readings it would be off by 72 mL
    levels.consumed["a"] += 200 * ML  # the reading fails; the bias is known
    assert levels.volume("a") == pytest.approx(truth - 220 * ML, abs=2 * ML)


def test_an_unknown_vessel_is_known_by_its_first_reading() -> None:
    levels = Levels()
    levels.correct("pool", 3 * ML, 0.5 * ML)
    level = levels.level("pool")
    assert (level.volume, level.uncertainty) == (pytest.approx(3 * ML), pytest.approx(0.5 * ML))


def test_time_to_full_and_the_tag_of_a_scale() -> None:
    """The tag that shows the level corrects in the scans, at most every 10 s."""
    bench = Bench()
    tag = LevelTag("Cond.Signal", 1 * ML, scale=0.0, offset=-40 * ML)
    levels = Levels({"waste": 0.0}, capacity={"F2": 100 * ML}, readings={"waste": tag})
    bench.engine.load(elution(), "run1", levels=levels)
    bench.start()
    bench.scan_until(State.COMPLETE)
    level = levels.level("waste")
    assert level.volume is not None
    assert level.volume == pytest.approx(40 * ML, abs=5 * ML)
    assert levels.level("F2").full_in == float("inf")  # nothing flows any more


def test_what_another_skid_fills_and_draws_counts() -> None:
    levels = Levels({"hold": 1e-6})
    levels.hear("capture", {"hold": (0.0, 4e-6), "feed": (9e-6, 0.0)})
    levels.hear("polish", {"hold": (2e-6, 0.0)})
    assert levels.volume("hold") == pytest.approx(3e-6)
    levels.hear("capture", {"hold": (0.0, 5e-6)})  # all of it each time
    assert levels.volume("hold") == pytest.approx(4e-6)


def test_what_a_peer_reads_of_a_vessel_is_known_here_too() -> None:
    mine, theirs = (
        Levels({"hold": 10 * ML}),
        Levels({"hold": 10 * ML}, readings={"hold": LevelTag("Scale1.Volume", 0.1 * ML)}),
    )
    image = Image(TagTable.of("s", [Tag("Scale1.Volume", VOLUME)]), 1e9)
    image.take({"Scale1.Volume": Reading(8 * ML, 1.0)}, 1.0, 1.0)
    assert theirs.read() == {}
    theirs.elapse(1.0, 0.0, 0.0, 0.0, image)
    mine.consumed["hold"] = 1 * ML
    mine.hear("kitchen", {"hold": (0.0, 3 * ML)}, theirs.read())
    assert mine.volume("hold") == pytest.approx(theirs.volume("hold"))
    assert mine.level("hold").uncertainty == pytest.approx(theirs.level("hold").uncertainty)
    theirs.elapse(100.0, 0.0, 0.0, 0.0, Image(TagTable.of("s", []), 1e9))
    assert theirs.read() == {}  # nothing has been read for long
    mine.consumed["hold"] += 2 * ML  # until the next word
    assert mine.volume("hold") == pytest.approx((theirs.volume("hold") or 0.0) - 2 * ML)
    theirs.hear("process", {"hold": (5 * ML, 0.0)}, {"hold": (1 * ML, 0.0)})  # its own reading counts
    assert theirs.volume("hold") == pytest.approx((mine.volume("hold") or 0.0) + 2 * ML - 5 * ML)


def test_what_passed_in_every_run_of_a_controller_is_told() -> None:
    levels = Levels({"buffer": 50 * ML})
    for run_number in (1, 2):
        levels.begin()
        levels.consumed["buffer"] = 3 * ML
        assert levels.ever()["buffer"] == pytest.approx((3 * ML * run_number, 0.0))
        assert levels.volume("buffer") == pytest.approx(50 * ML - 3 * ML * run_number)


def test_a_reading_corrects_for_the_pumps_of_peers_too() -> None:
    """A peer's pump draws a fifth more than it says: the filter that reads the scale learns it."""
    levels = Levels({"hold": 100 * ML}, readings={"hold": LevelTag("Scale1.Volume", 0.2 * ML)})
    truth = 100 * ML
    for second in range(0, 1000, 10):
        image = Image(TagTable.of("s", [Tag("Scale1.Volume", VOLUME)]), 1e9)
        truth -= 0.012 * ML * 10
        image.take({"Scale1.Volume": Reading(truth, float(second))}, float(second), float(second))
        levels.hear("process", {"hold": (0.01 * ML * (second + 10), 0.0)})
        levels.elapse(float(second), 0.0, 0.0, 0.0, image)
    known = levels.level("hold")
    assert known.volume == pytest.approx(truth, abs=3.0 * known.uncertainty)
    assert known.volume == pytest.approx(truth, abs=1 * ML)
