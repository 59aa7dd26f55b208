"""Local processes that do the jobs of studies; one that dies costs a retry, not the study."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from minifactory.app.children import end_with_parent, without_interrupts
from minifactory.design.executor import ATTEMPTS, InThisProcess, Work
from minifactory.errors import EnvironmentFault, Finding

AHEAD = 2
"""Jobs per process that are handed out at a time; the rest waits here."""


class LocalProcesses:
    """Implements :class:`minifactory.design.executor.Executor` by processes of this machine.

    Parameters
    ----------
    processes : int or None
        How many; None: one per processor.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or len(os.sched_getaffinity(0))

    @property
    def name(self) -> str:
        """What a report says."""
        return f"{self._processes} processes"

    @property
    def width(self) -> int:
        """Jobs at a time."""
        return self._processes

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Results as they come; see :class:`minifactory.design.executor.Executor`."""
        if self._processes == 1 or len(jobs) < 2:
            yield from InThisProcess().run(work, jobs)
            return
        waiting = list(range(len(jobs)))[::-1]
        begun = [0] * len(jobs)
        while waiting:
            yield from self._until_broken(work, jobs, waiting, begun)

    def _until_broken(
        self, work: Work, jobs: Sequence[Any], waiting: list[int], begun: list[int]
    ) -> Iterator[tuple[int, Any]]:
        """Results until all jobs are done or a process dies; then `waiting` holds what is left."""
        running: dict[Future[Any], int] = {}
        processes = min(self._processes, len(waiting))
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
        try:
            while waiting or running:
                while waiting and len(running) < AHEAD * processes:
                    number = waiting.pop()
                    begun[number] += 1
                    with without_interrupts():  # the first of these starts the workers
                        running[pool.submit(work, jobs[number])] = number
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            lost = sorted(running.values(), reverse=True)
            worn = [number for number in lost if begun[number] >= ATTEMPTS]
            if worn:
                raise EnvironmentFault(
                    Finding(
                        "study",
                        f"a worker process died {ATTEMPTS} times on the same batch of candidates",
                        "processes that live",
                        "Is the memory used up? Use fewer processes with --workers, or a cluster.",
                    )
                ) from None
            waiting.extend(lost)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a worker: end with the parent."""
    end_with_parent()
