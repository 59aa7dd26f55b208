"""A hold that ends by itself: when a condition comes true, or when its time is over.

Its condition sees its own clock: ``10 min`` is ten minutes of this hold, ``5 CV`` what has flowed since it
began (in Held the flow goes on, the method stands still).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from minifactory.recipe.conditions import Evaluator, Expression, Sample, parse_condition
from minifactory.recipe.names import condition_names
from minifactory.signals import TagTable


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

    def elapse(self, elapsed: float, volume: float) -> None:
        """`elapsed` s and `volume` m3 more have passed, in which nobody looked."""
        self.time += elapsed
        self.volume += volume

    def record(self) -> dict[str, Any]:
        """For :func:`recalled` after a restart."""
        kept = {name: getattr(self, name) for name in ("actor", "column_volume", "time", "volume", "late")}
        limit = None if self.timeout == float("inf") else self.timeout
        return {"until": self.text, "timeout": limit, "then": self.then.value, **kept}

    def come(self, sample: Sample, elapsed: float, volume: float) -> bool:
        """Whether the condition is certainly true; `elapsed` s and `volume` m3 more have passed."""
        self.time += elapsed
        self.volume += volume
        column = self.column_volume
        own = Sample(
            sample.time, self.time, self.volume, self.volume / column if column else 0.0, sample.values
        )
        return self._evaluator.update(own)


def recalled(saved: Mapping[str, Any], table: TagTable, aliases: Mapping[str, str]) -> HoldUntil:
    """The hold that was recorded as `saved`; windows of time of its condition fill anew.

    Raises
    ------
    InputError
        When its condition cannot be read.
    """
    rest = dict(saved)
    until = parse_condition(str(rest.pop("until")), condition_names(table), "hold until").renamed(aliases)
    limit, then = rest.pop("timeout"), Then(rest.pop("then"))
    return HoldUntil(until, float("inf") if limit is None else limit, then, **rest)
