"""The controller dies at any instant of a run, and another one takes it up from the journal."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.orbit.checkpoint import checkpoint_of
from minifactory.orbit.journal import SLOT, Journal, read_journal
from minifactory.orbit.policy import Policy
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundRecipe
from minifactory.records import documents as doc
from minifactory.signals import Reading

from .bench_recipe import CV, Book, action, elution, phase, recipe
from .bench_skid import ML, ML_MIN
from .life import SCAN, Killed, Life, Watchful

FLOW = 5.0 * ML_MIN
RESOLVED = Policy().resolve_after
ROUNDING = 1e-9
"""s by which sums of scans miss the instants that they stand for."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bench1.journal"


def many_shots() -> BoundRecipe:
    """A recipe with instructions at starts of phases and at watches, and a gradient."""
    return recipe(
        phase("equilibrate", "1 CV", action(flow=5.0, percent_b=0.0, instructions=["AutoZero"])),
        phase(
            "elute",
            "volume >= 6 mL",
            action(gradient=(100.0, 5.0)),
            [
                ("start", "UV > 300 mAU", action(outlet="F2", instructions=["AutoZero"])),
                (
                    "end",
                    "once(UV > 500 mAU) and UV < 200 mAU",
                    action(outlet="F3", instructions=["AutoZero"]),
                ),
            ],
        ),
        phase("strip", "10 s", action(percent_b=100.0, instructions=["AutoZero"])),
    )


SHOTS = ["AutoZero", "AutoZero", "AutoZero", "AutoZero", "Gradient"]


def killed_and_recovered(path: Path, fuse: int, after: bool, only_calls: bool, gap: float) -> Life | None:
    """A run killed at its `fuse`-th command and taken up `gap` s later; None if killed before it began."""
    life = Life(path, many_shots())
    life.skid.fuse, life.skid.after, life.skid.only_calls = fuse, after, only_calls
    life.start()
    with pytest.raises(Killed):
        life.scan_until(State.COMPLETE)
    saved = life.die(gap)
    if saved is None:
        return None
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    return life


def check_all_done_once(life: Life, gap: float) -> None:
    assert sorted(name for name, _ in life.skid.done) == SHOTS
    numbers = [number for _, number in life.skid.done]
    assert len(set(numbers)) == len(numbers)
    ended = life.book.of(doc.PhaseEnded)
    assert len({item.path for item in ended}) == 3
    # What is pumped in the gap belongs to the phase; a breakpoint that falls into the gap is late by it, and
    # by the scans in which the new controller reads for the first time and takes over.
    for item, target in zip(ended, (CV, 6.0 * ML), strict=False):
        assert target * (1 - 1e-9) <= item.volume <= target + FLOW * (gap + RESOLVED + 4 * SCAN)
    resumed = life.book.of(doc.RunResumed)
    assert len(resumed) == 1
    assert -ROUNDING <= resumed[0].gap - gap <= RESOLVED + 3 * SCAN + ROUNDING


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_command_no_instruction_is_lost_or_done_twice(path: Path, seed: int) -> None:
    draw = random.Random(seed)
    gap = draw.uniform(0.05, 2.0)
    life = killed_and_recovered(path, draw.randint(3, 110), draw.random() < 0.5, False, gap)
    assert life is not None
    check_all_done_once(life, gap)


@pytest.mark.parametrize("gap", [0.05, 1.0])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
def test_killed_between_journal_and_actuation(path: Path, number: int, after: bool, gap: float) -> None:
    life = killed_and_recovered(path, number, after, True, gap)
    assert life is not None
    check_all_done_once(life, gap)


def test_a_restarted_run_counts_what_was_pumped_without_it(path: Path) -> None:
    life = Life(path, recipe(phase("run", "10 mL", action(flow=5.0)), phase("rest", "5 s")))
    life.start()
    life.scan_for(30.0)
    before = life.engine.status
    saved = life.die(20.0)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    after = life.engine.status
    assert after.state is State.RUNNING
    assert after.time - before.time == pytest.approx(20.0, abs=3 * SCAN)
    assert after.phase_time - before.phase_time == pytest.approx(20.0, abs=3 * SCAN)
    assert after.phase_volume - before.phase_volume == pytest.approx(20.0 * FLOW, abs=3 * SCAN * FLOW)
    life.scan_until(State.COMPLETE)
    assert life.book.of(doc.PhaseEnded)[0].volume == pytest.approx(10 * ML, abs=2 * SCAN * FLOW)
    total = life.book.of(doc.RunStopped)[0].collected["WasteF1"]
    assert total == pytest.approx(life.skid.pumped, abs=FLOW)


