"""The plots of study reports as SVG, in one hand."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from minifactory.design.candidates import FloatArray
from minifactory.design.figures import kind_of_figure
from minifactory.design.pages.page import Picture
from minifactory.design.pooling import Curves, Fraction
from minifactory.units import FRACTION, NUMBER, VOLUME, Kind, show, shown_value

INK, QUIET, BLUE, RUST, GREEN, RED = "#1b2733", "#5b6b7a", "#1f4e9c", "#b4491b", "#2b7a3f", "#a3173f"
COLOURS = (BLUE, RUST, GREEN, "#6b3fa0", RED, "#48606f", "#8a6d00", "#0f7f8c")
_STYLE: Any = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "svg.hashsalt": "minifactory",
}


def figure_kind(figure: str) -> Kind:
    """The kind of a figure of performance by name."""
    return kind_of_figure(figure) or NUMBER


def scaled(values: Any, kind: Kind) -> Any:
    """SI values as numbers in the unit that people read; fractions in per cent."""
    if kind is FRACTION:
        return 100.0 * np.asarray(values, dtype=float)
    return np.array([shown_value(float(value), kind) for value in np.ravel(values)]).reshape(np.shape(values))


def label(name: str, kind: Kind) -> str:
    """A label of an axis with its unit."""
    return f"{name} ({kind.shown})" if kind.shown else name


def said(value: float, kind: Kind) -> str:
    """A value (SI) as people read it."""
    if value != value:
        return "not known"
    return f"{100.0 * value:.4g} %" if kind is FRACTION else show(value, kind)


def difference(value: float, kind: Kind) -> str:
    """A difference of two values (SI) as people read it."""
    if value != value:
        return "not known"
    return f"{100.0 * value:.2g} %" if kind is FRACTION else show(value, kind, 2)


def draw(
    title: str, description: str, paint: Callable[[Sequence[Axes]], None], columns: int = 1, rows: int = 1
) -> Picture:
    """A picture of `rows` by `columns` axes, painted by `paint`."""
    with rc_context(_STYLE):
        figure = Figure(
            figsize=(min(9.6, 4.8 * columns + 2.0 * (columns == 1)), 3.4 * rows), layout="constrained"
        )
        FigureCanvasSVG(figure)
        axes = np.ravel(figure.subplots(rows, columns, squeeze=False)).tolist()
        paint(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return Picture(title, stream.getvalue(), description)


def histogram(
    title: str, figure: str, values: FloatArray, limits: Sequence[float], nominal: float
) -> Picture:
    """How a figure spreads over the samples, with its limits."""
    kind = figure_kind(figure)
    known = scaled(values[np.isfinite(values)], kind)

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        axis.hist(known, bins=min(60, max(10, known.size // 20)), color=BLUE, alpha=0.75)
        axis.axvline(float(scaled(nominal, kind)), color=INK, linewidth=1.2, label="stated values")
        for limit in limits:
            axis.axvline(float(scaled(limit, kind)), color=RED, linestyle="--", linewidth=1.4, label="limit")
        axis.set_xlabel(label(title, kind))
        axis.set_ylabel("samples")
        axis.legend(frameon=False, fontsize=9)

    return draw(title, f"Spread of {title.lower()} over {known.size} samples; the limit is dashed.", paint)


def beside(title: str, figure: str, samples: Mapping[str, FloatArray], limits: Sequence[float]) -> Picture:
    """How a figure spreads over several sets of samples (name -> values), as shares per bin."""
    kind = figure_kind(figure)
    known = {name: scaled(values[np.isfinite(values)], kind) for name, values in samples.items()}
    every = np.concatenate(list(known.values()))
    edges = np.linspace(every.min(), every.max(), 30).tolist() if np.ptp(every) > 0.0 else 10

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        for place, (name, values) in enumerate(known.items()):
            weights = np.full(values.size, 1.0 / max(values.size, 1))
            axis.hist(
                values,
                edges,
                weights=weights,
                histtype="step",
                linewidth=1.8,
                color=COLOURS[place],
                label=name,
            )
        for limit in limits:
            axis.axvline(float(scaled(limit, kind)), color=RED, linestyle="--", linewidth=1.4, label="limit")
        axis.set_xlabel(label(title, kind))
        axis.set_ylabel("share")
        axis.legend(frameon=False, fontsize=9)

    return draw(title, f"Spread of {title.lower()}: {' and '.join(samples)}; the limit is dashed.", paint)


def bars(
    title: str, names: Sequence[str], first: FloatArray, total: FloatArray, widths: FloatArray
) -> Picture:
    """Sobol indices, the largest total first."""
    order = np.argsort(total)[::-1][:14]

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        places = np.arange(order.size)[::-1]
        axis.barh(
            places, total[order], color="#b9c9e4", xerr=widths[order], ecolor=QUIET, label="with interactions"
        )
        axis.barh(places, np.clip(first[order], 0.0, None), height=0.45, color=BLUE, label="alone")
        axis.set_yticks(places, [names[at] for at in order])
        axis.set_xlabel("share of the variance")
        axis.legend(frameon=False, fontsize=9)

    return draw(title, "Sobol indices: the share of the variance that each factor explains.", paint)


def cuts(curves: Curves, fractions: Sequence[Fraction]) -> Picture:
    """What leaves the column, and where it is cut."""

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        volume = scaled(curves.volume - curves.volume[0], VOLUME)
        for place, name in enumerate(curves.components):
            with np.errstate(divide="ignore", invalid="ignore"):
                concentration = np.where(curves.flow > 0.0, curves.rates[:, place] / curves.flow, 0.0)
            axis.plot(volume, concentration, color=COLOURS[place % len(COLOURS)], label=name)
        for fraction in fractions:
            place = curves.components.index(fraction.component)
            ends = np.interp([fraction.start, fraction.end], curves.time, volume)
            axis.axvspan(*ends, color=COLOURS[place % len(COLOURS)], alpha=0.15)
        axis.set_xlabel("volume since the elution began (mL)")
        axis.set_ylabel("concentration (g/L)")
        axis.legend(frameon=False, fontsize=9)

    return draw("Cuts", "What leaves the column during elution; what is collected is shaded.", paint)


def progress(history: Sequence[float], maximise: bool, title: str, kind: Kind) -> Picture:
    """The best candidate from generation to generation."""

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        values = scaled(np.array(history) * (-1.0 if maximise else 1.0), kind)
        axis.plot(np.arange(1, values.size + 1), values, color=BLUE, marker="o", markersize=3)
        axis.set_xlabel("generation, then polish")
        axis.set_ylabel(label(title, kind))

    return draw("Course of the search", "The best candidate that meets all limits, from step to step.", paint)


def front(points: FloatArray, chosen: int, titles: Sequence[str], kinds: Sequence[Kind]) -> Picture:
    """The compromises between the first two objectives."""

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        x, y = scaled(points[:, 0], kinds[0]), scaled(points[:, 1], kinds[1])
        axis.plot(x, y, color=BLUE, marker="o", markersize=4, linewidth=0.8)
        axis.plot(
            x[chosen], y[chosen], color=RED, marker="o", markersize=8, linestyle="none", label="recommended"
        )
        axis.set_xlabel(label(titles[0], kinds[0]))
        axis.set_ylabel(label(titles[1], kinds[1]))
        axis.legend(frameon=False, fontsize=9)

    return draw(
        "Compromises", "Candidates that no other beats in every objective; the recommended one in red.", paint
    )


def probability_map(
    x: FloatArray,
    y: FloatArray,
    values: FloatArray,
    names: Sequence[str],
    level: float,
    box: Sequence[float] | None,
) -> Picture:
    """The probability of meeting everything over two variables, its edge, and the largest box."""

    def paint(axes: Sequence[Axes]) -> None:
        (axis,) = axes
        filled = axis.contourf(
            x, y, values.T, levels=np.linspace(0.0, 1.0, 11), cmap="RdYlGn", vmin=0.0, vmax=1.0
        )
        axis.figure.colorbar(filled, ax=axis, label="probability")
        if values.min() < level < values.max():
            axis.contour(x, y, values.T, levels=[level], colors=INK, linewidths=1.6)
        if box is not None:
            low_x, high_x, low_y, high_y = box
            axis.plot(
                [low_x, high_x, high_x, low_x, low_x],
                [low_y, low_y, high_y, high_y, low_y],
                color=BLUE,
                linewidth=2.0,
            )
        axis.set_xlabel(names[0])
        axis.set_ylabel(names[1])

    return draw(
        f"{names[0]} against {names[1]}",
        f"Probability of meeting all limits; the line is {level:.0%}, the rectangle the largest proven box.",
        paint,
    )
