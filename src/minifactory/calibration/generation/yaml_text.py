"""Writes nested mappings as the YAML that a person would write: blocks outside, flow style inside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][\w ./%+*^()-]*|[\d.]+(?:e[+-]?\d+)? [A-Za-z%][\w/*^ -]*", re.ASCII)
_WORDS = frozenset({"yes", "no", "true", "false", "null", "on", "off", "y", "n"})


class Inline(dict[str, Any]):
    """A mapping that is written on one line."""


def sourced(value: str | float, source: str) -> Inline:
    """A quantity with its source."""
    return Inline(value=value, source=source)


def yaml_text(document: Mapping[str, Any], comment: str = "") -> str:
    """`document` as YAML, with `comment` lines above it."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "\n".join(_lines(document, 0)) + "\n"


def _lines(block: Mapping[str, Any], depth: int) -> list[str]:
    found: list[str] = []
    margin = "  " * depth
    for key, value in block.items():
        if isinstance(value, Mapping) and not isinstance(value, Inline):
            if depth == 0 and found:
                found.append("")
            found += [f"{margin}{_scalar(key)}:", *_lines(value, depth + 1)]
        else:
            found.append(f"{margin}{_scalar(key)}: {_inline(value)}")
    return found


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