def test_a_completion_that_was_not_stored_yet_is_told_again(path: Path) -> None:
    """Killed in the scan that saw it: the journal knows, the record does not."""
    life = Life(path, many_shots())
    life.start()
    completed: list[doc.InstructionRecord] = []
    while not completed:
        life.scan()
        told = life.book.of(doc.InstructionRecord)
        completed = [item for item in told if item.stage is doc.Stage.COMPLETED]
    life.book = Book()  # what was told in that scan is lost
    saved = life.die(0.3)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    life.scan_for(2.0)
    told = life.book.of(doc.InstructionRecord)
    again = [item.number for item in told if item.stage is doc.Stage.COMPLETED]
    assert completed[0].number in again
    assert sorted(number for _, number in life.skid.done) == sorted({number for _, number in life.skid.done})


@pytest.mark.parametrize("killed_at", [30.0, 59.0, 60.0, 60.1, 60.3, 60.6, 61.0, 75.0])
def test_a_vessel_that_was_being_filled_is_recorded_whole(path: Path, killed_at: float) -> None:
    """Killed while one vessel is filled, or while the outlet turns from one to the other."""
    steps = [phase("first", "60 s", action(flow=5.0)), phase("second", "30 s", action(outlet="F3"))]
    life = Life(path, recipe(*steps))
    life.start()
    life.scan_for(killed_at)
    saved = life.die(0.5)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    parts = life.book.of(doc.Collected)
    assert [part.vessel for part in parts] == ["WasteF1", "F3"]
    assert parts[0].start <= 2.0
    assert parts[1].start == pytest.approx(parts[0].time)
    assert sum(part.volume for part in parts) == pytest.approx(life.skid.pumped, abs=FLOW)


def test_it_resumes_within_two_seconds(path: Path) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_for(30.0)
    saved = life.die(0.5)
    assert saved is not None
    began = life.clock.time
    life.engine.recover(life.bound, saved, OnRestart.RESUME)
    life.scan_until(State.RUNNING)
    assert life.clock.time - began <= 2.0


@pytest.mark.parametrize(("gap", "waits"), [(0.05, RESOLVED - 0.05), (0.7, RESOLVED - 0.7), (3.0, 0.0)])
def test_open_instructions_are_resolved_when_the_equipment_has_had_its_time(
    path: Path, gap: float, waits: float
) -> None:
    """Counted by the equipment's own clock since the journal's last entry, whoever was there meanwhile."""
    life = Life(path, many_shots())
    life.skid.fuse, life.skid.only_calls, life.skid.after = 1, True, True
    life.start()
    with pytest.raises(Killed):
        life.scan_until(State.COMPLETE)
    saved = life.die(gap)
    assert saved is not None
    assert [item.name for item in saved.open] == ["AutoZero"]
    began = life.clock.time
    life.recover(saved, OnRestart.RESUME)
    assert waits <= life.clock.time - began <= waits + 4 * SCAN
    life.scan_for(2.0)
    assert [name for name, _ in life.skid.done] == ["AutoZero"]


@pytest.mark.parametrize(
    ("policy", "state"),
    [(OnRestart.SAFE, State.ABORTED), (OnRestart.HOLD, State.HELD), (OnRestart.ASK, State.PAUSED)],
)
def test_the_declared_policy_decides(path: Path, policy: OnRestart, state: State) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_for(60.0)
    saved = life.die(1.0)
    assert saved is not None
    life.recover(saved, policy)
    life.scan_until(state, limit=30.0)
    assert any(item.name == "Restart" for item in life.book.of(doc.Alarm))
    assert policy.value in life.book.of(doc.RunResumed)[0].position
    if state is State.ABORTED:
        assert life.book.of(doc.RunStopped)[0].state == "Aborted"
        assert life.skid.setpoints["System.Flow.SP"] == 0.0
        return
    life.engine.command("restart" if state is State.HELD else "resume", "anna")
    life.scan_until(State.COMPLETE)
    assert life.skid.values["Gradient.PercentB"] == pytest.approx(100.0)


