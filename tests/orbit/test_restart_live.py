"""What people had done to a run, or were asked, when its controller died is still so for the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from minifactory.historian import Store, Writer, documents
from minifactory.orbit.checkpoint import checkpoint_of
from minifactory.orbit.desk import Reply
from minifactory.orbit.journal import read_journal
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundInput, BoundRecipe
from minifactory.records import documents as doc

from .bench_recipe import action, condition, phase, recipe
from .bench_skid import ML_MIN
from .life import Life


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bench1.journal"


def asking(*before: int) -> BoundRecipe:
    """Three phases of 10 s; the lot is asked for before those at the places `before`."""
    steps = recipe(phase("one", "10 s", action(flow=5.0)), phase("two", "10 s"), phase("three", "10 s"))
    phases = (replace(item, asks=("lot",) if at in before else ()) for at, item in enumerate(steps.phases))
    return replace(steps, phases=tuple(phases), inputs=(BoundInput("lot", "Lot of the feed?"),))


def said(life: Life, reply: Reply) -> str:
    life.scan()
    life.journal.flush()
    assert reply.accepted, reply.message
    return reply.message


def phases(life: Life) -> tuple[list[str], list[str]]:
    """Names of the phases that the record has begun and ended."""
    return (
        [item.path.rsplit(".", 1)[1] for item in life.book.of(doc.PhaseStarted)],
        [item.path.rsplit(".", 1)[1] for item in life.book.of(doc.PhaseEnded)],
    )


@pytest.mark.parametrize("policy", [OnRestart.RESUME, OnRestart.HOLD, OnRestart.ASK])
@pytest.mark.parametrize("at", [0, 1])
def test_a_question_that_was_open_is_asked_again(path: Path, at: int, policy: OnRestart) -> None:
    life = Life(path, asking(at))
    life.start()
    life.scan_until(State.PAUSED)
    life.scan_for(5.0)
    saved = life.die(20.0)
    assert saved is not None
    life.recover(saved, policy)
    life.scan_for(5.0)
    status = life.engine.status
    assert status.state is State.PAUSED
    assert status.asks == (("lot", "Lot of the feed?"),)
    assert "asks lot: Lot of the feed?" in status.reason
    assert "Input lot" in [item.name for item in status.alarms if item.present]
    assert life.skid.values["System.Flow"] == pytest.approx(0.0, abs=1e-12)
    assert said(life, life.engine.live.answer("lot", "B-17", "anna")) == "lot = B-17"
    life.scan_until(State.COMPLETE)
    assert phases(life) == (["one", "two", "three"], ["one", "two", "three"])


def test_what_was_answered_just_before_the_end_is_not_asked_again(path: Path) -> None:
    life = Life(path, asking(1))
    life.start()
    life.scan_until(State.PAUSED)
    said(life, life.engine.live.answer("lot", "B-17", "anna"))
    saved = life.die(3.0)
    assert saved is not None
    assert saved.state == "Resuming" or saved.state == "Paused"
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    assert phases(life) == (["one", "two", "three"], ["one", "two", "three"])


def test_answers_that_are_due_later_are_kept(path: Path) -> None:
    life = Life(path, asking(2))
    life.engine.load(life.bound, "run1", answers={"lot": "B-17"})
    life.engine.command("start", "anna")
    life.scan_for(15.0)
    saved = life.die(0.5)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    assert life.engine.status.asks == ()


def test_an_edit_is_still_in_force_and_the_next_one_has_the_next_number(path: Path) -> None:
    steps = [phase("one", "20 s", action(flow=5.0)), phase("two", "20 s")]
    life = Life(path, recipe(*steps))
    life.start()
    life.scan_for(5.0)
    edited = recipe(steps[0], phase("two", "40 s"))
    said(life, life.engine.live.edit(edited, "anna", "longer"))
    saved = life.die(0.5)
    assert saved is not None
    assert saved.version == "1+1"
    life.bound = replace(edited, version="1+1")  # as it is kept in the folder of the run
    life.recover(saved, OnRestart.RESUME)
    assert life.engine.status.version == "1+1"
    more = recipe(steps[0], phase("two", "30 s"))
    assert said(life, life.engine.live.edit(more, "anna")).startswith("version 1+2\n")
    life.scan_until(State.COMPLETE)
    assert life.book.of(doc.PhaseEnded)[-1].duration == pytest.approx(30.0, abs=0.2)


def test_what_an_operator_has_taken_is_still_his(path: Path) -> None:
    life = Life(path, recipe(phase("one", "20 s", action(flow=5.0)), phase("two", "60 s", action(flow=4.0))))
    life.start()
    life.scan_for(5.0)
    said(life, life.engine.set_points({"System.Flow.SP": 2.0 * ML_MIN}, "anna", take=True))
    saved = life.die(0.5)
    assert saved is not None
    life.recover(saved, OnRestart.RESUME)
    assert life.engine.status.holders == {"System.Flow": "anna (operator)"}
    life.scan_for(30.0)
    assert life.engine.status.phase == "bench.run.two"
    assert life.skid.setpoints["System.Flow.SP"] == pytest.approx(2.0 * ML_MIN)
    assert life.die(0.5) is not None  # also what the recipe wanted meanwhile
    record = read_journal(path)
    assert record is not None
    life.recover(checkpoint_of(record), OnRestart.RESUME)
    assert said(life, life.engine.release([], "anna")) == "handed back: System.Flow"
    life.scan_for(1.0)
    assert life.skid.setpoints["System.Flow.SP"] == pytest.approx(4.0 * ML_MIN)


@pytest.mark.parametrize("policy", [OnRestart.RESUME, OnRestart.HOLD])
def test_a_hold_that_ends_by_itself_still_does_unless_told_to_hold(path: Path, policy: OnRestart) -> None:
    life = Life(path, recipe(phase("run", "1000 s", action(flow=5.0))))
    life.start()
    life.scan_for(5.0)
    said(life, life.engine.live.hold_until(condition("30 s"), "anna"))
    life.scan_for(10.0)
    saved = life.die(10.0)
    assert saved is not None
    life.recover(saved, policy)
    life.scan_for(5.0)
    assert life.engine.state is State.HELD
    life.scan_for(10.0)
    assert life.engine.state is (State.RUNNING if policy is OnRestart.RESUME else State.HELD)


@pytest.mark.parametrize("stored", [True, False])
def test_a_completion_stands_in_the_record_once(path: Path, tmp_path: Path, stored: bool) -> None:
    """Killed just after an instruction was completed; whether the record knew of it cannot be known."""
    life = Life(path, recipe(phase("one", "20 s", action(flow=5.0, instructions=["AutoZero"]))))
    store = Store(tmp_path / "runs.db")
    with Writer(store, tmp_path / "spool") as first:
        life.engine.subscribe(first)
        life.start()
        while not completions(life):
            life.scan()
        lost = [] if stored else life.book.of(doc.InstructionRecord)[-1:]
        first.flush()
    if lost:
        (tmp_path / "runs.db").unlink()
        store.close()
        store = Store(tmp_path / "runs.db")
        with Writer(store, tmp_path / "spool") as again:
            for document in life.book.documents:
                assert document in lost or again.offer(document)
    saved = life.die(0.3)
    assert saved is not None
    with Writer(store, tmp_path / "spool") as second:
        life.engine.subscribe(second)
        life.recover(saved, OnRestart.RESUME)
        life.scan_until(State.COMPLETE)
    told = [item for item in documents(store, "run1") if isinstance(item, doc.InstructionRecord)]
    assert [item.number for item in told if item.stage is doc.Stage.COMPLETED] == [1]
    assert store.verify("run1").intact
    store.close()


def completions(life: Life) -> list[doc.InstructionRecord]:
    told = life.book.of(doc.InstructionRecord)
    return [item for item in told if item.stage is doc.Stage.COMPLETED]
