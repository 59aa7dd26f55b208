"""A small problem whose answers are known; light, so that workers that have to import it start quickly."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from minifactory.design.candidates import Evaluation, Values, content_hash


@dataclass(frozen=True)
class Parabola:
    """A problem whose answers are known: yield falls with the distance from (0.3, 0.7), cost is x + y.

    The first batch that a worker gets with `killer` set ends that worker, once: the file is its memory.
    """

    killer: str = ""
    batch: int = 4

    @property
    def fingerprint(self) -> str:
        return content_hash("parabola")

    def evaluate(self, batch: Sequence[Values]) -> list[Evaluation]:
        if self.killer and any(one["x"] > 0.9 for one in batch):
            try:
                os.close(os.open(self.killer, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return [_known(one) for one in batch]


def _known(one: Values) -> Evaluation:
    x, y = one["x"], one.get("y", 0.0)
    if x < -1.0:
        return Evaluation({}, "x is below -1")
    distance = (x - 0.3) ** 2 + (y - 0.7) ** 2
    return Evaluation({"yield": 1.0 - distance, "purity": 1.0 - 0.5 * x, "buffer": x + y, "duration": 1.0})
