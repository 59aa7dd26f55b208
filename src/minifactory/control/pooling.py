"""Dynamic pooling by UV: cut points from what the detector shows, not from fixed levels.

    level = b + f (h - b),    f_k = f + (1 - a) g (q_ref - q),    f = (level_k - b_k) / (h_k - b_k)

b is the baseline and h the height of the peak, both measured in the cycle (so drift and gain of the detector
fall out), or b = 0 and h the ratio of two absorbances at the peak (a pure peak has one ratio). The fraction
of each cut is what is stated, or learns from what was measured of the pool (purity, yield or volume) with the
stated gain, from the fraction f at which the pool of that cycle was really cut, so that nothing winds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minifactory.control.controller import Decision, Measurement, Memory

LEAST, MOST = 0.005, 0.995
"""Fractions of the peak between which a cut stays."""


@dataclass(frozen=True)
class Pooling:
    """Sets the levels at which a pool begins and ends.

    Parameters
    ----------
    start, end : float
        Fractions of the height above the baseline.
    reference : float or None
        Quality wanted; None: nothing is learnt.
    gain : (float, float)
        By how much the fractions of start and end go up per missing quality.
    a : float
        Filter of learning, 0 <= a < 1.
    """

    start: float = 0.1
    end: float = 0.1
    reference: float | None = None
    gain: tuple[float, float] = (0.0, 0.0)
    a: float = 0.3

    kind: ClassVar[str] = "pooling"
    roles: ClassVar[tuple[str, ...]] = ("height",)
    may: ClassVar[tuple[str, ...]] = ("baseline", "quality")
    outputs: ClassVar[tuple[str, ...]] = ("start", "end")

    def begin(self) -> Memory:
        """The fractions as stated."""
        return {"start": self.start, "end": self.end}

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        """The levels of the next pool."""
        values = measured.values
        base, height = values.get("baseline", 0.0), values["height"]
        now = dict(measured.settings)
        if height <= base:
            return Decision(memory, now, f"no peak (height {height:.6g}, baseline {base:.6g})")
        fractions = {"start": float(memory["start"]), "end": float(memory["end"])}
        quality = values.get("quality")
        learnt = ""
        if quality is not None and self.reference is not None:
            missing = self.reference - quality
            for name, gain in zip(("start", "end"), self.gain, strict=True):
                cut = (now[name] - base) / (height - base)
                moved = cut + (1.0 - self.a) * gain * missing
                fractions[name] = min(max(moved, LEAST), MOST)
            learnt = f", quality {quality:.6g} (wanted {self.reference:.6g})"
        setting = {name: base + part * (height - base) for name, part in fractions.items()}
        note = f"peak {height:.6g} over {base:.6g}{learnt}: cuts at {fractions['start']:.3f} and "
        note += f"{fractions['end']:.3f} of it, {setting['start']:.6g} and {setting['end']:.6g}"
        return Decision(fractions, setting, note)
