"""Loading by iterative learning with a gain that every cycle identifies anew.

    u_k = u + (1 - a) (u / y) (y_ref - y)          u, y: load and output of the *same* product cycle

The output is taken as proportional to the load volume, so u/y is the inverse gain of that cycle; a leads from
at once (0) to never (1). With a dead time the law repeats its advice instead of adding it up, since it starts
from the load that the measured product was made with. Source: Lofgren et al. 2021 (Sobi), reconstructed from
its figures (a = 0.3): 36 mL and 18.0 mg at 23.1 mg wanted give 43.1 mL; 22.3 mg then gives 44.2 mL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minifactory.control.controller import Decision, Measurement, Memory


@dataclass(frozen=True)
class Loading:
    """Keeps the output of a cycle by its load.

    Parameters
    ----------
    reference : float or None
        Output wanted, in the unit in which it is measured; None: that of the first cycle measured.
    a : float
        Filter, 0 <= a < 1.
    """

    reference: float | None = None
    a: float = 0.3

    kind: ClassVar[str] = "loading"
    roles: ClassVar[tuple[str, ...]] = ("output",)
    may: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("load",)

    def begin(self) -> Memory:
        """Nothing, or the reference when it is known."""
        return {"reference": self.reference}

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        """The load of the next cycle."""
        y, u = measured.values["output"], measured.settings["load"]
        aim = memory["reference"]
        if aim is None:
            return Decision({"reference": y}, {"load": u}, f"output {y:.6g} is the reference from now on")
        if y <= 0.0:
            return Decision(memory, {"load": u}, f"no output ({y:.6g}), so no gain is known; load as it was")
        wanted = u + (1.0 - self.a) * (u / y) * (aim - y)
        note = f"output {y:.6g} at load {u:.6g}, wanted {aim:.6g}: load {wanted:.6g}"
        return Decision(memory, {"load": wanted}, note)
