"""Pages of the studies: pool, optimise, robustness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minifactory.design.candidates import Evaluation, column_of
from minifactory.design.description import Description
from minifactory.design.figures import title_of_figure
from minifactory.design.optimisation import Optimum
from minifactory.design.pages import drawing
from minifactory.design.pages.page import Page, Picture, Table
from minifactory.design.pooling import Curves, Fraction
from minifactory.design.robustness import LEVEL, Robustness
from minifactory.design.search import Limit, Objective, Variable
from minifactory.units import MASS_CONCENTRATION, TIME, VOLUME

SHOWN = (
    "yield",
    "purity",
    "pool_concentration",
    "pool_volume",
    "productivity",
    "duration",
    "max_pressure",
    "buffer",
)


def pool_page(
    title: str,
    curves: Curves,
    fractions: Sequence[Fraction],
    before: Evaluation,
    robust: Robustness | None,
    provenance: Mapping[str, str],
) -> Page:
    """The cuts that were found, and how surely they hold."""
    rows = []
    for one in fractions:
        rows.append(
            (
                one.component,
                drawing.said(one.start, TIME),
                drawing.said(one.end, TIME),
                drawing.said(one.volume, VOLUME),
                f"{one.recovery:.2%}",
                f"{one.purity:.3%}",
                drawing.said(one.concentration, MASS_CONCENTRATION),
            )
        )
    head = ("component", "from", "to", "volume", "yield", "purity", "concentration")
    lines = [f"The recipe as it is: yield {before['yield']:.2%}, purity {before['purity']:.3%}."]
    document: dict[str, Any] = {
        "fractions": [
            {
                "component": one.component,
                "start": one.start,
                "end": one.end,
                "volume": one.volume,
                "yield": one.recovery,
                "purity": one.purity,
                "concentration": one.concentration,
                "masses": dict(one.masses),
            }
            for one in fractions
        ],
        "present": dict(before.figures),
    }
    tables = [Table("Fractions (times since the start of the run)", head, tuple(rows), tuple(range(1, 7)))]
    pictures = [drawing.cuts(curves, fractions)]
    if robust is not None:
        part = robust_parts(robust)
        lines += part[0]
        tables += part[1]
        pictures += part[2]
        document["robustness"] = robust_document(robust)
    best = ", ".join(f"{one.component} {one.recovery:.2%} at {one.purity:.3%} purity" for one in fractions)
    return Page(
        title,
        f"Best cuts: {best}.",
        bool(fractions),
        tuple(lines),
        tuple(tables),
        tuple(pictures),
        document,
        provenance,
    )


def optimum_page(
    title: str,
    description: Description,
    variables: Sequence[Variable],
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
    optimum: Optimum,
    present: Evaluation,
    robust: Robustness | None,
    provenance: Mapping[str, str],
) -> Page:
    """The recommendation, what it costs and gains, and how surely it holds."""
    changes = tuple(
        (
            one.reference,
            description.quantity(one.reference).text,
            drawing.said(optimum.values[one.reference], one.kind),
            f"{drawing.said(one.lower, one.kind)} to {drawing.said(one.upper, one.kind)}",
        )
        for one in variables
    )
    names = dict.fromkeys([*(one.figure for one in objectives), *(one.figure for one in limits), *SHOWN])
    tables = [
        Table("What changes", ("reference", "present", "recommended", "range"), changes, (1, 2)),
        Table(
            "What comes of it",
            ("figure", "present", "recommended", "required"),
            tuple(
                (
                    title_of_figure(name),
                    drawing.said(present[name], drawing.figure_kind(name)),
                    drawing.said(optimum.evaluation[name], drawing.figure_kind(name)),
                    ", ".join(one.text for one in limits if one.figure == name),
                )
                for name in names
            ),
            (1, 2),
        ),
    ]
    lines = [f"{len(optimum.evaluations)} candidates were simulated."]
    if present.fault:
        lines.append(f"The case as it is cannot be run: {present.fault}")
    if optimum.idle:
        lines.append(f"No figure asked for depends on {', '.join(optimum.idle)}: these values mean nothing.")
    at_bound = [
        one.reference
        for one in variables
        if not one.discrete
        and min(one.place(optimum.values[one.reference]), 1.0 - one.place(optimum.values[one.reference]))
        < 1e-3
    ]
    if at_bound:
        lines.append(f"At the bound of its range: {', '.join(at_bound)}.")
    pictures: list[Picture] = []
    first = objectives[0]
    if optimum.front:
        points = np.array([[one[item.figure] for item in objectives] for _, one in optimum.front])
        chosen = next(at for at, (values, _) in enumerate(optimum.front) if values == optimum.values)
        kinds = [drawing.figure_kind(item.figure) for item in objectives]
        pictures.append(drawing.front(points, chosen, [item.title for item in objectives], kinds))
    elif len(optimum.history) > 1:
        pictures.append(
            drawing.progress(optimum.history, first.maximise, first.title, drawing.figure_kind(first.figure))
        )
    document: dict[str, Any] = {
        "values": dict(optimum.values),
        "figures": dict(optimum.evaluation.figures),
        "present": dict(present.figures),
        "evaluations": len(optimum.evaluations),
        "front": [{"values": dict(values), "figures": dict(one.figures)} for values, one in optimum.front],
        "idle": list(optimum.idle),
    }
    good = all(one.met(optimum.evaluation) for one in limits)
    if robust is not None:
        part = robust_parts(robust)
        lines += part[0]
        tables += part[1]
        pictures += part[2]
        document["robustness"] = robust_document(robust)
    value = drawing.said(optimum.evaluation[first.figure], drawing.figure_kind(first.figure))
    was = drawing.said(present[first.figure], drawing.figure_kind(first.figure))
    verdict = f"{first.title} {value} (present {was})"
    if robust is not None and robust.limits:
        verdict += f"; right first time with a probability of {robust.together}"
    return Page(
        title, f"{verdict}.", good, tuple(lines), tuple(tables), tuple(pictures), document, provenance
    )


def robust_page(
    title: str, robust: Robustness, needed: Sequence[float], provenance: Mapping[str, str]
) -> Page:
    """How surely the limits are met, what decides it, and what to tighten."""
    lines, tables, pictures = robust_parts(robust)
    good = all(one.value >= need for one, need in zip(robust.each, needed, strict=True))
    return Page(
        title,
        f"All limits are met with a probability of {robust.together} ({LEVEL:.0%} interval).",
        good,
        tuple(lines),
        tuple(tables),
        tuple(pictures),
        robust_document(robust),
        provenance,
    )


def robust_parts(robust: Robustness) -> tuple[list[str], list[Table], list[Picture]]:
    """Lines, tables and pictures of a robustness."""
    lines = [
        (
            f"{robust.together.samples} samples of {len(robust.factors)} factors: "
            f"all limits met in {robust.together}."
        )
    ]
    for reason, count in robust.faults.items():
        lines.append(f"{count} samples could not be run and count as missed: {reason}")
    better = [one for one in robust.tightened if math.isfinite(one.probability)]
    if better and robust.together.met < robust.together.samples:
        best = better[0]
        if best.probability > robust.together.interval[1]:
            lines.append(
                f"Tighten {best.reference}: with half its spread the probability is {best.probability:.1%}."
            )
        else:
            lines.append("No single factor decides: halving any one spread stays within the interval.")
    if robust.failure is not None:
        drivers = ", ".join(
            f"{name} {'high' if shift > 0 else 'low'}" for name, shift in robust.failure.driven_by[:3]
        )
        lines.append(
            f"The most probable way to fail ({', '.join(robust.failure.missed)}) "
            f"is {robust.failure.distance:.1f} standard deviations away: {drivers}."
        )
    limits = tuple(
        (
            item.title,
            item.text,
            drawing.said(robust.nominal[item.figure], item.kind),
            " to ".join(drawing.said(edge, item.kind) for edge in robust.interval(item.figure)),
            str(one),
        )
        for item, one in zip(robust.limits, robust.each, strict=True)
    )
    tables = [
        Table(
            "Limits",
            ("figure", "required", "stated values", "95 % of samples", "probability"),
            limits,
            (2, 3, 4),
        ),
        Table(
            "What tightening would bring",
            ("factor", "spread", "probability with half of it"),
            tuple(
                (
                    one.reference,
                    next(factor.text for factor in robust.factors if factor.reference == one.reference),
                    f"{one.probability:.1%}",
                )
                for one in better[:8]
            ),
            (2,),
        ),
    ]
    if robust.failure is not None:
        tables.append(
            Table(
                "The most probable way to fail (SI)",
                ("factor", "stated", "there"),
                tuple(
                    (one.reference, f"{one.value:.5g}", f"{robust.failure.values[one.reference]:.5g}")
                    for one in robust.factors
                    if one.reference in {name for name, _ in robust.failure.driven_by}
                ),
                (1, 2),
            )
        )
    pictures = []
    for figure in dict.fromkeys(item.figure for item in robust.limits):
        values = column_of(robust.evaluations, figure)
        if np.isfinite(values).sum() > 5 and np.nanmax(values) > np.nanmin(values):
            edges = [item.limit for item in robust.limits if item.figure == figure]
            name = title_of_figure(figure)
            pictures.append(drawing.histogram(name, figure, values, edges, robust.nominal[figure]))
    for figure, indices in robust.indices.items():
        name = title_of_figure(figure)
        pictures.append(
            drawing.bars(
                f"What decides {name.lower()}",
                [one.reference for one in indices],
                np.array([one.first for one in indices]),
                np.array([one.total for one in indices]),
                np.array([max(one.total_width, 0.0) for one in indices]),
            )
        )
    return lines, tables, pictures


def robust_document(robust: Robustness) -> dict[str, Any]:
    """A robustness as JSON types."""
    return {
        "samples": robust.together.samples,
        "indexed": robust.indexed,
        "probability": robust.together.value,
        "interval": list(robust.together.interval),
        "limits": [
            {
                "figure": item.figure,
                "limit": item.limit,
                "at_least": item.at_least,
                "confidence": item.confidence,
                "nominal": robust.nominal[item.figure],
                "range": list(robust.interval(item.figure)),
                "probability": one.value,
                "interval": list(one.interval),
            }
            for item, one in zip(robust.limits, robust.each, strict=True)
        ],
        "faults": dict(robust.faults),
        "indices": {
            figure: [
                {
                    "factor": one.reference,
                    "first": one.first,
                    "first_width": one.first_width,
                    "total": one.total,
                    "total_width": one.total_width,
                }
                for one in indices
            ]
            for figure, indices in robust.indices.items()
        },
        "tightened": [
            {"factor": one.reference, "probability": one.probability, "effective_samples": one.effective}
            for one in robust.tightened
        ],
        "failure": None
        if robust.failure is None
        else {
            "values": dict(robust.failure.values),
            "distance": robust.failure.distance,
            "missed": list(robust.failure.missed),
            "driven_by": dict(robust.failure.driven_by),
        },
        "factors": {one.reference: one.text for one in robust.factors},
    }
