"""The batch record: one self-contained HTML file that tells a run from beginning to end."""

from minifactory.campaign.report.original import fronts, overlays
from minifactory.campaign.report.record import BatchRecord, Overlay
from minifactory.campaign.report.render import render, write

__all__ = ["BatchRecord", "Overlay", "fronts", "overlays", "render", "write"]
