"""A picture of a prediction alone: UV, conductivity, pH and pressure over volume, with phases and bands.

Where a skid has several columns, a panel each for what leaves them, and one for the flow path: which
vessels and columns the liquid passes, stretch by stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minifactory.errors import Finding, InputError
from minifactory.records.prediction import Prediction
from minifactory.records.run import Event, Run
from minifactory.units import VOLUME, shown_value

PANELS = (
    ("UV1.Signal", "UV / mAU"),
    ("Cond.Signal", "conductivity / mS/cm"),
    ("pH.Signal", "pH"),
    ("Pressure.System", "pressure / MPa"),
)
SUFFIXES = (".png", ".svg", ".pdf")
COLUMN = ".Outlet"
"""End of the names of trends behind single columns."""


def draw_prediction(title: str, prediction: Prediction, path: Path) -> None:
    """Draw `prediction` into the file `path` (png, svg or pdf); InputError for another kind of file."""
    if path.suffix not in SUFFIXES:
        raise InputError(Finding(str(path), f'no picture format "{path.suffix}"', ", ".join(SUFFIXES)))
    run = prediction.run
    columns = [name for name in run.trends if name.endswith(COLUMN)]
    shown = [*PANELS, *((name, f"{name.removesuffix(COLUMN)} / mAU") for name in columns)]
    paths = [event for event in run.events if event.category == "path"]
    rows = len(shown) + (1 if paths else 0)
    figure = Figure(figsize=(12, 2.25 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for panel, (tag, label) in zip(panels, shown, strict=False):
        trend = run.trends.get(tag)
        panel.set_ylabel(label)
        if trend is None or trend.time.size == 0:
            continue
        scale = shown_value(1.0, trend.kind) - shown_value(0.0, trend.kind)
        volume = shown_value(1.0, VOLUME) * run.volume_axis(trend.time)
        panel.plot(volume, scale * trend.values, linewidth=1.0)
        band = prediction.bands.get(tag)
        if band is not None:
            across = shown_value(1.0, VOLUME) * run.volume_axis(band.time)
            panel.fill_between(across, scale * band.lower, scale * band.upper, alpha=0.25, linewidth=0.0)
        if tag in columns:
            # A breakthrough is seen beside an elution that leaves any detector's range.
            panel.set_yscale("symlog", linthresh=100.0)
        panel.margins(x=0.0)
        for phase in run.phases:
            edge = float(run.volume_axis(np.array([phase.start]))[0]) * shown_value(1.0, VOLUME)
            panel.axvline(edge, color="0.7", linewidth=0.6)
    if paths:
        _draw_paths(panels[-1], run, paths)
    panels[0].set_title(f"{title}: predicted")
    panels[-1].set_xlabel("volume / mL")
    figure.savefig(path, dpi=120)


def _draw_paths(panel: Axes, run: Run, paths: Sequence[Event]) -> None:
    """A row for each vessel and column, a bar where the liquid passes it."""
    ends = [*(event.time for event in paths[1:]), run.duration]
    names: list[str] = []
    for event, end in zip(paths, ends, strict=True):
        first, last = (
            float(v) * shown_value(1.0, VOLUME) for v in run.volume_axis(np.array([event.time, end]))
        )
        for way in event.text.split(", "):
            for name in way.split(" > "):
                if name not in names:
                    names.append(name)
                row = names.index(name)
                panel.barh(row, last - first, left=first, height=0.7, color="tab:blue", alpha=0.6)
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set_ylabel("flow path")
