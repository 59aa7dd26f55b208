"""A record that did not reach the historian whole is said, not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.app.completeness import refuse_incomplete
from minifactory.errors import EnvironmentFault
from minifactory.historian import Policy, Store, Writer
from tests.historian.story import story
from tests.historian.test_writer import locked

PATIENT = Policy(segment_time=1e9, look_every=0.01, retry=1e9)


def told(tmp_path: Path, spool: Path) -> Writer:
    """A closed writer to which a run was told while its database was locked."""
    store = Store(tmp_path / "runs.db", busy_timeout=0.01)
    with locked(tmp_path / "runs.db"), Writer(store, spool, PATIENT) as writer:
        for document in story():
            writer.offer(document)
    store.close()
    return writer


def test_what_waits_in_the_spool_is_said(tmp_path: Path) -> None:
    writer = told(tmp_path, tmp_path / "spool")
    with pytest.raises(EnvironmentFault, match=r"wait in the spool \(.*locked") as caught:
        refuse_incomplete(writer, "runs.db")
    assert caught.value.exit_code == 3
    store = Store(tmp_path / "runs.db")
    with Writer(store, tmp_path / "spool", PATIENT) as writer:
        pass
    refuse_incomplete(writer, "runs.db")
    store.close()


def test_what_could_be_kept_nowhere_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="kept nowhere and are lost"):
        refuse_incomplete(told(tmp_path, blocked), "runs.db")
