"""One parallel branch at work: its own position, time and volume, beside the phases of the operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from minifactory.recipe.bound import BoundAction, BoundBranch, BoundPhase, BoundWatch
from minifactory.recipe.conditions import Evaluator, Sample
from minifactory.recipe.model import OnTimeout


class Beside:
    """Where one branch stands.

    Attributes
    ----------
    branch : BoundBranch
        What it is to do.
    position : int
        Index of its phase; ``len(phases)`` when it is done.
    time, volume : float
        Running time (s) and pumped volume (m3) of its phase.
    """

    def __init__(self, branch: BoundBranch) -> None:
        self.branch = branch
        self.position = -1
        self.time = self.volume = 0.0
        self._seen = (0.0, 0.0)
        self._until: Evaluator | None = None
        self._watches: list[tuple[BoundWatch, Evaluator]] = []
        self._timed_out = False
        self._begin(0)

    @property
    def phase(self) -> BoundPhase | None:
        """The phase that runs; None when the branch is done."""
        phases = self.branch.phases
        return phases[self.position] if self.position < len(phases) else None

    @property
    def done(self) -> bool:
        """Whether all its phases have ended."""
        return self.phase is None

    def _begin(self, position: int) -> None:
        self.position = position
        self.time = self.volume = 0.0
        self._timed_out = False
        phase = self.phase
        self._until = None if phase is None else Evaluator(phase.until)
        watches = () if phase is None else phase.watches
        self._watches = [(watch, Evaluator(watch.when)) for watch in watches]

    def carry(self, time: float, volume: float) -> None:
        """The phase beside it ends with these counters (s, m3); those of the next begin at zero."""
        self._count(time, volume)
        self._seen = (0.0, 0.0)

    def _count(self, time: float, volume: float) -> None:
        self.time += time - self._seen[0]
        self.volume += volume - self._seen[1]
        self._seen = (time, volume)

    def needs(self) -> set[str]:
        """Tags and aliases that its conditions read."""
        names = set() if self.phase is None else set(self.phase.until.tags())
        for watch, _ in self._watches:
            names.update(watch.when.tags())
        return names

    def evaluate(
        self, sample: Sample, time: float, volume: float
    ) -> tuple[list[BoundWatch], OnTimeout | None]:
        """What it asks for in this scan, as watches that have fired, and what its time-out asks for.

        `time` (s) and `volume` (m3) are the counters of the phase beside it.
        """
        self._count(time, volume)
        fired: list[BoundWatch] = []
        phase = self.phase
        if phase is None or self._until is None:
            return fired, None
        column = phase.column_volume
        own = Sample(
            sample.time, self.time, self.volume, self.volume / column if column else 0.0, sample.values
        )
        ended = False
        for watch, evaluator in list(self._watches):
            if evaluator.update(own):
                self._watches.remove((watch, evaluator))
                fired.append(replace(watch, name=f"{self._name(phase)} {watch.name}"))
                ended = ended or watch.end_phase
        ended = self._until.update(own) or ended
        if not ended and self.time >= phase.timeout and not self._timed_out:
            self._timed_out = True
            if phase.on_timeout is not OnTimeout.NEXT:
                return fired, phase.on_timeout
            ended = True
        if ended:
            self._begin(self.position + 1)
            following = self.phase
            action = BoundAction() if following is None else following.start
            name = f"{self._name(phase)} ends" if following is None else self._name(following)
            fired.append(BoundWatch(name, phase.until, action))
        return fired, None

    def _name(self, phase: BoundPhase) -> str:
        return f"{self.branch.path.rsplit('.', 1)[-1]}.{phase.name}"

    def memory(self) -> dict[str, object]:
        """What it needs to go on after a restart."""
        return {
            "position": self.position,
            "time": self.time,
            "volume": self.volume,
            "seen": self._seen,
            "timed_out": self._timed_out,
            "until": [] if self._until is None else self._until.memory(),
            "watches": {watch.name: evaluator.memory() for watch, evaluator in self._watches},
        }

    def recall(self, saved: Mapping[str, Any]) -> None:
        """Take up what :meth:`memory` gave."""
        self._begin(int(saved["position"]))
        self.time, self.volume = float(saved["time"]), float(saved["volume"])
        first, second = saved["seen"]
        self._seen = (float(first), float(second))
        self._timed_out = bool(saved["timed_out"])
        if self._until is not None:
            self._until.recall(saved["until"])
        left = saved["watches"]
        self._watches = [item for item in self._watches if item[0].name in left]
        for watch, evaluator in self._watches:
            evaluator.recall(left[watch.name])


def merged(action: BoundAction, others: Sequence[BoundAction]) -> BoundAction:
    """`action` and those of branches that begin with it, in one: none sets what another does."""
    if not others:
        return action
    setpoints = dict(action.setpoints)
    flow = setpoints.pop("System.Flow.SP", None)
    instructions = action.instructions
    for other in others:
        setpoints.update(other.setpoints)
        instructions = (*instructions, *other.instructions)
    if flow is not None:
        setpoints["System.Flow.SP"] = flow
    return replace(action, setpoints=setpoints, instructions=instructions)
