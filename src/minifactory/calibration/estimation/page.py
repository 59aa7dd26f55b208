"""The result page of a calibration: one self-contained HTML file with data, fit, residuals and bands."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.result import Estimate, FittedCurve, Step
from minifactory.units import Kind, show, shown_value

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b2430}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ccd}
table{border-collapse:collapse;margin:.6rem 0}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
th{border-bottom:1px solid #99a}
.warn{border-left:4px solid #d8a200;padding:.2rem .8rem;margin:.3rem 0;background:#fff8e0}
img{max-width:100%}code{font-size:.9em}.muted{color:#667}
"""


def page(case: str, result: Calibration, version: str) -> str:
    """The page of `result` for the case called `case`; `version` names the new parameters."""
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Calibration of {_e(case)}</title>",
        f"<style>{STYLE}</style><h1>Calibration of {_e(case)}</h1>",
        f"<p>{_e(version)} Computed in {result.seconds:.1f} s.</p>",
        "<h2>Parameters</h2>",
        _estimates(result.estimates.values()),
        "<h2>What the data tell, and what not</h2>",
        "".join(f"<p class='warn'>{_e(str(f))}</p>" for f in result.findings) or "<p>No remarks.</p>",
    ]
    for step in result.steps:
        parts.append(f"<h2>Step: {_e(step.name)}</h2><p class='muted'>from {_e(', '.join(step.data))}</p>")
        parts += [_figure(_curve(curve)) for curve in step.curves]
        parts += _heights(step)
        parts += _posterior(step)
    parts += _rivals(result)
    rows = "".join(
        f"<tr><td>{_e(n)}</td><td><code>{_e(h)}</code></td></tr>" for n, h in result.sources.items()
    )
    parts.append(f"<h2>Sources</h2><table><tr><th>run</th><th>SHA-256</th></tr>{rows}</table></html>")
    return "\n".join(parts)


