"""Pages of the studies: design-space, scale, schedule, experiment."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from minifactory.design.candidates import Evaluation
from minifactory.design.description import Description
from minifactory.design.figures import title_of_figure
from minifactory.design.information import Experiment
from minifactory.design.pages import drawing
from minifactory.design.pages.page import Page, Picture, Table
from minifactory.design.scaling import Scaled, differences
from minifactory.design.scheduling import Schedule
from minifactory.design.search import Limit
from minifactory.design.space import DesignSpace
from minifactory.design.study import Demand
from minifactory.errors import Finding
from minifactory.plant.model import Column
from minifactory.records.run import Run
from minifactory.units import MASS, TIME, VOLUME


def space_page(title: str, space: DesignSpace, provenance: Mapping[str, str]) -> Page:
    """Ranges, the largest box, what fails first, and maps of every pair of variables."""
    at_set_point = float(space.together[space.set_points])
    box = space.box()
    rows = []
    for place, variable in enumerate(space.variables):
        present = float(space.axes[place][space.set_points[place]])
        proven = space.acceptable(place)
        ranges = [proven, box[place] if box is not None else None]
        rows.append(
            (
                variable.reference,
                drawing.said(present, variable.kind),
                " to ".join(drawing.said(edge, variable.kind) for edge in (variable.lower, variable.upper)),
                *(
                    " to ".join(drawing.said(edge, variable.kind) for edge in one) if one else "none"
                    for one in ranges
                ),
            )
        )
    failing = space.first_to_fail()
    lines = [f"{space.together.size} points, {space.samples} draws each."]
    if failing:
        lines.append(
            "Beyond the edge fails first: " + ", ".join(f"{k} ({v} points)" for k, v in failing.items()) + "."
        )
    pictures: list[Picture] = []
    if len(space.variables) == 1:
        pictures.append(_line(space))
    for first, second in itertools.combinations(range(len(space.variables)), 2):
        pictures.append(_map(space, first, second, box))
    document: dict[str, Any] = {
        "level": space.level,
        "samples": space.samples,
        "set_point_probability": at_set_point,
        "axes": {one.reference: axis.tolist() for one, axis in zip(space.variables, space.axes, strict=True)},
        "probability": space.together.tolist(),
        "limits": [f"{item.figure} {item.text}" for item in space.limits],
        "each": space.each.tolist(),
        "acceptable": {one.reference: space.acceptable(at) for at, one in enumerate(space.variables)},
        "box": None
        if box is None
        else {one.reference: list(edges) for one, edges in zip(space.variables, box, strict=True)},
        "first_to_fail": failing,
    }
    verdict = f"At the set-points all limits are met with a probability of {at_set_point:.0%}"
    verdict += f" (asked for {space.level:.0%})."
    head = ("variable", "set-point", "mapped", "proven acceptable range", "largest box")
    return Page(
        title,
        verdict,
        at_set_point >= space.level,
        tuple(lines),
        (Table(f"Ranges that keep {space.level:.0%}", head, tuple(rows)),),
        tuple(pictures),
        document,
        provenance,
    )


def _map(space: DesignSpace, first: int, second: int, box: Sequence[tuple[float, float]] | None) -> Picture:
    """Two variables, the others at their set-points."""
    place: list[int | slice] = list(space.set_points)
    place[first] = place[second] = slice(None)
    one, two = space.variables[first], space.variables[second]
    edges = None
    if box is not None:
        low_high = [drawing.scaled(np.array(box[at]), space.variables[at].kind) for at in (first, second)]
        edges = [float(value) for pair in low_high for value in pair]
    return drawing.probability_map(
        drawing.scaled(space.axes[first], one.kind),
        drawing.scaled(space.axes[second], two.kind),
        space.together[tuple(place)],
        (drawing.label(one.reference, one.kind), drawing.label(two.reference, two.kind)),
        space.level,
        edges,
    )


def _line(space: DesignSpace) -> Picture:
    """One variable: every limit's probability along it."""
    (variable,) = space.variables

    def paint(axes: Sequence[Any]) -> None:
        (axis,) = axes
        x = drawing.scaled(space.axes[0], variable.kind)
        for at, item in enumerate(space.limits):
            axis.plot(
                x, space.each[:, at], color=drawing.COLOURS[at % len(drawing.COLOURS)], label=item.title
            )
        axis.plot(x, space.together, color=drawing.INK, linewidth=2.0, label="all")
        axis.axhline(space.level, color=drawing.QUIET, linestyle="--")
        axis.set_xlabel(drawing.label(variable.reference, variable.kind))
        axis.set_ylabel("probability")
        axis.legend(frameon=False, fontsize=9)

    return drawing.draw("Edge of failure", "Probability of meeting each limit along the variable.", paint)


