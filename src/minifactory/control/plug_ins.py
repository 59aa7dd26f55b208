"""The controllers there are: built in, and one file of somebody's under the entry point group."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from minifactory.control.controller import Controller
from minifactory.control.loading import Loading
from minifactory.control.pooling import Pooling
from minifactory.control.retention import Retention
from minifactory.control.switching import Switching
from minifactory.errors import Finding, InputError, did_you_mean

GROUP = "minifactory.controllers"
_BUILT_IN: tuple[type[Any], ...] = (Loading, Retention, Pooling, Switching)


def kinds() -> tuple[str, ...]:
    """Every kind that a recipe may name."""
    own = [item.kind for item in _BUILT_IN]
    return tuple(dict.fromkeys([*own, *sorted(point.name for point in entry_points(group=GROUP))]))


def controller_class(kind: str, where: str = "controller") -> type[Any]:
    """The class of a kind: a dataclass of numbers, tuples of numbers and None.

    Raises
    ------
    InputError
        Unknown kind, or a plug-in that cannot be loaded.
    """
    for item in _BUILT_IN:
        if item.kind == kind:
            return item
    for point in entry_points(group=GROUP):
        if point.name == kind:
            try:
                found = point.load()
            except Exception as fault:
                said = f'the plug-in "{kind}" cannot be loaded ({type(fault).__name__}: {fault})'
                raise InputError(Finding(where, said, remedy=f"Look into {point.value}.")) from fault
            if not dataclasses.is_dataclass(found) or not isinstance(found, type):
                raise InputError(Finding(where, f"{point.value} is no dataclass", "a class of parameters"))
            return found
    remedy = did_you_mean(kind, kinds())
    raise InputError(Finding(where, f'no controller of kind "{kind}"', ", ".join(kinds()), remedy))


def controller(kind: str, parameters: Mapping[str, Any], where: str = "controller") -> Controller:
    """The controller of a kind with these parameters (SI numbers, or nested sequences of them).

    Raises
    ------
    InputError
        Unknown kind or parameter, a value that is none, a filter out of bounds.
    """
    chosen = controller_class(kind, where)
    fields = {item.name: item for item in dataclasses.fields(chosen)}
    findings = [
        Finding(where, f'unknown parameter "{name}"', ", ".join(fields), did_you_mean(name, fields))
        for name in parameters
        if name not in fields
    ]
    needed = [
        name for name, item in fields.items()
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]  # fmt: skip
    findings += [
        Finding(where, f'the parameter "{name}" is missing', "a number")
        for name in needed
        if name not in parameters
    ]
    filtered = parameters.get("a")
    if isinstance(filtered, float | int) and not 0.0 <= filtered < 1.0:
        findings.append(Finding(where, f"a = {filtered:g}", "a filter from 0 (at once) to below 1 (never)"))
    if findings:
        raise InputError(findings)
    made: Controller = chosen(**{name: _frozen(value) for name, value in parameters.items()})
    return made


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
