"""Why no candidate meets all limits, in words: what is out of reach, and what excludes what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from minifactory.design.candidates import Evaluation
from minifactory.design.search import Limit
from minifactory.errors import Finding
from minifactory.units import FRACTION, show


def conflicts(
    evaluations: Sequence[Evaluation], limits: Sequence[Limit], nearest: int, values: Mapping[str, str]
) -> list[Finding]:
    """Why no candidate meets all limits: single limits out of reach, pairs that exclude each other.

    `nearest` is the place of the candidate that misses least, `values` its texts by reference.
    """
    findings = []
    alive = [one for one in evaluations if not one.fault]
    if not alive:
        return [Finding("study", f"no candidate can be run: {evaluations[0].fault}")]
    for item in limits:
        if not any(item.met(one) for one in alive):
            best = _best(alive, item)
            findings.append(
                Finding(
                    item.where or item.figure,
                    f"{item.title} {item.text} is out of reach: {best} is the best of {len(alive)}",
                    "a limit within reach",
                    "Lower it, widen the bounds of the variables, or vary more of the description.",
                )
            )
    for at, one in enumerate(limits):
        for other in limits[at + 1 :]:
            first, second = [e for e in alive if one.met(e)], [e for e in alive if other.met(e)]
            if first and second and not any(other.met(e) for e in first):
                findings.append(
                    Finding(
                        one.where or one.figure,
                        f"{one.title} {one.text} and {other.title} {other.text} exclude each other: "
                        f"where the first is met, the second is {_best(first, other)} at best",
                        "limits that can be met together",
                        "Relax one of the two, or vary more of the description.",
                    )
                )
    if not findings:
        names = ", ".join(f"{item.title} {item.text}" for item in limits)
        findings.append(Finding("study", f"all limits together ({names}) are met by no candidate"))
    where = ", ".join(f"{name} = {text}" for name, text in values.items())
    missed = ", ".join(
        f"{item.title} {show_figure(item, evaluations[nearest][item.figure])} (required {item.text})"
        for item in limits
        if not item.met(evaluations[nearest])
    )
    findings.append(Finding("nearest candidate", f"{where}: {missed or evaluations[nearest].fault}"))
    return findings


def _best(evaluations: Sequence[Evaluation], item: Limit) -> str:
    values = [one[item.figure] for one in evaluations if math.isfinite(one[item.figure])]
    if not values:
        return "not known"
    return show_figure(item, max(values) if item.at_least else min(values))


def show_figure(item: Limit, value: float) -> str:
    """A figure as people read it."""
    if not math.isfinite(value):
        return "not known"
    return f"{100.0 * value:.4g} %" if item.kind is FRACTION else show(value, item.kind)
