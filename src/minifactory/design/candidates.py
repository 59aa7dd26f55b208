"""Candidates of a study and what came of them: values by reference in, figures out, always SI.

A candidate is a mapping of references to values: of the recipe (``cex.elution.elute.gradient.over``), of the
factory (``columns.C1.bed_height``) or of the parameters (``C1.product.nu``). A :class:`Problem` turns
candidates into evaluations; it is frozen, can be pickled, and gives the same answer wherever it is asked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Values = Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """What one candidate gave.

    Parameters
    ----------
    figures : Mapping of str to float
        SI, by name (see :data:`minifactory.records.performance.FIGURES`, and a problem's own).
    fault : str
        Why it could not be simulated; empty when it could.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""

    def __getitem__(self, figure: str) -> float:
        """The figure (SI); nan when it is not known."""
        return self.figures.get(figure, math.nan)


class Problem(Protocol):
    """Something that candidates can be evaluated with."""

    @property
    def batch(self) -> int:
        """How many candidates are best evaluated together; part of the answers to the last digit."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the answers depend on, besides the candidates."""

    def evaluate(self, batch: Sequence[Values]) -> list[Evaluation]:
        """The evaluations of a batch, in order; a candidate that fails has a fault."""


def column_of(evaluations: Sequence[Evaluation], figure: str) -> FloatArray:
    """The values (n,) of one figure (SI); nan where it is not known."""
    return np.array([item[figure] for item in evaluations], dtype=np.float64)


def content_hash(*parts: object) -> str:
    """Hexadecimal hash of texts, numbers and mappings, to the last bit of every number."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, part: object) -> None:
    if isinstance(part, Mapping):
        for key in sorted(part):
            _feed(digest, key)
            _feed(digest, part[key])
    elif isinstance(part, float | int | np.floating):
        digest.update(float(part).hex().encode() + b"\0")
    elif isinstance(part, list | tuple):
        digest.update(f"[{len(part)}".encode())
        for item in part:
            _feed(digest, item)
    else:
        digest.update(str(part).encode() + b"\0")
