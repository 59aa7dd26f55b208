"""Limits as people write them: ``>= 85 %``."""

from __future__ import annotations

import re

from minifactory.errors import Finding, InputError
from minifactory.units import Kind, parse, show

_LIMIT = re.compile(r"\s*(>=|<=|≥|≤)\s*(.+?)\s*", re.DOTALL)
_AT_LEAST = (">=", "≥")


def parse_limit(text: str, kind: Kind, where: str = "limit") -> tuple[bool, float]:
    """Whether `text` is a lower limit, and the limit (SI).

    Raises
    ------
    InputError
        No comparison, no quantity, or one of another kind.
    """
    found = _LIMIT.fullmatch(text)
    if found is None:
        example = f">= 10 {kind.shown}".rstrip()
        raise InputError(
            Finding(where, f'"{text}" is no limit', f'a comparison and a {kind.name}, e.g. "{example}"')
        )
    return found[1] in _AT_LEAST, parse(found[2], kind, where=where).value


def limit_text(at_least: bool, limit: float, kind: Kind, digits: int = 4) -> str:
    """The limit (SI) as people write it; :func:`parse_limit` reads it back to `digits` digits."""
    return f"{'>=' if at_least else '<='} {show(limit, kind, digits)}"
