"""Every evaluated candidate is kept: one Parquet file per batch, named by the hash of its content.

Candidates are evaluated in batches of a fixed size, cut from the list in its order, so that the numbers
depend neither on the executor nor on how much was known before. A batch whose file is there is read, not
computed: a study that was stopped goes on, a study that is extended computes what is new.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minifactory.design.candidates import Evaluation, Problem, Values, content_hash
from minifactory.design.executor import Executor

_GIVEN, _FOUND, _FAULT = "in:", "out:", "fault"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A batch on its way to a worker."""

    problem: Problem
    batch: tuple[Values, ...]


def work(job: Job) -> list[Evaluation]:
    """What a worker does."""
    return job.problem.evaluate(job.batch)


@dataclass
class Ledger:
    """Evaluates candidates and keeps them.

    Parameters
    ----------
    folder : Path or None
        Where the batches are kept; None: nowhere.
    executor : Executor
        Where they are computed.
    computed, recalled : int
        How many candidates were simulated, and how many were known.
    """

    folder: Path | None
    executor: Executor
    computed: int = 0
    recalled: int = 0

    def evaluate(
        self,
        problem: Problem,
        candidates: Sequence[Values],
        progress: Progress | None = None,
    ) -> list[Evaluation]:
        """The evaluations of `candidates`, in order.

        Parameters
        ----------
        problem : Problem
            What evaluates them.
        candidates : sequence of Values
            SI by reference.
        progress : callable (done, total), optional
            Told after each batch.
        """
        size = problem.batch
        batches = [tuple(candidates[at : at + size]) for at in range(0, len(candidates), size)]
        stamp = problem.fingerprint
        keys = [content_hash(stamp, [dict(item) for item in batch]) for batch in batches]
        found: list[list[Evaluation] | None] = [self._recall(key) for key in keys]
        missing = [at for at, one in enumerate(found) if one is None]
        done = sum(len(one) for one in found if one is not None)
        self.recalled += done
        if progress is not None and done:
            progress(done, len(candidates))
        jobs = [Job(problem, batches[at]) for at in missing]
        for number, result in self.executor.run(work, jobs):
            at = missing[number]
            found[at] = result
            self._keep(keys[at], batches[at], result)
            done += len(result)
            self.computed += len(result)
            if progress is not None:
                progress(done, len(candidates))
        return [item for one in found if one is not None for item in one]

    def _recall(self, key: str) -> list[Evaluation] | None:
        if self.folder is None:
            return None
        try:
            table = pq.read_table(self.folder / f"{key}.parquet")
        except (OSError, pa.ArrowException):
            return None  # not there, or cut short by a power failure: computed again
        return [_evaluation(row) for row in table.to_pylist()]

    def _keep(self, key: str, batch: Sequence[Values], result: Sequence[Evaluation]) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{key}.parquet"
        beside = place.with_suffix(f".{secrets.token_hex(4)}")
        pq.write_table(table_of(batch, result), beside)
        os.replace(beside, place)


def table_of(candidates: Sequence[Values], evaluations: Sequence[Evaluation]) -> pa.Table:
    """Candidates and figures as one table: ``in:<reference>``, ``out:<figure>`` (SI), ``fault``."""
    given = list(dict.fromkeys(name for item in candidates for name in item))
    figures = list(dict.fromkeys(name for item in evaluations for name in item.figures))
    columns: dict[str, list[float | str | None]] = {}
    for name in given:
        columns[f"{_GIVEN}{name}"] = [item.get(name) for item in candidates]
    for name in figures:
        columns[f"{_FOUND}{name}"] = [item.figures.get(name) for item in evaluations]
    columns[_FAULT] = [item.fault for item in evaluations]
    kinds = [(name, pa.string() if name == _FAULT else pa.float64()) for name in columns]
    return pa.table(columns, schema=pa.schema(kinds))


def rows_of(table: pa.Table) -> Iterator[tuple[dict[str, float], Evaluation]]:
    """The candidates and evaluations of a table that :func:`table_of` made."""
    for row in table.to_pylist():
        given = {
            key.removeprefix(_GIVEN): float(value)
            for key, value in row.items()
            if key.startswith(_GIVEN) and value is not None
        }
        yield given, _evaluation(row)


def _evaluation(row: dict[str, object]) -> Evaluation:
    figures = {
        key.removeprefix(_FOUND): float(str(value)) if not isinstance(value, float) else value
        for key, value in row.items()
        if key.startswith(_FOUND) and value is not None
    }
    return Evaluation(figures, str(row[_FAULT] or ""))
