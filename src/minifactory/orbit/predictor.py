"""What the controller needs of a model, declared here and injected by the application.

The controller knows no equations: it asks for a dry run before a start, records the answer with the start,
and may compare the course of the run with what was forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from minifactory.errors import Finding
from minifactory.recipe.bound import BoundRecipe


@dataclass(frozen=True)
class Forecast:
    """What a dry run found.

    Parameters
    ----------
    duration : float
        s that the run will take.
    findings : tuple of Finding
        Faults and warnings; an error forbids the start.
    figures : Mapping of str to float
        Anything worth a line in the record, in SI units, e.g. the largest pressure (Pa).
    """

    duration: float
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


class Predictor(Protocol):
    """A model of the plant as the controller sees it."""

    def dry_run(self, bound: BoundRecipe) -> Forecast:
        """What will happen if `bound` is started now."""

    def expected(self, time: float) -> Mapping[str, float]:
        """Expected values (SI) by tag `time` s after the start; empty when there is no forecast."""
