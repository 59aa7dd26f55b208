"""A process skid and a buffer service over OPC UA; the service's Orbit is killed in the midst of a batch."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from minifactory.historian import Store, load_run
from tests.services.test_preparation import SERVED
from tests.system.going import going
from tests.system.test_fleet import orbit_of

pytestmark = pytest.mark.slow


def test_a_service_that_is_killed_prepares_its_batch_to_the_end(tmp_path: Path) -> None:
    """52 mL of each buffer from bottles of 35 mL: without its batches the run would stand."""
    with going(tmp_path, SERVED, "--json") as run:
        run.wait_for("prepare.dose.dose_sodium_acetate")
        os.kill(orbit_of(run, "kitchen"), signal.SIGKILL)
        run.wait_for("Orbit kitchen was ended by SIGKILL")
        assert run.end() == 0, run.said.decode()
    made = json.loads(run.output)["buffers"]
    assert made["failed"] == []
    numbers = [lot["number"].rpartition("-")[2] for lot in made["lots"]]
    assert numbers == [f"{place:04d}" for place in range(1, len(numbers) + 1)]
    assert {lot["vessel"] for lot in made["lots"]} == {"buffer", "elution"}
    for lot in made["lots"]:
        assert lot["composition"]["acetate"] == pytest.approx(31.0, rel=0.03)
    store = Store(tmp_path / "runs" / "minifactory.db")
    batches = {
        item.identifier: load_run(store, item.identifier, ())
        for item in store.runs()
        if "-kitchen-" in item.identifier
    }
    assert len(batches) == len(numbers)
    for name, batch in batches.items():
        assert store.verify(name).intact
        paths = [phase.path for phase in batch.phases]
        assert len(paths) == len(set(paths)), "a phase was run twice"
