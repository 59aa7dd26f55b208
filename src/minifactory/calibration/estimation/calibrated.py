"""What a calibration came to: its steps, the last estimate of each parameter, and the rivals compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from minifactory.calibration.estimation.result import Estimate, Step
from minifactory.calibration.estimation.rivals import Comparison
from minifactory.errors import Finding

UNCORRELATED = 0.02
"""Correlations below this are left out, where they can be."""
POSSIBLE = 1e-8
"""Least eigenvalue of a matrix of correlations that stays positive definite in ten digits."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """All steps in order; `sources` are the hashes of the runs by name; `rivals` where they were compared,
    `advice` what else is to be told.
    """

    steps: tuple[Step, ...]
    sources: Mapping[str, str]
    seconds: float = 0.0
    rivals: Comparison | None = None
    advice: tuple[Finding, ...] = ()

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The last estimate of each path."""
        return {item.path: item for step in self.steps for item in step.estimates}

    def correlations(self, paths: Collection[str]) -> dict[tuple[str, str], float]:
        """Correlations of the estimates of `paths` that were made in one step, on their scales.

        Small ones are left out where what remains is still possible: beside two parameters that are nearly
        one and the same, even a small one counts.
        """
        last = {item.path: at for at, step in enumerate(self.steps) for item in step.estimates}
        found: dict[tuple[str, str], float] = {}
        for at, step in enumerate(self.steps):
            if step.fit is None:
                continue
            own = step.fit.problem.space.paths
            matrix = step.fit.covariance if step.posterior is None else np.cov(step.posterior.samples.T)
            kept = [i for i, path in enumerate(own) if path in paths and last.get(path) == at]
            if len(kept) < 2:
                continue
            matrix = np.atleast_2d(matrix)[np.ix_(kept, kept)]
            size = np.sqrt(np.diag(matrix))
            matrix = matrix / np.outer(size, size)
            sparse = np.where(np.abs(matrix) >= UNCORRELATED, matrix, 0.0)
            if np.linalg.eigvalsh(sparse)[0] > POSSIBLE:
                matrix = sparse
            for row in range(len(kept)):
                for column in range(row + 1, len(kept)):
                    if matrix[row, column]:
                        found[own[kept[row]], own[kept[column]]] = float(matrix[row, column])
        return found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, each once."""
        own = [finding for step in self.steps for finding in step.findings]
        return tuple(dict.fromkeys((*own, *(self.rivals.findings if self.rivals else ()), *self.advice)))
