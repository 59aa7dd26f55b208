"""The coarsest mesh that a study can afford: the one on which no figure it asks for moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from minifactory.design.candidates import Evaluation, Values
from minifactory.design.whole_case import WholeCase
from minifactory.errors import Finding, TargetError

MESHES = (3, 4, 6, 9, 14, 20)
"""Elements per bed that are tried, each against twice as many."""
ACCURACY = 1e-3
"""Relative change of a figure that is allowed."""


def fitted(problem: WholeCase, figures: Sequence[str], values: Sequence[Values]) -> tuple[WholeCase, float]:
    """The problem on the first mesh whose figures one twice as fine confirms, and how far they moved.

    Parameters
    ----------
    problem : WholeCase
    figures : sequence of str
        What is asked for.
    values : sequence of Values
        Candidates to compare at: the present values, and an extreme or two.

    Raises
    ------
    TargetError
        The case as it is cannot be simulated.
    """
    known: dict[int, list[Evaluation]] = {}

    def at(elements: int) -> list[Evaluation]:
        if elements not in known:
            known[elements] = replace(problem, elements=elements).evaluate(values)
        return known[elements]

    worst = math.inf
    for elements in MESHES:
        first = at(elements)
        if not any(one.figures for one in first):
            raise TargetError(Finding("study", f"the case as it is cannot be run: {first[0].fault}"))
        worst = max(
            (_moved(one, two, figures) for one, two in zip(first, at(2 * elements), strict=True)), default=0.0
        )
        if worst <= ACCURACY:
            break
    return replace(problem, elements=elements), worst


def _moved(coarse: Evaluation, fine: Evaluation, figures: Sequence[str]) -> float:
    changes = [
        abs(coarse[name] - fine[name]) / abs(fine[name])
        for name in figures
        if math.isfinite(coarse[name]) and math.isfinite(fine[name]) and fine[name] != 0.0
    ]
    return max(changes, default=0.0)
