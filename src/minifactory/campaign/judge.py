"""The judgement of a run that was executed: was it complete, and did it meet its targets?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from minifactory.campaign.targets import Judgement, Targets, assess
from minifactory.records.compare import Comparison
from minifactory.records.performance import FIGURES, Basis, Performance
from minifactory.records.run import Run


class Decision(Enum):
    """What is said of a run; the value is how the record says it."""

    MET = "targets met"
    MISSED = "targets missed"
    UNDECIDED = "targets cannot be judged"
    INCOMPLETE = "run not complete"


EXIT_CODES = {Decision.MET: 0, Decision.MISSED: 1, Decision.UNDECIDED: 1, Decision.INCOMPLETE: 3}


@dataclass(frozen=True)
class Verdict:
    """The decision on a run, target by target, and the reasons for it in words."""

    decision: Decision
    judgements: tuple[Judgement, ...]
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        return EXIT_CODES[self.decision]


def judge(
    run: Run, performance: Performance, targets: Targets, comparison: Comparison | None = None
) -> Verdict:
    """The verdict on `run` with its `performance`; `comparison` adds what lies outside the prediction."""
    judgements = assess(targets, performance)
    reasons = []
    if run.state != "Complete":
        reasons.append(
            f"The run ended in state {run.state}: {end_reason(run).removeprefix(f'{run.state}: ')}"
        )
    missed = [item for item in judgements if item.target.margin(item.value) < 0 and not item.met]
    unknown = [item for item in judgements if not item.met and item not in missed]
    reasons.extend(str(item) for item in (*missed, *unknown))
    if performance.basis is Basis.UV:
        reasons.append("The product in the pool is an estimate from UV, not an analysis.")
    if comparison is not None:
        outside = [FIGURES[item.name].title for item in comparison.figures if item.inside is False]
        if outside and run.state == "Complete":
            reasons.append(f"Outside the predicted interval: {', '.join(outside).lower()}.")
    if run.state != "Complete":
        decision = Decision.INCOMPLETE
    elif missed:
        decision = Decision.MISSED
    elif unknown:
        decision = Decision.UNDECIDED
    else:
        decision = Decision.MET
    return Verdict(decision, judgements, tuple(reasons))


def end_reason(run: Run) -> str:
    """Why the run ended, in the words of its record: the last stop, transition or alarm."""
    for category in ("run", "transition", "alarm"):
        texts = [event.text for event in run.events if event.category == category]
        if texts and (category != "run" or len(texts) > 1):
            return texts[-1]
    return "the record does not say why"
