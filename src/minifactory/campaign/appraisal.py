"""The performance of a run as the targets of its case ask for it."""

from __future__ import annotations

from minifactory.campaign.targets import Targets
from minifactory.plant.model import Plant
from minifactory.records.appraisal import appraise_in, assay, feeds, stated_load
from minifactory.records.performance import Performance
from minifactory.records.run import Run

__all__ = ["appraise", "assay", "feeds", "stated_load"]


def appraise(run: Run, plant: Plant, targets: Targets) -> Performance:
    """The performance of `run`: product and pool as `targets` names them, else as the plant tells."""
    return appraise_in(plant, run, targets.product, targets.pool)
