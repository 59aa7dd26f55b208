"""Retention and width of a peak by start and length of the gradient: feed-forward and decoupled learning.

    s = s_k + (1 - a) G^-1 (r - y_k) - G^-1 F (d - d_k)

y = (retention, width), s = (start, length) of the product cycle k, G = dy/ds, identified on the model or the
skid by :func:`minifactory.control.identify.gain_matrix`; d is a disturbance that is measured before it acts
(conductivity or pH of the feed or buffer), F = dy/dd. Multiplying by the inverse decouples: correcting the
retention does not move the width. Iterative learning control after Bristow, Tharayil and Alleyne, IEEE
Control Systems 26 (2006) 96 (the inverse of the plant as learning function).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minifactory.control.controller import Decision, Measurement, Memory
from minifactory.errors import Finding, InputError

Pair = tuple[float, float]


@dataclass(frozen=True)
class Retention:
    """Keeps where a peak is and how wide.

    Parameters
    ----------
    gain : ((float, float), (float, float))
        d(retention, width)/d(start, length), SI over SI.
    retention, width : float or None
        Wanted; None: those of the first cycle measured.
    feed_forward : (float, float)
        d(retention, width)/d(disturbance).
    a : float
        Filter, 0 <= a < 1.
    """

    gain: tuple[Pair, Pair]
    retention: float | None = None
    width: float | None = None
    feed_forward: Pair = (0.0, 0.0)
    a: float = 0.3

    kind: ClassVar[str] = "retention"
    roles: ClassVar[tuple[str, ...]] = ("retention", "width")
    may: ClassVar[tuple[str, ...]] = ("disturbance",)
    outputs: ClassVar[tuple[str, ...]] = ("start", "length")

    def __post_init__(self) -> None:
        matrix = np.array(self.gain, dtype=float)
        scale = np.prod(np.linalg.norm(matrix, axis=1)) if matrix.shape == (2, 2) else 0.0
        if scale == 0.0 or not np.isfinite(scale) or abs(np.linalg.det(matrix)) < 1e-6 * scale:
            raise InputError(
                Finding(
                    "controller retention", f"gain {self.gain} cannot be inverted",
                    "two rows (retention, width) by start and length that are not proportional",
                    "Identify it by steps of both settings one after the other.",
                )
            )  # fmt: skip

    def begin(self) -> Memory:
        """References as far as known, and the disturbance of the last cycle."""
        return {"retention": self.retention, "width": self.width, "disturbance": None}

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        """Start and length of the next gradient."""
        values, inverse = measured.values, np.linalg.inv(np.array(self.gain, dtype=float))
        y = np.array([values["retention"], values["width"]])
        aims = [memory["retention"], memory["width"]]
        aim = np.array([own if known is None else known for known, own in zip(aims, y, strict=True)])
        s = np.array([measured.settings["start"], measured.settings["length"]])
        learnt = (1.0 - self.a) * (inverse @ (aim - y))
        known, disturbance = memory["disturbance"], values.get("disturbance")
        ahead = np.zeros(2)
        if disturbance is not None and known is not None:
            ahead = -inverse @ np.array(self.feed_forward) * (disturbance - known)
        after = s + learnt + ahead
        note = f"retention {y[0]:.6g} (wanted {aim[0]:.6g}), width {y[1]:.6g} (wanted {aim[1]:.6g})"
        if ahead.any():
            note += f"; feed-forward {ahead[0]:+.4g} and {ahead[1]:+.4g} for a disturbance of "
            note += f"{disturbance - known:+.4g}"
        note += f": start {after[0]:.6g}, length {after[1]:.6g}"
        remembered = {
            "retention": float(aim[0]),
            "width": float(aim[1]),
            "disturbance": known if disturbance is None else disturbance,
        }
        return Decision(remembered, {"start": float(after[0]), "length": float(after[1])}, note)
