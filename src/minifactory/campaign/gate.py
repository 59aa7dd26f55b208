"""The gate before a run: does the prediction meet the targets, and if not, what would have to change?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minifactory.campaign.advice import Requirement, Simulate, Study, study
from minifactory.campaign.targets import Judgement, Target, Targets, assess
from minifactory.errors import Finding, TargetError
from minifactory.records.prediction import Prediction


@dataclass(frozen=True)
class GateResult:
    """Whether the prediction passes, target by target, and what was found about changing it.

    `study` is None when the gate is passed or changes were not looked for; `unadvised` says why.
    """

    judgements: tuple[Judgement, ...]
    study: Study | None = None
    unadvised: str = "Nothing is declared adjustable: list references with bounds under adjust."

    @property
    def passed(self) -> bool:
        """Whether every target is met with the confidence asked for."""
        return all(judgement.met for judgement in self.judgements)

    @property
    def missed(self) -> tuple[Judgement, ...]:
        """The targets that are not met."""
        return tuple(judgement for judgement in self.judgements if not judgement.met)

    def lines(self) -> tuple[str, ...]:
        """What a person should read: the misses, then what would help, or that nothing does."""
        if self.passed:
            return ()
        lines = [str(judgement) for judgement in self.missed]
        if self.study is None:
            return (*lines, self.unadvised)
        meeting = sorted(
            (advice for advice in self.study.singles if advice.meets), key=lambda item: item.size
        )
        if meeting:
            return (*lines, *(f"{advice}." for advice in meeting))
        if self.study.combination is not None and self.study.combination.meets:
            return (*lines, "No single change within the bounds suffices.", f"{self.study.combination}.")
        lines.append("No change within the bounds was found that meets all targets.")
        if self.study.nearest is not None:
            lines.append(f"The nearest: {self.study.nearest}.")
        return tuple(lines)

    def raise_if_missed(self) -> None:
        """Raise TargetError with one finding per missed target when the gate is closed."""
        if self.passed:
            return
        best = self.study.best if self.study is not None else None
        remedy = f"{best}." if best is not None else self.lines()[-1]
        raise TargetError(
            [
                Finding(
                    judgement.target.where or "targets",
                    f"the prediction misses its target: {judgement}",
                    judgement.target.text,
                    remedy if number == 0 else "",
                )
                for number, judgement in enumerate(self.missed)
            ]
        )


def gate(
    prediction: Prediction,
    targets: Targets,
    start: Mapping[str, float] | None = None,
    simulate: Simulate | None = None,
) -> GateResult:
    """The gate's result for `prediction`.

    Parameters
    ----------
    prediction : Prediction
        Nominal run and samples.
    targets : Targets
        What must be met, and what may be changed.
    start : Mapping of str to float or None
        Present values (SI) of the adjustable references; those that it lacks are not changed.
    simulate : callable or None
        The performance with other values (SI) by reference; None: no advice.
    """
    judgements = assess(targets, prediction.performance, prediction)
    known = [item for item in targets.adjustables if start is not None and item.reference in start]
    if all(item.met for item in judgements) or simulate is None or start is None or not known:
        why = GateResult.unadvised if not targets.adjustables else "Changes were not looked for."
        return GateResult(judgements, unadvised=why)
    requirements = [Requirement(target, reserve(prediction, target)) for target in targets.targets]
    return GateResult(judgements, study(requirements, known, start, simulate, prediction.performance))


def reserve(prediction: Prediction, target: Target) -> float:
    """By how much (SI) the nominal value must exceed the limit so that the target is met with its confidence.

    It is the distance from the nominal value to that sample, on the wrong side, which must just meet the
    limit for the share of samples that do to be large enough; advice assumes that the spread stays what it
    is here. Zero without samples, and never negative.
    """
    values = np.array([target.value(sample) for sample in prediction.samples], dtype=np.float64)
    values = values[np.isfinite(values)]
    nominal = target.value(prediction.performance)
    if values.size < 2 or not math.isfinite(nominal):
        return 0.0
    may_miss = min(math.floor((1.0 - target.confidence) * values.size + 1e-9), values.size - 1)
    edge = float(np.sort(values if target.at_least else -values)[may_miss])
    return max(0.0, nominal - edge if target.at_least else -edge - nominal)
