"""The page of the study `sequence`: steps, links, what was tried, what is recommended and what it gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from minifactory.design.candidates import Evaluation
from minifactory.design.figures import title_of_figure
from minifactory.design.optimisation import Optimum
from minifactory.design.pages import drawing
from minifactory.design.pages.page import Page, Picture, Table
from minifactory.design.pages.reports import SHOWN, robust_document, robust_parts
from minifactory.design.robustness import Robustness
from minifactory.design.search import Limit, Objective, Variable
from minifactory.design.sequence.choosing import Candidate, Compatibility
from minifactory.design.sequence.steps import Step
from minifactory.units import Quantity

Bars = Sequence[tuple[str, str, float, float]]
_COLOURS = {
    "equilibrate": "#9fb6d9",
    "load": drawing.BLUE,
    "wash": "#7f93a8",
    "elute": drawing.GREEN,
    "strip": "#c98f5a",
    "clean": drawing.RUST,
    "regenerate": "#c9b48a",
}


def sequence_page(
    title: str,
    steps: Sequence[Step],
    links: Sequence[Compatibility],
    tried: Sequence[Candidate],
    chosen: Candidate,
    optimum: Optimum | None,
    variables: Sequence[Variable],
    present: Mapping[str, Quantity],
    objective: Objective,
    limits: Sequence[Limit],
    batch: Evaluation,
    robust: Robustness | None,
    courses: tuple[Bars, Bars],
    provenance: Mapping[str, str],
) -> Page:
    """Verdict, reasons, alternatives, figures beside those of the batch steps, and both schedules."""
    best = optimum.evaluation if optimum is not None else chosen.evaluation
    good = all(one.met(best) for one in limits)
    names = dict.fromkeys([objective.figure, "output", *(one.figure for one in limits), *SHOWN])
    # It is per volume of the first column of a recipe, which need not be the same one.
    names.pop("productivity", None)
    tables = [
        Table(
            "Steps of the batch process",
            ("step", "leads through", "draws from", "collects in", "positions in line"),
            tuple(
                (
                    one.name,
                    one.device,
                    one.source,
                    one.pool,
                    ", ".join(f"{valve}: {position}" for valve, position in one.line.items()),
                )
                for one in steps
            ),
        ),
        Table(
            "Would the eluate bind?",
            (
                "from",
                "to",
                "link",
                "conditioning",
                "retention on the first (CV)",
                "on the second (CV)",
                "valves",
            ),
            tuple(
                (
                    one.before,
                    one.after,
                    one.link,
                    f"{100.0 * one.share:.4g} %",
                    f"{one.here:.3g}",
                    f"{one.there:.3g}",
                    "lead there" if one.possible else "cannot lead there",
                )
                for one in links
            ),
            (3, 4, 5),
        ),
        Table(
            "What was tried",
            ("sequence", "columns", objective.title, "yield", "purity", "time", "verdict"),
            tuple(
                (
                    one.train.text,
                    ", ".join(f"{name}: {text}" for name, text in one.hardware.items()) or "as they are",
                    *(
                        drawing.said(one.evaluation[name], drawing.figure_kind(name))
                        for name in (objective.figure, "yield", "purity", "duration")
                    ),
                    _verdict(one.evaluation, limits),
                )
                for one in tried
            ),
            (2, 3, 4, 5),
        ),
        Table(
            "What comes of it",
            ("figure", "batch steps", "sequence", "required"),
            tuple(
                (
                    title_of_figure(name),
                    drawing.said(batch[name], drawing.figure_kind(name)),
                    drawing.said(best[name], drawing.figure_kind(name)),
                    ", ".join(one.text for one in limits if one.figure == name),
                )
                for name in names
            ),
            (1, 2),
        ),
    ]
    if optimum is not None:
        tables.append(
            Table(
                "What was chosen",
                ("reference", "from the batch step", "chosen", "range"),
                tuple(
                    (
                        one.reference,
                        present[one.reference].text,
                        drawing.said(optimum.values[one.reference], one.kind),
                        f"{drawing.said(one.lower, one.kind)} to {drawing.said(one.upper, one.kind)}",
                    )
                    for one in variables
                ),
                (1, 2),
            )
        )
    gain = best[objective.figure] / batch[objective.figure] - 1.0
    linked = chosen.evaluation[objective.figure] / batch[objective.figure] - 1.0
    title_of = objective.title.lower()
    lines = [
        f"Sequence: {chosen.train.text}.",
        *_reasons(chosen, links),
        (
            f"The new order alone, at the flows of the batch steps, changes {title_of} by "
            f"{100.0 * linked:+.0f} %. The rest comes of the values below, some of which would speed up the "
            "batch steps, too."
        ),
        f"{len(tried)} sequences were simulated"
        + (f", then {len(optimum.evaluations)} candidates of the best one." if optimum is not None else "."),
    ]
    document: dict[str, Any] = {
        "sequence": chosen.train.text,
        "links": list(chosen.train.links),
        "steps": [one.name for one in chosen.train.steps],
        "hardware": dict(chosen.hardware),
        "batch": dict(batch.figures),
        "figures": dict(best.figures),
        "values": {} if optimum is None else dict(optimum.values),
        "gain": gain,
        "gain_of_order": linked,
        "tried": [
            {
                "sequence": one.train.text,
                "hardware": dict(one.hardware),
                "figures": dict(one.evaluation.figures),
                "fault": one.evaluation.fault,
            }
            for one in tried
        ],
        "compatibility": [vars(one) for one in links],
    }
    pictures = [_schedule("Batch steps", courses[0]), _schedule("Sequence", courses[1])]
    if robust is not None:
        part = robust_parts(robust)
        lines += part[0]
        tables += part[1]
        pictures += part[2]
        document["robustness"] = robust_document(robust)
    kind = drawing.figure_kind(objective.figure)
    verdict = f"{objective.title} {drawing.said(best[objective.figure], kind)} instead of "
    verdict += f"{drawing.said(batch[objective.figure], kind)} ({100.0 * gain:+.0f} %)"
    if not good:
        missed = ", ".join(f"{one.title} {one.text}" for one in limits if not one.met(best))
        verdict += f"; missed: {missed}"
    if robust is not None and robust.limits:
        verdict += f"; all limits are met with a probability of {robust.together}"
    return Page(
        title, f"{verdict}.", good, tuple(lines), tuple(tables), tuple(pictures), document, provenance
    )


def _verdict(evaluation: Evaluation, limits: Sequence[Limit]) -> str:
    if evaluation.fault:
        return evaluation.fault
    missed = [one for one in limits if not one.met(evaluation)]
    return (
        "missed: " + ", ".join(f"{one.title} {one.text}" for one in missed) if missed else "meets all limits"
    )


def _reasons(chosen: Candidate, links: Sequence[Compatibility]) -> list[str]:
    """Why each link is what it is, in words."""
    found = []
    for step, link in zip(chosen.train.steps, chosen.train.links, strict=True):
        if link == "in line":
            found.append(f"{step.name} runs in line with the load behind it: no pool, no step of its own.")
        for one in links:
            if one.after == step.name and one.link == link:
                how = (
                    "as it leaves"
                    if one.share == 0.0
                    else f"with {100.0 * one.share:.4g} % added before the first"
                )
                found.append(
                    f"{one.before} to {one.after}: the eluate {how} is held back for {one.there:.3g} column "
                    f"volumes by {one.after} and for {one.here:.3g} by {one.before}, so it is led on."
                )
    return found


def _schedule(title: str, bars: Bars) -> Picture:
    """Which unit procedure is under way when; the colour tells the kind of phase."""
    units = list(dict.fromkeys(name for name, *_ in bars))

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        named: set[str] = set()
        for name, kind, start, end in bars:
            text = kind if kind not in named else None
            named.add(kind)
            axis.barh(
                units.index(name),
                (end - start) / 60.0,
                left=start / 60.0,
                color=_COLOURS.get(kind, drawing.QUIET),
                label=text,
            )
        axis.set_yticks(range(len(units)), units)
        axis.invert_yaxis()
        axis.set_xlabel("time (min)")
        axis.legend(frameon=False, fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))

    return drawing.draw(title, "When each part runs; the colour is the kind of phase.", paint)
