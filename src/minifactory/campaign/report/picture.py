"""A picture of a prediction alone: UV, conductivity, pH and pressure over volume, with phases and bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minifactory.errors import Finding, InputError
from minifactory.records.prediction import Prediction
from minifactory.units import VOLUME, shown_value

PANELS = (
    ("UV1.Signal", "UV / mAU"),
    ("Cond.Signal", "conductivity / mS/cm"),
    ("pH.Signal", "pH"),
    ("Pressure.System", "pressure / MPa"),
)
SUFFIXES = (".png", ".svg", ".pdf")


def draw_prediction(title: str, prediction: Prediction, path: Path) -> None:
    """Draw `prediction` into the file `path` (png, svg or pdf); InputError for another kind of file."""
    if path.suffix not in SUFFIXES:
        raise InputError(Finding(str(path), f'no picture format "{path.suffix}"', ", ".join(SUFFIXES)))
    run = prediction.run
    figure = Figure(figsize=(12, 9), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(PANELS), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (tag, label) in zip(panels, PANELS, strict=True):
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
        panel.margins(x=0.0)
        for phase in run.phases:
            edge = float(run.volume_axis(np.array([phase.start]))[0]) * shown_value(1.0, VOLUME)
            panel.axvline(edge, color="0.7", linewidth=0.6)
    panels[0].set_title(f"{title}: predicted")
    panels[-1].set_xlabel("volume / mL")
    figure.savefig(path, dpi=120)
