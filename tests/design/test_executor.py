"""Whatever does the work and however often it is interrupted, the numbers are the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from minifactory.app.cluster import DaskCluster, check_address
from minifactory.app.workers import LocalProcesses
from minifactory.design.executor import InThisProcess
from minifactory.design.ledger import Ledger, rows_of, table_of
from minifactory.errors import EnvironmentFault, InputError
from tests.design.dying import die
from tests.design.parabola import Parabola

CANDIDATES = [{"x": float(x), "y": 0.5} for x in np.linspace(0.0, 1.0, 23)]
HERE = Ledger(None, InThisProcess()).evaluate(Parabola(), CANDIDATES)


def test_processes_give_the_same_numbers() -> None:
    assert Ledger(None, LocalProcesses(2)).evaluate(Parabola(), CANDIDATES) == HERE


def test_a_killed_process_costs_a_retry(tmp_path: Path) -> None:
    killer = tmp_path / "killed"
    assert Ledger(None, LocalProcesses(2)).evaluate(Parabola(str(killer)), CANDIDATES) == HERE
    assert killer.exists()


def test_a_job_that_always_kills_ends_the_study() -> None:
    with pytest.raises(EnvironmentFault, match="died 4 times"):
        list(LocalProcesses(2).run(die, [1, 2, 3]))


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    first = Ledger(tmp_path, InThisProcess())
    assert first.evaluate(Parabola(), CANDIDATES[:12]) == HERE[:12]
    then = Ledger(tmp_path, InThisProcess())
    assert then.evaluate(Parabola(), CANDIDATES) == HERE
    assert (first.computed, then.recalled, then.computed) == (12, 12, 11)


def test_a_file_cut_short_is_computed_again(tmp_path: Path) -> None:
    Ledger(tmp_path, InThisProcess()).evaluate(Parabola(), CANDIDATES[:4])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:40])
    again = Ledger(tmp_path, InThisProcess())
    assert again.evaluate(Parabola(), CANDIDATES[:4]) == HERE[:4]
    assert again.computed == 4


def test_every_candidate_is_kept(tmp_path: Path) -> None:
    bad = [{"x": -2.0}, {"x": 0.3, "y": 0.7}]
    found = Ledger(None, InThisProcess()).evaluate(Parabola(), bad)
    pq.write_table(table_of(bad, found), tmp_path / "x.parquet")
    rows = list(rows_of(pq.read_table(tmp_path / "x.parquet")))
    assert [given for given, _ in rows] == bad
    assert [one for _, one in rows] == found
    assert rows[0][1].fault == "x is below -1"


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "http://x:1", "tls://host", "nonsense", "tcp://:1"]
)
def test_clusters_that_anybody_could_command_are_refused(address: str) -> None:
    with pytest.raises(InputError):
        check_address(address)


def test_a_scheduler_that_is_not_there_is_told() -> None:
    with pytest.raises(EnvironmentFault, match="does not answer"):
        DaskCluster("tcp://127.0.0.1:9", patience=0.5)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler with two workers, each a process of its own."""
    pytest.importorskip("distributed")
    place = tmp_path / "scheduler.json"
    options = ["--no-dashboard", "--scheduler-file", str(place)]
    tool = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    logs = (tmp_path / "dask.log").open("wb")
    processes = [
        subprocess.Popen(
            [*tool, "--host", "127.0.0.1", "--port", "0", *options],
            stdout=logs,
            stderr=logs,
            start_new_session=True,
        )
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(place)]
    worker += ["--no-dashboard", "--nthreads", "1", "--nworkers", "1", "--local-directory", str(tmp_path)]
    processes += [
        subprocess.Popen(worker, stdout=logs, stderr=logs, start_new_session=True) for _ in range(2)
    ]
    from distributed import Client

    with Client(scheduler_file=str(place), timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=90)
    yield str(json.loads(place.read_text(encoding="utf-8"))["address"])
    for process in processes:  # a nanny whose worker was killed under it does not end by itself
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    logs.close()


@pytest.mark.slow
def test_a_cluster_gives_the_same_numbers_though_a_worker_is_killed(scheduler: str, tmp_path: Path) -> None:
    cluster = DaskCluster(scheduler)
    try:
        assert "2 workers" in cluster.name
        assert Ledger(None, cluster).evaluate(Parabola(), CANDIDATES) == HERE
        killer = tmp_path / "killed"
        assert Ledger(None, cluster).evaluate(Parabola(str(killer)), CANDIDATES) == HERE
        assert killer.exists()
    finally:
        cluster.close()
