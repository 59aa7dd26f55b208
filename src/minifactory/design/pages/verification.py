"""The page of the study `verify`: what was stated, and what batches made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minifactory.design.candidates import column_of
from minifactory.design.figures import title_of_figure
from minifactory.design.pages import drawing
from minifactory.design.pages.page import Page, Table
from minifactory.design.robustness import LEVEL, Probability
from minifactory.design.verification import Missed, Verification

LISTED = 40
"""Batches that missed which the page lists; the table of all batches lies beside it."""


def verification_page(
    title: str, what: str, found: Verification, notes: Sequence[str], provenance: Mapping[str, str]
) -> Page:
    """Whether virtual batches meet the limits as often as stated; `what` was run, in words."""
    together, count = found.together, found.together.batches.samples
    verdict = (
        f"Stated {together.stated}, met by {together.batches} of {count} virtual batches "
        f"({LEVEL:.0%} intervals): {together}."
    )
    lines = [
        f"Run by Orbit on the virtual skid, in memory, each with a truth of its own: {what}.",
        f"Of the same {count} truths the simulation meets all limits in {found.simulated}.",
        *notes,
    ]
    if found.unmeasured:
        figures = ", ".join(item.title for item in found.unmeasured)
        lines.append(f"No run tells {figures}: not judged, in neither column.")
    apart = [
        f"{item.title} {item.text}: {one}."
        for item, one in zip(found.limits, found.each, strict=True)
        if not one.agree
    ]
    lines += apart
    lines += [
        f"{item.title} {item.text} is asked for with {item.confidence:.0%}: batches meet it in {share}."
        for item, share in found.short
    ]
    unforeseen = [one for one in found.missed if not one.foreseen]
    if found.missed:
        lines.append(
            f"{len(found.missed)} batches missed, {len(unforeseen)} of them though the simulation of their "
            "truth does not."
        )
    return Page(
        title,
        verdict,
        together.agree and not found.short,
        tuple(lines),
        (_limits(found), _figures(found), _missed(found.missed)),
        tuple(
            drawing.beside(
                title_of_figure(gap.figure),
                gap.figure,
                {
                    "stated": column_of(found.predicted, gap.figure),
                    "batches": column_of(found.batches, gap.figure),
                },
                [item.limit for item in found.limits if item.figure == gap.figure],
            )
            for gap in found.gaps
            if np.isfinite(column_of(found.batches, gap.figure)).any()
        ),
        document(found),
        provenance,
    )


def _limits(found: Verification) -> Table:
    rows = tuple(
        (
            item.title,
            item.text,
            f"{item.confidence:.0%}" if item.confidence > 0.0 else "",
            str(one.stated),
            f"{same.value:.1%}",
            str(one.batches),
            f"{one.chance:.2g}",
        )
        for item, one, same in zip(found.limits, found.each, found.simulated_each, strict=True)
    )
    head = ("figure", "required", "confidence", "stated", "same truths simulated", "batches", "p")
    return Table("Limits", head, rows, (2, 3, 4, 5, 6))


def _figures(found: Verification) -> Table:
    rows = []
    for one in found.gaps:
        kind = drawing.figure_kind(one.figure)
        pairs = [
            f"{drawing.said(mean, kind)} ± {drawing.difference(deviation, kind)}"
            for mean, deviation in zip(one.mean, one.deviation, strict=True)
        ]
        gaps = [drawing.difference(value, kind) for value in (one.bias, one.largest)]
        rows.append((title_of_figure(one.figure), *pairs, *gaps))
    return Table(
        "Mean and standard deviation; and batches less simulations of the same truths",
        ("figure", "stated", "batches", "mean difference", "largest"),
        tuple(rows),
        (1, 2, 3, 4),
    )


def _missed(missed: Sequence[Missed]) -> Table:
    rows = tuple(
        (
            str(one.number),
            one.fault
            or "; ".join(
                f"{item.title} {drawing.said(value, item.kind)}, required {item.text}"
                for item, value in one.missed
            ),
            "yes" if one.foreseen else "no",
            ", ".join(f"{name} {deviate:+.1f}" for name, deviate in one.drivers),
        )
        for one in missed[:LISTED]
    )
    head = ("batch", "why", "simulated so", "driven by (standard deviations)")
    return Table("Batches that missed", head, rows, (0,))


def document(found: Verification) -> dict[str, Any]:
    """The same as JSON types, SI units."""
    return {
        "stated": _share(found.together.stated),
        "batches": _share(found.together.batches),
        "simulated": _share(found.simulated),
        "chance": found.together.chance,
        "agree": found.together.agree,
        "limits": [
            {
                "figure": item.figure,
                "limit": item.limit,
                "at_least": item.at_least,
                "confidence": item.confidence,
                "stated": _share(one.stated),
                "simulated": _share(same),
                "batches": _share(one.batches),
                "chance": one.chance,
                "agree": one.agree,
            }
            for item, one, same in zip(found.limits, found.each, found.simulated_each, strict=True)
        ],
        "unmeasured": [item.figure for item in found.unmeasured],
        "figures": {
            one.figure: {
                "mean": list(one.mean),
                "deviation": list(one.deviation),
                "bias": one.bias,
                "largest": one.largest,
            }
            for one in found.gaps
        },
        "missed": [
            {
                "batch": one.number,
                "missed": {item.figure: value for item, value in one.missed},
                "fault": one.fault,
                "foreseen": one.foreseen,
                "drivers": dict(one.drivers),
            }
            for one in found.missed
        ],
    }


def _share(one: Probability) -> dict[str, Any]:
    return {"met": one.met, "of": one.samples, "value": one.value, "interval": list(one.interval)}
