"""The parameters of a plant with other values at some paths, those among them that it does not state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Plant
from minifactory.plant.parameter_file import known_parameters
from minifactory.plant.parameter_kinds import ParameterKind
from minifactory.plant.parameters import Parameter, ParameterSet


def with_parameters(
    plant: Plant, values: Mapping[str, float], kinds: Mapping[str, ParameterKind] | None = None
) -> ParameterSet:
    """The parameters of `plant` with other values (SI); those not stated are added.

    `kinds` are those of all paths that the plant can have, where they are at hand.

    Raises
    ------
    InputError
        Paths that the plant cannot have.
    """
    known = kinds or known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    wrong = [path for path in values if path not in known]
    if wrong:
        raise InputError(
            [Finding("calibrate", f'no parameter "{p}"', remedy=did_you_mean(p, known)) for p in wrong]
        )
    changed = dict(plant.parameters.parameters)
    for path, value in values.items():
        if path in changed:
            changed[path] = replace(changed[path], value=value)
        else:
            kind = known[path]
            changed[path] = Parameter(path, value, kind.kind, "calibrated", None, kind.lower, kind.upper)
    return replace(plant.parameters, parameters=changed)
