"""The record: documents through one writer into a database, append-only and chained, and back as a `Run`."""

from minifactory.historian.audit import Verification
from minifactory.historian.reading import documents, load_run
from minifactory.historian.store import RunSummary, Store
from minifactory.historian.writer import Health, Policy, Status, Writer

__all__ = [
    "Health",
    "Policy",
    "RunSummary",
    "Status",
    "Store",
    "Verification",
    "Writer",
    "documents",
    "load_run",
]
