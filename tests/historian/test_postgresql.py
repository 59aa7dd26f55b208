"""The same record on a PostgreSQL server, when one is named by MINIFACTORY_POSTGRES (a SQLAlchemy URL)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from minifactory.historian import Health, Policy, Store, Writer, load_run
from tests.historian.story import story


def test_write_read_verify_and_refuse_changes(patient: Policy, tmp_path: Path) -> None:
    url = os.environ.get("MINIFACTORY_POSTGRES")
    if not url:
        pytest.skip("no PostgreSQL server: set MINIFACTORY_POSTGRES to the URL of an empty database")
    store = Store(url)
    name = f"test-{uuid.uuid4()}"
    with Writer(store, tmp_path / "spool", patient) as writer:
        for document in story(name):
            writer.offer(document)
        assert writer.flush().health is Health.STORING
    run = load_run(store, name)
    local = Store(tmp_path / "runs.db")
    with Writer(local, tmp_path / "spool", patient) as writer:
        for document in story(name):
            writer.offer(document)
    same = load_run(local, name)
    assert (run.phases, run.events, run.pools) == (same.phases, same.events, same.pools)
    assert store.verify(name).intact
    with store.engine.connect() as connection, pytest.raises(SQLAlchemyError, match="append-only"):
        connection.exec_driver_sql("DELETE FROM entry")
    store.close()