def _rivals(result: Calibration) -> list[str]:
    """The rivals that were compared, with the curves of those that are not the case as it is."""
    if result.rivals is None:
        return []
    head = "<tr><th>explanation</th><th>weight</th><th>AICc</th><th>BIC</th><th>parameters told</th></tr>"
    rows = ""
    for item in result.rivals.rivals:
        cells = (
            f"{item.weight:.3g}",
            f"{item.criterion.aicc:.1f}",
            f"{item.criterion.bic:.1f}",
            f"{item.criterion.parameters:.1f}",
        )
        rows += (
            f"<tr><td>{_e(item.rival.name)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        )
    counted = result.rivals.rivals[0].criterion.counted
    parts = [
        f"<h2>Rival explanations</h2><table>{head}{rows}</table>",
        f"<p class='muted'>{counted:.0f} residuals count as independent. Weights by AICc.</p>",
    ]
    known = [step for step in result.steps if step.name == "inverse"]
    for item in result.rivals.rivals:
        if not any(item.step is step for step in known):
            parts.append(f"<h3>{_e(item.rival.name)}</h3>")
            parts += [_figure(_curve(curve)) for curve in item.step.curves]
    return parts


def _estimates(items: Iterable[Estimate]) -> str:
    rows = "".join(
        "<tr>" + "".join(f"<td>{_e(text)}</td>" for text in _cells(item)) + "</tr>" for item in items
    )
    names = ("parameter", "value", "95 % interval", "", "interval from", "prior")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    return f"<table>{head}{rows}</table>"


def _cells(item: Estimate) -> tuple[str, ...]:
    interval = f"{_said(item.lower, item.kind)} to {_said(item.upper, item.kind)}"
    return item.path, _said(item.value, item.kind), interval, item.verdict, item.method, item.prior


def _said(value: float, kind: Kind) -> str:
    return show(value, kind) if np.isfinite(value) else "none"


def _curve(item: FittedCurve) -> Figure:
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    x = 1e6 * item.observed.axis if float(item.observed.axis.max()) < 1.0 else item.observed.axis / 60.0
    label = "volume / mL" if float(item.observed.axis.max()) < 1.0 else "time / min"
    values, fitted, low, high = (
        np.array([shown_value(float(v), item.observed.kind) for v in series])
        for series in (item.observed.values, item.fitted, item.lower, item.upper)
    )
    top.fill_between(x, low, high, color="#9ecae1", alpha=0.6, label="95 % of measurements", linewidth=0)
    top.plot(x, values, ".", color="#222", markersize=2.5, label="measured")
    top.plot(x, fitted, color="#c0392b", linewidth=1.2, label="fitted")
    top.set_title(item.observed.name, loc="left", fontsize=10)
    top.set_ylabel(item.observed.kind.shown)
    top.legend(frameon=False, fontsize=8)
    below.axhline(0.0, color="#999", linewidth=0.8)
    below.plot(x, values - fitted, ".", color="#222", markersize=2)
    below.set_ylabel("residual")
    below.set_xlabel(label)
    return figure


def _heights(step: Step) -> list[str]:
    heights: Any = step.figures.get("plate_heights")
    if not heights:
        return []
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots(1, max(len(heights), 1), squeeze=False)[0]
    out = []
    for axis, (species, entry) in zip(axes, heights.items(), strict=False):
        u = np.array([row["velocity_m_per_s"] for row in entry["heights"]]) * 3.6e5
        h = np.array([row["height_m"] for row in entry["heights"]]) * 100.0
        sd = np.array([row["deviation_m"] for row in entry["heights"]]) * 100.0
        axis.errorbar(u, h, 1.96 * sd, fmt="o", color="#222", markersize=4, capsize=3)
        axis.set_xlabel("velocity / (cm/h)")
        axis.set_ylabel("HETP / cm")
        axis.set_ylim(bottom=0.0)
        axis.set_title(species, loc="left", fontsize=10)
        if "a_m" in entry:
            fine = np.linspace(0.5 * u.min(), 1.05 * u.max(), 200)
            b = entry["b_m2_per_s"]
            line = entry["a_m"][0] + entry["c_s"][0] * fine / 3.6e5 + (b[0] / (fine / 3.6e5) if b else 0.0)
            axis.plot(fine, 100.0 * line, color="#c0392b", linewidth=1.2)
            a, c = entry["a_m"], entry["c_s"]
            out.append(
                f"<p>{_e(species)}: HETP = A + C u, A = {100 * a[0]:.4g} cm ({100 * a[1]:.3g} to "
                f"{100 * a[2]:.3g}), "
                f"C = {c[0]:.4g} s ({c[1]:.3g} to {c[2]:.3g}), R<sup>2</sup> = {entry['r_squared']:.4f}</p>"
            )
    return [_figure(figure), *out]


def _posterior(step: Step) -> list[str]:
    if step.posterior is None or step.fit is None:
        return []
    free = step.fit.problem.space.free
    columns = min(len(free), 4)
    rows = -(-len(free) // columns)
    figure = Figure(figsize=(10, 1.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for at, (axis, item) in enumerate(zip(axes, free, strict=False)):
        values = np.array(
            [shown_value(item.back(float(v)), item.kind) for v in step.posterior.samples[:, at]]
        )
        axis.hist(values, bins=50, color="#6b8fb5", density=True)
        axis.set_title(item.path, fontsize=7)
        axis.set_yticks([])
        axis.tick_params(labelsize=7)
    for axis in axes[len(free) :]:
        axis.axis("off")
    return ["<p>Posterior distributions:</p>", _figure(figure)]


def _figure(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}'>"


def _e(text: str) -> str:
    return html.escape(text)


def document(result: Calibration) -> Mapping[str, object]:
    """The same for JSON, SI units."""
    return {
        "seconds": result.seconds,
        "sources": dict(result.sources),
        "parameters": {
            item.path: {
                "value": item.value,
                "interval": [item.lower, item.upper],
                "unit": item.kind.si,
                "method": item.method,
                "verdict": item.verdict,
                "prior": item.prior,
            }
            for item in result.estimates.values()
        },
        "findings": [str(finding) for finding in result.findings],
        "rivals": None if result.rivals is None else result.rivals.document(),
        "steps": [
            {
                "name": step.name,
                "data": list(step.data),
                "seconds": step.seconds,
                "figures": dict(step.figures),
                "modes": {} if step.posterior is None else step.posterior.modes,
            }
            for step in result.steps
        ],
    }
