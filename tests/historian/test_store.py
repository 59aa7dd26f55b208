"""The store: append-only, chained, one transaction per append, durable."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from minifactory.errors import EnvironmentFault, InputError
from minifactory.historian import Store
from minifactory.historian.entries import Entry
from minifactory.historian.packing import Packer
from minifactory.historian.schema import VERSION
from tests.historian.story import START, story


def fill(store: Store, run: str = "R1") -> None:
    packer = Packer(100)
    store.append([*packer.take(story(run)), *packer.close()])


def tamper(path: Path, *statements: str) -> None:
    """Change the file behind the store's back, triggers removed, as someone with the file could."""
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER entry_no_update; DROP TRIGGER entry_no_delete;")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_untouched_record_is_intact(store: Store) -> None:
    fill(store)
    found = store.verify("R1")
    assert found.intact
    assert found.closed
    assert found.entries == sum(1 for _ in store.entries("R1")) > 10
    assert found.head == store.head("R1")


def test_changes_are_refused_by_the_database(store: Store, tmp_path: Path) -> None:
    fill(store)
    connection = sqlite3.connect(tmp_path / "runs.db")
    for statement in ("UPDATE entry SET time = 1", "DELETE FROM entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


COLUMNS = {
    "body": "body = replace(body, 'a', 'b')",
    "time": "time = time + 0.001",
    "wall": "wall = '2024-05-01T12:00:01+00:00'",
    "kind": "kind = 'Note'",
    "blob": "blob = x'00'",
    "hash": "hash = substr(hash, 2) || '0'",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_any_change_is_found_where_it_is(store: Store, tmp_path: Path, column: str) -> None:
    fill(store)
    tamper(tmp_path / "runs.db", f"UPDATE entry SET {COLUMNS[column]} WHERE sequence = 5")
    found = store.verify("R1")
    assert not found.intact
    assert found.entries == 4
    assert "entry 5" in found.fault


def test_an_entry_taken_out_is_found(store: Store, tmp_path: Path) -> None:
    fill(store)
    tamper(tmp_path / "runs.db", "DELETE FROM entry WHERE sequence IN (6, 7)")
    found = store.verify("R1")
    assert (found.intact, found.entries) == (False, 5)
    assert "entries 6 to 7 are missing" in found.fault


def test_two_exchanged_entries_are_found(store: Store, tmp_path: Path) -> None:
    fill(store)
    swap = (
        "UPDATE entry SET sequence = 900 WHERE sequence = 5",
        "UPDATE entry SET sequence = 5 WHERE sequence = 6",
        "UPDATE entry SET sequence = 6 WHERE sequence = 900",
    )
    tamper(tmp_path / "runs.db", *swap)
    assert store.verify("R1").entries == 4


def test_an_end_cut_off_shows_against_the_stated_head(store: Store, tmp_path: Path) -> None:
    fill(store)
    head = store.head("R1")
    assert store.verify("R1", head).intact
    tamper(tmp_path / "runs.db", "DELETE FROM entry WHERE kind = 'Note'")
    assert store.verify("R1").intact
    assert "cut off" in store.verify("R1", head).fault


def test_a_run_taken_out_shows_in_the_next(store: Store, tmp_path: Path) -> None:
    for run in ("R1", "R2", "R3"):
        fill(store, run)
    tamper(tmp_path / "runs.db", "DELETE FROM entry WHERE run = 2", "DELETE FROM run WHERE ordinal = 2")
    assert store.verify("R1").intact
    assert "run before it" in store.verify("R3").fault


def test_runs_are_listed_in_order(store: Store) -> None:
    fill(store, "R2")
    fill(store, "R1")
    store.append([Entry("", "Note", 0.0, START.isoformat(), "{}")])
    first, second = store.runs()
    assert (first.identifier, second.identifier) == ("R2", "R1")
    assert (first.skid, first.recipe, first.origin, first.state) == (
        "akta1",
        "test",
        "virtual skid",
        "Complete",
    )
    assert store.summary("R1") == second
    assert first.entries == sum(1 for _ in store.entries("R2"))


def test_an_unknown_run_is_answered_with_the_closest(store: Store) -> None:
    fill(store, "batch-17")
    with pytest.raises(InputError, match="batch-17"):
        list(store.entries("batch-71"))


def test_an_append_is_whole_or_not_at_all(store: Store) -> None:
    good = Entry("R1", "Note", 0.0, START.isoformat(), "{}")
    bad = Entry("R1", "Note", float("nan"), START.isoformat(), "{}")
    with pytest.raises(EnvironmentFault, match="cannot write"):
        store.append([good, bad])
    store.append([good])
    assert [stored.sequence for stored in store.entries("R1")] == [1]


def test_a_full_disk_is_an_error_and_leaves_the_record_whole(tmp_path: Path) -> None:
    from sqlalchemy import event

    store = Store(tmp_path / "runs.db")
    fill(store)
    store.close()

    @event.listens_for(store.engine, "connect")
    def _limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    with pytest.raises(EnvironmentFault, match="full"):
        store.append([Entry("R1", "Note", 0.0, START.isoformat(), "x" * 1_000_000)])
    assert store.verify("R1").intact
    store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO schema_version VALUES (?)", [VERSION + 1])
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="newer version"):
        Store(path)


def test_nonsense_urls_are_input_errors() -> None:
    with pytest.raises(InputError, match="no database URL"):
        Store("nosuchdatabase://here")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(EnvironmentFault, match="not a database"):
        Store(path)