def scale_page(
    title: str,
    scaled: Scaled,
    before: Evaluation,
    after: Evaluation,
    faults: Sequence[Finding],
    limits: Sequence[Limit],
    provenance: Mapping[str, str],
) -> Page:
    """What was scaled, and what differs although it should not."""
    changed = tuple((path, one, two) for path, (one, two) in scaled.changed.items())
    moved = scaled.factors.limits(limits)
    required: dict[str, str] = {}
    for one in moved:
        required[one.figure] = ", ".join(filter(None, (required.get(one.figure), one.text)))
    compared = differences(before, after, scaled.factors, list(required))
    rows = tuple(
        (
            title_of_figure(each.figure),
            *(
                drawing.said(value, drawing.figure_kind(each.figure))
                for value in (each.before, each.expected, each.after)
            ),
            f"{each.relative:+.2%}" if math.isfinite(each.relative) else "",
            required.get(each.figure, ""),
        )
        for each in compared
    )
    every = {scaled.before.name: (scaled.before, scaled.after, scaled.factors), **scaled.others}
    lines = [
        *(
            f"{name}: from {_bed(one)} to {_bed(two)}; flows times {factors.flow:.4g}, volumes and masses "
            f"times {factors.volume:.4g}."
            for name, (one, two, factors) in every.items()
        ),
        f"Liquid of the skid per CV: {scaled.hold_up[0]:.3f} before, {scaled.hold_up[1]:.3f} after.",
        *(str(fault) for fault in faults),
    ]
    if scaled.kept:
        lines.append(f"Not scaled, though flows are: {', '.join(scaled.kept)}.")
    missed = [item for item in moved if not faults and not item.met(after)]
    lines += [
        f"{item.title} {item.text} is missed"
        + (", as before." if not one.met(before) else f": {drawing.said(after[item.figure], item.kind)}.")
        for one, item in zip(limits, moved, strict=True)
        if item in missed
    ]
    good = not faults and not after.fault and not missed
    verdict = "The scaled case passes the check and is predicted to meet the limits."
    if faults:
        verdict = "The scaled case does not pass the check: " + faults[0].found + "."
    elif after.fault:
        verdict = f"The scaled case cannot be run: {after.fault}"
    elif missed:
        verdict = "The scaled case misses " + ", ".join(item.title for item in missed) + "."
    tables = (
        Table(
            "Predicted at both scales",
            ("figure", "before", "in proportion", "predicted", "difference", "required"),
            rows if after.figures else (),
            (1, 2, 3, 4),
        ),
        Table("Scaled quantities", ("reference", "before", "after"), changed, (1, 2)),
    )
    document = {
        "flow_factor": scaled.factors.flow,
        "volume_factor": scaled.factors.volume,
        "volume_factors": {name: factors.volume for name, (_, _, factors) in every.items()},
        "hold_up": list(scaled.hold_up),
        "before": dict(before.figures),
        "after": dict(after.figures),
        "differences": {one.figure: one.relative for one in compared},
        "limits": {item.figure: item.limit for item in moved},
        "kept": list(scaled.kept),
        "faults": [asdict(one) for one in faults],
        "changed": {path: list(texts) for path, texts in scaled.changed.items()},
    }
    return Page(title, verdict, good, tuple(lines), tables, (), document, provenance)


def _bed(column: Column) -> str:
    return f"{column.hardware}, {100.0 * column.bed_height:.4g} cm, {drawing.said(column.volume, VOLUME)}"


