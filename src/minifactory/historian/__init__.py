"""The record: documents through one writer into a database, append-only and chained, and back as a `Run`.

The names below are loaded when they are first asked for: whoever only writes (a controller that comes back)
does not wait for the database's libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PLACES = {
    "Verification": "audit",
    **dict.fromkeys(("documents", "load_run"), "reading"),
    **dict.fromkeys(("RunSummary", "Store"), "store"),
    **dict.fromkeys(("Health", "Policy", "Status", "Writer"), "writer"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
