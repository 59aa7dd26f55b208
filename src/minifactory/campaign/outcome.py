"""What a campaign found, as JSON types for programs: SI values, None for what is not known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minifactory.campaign.advice import Advice
from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Verdict
from minifactory.campaign.targets import Judgement
from minifactory.records.compare import Comparison, FrontDeviation
from minifactory.records.export import figures, known
from minifactory.records.prediction import Prediction


def prediction_content(prediction: Prediction) -> dict[str, Any]:
    """The nominal figures with their intervals, and how many samples these stand on."""
    return {
        "run": prediction.run.identifier,
        "performance": figures(prediction.performance),
        "intervals": {
            name: [known(low), known(high)] for name, (low, high) in prediction.intervals().items()
        },
        "level": prediction.level,
        "samples": len(prediction.samples),
    }


def targets_content(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """Each target: limit, value, whether and with which probability it is met, by how much it is missed."""
    return [
        {
            "figure": item.target.figure,
            "limit": item.target.limit,
            "at_least": item.target.at_least,
            "text": item.target.text,
            "value": known(item.value),
            "met": item.met,
            "missed_by": known(item.missed_by),
            "probability": known(item.probability),
            "confidence": item.target.confidence,
        }
        for item in judgements
    ]


def gate_content(result: GateResult) -> dict[str, Any]:
    """The gate: passed or not, each target, sensitivities and advice."""
    content: dict[str, Any] = {
        "passed": result.passed,
        "targets": targets_content(result.judgements),
        "lines": list(result.lines()),
    }
    study = result.study
    if study is not None:
        content["simulations"] = study.simulations
        content["sensitivities"] = [
            {"figure": item.figure, "reference": item.reference, "over_range": known(item.over_range)}
            for item in study.sensitivities
        ]
        content["best"] = None if study.best is None else _advice(study.best)
        content["nearest"] = None if study.nearest is None else _advice(study.nearest)
    return content


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "changes": {
            change.adjustable.reference: {"from": change.before, "to": change.after}
            for change in advice.changes
        },
        "meets": advice.meets,
        "performance": figures(advice.performance),
        "text": str(advice),
    }


def verdict_content(verdict: Verdict) -> dict[str, Any]:
    """The decision on a run, its reasons, and each target."""
    return {
        "decision": verdict.decision.value,
        "reasons": list(verdict.reasons),
        "targets": targets_content(verdict.judgements),
    }


def deviation_content(comparison: Comparison) -> dict[str, Any]:
    """Trends, fronts, peaks, vessels, phases and figures of a run against its prediction."""
    return {
        "trends": {
            item.name: {
                "mean": known(item.mean),
                "bias": known(item.bias),
                "maximum": known(item.maximum),
                "at": known(item.at),
                "range": known(item.span),
            }
            for item in comparison.trends
        },
        "fronts": [front_content(item) for item in comparison.fronts],
        "peaks": [
            {
                "trend": item.name,
                "phase": item.phase,
                "predicted_volume": known(item.predicted.apex),
                "measured_volume": None if item.measured is None else known(item.measured.apex),
                "shift_cv": known(item.shift) if item.column_volume else None,
                "height_ratio": known(item.height_ratio),
                "area_ratio": known(item.area_ratio),
            }
            for item in comparison.peaks
        ],
        "vessels": {
            item.vessel: {"predicted": known(item.predicted), "measured": known(item.measured)}
            for item in comparison.pools
        },
        "phases": [
            {
                "path": item.path,
                "predicted_duration": known(item.predicted_duration),
                "measured_duration": known(item.measured_duration),
                "predicted_volume": known(item.predicted_volume),
                "measured_volume": known(item.measured_volume),
                "reason": item.reason,
            }
            for item in comparison.phases
        ],
        "figures": {
            item.name: {
                "predicted": known(item.predicted),
                "lower": known(item.lower),
                "upper": known(item.upper),
                "measured": known(item.measured),
                "inside": item.inside,
            }
            for item in comparison.figures
        },
    }


def front_content(front: FrontDeviation) -> dict[str, Any]:
    """Where a front passes, predicted and measured (m3), and the difference in CV when there is a column."""
    return {
        "trend": front.name,
        "phase": front.phase,
        "predicted": known(front.predicted),
        "measured": known(front.measured),
        "difference_cv": known(front.difference) if front.column_volume else None,
    }
