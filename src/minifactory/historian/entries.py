"""Documents as lines of the record: a kind, two times and a canonical JSON text, from which they come back.

The text is ASCII JSON with sorted keys, no spaces, floats as Python writes them (the shortest text that reads
back as the same float; ``NaN`` and ``Infinity`` as such). It is what the audit chain signs, so it must not
depend on anything but the document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from minifactory.errors import EnvironmentFault, Finding
from minifactory.records import documents
from minifactory.records.documents import Document

SEGMENT = "Segment"
GAP = "Gap"
_COMMON = ("run", "time", "wall")


@dataclass(frozen=True)
class Entry:
    """One line of the record before it has its place in the chain.

    Parameters
    ----------
    run : str
        Identifier of the run; empty for what happened outside any run.
    kind : str
        Name of the document, or :data:`SEGMENT` (packed samples) or :data:`GAP` (documents that were
        refused).
    time : float
        Process time in s since the start of the run.
    wall : str
        Wall time (UTC, ISO 8601).
    body : str
        Canonical JSON.
    blob : bytes or None
        The samples of a segment.
    """

    run: str
    kind: str
    time: float
    wall: str
    body: str
    blob: bytes | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The body as a dictionary."""
        return cast(dict[str, Any], json.loads(self.body))


def canonical(content: Mapping[str, Any]) -> str:
    """The one JSON text of `content`."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def instruction_stage(entry: Entry) -> tuple[int, str, bool] | None:
    """Number and stage of the instruction that `entry` tells of, and whether it is told again; else None."""
    if entry.kind != documents.InstructionRecord.__name__:
        return None
    content = entry.content
    return content["number"], content["stage"], content.get("again", False)


def to_entry(document: Document) -> Entry:
    """The entry of any document but samples, which go into segments."""
    content = {
        item.name: _plain(getattr(document, item.name))
        for item in fields(document)
        if item.name not in _COMMON
    }
    if not math.isfinite(document.time):
        raise ValueError(f"its time is {document.time}")
    return Entry(
        document.run, type(document).__name__, document.time, document.wall.isoformat(), canonical(content)
    )


def to_document(entry: Entry) -> Document | None:
    """The document of `entry`; None for segments, gaps and kinds that this version does not know.

    Raises
    ------
    EnvironmentFault
        When the body does not fit its kind: the record was changed or is damaged.
    """
    kind = getattr(documents, entry.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, Document)):
        return None
    try:
        content = entry.content
        hints = _hints(cast(Any, kind))
        known = {
            name: _typed(content[name], hint)
            for name, hint in hints.items()
            if name not in _COMMON and name in content
        }
        return kind(run=entry.run, time=entry.time, wall=datetime.fromisoformat(entry.wall), **known)
    except (TypeError, ValueError, KeyError) as fault:
        raise EnvironmentFault(
            Finding(
                f"historian, run {entry.run}",
                f"an entry {entry.kind} at {entry.time:g} s cannot be read ({fault})",
                remedy="Run verify on this run.",
            )
        ) from fault


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _plain(value: object) -> Any:
    """`value` in terms of JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _typed(value: Any, hint: Any) -> Any:
    """The JSON `value` as the type that `hint` names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        return _typed(value, next(item for item in arguments if item is not type(None)))
    if origin is tuple:
        return tuple(_typed(item, arguments[0]) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _typed(item, arguments[1]) for key, item in value.items()}
    if isinstance(hint, type):
        if issubclass(hint, Enum):
            return hint(value)
        if issubclass(hint, datetime):
            return datetime.fromisoformat(value)
        if is_dataclass(hint):
            return hint(
                **{name: _typed(value[name], item) for name, item in _hints(hint).items() if name in value}
            )
        if hint is float:
            return float(value)
    return value
