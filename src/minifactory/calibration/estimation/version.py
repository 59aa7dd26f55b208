"""A new version of ``parameters.yaml``: the old text with the estimates in it, beside the old file.

Comments and everything that was not estimated stay as they are. Each estimate carries its 95 % interval, its
uncertainty (so that predictions draw from it) and the hashes of the runs that it comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from minifactory.calibration.estimation.result import Estimate
from minifactory.calibration.estimation.space import Scale
from minifactory.errors import EnvironmentFault, Finding, InputError
from minifactory.plant.parameter_kinds import COLUMN, COLUMN_SPECIES
from minifactory.units import show

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FILE = "parameters.yaml"
DIGITS = 8
NARROWEST = 1e-6


def new_version(
    old: str,
    estimates: Sequence[Estimate],
    sources: Mapping[str, str],
    version: str,
    beyond: Collection[str] = (),
    correlations: Mapping[tuple[str, str], float] | None = None,
) -> str:
    """The text of the new version.

    Parameters
    ----------
    old : str
        Text of the present ``parameters.yaml``.
    estimates : sequence of Estimate
        Those that are trusted.
    sources : Mapping of str to str
        Hash by name of each run.
    version : str
        Its number.
    beyond : collection of str
        Paths whose estimate lies outside of their stated bounds, which are then dropped.
    correlations : Mapping of (str, str) to float, optional
        Of the estimates among one another; those that the old version states of them are dropped.
    """
    runs = "; ".join(f"{name} (sha256 {digest[:16]})" for name, digest in sources.items())
    text = _placed(old if old.strip() else "{}", ["version"], f'"{version}"')
    for item in estimates:
        node = _node(yaml.compose(text, _LOADER), item.path.split("."))
        before = None if node is None or item.path in beyond else _bounds(node, text)
        text = _placed(text, item.path.split("."), _entry(item, f"calibrated from {runs}", before))
    pairs = {**_kept_pairs(text, {item.path for item in estimates}), **(correlations or {})}
    if pairs or _node(yaml.compose(text, _LOADER), ["correlations"]) is not None:
        text = _placed(text, ["correlations"], _block(pairs, f"calibrated from {runs}"))
    return text


def _kept_pairs(text: str, changed: Collection[str]) -> dict[tuple[str, str], float]:
    """The correlations in `text` of parameters that are not `changed`."""
    node = _node(yaml.compose(text, _LOADER), ["correlations"])
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {
        (one.value, other.value): float(value.value)
        for one, inside in node.value
        if isinstance(inside, yaml.MappingNode)
        for other, value in inside.value
        if one.value not in changed and other.value not in changed
    }


def _block(pairs: Mapping[tuple[str, str], float], source: str) -> str:
    inside: dict[str, list[str]] = {}
    for (one, other), value in pairs.items():
        inside.setdefault(one, []).append(f"{other}: {value:.10f}")
    rows = [f"{one}: {{{', '.join(others)}}}" for one, others in inside.items()]
    return "{" + ", ".join([f"source: {_quoted(source)}", *rows]) + "}"


def _placed(text: str, path: Sequence[str], entry: str) -> str:
    """`text` with `entry` at `path`: in the place of what stands there, else at the head of its block."""
    root = yaml.compose(text, _LOADER)
    found = _node(root, path)
    if found is not None:
        # A scalar's mark ends with it; that of a block mapping ends at the next key.
        start, end = found.start_mark.index, found.end_mark.index
        if isinstance(found, yaml.MappingNode) and not found.flow_style:
            rest = text[start:end]
            end = start + len(rest.rstrip())
        return text[:start] + entry + text[end:]
    depth = max(k for k in range(len(path)) if _node(root, path[:k]) is not None)
    owner, below = _node(root, path[:depth]), path[depth:]
    inner = entry
    for name in reversed(below[1:]):
        inner = f"{{{name}: {inner}}}"
    line = f"{below[0]}: {inner}"
    if not isinstance(owner, yaml.MappingNode):
        return _placed(text, path[:depth], f"{{{line}}}")
    if owner.flow_style or not owner.value:
        comma = ", " if owner.value else ""
        at = owner.start_mark.index + 1
        return f"{text[:at]}{line}{comma}{text[at:]}"
    first = owner.value[0][0].start_mark
    return f"{text[: first.index]}{line}\n{' ' * first.column}{text[first.index :]}"


def _node(root: Any, path: Sequence[str]) -> Any:
    """The node at `path`; a key may itself hold dots. None when there is none."""
    if not path:
        return root
    if not isinstance(root, yaml.MappingNode):
        return None
    for count in range(len(path), 0, -1):
        name = ".".join(path[:count])
        for key, value in root.value:
            if key.value == name:
                return _node(value, path[count:])
    return None


def _bounds(node: Any, text: str) -> str | None:
    """The stated bounds as they are written."""
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == "bounds":
            return text[value.start_mark.index : value.end_mark.index]
    return None


def _entry(item: Estimate, source: str, stated_bounds: str | None) -> str:
    name = item.path.rsplit(".", 1)[-1]
    low, high = (show(end, item.kind, DIGITS) for end in (item.lower, item.upper))
    parts = [f"value: {show(item.value, item.kind, DIGITS)}"]
    if name in _PER_VOLUME:
        parts.append("per: solid")
    parts += [f"interval: [{low}, {high}]", f"uncertainty: {_uncertainty(item)}"]
    if stated_bounds is not None:
        parts.append(f"bounds: {stated_bounds}")
    prior = f"; prior: {item.prior}" if item.prior else ""
    parts.append(f"source: {_quoted(source + prior)}")
    parts.append(f"note: {_quoted(f'95 % interval by {item.method}; {item.verdict}')}")
    return "{" + ", ".join(parts) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', "'") + '"'


_PER_VOLUME = {name for table in (COLUMN, COLUMN_SPECIES) for name, kind in table.items() if kind.per_volume}


def _uncertainty(item: Estimate) -> str:
    if item.scale is Scale.LOG:
        return f"lognormal {max(item.spread, NARROWEST):.4g}"
    if item.value != 0.0:
        return f"normal {100.0 * max(item.spread / abs(item.value), NARROWEST):.4g} %"
    return f"normal {show(max(item.spread, NARROWEST), item.kind, 4)}"


def next_file(folder: Path) -> tuple[Path, str]:
    """The name that the next version gets in the case `folder`, and its number; nothing is overwritten."""
    number = 2
    while (folder / f"parameters.{number}.yaml").exists():
        number += 1
    return folder / f"parameters.{number}.yaml", str(number)


def write_new(file: Path, text: str) -> None:
    """Write `text` to `file`, which must not exist.

    Raises
    ------
    InputError
        It exists.
    """
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(
            Finding(str(file), "exists already", "a new file", "Name another with --output.")
        ) from None
    except OSError as fault:
        raise EnvironmentFault(Finding(str(file), fault.strerror or str(fault))) from None
