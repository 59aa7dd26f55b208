"""The writer loses nothing silently: database locked, spool failing, memory full, process killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from minifactory.historian import Health, Policy, Store, Writer, load_run
from minifactory.historian.entries import GAP
from minifactory.historian.spool import SUFFIX, Spool
from minifactory.records import documents as doc
from tests.historian.story import START, story

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database's write lock, as another program could."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def notes(run: str, numbers: range) -> list[doc.Note]:
    return [doc.Note(run, float(number), START, "count", "test", str(number)) for number in numbers]


def counted(store: Store, run: str) -> list[int]:
    return [int(stored.entry.content["text"]) for stored in store.entries(run, {"Note"})]


def test_everything_offered_is_stored_in_order(store: Store, patient: Policy, tmp_path: Path) -> None:
    documents = list(story())
    with Writer(store, tmp_path / "spool", patient) as writer:
        assert all(writer.offer(document) for document in documents)
        assert writer.flush().health is Health.STORING
    assert writer.status.health is Health.CLOSED
    kinds = [stored.entry.kind for stored in store.entries("R1") if stored.entry.kind != "Segment"]
    expected = [type(document).__name__ for document in documents if not isinstance(document, doc.Samples)]
    assert kinds == expected
    points = sum(stored.entry.content["points"] for stored in store.entries("R1", {"Segment"}))
    assert points == sum(len(d.indices) for d in documents if isinstance(d, doc.Samples))
    assert store.verify("R1").intact


def test_a_locked_database_goes_to_the_spool_and_back(store: Store, patient: Policy, tmp_path: Path) -> None:
    with Writer(store, tmp_path / "spool", patient) as writer:
        for note in notes("R1", range(10)):
            writer.offer(note)
        writer.flush()
        with locked(tmp_path / "runs.db"):
            for part in (range(10, 20), range(20, 30)):
                for note in notes("R1", part):
                    assert writer.offer(note)
                status = writer.flush()
            assert status.health is Health.SPOOLING
            assert (status.spooled, status.held, status.refused) == (20, 0, 0)
            assert "locked" in status.message
            assert counted(store, "R1") == list(range(10))
        for note in notes("R1", range(30, 35)):
            writer.offer(note)
        assert writer.flush().health is Health.STORING
        assert counted(store, "R1") == list(range(35))
    assert not list((tmp_path / "spool").glob(f"*{SUFFIX}"))
    assert store.verify("R1").intact


def test_a_spool_left_behind_is_taken_in_by_the_next_writer(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    with locked(tmp_path / "runs.db"), Writer(store, tmp_path / "spool", patient) as writer:
        for note in notes("R1", range(7)):
            writer.offer(note)
    assert writer.status.health is Health.SPOOLING
    with Writer(store, tmp_path / "spool", patient) as writer:
        for note in notes("R1", range(7, 9)):
            writer.offer(note)
    assert counted(store, "R1") == list(range(9))


def test_the_spool_of_a_living_writer_is_left_alone(store: Store, patient: Policy, tmp_path: Path) -> None:
    """Two controllers share a folder; one of them starts while the other cannot reach the database."""
    with Writer(store, tmp_path / "spool", patient) as first:
        with locked(tmp_path / "runs.db"):
            for note in notes("A", range(10)):
                first.offer(note)
            assert first.flush().health is Health.SPOOLING
            with Writer(Store(tmp_path / "other.db"), tmp_path / "spool", patient) as second:
                second.offer(notes("B", range(1))[0])
                assert second.flush().written == 1
        for note in notes("A", range(10, 20)):
            first.offer(note)
        assert first.flush().health is Health.STORING
    assert counted(store, "A") == list(range(20))
    assert not list((tmp_path / "spool").glob(f"*{SUFFIX}"))


def test_a_crash_between_taking_in_and_deleting_repeats_nothing(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    with locked(tmp_path / "runs.db"), Writer(store, tmp_path / "spool", patient) as writer:
        for note in notes("R1", range(7)):
            writer.offer(note)
    (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
    kept = path.read_bytes()
    Writer(store, tmp_path / "spool", patient).close()
    path.write_bytes(kept)  # as if the process had died before the file was deleted
    Writer(store, tmp_path / "spool", patient).close()
    assert counted(store, "R1") == list(range(7))
    assert not path.exists()


def test_a_store_that_is_still_being_opened_keeps_nobody_waiting(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    """What is told meanwhile is on disk at once: a second crash would not lose it."""
    may_open, asked = threading.Event(), threading.Event()

    def opens() -> Store:
        asked.set()
        assert may_open.wait(30.0)
        return store

    with Writer(opens, tmp_path / "spool", patient) as writer:
        assert not asked.is_set()
        for note in notes("R1", range(5)):
            writer.offer(note)
        assert asked.wait(30.0)
        deadline = time.monotonic() + 30.0
        while writer.status.spooled < 5:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        assert writer.trouble == ""
        (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
        assert len(list(Spool(tmp_path, patient.spool, path).read())) == 5
        may_open.set()
        for note in notes("R1", range(5, 9)):
            writer.offer(note)
        assert writer.flush().health is Health.STORING
        assert counted(store, "R1") == list(range(9))
    assert not list((tmp_path / "spool").glob(f"*{SUFFIX}"))


def test_a_database_that_does_not_answer_is_told_while_it_does_not(patient: Policy, tmp_path: Path) -> None:
    store, now = Store(tmp_path / "runs.db", busy_timeout=60.0), [0.0]
    with Writer(store, tmp_path / "spool", patient, clock=lambda: now[0]) as writer:
        with locked(tmp_path / "runs.db"):
            writer.offer(notes("R1", range(1))[0])
            deadline = time.monotonic() + 30.0
            while not writer.trouble:
                now[0] += 0.5  # until it has begun to wait for the database, and then for too long
                assert time.monotonic() < deadline
                threading.Event().wait(0.01)
            assert "no answer of the database" in writer.trouble
            assert writer.offer(notes("R1", range(1, 2))[0])
        status = writer.flush()
        assert (writer.trouble, status.health, status.slow) == ("", Health.STORING, 1)
        assert status.longest > 5.0
    assert counted(store, "R1") == [0, 1]
    store.close()


def test_a_store_that_cannot_be_opened_is_tried_again(store: Store, patient: Policy, tmp_path: Path) -> None:
    tries: list[str] = []

    def opens() -> Store:
        tries.append("")
        if len(tries) == 1:
            raise OSError("no such disk")
        return store

    with Writer(opens, tmp_path / "spool", patient) as writer:
        writer.offer(notes("R1", range(1))[0])
        assert writer.flush().health is Health.SPOOLING
        assert "no such disk" in writer.trouble
        assert writer.flush().health is Health.STORING
        assert counted(store, "R1") == [0]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_spool_gives_back_all_before_the_tear(
    store: Store, patient: Policy, tmp_path: Path, cut: int
) -> None:
    with locked(tmp_path / "runs.db"), Writer(store, tmp_path / "spool", patient) as writer:
        for note in notes("R1", range(7)):
            writer.offer(note)
    (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
    path.write_bytes(path.read_bytes()[:-cut])
    Writer(store, tmp_path / "spool", patient).close()
    assert counted(store, "R1") == list(range(6))


def test_without_spool_the_record_waits_in_memory(store: Store, patient: Policy, tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("a file where the folder should be")
    with Writer(store, blocked, patient) as writer:
        with locked(tmp_path / "runs.db"):
            for note in notes("R1", range(5)):
                assert writer.offer(note)
            status = writer.flush()
            assert (status.health, status.held) == (Health.HOLDING, 5)
            assert "locked" in status.message
            assert "spool fails" in status.message
        assert writer.flush().health is Health.STORING
    assert counted(store, "R1") == list(range(5))


def test_full_memory_refuses_counts_and_leaves_a_gap_in_the_record(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("a file where the folder should be")
    with Writer(store, blocked, replace(patient, memory=5_000)) as writer:
        with locked(tmp_path / "runs.db"):
            taken = []
            for note in notes("R1", range(30)):
                if writer.offer(note):
                    taken.append(int(note.text))
                writer.flush()
            status = writer.status
            assert status.health is Health.LOSING
            assert status.refused == 30 - len(taken) > 0
        writer.flush()
        for note in notes("R1", range(30, 32)):
            assert writer.offer(note)
        assert writer.flush().health is Health.STORING
    assert counted(store, "R1") == [*taken, 30, 31]
    (gap,) = store.entries("R1", {GAP})
    assert gap.entry.content["documents"] == 30 - len(taken)
    assert gap.entry.content["last"] == 29.0


def test_the_spool_has_a_limit_and_stays_whole_at_it(tmp_path: Path) -> None:
    from minifactory.historian.entries import to_entry

    entries = [to_entry(note) for note in notes("R1", range(3))]
    spool = Spool(tmp_path, limit=10_000)
    spool.keep(entries)
    with pytest.raises(OSError, match="limit"):
        spool.keep(entries * 100)
    assert [kept.entry for kept in spool.read()] == entries
    spool.let_go()


def test_a_document_that_cannot_be_written_leaves_a_gap(
    store: Store, patient: Policy, tmp_path: Path
) -> None:
    with Writer(store, tmp_path / "spool", patient) as writer:
        writer.offer(doc.Note("R1", float("nan"), START, "count", "test", "0"))
        writer.offer(notes("R1", range(1, 2))[0])
    (gap,) = store.entries("R1", {GAP})
    assert "time is nan" in gap.entry.content["reason"]
    assert counted(store, "R1") == [1]


def test_a_closed_writer_takes_nothing(store: Store, patient: Policy, tmp_path: Path) -> None:
    writer = Writer(store, tmp_path / "spool", patient)
    writer.close()
    assert not writer.offer(notes("R1", range(1))[0])
    assert writer.status.refused == 1


KILLED = """
import sys
from pathlib import Path
from minifactory.historian import Policy, Store, Writer
from tests.historian.story import story
folder = Path(sys.argv[1])
policy = Policy(segment_time=1e9, segment_points=100, look_every=0.01)
writer = Writer(Store(folder / "runs.db"), folder / "spool", policy)
for document in story(scans=90, finish=False):
    writer.offer(document)
writer.flush()
print("flushed", flush=True)
for document in story(run="R2", scans=90, finish=False):
    writer.offer(document)
sys.stdin.read()
"""


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    pipes = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipes, stdout=pipes, cwd=REPOSITORY, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"flushed"
        process.send_signal(signal.SIGKILL)
    store = Store(tmp_path / "runs.db")
    run = load_run(store, "R1")
    assert run.state == "Running"
    assert run.phases[-1].reason.startswith("cut short")
    assert run.duration == 89.0
    assert run.trends["UV1.Signal"].time[-1] == 89.0
    verification = store.verify("R1")
    assert verification.intact
    assert not verification.closed
    store.close()