def schedule_page(
    title: str, found: Schedule, run: Run, demand: Demand, provenance: Mapping[str, str]
) -> Page:
    """Cycle, bottleneck, columns in turns, demand per day."""
    lines = [
        f"A run takes {drawing.said(found.duration, TIME)}, of which load {drawing.said(found.load, TIME)}.",
        f"{found.batches} batches take {found.makespan / 86400.0:.2f} days on {demand.skids} skid(s).",
        f"The bottleneck is {found.bottleneck}; the analyser is busy {found.analyser:.0%} of the time.",
        f"A tank behind the pool must hold {drawing.said(found.hold, VOLUME)} (steady demand).",
        f"With {found.pcc} columns in turns (PCC) the load never stops.",
    ]
    turns = tuple(
        (
            str(one.columns),
            drawing.said(one.cycle, TIME),
            f"{one.loading:.0%}",
            f"{found.duration / one.cycle:.2f}",
        )
        for one in found.turns
    )
    buffers = tuple(
        (name, drawing.said(amount, VOLUME), drawing.said(found.buffers_per_day[name], VOLUME))
        for name, amount in found.buffers.items()
    )
    longest = tuple((path, drawing.said(length, TIME)) for path, length in found.longest)
    tables = (
        Table("Columns in turns", ("columns", "cycle", "time in load", "times faster"), turns, (0, 1, 2, 3)),
        Table("Liquids", ("vessel", "per batch", "per day"), buffers, (1, 2)),
        Table("Longest phases", ("phase", "duration"), longest, (1,)),
    )
    verdict = (
        f"One batch every {drawing.said(found.cycle, TIME)}: {found.per_day:.2f} per day, "
        f"{drawing.said(found.product_per_day, MASS)} of product per day."
    )
    return Page(title, verdict, True, tuple(lines), tables, (_gantt(run, found),), asdict(found), provenance)


def _gantt(run: Run, found: Schedule) -> Picture:
    """Three batches in the periodic schedule."""

    def paint(axes: Sequence[Any]) -> None:
        (axis,) = axes
        kinds = list(dict.fromkeys(phase.kind for phase in run.phases))
        for batch in range(3):
            for phase in run.phases:
                start = (batch * found.cycle + phase.start) / 3600.0
                colour = drawing.COLOURS[kinds.index(phase.kind) % len(drawing.COLOURS)]
                axis.barh(-batch, (phase.end - phase.start) / 3600.0, left=start, color=colour, height=0.6)
        for at, kind in enumerate(kinds):
            axis.barh(0, 0.0, color=drawing.COLOURS[at % len(drawing.COLOURS)], label=kind)
        axis.set_yticks([0, -1, -2], ["batch 1", "batch 2", "batch 3"])
        axis.set_xlabel("time (h)")
        axis.legend(frameon=False, fontsize=8, ncols=4)

    return drawing.draw("Schedule", "The first three batches, phase by phase.", paint)


def experiment_page(
    title: str, description: Description, found: Sequence[Experiment], provenance: Mapping[str, str]
) -> Page:
    """Possible runs, the most useful first."""
    best, names = found[0], list(found[0].values)
    rows = tuple(
        (
            *(drawing.said(one.values[name], description.quantity(name).kind) for name in names),
            f"{one.decision:.0%}",
            f"{one.determinant:.2f}",
        )
        for one in found[:10]
    )
    head = (*names, "decision's variance left", "log volume of the posterior")
    learnt = ", ".join(f"{name} (to {part:.0%})" for name, part in best.learnt if part < 0.99)
    settings = ", ".join(
        f"{name} {drawing.said(value, description.quantity(name).kind)}"
        for name, value in best.values.items()
    )
    lines = [
        f"It narrows most: {learnt or 'nothing by more than a hundredth'}.",
        *(
            f"{title_of_figure(name)}: its spread shrinks to {part:.0%}."
            for name, part in best.remaining.items()
        ),
    ]
    document = {"experiments": [asdict(one) for one in found]}
    return Page(
        title,
        f"Next run: {settings or 'as it is'}; it leaves {best.decision:.0%} of the decision's variance.",
        True,
        tuple(lines),
        (Table("Possible runs, the most useful first", head, rows, tuple(range(len(head)))),),
        (),
        document,
        provenance,
    )
