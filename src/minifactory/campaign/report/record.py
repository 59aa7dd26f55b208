"""Everything that a batch record is made of, gathered before a line of it is drawn or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Verdict
from minifactory.historian.audit import Verification
from minifactory.plant.model import Plant
from minifactory.recipe.bound import BoundRecipe
from minifactory.records.compare import Comparison, FrontDeviation
from minifactory.records.performance import Performance
from minifactory.records.prediction import Prediction
from minifactory.records.run import Run
from minifactory.units import Kind


@dataclass(frozen=True)
class Overlay:
    """A curve from elsewhere, laid over the chromatogram.

    Parameters
    ----------
    label : str
        What the legend calls it.
    kind : Kind
        Absorbance goes to the UV axis, conductivity to the conductivity axis.
    volume : ndarray (n,)
        m3 since the start of the run.
    values : ndarray (n,)
        SI.
    source : str
        File and hash, for the caption.
    """

    label: str
    kind: Kind
    volume: NDArray[np.float64]
    values: NDArray[np.float64]
    source: str = ""


@dataclass(frozen=True)
class BatchRecord:
    """What the record tells.

    Parameters
    ----------
    case : str
        Name of the case.
    run : Run
        The measured run, complete or cut short.
    performance : Performance
        Of that run.
    verdict : Verdict
        Decision, target by target.
    plant : Plant or None
        For materials, vessels, and parameters with their sources.
    recipe : BoundRecipe or None
        What was programmed.
    prediction, comparison : Prediction and Comparison or None
        What was expected, and how far the run is from it.
    gate : GateResult or None
        Whether it was let through.
    overlays : tuple of Overlay
        The original file's curves.
    original_fronts : tuple of FrontDeviation
        Where the original file's conductivity fronts pass against the predicted ones.
    audit : Verification or None
        The state of the record's hash chain.
    started, ended : datetime or None
        Wall times (UTC).
    inputs : Mapping of str to str
        SHA-256 of the input files by name.
    software : str
        Name and version.
    created : datetime or None
        When this record was written.
    """

    case: str
    run: Run
    performance: Performance
    verdict: Verdict
    plant: Plant | None = None
    recipe: BoundRecipe | None = None
    prediction: Prediction | None = None
    comparison: Comparison | None = None
    gate: GateResult | None = None
    overlays: tuple[Overlay, ...] = ()
    original_fronts: tuple[FrontDeviation, ...] = ()
    audit: Verification | None = None
    started: datetime | None = None
    ended: datetime | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    software: str = "MiniFactory"
    created: datetime | None = None
