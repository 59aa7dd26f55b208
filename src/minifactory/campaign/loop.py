"""The loop over batches: what was decided before and after each, and when a campaign has to stop.

Pure data and rules; :mod:`minifactory.app.campaigning` does the predicting, running and learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from minifactory.campaign.advice import Advice
from minifactory.campaign.gate import GateResult
from minifactory.campaign.targets import shown

EDGE = 1e-6
"""Part of its range within which a value counts as lying at its bound."""


@dataclass(frozen=True)
class Learned:
    """A parameter that a batch told: SI value before and after, and its relative deviation then."""

    path: str
    before: float
    after: float
    deviation: float


@dataclass(frozen=True)
class Batch:
    """One batch: what was changed for it and why, what it was expected to give, gave, and taught.

    Parameters
    ----------
    number : int
        From 1.
    version : str
        Of the parameters it was predicted with.
    gate : tuple of str
        What the gate said before anything was changed; empty when it was open at once.
    changes : tuple of str
        What was changed of the recipe, in words.
    probabilities : Mapping of str to float
        Of meeting each target (title and limit), as predicted for the recipe that was run.
    predicted, measured : Mapping of str to float
        The figure of each target, SI.
    decision : str
        The verdict; empty when it was not run.
    reasons : tuple of str
        Of the verdict.
    run, record, case : str
        Identifier of the run, its batch record and the folder of the case as it was run.
    learned : tuple of Learned
    lesson : str
        What the calibration said, in a sentence.
    """

    number: int
    version: str
    gate: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    probabilities: Mapping[str, float] = field(default_factory=dict)
    predicted: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    decision: str = ""
    reasons: tuple[str, ...] = ()
    run: str = ""
    record: str = ""
    case: str = ""
    learned: tuple[Learned, ...] = ()
    lesson: str = ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Batch:
        """The batch that :meth:`to_json` wrote."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        known["learned"] = tuple(Learned(**item) for item in content["learned"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """A campaign so far; `stopped` says why it ended before its last batch, `needs` what would help."""

    case: str
    batches: tuple[Batch, ...] = ()
    stopped: str = ""
    needs: tuple[str, ...] = ()
    started_again: int = 0

    def with_batch(self, batch: Batch) -> Progress:
        """The same with `batch` added."""
        return replace(self, batches=(*self.batches, batch))

    @property
    def runs(self) -> tuple[Batch, ...]:
        """The batches that were run."""
        return tuple(item for item in self.batches if item.run)

    @property
    def verdict(self) -> str:
        """What came of it, in one sentence."""
        met = sum(item.decision == "targets met" for item in self.runs)
        count = f"{met} of {len(self.runs)} batches met the targets"
        if self.stopped:
            return f"Stopped: {self.stopped} ({count})."
        if self.runs and self.runs[-1].decision == "targets met":
            return f"{count.capitalize()}; the last one did."
        return f"{count.capitalize()}; the last one did not."

    @property
    def exit_code(self) -> int:
        """0 the last batch met its targets, 3 a run was not complete, else 1."""
        if self.runs and self.runs[-1].decision == "run not complete":
            return 3
        good = bool(self.runs) and self.runs[-1].decision == "targets met" and not self.stopped
        return 0 if good else 1

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "case": self.case,
            "verdict": self.verdict,
            "stopped": self.stopped,
            "needs": list(self.needs),
            "started_again": self.started_again,
            "batches": [item.to_json() for item in self.batches],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Progress:
        """The campaign that :meth:`to_json` wrote."""
        return cls(
            content["case"],
            tuple(Batch.from_json(item) for item in content["batches"]),
            content["stopped"],
            tuple(content["needs"]),
            content["started_again"],
        )


def needs(gate: GateResult) -> tuple[str, ...]:
    """What would help when `gate` is closed and nothing adjustable opens it: a wider bound, an experiment."""
    found = list(gate.lines())
    study = gate.study
    nearest = None if study is None else study.nearest
    if nearest is not None:
        found += [f"A wider bound would help: {text}." for text in at_bounds(nearest)]
    unsure = [item for item in gate.missed if item.target.met(item.value)]
    if unsure and len(unsure) == len(gate.missed):
        titles = ", ".join(item.target.title.lower() for item in unsure)
        found.append(
            f"The nominal prediction meets the targets; what is missing is certainty about {titles}: "
            "an experiment that narrows the parameters, or a lower confidence."
        )
    return tuple(found)


def at_bounds(advice: Advice) -> list[str]:
    """The changes of `advice` that end at a bound, in words."""
    found = []
    for change in advice.changes:
        low, high = change.adjustable.lower, change.adjustable.upper
        for bound, side in ((low, "lowest"), (high, "highest")):
            if abs(change.after - bound) <= EDGE * (high - low):
                value = shown(bound, change.adjustable.kind)
                found.append(f"{change.adjustable.reference} is at its {side} value {value}")
    return found


def is_stuck(batches: Sequence[Batch]) -> bool:
    """Whether two batches in a row missed their targets and taught nothing: a third would be the same."""
    last = [item for item in batches if item.run][-2:]
    return len(last) == 2 and all(
        item.decision in ("targets missed", "targets cannot be judged") and not item.learned for item in last
    )
