"""The controller's predictor: the static check and the prediction of a case, injected before every start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minifactory.app.case import Case
from minifactory.orbit.predictor import Forecast
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.check import check
from minifactory.records.prediction import Prediction


class CaseForecast:
    """Answers the controller from what has been predicted for the case."""

    def __init__(self, case: Case, prediction: Prediction) -> None:
        self._case = case
        self._run = prediction.run
        self._performance = prediction.performance

    def dry_run(self, bound: BoundRecipe) -> Forecast:
        """What will happen: duration, the findings of the static check, and the figures of the prediction."""
        findings = check(self._case.recipe, self._case.plant, bound.skid).findings
        figures = {name: value for name, value in self._performance.values.items() if np.isfinite(value)}
        return Forecast(self._run.duration, tuple(findings), figures)

    def expected(self, time: float) -> Mapping[str, float]:
        """Predicted values (SI) by tag `time` s after the start."""
        at = np.array([time])
        return {name: float(trend.at(at)[0]) for name, trend in self._run.trends.items()}