@pytest.mark.parametrize("state", ["hold", "pause"])
def test_a_run_that_stood_still_stands_still_after_the_restart(path: Path, state: str) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_for(60.0)
    life.engine.command(state, "anna")
    life.scan_until(State.HELD, State.PAUSED)
    life.scan_for(5.0)
    volume = life.engine.status.phase_volume
    expected = life.engine.state
    saved = life.die(30.0)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    assert life.engine.state is expected
    life.scan_for(5.0)
    assert life.engine.status.phase_volume == pytest.approx(volume, abs=1e-9 * ML)
    life.engine.command("restart" if state == "hold" else "resume", "anna")
    life.scan_until(State.COMPLETE)


def test_what_the_journal_does_not_know_is_held_and_asked(path: Path) -> None:
    life = Life(path, many_shots())
    life.start()
    life.scan_for(3.0)
    early = path.read_bytes()
    life.scan_until(State.COMPLETE, limit=45.0) if life.engine.state is State.COMPLETE else life.scan_for(
        40.0
    )
    saved = life.die(1.0, early)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    assert life.engine.state is State.HELD
    assert "the journal ends at" in life.engine.reason


def test_a_device_that_began_anew_is_held_and_asked(path: Path) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_for(30.0)
    saved = life.die(1.0)
    assert saved is not None
    life.skid.corrupt["System.Volume"] = Reading(0.0, life.clock.time + 0.5)
    life.recover(saved, OnRestart.RESUME)
    assert life.engine.state is State.HELD
    assert "pumped meanwhile" in life.engine.reason


def test_a_journal_cut_or_spoilt_at_any_byte_gives_a_record_or_nothing(path: Path) -> None:
    life = Life(path, many_shots())
    life.start()
    life.scan_for(35.0)
    life.journal.close()
    content = path.read_bytes()
    whole = read_journal(path)
    assert whole is not None
    newest = checkpoint_of(whole)
    places = sorted(
        {*range(0, len(content), 997), *(slot * SLOT + byte for slot in range(4) for byte in range(60))}
    )
    seen = set()
    for place in places:
        path.write_bytes(content[:place])
        record = read_journal(path)
        seen.add(None if record is None else checkpoint_of(record).time)
        if place < len(content):
            spoilt = bytearray(content)
            spoilt[place] ^= 0xFF
            path.write_bytes(bytes(spoilt))
            record = read_journal(path)
            assert record is not None
            assert checkpoint_of(record).time <= newest.time
    assert None in seen
    assert len(seen) >= 3


def test_a_record_is_at_most_one_scan_old(path: Path) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_for(20.0)
    time = life.engine.status.time
    life.journal.close()
    record = read_journal(path)
    assert record is not None
    assert time - checkpoint_of(record).time <= SCAN + 1e-9


@pytest.mark.parametrize("gap", [3.0, *(4.0 + 0.1 * step for step in range(14)), 8.0])
def test_it_comes_back_while_the_equipment_goes_safe(path: Path, gap: float) -> None:
    """The equipment misses the heartbeat just when the controller takes over: the run goes on."""
    life = Life(path, recipe(phase("run", "10 mL", action(flow=5.0))))
    life.skid = Watchful(life.clock)
    life.engine = life._engine(life.clock)
    life.start()
    life.scan_for(30.0)
    saved = life.die(gap)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    assert "Refused set-points" not in {item.name for item in life.book.of(doc.Alarm)}


def test_an_ended_run_or_another_recipe_is_not_taken_up(path: Path) -> None:
    life = Life(path, elution())
    life.start()
    life.scan_until(State.COMPLETE)
    life.journal.close()
    record = read_journal(path)
    assert record is not None
    saved = checkpoint_of(record)
    assert saved.ended
    fresh = Life(path.with_suffix(".other"), many_shots())
    with pytest.raises(InputError, match="ended before the restart"):
        fresh.engine.recover(elution(), saved, OnRestart.RESUME)
    del record["open"]
    with pytest.raises(InputError, match="cannot read"):
        checkpoint_of(record)


class FullDisk(Journal):
    """A journal whose disk is full from the `left`-th record on."""

    left = 5

    def _put(self, number: int, record: Mapping[str, object], durable: bool) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        super()._put(number, record, durable)


def test_with_a_full_disk_control_goes_on_with_an_alarm(path: Path) -> None:
    life = Life(path, many_shots())
    life.journal.close()
    life.journal = FullDisk(path)
    life.engine = life._engine(life.clock)
    life.start()
    life.scan_until(State.COMPLETE)
    assert sorted(name for name, _ in life.skid.done) == SHOTS
    alarm = next(item for item in life.book.of(doc.Alarm) if item.name == "Journal")
    assert "No space left" in alarm.message
    life.journal.close()
