"""Switching of counter-current columns by the difference of UV.

    level = b + x (f - b)

f is the UV of the feed as it is (column in bypass, or a detector before the column) and b that of what the
column does not bind (the plateau behind it early in the load); product breaks through to the fraction x when
the UV behind the column reaches `level`. Both are measured again in each cycle, so feed strength, impurities
and drift of the detector do not move the switch. Method: Bryntesson, Hall and Lacki, US 7 901 581 (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minifactory.control.controller import Decision, Measurement, Memory


@dataclass(frozen=True)
class Switching:
    """Sets the UV behind the column at which it leaves the load.

    Parameters
    ----------
    breakthrough : float
        Fraction of the product's own absorbance in the feed, between 0 and 1.
    least : float
        The smallest difference of feed and plateau that counts as product, AU.
    """

    breakthrough: float = 0.1
    least: float = 1e-3

    kind: ClassVar[str] = "switching"
    roles: ClassVar[tuple[str, ...]] = ("feed", "baseline")
    may: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("level",)

    def begin(self) -> Memory:
        """Nothing."""
        return {}

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        """The level of the next switch."""
        feed, base = measured.values["feed"], measured.values["baseline"]
        if feed - base < self.least:
            text = f"feed {feed:.6g} is not above the plateau {base:.6g} by {self.least:.3g}; level as it was"
            return Decision(memory, {"level": measured.settings["level"]}, text)
        level = base + self.breakthrough * (feed - base)
        note = f"feed {feed:.6g}, plateau {base:.6g}: switch at {level:.6g}, "
        return Decision(memory, {"level": level}, note + f"{100.0 * self.breakthrough:.3g} % breakthrough")
