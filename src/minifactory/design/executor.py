"""The one way in which studies spread their work: jobs in, results as they come, wherever they are done.

An :class:`Executor` runs a picklable function on picklable jobs. A job that is lost with its worker is done
again; results carry the number of their job, so that their order does not matter. Local processes and a Dask
cluster fulfil the protocol in :mod:`minifactory.app`; this module needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Work = Callable[[Any], Any]

ATTEMPTS = 4
"""How often a job is begun before its study gives up: a job that takes its worker down does so every time."""


class Executor(Protocol):
    """Runs jobs; the results depend on the jobs only."""

    @property
    def name(self) -> str:
        """What a report says, e.g. ``2 processes``."""

    @property
    def width(self) -> int:
        """How many jobs it does at a time."""

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """(number of the job, its result) of every job, in the order in which they are done.

        Raises
        ------
        EnvironmentFault
            A job was lost with its worker :data:`ATTEMPTS` times, or no worker is left.
        """


class InThisProcess:
    """One job after the other, here."""

    @property
    def name(self) -> str:
        """What a report says."""
        return "this process"

    @property
    def width(self) -> int:
        """One at a time."""
        return 1

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Results in the order of the jobs."""
        for number, job in enumerate(jobs):
            yield number, work(job)
