"""A hold that ends by itself: when a condition comes true, or when its time is over.

Its condition sees its own clock: ``10 min`` is ten minutes of this hold, ``5 CV`` what has flowed since it
began (in Held the flow goes on, the method stands still).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from minifactory.recipe.conditions import Evaluator, Expression, Sample


class Then(Enum):
    """What follows when the condition has not come true in time."""

    HOLD = "hold"
    RESTART = "restart"
    STOP = "stop"
    ABORT = "abort"


@dataclass
class HoldUntil:
    """What ends a hold.

    Parameters
    ----------
    until : Expression
        Over tags and the hold's own ``time``, ``volume`` and ``cv``.
    timeout : float
        s of the hold after which `then` follows; infinite: never.
    then : Then
        What follows at the time-out; `HOLD`: it stays held, with an alarm.
    actor : str
        Who asked.
    column_volume : float
        m3; 1 CV.
    """

    until: Expression
    timeout: float
    then: Then
    actor: str
    column_volume: float = 0.0
    time: float = 0.0
    volume: float = 0.0
    late: bool = False
    _evaluator: Evaluator = field(init=False)

    def __post_init__(self) -> None:
        self._evaluator = Evaluator(self.until)

    @property
    def text(self) -> str:
        """In words."""
        return str(self.until.text or self.until)

    def come(self, sample: Sample, elapsed: float, volume: float) -> bool:
        """Whether the condition is certainly true; `elapsed` s and `volume` m3 more have passed."""
        self.time += elapsed
        self.volume += volume
        column = self.column_volume
        own = Sample(
            sample.time, self.time, self.volume, self.volume / column if column else 0.0, sample.values
        )
        return self._evaluator.update(own)
