"""What came of a run, for people."""

from __future__ import annotations

import math

from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Decision, Verdict
from minifactory.campaign.targets import Judgement, shown
from minifactory.cli.output import stderr
from minifactory.records.performance import FIGURES
from minifactory.records.prediction import Prediction


def tell_verdict(verdict: Verdict | None, passed: GateResult, prediction: Prediction) -> None:
    """What came of it, for people."""
    if verdict is None:
        stderr.print("[bold]The gate stays closed: the prediction misses the targets.[/]")
        for line in passed.lines():
            stderr.print(f"  {line}", markup=False)
        return
    stderr.print(f"[bold]{verdict.decision.value.capitalize()}.[/]")
    for judgement in verdict.judgements:
        low, high = (
            prediction.interval(judgement.target.figure)
            if (judgement.target.figure in FIGURES)
            else (float("nan"), float("nan"))
        )
        expected = f" (predicted {shown(low, judgement.target.kind)} to {shown(high, judgement.target.kind)})"
        mark = _mark(verdict, judgement)
        stderr.print(f"  {mark} {judgement}{expected if low == low else ''}", markup=False)
    for reason in verdict.reasons:
        stderr.print(f"  {reason}", markup=False)


def _mark(verdict: Verdict, judgement: Judgement) -> str:
    """Met, missed or open: a run that was cut short has met nothing yet."""
    if not math.isfinite(judgement.value):
        return "OPEN  "
    if not judgement.met:
        return "MISSED"
    return "so far" if verdict.decision is Decision.INCOMPLETE else "met   "
